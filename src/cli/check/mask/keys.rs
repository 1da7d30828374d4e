//! Keys of a line and how far their values reach, for text that need not be YAML: what is wrong with
//! it may be just that.

/// A key, or what looks like one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Key<'l> {
    /// Its last word, without quotes.
    pub(super) name: &'l str,
    /// The byte behind its colon.
    pub(super) end: usize,
    /// Whether it stands in brackets or braces.
    pub(super) in_flow: bool,
    /// Whether it can be one for YAML, so that its value may go on in the lines below.
    pub(super) is_real: bool,
}

/// What belongs to a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Value {
    /// Its first byte in the line.
    pub(super) begin: usize,
    /// The byte behind its last one in the line.
    pub(super) end: usize,
    /// How it goes on in the lines below.
    pub(super) rest: Rest,
}

/// How a value goes on in the lines below.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rest {
    /// It does not.
    Over,
    /// Until all is closed that is open.
    Open(Open),
    /// In lines that stand further right, which may have keys of their own.
    Section,
    /// In lines that stand further right and are nothing but text.
    Text,
}

/// Quotes, brackets and braces that are open.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Open {
    quote: Option<char>,
    depth: usize,
    /// The character before.
    before: Option<char>,
    /// Whether the next character stands for itself.
    escaped: bool,
    in_comment: bool,
}

impl Open {
    /// In brackets.
    const FLOW: Self =
        Self { quote: None, depth: 1, before: None, escaped: false, in_comment: false };

    /// Whether nothing is open.
    fn is_closed(&self) -> bool {
        self.quote.is_none() && self.depth == 0
    }

    /// Takes the next character of a line.
    fn take(&mut self, character: char) {
        let before = self.before.replace(character);
        if self.in_comment || std::mem::take(&mut self.escaped) {
            return;
        }
        if let Some(quote) = self.quote {
            if character == quote {
                self.quote = None;
            }
            self.escaped = quote == '"' && character == '\\';
            return;
        }
        // Elsewhere it is a part of a word.
        let begins_word = before.is_none_or(|before| " \t[{,:".contains(before));
        match character {
            // Two of them are one in a text.
            '\'' if before == Some('\'') => self.quote = Some('\''),
            '"' | '\'' if begins_word => self.quote = Some(character),
            '[' | '{' if begins_word || self.depth > 0 => self.depth += 1,
            ']' | '}' => self.depth = self.depth.saturating_sub(1),
            '#' => self.in_comment = before.is_none_or(|before| " \t".contains(before)),
            _ => {}
        }
    }

    /// Takes a line; the byte behind what closes all that was open, if that is in it.
    pub(super) fn take_line(&mut self, line: &str) -> Option<usize> {
        (self.before, self.in_comment, self.escaped) = (None, false, false);
        for (at, character) in line.char_indices() {
            self.take(character);
            if self.is_closed() && !line.get(at + 1..).is_some_and(|rest| rest.starts_with('\'')) {
                return Some(at + character.len_utf8());
            }
        }
        None
    }
}

/// The keys of `line`, and what merely looks like one: `name:value`, or what is in quotes.
pub(super) fn keys(line: &str) -> impl Iterator<Item = Key<'_>> {
    let mut open = Open::default();
    line.char_indices().filter_map(move |(at, character)| {
        let Open { quote, depth, in_comment, .. } = open;
        open.take(character);
        if character != ':' {
            return None;
        }
        let end = at + 1;
        let text = line.get(..at)?.trim_end_matches([' ', '\t']);
        let is_quoted = text.ends_with(['"', '\'']);
        let text = text.trim_end_matches(['"', '\'']);
        let begin = text.rfind([' ', '\t', '[', '{', ',', '"', '\'', ':']).map_or(0, |at| at + 1);
        let blank = line.get(end..)?.chars().next().is_none_or(|next| " \t".contains(next));
        let is_real = quote.is_none() && !in_comment && (blank || is_quoted);
        Some(Key { name: text.get(begin..)?, end, in_flow: depth > 0, is_real })
    })
}

/// The key that `line` begins with.
pub(super) fn first_key(line: &str) -> Option<Key<'_>> {
    let key = keys(line).next()?;
    let before = line.get(..key.end)?.trim_start();
    (key.is_real && !key.in_flow && !before.starts_with(['-', '#'])).then_some(key)
}

/// The value that begins behind the byte `from`, in brackets or not.
///
/// What may have an end that is hard to tell, such as a text in quotes, takes the rest of the line.
pub(super) fn value(line: &str, from: usize, in_flow: bool) -> Value {
    let text = line.get(from..).unwrap_or_default();
    let begin = from + text.len() - text.trim_start_matches([' ', '\t']).len();
    let text = text.trim_matches([' ', '\t']);
    let until = |end: usize, rest| Value { begin, end, rest };
    let all = begin + text.len();
    match text.chars().next() {
        None | Some('#') => {
            until(begin, if in_flow { Rest::Open(Open::FLOW) } else { Rest::Section })
        }
        Some(']' | '}' | ',') if in_flow => until(begin, Rest::Over),
        Some('|' | '>') if is_header(text) => until(begin, Rest::Text),
        Some('"' | '\'' | '[' | '{' | '!' | '&' | '*') => {
            let mut open = Open::default();
            text.chars().for_each(|character| open.take(character));
            let rest = match text.chars().next() {
                _ if !open.is_closed() => Rest::Open(open),
                Some('!' | '&') if !in_flow => Rest::Text,
                _ => Rest::Over,
            };
            until(all, rest)
        }
        // A comma ends it there, and only there.
        Some(_) if in_flow => match text.find([',', ']', '}']) {
            Some(end) => {
                until(begin + text.get(..end).unwrap_or_default().trim_end().len(), Rest::Over)
            }
            None => until(all, Rest::Open(Open::FLOW)),
        },
        Some(_) => until(all, Rest::Section),
    }
}

/// Whether `text` says that a text of several lines follows, and nothing of it.
fn is_header(text: &str) -> bool {
    let rest = text.trim_start_matches(|c: char| "|>+-".contains(c) || c.is_ascii_digit());
    rest.is_empty() || rest.trim_start().starts_with('#') && rest.starts_with([' ', '\t'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_found_with_and_without_what_yaml_wants() {
        for (line, expected) in [
            ("a: b", &["a"][..]),
            ("  - 'a b' : {\"c\":d, e : [f: g]}", &["b", "c", "e", "f"]),
            ("a:b", &["a"]),
            ("# a: b", &["a"]),
        ] {
            let names: Vec<_> = keys(line).map(|key| key.name).collect();
            assert_eq!(names, expected, "{line}");
        }
        let real = |line| keys(line).map(|key| (key.is_real, key.in_flow)).collect::<Vec<_>>();
        assert_eq!(real("a: {b: c:d}"), [(true, false), (true, true), (false, true)]);
        assert_eq!(real("a: 'b: c' # d: e"), [(true, false), (false, false), (false, false)]);
    }

    #[test]
    fn values_reach_as_far_as_they_may() {
        for (line, in_flow, expected, goes_on) in [
            ("b # c", false, "b # c", true),
            ("b , c}", true, "b", false),
            ("'b''c', d", true, "'b''c', d", false),
            ("\"b\\\"", false, "\"b\\\"", true),
            ("[b, {c: ']'}] ", false, "[b, {c: ']'}]", false),
            ("[b, it's", false, "[b, it's", true),
            ("}", true, "", false),
            ("}b", false, "}b", true),
            ("|2- # b", false, "", true),
            ("|b", false, "|b", true),
            ("!!str \"b\" c", false, "!!str \"b\" c", true),
        ] {
            let Value { begin, end, rest } = value(line, 0, in_flow);
            assert_eq!(
                (line.get(begin..end), rest != Rest::Over),
                (Some(expected), goes_on),
                "{line}"
            );
        }
    }

    #[test]
    fn what_is_open_is_closed_by_its_own() {
        let Rest::Open(mut open) = value("{a: 'b", 0, false).rest else { panic!("it is open") };
        assert_eq!(open.take_line("c'' } # }"), None);
        assert_eq!(open.take_line(" ' # '}"), None);
        assert_eq!(open.take_line("d } e"), Some(3));
    }
}
