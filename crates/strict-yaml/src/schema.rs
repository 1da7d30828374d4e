//! The keys of all sections of a type, found by deserializing it. They show where a misplaced key
//! belongs.

use std::collections::VecDeque;

use serde::{
    Deserializer,
    de::{self, DeserializeOwned, DeserializeSeed, MapAccess, SeqAccess, Visitor},
    forward_to_deserialize_any,
};

use crate::{long_form::LONG_FORM, path::DecodeError};

/// All sections of a type by their path, the root first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Schema(Vec<Section>);

/// A section and its keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Section {
    /// The keys that lead to it from the root.
    pub(crate) path: Vec<&'static str>,
    keys: &'static [&'static str],
}

/// Maximum depth of sections within sections.
const MAX_DEPTH: usize = 6;

impl Schema {
    /// The sections of `T`.
    pub(crate) fn of<T: DeserializeOwned>() -> Self {
        let (mut sections, mut paths) = (Vec::new(), VecDeque::from([Vec::new()]));
        while let Some(path) = paths.pop_front() {
            let mut keys: &'static [&'static str] = &[];
            // It always fails: only the keys that it asks for are of interest.
            drop(T::deserialize(Asked { path: &path, keys: &mut keys }));
            if keys.is_empty() {
                continue;
            }
            if path.len() < MAX_DEPTH {
                paths.extend(keys.iter().map(|key| [&*path, &[*key]].concat()));
            }
            sections.push(Section { path, keys });
        }
        Self(sections)
    }

    /// The sections that have `key`, those near the root first, and the key as they know it.
    pub(crate) fn with(&self, key: &str) -> (Vec<&Section>, Option<&'static str>) {
        let known = self.0.iter().find_map(|section| section.keys.iter().find(|k| **k == key));
        let sections = self.0.iter().filter(|section| section.keys.contains(&key));
        (sections.collect(), known.copied())
    }
}

impl Schema {
    /// Returns whether the root has `key`.
    pub(crate) fn is_at_root(&self, key: &str) -> bool {
        self.0.first().is_some_and(|root| root.keys.contains(&key))
    }
}

/// Records the keys of the section at a path, and decodes nothing.
struct Asked<'a> {
    path: &'a [&'static str],
    keys: &'a mut &'static [&'static str],
}

fn stop<T>() -> Result<T, DecodeError> {
    Err(de::Error::custom("no value"))
}

impl<'de> Deserializer<'de> for Asked<'_> {
    type Error = DecodeError;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, DecodeError> {
        stop()
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        if name.starts_with(LONG_FORM) { stop() } else { visitor.visit_newtype_struct(self) }
    }

    /// Enters the items of a list.
    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        visitor.visit_seq(self)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        if self.path.is_empty() {
            *self.keys = fields;
            return stop();
        }
        visitor.visit_map(self)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit
        unit_struct tuple tuple_struct map enum identifier ignored_any
    }
}

impl<'de> SeqAccess<'de> for Asked<'_> {
    type Error = DecodeError;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, DecodeError> {
        seed.deserialize(Asked { path: self.path, keys: self.keys }).map(Some)
    }
}

impl<'de> MapAccess<'de> for Asked<'_> {
    type Error = DecodeError;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, DecodeError> {
        let Some(key) = self.path.first() else { return stop() };
        seed.deserialize(de::value::StrDeserializer::new(key)).map(Some)
    }

    fn next_value_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<T::Value, DecodeError> {
        let path = self.path.get(1..).unwrap_or_default();
        seed.deserialize(Asked { path, keys: self.keys })
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Deserialize)]
    #[expect(dead_code, reason = "only its keys matter")]
    struct Root {
        name: String,
        inner: Option<Box<Inner>>,
        list: Vec<Item>,
    }

    #[derive(Deserialize)]
    #[expect(dead_code, reason = "only its keys matter")]
    struct Inner {
        deeper: Item,
    }

    #[derive(Deserialize)]
    #[expect(dead_code, reason = "only its keys matter")]
    struct Item {
        value: i64,
    }

    #[test]
    fn every_section_is_found() {
        let schema = Schema::of::<Root>();
        let paths: Vec<_> = schema.0.iter().map(|section| section.path.join(".")).collect();
        assert_eq!(paths, ["", "inner", "list", "inner.deeper"]);
        let (sections, key) = schema.with("value");
        assert_eq!((sections.len(), key), (2, Some("value")));
        assert!(schema.is_at_root("list") && !schema.is_at_root("deeper"));
    }
}
