//! A serde deserializer for nodes, with the rules of Go's yaml.v3.
//!
//! They differ from other serde formats. Every scalar is accepted as a string. A boolean may be
//! `yes` or `off`, and an integer loses its fraction. A key whose value is null counts as absent in a
//! section and as an empty value in a map. Null items of lists are dropped.

use std::{fmt::Display, rc::Rc};

use serde::{
    Deserializer,
    de::{
        self, DeserializeOwned, DeserializeSeed, IntoDeserializer, MapAccess, SeqAccess, Visitor,
        value::{StrDeserializer, UnitDeserializer},
    },
    forward_to_deserialize_any,
};

use crate::{
    decoder::NodeDeserializer,
    long_form,
    node::Entry,
    path::{DecodeError, Path},
    suggest,
    tree::{Kind, Meaning, Node, Scalar},
};

/// The expected types whose written form a message shows.
const MAPPING: &str = "a mapping (a line 'key: value' for each key, without dashes)";
const SEQUENCE: &str = "a sequence (one item after each dash, or all in [ ])";
const BOOLEAN: &str = "a boolean (true or false)";

/// The expected types of one value.
const SINGLE: [&str; 4] = ["a string", "an integer", "a number", BOOLEAN];

impl<'n> NodeDeserializer<'n> {
    /// Decodes the node. Without a result its errors are recorded.
    pub(crate) fn decode<T: DeserializeOwned>(self) -> Option<T> {
        let step = || T::deserialize(self).map_err(|error| self.decoder.locate(error, self));
        self.decoder.repeat(self.node.id, step)
    }

    /// Fails because another type is expected.
    fn mismatch<T>(self, expected: &str) -> Result<T, DecodeError> {
        let is_single = SINGLE.contains(&expected);
        let found = match &self.node.kind {
            Kind::Sequence(_) if is_single => {
                "a sequence; write one value, without dash or brackets"
            }
            Kind::Sequence(_) => "a sequence",
            Kind::Mapping(_) if is_single => "a mapping; write one value after the colon",
            Kind::Mapping(_) => "a mapping",
            Kind::Scalar(scalar) => match scalar.meaning() {
                Meaning::Null => "null",
                Meaning::Bool(_) => "a boolean",
                Meaning::Integer(_) | Meaning::Unsigned(_) => "an integer",
                Meaning::Float(_) => "a number",
                Meaning::String if scalar.plain => "a string",
                Meaning::String => "a quoted string",
            },
        };
        self.wrong(format!("expected {expected}, found {found}"))
    }

    /// Fails because a scalar has another type; `fits` tells whether one without quotes has the expected
    /// type.
    fn mismatched_scalar<T>(
        self,
        scalar: &Scalar,
        expected: &str,
        fits: impl Fn(&Scalar) -> bool,
    ) -> Result<T, DecodeError> {
        let unquoted = Scalar { plain: true, ..scalar.clone() };
        if !scalar.plain && scalar.tag.is_none() && fits(&unquoted) {
            return self
                .wrong(format!("expected {expected}, found a quoted string; remove the quotes"));
        }
        self.mismatch(expected)
    }

    fn wrong<T>(self, message: impl Display) -> Result<T, DecodeError> {
        Err(self.decoder.locate(de::Error::custom(message), self))
    }

    fn bytes(self) -> Result<Vec<u8>, DecodeError> {
        let scalar = self.scalar("a string")?;
        if scalar.is_null() {
            return Ok(Vec::new());
        }
        // Invalid base64 is an error of the tree.
        Ok(scalar.bytes().unwrap_or_default())
    }

    fn scalar(self, expected: &str) -> Result<&'n Scalar, DecodeError> {
        match &self.node.kind {
            Kind::Scalar(scalar) => Ok(scalar),
            _ => self.mismatch(expected),
        }
    }

    /// The items of a sequence; null counts as an empty one.
    fn items(self) -> Result<Items<'n>, DecodeError> {
        let items: &[Rc<Node>] = match &self.node.kind {
            Kind::Sequence(items) => items,
            _ if self.node.is_null() => &[],
            _ => return self.mismatch(SEQUENCE),
        };
        Ok(Items { list: self, items: items.iter().enumerate() })
    }

    /// The entries of a mapping; null counts as an empty one.
    pub(crate) fn mapping(self, expected: &str) -> Result<Vec<Entry<'n>>, DecodeError> {
        match &self.node.kind {
            Kind::Mapping(_) => self.decoder.entries(self),
            _ if self.node.is_null() => Ok(Vec::new()),
            _ => self.mismatch(expected),
        }
    }

    /// Deserializes a section with these keys; those without a value count as absent.
    fn deserialize_section<'de, V: Visitor<'de>>(
        self,
        keys: &[&'static str],
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        let mut entries = match &self.node.kind {
            Kind::Mapping(_) => self.decoder.entries(self)?,
            _ if self.node.is_null() => Vec::new(),
            _ => return self.mismatch(&section_of(keys)),
        };
        self.decoder.take_unknown(self.path, &mut entries, keys);
        entries.retain(|entry| !entry.node.is_null());
        visitor
            .visit_map(Entries::new(self, entries))
            .map_err(|error| self.decoder.locate(error, self))
    }
}

/// Describes a section with these keys, and names them if they are few.
fn section_of(keys: &[&'static str]) -> String {
    match suggest::list_of_few(keys) {
        Some(list) => {
            format!(
                "a mapping with any of the keys {list} (a line 'key: value' for each, without dashes)"
            )
        }
        None => MAPPING.to_owned(),
    }
}

/// Locates the errors of visitors.
macro_rules! located {
    ($self:ident, $result:expr) => {
        $result.map_err(|error| $self.decoder.locate(error, $self))
    };
}

impl<'de> Deserializer<'de> for NodeDeserializer<'_> {
    type Error = DecodeError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        match &self.node.kind {
            Kind::Sequence(_) => self.deserialize_seq(visitor),
            Kind::Mapping(_) => self.deserialize_map(visitor),
            Kind::Scalar(scalar) => match scalar.meaning() {
                Meaning::Null => located!(self, visitor.visit_unit()),
                Meaning::Bool(value) => located!(self, visitor.visit_bool(value)),
                Meaning::Integer(value) => located!(self, visitor.visit_i64(value)),
                Meaning::Unsigned(value) => located!(self, visitor.visit_u64(value)),
                Meaning::Float(value) => located!(self, visitor.visit_f64(value)),
                Meaning::String => self.deserialize_str(visitor),
            },
        }
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        let scalar = self.scalar(BOOLEAN)?;
        match scalar.as_bool() {
            Some(value) => located!(self, visitor.visit_bool(value)),
            None if scalar.is_null() => located!(self, visitor.visit_bool(false)),
            None => self.mismatched_scalar(scalar, BOOLEAN, |it| it.as_bool().is_some()),
        }
    }

    fn deserialize_i64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        let scalar = self.scalar("an integer")?;
        match scalar.as_integer() {
            Some(value) => located!(self, visitor.visit_i64(value)),
            None if scalar.is_null() => located!(self, visitor.visit_i64(0)),
            None => self.mismatched_scalar(scalar, "an integer", |it| it.as_integer().is_some()),
        }
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        let scalar = self.scalar("a number")?;
        match scalar.as_float() {
            Some(value) => located!(self, visitor.visit_f64(value)),
            None if scalar.is_null() => located!(self, visitor.visit_f64(0.0)),
            None => self.mismatched_scalar(scalar, "a number", |it| it.as_float().is_some()),
        }
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        match String::from_utf8(self.bytes()?) {
            Ok(text) => located!(self, visitor.visit_string(text)),
            Err(_) => self.wrong("expected a string in UTF-8, found other bytes"),
        }
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        self.deserialize_str(visitor)
    }

    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        let bytes = self.bytes()?;
        located!(self, visitor.visit_byte_buf(bytes))
    }

    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        self.deserialize_bytes(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        if self.node.is_null() {
            return located!(self, visitor.visit_none());
        }
        located!(self, visitor.visit_some(self))
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        match (long_form::keys(name), &self.node.kind) {
            (Some(keys), Kind::Mapping(_)) => self.deserialize_section(&keys, visitor),
            _ => located!(self, visitor.visit_newtype_struct(self)),
        }
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        let items = self.items()?;
        located!(self, visitor.visit_seq(items))
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        let entries = self.mapping(MAPPING)?;
        located!(self, visitor.visit_map(Entries::new(self, entries)))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        self.deserialize_section(fields, visitor)
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        visitor.visit_unit()
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        let text = self.scalar("a string")?.text.clone();
        located!(self, visitor.visit_enum(text.into_deserializer()))
    }

    forward_to_deserialize_any! {
        i8 i16 i32 i128 u8 u16 u32 u64 u128 f32 char unit unit_struct tuple tuple_struct identifier
    }
}

/// The items of a sequence.
struct Items<'n> {
    list: NodeDeserializer<'n>,
    items: std::iter::Enumerate<std::slice::Iter<'n, Rc<Node>>>,
}

impl<'de> SeqAccess<'de> for Items<'_> {
    type Error = DecodeError;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, DecodeError> {
        for (index, node) in self.items.by_ref() {
            let NodeDeserializer { decoder, path, .. } = self.list;
            decoder.visit(self.list, node)?;
            if node.is_null() || decoder.is_left_out(node.id) {
                continue;
            }
            let path = Path::Index(path, index, node.position);
            let item = NodeDeserializer { node, key: None, path: &path, ..self.list };
            return seed.deserialize(item).map(Some).map_err(|error| decoder.locate(error, item));
        }
        Ok(None)
    }
}

/// The entries of a mapping.
pub(crate) struct Entries<'n> {
    section: NodeDeserializer<'n>,
    left: std::vec::IntoIter<Entry<'n>>,
    value: Option<Entry<'n>>,
}

impl<'n> Entries<'n> {
    pub(crate) fn new(section: NodeDeserializer<'n>, entries: Vec<Entry<'n>>) -> Self {
        Self { section, left: entries.into_iter(), value: None }
    }
}

impl<'de> MapAccess<'de> for Entries<'_> {
    type Error = DecodeError;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, DecodeError> {
        self.value = self.left.next();
        let Some(Entry { key, .. }) = self.value else { return Ok(None) };
        let key: StrDeserializer<'_, DecodeError> = key.text.as_str().into_deserializer();
        seed.deserialize(key).map(Some)
    }

    fn next_value_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<T::Value, DecodeError> {
        let Some(entry) = self.value.take() else {
            return seed.deserialize(UnitDeserializer::new());
        };
        let path = Path::Key(self.section.path, entry.key);
        let value = self.section.value(entry, &path);
        seed.deserialize(value).map_err(|error| value.decoder.locate(error, value))
    }
}
