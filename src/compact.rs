//! A compact form of names and numbers for serialization within this process.
//!
//! Names that are part of the program, such as those of metrics and phases, become numbers. The numbers
//! are valid until the process ends.

use std::{
    borrow::Cow,
    sync::{Mutex, MutexGuard, PoisonError},
};

use indexmap::IndexSet;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

/// A name. Serde would borrow a field of the type that this stands for from the bytes.
pub(crate) type StaticStr = &'static str;

/// The names that were serialized. The program has a limited number of them.
static NAMES: Mutex<Option<IndexSet<&'static str>>> = Mutex::new(None);

/// A name that is part of the program.
#[derive(Debug, Clone, Copy)]
struct Name(&'static str);

fn names() -> MutexGuard<'static, Option<IndexSet<&'static str>>> {
    NAMES.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Serialize for Name {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (number, _) = names().get_or_insert_default().insert_full(self.0);
        serializer.serialize_u64(u64::try_from(number).unwrap_or(u64::MAX))
    }
}

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = usize::deserialize(deserializer)?;
        let name = names().as_ref().and_then(|names| names.get_index(number).copied());
        name.map(Self).ok_or_else(|| D::Error::custom("unknown number of a name"))
    }
}

/// For `&'static str`.
pub(crate) mod name {
    use super::{Deserialize, Deserializer, Name, Serialize, Serializer};

    pub(crate) fn serialize<S: Serializer>(
        name: &&'static str,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        Name(name).serialize(serializer)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<&'static str, D::Error> {
        Name::deserialize(deserializer).map(|Name(name)| name)
    }
}

/// For `Option<&'static str>`.
pub(crate) mod optional_name {
    use super::{Deserialize, Deserializer, Name, Serialize, Serializer};

    #[expect(clippy::ref_option_ref, reason = "serde passes references")]
    pub(crate) fn serialize<S: Serializer>(
        name: &Option<&'static str>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        name.map(Name).serialize(serializer)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<&'static str>, D::Error> {
        Ok(Option::deserialize(deserializer)?.map(|Name(name)| name))
    }
}

/// For pairs of a name and a text.
pub(crate) mod fields {
    use super::{Deserialize, Deserializer, Name, Serializer};

    pub(crate) fn serialize<S: Serializer>(
        fields: &[(&'static str, String)],
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(fields.iter().map(|(name, text)| (Name(name), text)))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Vec<(&'static str, String)>, D::Error> {
        let fields = Vec::<(Name, String)>::deserialize(deserializer)?;
        Ok(fields.into_iter().map(|(Name(name), text)| (name, text)).collect())
    }
}

/// For labels, whose names are part of the program or of a module.
pub(crate) mod labels {
    use super::{Cow, Deserialize, Deserializer, Name, Serialize, Serializer};

    #[derive(Serialize, Deserialize)]
    enum LabelName<'t> {
        OfProgram(Name),
        OfModule(Cow<'t, str>),
    }

    pub(crate) fn serialize<S: Serializer>(
        labels: &[(Cow<'static, str>, String)],
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(labels.iter().map(|(name, value)| {
            let name = match name {
                Cow::Borrowed(name) => LabelName::OfProgram(Name(name)),
                Cow::Owned(name) => LabelName::OfModule(Cow::Borrowed(name)),
            };
            (name, value)
        }))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Vec<(Cow<'static, str>, String)>, D::Error> {
        let labels = Vec::<(LabelName<'_>, String)>::deserialize(deserializer)?;
        let labels = labels.into_iter().map(|(name, value)| match name {
            LabelName::OfProgram(Name(name)) => (Cow::Borrowed(name), value),
            LabelName::OfModule(name) => (Cow::Owned(name.into_owned()), value),
        });
        Ok(labels.collect())
    }
}

/// For floats, most of which are integers: their lowest bits are zero, so the reversed bytes are a small
/// number.
pub(crate) mod float {
    use super::{Deserialize, Deserializer, Serialize, Serializer};

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
    pub(crate) fn serialize<S: Serializer>(number: &f64, serializer: S) -> Result<S::Ok, S::Error> {
        number.to_bits().swap_bytes().serialize(serializer)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
        Ok(f64::from_bits(u64::deserialize(deserializer)?.swap_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    struct Values {
        #[serde(with = "name")]
        name: StaticStr,
        #[serde(with = "optional_name")]
        optional: Option<StaticStr>,
        #[serde(with = "fields")]
        fields: Vec<(&'static str, String)>,
        #[serde(with = "labels")]
        labels: Vec<(Cow<'static, str>, String)>,
        #[serde(with = "float")]
        float: f64,
    }

    proptest! {
        #[test]
        fn values_are_read_as_they_were_written(
            text in ".*",
            is_named in any::<bool>(),
            bits in any::<u64>(),
        ) {
            let values = Values {
                name: "probe_success",
                optional: is_named.then_some("connect"),
                fields: vec![("line", text.clone()), ("probe_success", String::new())],
                labels: vec![("line".into(), text.clone()), (text.into(), "value".to_owned())],
                float: f64::from_bits(bits),
            };
            let bytes = postcard::to_allocvec(&values).unwrap();
            let read: Values = postcard::from_bytes(&bytes).unwrap();
            prop_assert_eq!(read.float.to_bits(), bits);
            let owned = |values: &Values| values.labels.iter().map(|(name, _)| matches!(name, Cow::Owned(_))).collect::<Vec<_>>();
            prop_assert_eq!(owned(&read), owned(&values));
            prop_assert_eq!(Values { float: 0.0, ..read }, Values { float: 0.0, ..values });
        }
    }

    #[test]
    fn names_and_integers_are_short() {
        let values = Values {
            name: "a name that is part of the program",
            optional: None,
            fields: Vec::new(),
            labels: Vec::new(),
            float: 200.0,
        };
        let bytes = postcard::to_allocvec(&values).unwrap();
        assert!(bytes.len() <= 2 + 1 + 1 + 1 + 3, "{bytes:?}");
    }

    #[test]
    fn an_unknown_number_is_an_error() {
        let read: Result<Values, _> = postcard::from_bytes(&[0xff, 0xff, 0x7f, 0, 0, 0, 0]);
        assert!(read.is_err());
    }
}
