//! The files that a configuration refers to, found by the names of keys.

use std::rc::Rc;

use strict_yaml::{
    FileId, Location,
    tree::{self, Kind, Node, Path},
};

/// A file that a configuration refers to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct NamedFile {
    /// The position of the value.
    pub location: Location,
    /// The path as written.
    pub name: String,
}

/// Key of a list of files.
const FILES: &str = "files";

/// Suffix of the keys of a file.
const FILE: &str = "_file";

/// Key of a module that selects one of its sections.
const PROBER: &str = "prober";

/// Maximum number of nodes to search. Nested aliases can expand a short document to any number of
/// nodes.
const MAX_NODES: usize = 1_000_000;

/// Returns all files that a document refers to, sorted by position. Sections of other probers than
/// the module's are skipped. Empty if the text is not YAML.
#[must_use]
pub fn named_files(text: &[u8]) -> Vec<NamedFile> {
    let Ok(Some(root)) = tree::parse(FileId::default(), text) else { return Vec::new() };
    let mut search = Search { found: Vec::new(), visited: 0 };
    search.visit(&root, &Path::Root);
    search.found.sort();
    search.found.dedup();
    search.found
}

struct Search {
    found: Vec<NamedFile>,
    visited: usize,
}

impl Search {
    fn visit(&mut self, node: &Node, path: &Path<'_>) {
        self.visited += 1;
        if self.visited > MAX_NODES {
            return;
        }
        match &node.kind {
            Kind::Scalar(scalar) => {
                if names_file(path) && !scalar.text.is_empty() {
                    let location = path.location(node.position);
                    self.found.push(NamedFile { location, name: scalar.text.clone() });
                }
            }
            Kind::Sequence(items) => {
                for (index, item) in items.iter().enumerate() {
                    self.visit(item, &Path::Index(path, index, item.position));
                }
            }
            Kind::Mapping(entries) => {
                let prober = entries.iter().find(|(key, _)| key.text == PROBER);
                let prober = prober.and_then(|(_, node)| text_of(node));
                for (key, value) in entries {
                    // The only mappings in a module are sections.
                    let is_section = matches!(value.kind, Kind::Mapping(_)) && !key.is_merge;
                    if is_section && prober.is_some_and(|prober| prober != key.text) {
                        continue;
                    }
                    self.visit(value, &Path::Key(path, key));
                }
            }
        }
    }
}

fn text_of(node: &Rc<Node>) -> Option<&str> {
    match &node.kind {
        Kind::Scalar(scalar) => Some(&scalar.text),
        _ => None,
    }
}

fn names_file(path: &Path<'_>) -> bool {
    match path {
        Path::Key(_, key) => key.text.ends_with(FILE),
        Path::Index(Path::Key(_, key), ..) => key.text == FILES,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_files_by_key() {
        let text = concat!(
            "modules:\n",
            "  a:\n",
            "    prober: http\n",
            "    http:\n",
            "      body_file: a.txt\n",
            "      tls_config: {ca_file: '', cert_file: b.pem}\n",
            "      http_headers: {X: {files: [c, d]}}\n",
            "    tcp: {tls_config: {ca_file: unused.pem}}\n",
        );
        let found: Vec<_> = named_files(text.as_bytes())
            .into_iter()
            .map(|NamedFile { location, name }| {
                let path = location.key_path().to_string();
                (location.position.line, path.replace("modules.a.http.", ""), name)
            })
            .collect();
        let expected = [
            (5, "body_file", "a.txt"),
            (6, "tls_config.cert_file", "b.pem"),
            (7, "http_headers.X.files[0]", "c"),
            (7, "http_headers.X.files[1]", "d"),
        ];
        assert_eq!(
            found,
            expected.map(|(line, path, name)| (line, path.to_owned(), name.to_owned()))
        );
        assert_eq!(named_files(b"a: ["), []);
    }
}
