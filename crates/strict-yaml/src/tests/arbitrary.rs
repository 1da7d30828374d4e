//! Tests with arbitrary documents and values.

use proptest::prelude::*;

use super::{Bytes, Thing, all};
use crate::{Value, to_yaml};

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _result = all(bytes);
    }

    #[test]
    fn arbitrary_yaml_never_panics(
        pieces in prop::collection::vec(prop::sample::select(PIECES), 0..60)
    ) {
        let _result = all(pieces.concat());
    }

    #[test]
    fn texts_are_printed_so_that_they_read_back(
        text in prop_oneof![any::<String>(), TRICKY],
        key in prop_oneof![any::<String>(), TRICKY],
    ) {
        let mut written = Thing { text: text.clone(), list: vec![text.clone()], ..Thing::default() };
        written.map.insert(key, text.clone());
        written.bytes = Bytes(text.as_bytes().to_vec());
        let value = Value::Map(vec![("a".to_owned(), Value::of(&written))]);
        let yaml = to_yaml(&Value::Section(vec![("things".to_owned(), value)]), 4);
        let read = all(&yaml).map_err(|error| TestCaseError::fail(format!("{error}\n{yaml}")))?;
        prop_assert_eq!(&read["a"], &written, "{}", yaml);
    }

    #[test]
    fn bytes_are_printed_so_that_they_read_back(bytes in prop::collection::vec(any::<u8>(), 0..50)) {
        let written = Thing { bytes: Bytes(bytes), ..Thing::default() };
        let value = Value::Map(vec![("a".to_owned(), Value::of(&written))]);
        let yaml = to_yaml(&Value::Section(vec![("things".to_owned(), value)]), 2);
        prop_assert_eq!(&all(&yaml).unwrap()["a"], &written);
    }
}

/// Texts of characters that mean something in YAML.
const TRICKY: &str = "[ab1 \n\t\r:#'\"|>*&!?~,.%@`=<\\[\\]{}-]{0,12}";

/// Tokens of YAML, so that random sequences of them are often valid.
const PIECES: &[&str] = &[
    "things:",
    "a:",
    "text: ",
    "number: ",
    "part: ",
    "parts:",
    "list:",
    "map:",
    "low: ",
    "high: ",
    "\n",
    "\n  ",
    "\n    ",
    "\n      ",
    " ",
    "- ",
    "-",
    "? ",
    ": ",
    ":",
    ",",
    "[",
    "]",
    "{",
    "}",
    "&a ",
    "&b ",
    "*a",
    "*b",
    "<<: ",
    "<<: *a",
    "!!binary ",
    "!!int ",
    "!x ",
    "|",
    ">",
    "|2-",
    "'",
    "\"",
    "\\",
    "#",
    " # ",
    "%YAML 1.2",
    "%TAG",
    "---",
    "...",
    "\t",
    "\r",
    "~",
    "null",
    "yes",
    "5",
    "0x",
    "1e5",
    "\u{85}",
    "\u{2028}",
    "\u{feff}",
    "ä",
    "@",
    "`",
    "=",
];
