//! The files that a document names, by the keys that do so.

use std::rc::Rc;

use strict_yaml::{
    Mark, Path, check_text,
    tree::{self, Kind, Node},
};

/// A file that a document names.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct NamedFile {
    /// Where it is named.
    pub mark: Mark,
    /// The keys that lead there.
    pub path: String,
    /// Its name as it is written.
    pub name: String,
}

/// The key of a list of files.
const FILES: &str = "files";

/// The end of keys that name one.
const FILE: &str = "_file";

/// The key of a module that says which of its sections counts.
const PROBER: &str = "prober";

/// Nodes to look at: aliases of aliases can make a short file stand for more than anybody can look
/// through.
const MOST_VISITS: usize = 1_000_000;

/// All files that a document names, in the order of their places; those that only sections of
/// probers that are not used name are not among them. Nothing if it is no YAML.
#[must_use]
pub fn named_files(text: &[u8]) -> Vec<NamedFile> {
    let Ok(Ok((Some(root), _))) = check_text(text).map(tree::parse) else { return Vec::new() };
    let mut search = Search { found: Vec::new(), visits: 0 };
    search.look(&root, &Path::Root);
    search.found.sort();
    search.found.dedup();
    search.found
}

struct Search {
    found: Vec<NamedFile>,
    visits: usize,
}

impl Search {
    fn look(&mut self, node: &Node, path: &Path<'_>) {
        self.visits += 1;
        if self.visits > MOST_VISITS {
            return;
        }
        match &node.kind {
            Kind::Scalar(scalar) => {
                if names_file(path) && !scalar.text.is_empty() {
                    let (mark, path, name) = (node.mark, path.to_string(), scalar.text.clone());
                    self.found.push(NamedFile { mark, path, name });
                }
            }
            Kind::Sequence(items) => {
                for (index, item) in items.iter().enumerate() {
                    self.look(item, &Path::Index(path, index));
                }
            }
            Kind::Mapping(entries) => {
                let prober = entries.iter().find(|(key, _)| key.text == PROBER);
                let prober = prober.and_then(|(_, node)| text_of(node));
                for (key, value) in entries {
                    // Sections are the only mappings in a module.
                    let is_section = matches!(value.kind, Kind::Mapping(_)) && !key.is_merge;
                    if is_section && prober.is_some_and(|prober| prober != key.text) {
                        continue;
                    }
                    self.look(value, &Path::Key(path, &key.text));
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
        Path::Key(_, key) => key.ends_with(FILE),
        Path::Index(Path::Key(_, key), _) => *key == FILES,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_found_where_they_are_named() {
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
            .map(|file| (file.mark.line, file.path.replace("modules.a.http.", ""), file.name))
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
