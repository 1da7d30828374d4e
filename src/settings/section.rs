//! Sections of the configuration, each key of which is declared once.
//!
//! `section!` declares a struct whose fields are the keys of a section: name, type, default value
//! and documentation stand in one place. Reading, writing, the defaults and the reference of all keys
//! follow from it.

use std::{fmt, marker::PhantomData};

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{self, DeserializeSeed, MapAccess, Visitor},
    ser::SerializeStruct,
};

use crate::settings::rule::RuleError;

/// A key of a section, as it is declared.
#[derive(Debug, Clone, Copy)]
pub struct Key {
    /// Its name.
    pub name: &'static str,
    /// The Rust type of its value.
    pub type_name: &'static str,
    /// The lines of its documentation, each with a space before it.
    pub documentation: &'static [&'static str],
    /// True if blackbox_exporter lacks the key.
    pub is_extension: bool,
    /// The keys of its value, if that is a section or a list of sections.
    pub section: Option<fn() -> Vec<Self>>,
}

/// A struct that `section!` declares.
pub trait Section: Default {
    /// The name of the type.
    const NAME: &'static str;

    /// Adds the declarations of all keys.
    fn list(keys: &mut Vec<Key>);

    /// The names of all keys.
    fn names() -> &'static [&'static str];

    /// Reads the value of `key`; returns whether the section has that key.
    ///
    /// # Errors
    /// The value is invalid.
    fn read<'de, A: MapAccess<'de>>(&mut self, key: &str, values: &mut A)
    -> Result<bool, A::Error>;

    /// Writes all keys.
    ///
    /// # Errors
    /// Those of the serializer.
    fn write<S: SerializeStruct>(&self, section: &mut S) -> Result<(), S::Error>;

    /// Checks the rules across keys once all are read, and builds what is made from several of them.
    ///
    /// # Errors
    /// A rule is broken.
    fn finish(&mut self) -> Result<(), RuleError>;
}

/// The written form of a value, where it differs from the usual one of its type.
pub trait Form<T> {
    /// Reads a value.
    ///
    /// # Errors
    /// The value is invalid.
    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error>;

    /// Writes a value.
    ///
    /// # Errors
    /// Those of the serializer.
    fn write<S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error>;
}

/// The declarations of all keys of a section.
#[must_use]
pub fn keys_of<T: Section>() -> Vec<Key> {
    let mut keys = Vec::new();
    T::list(&mut keys);
    keys
}

/// The names of all keys of a section.
#[must_use]
pub fn names_of<T: Section>() -> Vec<&'static str> {
    keys_of::<T>().into_iter().map(|key| key.name).collect()
}

/// Reads keys into a section; keys that are not written keep their values. Unknown keys are errors.
///
/// # Errors
/// A key is unknown, a value is invalid, or a rule is broken.
pub fn deserialize_into<'de, T: Section, D: Deserializer<'de>>(
    deserializer: D,
    section: &mut T,
) -> Result<(), D::Error> {
    deserializer.deserialize_struct(T::NAME, T::names(), SectionVisitor(section))
}

/// Writes all keys of a section.
///
/// # Errors
/// Those of the serializer.
pub fn serialize<T: Section, S: Serializer>(section: &T, serializer: S) -> Result<S::Ok, S::Error> {
    let mut keys = serializer.serialize_struct(T::NAME, T::names().len())?;
    section.write(&mut keys)?;
    keys.end()
}

struct SectionVisitor<'s, T>(&'s mut T);

impl<'de, T: Section> Visitor<'de> for SectionVisitor<'_, T> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a section with keys")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let Self(section) = self;
        while let Some(key) = map.next_key::<String>()? {
            if !section.read(&key, &mut map)? {
                return Err(de::Error::unknown_field(&key, T::names()));
            }
        }
        section.finish().map_err(de::Error::custom)
    }
}

/// Reads a value into another one: the keys of a section that are not written keep their values.
#[derive(Debug)]
pub struct ReadInto<'v, T>(pub &'v mut T);

impl<'de, T: Deserialize<'de>> DeserializeSeed<'de> for ReadInto<'_, T> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        T::deserialize_in_place(deserializer, self.0)
    }
}

/// Reads a value of type `T` in the form `F`.
#[derive(Debug)]
pub struct Read<F, T>(PhantomData<(F, T)>);

impl<F, T> Default for Read<F, T> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<'de, F: Form<T>, T> DeserializeSeed<'de> for Read<F, T> {
    type Value = T;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<T, D::Error> {
        F::read(deserializer)
    }
}

/// Writes a value of type `T` in the form `F`.
#[derive(Debug)]
pub struct Write<'v, F, T>(&'v T, PhantomData<F>);

impl<'v, F, T> Write<'v, F, T> {
    /// Prepares to write `value`.
    pub const fn new(value: &'v T) -> Self {
        Self(value, PhantomData)
    }
}

impl<F: Form<T>, T> Serialize for Write<'_, F, T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        F::write(self.0, serializer)
    }
}

/// The form of an optional value for which an empty text means none.
#[derive(Debug)]
pub struct EmptyIsNone;

impl<T> Form<Option<T>> for EmptyIsNone
where
    T: for<'de> Deserialize<'de> + Serialize,
{
    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text.is_empty() {
            return Ok(None);
        }
        T::deserialize(de::value::StringDeserializer::new(text)).map(Some)
    }

    fn write<S: Serializer>(value: &Option<T>, serializer: S) -> Result<S::Ok, S::Error> {
        value.serialize(serializer)
    }
}

/// Declares a section: a struct whose fields are its keys.
///
/// ```text
/// section! {
///     /// Documentation of the section.
///     #[derive(Debug, Clone, PartialEq)]
///     pub struct Settings {
///         /// Documentation of the key, for its reference too.
///         pub timeout: GoDuration,                        // the default is that of the type
///         pub follow_redirects: bool = true,              // a default of its own
///         pub source: Option<IpAddr> as SourceAddress,    // read and written in another `Form`
///         pub tls_config: TlsClient => TlsSettings,       // a section that has keys of its own
///         #[key(name = "type")]
///         pub scheme: String,                             // a name that is no identifier
///         #[key(extension)]
///         pub extra: bool,                                // blackbox_exporter lacks it
///         #[key(group)]
///         pub ip: IpSettings,                             // its keys stand in this section
///         #[key(built)]
///         pub client: Client,                             // no key: `check` sets it
///     }
///     check Self::check;                                  // rules across keys, may be left out
///     write Self::write;                                  // in place of all keys as they are
/// }
/// ```
macro_rules! section {
    (
        $(#[doc = $about:literal])+
        #[derive($($derive:ident),+)]
        $visibility:vis struct $name:ident {
            $(
                $(#[doc = $doc:literal])*
                $(#[key($($role:tt)+)])?
                $field_visibility:vis $field:ident: $type:ty
                    $(as $form:ty)? $(= $default:expr)? $(=> $keys:ty)?,
            )+
        }
        $(check $check:path;)?
        $(write $write:path;)?
    ) => {
        $(#[doc = $about])+
        #[derive($($derive),+)]
        $visibility struct $name {
            $($(#[doc = $doc])* $field_visibility $field: $type,)+
        }

        impl Default for $name {
            fn default() -> Self {
                Self { $($field: section!(@default $($default)?),)+ }
            }
        }

        impl $crate::settings::section::Section for $name {
            const NAME: &'static str = stringify!($name);

            fn list(keys: &mut Vec<$crate::settings::section::Key>) {
                $(section!(@list [$($($role)+)?] keys $field: $type, [$($doc),*] [$($keys)?]);)+
            }

            fn names() -> &'static [&'static str] {
                static NAMES: std::sync::LazyLock<Vec<&'static str>> =
                    std::sync::LazyLock::new($crate::settings::section::names_of::<$name>);
                &NAMES
            }

            fn read<'de, A: serde::de::MapAccess<'de>>(
                &mut self,
                key: &str,
                values: &mut A,
            ) -> Result<bool, A::Error> {
                $(section!(@read [$($($role)+)?] self key values $field: $type, [$($form)?]);)+
                Ok(false)
            }

            section!(@write [$($write)?] $([$($($role)+)?] $field: $type, [$($form)?];)+);

            fn finish(&mut self) -> Result<(), $crate::settings::rule::RuleError> {
                $($check(self)?;)?
                Ok(())
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(
                deserializer: D,
            ) -> Result<Self, D::Error> {
                let mut section = Self::default();
                $crate::settings::section::deserialize_into(deserializer, &mut section)?;
                Ok(section)
            }

            fn deserialize_in_place<D: serde::Deserializer<'de>>(
                deserializer: D,
                place: &mut Self,
            ) -> Result<(), D::Error> {
                $crate::settings::section::deserialize_into(deserializer, place)
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                $crate::settings::section::serialize(self, serializer)
            }
        }
    };

    (@default) => { Default::default() };
    (@default $default:expr) => { $default };

    (@name $field:ident name = $name:literal) => { $name };
    (@name $field:ident $($role:tt)*) => { stringify!($field) };

    (@extension extension) => { true };
    (@extension $($role:tt)*) => { false };

    (@section) => { None };
    (@section $keys:ty) => { Some($crate::settings::section::keys_of::<$keys>) };

    (@list [built] $($rest:tt)*) => {};
    (@list [group] $list:ident $field:ident: $type:ty, $($rest:tt)*) => {
        <$type as $crate::settings::section::Section>::list($list);
    };
    (@list [$($role:tt)*] $list:ident $field:ident: $type:ty, [$($doc:literal),*] [$($keys:ty)?]) => {
        $list.push($crate::settings::section::Key {
            name: section!(@name $field $($role)*),
            type_name: stringify!($type),
            documentation: &[$($doc),*],
            is_extension: section!(@extension $($role)*),
            section: section!(@section $($keys)?),
        });
    };

    (@read [built] $($rest:tt)*) => {};
    (@read [group] $this:ident $key:ident $values:ident $field:ident: $type:ty, []) => {
        if $crate::settings::section::Section::read(&mut $this.$field, $key, $values)? {
            return Ok(true);
        }
    };
    (@read [$($role:tt)*] $this:ident $key:ident $values:ident $field:ident: $type:ty, [$($form:ty)?]) => {
        if $key == section!(@name $field $($role)*) {
            section!(@value $this $values $field: $type, $($form)?);
            return Ok(true);
        }
    };

    (@value $this:ident $values:ident $field:ident: $type:ty,) => {
        $values.next_value_seed($crate::settings::section::ReadInto(&mut $this.$field))?;
    };
    (@value $this:ident $values:ident $field:ident: $type:ty, $form:ty) => {
        $this.$field =
            $values.next_value_seed($crate::settings::section::Read::<$form, $type>::default())?;
    };

    (@write [$write:path] $($rest:tt)*) => {
        fn write<S: serde::ser::SerializeStruct>(&self, section: &mut S) -> Result<(), S::Error> {
            $write(self, section)
        }
    };
    (@write [] $([$($role:tt)*] $field:ident: $type:ty, [$($form:ty)?];)+) => {
        fn write<S: serde::ser::SerializeStruct>(&self, section: &mut S) -> Result<(), S::Error> {
            $(section!(@field [$($role)*] self section $field: $type, [$($form)?]);)+
            Ok(())
        }
    };

    (@field [built] $($rest:tt)*) => {};
    (@field [group] $this:ident $section:ident $field:ident: $type:ty, []) => {
        $crate::settings::section::Section::write(&$this.$field, $section)?;
    };
    (@field [$($role:tt)*] $this:ident $section:ident $field:ident: $type:ty, []) => {
        $section.serialize_field(section!(@name $field $($role)*), &$this.$field)?;
    };
    (@field [$($role:tt)*] $this:ident $section:ident $field:ident: $type:ty, [$form:ty]) => {
        $section.serialize_field(
            section!(@name $field $($role)*),
            &$crate::settings::section::Write::<$form, $type>::new(&$this.$field),
        )?;
    };
}

pub(crate) use section;
