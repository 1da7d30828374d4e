//! Configuration files as data: invalid files with their errors, valid files, and printed
//! configurations.
//!
//! A file in `invalid/` begins with comments that are all its errors, a file in `valid/`
//! with its warnings, if any. With `BLESS=1` in the environment these comments
//! are updated; review the difference.

use std::{
    fs,
    path::{Path, PathBuf},
};

use probe_exporter::config::Config;
use strict_yaml::{
    FileId, Position,
    tree::{self, Kind, Node},
};

/// The prefix of comments that a test reads.
const COMMENT: &str = "# ";

#[test]
fn invalid_files_are_rejected_with_all_errors_and_their_positions() {
    for file in files("invalid") {
        check_comments(&file, |text| match Config::parse(text, "") {
            Ok(_) => vec!["loads".to_owned()],
            Err(error) => error.to_string().lines().map(|line| line[1..].to_owned()).collect(),
        });
    }
}

#[test]
fn valid_files_load_with_exactly_the_expected_warnings() {
    for file in files("valid") {
        check_comments(&file, |text| match Config::parse(text, "") {
            Ok(config) => {
                config.warnings().iter().map(|warning| format!("warning: {warning}")).collect()
            }
            Err(error) => vec![error.to_string()],
        });
    }
}

#[test]
fn a_printed_configuration_loads_to_the_same_configuration() {
    for file in files("valid").into_iter().chain(files("printed")) {
        let printed = load(&fs::read_to_string(&file).unwrap()).to_yaml();
        assert_eq!(load(&printed).to_yaml(), printed, "{}", file.display());
    }
}

#[test]
fn every_key_is_printed() {
    for file in files("printed") {
        let text = fs::read_to_string(&file).unwrap();
        assert_eq!(load(&text).to_yaml(), text, "{}", file.display());
    }
}

/// An error that only follows from another one is not reported.
#[test]
fn one_mistake_gives_one_error() {
    let mut mistakes = 0;
    for file in files("printed") {
        let text = fs::read_to_string(&file).unwrap();
        let root = tree::parse(FileId::default(), text.as_bytes()).unwrap().unwrap();
        for (line, column, key) in places(&root) {
            let number = line - 1;
            let mut lines: Vec<_> = text.lines().map(str::to_owned).collect();
            let (before, value) = lines[number].split_at(column - 1);
            lines[number] = match key {
                Some(length) => format!("{before}{}x{}", &value[..length], &value[length..]),
                // The lines of a literal block are text.
                None if !before.trim_end().ends_with([':', '-', 'y']) => continue,
                None => format!("{before}[[mistake]]"),
            };
            let Err(error) = Config::parse(lines.join("\n"), "mistake.yml") else {
                assert!(key.is_some(), "{}", lines[number]);
                continue;
            };
            mistakes += 1;
            assert_eq!(error.diagnostics.len(), 1, "{}\n{error}", lines[number]);
        }
    }
    assert!(mistakes > 150, "{mistakes}");
}

/// Line and column of every scalar, and of every key its length too.
fn places(node: &Node) -> Vec<(usize, usize, Option<usize>)> {
    let of = |position: Position, key| (position.line, position.column, key);
    match &node.kind {
        Kind::Scalar(_) => vec![of(node.position, None)],
        Kind::Sequence(items) => items.iter().flat_map(|item| places(item)).collect(),
        Kind::Mapping(entries) => entries
            .iter()
            .flat_map(|(key, value)| {
                [vec![of(key.position, Some(key.text.len()))], places(value)].concat()
            })
            .collect(),
    }
}

fn load(text: &str) -> Config {
    Config::parse(text, "text").unwrap_or_else(|error| panic!("{error}\n{text}"))
}

fn files(folder: &str) -> Vec<PathBuf> {
    let folder = Path::new("tests/it/data/config").join(folder);
    let mut files: Vec<_> =
        fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(!files.is_empty(), "no files in {}", folder.display());
    files
}

/// Compares the comments at the beginning of a file with the result of `tell`.
fn check_comments(file: &Path, tell: impl Fn(&[u8]) -> Vec<String>) {
    let text = fs::read(file).unwrap();
    let mut expected = Vec::new();
    let mut rest = text.as_slice();
    while let Some(line) = rest.strip_prefix(COMMENT.as_bytes()) {
        let end = line.iter().position(|byte| *byte == b'\n').unwrap_or(line.len());
        expected.push(String::from_utf8(line[..end].to_vec()).unwrap());
        rest = line.get(end + 1..).unwrap_or_default();
    }
    if std::env::var_os("BLESS").is_some() {
        bless(file, rest, tell);
    } else {
        assert_eq!(tell(&text), expected, "{}", file.display());
    }
}

/// Updates the comments. Their number changes the line numbers in them.
fn bless(file: &Path, rest: &[u8], tell: impl Fn(&[u8]) -> Vec<String>) {
    let mut lines = Vec::new();
    for _ in 0..5 {
        let comments: Vec<u8> =
            lines.iter().flat_map(|line| format!("{COMMENT}{line}\n").into_bytes()).collect();
        let text = [comments.as_slice(), rest].concat();
        let told = tell(&text);
        if told == lines {
            return fs::write(file, text).unwrap();
        }
        lines = told;
    }
    panic!("the comments of {} do not settle", file.display());
}
