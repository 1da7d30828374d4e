//! Rules about the wording of comments and names.

/// Words that a doc comment must not begin with: it names the thing first.
pub const OPENING_WORDS: [&str; 7] = ["What", "Who", "Whoever", "Whether", "How", "Which", "Where"];

/// Prefixes that constants must not have: the field says `MAX_`, `MIN_` and `DEFAULT_`.
pub const PREFIXES: [&str; 6] = ["MOST", "LONGEST", "LARGEST", "LEAST", "USUAL", "SHORTEST"];

/// A line that breaks a rule.
#[derive(Debug, PartialEq, Eq)]
pub struct Wording {
    /// The number of the line, from 1.
    pub line: usize,
    /// The line, without its indentation.
    pub text: String,
}

/// Returns the lines of a file on which a doc comment begins with one of [`OPENING_WORDS`] or a
/// constant is declared whose name begins with one of [`PREFIXES`].
#[must_use]
pub fn wordings(text: &str) -> Vec<Wording> {
    let mut found = Vec::new();
    let mut is_inside = false;
    for (index, line) in text.lines().map(str::trim_start).enumerate() {
        let comment = line.strip_prefix("///").or_else(|| line.strip_prefix("//!"));
        let is_wrong = match comment {
            Some(comment) => !is_inside && OPENING_WORDS.contains(&first_word(comment)),
            None => declares_banned_constant(line),
        };
        is_inside = comment.is_some();
        if is_wrong {
            found.push(Wording { line: index + 1, text: line.to_owned() });
        }
    }
    found
}

fn first_word(comment: &str) -> &str {
    let comment = comment.trim_start();
    comment.split(|c: char| !c.is_alphanumeric()).next().unwrap_or_default()
}

fn declares_banned_constant(line: &str) -> bool {
    ["const ", "static "].iter().filter_map(|keyword| line.split_once(keyword)).any(
        |(before, after)| {
            let name = after.split([':', ' ']).next().unwrap_or_default();
            !before.contains('"') && PREFIXES.contains(&name.split('_').next().unwrap_or_default())
        },
    )
}
