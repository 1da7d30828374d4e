//! Forms in which a text may contain a secret. The search itself decodes the text, and ignores case.

use std::borrow::Cow;

use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::decoding::levels;

/// Returns a text in another form, or the text itself if that does not differ.
type Form = for<'t> fn(&'t [u8]) -> Cow<'t, [u8]>;

/// All forms.
pub(super) const FORMS: [Form; 5] = [decoded, as_latin1, to_latin1, lossy, lossy_latin1];

/// Returns the password in a header for basic authentication. Servers decode it.
pub(super) fn basic_password(header: &[u8]) -> Option<Vec<u8>> {
    let (scheme, encoded) = header.split_at_checked("Basic ".len())?;
    let pair = STANDARD.decode(encoded).ok().filter(|_| scheme.eq_ignore_ascii_case(b"Basic "))?;
    let colon = pair.iter().position(|byte| *byte == b':')?;
    pair.get(colon + 1..).map(<[u8]>::to_vec)
}

/// Decodes the secret, as a peer may do. Texts are decoded as a whole too.
fn decoded(text: &[u8]) -> Cow<'_, [u8]> {
    let bytes = levels(text).last().map_or(Cow::Borrowed(text), |level| level.bytes);
    if !bytes.contains(&0) {
        return bytes;
    }
    // Decoding a text removes them.
    Cow::Owned(bytes.iter().copied().filter(|byte| *byte != 0).collect())
}

/// Reads the secret as ISO 8859-1, as many servers read headers.
fn as_latin1(text: &[u8]) -> Cow<'_, [u8]> {
    if text.is_ascii() {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.iter().copied().map(char::from).collect::<String>().into_bytes())
}

/// Writes the secret in ISO 8859-1, if it can be written so.
fn to_latin1(text: &[u8]) -> Cow<'_, [u8]> {
    let narrow = |text: &str| text.chars().map(|it| u8::try_from(it).ok()).collect();
    let bytes: Option<Vec<u8>> =
        str::from_utf8(text).ok().filter(|it| !it.is_ascii()).and_then(narrow);
    bytes.map_or(Cow::Borrowed(text), Cow::Owned)
}

/// Replaces invalid UTF-8, as in texts where it is not escaped.
fn lossy(text: &[u8]) -> Cow<'_, [u8]> {
    match String::from_utf8_lossy(text) {
        Cow::Borrowed(text) => Cow::Borrowed(text.as_bytes()),
        Cow::Owned(text) => Cow::Owned(text.into_bytes()),
    }
}

fn lossy_latin1(text: &[u8]) -> Cow<'_, [u8]> {
    match to_latin1(text) {
        Cow::Borrowed(_) => Cow::Borrowed(text),
        Cow::Owned(bytes) => Cow::Owned(lossy(&bytes).into_owned()),
    }
}
