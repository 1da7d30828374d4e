//! The time that the peer and the network took, according to the packets of a probe.

use std::time::Duration;

use super::packet::{Flow, Way, What};

impl Flow {
    /// From the first segment of a connection to its answer.
    pub fn handshake(&self) -> Option<Duration> {
        let syn = self.first(Way::Out, |what| *what == What::Syn)?;
        let answer = self.first(Way::In, |what| *what == What::SynAck)?;
        answer.checked_sub(syn)
    }

    /// From the last bytes sent to the first received after them.
    pub fn answer(&self) -> Option<Duration> {
        let carries = |what: &What| matches!(what, What::Data(_) | What::Datagram(_));
        let answer = self.first(Way::In, carries)?;
        let question = self
            .0
            .iter()
            .rfind(|packet| packet.way == Way::Out && packet.at <= answer && carries(&packet.what))?
            .at;
        answer.checked_sub(question)
    }

    /// The sum, over all arrivals of a TLS handshake, of the time since the send or arrival before
    /// it. The client ends a handshake of TLS 1.3 with the first record that looks like
    /// application data.
    pub fn tls_waiting(&self) -> Option<Duration> {
        let mut since = self.first(Way::In, |what| *what == What::SynAck)?;
        let mut waiting = Duration::ZERO;
        for packet in &self.0 {
            let What::Data(bytes) = &packet.what else { continue };
            match packet.way {
                Way::Out if has_application_data(bytes) => return Some(waiting),
                Way::Out => {}
                Way::In => waiting += packet.at.checked_sub(since)?,
            }
            since = packet.at;
        }
        None
    }

    fn first(&self, way: Way, is_it: impl Fn(&What) -> bool) -> Option<Duration> {
        let found = self.0.iter().find(|packet| packet.way == way && is_it(&packet.what));
        found.map(|packet| packet.at)
    }
}

/// Checks for the start of a record of application data in a segment that starts with a record.
fn has_application_data(mut bytes: &[u8]) -> bool {
    const APPLICATION_DATA: u8 = 23;
    while let [kind, _, _, high, low, rest @ ..] = bytes {
        if *kind == APPLICATION_DATA {
            return true;
        }
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        bytes = rest.get(length..).unwrap_or_default();
    }
    false
}
