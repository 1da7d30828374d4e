//! The addresses, ports and delays of the responders.

use std::{io, net::Ipv4Addr, sync::Arc, thread, time::Duration};

/// The first number of the addresses of most peers.
pub(crate) const NETWORK: u8 = 127;

/// The first number of the addresses of peers whose TCP handshake is made by hand, so that it takes as
/// long as the rest.
pub(crate) const NETWORK_BY_HAND: u8 = 10;

/// The second number of an address with the first delay.
pub(crate) const FIRST_NET: u8 = 10;

/// The ports of the responders, which have the namespace to themselves.
pub(crate) mod port {
    pub(crate) const HTTP: u16 = 80;
    pub(crate) const HTTPS: u16 = 443;
    pub(crate) const DIALOGUE: u16 = 7000;
    pub(crate) const TLS_DIALOGUE: u16 = 7001;
    pub(crate) const DNS: u16 = 53;
}

/// The delay of an answer that never comes.
pub(crate) const NEVER: Duration = Duration::MAX;

/// The delay of an answer, by the address that was asked.
#[derive(Clone)]
pub(super) struct Delays(Arc<[Duration]>);

impl Delays {
    pub(super) fn new(delays: &[Duration]) -> Self {
        Self(delays.into())
    }

    pub(super) fn of(&self, address: Ipv4Addr) -> Duration {
        let [_, second, ..] = address.octets();
        let index = usize::from(second.saturating_sub(FIRST_NET));
        self.0.get(index).copied().unwrap_or_default()
    }

    /// Calls `act` after the delay of an address, without delaying others.
    pub(super) fn after(&self, address: Ipv4Addr, act: impl FnOnce() + Send + 'static) {
        let delay = self.of(address);
        if delay.is_zero() {
            return act();
        }
        if delay == NEVER {
            return;
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

/// Starts a thread with a high priority, which the threads that it starts inherit. Without the
/// permission for that, the priority is the usual one.
pub(crate) fn eager_thread(name: &str, work: impl FnOnce() + Send + 'static) -> io::Result<()> {
    let eager = move || {
        be_eager();
        work();
    };
    thread::Builder::new().name(name.to_owned()).spawn(eager).map(drop)
}

/// Gives the calling thread a high priority, if that is permitted.
pub(crate) fn be_eager() {
    const NICENESS: i32 = -15;
    rustix::process::setpriority_process(None, NICENESS).ok();
}
