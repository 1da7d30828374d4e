//! Tests of the limits on nesting, aliases and the search for errors.

use std::fmt::Write as _;

use super::{Thing, all};
use crate::{
    decoder::{Decoder, MAX_REVISITED_NODES, NodeDeserializer},
    for_each_section, keys,
    tree::Options,
};

#[test]
fn deep_nesting_is_refused() {
    let deep = format!("things: {}", "[".repeat(200));
    assert!(all(deep).unwrap_err().contains("nested more than 100 levels deep"));
    let mut block = String::from("things:\n");
    let mut aliases = String::from("things:\n  - &a0 x\n");
    for level in 1..5_000 {
        writeln!(block, "{}- ", " ".repeat(level)).unwrap();
        writeln!(aliases, "  - &a{level} [*a{}]", level - 1).unwrap();
    }
    assert!(all(block).is_err());
    assert!(all(aliases).unwrap_err().contains("nested more than 100 levels deep"));
}

#[test]
fn aliases_of_aliases_are_refused() {
    let mut text = String::from("things:\n  m0: &m0 {text: a}\n");
    for level in 1..30 {
        let before = level - 1;
        writeln!(text, "  m{level}: &m{level} {{<<: [*m{before}, *m{before}, *m{before}]}}")
            .unwrap();
    }
    let error = all(text).unwrap_err();
    assert!(error.contains("YAML aliases expand to too many nodes (limit 5000000)"), "{error}");
}

#[test]
fn many_errors_are_cut_off() {
    let mut text = String::from("things:\n");
    for number in 0..1_000 {
        writeln!(text, "  a{number}: {{number: x, flag: y1, list: z}}").unwrap();
    }
    let error = all(text).unwrap_err();
    let lines = error.lines().count();
    assert!((100..110).contains(&lines), "{lines}");
    assert!(error.ends_with("too many errors: there may be more that are not listed"), "{error}");
}

#[test]
fn aliases_of_long_texts_are_refused() {
    let text = "a".repeat(3_200);
    let aliases = "*a,".repeat(60_000);
    let error = all(format!("things: {{a: {{text: &a {text}, list: [{aliases}]}}}}")).unwrap_err();
    assert!(error.contains("YAML aliases expand to too many nodes"), "{error}");
}

/// The worst case: each error costs another attempt at a section that is large.
#[test]
fn the_search_for_further_errors_is_bounded_by_a_count() {
    let mut text = String::from("things:\n  a:\n    map:\n");
    for number in 0..50_000 {
        writeln!(text, "      k{number}: v").unwrap();
    }
    text.push_str("    lists:\n");
    for number in 0..90 {
        writeln!(text, "      k{number}: [[]]").unwrap();
    }
    let decoder = Decoder::new(2, keys::<Thing>);
    let tree = decoder.parse(Options::default(), text.as_bytes()).unwrap();
    let root = tree.root.unwrap();
    let mut sections = 0;
    for_each_section(NodeDeserializer::root(&decoder, &root), "things", &mut |_, at| {
        assert!(at.decode::<Thing>().is_none());
        sections += 1;
    });
    assert_eq!(sections, 1);
    let (visited, revisited) = decoder.visited();
    assert!(visited < 150_000, "{visited}");
    assert!(revisited <= MAX_REVISITED_NODES + 1, "{revisited}");
    let errors = decoder.into_errors();
    assert!((30..60).contains(&errors.len()), "{}", errors.len());
    assert!(errors.last().unwrap().message.starts_with("too many errors"), "{errors:?}");
}
