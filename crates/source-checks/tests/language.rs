//! The wording of doc comments and the names of constants.

use std::{fmt::Write as _, fs, path::Path};

use source_checks::{OPENING_WORDS, PREFIXES, rust_files, wordings};

const FOLDERS: [&str; 5] = ["benches", "crates", "fuzz", "src", "tests"];

#[test]
fn doc_comments_and_constants_are_worded_plainly() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut list = String::new();
    for file in FOLDERS.iter().flat_map(|folder| rust_files(&root.join(folder))) {
        for wording in wordings(&fs::read_to_string(&file).unwrap()) {
            let file = file.strip_prefix(&root).unwrap().display();
            writeln!(list, "  {file}:{}: {}", wording.line, wording.text).unwrap();
        }
    }
    assert!(
        list.is_empty(),
        "doc comments begin with {OPENING_WORDS:?}, or names of constants with {PREFIXES:?}. A doc \
         comment names the thing first; constants are MAX_, MIN_ and DEFAULT_. To list those of a \
         folder:\n\
         grep -rnE '^ *//[/!] ?({})\\b|\\b(const|static) ({})' FOLDER\n{list}",
        OPENING_WORDS.join("|"),
        PREFIXES.join("|"),
    );
}
