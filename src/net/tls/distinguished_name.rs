//! Distinguished names, formatted as in Go, since labels contain them.

use x509_parser::{
    asn1_rs::{Any, Tag},
    x509::{AttributeTypeAndValue, X509Name},
};

/// The attributes with a short name, in the order of the output.
const NAMED: [(&str, &str); 9] = [
    ("2.5.4.5", "SERIALNUMBER"),
    ("2.5.4.3", "CN"),
    ("2.5.4.11", "OU"),
    ("2.5.4.10", "O"),
    ("2.5.4.17", "POSTALCODE"),
    ("2.5.4.9", "STREET"),
    ("2.5.4.7", "L"),
    ("2.5.4.8", "ST"),
    ("2.5.4.6", "C"),
];

/// Formats `name` like Go's `pkix.Name.String`.
pub(super) fn format(name: &X509Name<'_>) -> String {
    let attributes: Vec<(String, &AttributeTypeAndValue<'_>)> = name
        .iter_attributes()
        .map(|attribute| (attribute.attr_type().to_id_string(), attribute))
        .collect();
    let mut parts = Vec::new();
    for (oid, label) in NAMED {
        let mut values: Vec<String> = attributes
            .iter()
            .filter(|(known, _)| known == oid)
            .filter_map(|(_, attribute)| text(attribute.attr_value()))
            .collect();
        if matches!(label, "CN" | "SERIALNUMBER") {
            // Go keeps the last value only, and no empty one.
            values = values.pop().filter(|value| !value.is_empty()).into_iter().collect();
        }
        if !values.is_empty() {
            let values: Vec<String> =
                values.iter().map(|value| format!("{label}={}", escape(value))).collect();
            parts.push(values.join("+"));
        }
    }
    let others =
        attributes.iter().rev().filter(|(oid, _)| NAMED.iter().all(|(known, _)| known != oid));
    for (oid, attribute) in others {
        let value = attribute.attr_value();
        parts.push(format!("{oid}={}", escape(&text(value).unwrap_or_default())));
    }
    parts.join(",")
}

/// Returns the last common name.
pub(super) fn common_name(name: &X509Name<'_>) -> Option<String> {
    let last = name.iter_common_name().last()?;
    text(last.attr_value()).filter(|name| !name.is_empty())
}

/// Decodes a value by its ASN.1 string type.
fn text(value: &Any<'_>) -> Option<String> {
    let bytes = value.data;
    match value.tag() {
        Tag::Utf8String | Tag::PrintableString | Tag::Ia5String | Tag::NumericString => {
            Some(String::from_utf8_lossy(bytes).into_owned())
        }
        // In practice, T.61 strings contain Latin-1.
        Tag::T61String => Some(bytes.iter().map(|byte| char::from(*byte)).collect()),
        Tag::BmpString => {
            let units = bytes.chunks_exact(2).filter_map(|pair| match pair {
                [high, low] => Some(u16::from_be_bytes([*high, *low])),
                _ => None,
            });
            Some(char::decode_utf16(units).map(|unit| unit.unwrap_or('\u{fffd}')).collect())
        }
        _ => None,
    }
}

fn escape(value: &str) -> String {
    let mut escaped = String::with_capacity(value.len());
    for (index, character) in value.char_indices() {
        let special = match character {
            ',' | '+' | '"' | '\\' | '<' | '>' | ';' => true,
            ' ' => index == 0 || index + 1 == value.len(),
            '#' => index == 0,
            _ => false,
        };
        if special {
            escaped.push('\\');
        }
        escaped.push(character);
    }
    escaped
}
