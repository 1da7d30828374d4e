//! Patterns in Go's dialect of regular expressions, which is what users' configuration files hold.

mod captures;
mod doubt;
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

pub use self::doubt::Subject;
pub use self::text::readable;
pub use self::{captures::Captures, error::RegexpError};
use self::{doubt::Doubts, error::Reason};

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
    /// The number of its groups.
    groups: usize,
    doubts: Doubts,
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
        let parser::Pattern { hir, height, names, empty_repetition } = parser::parse(pattern)?;
        let regex = OnceLock::new();
        if height > SHALLOW || size::most_states(&hir) > FEW_STATES {
            let compiled = if height > SHALLOW { compile_deep(&hir) } else { compile(&hir) };
            let compiled = compiled.ok_or_else(|| RegexpError::new(Reason::TooLarge, pattern))?;
            regex.get_or_init(|| Some(compiled));
        }
        let doubts = match height {
            ..=SHALLOW => Doubts::of(&hir, empty_repetition),
            _ => Doubts::default(),
        };
        let groups = hir.properties().explicit_captures_len();
        let pattern = pattern.to_owned();
        Ok(Self { compiled: Arc::new(Compiled { pattern, regex, names, groups, doubts }) })
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

#[cfg(test)]
mod tests;
