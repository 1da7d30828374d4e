//! A rule for the values of a header.

use std::sync::Arc;

use crate::settings::{
    regexp::Regexp,
    rule::RuleError,
    section::{EmptyIsNone, section},
};

section! {
    /// A pattern for the values of a header. In both lists of rules a missing header is a failure
    /// unless `allow_missing` is set.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct HeaderMatcher {
        /// Name under which a failure is reported; the default is the key and the index.
        #[key(extension)]
        pub name: Option<Arc<str>> as EmptyIsNone,
        /// Name of the header; case is ignored. Required.
        pub header: String,
        /// Pattern; required.
        regexp: Option<Regexp>,
        /// Accepts a response without the header; otherwise a missing header fails the probe in both
        /// lists.
        pub allow_missing: bool,
    }
    check Self::check;
}

impl HeaderMatcher {
    fn check(&mut self) -> Result<(), RuleError> {
        if self.header.is_empty() {
            let message = "header name must be set for HTTP header matchers";
            return Err(RuleError::new(message).involving(["header"]));
        }
        if self.pattern().is_empty() {
            let message = "regexp must be set for HTTP header matchers";
            return Err(RuleError::new(message).involving(["regexp"]));
        }
        Ok(())
    }

    /// Returns whether the pattern matches a value of the header.
    #[must_use]
    pub fn matches(&self, value: &[u8]) -> bool {
        self.regexp.as_ref().is_some_and(|regexp| regexp.is_match(value))
    }

    /// The text of the pattern.
    #[must_use]
    pub fn pattern(&self) -> &str {
        self.regexp.as_ref().map_or("", |regexp| regexp.as_str())
    }

    /// The pattern.
    pub(super) const fn regexp(&self) -> Option<&Regexp> {
        self.regexp.as_ref()
    }
}
