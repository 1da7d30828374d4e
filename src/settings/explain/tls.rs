//! What `tls_config` means.

use crate::settings::{
    explain::{Explanation, Topic},
    tls::TlsSettings,
};

/// Which name TLS asks for when `server_name` is not set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServerName<'h> {
    /// That of the target's host.
    Host,
    /// That of the target's host, unless the request has a parameter `hostname`.
    HostOrHostname,
    /// That of the `Host` header that the module sets.
    Header(&'h str),
    /// There is none.
    None,
}

impl TlsSettings {
    /// Says how TLS is spoken and who is trusted; `name` is asked for where the settings have no
    /// name, and `start` says when TLS begins.
    pub fn explain(&self, start: &str, name: ServerName<'_>, words: &mut Explanation) {
        let topic = Topic::Tls;
        let (lowest, highest) = (self.lowest_version(), self.highest_version());
        let versions = if lowest == highest {
            format!("{start}, {lowest} is spoken.")
        } else {
            format!("{start}, {lowest} to {highest} is spoken.")
        };
        words.say_of(self.min_version.is_none() && self.max_version.is_none(), topic, versions);
        if self.insecure_skip_verify {
            words.say(
                topic,
                "Any certificate will do: neither its authority, name nor dates count.",
            );
        } else {
            self.explain_trust(name, words);
        }
        let certificate = match (self.cert.as_str(), self.cert_file.as_str()) {
            ("", "") => return words.usual(topic, "No client certificate is shown."),
            ("", file) => format!("in {file}"),
            _ => "in the module".to_owned(),
        };
        let key = match self.key_file.as_str() {
            "" => "in the module".to_owned(),
            file => format!("in {file}"),
        };
        let text = if certificate == key {
            format!("A server that asks is shown the client certificate {certificate}.")
        } else {
            format!(
                "A server that asks is shown the client certificate {certificate}; its key is {key}."
            )
        };
        words.say(topic, text);
    }

    fn explain_trust(&self, name: ServerName<'_>, words: &mut Explanation) {
        let topic = Topic::Tls;
        match (self.ca.as_str(), self.ca_file.as_str()) {
            ("", "") => words.usual(topic, "The authorities that the system trusts are trusted."),
            ("", file) => {
                words.say(
                    topic,
                    format!("Only the authorities in {file} are trusted, read at each probe."),
                );
            }
            _ => words.say(topic, "Only the authorities in the module's ca are trusted."),
        }
        let text = match (self.server_name.as_str(), name) {
            ("", ServerName::Host) => "The certificate has to be for the host of the target.",
            ("", ServerName::HostOrHostname) => {
                "The certificate has to be for the host of the target, or for the parameter \
                 hostname of the request where it has one."
            }
            ("", ServerName::Header(host)) => {
                let text =
                    format!("The certificate has to be for {host}, as the header Host says.");
                return words.say(topic, text);
            }
            ("", ServerName::None) => return,
            (name, _) => {
                return words.say(topic, format!("The certificate has to be for {name}."));
            }
        };
        words.usual(topic, text);
    }
}
