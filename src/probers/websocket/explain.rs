//! What a module of this prober does, in words.

use crate::{
    probers::websocket::WebsocketProber,
    settings::explain::{Explanation, ServerName, Topic},
};

impl WebsocketProber {
    /// Says what a probe does.
    pub fn explain(&self, words: &mut Explanation) {
        let text = "A URL that begins with ws:// or wss://; without a port, 80 or 443.";
        words.say(Topic::Target, text);
        self.ip.explain(words);
        let start = "When the target begins with wss://";
        self.tls_client.settings().explain(start, ServerName::Host, words);
        words.say(Topic::Sends, "GET with the request to upgrade to a websocket, over HTTP/1.1.");
        for (name, values) in self.headers.iter() {
            words.say(Topic::Sends, format!("The header {}.", values.explain(name)));
        }
        self.http_config.explain_authorization(words);
        words.say(Topic::Checks, "The server agrees to the upgrade (101).");
        self.query_response.explain("message", words);
        let text = "Nobody listens, the connection ends before all is done, or time is up.";
        words.say(Topic::Fails, text);
    }
}
