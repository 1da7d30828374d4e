//! A YAML document as a tree of nodes that know their places.

use std::{borrow::Cow, collections::BTreeMap, rc::Rc};

use saphyr_parser::{Event, Parser, ScalarStyle, ScanError, Span, Tag};

use crate::{
    diagnostic::{Fault, Mark},
    mapping::{Key, Mapping},
    place::key_in_path,
    scalar::Scalar,
};

/// A node of a document.
///
/// An alias is the node of its anchor, so that a document takes no more memory than its text
/// deserves, whatever it refers to.
#[derive(Debug)]
pub struct Node {
    /// Unlike any other in the document.
    pub id: usize,
    /// Where it begins.
    pub mark: Mark,
    /// Levels below and including it, aliases followed.
    depth: usize,
    /// What it is.
    pub kind: Kind,
    /// Whether it is a section that says that what is in it is secret.
    pub hides_values: bool,
}

/// The key of a section that has what is in it kept secret.
const SECRET: &str = "secret";

/// What a node is.
#[derive(Debug)]
pub enum Kind {
    /// A single value.
    Scalar(Scalar),
    /// A list.
    Sequence(Vec<Rc<Node>>),
    /// Keys and values in the order of the file; each key is there once.
    Mapping(Vec<(Key, Rc<Node>)>),
}

impl Node {
    /// Whether it means nothing.
    pub fn is_null(&self) -> bool {
        matches!(&self.kind, Kind::Scalar(scalar) if scalar.is_null())
    }
}

impl Kind {
    fn hides_values(&self) -> bool {
        let Self::Mapping(entries) = self else { return false };
        entries.iter().any(|(key, value)| {
            key.text == SECRET
                && matches!(&value.kind, Self::Scalar(scalar) if scalar.as_bool() == Some(true))
        })
    }

    pub fn children(&self) -> impl Iterator<Item = &Node> {
        let (items, entries) = match self {
            Self::Scalar(_) => (None, None),
            Self::Sequence(items) => (Some(items), None),
            Self::Mapping(entries) => (None, Some(entries)),
        };
        let values = entries.into_iter().flatten().map(|(_, value)| value);
        items.into_iter().flatten().chain(values).map(Rc::as_ref)
    }
}

/// Levels that a document may have, aliases followed; no configuration comes near it, and it
/// bounds every recursion over a document.
const DEEPEST: usize = 100;

/// The root of the first document, if there is one, and errors that do not end the reading, such as
/// keys that are there twice.
///
/// What follows the first document is not even looked at.
pub fn parse(text: &str) -> Result<(Option<Rc<Node>>, Vec<Fault>), Fault> {
    let mut text = Cow::Borrowed(text);
    let attempts = (MAX_REPEATED_BYTES / text.len().max(1)).max(1);
    for _ in 0..attempts {
        match parse_once(&text) {
            Err(Failure::Parser(error)) => {
                match with_spaces_for_tabs(&text, error.marker().index()) {
                    Some(replaced) => text = Cow::Owned(replaced),
                    None => return Err(Failure::Parser(error).into_fault()),
                }
            }
            other => return other.map_err(Failure::into_fault),
        }
    }
    parse_once(&text).map_err(Failure::into_fault)
}

/// Maximum number of bytes that are parsed again because of tabs after colons.
const MAX_REPEATED_BYTES: usize = 200 * 1024 * 1024;

/// Why a document cannot be read.
enum Failure {
    /// It is no YAML.
    Parser(ScanError),
    /// It is, but is not acceptable.
    Builder(Fault),
}

impl Failure {
    fn into_fault(self) -> Fault {
        match self {
            Self::Parser(error) => {
                Fault::new(mark(*error.marker()), format!("invalid YAML: {}", error.info()))
            }
            Self::Builder(fault) => fault,
        }
    }
}

fn parse_once(text: &str) -> Result<(Option<Rc<Node>>, Vec<Fault>), Failure> {
    let mut builder = Builder::default();
    let mut parser = Parser::new_from_str(text);
    while let Some(event) = parser.next_event() {
        let (event, span) = event.map_err(Failure::Parser)?;
        if matches!(event, Event::DocumentEnd | Event::StreamEnd) {
            break;
        }
        builder.take(event, span).map_err(Failure::Builder)?;
    }
    Ok((builder.root, builder.faults))
}

/// The text with spaces in place of the tabs between a colon and the character `index`, if there are
/// any: the parser does not accept `key:<tab>value`, and Go's yaml.v3 does. Positions do not change.
fn with_spaces_for_tabs(text: &str, index: usize) -> Option<String> {
    let end = text.char_indices().nth(index).map_or(text.len(), |(end, _)| end);
    let (before, after) = text.split_at_checked(end)?;
    let key = before.trim_end_matches('\t');
    let tabs = before.len() - key.len();
    (tabs > 0 && key.ends_with(':')).then(|| [key, &" ".repeat(tabs), after].concat())
}

/// Puts nodes together from the events of the parser.
#[derive(Default)]
struct Builder {
    /// The collections that are not closed yet, the innermost last.
    open: Vec<Open>,
    /// Finished nodes by the number of their anchor.
    anchors: BTreeMap<usize, Rc<Node>>,
    root: Option<Rc<Node>>,
    faults: Vec<Fault>,
    last_id: usize,
}

/// A collection that is not closed yet.
struct Open {
    mark: Mark,
    anchor: usize,
    content: Content,
}

enum Content {
    Sequence(Vec<Rc<Node>>),
    Mapping { entries: Mapping, key: Option<Key> },
}

impl Builder {
    fn take(&mut self, event: Event<'_>, span: Span) -> Result<(), Fault> {
        let mark = mark(span.start);
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                let scalar = Scalar {
                    // A copy, since the parser makes each text with room for more.
                    text: String::from(&*text),
                    plain: style == ScalarStyle::Plain,
                    tag: tag.and_then(|tag| tag_name(&tag)),
                };
                if let Some(tag) = scalar.wrong_tag() {
                    let message = match tag {
                        "binary" => "what follows !!binary is not base64".to_owned(),
                        tag => format!("the tag says !!{tag}, which the value is not"),
                    };
                    let fault = self.fault(mark, message);
                    self.faults.push(fault);
                }
                if anchor == 0 && self.awaits_key() {
                    // Nothing can refer to it, so it needs no node.
                    let key = Key::of(self.next_id(), mark, scalar);
                    self.set_key(Some(key));
                    return Ok(());
                }
                self.finish(mark, anchor, Kind::Scalar(scalar))
            }
            Event::SequenceStart(anchor, _) => {
                self.enter(mark, anchor, Content::Sequence(Vec::new()))
            }
            Event::MappingStart(anchor, _) => {
                let (entries, key) = (Mapping::default(), None);
                self.enter(mark, anchor, Content::Mapping { entries, key })
            }
            Event::SequenceEnd | Event::MappingEnd => {
                let Some(open) = self.open.pop() else { return Ok(()) };
                let kind = match open.content {
                    Content::Sequence(items) => Kind::Sequence(items),
                    Content::Mapping { entries, .. } => Kind::Mapping(entries.into_list()),
                };
                self.finish(open.mark, open.anchor, kind)
            }
            Event::Alias(anchor) => match self.anchors.get(&anchor) {
                Some(node) => self.add(mark, Rc::clone(node)),
                None => Err(self.fault(mark, "this alias stands inside of what it refers to")),
            },
            _ => Ok(()),
        }
    }

    fn enter(&mut self, mark: Mark, anchor: usize, content: Content) -> Result<(), Fault> {
        check_depth(mark, self.open.len() + 1)?;
        self.open.push(Open { mark, anchor, content });
        Ok(())
    }

    /// Makes a node and adds it to the collection that is open.
    fn finish(&mut self, mark: Mark, anchor: usize, kind: Kind) -> Result<(), Fault> {
        let depth = 1 + kind.children().map(|child| child.depth).max().unwrap_or_default();
        check_depth(mark, depth)?;
        let hides_values = kind.hides_values();
        let node = Rc::new(Node { id: self.next_id(), mark, depth, kind, hides_values });
        // The parser counts anchors from 1.
        if anchor > 0 {
            self.anchors.insert(anchor, Rc::clone(&node));
        }
        self.add(mark, node)
    }

    /// Adds a node that stands at `mark`, which for an alias is not where the node itself is.
    fn add(&mut self, mark: Mark, node: Rc<Node>) -> Result<(), Fault> {
        let id = self.next_id();
        match self.open.last_mut().map(|open| &mut open.content) {
            None => self.root = Some(node),
            Some(Content::Sequence(items)) => items.push(node),
            Some(Content::Mapping { key: waiting @ None, .. }) => {
                let Kind::Scalar(scalar) = &node.kind else {
                    let message = "a key is a single word or text, not a list or a section";
                    return Err(self.fault(mark, message));
                };
                *waiting = Some(Key::of(id, mark, scalar.clone()));
            }
            Some(Content::Mapping { entries, key: waiting @ Some(_) }) => {
                let Some(key) = waiting else { return Ok(()) };
                if let Some(first) = entries.find(&key.text) {
                    let (mark, line) = (key.mark, first.line);
                    let message =
                        format!("the key '{}' is there already, in line {line}", key.text);
                    let fault = self.fault(mark, message);
                    self.faults.push(fault);
                    self.set_key(None);
                } else if let Some(key) = waiting.take() {
                    entries.push(key, node);
                }
            }
        }
        Ok(())
    }

    /// Whether what comes next is a key.
    fn awaits_key(&self) -> bool {
        matches!(self.open.last(), Some(Open { content: Content::Mapping { key: None, .. }, .. }))
    }

    fn set_key(&mut self, new: Option<Key>) {
        if let Some(Open { content: Content::Mapping { key, .. }, .. }) = self.open.last_mut() {
            *key = new;
        }
    }

    fn fault(&self, mark: Mark, message: impl Into<String>) -> Fault {
        Fault { path: self.path(), ..Fault::new(mark, message) }
    }

    /// The way to what is read now.
    fn path(&self) -> String {
        let mut path = String::new();
        for open in &self.open {
            match &open.content {
                Content::Sequence(items) => path.extend(["[", &items.len().to_string(), "]"]),
                Content::Mapping { key: Some(key), .. } => {
                    path.push_str(if path.is_empty() { "" } else { "." });
                    path.push_str(&key_in_path(&key.text));
                }
                Content::Mapping { key: None, .. } => {}
            }
        }
        path
    }

    fn next_id(&mut self) -> usize {
        self.last_id += 1;
        self.last_id
    }
}

fn check_depth(mark: Mark, depth: usize) -> Result<(), Fault> {
    if depth > DEEPEST {
        return Err(Fault::new(mark, format!("nested deeper than {DEEPEST} levels")));
    }
    Ok(())
}

/// The name of a tag that is one of YAML's own, empty for any other. A `!` alone is none.
fn tag_name(tag: &Tag) -> Option<String> {
    if tag.is_yaml_core_schema() {
        return Some(tag.suffix.clone());
    }
    (tag.handle != "!" || !tag.suffix.is_empty()).then(String::new)
}

fn mark(marker: saphyr_parser::Marker) -> Mark {
    Mark { line: marker.line(), column: marker.col() + 1 }
}
