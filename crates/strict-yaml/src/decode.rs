//! A serde deserializer over a tree of nodes, with the rules of Go's yaml.v3.
//!
//! They differ from what serde formats usually do. Any scalar goes into a string. A boolean may be
//! `yes` or `off`, a whole number loses what follows its decimal point. A key whose value is null
//! counts as absent in a section and as an empty value in a map; a null in a list is dropped.

use std::{fmt::Display, rc::Rc};

use serde::{
    Deserializer,
    de::{
        self, DeserializeSeed, IntoDeserializer, MapAccess, SeqAccess, Visitor,
        value::{StrDeserializer, UnitDeserializer},
    },
    forward_to_deserialize_any,
};

use crate::{
    diagnostic::Mark,
    long_form,
    place::{DecodeError, Path},
    scalar::{Meaning, Scalar},
    session::{Entry, Session},
    tree::{Kind, Node},
};

/// Reads one node.
#[derive(Clone, Copy)]
pub(super) struct NodeDeserializer<'n> {
    pub(super) session: &'n Session,
    pub(super) node: &'n Node,
    /// Where the key of the node is, if it has one: what is wrong with a section or a list as a
    /// whole is reported there.
    pub(super) key: Option<Mark>,
    pub(super) path: &'n Path<'n>,
    /// Whether the value is secret: messages must not quote it.
    pub(super) is_secret: bool,
}

impl<'n> NodeDeserializer<'n> {
    /// Reads the root of a document.
    pub(super) fn root(session: &'n Session, node: &'n Node) -> Self {
        Self { session, node, key: None, path: &Path::Root, is_secret: false }
    }

    /// Says what is wanted here, and gives the error its place.
    fn mismatch<T>(self, wanted: &str) -> Result<T, DecodeError> {
        let found = match &self.node.kind {
            Kind::Sequence(_) => "a list",
            Kind::Mapping(_) => "a section",
            Kind::Scalar(scalar) => match scalar.meaning() {
                Meaning::Null => "nothing",
                Meaning::Bool(_) => "true or false",
                Meaning::Integer(_) | Meaning::Unsigned(_) | Meaning::Float(_) => "a number",
                Meaning::Text if scalar.plain => "a text",
                Meaning::Text => "a text in quotes",
            },
        };
        self.wrong(format!("expected {wanted}, found {found}"))
    }

    fn wrong<T>(self, message: impl Display) -> Result<T, DecodeError> {
        Err(self.session.place(de::Error::custom(message), self))
    }

    fn bytes(self) -> Result<Vec<u8>, DecodeError> {
        let scalar = self.scalar("a text")?;
        if scalar.is_null() {
            return Ok(Vec::new());
        }
        // The tree has told already of base64 that is none.
        Ok(scalar.bytes().unwrap_or_default())
    }

    fn scalar(self, wanted: &str) -> Result<&'n Scalar, DecodeError> {
        match &self.node.kind {
            Kind::Scalar(scalar) => Ok(scalar),
            _ => self.mismatch(wanted),
        }
    }

    /// The items of a list; nothing counts as none.
    fn items(self) -> Result<Items<'n>, DecodeError> {
        let items: &[Rc<Node>] = match &self.node.kind {
            Kind::Sequence(items) => items,
            _ if self.node.is_null() => &[],
            _ => return self.mismatch("a list: put each item after a dash, or all in [ ]"),
        };
        Ok(Items { list: self, items: items.iter().enumerate() })
    }

    /// The keys of a section or a map; nothing counts as none.
    pub(super) fn section(self, wanted: &str) -> Result<Vec<Entry<'n>>, DecodeError> {
        match &self.node.kind {
            Kind::Mapping(_) => self.session.entries(self),
            _ if self.node.is_null() => Ok(Vec::new()),
            _ => self.mismatch(wanted),
        }
    }

    /// A section that has these keys; those without a value count as absent.
    fn deserialize_section<'de, V: Visitor<'de>>(
        self,
        keys: &[&'static str],
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        let mut entries = self.section("a section with keys")?;
        self.session.take_unknown(self.path, &mut entries, keys);
        entries.retain(|entry| !entry.node.is_null());
        visitor
            .visit_map(Entries::new(self, entries))
            .map_err(|error| self.session.place(error, self))
    }

    /// The value of one of this node's keys.
    pub(super) fn value<'v>(self, entry: Entry<'n>, path: &'v Path<'v>) -> NodeDeserializer<'v>
    where
        'n: 'v,
    {
        let Entry { key, node } = entry;
        let is_secret = self.is_secret || self.node.hides_values;
        NodeDeserializer { session: self.session, node, key: Some(key.mark), path, is_secret }
    }
}

/// Places the errors that the visitor makes, which knows of no places.
macro_rules! placed {
    ($self:ident, $result:expr) => {
        $result.map_err(|error| $self.session.place(error, $self))
    };
}

impl<'de> Deserializer<'de> for NodeDeserializer<'_> {
    type Error = DecodeError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        match &self.node.kind {
            Kind::Sequence(_) => self.deserialize_seq(visitor),
            Kind::Mapping(_) => self.deserialize_map(visitor),
            Kind::Scalar(scalar) => match scalar.meaning() {
                Meaning::Null => placed!(self, visitor.visit_unit()),
                Meaning::Bool(value) => placed!(self, visitor.visit_bool(value)),
                Meaning::Integer(value) => placed!(self, visitor.visit_i64(value)),
                Meaning::Unsigned(value) => placed!(self, visitor.visit_u64(value)),
                Meaning::Float(value) => placed!(self, visitor.visit_f64(value)),
                Meaning::Text => self.deserialize_str(visitor),
            },
        }
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        let scalar = self.scalar("true or false")?;
        match scalar.as_bool() {
            Some(value) => placed!(self, visitor.visit_bool(value)),
            None if scalar.is_null() => placed!(self, visitor.visit_bool(false)),
            None => self.mismatch("true or false"),
        }
    }

    fn deserialize_i64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        let scalar = self.scalar("a whole number")?;
        match scalar.as_integer() {
            Some(value) => placed!(self, visitor.visit_i64(value)),
            None if scalar.is_null() => placed!(self, visitor.visit_i64(0)),
            None => self.mismatch("a whole number"),
        }
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        let scalar = self.scalar("a number")?;
        match scalar.as_float() {
            Some(value) => placed!(self, visitor.visit_f64(value)),
            None if scalar.is_null() => placed!(self, visitor.visit_f64(0.0)),
            None => self.mismatch("a number"),
        }
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        match String::from_utf8(self.bytes()?) {
            Ok(text) => placed!(self, visitor.visit_string(text)),
            Err(_) => self.wrong("these bytes are not UTF-8, and nothing else can be used here"),
        }
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        self.deserialize_str(visitor)
    }

    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        let bytes = self.bytes()?;
        placed!(self, visitor.visit_byte_buf(bytes))
    }

    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        self.deserialize_bytes(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        if self.node.is_null() {
            return placed!(self, visitor.visit_none());
        }
        placed!(self, visitor.visit_some(self))
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        match (long_form::keys(name), &self.node.kind) {
            (Some(keys), Kind::Mapping(_)) => self.deserialize_section(&keys, visitor),
            _ => placed!(self, visitor.visit_newtype_struct(self)),
        }
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        let items = self.items()?;
        placed!(self, visitor.visit_seq(items))
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        let entries = self.section("a section with keys")?;
        placed!(self, visitor.visit_map(Entries::new(self, entries)))
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
        let text = self.scalar("a word")?.text.clone();
        placed!(self, visitor.visit_enum(text.into_deserializer()))
    }

    forward_to_deserialize_any! {
        i8 i16 i32 i128 u8 u16 u32 u64 u128 f32 char unit unit_struct tuple tuple_struct identifier
    }
}

/// The items of a list.
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
        let NodeDeserializer { session, path, .. } = self.list;
        for (index, node) in self.items.by_ref() {
            session.visit(self.list)?;
            if node.is_null() || session.is_left_out(node.id) {
                continue;
            }
            let path = Path::Index(path, index);
            let item = NodeDeserializer { node, key: None, path: &path, ..self.list };
            return seed.deserialize(item).map(Some).map_err(|error| session.place(error, item));
        }
        Ok(None)
    }
}

/// The keys and values of a section or a map.
struct Entries<'n> {
    section: NodeDeserializer<'n>,
    left: std::vec::IntoIter<Entry<'n>>,
    value: Option<Entry<'n>>,
}

impl<'n> Entries<'n> {
    fn new(section: NodeDeserializer<'n>, entries: Vec<Entry<'n>>) -> Self {
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
        let path = Path::Key(self.section.path, &entry.key.text);
        let value = self.section.value(entry, &path);
        seed.deserialize(value).map_err(|error| self.section.session.place(error, value))
    }
}
