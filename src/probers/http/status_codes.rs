//! The form of `valid_status_codes`, with hints for codes that are not numbers.

use std::fmt;

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{self, MapAccess, SeqAccess, Visitor},
};

use crate::settings::{named::Named, section::Form};

/// The form of a list of status codes.
pub(super) struct StatusCodes;

/// A status code. It is not checked, as in upstream.
struct Code(i64);

impl Form<Named<Vec<i64>>> for StatusCodes {
    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Named<Vec<i64>>, D::Error> {
        let Named { name, check } = Named::<Vec<Code>>::deserialize(deserializer)?;
        Ok(Named { name, check: check.into_iter().map(|Code(number)| number).collect() })
    }

    fn write<S: Serializer>(codes: &Named<Vec<i64>>, serializer: S) -> Result<S::Ok, S::Error> {
        codes.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Code {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(CodeVisitor)
    }
}

struct CodeVisitor;

impl<'de> Visitor<'de> for CodeVisitor {
    type Value = Code;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an integer")
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<Code, E> {
        Ok(Code(number))
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<Code, E> {
        number.try_into().map(Code).map_err(|_| found("a number"))
    }

    /// Cuts fractions off, as for every integer of the configuration.
    fn visit_f64<E: de::Error>(self, number: f64) -> Result<Code, E> {
        format!("{:.0}", number.trunc()).parse().map(Code).map_err(|_| found("a number"))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Code, E> {
        if text.parse::<i64>().is_ok() {
            return Err(found("a quoted string; remove the quotes"));
        }
        Err(E::custom(if text.starts_with(|first: char| first.is_ascii_digit()) {
            format!(
                "'{text}' is not a status code; list the codes, such as [200, 204], or leave the key \
                 out to accept 200 to 299"
            )
        } else {
            format!("'{text}' is not a status code; write a number such as 200")
        }))
    }

    fn visit_bool<E: de::Error>(self, _: bool) -> Result<Code, E> {
        Err(found("a boolean"))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, _: A) -> Result<Code, A::Error> {
        Err(found("a sequence"))
    }

    fn visit_map<A: MapAccess<'de>>(self, _: A) -> Result<Code, A::Error> {
        Err(found("a mapping"))
    }
}

fn found<E: de::Error>(what: &str) -> E {
    E::custom(format!("expected an integer, found {what}"))
}
