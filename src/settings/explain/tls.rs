//! Description of `tls_config`.

use crate::settings::{
    explain::{Explanation, Topic},
    tls::TlsSettings,
};

/// The name to verify if `server_name` is not set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServerName<'h> {
    /// The host of the target.
    Host,
    /// The host of the target, unless the request has the parameter `hostname`.
    HostOrHostname,
    /// The value of the header `Host` in the module.
    Header(&'h str),
    /// No name.
    None,
}

impl TlsSettings {
    /// Describes the TLS settings. `start` describes when TLS starts; `name` is the name to verify
    /// if the settings have none.
    pub fn explain(&self, start: &str, name: ServerName<'_>, words: &mut Explanation) {
        let topic = Topic::Tls;
        let (lowest, highest) = (self.lowest_version(), self.highest_version());
        let versions = if lowest == highest {
            format!("{start}, {lowest}.")
        } else {
            format!("{start}, {lowest} to {highest}.")
        };
        words.say_of(self.min_version.is_none() && self.max_version.is_none(), topic, versions);
        if self.insecure_skip_verify {
            words.say(topic, "Certificate verification is disabled.");
        } else {
            self.explain_trust(name, words);
        }
        let certificate = match (self.cert.as_str(), self.cert_file.as_str()) {
            ("", "") => return words.say_default(topic, "No client certificate."),
            ("", file) => format!("in {file}"),
            _ => "in the module".to_owned(),
        };
        let key = match self.key_file.as_str() {
            "" => "in the module".to_owned(),
            file => format!("in {file}"),
        };
        let text = if certificate == key {
            format!("The client certificate {certificate} is sent if the server requests one.")
        } else {
            format!(
                "The client certificate {certificate}, with the key {key}, is sent if the server requests \
                 one."
            )
        };
        words.say(topic, text);
    }

    fn explain_trust(&self, name: ServerName<'_>, words: &mut Explanation) {
        let topic = Topic::Tls;
        match (self.ca.as_str(), self.ca_file.as_str()) {
            ("", "") => words.say_default(topic, "Trusted CAs: those of the system."),
            ("", file) => {
                words.say(topic, format!("Trusted CAs: those in {file}, read at each probe."));
            }
            _ => words.say(topic, "Trusted CAs: those in the module."),
        }
        let text = match (self.server_name.as_str(), name) {
            ("", ServerName::Host) => "The certificate must match the host of the target.",
            ("", ServerName::HostOrHostname) => {
                "The certificate must match the host of the target, or the parameter hostname of \
                 the request."
            }
            ("", ServerName::Header(host)) => {
                let text =
                    format!("The certificate must match {host}, the value of the header Host.");
                return words.say(topic, text);
            }
            ("", ServerName::None) => return,
            (name, _) => {
                return words.say(topic, format!("The certificate must match {name}."));
            }
        };
        words.say_default(topic, text);
    }
}
