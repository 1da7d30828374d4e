//! Describes a dialogue in plain text.

use crate::{
    probers::query_response::{QueryResponse, Step},
    settings::explain::{Explanation, Topic, quoted},
};

impl QueryResponse {
    /// Describes when TLS starts. `settings` describes the TLS settings. With `tls`, TLS starts
    /// before the dialogue.
    pub fn explain_tls(
        &self,
        tls: bool,
        words: &mut Explanation,
        settings: impl FnOnce(&str, &mut Explanation),
    ) {
        let starttls = self.steps().iter().position(|step| step.starttls);
        match starttls {
            _ if tls => settings("From the start", words),
            Some(index) => settings(&format!("After step {}", index + 1), words),
            None => words.say_default(Topic::Tls, "Not used."),
        }
    }

    /// Describes the data that a tcp or unix probe sends, and the causes of failure.
    pub fn explain_connection(&self, words: &mut Explanation) {
        if self.is_empty() {
            words.say_default(Topic::Sends, "No data is sent; the probe succeeds once connected.");
        } else {
            self.explain("line", words);
        }
        words.say(Topic::Fails, "Connection refused, connection closed early, or timeout.");
    }

    /// Describes all steps. `line` is the unit of received data: "line" or "message".
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
            parts.push(format!(
                "export groups of the match as labels {} of probe_expect_info",
                names.join(", ")
            ));
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
            parts.push("start TLS".to_owned());
        }
        if parts.is_empty() { "nothing".to_owned() } else { parts.join(", then ") }
    }
}
