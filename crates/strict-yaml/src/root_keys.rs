//! The keys at the root of a document, beside the one that has the sections.

use serde::{
    Deserialize, Deserializer,
    de::{self, DeserializeOwned, Visitor},
    forward_to_deserialize_any,
};

use crate::{decoder::NodeDeserializer, deserializer::Entries, node::Entry, path::DecodeError};

/// No other keys.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
pub struct NoKeys {}

/// Decodes the keys of `root` other than `key`. Without a result its errors are recorded.
pub(crate) fn decode<R: DeserializeOwned>(
    root: NodeDeserializer<'_>,
    key: &'static str,
) -> Option<R> {
    let decoder = root.decoder;
    let step = || {
        let keys = RootKeys { root, key };
        R::deserialize(keys).map_err(|error| decoder.locate(error, root))
    };
    decoder.repeat(root.node.id, step)
}

/// The entries of `root`, a mapping with the key `key`.
pub(crate) fn mapping<'n>(
    root: NodeDeserializer<'n>,
    key: &'static str,
) -> Result<Vec<Entry<'n>>, DecodeError> {
    root.mapping(&format!("the key '{key}'"))
}

/// Deserializes the keys of `root` other than `key`.
struct RootKeys<'n> {
    root: NodeDeserializer<'n>,
    key: &'static str,
}

impl<'de> Deserializer<'de> for RootKeys<'_> {
    type Error = DecodeError;

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        let Self { root, key } = self;
        let mut entries = mapping(root, key)?;
        root.decoder.take_unknown(root.path, &mut entries, &[&[key], fields].concat());
        entries.retain(|entry| entry.key.text != key && !entry.node.is_null());
        visitor.visit_map(Entries::new(root, entries))
    }

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, DecodeError> {
        Err(de::Error::custom("the keys of the root are a struct"))
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option
        unit unit_struct newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}
