//! Values that may also be written as a mapping, their long form.

/// Begins the name of a newtype struct that has a long form; the keys of the mapping follow, with
/// commas between them.
///
/// A type asks for it by `deserialize_newtype_struct("long form: name,regexp", visitor)`. The visitor
/// gets a map if the value is written as a mapping, and a newtype struct otherwise. Other
/// deserializers only know the newtype struct.
pub const LONG_FORM: &str = "long form: ";

/// The keys of the long form that `name` asks for.
pub(crate) fn keys(name: &'static str) -> Option<Vec<&'static str>> {
    name.strip_prefix(LONG_FORM).map(|keys| keys.split(',').collect())
}
