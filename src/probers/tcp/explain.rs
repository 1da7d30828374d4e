//! What a module of this prober does, in words.

use crate::{
    probers::tcp::TcpProber,
    settings::explain::{Explanation, ServerName, Topic},
};

impl TcpProber {
    /// Says what a probe does.
    pub fn explain(&self, words: &mut Explanation) {
        words.say(Topic::Target, "host:port; the port is a number or the name of a service.");
        self.ip.explain(words);
        words.source_address(self.source_ip_address);
        self.query_response.explain_tls(self.tls, words, |start, words| {
            self.tls_config.settings().explain(start, ServerName::HostOrHostname, words);
        });
        self.query_response.explain_connection(words);
    }
}
