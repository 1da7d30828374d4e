//! Patterns in Go's dialect of regular expressions, which is what users' configuration files hold.

mod captures;
mod error;
mod parser;
mod size;
mod template;
mod text;

use std::{
    borrow::Cow,
    fmt,
    sync::{Arc, OnceLock},
    thread,
};

use regex_automata::meta::Regex;
use regex_syntax::hir::Hir;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use self::error::Reason;
pub(in crate::settings) use self::text::readable;
pub use self::{captures::Captures, error::RegexpError};

/// Bytes that one compiled pattern may take.
const COMPILED_SIZE_LIMIT: usize = 64 << 20;
/// A pattern that has no more states than this takes at most a few megabytes, and so little time
/// that a probe can compile it.
const FEW_STATES: usize = 20_000;
/// Nesting that any thread's stack is large enough for.
const SHALLOW: u32 = 64;
/// Bytes of stack for the deepest nesting; an unoptimised build takes about 10 KiB for a level.
const DEEP_STACK_SIZE: usize = 64 << 20;

/// A compiled pattern; unanchored, leftmost-first, as Go's `regexp` matches.
///
/// Unlike upstream: classes such as `\pL` and the folding of case are those of Unicode 16, Go 1.27's
/// those of Unicode 17; a pattern that takes more than 64 MiB is refused as too large.
///
/// Whatever is wrong with a pattern is found at once, but one that is certainly small enough is
/// compiled when it is first used: thousands of them would delay the start.
///
/// Two are equal when their patterns are.
#[derive(Clone)]
pub struct Regexp {
    compiled: Arc<Compiled>,
}

struct Compiled {
    pattern: String,
    /// Filled when it is first needed, if not before; see [`Compiled::regex`].
    regex: OnceLock<Option<Regex>>,
    names: Vec<(String, usize)>,
}

impl Compiled {
    /// The automata. There are always some, as [`Regexp::new`] lets nothing else through.
    fn regex(&self) -> Option<&Regex> {
        let parsed = || parser::parse(&self.pattern).ok();
        self.regex.get_or_init(|| compile(&parsed()?.hir)).as_ref()
    }
}

impl Regexp {
    /// Reads `pattern`; the error is worded as Go words it.
    pub fn new(pattern: &str) -> Result<Self, RegexpError> {
        let parser::Pattern { hir, height, names } = parser::parse(pattern)?;
        let regex = OnceLock::new();
        if height > SHALLOW || size::most_states(&hir) > FEW_STATES {
            let compiled = if height > SHALLOW { compile_deep(&hir) } else { compile(&hir) };
            let compiled = compiled.ok_or_else(|| RegexpError::new(Reason::TooLarge, pattern))?;
            regex.get_or_init(|| Some(compiled));
        }
        Ok(Self { compiled: Arc::new(Compiled { pattern: pattern.to_owned(), regex, names }) })
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
        self.compiled.regex().is_some_and(|regex| regex.is_match(&*readable(haystack)))
    }

    /// The first match in `haystack`, with what its groups matched.
    ///
    /// A byte that is not part of valid UTF-8 counts as U+FFFD.
    #[must_use]
    pub fn captures<'h>(&'h self, haystack: &'h [u8]) -> Option<Captures<'h>> {
        let (regex, names) = (self.compiled.regex()?, &self.compiled.names);
        let text = readable(haystack);
        let mut groups = regex.create_captures();
        regex.captures(&*text, &mut groups);
        if !groups.is_match() {
            return None;
        }
        let original = |span: regex_automata::Span| match text {
            Cow::Borrowed(_) => span.range(),
            Cow::Owned(_) => text::original_span(haystack, &span.range()),
        };
        let spans = groups.iter().map(|span| span.map(original)).collect();
        Some(Captures { haystack, spans, names })
    }
}

fn compile(hir: &Hir) -> Option<Regex> {
    let config = Regex::config().nfa_size_limit(Some(COMPILED_SIZE_LIMIT));
    Regex::builder().configure(config).build_from_hir(hir).ok()
}

/// Compiles on a stack that is large enough for the deepest nesting, since the compiler recurses.
fn compile_deep(hir: &Hir) -> Option<Regex> {
    thread::scope(|scope| {
        let thread = thread::Builder::new().stack_size(DEEP_STACK_SIZE);
        thread.spawn_scoped(scope, || compile(hir)).ok()?.join().ok()?
    })
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use regex_automata::nfa::thompson::{NFA, WhichCaptures};
    use serde::Deserialize;

    use super::*;

    /// A pattern and what blackbox\_exporter 0.28.0, built with Go 1.27.1, made of it.
    #[derive(Deserialize)]
    struct Recorded {
        pattern: String,
        error: Option<String>,
        #[serde(default)]
        matches: Vec<(Bytes, Outcome)>,
    }

    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Bytes {
        Text(String),
        NotText(Vec<u8>),
    }

    impl Bytes {
        fn as_slice(&self) -> &[u8] {
            match self {
                Self::Text(text) => text.as_bytes(),
                Self::NotText(bytes) => bytes,
            }
        }
    }

    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Outcome {
        /// Whether it matched, where the groups could not be seen.
        Matched(bool),
        /// `$0|$1|$2|$3|$n`, if it matched.
        Groups(Option<Bytes>),
    }

    #[test]
    fn patterns_mean_what_they_mean_in_go() {
        for line in include_str!("recorded_from_go.jsonl").lines() {
            let recorded: Recorded = serde_json::from_str(line).unwrap();
            let pattern = &recorded.pattern;
            let regexp = match (Regexp::new(pattern), recorded.error) {
                (Err(error), Some(recorded)) => {
                    assert_eq!(error.to_string(), recorded);
                    continue;
                }
                (Err(error), None) => panic!("{pattern}: {error}"),
                (Ok(_), Some(error)) => panic!("{pattern} was accepted, not {error}"),
                (Ok(regexp), None) => regexp,
            };
            for (haystack, outcome) in &recorded.matches {
                let haystack = haystack.as_slice();
                let expanded =
                    regexp.captures(haystack).map(|groups| groups.expand("$0|$1|$2|$3|$n"));
                let matched = match outcome {
                    Outcome::Matched(matched) => *matched,
                    Outcome::Groups(groups) => {
                        let groups = groups.as_ref().map(Bytes::as_slice);
                        assert_eq!(expanded.as_deref(), groups, "{pattern} in {haystack:?}");
                        groups.is_some()
                    }
                };
                assert_eq!(expanded.is_some(), matched, "{pattern} in {haystack:?}");
                assert_eq!(regexp.is_match(haystack), matched, "{pattern} in {haystack:?}");
            }
        }
    }

    #[test]
    fn nesting_has_gos_limit() {
        let nested = |levels: usize| format!("{}a{}", "(".repeat(levels), ")".repeat(levels));
        assert!(Regexp::new(&nested(999)).unwrap().is_match(b"a"));
        let error = Regexp::new(&nested(1000)).unwrap_err().to_string();
        assert!(error.contains("expression nests too deeply"), "{error}");
        assert!(Regexp::new(&format!("{}a{}", "(?:".repeat(5000), ")".repeat(5000))).is_ok());
    }

    #[test]
    fn what_compiles_is_bounded() {
        assert!(Regexp::new(r"\pL{200}").is_ok());
        for pattern in [".{1000}".repeat(200), r"\pL".repeat(10_000)] {
            let error = Regexp::new(&pattern).unwrap_err().to_string();
            assert!(error.contains("expression too large"), "{error}");
        }
    }

    #[test]
    fn what_is_large_is_compiled_at_once_and_what_is_small_when_it_is_used() {
        let is_compiled = |regexp: &Regexp| regexp.compiled.regex.get().is_some();
        for (pattern, at_once) in [
            ("^220 .* ESMTP (.*)$", false),
            (r"\pL", true),
            (".{1000}", true),
            (&format!("{}a{}", "(".repeat(100), ")".repeat(100)), true),
        ] {
            let regexp = Regexp::new(pattern).unwrap();
            assert_eq!(is_compiled(&regexp), at_once, "{pattern}");
            assert!(!regexp.is_match(b""));
            assert!(is_compiled(&regexp));
        }
    }

    /// Asserts that the automata of `pattern`, if it is one, have no more states than was foreseen,
    /// and few bytes for each.
    fn assert_foreseen(pattern: &str) {
        let Ok(parser::Pattern { hir, .. }) = parser::parse(pattern) else { return };
        let most = size::most_states(&hir);
        for reverse in [false, true] {
            let config = NFA::config().reverse(reverse).which_captures(WhichCaptures::All);
            let nfa = NFA::compiler().configure(config).build_from_hir(&hir);
            let Ok(nfa) = nfa else { continue };
            // Every pattern is preceded by a loop, and followed by a state for a match.
            assert!(nfa.states().len() <= most + 10, "{pattern}: {} > {most}", nfa.states().len());
            let bytes = nfa.memory_usage();
            assert!(bytes <= 4096 + 100 * most, "{pattern}: {bytes} for {most}");
        }
    }

    #[test]
    fn the_size_of_classes_is_foreseen() {
        for pattern in [
            r"\pL",
            r"\PL",
            r"(?i)\pL+",
            r"[^\pL]",
            r"\p{Han}",
            ".",
            "(?s).",
            r"\W",
            "(?i)k",
            "[a\u{7FF}-\u{10000}]",
            "[\u{81}-\u{10FFFE}]",
            "[\u{833}-\u{10ABCD}]{3,}",
            "(a|[^b]{2,9}){7}",
            "((a?){9}|b*?){9}",
            "(?:abc|abd|ab|xyz|)+",
            "x{0}",
            "(?m)^$",
        ] {
            assert!(Regexp::new(pattern).is_ok(), "{pattern}");
            assert_foreseen(pattern);
        }
    }

    /// Each would take minutes if reading took a time that grows with the square of the length.
    #[test]
    fn long_patterns_are_read_in_time() {
        for part in
            ["(", "(?:a", "(?P<n>", "[", "[[:", "[a", r"\Q", r"\pL", "a|", "x*", "(?i)", "{1,"]
        {
            drop(Regexp::new(&part.repeat(20_000)));
        }
        let characters: String = ('\u{4E00}'..'\u{9F00}').step_by(2).collect();
        assert!(
            Regexp::new(&format!("(?i)[{characters}]")).unwrap().is_match("\u{4E02}".as_bytes())
        );
    }

    #[test]
    fn settings_hold_patterns_as_text() {
        let regexp: Regexp = serde_json::from_str(r#""^a+$""#).unwrap();
        assert_eq!(regexp, Regexp::new("^a+$").unwrap());
        assert_eq!(serde_json::to_string(&regexp).unwrap(), r#""^a+$""#);
        let error = serde_json::from_str::<Regexp>(r#""a**""#).unwrap_err().to_string();
        assert_eq!(
            error,
            "\"Could not compile regular expression\" regexp=\"a**\": \
             error parsing regexp: invalid nested repetition operator: `**`"
        );
    }

    /// Strings that look like patterns more often than random ones.
    fn pattern_like() -> impl Strategy<Value = String> {
        let part = prop_oneof![
            Just("("),
            Just(")"),
            Just("(?i"),
            Just("(?P<n>"),
            Just("[^"),
            Just("[[:alpha:]"),
            Just("]"),
            Just("-"),
            Just("{2,3}"),
            Just("*"),
            Just("+?"),
            Just("|"),
            Just("^"),
            Just("$"),
            Just("."),
            Just(r"\"),
            Just(r"\pL"),
            Just(r"\x{"),
            Just("}"),
            Just(r"\Q"),
            Just("é"),
            Just("a"),
            Just("b"),
        ];
        prop::collection::vec(part, 0..12).prop_map(|parts| parts.concat())
    }

    proptest! {
        #[test]
        fn any_string_is_compiled_or_refused(
            pattern in prop_oneof![any::<String>(), pattern_like()],
            haystack in prop::collection::vec(any::<u8>(), 0..40),
        ) {
            if let Ok(regexp) = Regexp::new(&pattern) {
                let groups = regexp.captures(&haystack);
                prop_assert_eq!(regexp.is_match(&haystack), groups.is_some());
                if let Some(groups) = groups {
                    let whole = groups.expand("$0");
                    prop_assert!(whole.is_empty() || haystack.windows(whole.len()).any(|part| part == whole));
                }
            }
        }

        #[test]
        fn the_size_of_any_pattern_is_foreseen(pattern in pattern_like()) {
            assert_foreseen(&pattern);
        }

        #[test]
        fn the_size_of_any_range_is_foreseen(one in any::<char>(), other in any::<char>()) {
            let (first, last) = (one.min(other), one.max(other));
            let range = format!("[\\x{{{:x}}}-\\x{{{:x}}}]", u32::from(first), u32::from(last));
            prop_assert!(Regexp::new(&range).is_ok());
            assert_foreseen(&range);
        }

        #[test]
        fn quoted_text_matches_itself(text in "[^\\\\]{0,30}") {
            let regexp = Regexp::new(&format!(r"^\Q{text}\E$")).unwrap();
            prop_assert!(regexp.is_match(text.as_bytes()));
        }
    }
}
