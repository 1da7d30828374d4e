//! What a dialogue is, in words.

use crate::{
    probers::query_response::{QueryResponse, Step},
    settings::explain::{Explanation, Topic, quoted},
};

impl QueryResponse {
    /// Says when TLS begins, if it does; `settings` say how it is spoken then. `tls` means from the
    /// start.
    pub fn explain_tls(
        &self,
        tls: bool,
        words: &mut Explanation,
        settings: impl FnOnce(&str, &mut Explanation),
    ) {
        let turn = self.steps().iter().position(|step| step.starttls);
        match turn {
            _ if tls => settings("From the start", words),
            Some(index) => settings(&format!("After step {}", index + 1), words),
            None => words.usual(Topic::Tls, "Not spoken."),
        }
    }

    /// Says what a connection is for that is made for the dialogue, and when the probe fails.
    pub fn explain_connection(&self, words: &mut Explanation) {
        if self.is_empty() {
            words.usual(Topic::Sends, "Nothing: to be connected is enough.");
        } else {
            self.explain("line", words);
        }
        words.say(
            Topic::Fails,
            "Nobody listens, the connection ends before all is done, or time is up.",
        );
    }

    /// Says what is expected and what is sent, step by step; `line` is what a peer says at once.
    pub fn explain(&self, line: &str, words: &mut Explanation) {
        for (index, step) in self.steps().iter().enumerate() {
            words.step(index + 1, step.name.as_ref(), &step.explain(line));
        }
    }
}

impl Step {
    fn explain(&self, line: &str) -> String {
        let mut parts = Vec::new();
        if let Some(pattern) = &self.expect {
            let pattern = pattern.as_str();
            parts.push(format!("wait for a {line} that matches '{}'", self.shown(&pattern)));
        }
        if !self.labels.is_empty() {
            let names: Vec<_> = self.labels.iter().map(|label| label.name.as_str()).collect();
            parts.push(format!("note {} of it in probe_expect_info", names.join(", ")));
        }
        if !self.expect_bytes.is_empty() {
            let bytes = quoted(&self.expect_bytes);
            parts.push(format!("read the bytes {}", self.shown(&bytes)));
        }
        if !self.send.is_empty() {
            let end = match (line, self.skip_newline_on_send) {
                ("line", false) => " and a line feed",
                _ => "",
            };
            parts.push(format!("send {}{end}", self.shown(&quoted(&self.send))));
        }
        if self.starttls {
            parts.push("turn to TLS".to_owned());
        }
        if parts.is_empty() { "nothing".to_owned() } else { parts.join(", then ") }
    }
}
