//! Documents of any bytes decode or are refused within the limits; every error has a position in its
//! document, and values are printed so that they read back as the same values.

#![no_main]

use std::collections::BTreeMap;

use libfuzzer_sys::fuzz_target;
use serde::{Deserialize, Serialize};
use strict_yaml::{Document, RootSection, Value, decode_sections, to_yaml};

#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Thing {
    text: String,
    number: i64,
    flag: bool,
    maybe: Option<bool>,
    list: Vec<String>,
    map: BTreeMap<String, Vec<String>>,
    part: Option<Box<Thing>>,
}

impl RootSection for Thing {
    const NAME: &'static str = "the thing";
    const SECRET_KEY: Option<&'static str> = Some("flag");
}

// Two documents, with a zero byte between them.
fuzz_target!(|input: &[u8]| {
    let texts: Vec<_> = input.splitn(2, |byte| *byte == 0).collect();
    let documents: Vec<_> =
        texts.iter().map(|text| Document { name: "fuzz.yml", text }).collect();
    match decode_sections::<Thing>(&documents, "things") {
        Ok(things) => {
            let values = things.by_name.iter().map(|(name, thing)| {
                (name.clone(), Value::of(thing).without(&Value::of(&Thing::default())))
            });
            let root = Value::Section(vec![("things".to_owned(), Value::Map(values.collect()))]);
            let printed = to_yaml(&root, 2);
            let document = Document { name: "printed.yml", text: printed.as_bytes() };
            let again = decode_sections::<Thing>(&[document], "things")
                .unwrap_or_else(|error| panic!("{error}\n{printed}"));
            assert_eq!(again.by_name, things.by_name, "{printed}");
        }
        Err(errors) => {
            assert!((1..=250).contains(&errors.diagnostics.len()), "{errors}");
            for diagnostic in &errors.diagnostics {
                let position = diagnostic.location.position;
                let text = texts[position.file.0];
                let lines = 1 + String::from_utf8_lossy(text).matches(['\n', '\r']).count();
                assert!((1..=lines + 1).contains(&position.line), "{errors}");
            }
        }
    }
});
