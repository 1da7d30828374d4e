//! Tests of the reader as a whole, on settings of their own.

use std::{collections::BTreeMap, fmt::Write as _};

use proptest::prelude::*;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::*;
use crate::decoder::MAX_REVISITED_NODES;
/// Bytes, of a string or of `!!binary`.
#[derive(Debug, Clone, Default, PartialEq)]
struct Bytes(Vec<u8>);

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;

        impl de::Visitor<'_> for Visitor {
            type Value = Bytes;

            fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str("a string")
            }

            fn visit_byte_buf<E: de::Error>(self, bytes: Vec<u8>) -> Result<Bytes, E> {
                Ok(Bytes(bytes))
            }
        }

        deserializer.deserialize_byte_buf(Visitor)
    }
}

impl Serialize for Bytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match str::from_utf8(&self.0) {
            Ok(text) => serializer.serialize_str(text),
            Err(_) => serializer.serialize_bytes(&self.0),
        }
    }
}

/// One value of each kind.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Thing {
    text: String,
    number: i64,
    flag: bool,
    maybe: Option<bool>,
    list: Vec<String>,
    map: BTreeMap<String, String>,
    lists: BTreeMap<String, Vec<String>>,
    bytes: Bytes,
    part: Part,
    parts: Vec<Part>,
}

impl RootSection for Thing {
    const NAME: &'static str = "the thing";
    const SECRET_KEY: Option<&'static str> = Some("secret");

    /// One for each key of its map: the path to a value.
    fn warnings(&self) -> Vec<Warning> {
        let segment = |text: &str| match text.parse() {
            Ok(index) => Segment::Index(index),
            Err(_) => Segment::Key(text.to_owned()),
        };
        let warning = |(message, path): (&String, &String)| {
            Warning::at(&*path.split_whitespace().map(segment).collect::<Vec<_>>(), message)
        };
        self.map.iter().map(warning).collect()
    }
}

/// A section with a rule across its keys.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "PartKeys")]
struct Part {
    low: i64,
    high: i64,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct PartKeys {
    low: i64,
    high: i64,
    secret: bool,
}

impl TryFrom<PartKeys> for Part {
    type Error = RuleError;

    fn try_from(PartKeys { low, high, .. }: PartKeys) -> Result<Self, RuleError> {
        if low > high {
            return Err(RuleError::at("low", "low must not exceed high").involving(["high"]));
        }
        Ok(Self { low, high })
    }
}

/// Reads the section `a` below `things`, from lines without indentation.
fn read(yaml: &str) -> Result<Thing, String> {
    let mut text = String::from("things:\n  a:\n");
    for line in yaml.lines() {
        writeln!(text, "    {line}").unwrap();
    }
    let mut things = all(&text)?;
    Ok(things.remove("a").expect("the section is there"))
}

fn all(text: impl AsRef<[u8]>) -> Result<BTreeMap<String, Thing>, String> {
    let document = Document { name: "", text: text.as_ref() };
    let decoded = decode_sections(&[document], "things");
    decoded.map(|things| things.by_name).map_err(|errors| lines(&errors.diagnostics))
}

fn lines(diagnostics: &[Diagnostic]) -> String {
    diagnostics.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

#[test]
fn warnings_stand_at_the_value_that_they_are_about() {
    let text = concat!(
        "things:\n",
        "  a:\n",
        "    number: 1\n",
        "    part:\n",
        "      low: 1\n",
        "      high: 2\n",
        "    list: [b, ~, c]\n",
        "    map: {odd: number, low: part low, second: list 1, absent: part middle, whole: ''}\n",
    );
    let document = Document { name: "", text: text.as_bytes() };
    let things = decode_sections::<Thing>(&[document], "things").unwrap();
    assert_eq!(
        lines(&things.warnings),
        "2:3: things.a: whole\n\
         3:13: things.a.number: odd\n\
         4:5: things.a.part: absent\n\
         5:12: things.a.part.low: low\n\
         7:18: things.a.list[2]: second"
    );
}

fn thing(change: impl FnOnce(&mut Thing)) -> Thing {
    let mut thing = Thing::default();
    change(&mut thing);
    thing
}

fn strings(values: &[&str]) -> Vec<String> {
    values.iter().map(|value| (*value).to_owned()).collect()
}

#[test]
fn any_scalar_goes_into_a_string() {
    for (yaml, expected) in [
        ("text: 1", "1"),
        ("text: 1.10", "1.10"),
        ("text: true", "true"),
        ("text: 2024-01-02", "2024-01-02"),
        ("text: 0x1F", "0x1F"),
        ("text: '~'", "~"),
        ("text: ~", ""),
        ("text:", ""),
        ("text: !!str ~", "~"),
        ("text: !!binary aGVsbG8=", "hello"),
        ("text: |\n  a\n  b", "a\nb\n"),
        ("text: >-\n  a\n  b", "a b"),
        ("text: !ours x", "x"),
    ] {
        assert_eq!(read(yaml).unwrap().text, expected, "{yaml}");
    }
}

#[test]
fn numbers_and_booleans() {
    let thing = read("number: 200.5\nflag: yes\nmaybe: Off").unwrap();
    assert_eq!((thing.number, thing.flag, thing.maybe), (200, true, Some(false)));
    let thing = read("number: 0620\nflag: ~\nmaybe: ~").unwrap();
    assert_eq!((thing.number, thing.flag, thing.maybe), (400, false, None));
    assert_eq!(
        read("number: '5'\nflag: 'true'\nmaybe: 1").unwrap_err(),
        "3:13: things.a.number: expected an integer, found a quoted string\n\
         4:11: things.a.flag: expected a boolean, found a quoted string\n\
         5:12: things.a.maybe: expected a boolean, found an integer"
    );
}

#[test]
fn null_counts_as_absent_and_as_empty() {
    let expected = thing(|thing| {
        thing.list = strings(&["a", "b"]);
        thing.map.insert("k".to_owned(), String::new());
        thing.lists.insert("k".to_owned(), Vec::new());
    });
    let yaml = "list: [a, ~, b]\nmap: {k: }\nlists: {k: ~}\npart:\nparts: [~]\nnumber:";
    assert_eq!(read(yaml).unwrap(), expected);
    assert_eq!(all("things: {a: }").unwrap()["a"], Thing::default());
}

#[test]
fn files_without_sections() {
    for text in ["things:", "things: {}", "things: ~\n---\n]", "{}", "---\n", "~"] {
        assert_eq!(all(text), Ok(BTreeMap::new()), "{text}");
    }
    for text in ["", "\n\n", "# nothing\n"] {
        assert!(all(text).unwrap_err().contains("(EOF)"), "{text}");
    }
    assert_eq!(all("[a]").unwrap_err(), "1:1: expected the key 'things', found a sequence");
    assert_eq!(
        all("things: 5").unwrap_err(),
        "1:9: things: expected a mapping of names, found an integer"
    );
}

#[test]
fn only_the_first_document_is_read() {
    assert_eq!(all("things: {}\n---\n}{ not: YAML"), Ok(BTreeMap::new()));
    assert_eq!(all("things: {}\n...\n\t@"), Ok(BTreeMap::new()));
}

#[test]
fn a_tab_may_follow_a_colon() {
    let things = all("things:\n  a:\t{text:\ta}\n  b:\n    text:\t\tb\n    flag: \tyes\n").unwrap();
    assert_eq!((things["a"].text.as_str(), things["b"].text.as_str()), ("a", "b"));
    assert!(things["b"].flag);
    let text = read("text: |\n  a:\tb").unwrap().text;
    assert_eq!(text, "a:\tb\n");
}

#[test]
fn anchors_and_merges() {
    let text = "
things:
  base: &base {text: base, number: 1, part: &part {low: 1, high: 2}}
  other: &other {number: 2, flag: true}
  one: {<<: *base, number: 5}
  two: {<<: [*other, *base], parts: [*part, {<<: *part, high: 9}]}
";
    let things = all(text).unwrap();
    assert_eq!((things["one"].text.as_str(), things["one"].number), ("base", 5));
    let two = &things["two"];
    assert_eq!((two.text.as_str(), two.number, two.flag), ("base", 2, true));
    assert_eq!(two.parts, [Part { low: 1, high: 2 }, Part { low: 1, high: 9 }]);
    assert_eq!(all("things: {a: {<<: []}}").unwrap()["a"], Thing::default());
    assert!(all("things: {a: {<<: 5}}").unwrap_err().contains("to merge"));
    assert!(all("things: {a: {<<: [5]}}").unwrap_err().contains("to merge"));
}

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
         9:27: things.a.parts[1].height: unknown key 'height'\n\
         10:15: things.a.parts[2].low: expected an integer, found a string\n\
         11:16: things.a.lists.a: expected a sequence (one item after each dash, or all in [ ]), found a string\n\
         11:23: things.a.lists.c[0]: expected a string, found a sequence\n\
         12:11: things.a.flag: expected a boolean, found an integer\n\
         13:5: things.a.part: expected a mapping, found a sequence\n\
         14:5: things.a.text: expected a string, found a mapping\n\
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
        ("things: [", "2:1: invalid YAML: "),
        ("things:\n\ta: {}", "2:2: invalid YAML: "),
        ("things: *nobody", "1:9: invalid YAML: "),
        ("things: 'a", "1:9: invalid YAML: "),
        ("things: &a [*a]", "1:13: things[0]: alias inside its own anchor"),
        ("things: {[a]: b}", "1:10: things: a mapping key must be a scalar"),
        ("a: \u{1}", "1:4: control characters are not allowed"),
    ] {
        let error = all(text).unwrap_err();
        assert!(error.starts_with(start), "{text}: {error}");
    }
    assert_eq!(all(b"things:\n  \xff").unwrap_err(), "2:3: the text is not valid UTF-8");
    assert_eq!(all("\u{feff}things: {}"), Ok(BTreeMap::new()));
}

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
        "one.yml:1:36: things.b.flag: expected a boolean, found an integer\n\
         two.yml:1:17: things.a: duplicate key 'a', first set in one.yml\n\
         three.yml:2:1: invalid YAML: while parsing a node, did not find expected node content"
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
