//! Which lines of a file belong to a secret that begins above them.

use super::{
    is_harmless_key, is_secret_key,
    keys::{Key, Open, Rest, first_key, keys, value},
};

/// How much of a line belongs to a secret that begins above it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cover {
    /// Nothing.
    None,
    /// Nothing, and its first key is the name of a module, which may be any.
    Module,
    /// The value of its first key.
    Value,
    /// All of it.
    Whole,
}

/// The covers of all lines. What dialogues say is a secret where the file `has_secret_steps`.
pub(super) fn covers(lines: &[String], has_secret_steps: bool) -> Vec<Cover> {
    let mut reader = Reader { has_secret_steps, ..Reader::default() };
    lines.iter().map(|line| reader.cover(line)).collect()
}

/// What lines above leave behind.
#[derive(Debug, Default)]
struct Reader {
    has_secret_steps: bool,
    /// What a secret left open.
    open: Option<Open>,
    /// The secrets that may go on, each further right than those before.
    below: Vec<Below>,
    modules: Modules,
}

/// A secret that may go on in the lines below.
#[derive(Debug, Clone, Copy)]
struct Below {
    /// Columns before the line that it begins in.
    indent: usize,
    /// Whether it may have keys of its own.
    has_keys: bool,
}

/// Where the names of modules stand.
#[derive(Debug, Default)]
enum Modules {
    /// Not here.
    #[default]
    Elsewhere,
    /// The section has begun.
    Below,
    /// So far from the left edge.
    At(usize),
}

impl Reader {
    fn cover(&mut self, line: &str) -> Cover {
        if let Some(mut open) = self.open.take() {
            match open.take_line(line) {
                None => self.open = Some(open),
                Some(end) => self.look_for_secrets(line, end, false),
            }
            return Cover::Whole;
        }
        let text = line.trim_start();
        if text.is_empty() {
            return Cover::None;
        }
        let indent = line.len() - text.len();
        let first = first_key(line);
        let is_item = text.starts_with("- ");
        // Without a key it is none of the section's, so it may be the end of a longer text.
        let is_lost = first.is_none() && !text.starts_with(['-', '#', '.']);
        while let Some(last) = self.below.last()
            && !(indent > last.indent
                || is_lost
                || last.has_keys && is_item && indent == last.indent)
        {
            self.below.pop();
        }
        let Some(Below { has_keys, .. }) = self.below.last().copied() else {
            let is_module = first.is_some() && self.modules.has(indent, first);
            self.look_for_secrets(line, 0, is_module);
            return if is_module { Cover::Module } else { Cover::None };
        };
        if has_keys {
            let begin = first.map_or(indent + usize::from(is_item), |key| key.end);
            self.go_on(indent, value(line, begin, false).rest);
        }
        match first.filter(|_| has_keys) {
            Some(key) if is_harmless_key(key.name) => Cover::None,
            Some(_) => Cover::Value,
            None => Cover::Whole,
        }
    }

    /// Finds the secrets of a line, from a byte on, that go on below it.
    fn look_for_secrets(&mut self, line: &str, from: usize, has_name: bool) {
        let indent = line.len() - line.trim_start().len();
        let keys = keys(line).skip(usize::from(has_name));
        let secret = |key: &Key<'_>| {
            key.end > from && key.is_real && is_secret_key(key.name, self.has_secret_steps)
        };
        let mut rests = keys.filter(secret).map(|key| value(line, key.end, key.in_flow).rest);
        if let Some(rest) = rests.find(|rest| *rest != Rest::Over) {
            self.go_on(indent, rest);
        }
    }

    fn go_on(&mut self, indent: usize, rest: Rest) {
        match rest {
            Rest::Over => {}
            Rest::Open(open) => self.open = Some(open),
            Rest::Section => self.below.push(Below { indent, has_keys: true }),
            Rest::Text => self.below.push(Below { indent, has_keys: false }),
        }
    }
}

impl Modules {
    /// Whether the key that begins so far from the left edge names a module.
    fn has(&mut self, indent: usize, key: Option<Key<'_>>) -> bool {
        match self {
            _ if indent == 0 => {
                let is_root = key.is_some_and(|key| key.name == "modules");
                *self = if is_root { Self::Below } else { Self::Elsewhere };
                return false;
            }
            Self::Below => *self = Self::At(indent),
            Self::Elsewhere | Self::At(_) => {}
        }
        matches!(self, Self::At(column) if *column == indent)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A letter for each line: of none, a module, a value, the whole.
    fn letters(text: &str, has_secret_steps: bool) -> String {
        let lines: Vec<_> = text.lines().map(str::to_owned).collect();
        let letter = |cover| match cover {
            Cover::None => '.',
            Cover::Module => 'M',
            Cover::Value => 'v',
            Cover::Whole => 'W',
        };
        covers(&lines, has_secret_steps).into_iter().map(letter).collect()
    }

    #[test]
    fn lines_of_secrets_that_begin_above_are_covered() {
        for (text, expected) in [
            ("password: |\n  hunter2\n\n  a: b\nb: c", ".W.W."),
            ("password: \"hunter2\n  b\\\"\n  c: d\" e\nb: c", ".WW."),
            ("password: 'hun''ter2\nb: c\n'\nb: c", ".WW."),
            ("a:\n  password: hunter2\n    hunter3\n  b: c", "..W."),
            ("a:\n  password: hunter2\n  hunter3\n  b: c", "..W."),
            ("password:\n  hunter2\nb: c", ".W."),
            ("secrets:\n- hunter2\n- \"hun\nter2: x\"\nb: c", ".WWW."),
            ("secrets: [\nhunter2,\n] # b\nb: c", ".WW."),
            ("a: {password: hun\n  ter2, c: d}\nb: c", ".W."),
            ("a: {password:\nhunter2}\nb: c", ".W."),
            ("a: {password: b, c:\n  d}\nb: c", "..."),
            ("Authorization:\n  values:\n  - hunter2\n  files: |\n    c: d\nb: c", ".vWvW."),
            ("authorization:\n  type: a\n  credentials_file: b\n  tpye: a\nb: c", "...v."),
            ("basic_auth_users:\n  bob: hunter2\nb: c", ".v."),
            ("password: !!str |\n  a: b\nb: c", ".W."),
            ("a: [\"password: 'x\"]\nb: c # it's\nd: e", "..."),
            ("a: b # password: 'x\nb: c", ".."),
        ] {
            assert_eq!(letters(text, false), expected, "{text}");
        }
    }

    #[test]
    fn a_module_may_be_named_like_a_secret() {
        let text = "modules:\n  # those\n  token:\n    prober: http\n    http:\n      key: |\n        a\n  api_key: {}\na:\n  token:\n    b: c";
        assert_eq!(letters(text, false), "..M...WM..v");
    }

    #[test]
    fn steps_go_on_where_one_is_secret() {
        assert_eq!(letters("- send: |\n    hunter2\n- expect: a", true), ".W.");
        assert_eq!(letters("- send: |\n    hunter2\n- expect: a", false), "...");
    }
}
