//! A YAML document as a tree of nodes with positions.

use std::{borrow::Cow, collections::BTreeMap, rc::Rc};

use saphyr_parser::{Event, Parser, ScalarStyle, ScanError, Span, Tag};

use crate::{
    diagnostic::{Diagnostic, FileId, Location, Position, Step},
    mapping::Mapping,
    rule::Segment,
    syntax_hint,
};
pub use crate::{
    node::{Key, Kind, Node},
    path::Path,
    scalar::{Meaning, Scalar},
};

/// Maximum number of levels of a document, with aliases followed. It bounds every recursion over a
/// document.
const MAX_DEPTH: usize = 100;

/// Maximum number of bytes that are parsed again because of tabs after colons.
const MAX_REPEATED_BYTES: usize = 200 * 1024 * 1024;

/// Parses the first document of a text; the rest is ignored. `None` if there is no document.
pub fn parse(file: FileId, text: &[u8]) -> Result<Option<Rc<Node>>, Diagnostic> {
    Options { file, ..Options::default() }.parse(text).map(|tree| tree.root)
}

/// Settings of the parser.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Options {
    pub(crate) file: FileId,
    /// The last id that is taken by another document.
    pub(crate) last_id: usize,
    /// The key of a mapping that declares its values secret if it is true.
    pub(crate) secret_key: Option<&'static str>,
}

/// A document, and errors that do not keep it from being read, such as duplicate keys.
#[derive(Debug, Default)]
pub(crate) struct Tree {
    pub(crate) root: Option<Rc<Node>>,
    pub(crate) errors: Vec<Diagnostic>,
    pub(crate) last_id: usize,
}

impl Options {
    pub(crate) fn parse(self, text: &[u8]) -> Result<Tree, Diagnostic> {
        let mut text = Cow::Borrowed(self.check(text)?);
        for _ in 0..MAX_REPEATED_BYTES / text.len().max(1) {
            match self.parse_once(&text) {
                Err(Failure::Parser(error)) => {
                    match with_spaces_for_tabs(&text, error.marker().index()) {
                        Some(replaced) => text = Cow::Owned(replaced),
                        None => return Err(self.diagnostic(Failure::Parser(error))),
                    }
                }
                other => return other.map_err(|failure| self.diagnostic(failure)),
            }
        }
        self.parse_once(&text).map_err(|failure| self.diagnostic(failure))
    }

    /// The text without its byte order mark, if it is valid UTF-8 without control characters.
    fn check(self, text: &[u8]) -> Result<&str, Diagnostic> {
        const BYTE_ORDER_MARK: char = '\u{feff}';

        let text = str::from_utf8(text).map_err(|error| {
            let before = text.get(..error.valid_up_to()).unwrap_or_default();
            let end = self.end_of(&String::from_utf8_lossy(before));
            Diagnostic::new(end, "the text is not valid UTF-8; save the file as UTF-8")
        })?;
        let text = text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text);
        let is_control = |c: char| c.is_control() && !matches!(c, '\t' | '\n' | '\r' | '\u{85}');
        match text.find(is_control) {
            Some(position) => {
                let (before, _) = text.split_at(position);
                Err(Diagnostic::new(self.end_of(before), "control characters are not allowed"))
            }
            None => Ok(text),
        }
    }

    /// The position after `text`.
    fn end_of(self, text: &str) -> Position {
        let line = text.matches('\n').count() + 1;
        let column = text.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        Position { file: self.file, line, column }
    }

    fn parse_once(self, text: &str) -> Result<Tree, Failure> {
        let mut builder = Builder { options: self, last_id: self.last_id, ..Builder::default() };
        let mut parser = Parser::new_from_str(text);
        while let Some(event) = parser.next_event() {
            let (event, span) = event.map_err(Failure::Parser)?;
            if matches!(event, Event::DocumentEnd | Event::StreamEnd) {
                break;
            }
            builder.take(event, span).map_err(Failure::Builder)?;
        }
        Ok(Tree { root: builder.root, errors: builder.errors, last_id: builder.last_id })
    }

    fn diagnostic(self, failure: Failure) -> Diagnostic {
        match failure {
            Failure::Parser(error) => {
                let position = self.position(*error.marker());
                let hint = syntax_hint::of(error.info());
                let hint = hint.map(|hint| format!("; {hint}")).unwrap_or_default();
                Diagnostic::new(position, format!("invalid YAML: {}{hint}", error.info()))
            }
            Failure::Builder(diagnostic) => diagnostic,
        }
    }

    fn position(self, marker: saphyr_parser::Marker) -> Position {
        Position { file: self.file, line: marker.line(), column: marker.col() + 1 }
    }
}

/// The reason why a document cannot be read.
enum Failure {
    /// It is not YAML.
    Parser(ScanError),
    /// It is YAML that is not accepted.
    Builder(Diagnostic),
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

/// Builds nodes from the events of the parser.
#[derive(Default)]
struct Builder {
    options: Options,
    root: Option<Rc<Node>>,
    /// The collections that are not complete, the innermost last.
    open: Vec<Open>,
    anchors: BTreeMap<usize, Rc<Node>>,
    last_id: usize,
    errors: Vec<Diagnostic>,
}

/// A collection that is not complete.
struct Open {
    position: Position,
    anchor: usize,
    content: Content,
}

enum Content {
    Sequence(Vec<Rc<Node>>),
    Mapping { entries: Mapping, key: Option<Key> },
}

impl Builder {
    fn take(&mut self, event: Event<'_>, span: Span) -> Result<(), Diagnostic> {
        let position = self.options.position(span.start);
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
                        "binary" => "invalid base64 after !!binary".to_owned(),
                        tag => format!("the value does not match its tag !!{tag}"),
                    };
                    let error = self.error(position, message);
                    self.errors.push(error);
                }
                if anchor == 0 && self.awaits_key() {
                    // Nothing can refer to it, so it needs no node.
                    let key = Key::of(self.next_id(), position, scalar);
                    self.set_key(Some(key));
                    return Ok(());
                }
                self.finish(position, anchor, Kind::Scalar(scalar))
            }
            Event::SequenceStart(anchor, _) => {
                self.enter(position, anchor, Content::Sequence(Vec::new()))
            }
            Event::MappingStart(anchor, _) => {
                let (entries, key) = (Mapping::default(), None);
                self.enter(position, anchor, Content::Mapping { entries, key })
            }
            Event::SequenceEnd | Event::MappingEnd => {
                let Some(open) = self.open.pop() else { return Ok(()) };
                let kind = match open.content {
                    Content::Sequence(items) => Kind::Sequence(items),
                    Content::Mapping { entries, .. } => Kind::Mapping(entries.into_list()),
                };
                self.finish(open.position, open.anchor, kind)
            }
            Event::Alias(anchor) => match self.anchors.get(&anchor) {
                Some(node) => self.add(position, Rc::clone(node)),
                None => Err(self.error(position, "alias inside its own anchor")),
            },
            _ => Ok(()),
        }
    }

    fn enter(
        &mut self,
        position: Position,
        anchor: usize,
        content: Content,
    ) -> Result<(), Diagnostic> {
        check_depth(position, self.open.len() + 1)?;
        self.open.push(Open { position, anchor, content });
        Ok(())
    }

    /// Makes a node and adds it to the innermost open collection.
    fn finish(&mut self, position: Position, anchor: usize, kind: Kind) -> Result<(), Diagnostic> {
        let depth = 1 + kind.children().map(|child| child.depth).max().unwrap_or_default();
        check_depth(position, depth)?;
        let hides_values = self.options.secret_key.is_some_and(|key| kind.has_true(key));
        let node = Rc::new(Node { id: self.next_id(), position, depth, kind, hides_values });
        // The parser counts anchors from 1.
        if anchor > 0 {
            self.anchors.insert(anchor, Rc::clone(&node));
        }
        self.add(position, node)
    }

    /// Adds a node. For an alias, `position` is that of the alias and not of the node.
    fn add(&mut self, position: Position, node: Rc<Node>) -> Result<(), Diagnostic> {
        let id = self.next_id();
        match self.open.last_mut().map(|open| &mut open.content) {
            None => self.root = Some(node),
            Some(Content::Sequence(items)) => items.push(node),
            Some(Content::Mapping { key: waiting @ None, .. }) => {
                let Kind::Scalar(scalar) = &node.kind else {
                    let message = "a mapping key must be a scalar, not a sequence or a mapping";
                    return Err(self.error(position, message));
                };
                *waiting = Some(Key::of(id, position, scalar.clone()));
            }
            Some(Content::Mapping { entries, key: waiting @ Some(_) }) => {
                let Some(key) = waiting else { return Ok(()) };
                if let Some(first) = entries.find(&key.text) {
                    let (position, line) = (key.position, first.line);
                    let message = format!("duplicate key '{}', first set in line {line}", key.text);
                    let error = self.error(position, message);
                    self.errors.push(error);
                    self.set_key(None);
                } else if let Some(key) = waiting.take() {
                    entries.push(key, node);
                }
            }
        }
        Ok(())
    }

    /// Returns whether the next node is a key.
    fn awaits_key(&self) -> bool {
        matches!(self.open.last(), Some(Open { content: Content::Mapping { key: None, .. }, .. }))
    }

    fn set_key(&mut self, new: Option<Key>) {
        if let Some(Open { content: Content::Mapping { key, .. }, .. }) = self.open.last_mut() {
            *key = new;
        }
    }

    fn error(&self, position: Position, message: impl Into<String>) -> Diagnostic {
        let step = |open: &Open| match &open.content {
            Content::Sequence(items) => {
                Some(Step { segment: Segment::Index(items.len()), position })
            }
            Content::Mapping { key: Some(key), .. } => {
                Some(Step { segment: Segment::Key(key.text.clone()), position: key.position })
            }
            Content::Mapping { key: None, .. } => None,
        };
        Diagnostic::new(
            Location { position, path: self.open.iter().filter_map(step).collect() },
            message,
        )
    }

    fn next_id(&mut self) -> usize {
        self.last_id += 1;
        self.last_id
    }
}

fn check_depth(position: Position, depth: usize) -> Result<(), Diagnostic> {
    if depth > MAX_DEPTH {
        let message = format!("nested more than {MAX_DEPTH} levels deep");
        return Err(Diagnostic::new(position, message));
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
