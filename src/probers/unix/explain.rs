//! What a module of this prober does, in words.

use crate::{
    probers::unix::UnixProber,
    settings::explain::{Explanation, ServerName, Topic},
};

impl UnixProber {
    /// Says what a probe does.
    pub fn explain(&self, words: &mut Explanation) {
        words.say(Topic::Target, "The path of a socket, or an abstract name after @.");
        self.query_response.explain_tls(self.tls, words, |start, words| {
            self.tls_config.settings().explain(start, ServerName::None, words);
        });
        self.query_response.explain_connection(words);
    }
}
