//! Peers that take a known time to answer. Whoever asks 127.10.x.y is answered after the first of
//! the delays, 127.11.x.y after the second, and so on.
//!
//! A responder that gets the processor late does no harm: the truth is what the packets say.

mod by_hand;
mod datagrams;
mod streams;

use std::{io, net::Ipv4Addr, sync::Arc, thread, time::Duration};

use anyhow::Result;

use super::tls::Identity;

/// The first number of most peers' addresses, and of those whose handshake is made by hand so that
/// it takes as long as the rest.
pub(super) const NETWORK: u8 = 127;
pub(super) const NETWORK_BY_HAND: u8 = 10;

/// The second number of an address with the first delay.
pub(super) const FIRST_NET: u8 = 10;

/// The ports of the responders, which have the namespace to themselves.
pub(super) mod port {
    pub(in super::super) const HTTP: u16 = 80;
    pub(in super::super) const HTTPS: u16 = 443;
    pub(in super::super) const DIALOGUE: u16 = 7000;
    pub(in super::super) const DNS: u16 = 53;
}

/// Starts them all. They run as long as the process does, in the namespace of the calling thread.
pub(super) fn start(delays: &[Duration], identity: &Identity) -> Result<()> {
    let delays = Delays(delays.into());
    streams::start(&delays, identity)?;
    datagrams::start(&delays)?;
    by_hand::start(&delays)
}

/// The delay of an answer, by the address that was asked.
#[derive(Clone)]
struct Delays(Arc<[Duration]>);

impl Delays {
    fn of(&self, address: Ipv4Addr) -> Duration {
        let [_, second, ..] = address.octets();
        let index = usize::from(second.saturating_sub(FIRST_NET));
        self.0.get(index).copied().unwrap_or_default()
    }

    /// Does something after the delay of an address, without making others wait.
    fn after(&self, address: Ipv4Addr, act: impl FnOnce() + Send + 'static) {
        let delay = self.of(address);
        if delay.is_zero() {
            return act();
        }
        // A sleeping thread wakes more precisely than the timers of an asynchronous runtime.
        let later = move || {
            thread::sleep(delay);
            act();
        };
        // Without a thread there is no answer, and the probe fails.
        thread::Builder::new().spawn(later).ok();
    }
}

/// Starts a thread that goes before others, as do those that it starts; where that is not allowed,
/// a thread.
pub(super) fn eager_thread(name: &str, work: impl FnOnce() + Send + 'static) -> io::Result<()> {
    let eager = move || {
        const NICENESS: i32 = -15;
        rustix::process::setpriority_process(None, NICENESS).ok();
        work();
    };
    thread::Builder::new().name(name.to_owned()).spawn(eager).map(drop)
}
