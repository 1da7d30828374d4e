//! Tests of errors and their positions.

use std::collections::BTreeMap;

use super::{Thing, all, read};
use crate::{Document, decode_sections, decode_sections_and_root};

#[test]
fn an_error_in_an_anchor_is_told_once() {
    let text = "things: {a: {part: &p {low: 2}}, b: {part: *p}, c: {parts: [*p]}}";
    assert_eq!(all(text).unwrap_err(), "1:29: things.a.part.low: low must not exceed high");
}

#[test]
fn all_errors_at_once_and_in_order() {
    let yaml = "
number: many
txt: a
list: a
parts:
  - {low: 2, high: 1}
  - {low: 1, high: 2, height: 3}
  - {low: x, high: 1}
lists: {a: b, c: [[d]]}
flag: 7
part: []
text: {}
text: again
";
    let error = read(yaml).unwrap_err();
    assert_eq!(
        error,
        "4:13: things.a.number: expected an integer, found a string\n\
         5:5: things.a.txt: unknown key 'txt'; did you mean 'text'?\n\
         6:11: things.a.list: expected a sequence (one item after each dash, or all in [ ]), found a string\n\
         8:15: things.a.parts[0].low: low must not exceed high\n\
         9:27: things.a.parts[1].height: unknown key 'height'; the keys here are 'low', 'high' and 'secret'\n\
         10:15: things.a.parts[2].low: expected an integer, found a string\n\
         11:16: things.a.lists.a: expected a sequence (one item after each dash, or all in [ ]), found a string\n\
         11:23: things.a.lists.c[0]: expected a string, found a sequence; write one value, without dash or brackets\n\
         12:11: things.a.flag: expected a boolean (true or false), found an integer\n\
         13:5: things.a.part: expected a mapping with any of the keys 'low', 'high' and \
         'secret' (a line 'key: value' for each, without dashes), found a sequence\n\
         14:5: things.a.text: expected a string, found a mapping; write one value after the colon\n\
         15:5: things.a.text: duplicate key 'text', first set in line 14"
    );
}

#[test]
fn what_only_seems_wrong_because_of_another_error_is_not_told() {
    assert_eq!(
        read("part: {low: 5, high: x}").unwrap_err(),
        "3:26: things.a.part.high: expected an integer, found a string"
    );
}

#[test]
fn syntax_errors_have_a_place() {
    for (text, start) in [
        ("things: \"\\u12", "1:9: invalid YAML: "),
        ("things: &a [*a]", "1:13: things[0]: alias inside its own anchor"),
        ("things: {[a]: b}", "1:10: things: a mapping key must be a scalar"),
        ("a: \u{1}", "1:4: control characters are not allowed"),
    ] {
        let error = all(text).unwrap_err();
        assert!(error.starts_with(start), "{text}: {error}");
    }
    assert_eq!(
        all(b"things:\n  \xff").unwrap_err(),
        "2:3: the text is not valid UTF-8; save the file as UTF-8"
    );
    assert_eq!(all("\u{feff}things: {}"), Ok(BTreeMap::new()));
}

#[test]
fn syntax_errors_have_a_remedy() {
    for (text, place, remedy) in [
        ("things: [", "2:1", "a bracket is not closed"),
        ("things:\n\ta: {}", "2:2", "indent with spaces"),
        ("things: *nobody", "1:9", "quote a value that begins with '*'"),
        ("things: @a", "1:9", "quote a value that begins with this"),
        ("things: 'a", "1:9", "closing quote is missing"),
        ("things: \"\\d\"", "1:9", "write each backslash twice"),
        ("things:\n  a\n  b: c", "3:4", "a colon is missing in the line above"),
        ("things:\n  a: b: c", "2:7", "quote a value that contains ': '"),
        ("things:\n  a:\n    b: c\n   d: e", "4:4", "begin in the same column"),
        ("things:\n  - a\n b: c", "3:2", "begin in the same column"),
        ("things: {a: b: c}", "1:14", "quote values that contain a colon"),
        ("things: [a\nb: c", "2:2", "bracket before it is not closed"),
        ("things: [a b: c", "2:1", "close each bracket"),
        ("things: \"a\" b", "1:13", "one pair of quotes"),
        ("things: - a", "1:9", "on a line of its own"),
    ] {
        let error = all(text).unwrap_err();
        assert!(error.starts_with(place) && error.contains(remedy), "{text}: {error}");
    }
}

#[test]
fn a_key_with_an_invisible_space_is_explained() {
    let error = read("\u{a0}number: 1").unwrap_err();
    assert!(error.contains("write 'number' with ordinary spaces"), "{error}");
    let error = all("things:\n  a:\n\u{a0}\u{a0}number: 1").unwrap_err();
    assert!(error.ends_with("indent with ordinary spaces"), "{error}");
}

#[test]
fn a_key_that_is_there_twice_is_found_among_many() {
    let keys = (0..40).map(|number| format!("  k{number}: v\n")).collect::<Vec<_>>().concat();
    assert_eq!(read(&format!("map:\n{keys}")).unwrap().map.len(), 40);
    for number in [0, 15, 16, 17, 39] {
        let error = read(&format!("map:\n{keys}  k{number}: v")).unwrap_err();
        // The map begins in line 4.
        let expected = format!("duplicate key 'k{number}', first set in line {}", number + 4);
        assert!(error.ends_with(&expected), "{error}");
    }
}

#[test]
fn several_documents_are_decoded_together() {
    let texts = ["things: {a: {number: 1}, b: {flag: 5}}", "things: {c: {}, a: {number: x}}", "["];
    let names = ["one.yml", "two.yml", "three.yml"];
    let documents: Vec<_> = names
        .iter()
        .zip(texts)
        .map(|(name, text)| Document { name, text: text.as_bytes() })
        .collect();
    let errors = decode_sections::<Thing>(&documents, "things").unwrap_err();
    assert_eq!(
        errors.to_string(),
        "one.yml:1:36: things.b.flag: expected a boolean (true or false), found an integer\n\
         two.yml:1:17: things.a: duplicate key 'a', first set in one.yml\n\
         three.yml:2:1: invalid YAML: while parsing a node, did not find expected node content; \
         check whether a bracket is not closed"
    );
    let good = decode_sections::<Thing>(&documents[..1], "things");
    assert_eq!(good.unwrap_err().diagnostics.len(), 1);
}

#[test]
fn values_that_are_declared_secret_are_not_quoted() {
    let text = "things: {a: {parts: [{low: 5, high: 1, secret: yes}, {low: 5, high: 1}]}}";
    assert_eq!(
        all(text).unwrap_err(),
        "1:28: things.a.parts[0].low: invalid value (details omitted because this field is \
         secret)\n\
         1:60: things.a.parts[1].low: low must not exceed high"
    );
}

#[derive(Debug, Default, PartialEq, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Root {
    limits: Limits,
}

#[derive(Debug, Default, PartialEq, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Limits {
    memory: i64,
    number: i64,
}

fn with_root(texts: &[&str]) -> Result<Root, String> {
    let documents: Vec<_> =
        texts.iter().map(|text| Document { name: "f.yml", text: text.as_bytes() }).collect();
    let decoded = decode_sections_and_root::<Thing, Root>(&documents, "things");
    decoded.map(|sections| sections.root).map_err(|errors| errors.to_string())
}

#[test]
fn other_keys_of_the_root_are_decoded_with_their_positions() {
    let limits = Limits { memory: 5, number: 0 };
    assert_eq!(with_root(&["limits: {memory: 5}\nthings: {a: {}}"]), Ok(Root { limits }));
    assert_eq!(with_root(&["things: {a: {}}\nlimits:"]), Ok(Root::default()));
    for (text, expected) in [
        (
            "limits: {memory: x, number: []}\nthings: {a: {flag: 5}}",
            "f.yml:1:18: limits.memory: expected an integer, found a string\n\
          f.yml:1:21: limits.number: expected an integer, found a sequence; write one value, without dash or \
          brackets\n\
          f.yml:2:20: things.a.flag: expected a boolean (true or false), found an integer",
        ),
        (
            "limits: {memry: 1}\nthings:",
            "f.yml:1:10: limits.memry: unknown key 'memry'; did you mean 'memory'?",
        ),
        (
            "limits: {flag: 1}\nlimit: {}\nthings:",
            "f.yml:1:10: limits.flag: unknown key 'flag'; the keys here are 'memory' and 'number'\n\
          f.yml:2:1: limit: unknown key 'limit'; did you mean 'limits'?",
        ),
        (
            "limits: 5\nthings:",
            "f.yml:1:9: limits: expected a mapping with any of the keys 'memory' and 'number' \
             (a line 'key: value' for each, without dashes), found an integer",
        ),
        (
            "flag: true",
            "f.yml:1:1: flag: unknown key 'flag'; it is a key of the thing, which belongs \
                        under 'things'",
        ),
        ("[]", "f.yml:1:1: expected the key 'things', found a sequence"),
    ] {
        assert_eq!(with_root(&[text]), Err(expected.to_owned()), "{text}");
    }
}

#[test]
fn only_the_first_document_has_other_keys() {
    let error = with_root(&["things: {a: {}}", "limits: {}\nthings: {b: {}}"]).unwrap_err();
    assert_eq!(error, "f.yml:1:1: limits: unknown key 'limits'; the only key here is 'things'");
}
