//! Descriptions of `preferred_ip_protocol`, `ip_protocol_fallback` and `source_ip_address`.

use std::net::IpAddr;

use crate::settings::{
    explain::{Explanation, Topic},
    ip::{IP_PROTOCOL_FALLBACK, IpFamily, IpSettings, PreferredIpProtocol},
};

impl IpSettings {
    /// Describes the selection of the target's address.
    pub fn explain(&self, words: &mut Explanation) {
        let (preferred, other) = match self.preferred() {
            IpFamily::V4 => ("IPv4", "IPv6"),
            IpFamily::V6 => ("IPv6", "IPv4"),
        };
        let text = if self.ip_protocol_fallback {
            format!(
                "The first {preferred} address of the name, or its first {other} address if it has \
                 no {preferred} address."
            )
        } else {
            format!("The first {preferred} address of the name; the probe fails if it has none.")
        };
        let is_default = self.preferred() == PreferredIpProtocol::default().family()
            && self.ip_protocol_fallback == IP_PROTOCOL_FALLBACK;
        words.say_of(is_default, Topic::Address, text);
    }
}

impl Explanation {
    /// Describes the source address of a probe.
    pub fn source_address(&mut self, address: Option<IpAddr>) {
        if let Some(address) = address {
            self.say(Topic::Address, format!("Sent from {address}."));
        }
    }
}
