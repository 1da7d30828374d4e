//! Settings as plain values, so that those that differ from the default can be printed.

use std::fmt;

use serde::{
    Serialize, Serializer,
    ser::{self, Impossible, SerializeMap, SerializeSeq, SerializeStruct},
};

/// A value that can be printed as YAML.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// Null.
    Null,
    /// A number or a boolean as it is written.
    Plain(String),
    /// A string.
    Text(String),
    /// Bytes that are not a string.
    Bytes(Vec<u8>),
    /// A list.
    List(Vec<Self>),
    /// A map with keys of the user's own.
    Map(Vec<(String, Self)>),
    /// A section with known keys that have defaults.
    Section(Vec<(String, Self)>),
}

impl Value {
    /// The value of settings; null if they have no such form.
    #[must_use]
    pub fn of<T: Serialize + ?Sized>(settings: &T) -> Self {
        settings.serialize(ToValue).unwrap_or(Self::Null)
    }

    /// The section without the values that equal those of the section `default`.
    #[must_use]
    pub fn without(self, default: &Self) -> Self {
        let (keys, defaults) = match (self, default) {
            (Self::Section(keys), Self::Section(defaults)) => (keys, defaults),
            (other, _) => return other.without_empty(),
        };
        let default_of = |wanted: &str| {
            defaults.iter().find(|(key, _)| key == wanted).map_or(&Self::Null, |(_, value)| value)
        };
        let keys = keys.into_iter().filter_map(|(key, value)| {
            let default = default_of(&key);
            if value == *default {
                return None;
            }
            let value = value.without(default);
            (value != Self::Null).then_some((key, value))
        });
        Self::Section(keys.collect())
    }

    /// The value without the empty values of sections in lists, where every default is empty.
    fn without_empty(self) -> Self {
        match self {
            Self::List(items) => Self::List(items.into_iter().map(Self::without_empty).collect()),
            Self::Map(keys) => Self::Map(
                keys.into_iter().map(|(key, value)| (key, value.without_empty())).collect(),
            ),
            Self::Section(keys) => {
                let keys = keys.into_iter().map(|(key, value)| (key, value.without_empty()));
                Self::Section(keys.filter(|(_, value)| !value.is_empty()).collect())
            }
            other => other,
        }
    }

    /// Returns the approximate length of the value as YAML in bytes.
    #[must_use]
    pub fn size(&self) -> usize {
        const LINE: usize = 8;
        LINE + match self {
            Self::Null => 0,
            Self::Plain(text) | Self::Text(text) => text.len(),
            Self::Bytes(bytes) => bytes.len(),
            Self::List(items) => items.iter().map(Self::size).sum(),
            Self::Map(keys) | Self::Section(keys) => {
                keys.iter().map(|(key, value)| key.len() + value.size()).sum()
            }
        }
    }

    /// Returns whether it equals the value of an absent key without a default.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        match self {
            Self::Null => true,
            Self::Plain(text) => text == "false" || text == "0",
            Self::Text(text) => text.is_empty(),
            Self::Bytes(bytes) => bytes.is_empty(),
            Self::List(items) => items.is_empty(),
            Self::Map(keys) | Self::Section(keys) => keys.is_empty(),
        }
    }
}

/// The reason why something has no value: it is an enum with data, or its `Serialize` fails.
#[derive(Debug)]
pub(crate) struct NoValue(String);

impl fmt::Display for NoValue {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl std::error::Error for NoValue {}

impl ser::Error for NoValue {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self(message.to_string())
    }
}

/// Serializes into a [`Value`].
#[derive(Clone, Copy)]
struct ToValue;

/// Numbers and booleans, as Rust writes them.
macro_rules! plain {
    ($($method:ident: $type:ty),*) => {
        $(fn $method(self, value: $type) -> Result<Value, NoValue> {
            Ok(Value::Plain(value.to_string()))
        })*
    };
}

type Nothing = Impossible<Value, NoValue>;

fn no_value<T>() -> Result<T, NoValue> {
    Err(NoValue("tuples and enums with data are not supported".to_owned()))
}

impl Serializer for ToValue {
    type Ok = Value;
    type Error = NoValue;
    type SerializeSeq = Items;
    type SerializeMap = Entries;
    type SerializeStruct = Fields;
    type SerializeTuple = Nothing;
    type SerializeTupleStruct = Nothing;
    type SerializeTupleVariant = Nothing;
    type SerializeStructVariant = Nothing;

    plain! {
        serialize_bool: bool, serialize_i8: i8, serialize_i16: i16, serialize_i32: i32,
        serialize_i64: i64, serialize_u8: u8, serialize_u16: u16, serialize_u32: u32,
        serialize_u64: u64, serialize_f32: f32, serialize_f64: f64
    }

    fn serialize_char(self, value: char) -> Result<Value, NoValue> {
        Ok(Value::Text(value.to_string()))
    }

    fn serialize_str(self, value: &str) -> Result<Value, NoValue> {
        Ok(Value::Text(value.to_owned()))
    }

    fn serialize_bytes(self, value: &[u8]) -> Result<Value, NoValue> {
        Ok(Value::Bytes(value.to_owned()))
    }

    fn serialize_none(self) -> Result<Value, NoValue> {
        Ok(Value::Null)
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<Value, NoValue> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<Value, NoValue> {
        Ok(Value::Null)
    }

    fn serialize_unit_struct(self, _name: &'static str) -> Result<Value, NoValue> {
        Ok(Value::Null)
    }

    fn serialize_unit_variant(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
    ) -> Result<Value, NoValue> {
        Ok(Value::Text(variant.to_owned()))
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _name: &'static str,
        value: &T,
    ) -> Result<Value, NoValue> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _name: &'static str,
        _index: u32,
        _variant: &'static str,
        _value: &T,
    ) -> Result<Value, NoValue> {
        no_value()
    }

    fn serialize_seq(self, _length: Option<usize>) -> Result<Items, NoValue> {
        Ok(Items(Vec::new()))
    }

    fn serialize_map(self, _length: Option<usize>) -> Result<Entries, NoValue> {
        Ok(Entries { entries: Vec::new(), key: String::new() })
    }

    fn serialize_struct(self, _name: &'static str, _length: usize) -> Result<Fields, NoValue> {
        Ok(Fields(Vec::new()))
    }

    fn serialize_tuple(self, _length: usize) -> Result<Nothing, NoValue> {
        no_value()
    }

    fn serialize_tuple_struct(
        self,
        _name: &'static str,
        _length: usize,
    ) -> Result<Nothing, NoValue> {
        no_value()
    }

    fn serialize_tuple_variant(
        self,
        _name: &'static str,
        _index: u32,
        _variant: &'static str,
        _length: usize,
    ) -> Result<Nothing, NoValue> {
        no_value()
    }

    fn serialize_struct_variant(
        self,
        _name: &'static str,
        _index: u32,
        _variant: &'static str,
        _length: usize,
    ) -> Result<Nothing, NoValue> {
        no_value()
    }
}

struct Items(Vec<Value>);

impl SerializeSeq for Items {
    type Ok = Value;
    type Error = NoValue;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), NoValue> {
        self.0.push(value.serialize(ToValue)?);
        Ok(())
    }

    fn end(self) -> Result<Value, NoValue> {
        Ok(Value::List(self.0))
    }
}

struct Entries {
    entries: Vec<(String, Value)>,
    key: String,
}

impl SerializeMap for Entries {
    type Ok = Value;
    type Error = NoValue;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), NoValue> {
        match key.serialize(ToValue)? {
            Value::Text(text) | Value::Plain(text) => self.key = text,
            _ => return no_value(),
        }
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), NoValue> {
        self.entries.push((std::mem::take(&mut self.key), value.serialize(ToValue)?));
        Ok(())
    }

    fn end(self) -> Result<Value, NoValue> {
        Ok(Value::Map(self.entries))
    }
}

struct Fields(Vec<(String, Value)>);

impl SerializeStruct for Fields {
    type Ok = Value;
    type Error = NoValue;

    fn serialize_field<T: Serialize + ?Sized>(
        &mut self,
        key: &'static str,
        value: &T,
    ) -> Result<(), NoValue> {
        self.0.push((key.to_owned(), value.serialize(ToValue)?));
        Ok(())
    }

    fn end(self) -> Result<Value, NoValue> {
        Ok(Value::Section(self.0))
    }
}
