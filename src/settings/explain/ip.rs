//! What `preferred_ip_protocol`, `ip_protocol_fallback` and `source_ip_address` mean.

use std::net::IpAddr;

use crate::settings::{
    explain::{Explanation, Topic},
    ip::{IP_PROTOCOL_FALLBACK, IpFamily, IpSettings, PreferredIpProtocol},
};

impl IpSettings {
    /// Says which address is probed.
    pub fn explain(&self, words: &mut Explanation) {
        let (preferred, other) = match self.preferred() {
            IpFamily::V4 => ("IPv4", "IPv6"),
            IpFamily::V6 => ("IPv6", "IPv4"),
        };
        let text = if self.ip_protocol_fallback {
            format!(
                "A name is looked up, and its first {preferred} address is probed; without one, \
                 its first {other} address."
            )
        } else {
            format!(
                "A name is looked up, and its first {preferred} address is probed; without one \
                 the probe fails."
            )
        };
        let is_default = self.preferred() == PreferredIpProtocol::default().family()
            && self.ip_protocol_fallback == IP_PROTOCOL_FALLBACK;
        words.say_of(is_default, Topic::Address, text);
    }
}

impl Explanation {
    /// Says where a probe comes from, if the module does.
    pub fn source_address(&mut self, address: Option<IpAddr>) {
        if let Some(address) = address {
            self.say(Topic::Address, format!("It comes from {address}."));
        }
    }
}
