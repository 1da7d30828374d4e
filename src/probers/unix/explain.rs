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
        if self.query_response.is_empty() {
            words.usual(Topic::Sends, "Nothing: to be connected is enough.");
        } else {
            self.query_response.explain("line", words);
        }
        words.say(
            Topic::Fails,
            "Nobody listens, the connection ends before all is done, or time is up.",
        );
    }
}
