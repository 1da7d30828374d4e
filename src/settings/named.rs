//! Checks with an optional name.

use std::{fmt, marker::PhantomData, ops::Deref, sync::Arc};

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{self, MapAccess, Visitor},
    ser::SerializeMap as _,
};

use crate::settings::{cel::CelProgram, regexp::Regexp};

/// A check, and the name under which its failure is reported, if the module sets one.
///
/// Without a name, the configuration contains the check itself. With a name, it contains a section
/// of two keys: `name`, and the key that [`Check::FORM`] defines.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Named<T> {
    /// The name. If it is `None`, the position in the module identifies the check.
    pub name: Option<Arc<str>>,
    /// The check.
    pub check: T,
}

/// A setting that can be used as a named check.
pub trait Check {
    /// Name of the newtype struct that selects the long form in the decoder: [`LONG_FORM`] with the
    /// key of the name and the key of the check.
    ///
    /// [`LONG_FORM`]: strict_yaml::LONG_FORM
    const FORM: &'static str;
}

/// Key of the name.
const NAME: &str = "name";

macro_rules! forms {
    ($($check:ty => $key:literal,)*) => {
        $(impl Check for $check { const FORM: &'static str = concat!("long form: name,", $key); })*
    };
}

forms! {
    Regexp => "regexp",
    CelProgram => "cel",
    String => "value",
    bool => "value",
}

impl<T> Check for Vec<T> {
    const FORM: &'static str = "long form: name,values";
}

impl<T> Named<T> {
    /// Creates a check without a name.
    pub const fn unnamed(check: T) -> Self {
        Self { name: None, check }
    }
}

impl<T> From<T> for Named<T> {
    fn from(check: T) -> Self {
        Self::unnamed(check)
    }
}

impl<T> Deref for Named<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.check
    }
}

/// Returns `text` as a name, or `None` if it is empty.
#[must_use]
pub fn name_of(text: &str) -> Option<Arc<str>> {
    (!text.is_empty()).then(|| text.into())
}

impl<'de, T: Check + Deserialize<'de>> Deserialize<'de> for Named<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_newtype_struct(T::FORM, EitherForm(PhantomData))
    }
}

impl<T: Check + Serialize> Serialize for Named<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Some(name) = &self.name else { return self.check.serialize(serializer) };
        let mut section = serializer.serialize_map(Some(2))?;
        section.serialize_entry(NAME, &**name)?;
        section.serialize_entry(key_of(T::FORM), &self.check)?;
        section.end()
    }
}

/// Returns the key of the check.
fn key_of(form: &'static str) -> &'static str {
    form.rsplit(',').next().unwrap_or(form)
}

struct EitherForm<T>(PhantomData<T>);

impl<'de, T: Check + Deserialize<'de>> Visitor<'de> for EitherForm<T> {
    type Value = Named<T>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "a check, or a section with the keys '{NAME}' and '{}'", key_of(T::FORM))
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, plain: D) -> Result<Named<T>, D::Error> {
        T::deserialize(plain).map(Named::unnamed)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut section: A) -> Result<Named<T>, A::Error> {
        let (mut name, mut check) = (None, None);
        while let Some(key) = section.next_key::<String>()? {
            match key.as_str() {
                NAME => name = name_of(&section.next_value::<String>()?),
                key if key == key_of(T::FORM) => check = Some(section.next_value()?),
                key => return Err(de::Error::custom(format!("unknown key '{key}'"))),
            }
        }
        let missing = || {
            de::Error::custom(format!(
                "a check with '{NAME}' requires the key '{}'",
                key_of(T::FORM)
            ))
        };
        Ok(Named { name, check: check.ok_or_else(missing)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn check_without_a_name_has_the_short_form() {
        let plain: Named<Vec<i64>> = serde_json::from_str("[200]").unwrap();
        assert_eq!(plain, Named::unnamed(vec![200]));
        assert_eq!(serde_json::to_string(&plain).unwrap(), "[200]");
        let named = Named { name: name_of("up"), ..plain };
        assert_eq!(serde_json::to_string(&named).unwrap(), r#"{"name":"up","values":[200]}"#);
        assert_eq!(name_of(""), None);
    }

    #[test]
    fn check_with_a_name_has_the_long_form() {
        let forms = [Regexp::FORM, CelProgram::FORM, String::FORM, bool::FORM, Vec::<i64>::FORM];
        assert!(forms.iter().all(|form| form.starts_with(strict_yaml::LONG_FORM)), "{forms:?}");
    }
}
