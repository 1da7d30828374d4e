//! Regular expressions in the dialect of Go's [`regexp`] package (RE2 syntax).
//!
//! Patterns that were written for a Go program do not always mean the same to the [`regex`] crate:
//! `\<` is a literal `<` in Go and an anchor in Rust, and `\d` matches ASCII digits in Go and all
//! Unicode digits in Rust. This crate has a parser of its own for Go's syntax, with Go's limits and
//! Go's error messages, and runs the result on the automata of [`regex_automata`]. Matching is
//! leftmost-first and takes linear time, as in Go.
//!
//! ```
//! use go_regexp::Regexp;
//!
//! let regexp = Regexp::new(r"^220 (?P<host>\S+) ESMTP")?;
//! assert!(regexp.is_match(b"220 mail.example ESMTP ready"));
//!
//! let captures = regexp.captures(b"220 mail.example ESMTP ready").unwrap();
//! assert_eq!(captures.group(1), Some(&b"mail.example"[..]));
//! assert_eq!(captures.expand("host=${host}"), b"host=mail.example");
//!
//! let error = Regexp::new("a**").unwrap_err();
//! assert_eq!(error.to_string(), "error parsing regexp: invalid nested repetition operator: `**`");
//! # Ok::<(), go_regexp::Error>(())
//! ```
//!
//! # Differences from Go
//!
//! * Classes such as `\pL` and case folding use the tables of Unicode 16; Go 1.27 uses those of
//!   Unicode 17.
//! * A pattern whose compiled form takes more than 64 MiB is rejected with Go's error "expression
//!   too large".
//!
//! # Invalid UTF-8
//!
//! Haystacks are bytes. As in Go, each byte that is not part of valid UTF-8 matches like the
//! character U+FFFD.
//!
//! [`regexp`]: https://pkg.go.dev/regexp/syntax
//! [`regex`]: https://docs.rs/regex

#![forbid(unsafe_code)]

mod captures;
mod error;
mod invalid;
mod parser;
mod size;
mod template;
mod utf8;
mod warning;

use std::{
    borrow::Cow,
    fmt, str,
    sync::{Arc, OnceLock},
    thread,
};

use regex_automata::meta::Regex;
use regex_syntax::hir::{Hir, Look};

pub use self::{captures::Captures, error::Error, utf8::decode_lossy, warning::Subject};
use self::{error::ErrorKind, warning::Properties};

/// Maximum size of a compiled pattern in bytes.
const MAX_COMPILED_SIZE: usize = 64 << 20;
/// Maximum number of automaton states of a pattern that is compiled at its first use.
///
/// Such a pattern takes a few megabytes at most, and compiles in a few milliseconds.
const MAX_LAZY_STATES: usize = 20_000;
/// Maximum size in bytes of invalid UTF-8 that is copied to be decoded. A larger text is decoded while it
/// is searched, which takes longer and needs an automaton of its own.
const MAX_COPIED: usize = 64 << 10;
/// Maximum nesting depth that fits on the stack of any thread.
const MAX_SHALLOW_HEIGHT: u32 = 64;
/// Stack size in bytes for compiling the deepest nesting; an unoptimised build needs about 10 KiB
/// per level.
const DEEP_STACK_SIZE: usize = 64 << 20;

/// A regular expression with Go's syntax and semantics: unanchored, leftmost-first.
///
/// [`Regexp::new`] reports all errors of a pattern. A pattern that is known to be small is compiled
/// at its first use, so that a program can load thousands of patterns quickly.
///
/// Two values are equal if their patterns are equal. Cloning is cheap: clones share the compiled
/// pattern.
#[derive(Clone)]
pub struct Regexp {
    shared: Arc<Shared>,
}

struct Shared {
    pattern: String,
    /// The automata; empty until the first use of a small pattern, see [`Shared::regex`].
    regex: OnceLock<Option<Regex>>,
    /// The automaton for invalid UTF-8; empty until its first use.
    invalid: OnceLock<Option<invalid::Automaton>>,
    /// Names of capture groups with their numbers, in the order of the pattern.
    names: Vec<(String, usize)>,
    /// Number of capture groups, without group 0.
    group_count: usize,
    /// Maximum number of states of the automaton.
    max_states: usize,
    /// True if no match is empty and between the bytes of a character, also if bytes are searched.
    searches_bytes: bool,
    properties: Properties,
}

impl Shared {
    /// Returns the automata; compiles them at the first call. [`Regexp::new`] has made sure that
    /// they compile.
    fn regex(&self) -> Option<&Regex> {
        let parsed = || parser::parse(&self.pattern).ok();
        self.regex.get_or_init(|| compile(&parsed()?.hir)).as_ref()
    }

    /// Returns true if the pattern matches in invalid UTF-8.
    fn is_match_in_invalid(&self, haystack: &[u8]) -> bool {
        let new = || invalid::Automaton::new(&parser::parse(&self.pattern).ok()?.hir);
        self.invalid.get_or_init(new).as_ref().is_some_and(|automaton| automaton.is_match(haystack))
    }
}

impl Regexp {
    /// Parses a pattern.
    ///
    /// # Errors
    ///
    /// The error that Go's `regexp.Compile` returns for this pattern, with the same text.
    pub fn new(pattern: &str) -> Result<Self, Error> {
        let parser::Pattern { hir, height, names, empty_repetition } = parser::parse(pattern)?;
        let regex = OnceLock::new();
        // Found by recursion.
        let max_states =
            if height > MAX_SHALLOW_HEIGHT { usize::MAX } else { size::max_states(&hir) };
        if max_states > MAX_LAZY_STATES {
            let compiled =
                if height > MAX_SHALLOW_HEIGHT { compile_deep(&hir) } else { compile(&hir) };
            let compiled = compiled.ok_or_else(|| Error::new(ErrorKind::TooLarge, pattern))?;
            regex.get_or_init(|| Some(compiled));
        }
        let properties = match height {
            ..=MAX_SHALLOW_HEIGHT => Properties::of(&hir, empty_repetition),
            _ => Properties::default(),
        };
        let group_count = hir.properties().explicit_captures_len();
        let pattern = pattern.to_owned();
        let shared = Shared {
            pattern,
            regex,
            invalid: OnceLock::new(),
            names,
            group_count,
            max_states,
            searches_bytes: searches_bytes(&hir),
            properties,
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Returns the pattern as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.shared.pattern
    }

    /// Returns true if the pattern is compiled, so that its next use takes only the time of the match.
    #[must_use]
    pub fn is_compiled(&self) -> bool {
        self.shared.regex.get().is_some()
    }

    /// Returns the maximum number of states of the compiled pattern. The first match on each thread
    /// allocates memory for them.
    #[must_use]
    pub fn max_states(&self) -> usize {
        self.shared.max_states
    }

    /// Returns true if the pattern matches anywhere in `haystack`. More than 64 KiB of invalid UTF-8 are
    /// decoded without a copy, unless the pattern matches an empty text at `\B`.
    #[must_use]
    pub fn is_match(&self, haystack: &[u8]) -> bool {
        let Some(regex) = self.shared.regex() else { return false };
        let in_decoded = || regex.is_match(&*decode_lossy(haystack));
        if !self.shared.searches_bytes {
            return in_decoded();
        }
        // What matches in the bytes also matches in the decoded text.
        if regex.is_match(haystack) {
            return true;
        }
        match str::from_utf8(haystack) {
            Ok(_) => false,
            Err(_) if haystack.len() <= MAX_COPIED => in_decoded(),
            Err(_) => self.shared.is_match_in_invalid(haystack),
        }
    }

    /// Returns the first match in `haystack` with its capture groups.
    #[must_use]
    pub fn captures<'h>(&'h self, haystack: &'h [u8]) -> Option<Captures<'h>> {
        let (regex, names) = (self.shared.regex()?, &self.shared.names);
        let text = decode_lossy(haystack);
        let mut groups = regex.create_captures();
        regex.captures(&*text, &mut groups);
        if !groups.is_match() {
            return None;
        }
        let original = |span: regex_automata::Span| match text {
            Cow::Borrowed(_) => span.range(),
            Cow::Owned(_) => utf8::original_span(haystack, &span.range()),
        };
        let spans = groups.iter().map(|span| span.map(original)).collect();
        Some(Captures { haystack, spans, names })
    }
}

/// Returns true if no match is empty and between the bytes of a character.
///
/// `\B` is the only assertion that is true there.
fn searches_bytes(hir: &Hir) -> bool {
    let properties = hir.properties();
    let is_never_empty = properties.minimum_len().is_none_or(|length| length > 0);
    is_never_empty || !properties.look_set().contains(Look::WordAsciiNegate)
}

fn compile(hir: &Hir) -> Option<Regex> {
    let config =
        Regex::config().nfa_size_limit(Some(MAX_COMPILED_SIZE)).utf8_empty(!searches_bytes(hir));
    Regex::builder().configure(config).build_from_hir(hir).ok()
}

/// Compiles a deeply nested pattern on a thread with a large stack, because the compiler is
/// recursive.
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

#[cfg(test)]
mod tests;
