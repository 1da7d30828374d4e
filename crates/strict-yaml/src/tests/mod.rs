//! Tests of the reader as a whole, on settings of their own.

mod arbitrary;
mod errors;
mod limits;

use std::{collections::BTreeMap, fmt::Write as _};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::*;

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
        "3:13: things.a.number: expected an integer, found a quoted string; remove the quotes\n\
         4:11: things.a.flag: expected a boolean (true or false), found a quoted string; \
         remove the quotes\n\
         5:12: things.a.maybe: expected a boolean (true or false), found an integer"
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
        "1:9: things: expected a mapping of names (a line 'name:' for each, without dashes), found an \
         integer"
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
