//! Patterns in Go's dialect of regular expressions, which is what users' configuration files hold.

mod error;
mod parser;
mod template;

use std::{borrow::Cow, fmt, sync::Arc};

use regex_automata::{
    Input,
    meta::Regex,
    util::{captures, syntax},
};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

pub use self::error::RegexpError;

/// Bytes that one compiled pattern may take.
const COMPILED_SIZE_LIMIT: usize = 64 << 20;

/// A compiled pattern; unanchored, leftmost-first, as Go's `regexp` matches.
///
/// Two are equal when their patterns are.
#[derive(Clone)]
pub struct Regexp {
    compiled: Arc<Compiled>,
}

struct Compiled {
    pattern: String,
    regex: Regex,
}

impl Regexp {
    /// Compiles `pattern`; the error is worded as Go words it.
    pub fn new(pattern: &str) -> Result<Self, RegexpError> {
        let hir = parser::parse(pattern)?;
        let config = Regex::config()
            .nfa_size_limit(Some(COMPILED_SIZE_LIMIT))
            .onepass_size_limit(Some(COMPILED_SIZE_LIMIT / 64));
        let regex = Regex::builder()
            .configure(config)
            .syntax(syntax::Config::new())
            .build_from_hir(&hir)
            .map_err(|_| RegexpError::too_large(pattern))?;
        Ok(Self { compiled: Arc::new(Compiled { pattern: pattern.to_owned(), regex }) })
    }

    /// The pattern as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.compiled.pattern
    }

    /// Whether the pattern matches anywhere in `haystack`.
    ///
    /// A byte that is not part of valid UTF-8 counts as U+FFFD.
    #[must_use]
    pub fn is_match(&self, haystack: &[u8]) -> bool {
        self.compiled.regex.is_match(&*String::from_utf8_lossy(haystack))
    }

    /// The first match in `haystack`, with what its groups matched.
    #[must_use]
    pub fn captures<'h>(&self, haystack: &'h [u8]) -> Option<Captures<'h>> {
        let mut groups = self.compiled.regex.create_captures();
        self.compiled.regex.captures(Input::new(haystack), &mut groups);
        groups.is_match().then_some(Captures { groups, haystack: Cow::Borrowed(haystack) })
    }
}

/// What the groups of a pattern matched; made by [`Regexp::captures`].
#[derive(Clone, Debug)]
pub struct Captures<'h> {
    groups: captures::Captures,
    haystack: Cow<'h, [u8]>,
}

impl Captures<'_> {
    /// `template` with `$name`, `${name}`, `$1` and `${1}` replaced by what the groups matched.
    ///
    /// An unknown group is empty, `$1x` means the group `1x`, `$$` is one `$`, and a `$` that starts none of these
    /// stays.
    #[must_use]
    pub fn expand(&self, template: &str) -> Vec<u8> {
        template::expand(template, |group| match group {
            template::Group::Index(index) => self.bytes(self.groups.get_group(index)),
            template::Group::Name(name) => self.bytes(self.groups.get_group_by_name(name)),
        })
    }

    fn bytes(&self, span: Option<regex_automata::Span>) -> &[u8] {
        span.and_then(|span| self.haystack.get(span.range())).unwrap_or_default()
    }
}

impl fmt::Debug for Regexp {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Regexp").field(&self.as_str()).finish()
    }
}

impl fmt::Display for Regexp {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl PartialEq for Regexp {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for Regexp {}

impl<'de> Deserialize<'de> for Regexp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let pattern = String::deserialize(deserializer)?;
        Self::new(&pattern).map_err(|error| {
            de::Error::custom(format!(
                "\"Could not compile regular expression\" regexp=\"{pattern}\": {error}"
            ))
        })
    }
}

impl Serialize for Regexp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}
