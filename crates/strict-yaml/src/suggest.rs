//! Suggestions for unknown keys: another spelling, another section, or a replacement.

use std::rc::Rc;

use crate::{
    node::Entry,
    schema::{Schema, Section},
    spelling::nearest,
    tree::{Key, Kind, Node},
};

/// The keys of a document besides those of the section that is decoded.
pub(crate) struct Keys {
    /// The sections of the document.
    pub(crate) schema: Schema,
    /// The name of the root in messages.
    pub(crate) root: &'static str,
    /// Replacements of keys that no longer exist, or never did.
    pub(crate) replacement: Replacements,
}

/// Returns the replacement of a key of the section at a path.
pub(crate) type Replacements = fn(&[&str], &str) -> Option<Replacement>;

/// The advice for a key that no longer exists, or never did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Replacement {
    /// The key of the same section that has its meaning, if there is one.
    pub key: Option<&'static str>,
    /// The advice, as the end of a sentence.
    pub advice: &'static str,
}

/// The suggestion for an unknown key.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Suggestion {
    /// The key that was probably meant.
    pub(crate) meant: Option<&'static str>,
    /// The end of a sentence with the punctuation before it, or empty.
    pub(crate) text: String,
}

impl Keys {
    /// The suggestion for the key `written` of the section at `path`, which has the keys `known`.
    /// `selected` is the section that a sibling of the key selects by its name, if there is one.
    pub(crate) fn suggest(
        &self,
        written: &str,
        path: &[&str],
        known: &[&'static str],
        selected: Option<&str>,
    ) -> Suggestion {
        if let Some(Replacement { key, advice }) = (self.replacement)(path, written) {
            return Suggestion { meant: key, text: format!("; {advice}") };
        }
        let (sections, key) = self.schema.with(written);
        let at = Place { path, root: self.root, selected };
        if let Some(text) = at.near(&sections) {
            return Suggestion { meant: key, text };
        }
        let by_spelling = Self::suggest_known(written, known);
        if by_spelling.meant.is_some() {
            return by_spelling;
        }
        let text = at.far(&sections).unwrap_or_else(|| known_keys(known));
        Suggestion { meant: key, text }
    }

    /// The suggestion for a key that may be misspelled.
    pub(crate) fn suggest_known(written: &str, known: &[&'static str]) -> Suggestion {
        let visible = written.trim_matches(is_invisible);
        match nearest(visible, known) {
            Some(meant) if visible != written => {
                let text = format!(
                    "; write '{meant}' with ordinary spaces before it, instead of other characters that \
                     look like a space"
                );
                Suggestion { meant: Some(meant), text }
            }
            Some(meant) => {
                Suggestion { meant: Some(meant), text: format!("; did you mean '{meant}'?") }
            }
            None => Suggestion { meant: None, text: known_keys(known) },
        }
    }

    /// The suggestion for a key at the root of a document, which has the keys `known`; the first of
    /// them has the sections.
    pub(crate) fn suggest_at_root(&self, entry: Entry<'_>, known: &[&'static str]) -> Suggestion {
        let written = entry.key.text.as_str();
        // As in a section with `prober: http`.
        let is_section = |keys: &[(Key, Rc<Node>)]| {
            keys.iter().any(|(key, node)| {
                let names_another = matches!(&node.kind, Kind::Scalar(scalar) if self.schema.is_at_root(&scalar.text));
                names_another && self.schema.is_at_root(&key.text)
            })
        };
        let parent = known.first().unwrap_or(&"");
        let text = match &entry.node.kind {
            _ if written.starts_with(is_invisible) => {
                "; it begins with characters that look like spaces; indent with ordinary spaces"
                    .to_owned()
            }
            Kind::Mapping(keys) if is_section(keys) => {
                format!("; it is one level too high: move it under '{parent}'")
            }
            _ if self.schema.is_at_root(written) => {
                format!("; it is a key of {}, which belongs under '{parent}'", self.root)
            }
            _ => Self::suggest_known(written, known).text,
        };
        Suggestion { meant: None, text }
    }
}

/// Maximum number of keys that a message lists.
const MAX_LISTED: usize = 8;

/// Returns whether a character looks like an ordinary space or like nothing.
fn is_invisible(c: char) -> bool {
    c.is_whitespace() && c != ' ' || matches!(c, '\u{200b}'..='\u{200f}' | '\u{feff}')
}

/// Lists the keys of a section that has few of them, as the end of a sentence.
fn known_keys(known: &[&'static str]) -> String {
    match (known, list_of_few(known)) {
        (_, None) => String::new(),
        ([one], _) => format!("; the only key here is '{one}'"),
        (_, Some(list)) => format!("; the keys here are {list}"),
    }
}

/// Lists the keys of a section, if there are few of them.
pub(crate) fn list_of_few(keys: &[&'static str]) -> Option<String> {
    let names: Vec<_> = keys.iter().map(|key| format!("'{key}'")).collect();
    (1..=MAX_LISTED).contains(&names.len()).then(|| listed(&names))
}

/// The section in which a key stands.
struct Place<'p> {
    path: &'p [&'p str],
    root: &'static str,
    selected: Option<&'p str>,
}

impl Place<'_> {
    /// The place of a key that is too high or too low.
    fn near(&self, sections: &[&Section]) -> Option<String> {
        let below = |section: &&&Section| {
            section.path.len() > self.path.len() && starts_with(&section.path, self.path)
        };
        let above = |section: &&&Section| {
            section.path.len() < self.path.len() && starts_with(self.path, &section.path)
        };
        let depth = sections.iter().filter(below).map(|section| section.path.len()).min();
        let mut lower: Vec<_> = sections
            .iter()
            .filter(below)
            .filter(|section| Some(section.path.len()) == depth)
            .collect();
        if self.path.is_empty() && lower.iter().any(|section| self.is_used(section)) {
            lower.retain(|section| self.is_used(section));
        }
        let higher = sections.iter().rfind(above);
        match (lower.as_slice(), higher) {
            ([], None) => None,
            ([], Some(section)) => {
                let levels = levels(self.path.len() - section.path.len());
                Some(format!("; it is a key of {}, {levels} above", self.name(section)))
            }
            (lower, _) => {
                let levels = levels(depth? - self.path.len());
                let names = lower.iter().map(|section| self.name(section)).collect::<Vec<_>>();
                Some(format!("; it is a key of {}, {levels} below", listed(&names)))
            }
        }
    }

    /// The place of a key that is in the section of something else.
    fn far(&self, sections: &[&Section]) -> Option<String> {
        let own = self.path.first();
        let within: Vec<_> =
            sections.iter().filter(|section| section.path.first() == own).collect();
        let sections = if within.is_empty() { sections.iter().collect() } else { within };
        let depth = sections.iter().map(|section| section.path.len()).min()?;
        let names: Vec<_> = sections
            .iter()
            .filter(|section| section.path.len() == depth)
            .map(|section| self.name(section))
            .collect();
        let here = self.path.last().map_or(self.root, |here| here);
        Some(format!("; it is a key of {}, not of '{here}'", listed(&names)))
    }

    fn is_used(&self, section: &Section) -> bool {
        section.path.first().copied() == self.selected
    }

    /// The name of a section in messages: its key, and those above it.
    fn name(&self, section: &Section) -> String {
        let beyond =
            section.path.get(self.path.len()..).filter(|_| starts_with(&section.path, self.path));
        let shown = match beyond {
            Some(beyond) if !beyond.is_empty() => beyond,
            _ => section.path.as_slice(),
        };
        match shown {
            [] => self.root.to_owned(),
            shown => format!("'{}'", shown.join(".")),
        }
    }
}

fn starts_with(path: &[&str], start: &[&str]) -> bool {
    path.len() >= start.len() && path.iter().zip(start).all(|(one, other)| one == other)
}

fn levels(levels: usize) -> String {
    match levels {
        1 => "one level".to_owned(),
        2 => "two levels".to_owned(),
        many => format!("{many} levels"),
    }
}

fn listed(names: &[String]) -> String {
    match names {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}
