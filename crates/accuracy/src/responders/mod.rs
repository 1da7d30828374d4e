//! Peers that take a known time to answer. A request to 127.10.x.y is answered after the first of the
//! delays, one to 127.11.x.y after the second, and so on.
//!
//! A responder that is late does no harm: the truth is in the packets.

mod by_hand;
mod datagrams;
mod service;
mod streams;

use std::time::Duration;

use anyhow::Result;

use self::service::Delays;
pub(super) use self::service::{
    FIRST_NET, NETWORK, NETWORK_BY_HAND, NEVER, be_eager, eager_thread, port,
};
use super::tls::Identity;

/// Starts those that need no capture of all packets. They run as long as the process does, in the
/// namespace of the calling thread.
pub(super) fn start(delays: &[Duration], identity: &Identity) -> Result<()> {
    let delays = Delays::new(delays);
    streams::start(&delays, identity)?;
    datagrams::start(&delays)
}

/// Starts the one that makes its handshakes by hand. Without it, its network is a black hole.
pub(super) fn start_by_hand(delays: &[Duration]) -> Result<()> {
    by_hand::start(&Delays::new(delays))
}
