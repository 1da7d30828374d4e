//! The key `query_response`.

use std::{collections::BTreeSet, fmt, sync::Arc};

use serde::{Deserialize, Serialize, ser::SerializeStruct};

use crate::{
    diagnostics::CheckName,
    net::{Context, tls::TlsClient},
    settings::{
        bytes::Bytes,
        regexp::{Regexp, Subject},
        rule::{KeyPath, RuleError, Warning},
        secret::HIDDEN,
        section::{EmptyIsNone, section},
    },
};

/// The steps of a dialogue, in order; the key `query_response`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<Step>")]
pub struct QueryResponse(Vec<Step>);

section! {
    /// One step of a dialogue. Its keys take effect in this order.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Step {
        /// Name under which a failure is reported; the default is the key and the index.
        #[key(extension)]
        pub name: Option<Arc<str>> as EmptyIsNone,
        /// Pattern; reads lines until one matches. Not together with `expect_bytes`.
        pub expect: Option<Regexp>,
        /// Bytes to read and compare.
        pub expect_bytes: Bytes,
        /// Labels of `probe_expect_info`, from the match of `expect`.
        pub labels: Vec<Label> => Label,
        /// Text to send, followed by a line feed. `$1`, `${1}` and `${name}` are replaced by
        /// capture groups of `expect`, and `$$` by a dollar sign.
        pub send: Bytes,
        /// Sends exactly the bytes of `send`, without the line feed.
        #[key(extension)]
        pub skip_newline_on_send: bool,
        /// Starts TLS on the connection. Unread data is discarded.
        pub starttls: bool,
        /// Redacts the data that the step sends, expects and receives; not together with `labels`.
        #[key(extension)]
        pub secret: bool,
    }
    check Self::check;
    write Self::write_shown;
}

section! {
    /// One label of `probe_expect_info`.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Label {
        /// Name of the label; required.
        pub name: String,
        /// Value of the label; `$1`, `${1}` and `${name}` are replaced by capture groups of
        /// `expect`.
        pub value: String,
    }
}

impl Step {
    /// Returns whether the step expects data.
    #[must_use]
    pub fn is_check(&self) -> bool {
        self.expect.is_some() || !self.expect_bytes.is_empty()
    }

    /// Returns `text` for logs and failures, redacted if the step is secret.
    pub fn shown<'t>(&self, text: &'t dyn fmt::Display) -> &'t dyn fmt::Display {
        if self.secret { &HIDDEN } else { text }
    }

    /// Adds `text` to the secrets of the probe if the step is secret.
    pub fn hide(&self, context: &Context, text: &[u8]) {
        if self.secret {
            context.hide_with_words(text);
        }
    }

    /// Returns the name of the step's check: the configured name, or the key with `index`.
    #[must_use]
    pub fn check_name(&self, index: usize) -> CheckName {
        CheckName::of_entry("query_response", index).or_given(self.name.as_ref())
    }
}

impl QueryResponse {
    /// Returns the steps.
    #[must_use]
    pub fn steps(&self) -> &[Step] {
        &self.0
    }

    /// Returns the names of the steps that expect data.
    #[must_use]
    pub fn checks(&self) -> Vec<CheckName> {
        let steps = self.0.iter().enumerate().filter(|(_, step)| step.is_check());
        steps.map(|(index, step)| step.check_name(index)).collect()
    }

    /// Returns whether no dialogue is configured.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Rejects `starttls` on a connection that uses TLS already. `tls` means that TLS starts before
    /// the dialogue.
    ///
    /// Upstream crashes with such a module.
    pub fn check_tls(&self, tls: bool) -> Result<(), RuleError> {
        let mut steps = self.0.iter().enumerate().filter(|(_, step)| step.starttls);
        if let Some((index, _)) = if tls { steps.next() } else { steps.nth(1) } {
            let message = "the connection already uses TLS at this step; remove starttls";
            let path = KeyPath::from("query_response").index(index).key("starttls");
            return Err(RuleError::at(path, message));
        }
        Ok(())
    }
}

impl QueryResponse {
    /// Returns warnings about the key `tls_config`. `tls` means that TLS starts before the dialogue.
    #[must_use]
    pub fn tls_warnings(&self, tls: bool, tls_config: &TlsClient) -> Vec<Warning> {
        let uses_tls = tls || self.0.iter().any(|step| step.starttls);
        let unused = (!uses_tls).then_some("'tls: true' or a step with starttls");
        let warnings = tls_config.settings().warnings(unused).into_iter();
        warnings.map(|warning| warning.inside("tls_config")).collect()
    }

    /// Returns warnings about steps that are valid, but probably a mistake. Patterns are matched
    /// against `subject`.
    #[must_use]
    pub fn warnings(&self, subject: Subject) -> Vec<Warning> {
        let mut warnings = Vec::new();
        for (index, step) in self.0.iter().enumerate() {
            let place = KeyPath::from("query_response").index(index);
            let at = |key: &str| place.clone().key(key);
            // In binary protocols, TLS may directly follow the request for it.
            if step.starttls && !step.send.is_empty() && !step.skip_newline_on_send {
                let message = "TLS starts directly after 'send', before the peer has responded; \
                               set 'starttls: true' in a later step that expects the response";
                warnings.push(Warning::at(at("starttls"), message));
            }
            let Some(expect) = &step.expect else { continue };
            warnings
                .extend(expect.warning(subject).map(|warning| Warning::at(at("expect"), warning)));
            let send = String::from_utf8_lossy(step.send.as_slice());
            let of_send = (at("send"), &*send);
            let of_labels = step.labels.iter().enumerate();
            let of_labels = of_labels
                .map(|(number, label)| (at("labels").index(number).key("value"), &*label.value));
            for (path, template) in [of_send].into_iter().chain(of_labels) {
                // In a secret template, the reference may be part of the secret.
                let shown = |unknown: String| if step.secret { "$".to_owned() } else { unknown };
                for unknown in expect.unknown_references(template).into_iter().map(shown) {
                    let message = format!(
                        "'{unknown}' is not a group of expect and is replaced by an empty text; \
                         write ${{1}} if letters follow, or $$ for a dollar sign"
                    );
                    warnings.push(Warning::at(path.clone(), message));
                }
            }
        }
        warnings
    }
}

impl TryFrom<Vec<Step>> for QueryResponse {
    type Error = RuleError;

    fn try_from(steps: Vec<Step>) -> Result<Self, RuleError> {
        let mut with_labels = steps.iter().enumerate().filter(|(_, step)| !step.labels.is_empty());
        if let Some((index, _)) = with_labels.nth(1) {
            let message = "only one step can have labels, since probe_expect_info is one metric";
            return Err(RuleError::at(KeyPath::default().index(index).key("labels"), message));
        }
        Ok(Self(steps))
    }
}

impl Step {
    fn check(&mut self) -> Result<(), RuleError> {
        if self.expect.is_some() && !self.expect_bytes.is_empty() {
            let message = "expect and expect_bytes are mutually exclusive";
            return Err(RuleError::at("expect_bytes", message));
        }
        if self.secret && !self.labels.is_empty() {
            let message = "labels would show the data of a secret step; move them to another step";
            return Err(RuleError::at("labels", message));
        }
        let mut names = BTreeSet::new();
        for (index, label) in self.labels.iter().enumerate() {
            let path = KeyPath::from("labels").index(index);
            if label.name.is_empty() {
                let error = RuleError::at(path.clone(), "a label requires a name");
                return Err(error.involving([path.key("name")]));
            }
            if label.name.starts_with("__") {
                let message = "label names that begin with '__' are reserved for Prometheus";
                return Err(RuleError::at(path.key("name"), message));
            }
            if !names.insert(label.name.as_str()) {
                let message = format!("label '{}' is repeated", label.name);
                return Err(RuleError::at(path.key("name"), message));
            }
        }
        Ok(())
    }

    /// Serializes the step. The data of a secret step is redacted.
    fn write_shown<S: SerializeStruct>(&self, section: &mut S) -> Result<(), S::Error> {
        let expect = self.expect.as_ref().map(|pattern| Bytes::from(pattern.as_str()));
        section.serialize_field("name", &self.name)?;
        section.serialize_field("expect", &expect.as_ref().map(|text| text.shown(self.secret)))?;
        section.serialize_field("expect_bytes", &self.expect_bytes.shown(self.secret))?;
        section.serialize_field("labels", &self.labels)?;
        section.serialize_field("send", &self.send.shown(self.secret))?;
        section.serialize_field("skip_newline_on_send", &self.skip_newline_on_send)?;
        section.serialize_field("starttls", &self.starttls)?;
        section.serialize_field("secret", &self.secret)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn parse(value: Value) -> Result<QueryResponse, String> {
        serde_json::from_value(value).map_err(|error| error.to_string())
    }

    #[test]
    fn contradictory_keys_are_rejected() {
        for (value, expected) in [
            (
                json!([{"expect": "", "expect_bytes": "b"}]),
                "expect_bytes: expect and expect_bytes are mutually exclusive",
            ),
            (
                json!([{"labels": [{"name": "a"}, {"value": "b"}]}]),
                "labels[1]: a label requires a name",
            ),
            (
                json!([{"labels": [{"name": "a"}, {"name": "a"}]}]),
                "labels[1].name: label 'a' is repeated",
            ),
            (
                json!([{"labels": [{"name": "__name__"}]}]),
                "labels[0].name: label names that begin with '__' are reserved for Prometheus",
            ),
            (
                json!([{"secret": true, "expect": "a", "labels": [{"name": "a", "value": "$1"}]}]),
                "labels: labels would show the data of a secret step; move them to another step",
            ),
            (
                json!([{"labels": [{"name": "a"}]}, {}, {"labels": [{"name": "b"}]}]),
                "[2].labels: only one step can have labels, since probe_expect_info is one metric",
            ),
        ] {
            assert_eq!(parse(value.clone()).unwrap_err(), expected, "{value}");
        }
    }

    #[test]
    fn secret_steps_are_redacted() {
        let steps = json!([{"secret": true, "expect": "abc", "send": "def"}, {"send": "ghi"}]);
        let shown = serde_json::to_value(parse(steps).unwrap()).unwrap();
        assert_eq!(shown[0]["expect"], "<secret>");
        assert_eq!(shown[0]["send"], "<secret>");
        assert_eq!(shown[0]["expect_bytes"], "");
        assert_eq!(shown[1]["send"], "ghi");
        assert_eq!(shown[1]["secret"], false);
    }

    #[test]
    fn tls_starts_at_most_once() {
        let twice = parse(json!([{"starttls": true}, {"send": "a"}, {"starttls": true}])).unwrap();
        assert!(twice.check_tls(false).unwrap_err().to_string().starts_with("query_response[2]"));
        assert!(twice.check_tls(true).unwrap_err().to_string().starts_with("query_response[0]"));
        let once = parse(json!([{"send": "a"}, {"starttls": true}])).unwrap();
        assert_eq!(once.check_tls(false), Ok(()));
        assert!(once.check_tls(true).is_err());
    }
}
