//! A pattern of any text compiles or is refused, and finds in a text what RE2 finds there.

#![no_main]

use go_regexp::Regexp;
use libfuzzer_sys::fuzz_target;

// The pattern stands before the first line feed, the text behind it.
fuzz_target!(|input: &str| {
    let (pattern, text) = input.split_once('\n').unwrap_or((input, ""));
    let ours = Regexp::new(pattern);
    let found = ours.as_ref().ok().map(|regexp| regexp.is_match(text.as_bytes()));
    #[cfg(re2)]
    re2::compare(pattern, text, found);
    #[cfg(not(re2))]
    let _ = found;
});

#[cfg(re2)]
mod re2 {
    use std::ffi::{c_char, c_int};

    unsafe extern "C" {
        fn re2_search(
            pattern: *const c_char,
            pattern_length: usize,
            text: *const c_char,
            text_length: usize,
            spans: *mut usize,
            room: usize,
            groups: *mut usize,
        ) -> c_int;
    }

    pub(super) fn compare(pattern: &str, text: &str, found: Option<bool>) {
        if is_told_differently(pattern) {
            return;
        }
        let (mut spans, mut groups) = ([0; 2], 0);
        // SAFETY: the lengths are those of what the pointers point to, and there is room for one
        // span.
        let theirs = unsafe {
            re2_search(
                pattern.as_ptr().cast(),
                pattern.len(),
                text.as_ptr().cast(),
                text.len(),
                spans.as_mut_ptr(),
                1,
                &mut groups,
            )
        };
        let theirs = match theirs {
            -1 => None,
            found => Some(found == 1),
        };
        assert_eq!(found, theirs, "{pattern:?} in {text:?}: we say {found:?}, RE2 says {theirs:?}");
    }

    /// Patterns that RE2 reads unlike Go's package, whose dialect is ours.
    fn is_told_differently(pattern: &str) -> bool {
        // A single byte, classes by name, whose tables are of different years, and nesting and
        // repetition beyond limits of their own.
        [r"\C", r"\p", r"\P", "(?<", "(?i"].iter().any(|part| pattern.contains(part))
            // RE2 takes letters of any script in the name of a group.
            || (pattern.contains("(?P<") && !pattern.is_ascii())
            // Numbers beyond its range do not make a repetition there.
            || pattern.as_bytes().windows(5).any(|part| part.iter().all(u8::is_ascii_digit))
            || pattern.matches('(').count() > 50
            || pattern.matches('{').count() > 1
    }
}
