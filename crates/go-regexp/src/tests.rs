//! Tests of whole patterns, many of them against recorded results of Go.

use proptest::prelude::*;
use regex_automata::nfa::thompson::{NFA, WhichCaptures};
use serde::Deserialize;

use super::*;

/// A pattern and the results of blackbox\_exporter 0.28.0, built with Go 1.27.1.
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
    /// True for a match, where the groups were not recorded.
    Matched(bool),
    /// The expansion of `$0|$1|$2|$3|$n` for a match.
    Groups(Option<Bytes>),
}

#[test]
fn patterns_match_as_in_go() {
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
            let expanded = regexp.captures(haystack).map(|groups| groups.expand("$0|$1|$2|$3|$n"));
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
fn large_texts_in_invalid_utf8_are_matched() {
    let regexp = Regexp::new("x\u{FFFD}+needle$").unwrap();
    let invalid = |length| [b"x".to_vec(), vec![0xFF; length], b"needle".to_vec()].concat();
    for length in [1, MAX_COPIED, 4 * MAX_COPIED] {
        assert!(regexp.is_match(&invalid(length)), "{length}");
        assert!(!regexp.is_match(&[&*invalid(length), b"s"].concat()), "{length}");
    }
}

#[test]
fn nesting_is_limited_as_in_go() {
    let nested = |levels: usize| format!("{}a{}", "(".repeat(levels), ")".repeat(levels));
    assert!(Regexp::new(&nested(999)).unwrap().is_match(b"a"));
    let error = Regexp::new(&nested(1000)).unwrap_err().to_string();
    assert!(error.contains("expression nests too deeply"), "{error}");
    assert!(Regexp::new(&format!("{}a{}", "(?:".repeat(5000), ")".repeat(5000))).is_ok());
}

#[test]
fn the_compiled_size_is_limited() {
    assert!(Regexp::new(r"\pL{200}").is_ok());
    for pattern in [".{1000}".repeat(200), r"\pL".repeat(10_000)] {
        let error = Regexp::new(&pattern).unwrap_err().to_string();
        assert!(error.contains("expression too large"), "{error}");
    }
}

#[test]
fn large_patterns_compile_at_once_and_small_ones_at_first_use() {
    let is_compiled = |regexp: &Regexp| regexp.shared.regex.get().is_some();
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

/// Asserts that the automata of a valid pattern keep the predicted bound of states, and take few
/// bytes per state.
fn assert_size_predicted(pattern: &str) {
    let Ok(parser::Pattern { hir, .. }) = parser::parse(pattern) else { return };
    let max = size::max_states(&hir);
    for reverse in [false, true] {
        let config = NFA::config().reverse(reverse).which_captures(WhichCaptures::All);
        let nfa = NFA::compiler().configure(config).build_from_hir(&hir);
        let Ok(nfa) = nfa else { continue };
        // Each automaton also has a loop before the pattern and a match state after it.
        assert!(nfa.states().len() <= max + 10, "{pattern}: {} > {max}", nfa.states().len());
        let bytes = nfa.memory_usage();
        assert!(bytes <= 4096 + 100 * max, "{pattern}: {bytes} for {max}");
    }
}

#[test]
fn the_size_of_classes_is_predicted() {
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
        assert_size_predicted(pattern);
    }
}

/// Each pattern would take minutes if parsing took quadratic time.
#[test]
fn long_patterns_are_parsed_in_linear_time() {
    for part in ["(", "(?:a", "(?P<n>", "[", "[[:", "[a", r"\Q", r"\pL", "a|", "x*", "(?i)", "{1,"]
    {
        drop(Regexp::new(&part.repeat(20_000)));
    }
    let characters: String = ('\u{4E00}'..'\u{9F00}').step_by(2).collect();
    assert!(Regexp::new(&format!("(?i)[{characters}]")).unwrap().is_match("\u{4E02}".as_bytes()));
}

/// Strategy for strings that are valid patterns more often than random strings.
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
        Just(r"\b"),
        Just(r"\B"),
        Just("(?m)"),
        Just("(?s)"),
        Just("\u{FFFD}"),
        Just(r"\x{"),
        Just("}"),
        Just(r"\Q"),
        Just("é"),
        Just("a"),
        Just("b"),
    ];
    prop::collection::vec(part, 0..12).prop_map(|parts| parts.concat())
}

/// Strategy for text with parts of characters.
fn bytes() -> impl Strategy<Value = Vec<u8>> {
    let few = prop::sample::select(b"ab \n\xC3\xA9\xE2\x82\xEF\xBF\xBD\xFF".to_vec());
    let few = prop::collection::vec(few, 0..12);
    prop_oneof![few, prop::collection::vec(any::<u8>(), 0..40)]
}

proptest! {
    // The groups are found in a copy of the text that was decoded.
    #[test]
    fn any_string_is_compiled_or_rejected(
        pattern in prop_oneof![any::<String>(), pattern_like()],
        haystack in bytes(),
    ) {
        if let Ok(regexp) = Regexp::new(&pattern) {
            let groups = regexp.captures(&haystack);
            prop_assert_eq!(regexp.is_match(&haystack), groups.is_some());
            if regexp.shared.searches_bytes && str::from_utf8(&haystack).is_err() {
                prop_assert_eq!(regexp.shared.is_match_in_invalid(&haystack), groups.is_some());
            }
            if let Some(groups) = groups {
                let whole = groups.expand("$0");
                prop_assert!(whole.is_empty() || haystack.windows(whole.len()).any(|part| part == whole));
            }
        }
    }

    #[test]
    fn the_size_of_any_pattern_is_predicted(pattern in pattern_like()) {
        assert_size_predicted(&pattern);
    }

    #[test]
    fn the_size_of_any_range_is_predicted(one in any::<char>(), other in any::<char>()) {
        let (first, last) = (one.min(other), one.max(other));
        let range = format!("[\\x{{{:x}}}-\\x{{{:x}}}]", u32::from(first), u32::from(last));
        prop_assert!(Regexp::new(&range).is_ok());
        assert_size_predicted(&range);
    }

    #[test]
    fn quoted_text_matches_itself(text in "[^\\\\]{0,30}") {
        let regexp = Regexp::new(&format!(r"^\Q{text}\E$")).unwrap();
        prop_assert!(regexp.is_match(text.as_bytes()));
    }
}
