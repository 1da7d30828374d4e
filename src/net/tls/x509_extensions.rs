//! Parsers of the extensions that the verification uses, as strict as Go's `crypto/x509`.
//!
//! Other extensions, and other parts of these, are not parsed: certificates in use have errors
//! there, which Go does not notice.

use x509_parser::asn1_rs::Oid;

use crate::net::tls::der::{Elements, number};

/// The object identifiers of extensions, in DER.
pub(super) mod oid {
    pub(in super::super) const SUBJECT_KEY_IDENTIFIER: &[u8] = &[0x55, 0x1d, 14];
    pub(in super::super) const KEY_USAGE: &[u8] = &[0x55, 0x1d, 15];
    pub(in super::super) const SUBJECT_ALTERNATIVE_NAME: &[u8] = &[0x55, 0x1d, 17];
    pub(in super::super) const BASIC_CONSTRAINTS: &[u8] = &[0x55, 0x1d, 19];
    pub(in super::super) const NAME_CONSTRAINTS: &[u8] = &[0x55, 0x1d, 30];
    pub(in super::super) const CRL_DISTRIBUTION_POINTS: &[u8] = &[0x55, 0x1d, 31];
    pub(in super::super) const CERTIFICATE_POLICIES: &[u8] = &[0x55, 0x1d, 32];
    pub(in super::super) const POLICY_MAPPINGS: &[u8] = &[0x55, 0x1d, 33];
    pub(in super::super) const AUTHORITY_KEY_IDENTIFIER: &[u8] = &[0x55, 0x1d, 35];
    pub(in super::super) const POLICY_CONSTRAINTS: &[u8] = &[0x55, 0x1d, 36];
    pub(in super::super) const EXTENDED_KEY_USAGE: &[u8] = &[0x55, 0x1d, 37];
    pub(in super::super) const INHIBIT_ANY_POLICY: &[u8] = &[0x55, 0x1d, 54];
    pub(in super::super) const AUTHORITY_INFORMATION_ACCESS: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 1, 1];
}

/// The tags of general names (RFC 5280, section 4.2.1.6).
pub(super) mod tag {
    pub(in super::super) const EMAIL: u32 = 1;
    pub(in super::super) const DNS: u32 = 2;
    pub(in super::super) const DIRECTORY: u32 = 4;
    pub(in super::super) const URI: u32 = 6;
    pub(in super::super) const IP_ADDRESS: u32 = 7;
    pub(in super::super) const REGISTERED_ID: u32 = 8;
}

/// A general name: its tag and its content.
pub(super) type GeneralName<'d> = (u32, &'d [u8]);

/// Parses subject alternative names.
pub(super) fn alternative_names(value: &[u8]) -> Option<Vec<GeneralName<'_>>> {
    let mut elements = whole_sequence(value)?;
    let mut names = Vec::new();
    while !elements.is_empty() {
        names.push(general_name(&mut elements)?);
    }
    Some(names)
}

fn general_name<'d>(elements: &mut Elements<'d>) -> Option<GeneralName<'d>> {
    let element = elements.next()?;
    let (tag, text) = (element.tag().0, element.data);
    // These are IA5Strings.
    (!matches!(tag, tag::EMAIL | tag::DNS | tag::URI) || text.is_ascii()).then_some((tag, text))
}

/// Parses basic constraints: the CA flag and the path length.
pub(super) fn basic_constraints(value: &[u8]) -> Option<(bool, Option<u32>)> {
    let mut elements = whole_sequence(value)?;
    let is_authority = match elements.universal(number::BOOLEAN) {
        Some([0xff]) => true,
        Some([0]) | None => false,
        Some(_) => return None,
    };
    let most = match elements.universal(number::INTEGER) {
        Some([first, ..]) if *first >= 0x80 => return None,
        Some(number) => Some(number.iter().fold(0_u32, |sum, byte| {
            sum.checked_mul(256).map_or(u32::MAX, |sum| sum.saturating_add(u32::from(*byte)))
        })),
        None if elements.is_empty() => None,
        None => return None,
    };
    Some((is_authority, most))
}

/// Parses a key usage and returns whether the key may sign certificates. A key usage without any
/// bit allows it, as in Go.
pub(super) fn key_usage_allows_signing_certificates(value: &[u8]) -> Option<bool> {
    const KEY_CERT_SIGN: u8 = 1 << 2;
    let mut elements = Elements(value);
    let (unused, bits) = elements.universal(number::BIT_STRING)?.split_first()?;
    let padding = 1_u8.checked_shl(u32::from(*unused))?.wrapping_sub(1);
    match bits.last() {
        Some(last) if last & padding != 0 => return None,
        None if *unused != 0 => return None,
        _ => {}
    }
    let signs = bits.first().is_some_and(|bits| bits & KEY_CERT_SIGN != 0);
    elements.is_empty().then_some(signs || bits.iter().all(|bits| *bits == 0))
}

/// Returns whether no bit of a key usage is set.
pub(super) fn is_empty_key_usage(value: &[u8]) -> bool {
    let bits = Elements(value).universal(number::BIT_STRING);
    bits.is_some_and(|bits| bits.iter().skip(1).all(|bits| *bits == 0))
}

/// Parses an extended key usage and returns its object identifiers.
pub(super) fn extended_key_usage(value: &[u8]) -> Option<Vec<&[u8]>> {
    let mut elements = whole_sequence(value)?;
    let mut purposes = Vec::new();
    while !elements.is_empty() {
        purposes.push(elements.universal(number::OBJECT_IDENTIFIER)?);
    }
    Some(purposes)
}

/// Parses a subject key identifier.
pub(super) fn subject_key_identifier(value: &[u8]) -> Option<&[u8]> {
    Elements(value).universal(number::OCTET_STRING)
}

/// Parses an authority key identifier and returns its key identifier, which is empty if absent.
pub(super) fn authority_key_identifier(value: &[u8]) -> Option<&[u8]> {
    let mut elements = Elements(value).sequence()?;
    Some(elements.tagged(0).unwrap_or_default())
}

/// The names that an authority permits and excludes.
pub(super) struct NameConstraints<'d> {
    pub(super) permitted: Vec<GeneralName<'d>>,
    pub(super) excluded: Vec<GeneralName<'d>>,
}

/// Parses name constraints.
pub(super) fn name_constraints(value: &[u8]) -> Option<NameConstraints<'_>> {
    let mut elements = whole_sequence(value)?;
    let (permitted, excluded) = (elements.tagged(0), elements.tagged(1));
    let subtrees = |list: Option<_>| {
        let mut list = Elements(list.unwrap_or_default());
        let mut names = Vec::new();
        while !list.is_empty() {
            names.push(general_name(&mut list.sequence()?)?);
        }
        Some(names)
    };
    let is_right = elements.is_empty() && (permitted.is_some() || excluded.is_some());
    is_right.then_some(())?;
    Some(NameConstraints { permitted: subtrees(permitted)?, excluded: subtrees(excluded)? })
}

/// Returns whether the extension `oid`, whose content is not used, is well-formed. Unknown
/// extensions are.
pub(super) fn has_its_form(oid: &Oid<'_>, value: &[u8]) -> bool {
    match oid.as_bytes() {
        oid::CRL_DISTRIBUTION_POINTS
        | oid::CERTIFICATE_POLICIES
        | oid::POLICY_MAPPINGS
        | oid::AUTHORITY_INFORMATION_ACCESS => whole_sequence(value).is_some_and(|mut elements| {
            while elements.sequence().is_some() {}
            elements.is_empty()
        }),
        oid::POLICY_CONSTRAINTS => whole_sequence(value).is_some(),
        oid::INHIBIT_ANY_POLICY => Elements(value).universal(number::INTEGER).is_some(),
        _ => true,
    }
}

/// Parses a sequence that is the whole of `value`.
fn whole_sequence(value: &[u8]) -> Option<Elements<'_>> {
    let mut outer = Elements(value);
    let elements = outer.sequence()?;
    outer.is_empty().then_some(elements)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn constraints_and_usages_are_read() {
        type Case = (&'static [u8], Option<(bool, Option<u32>)>);
        let basic: [Case; 9] = [
            (b"\x30\x00", Some((false, None))),
            (b"\x30\x03\x01\x01\xff", Some((true, None))),
            (b"\x30\x06\x01\x01\xff\x02\x01\x03", Some((true, Some(3)))),
            (b"\x30\x0b\x01\x01\xff\x02\x06\x01\x00\x00\x00\x00\x00", Some((true, Some(u32::MAX)))),
            (b"\x30\x03\x02\x01\x00", Some((false, Some(0)))),
            (b"\x30\x03\x01\x01\x01", None),
            (b"\x30\x06\x01\x01\xff\x02\x01\x80", None),
            (b"\x30\x00\x00", None),
            (b"\x31\x00", None),
        ];
        for (value, expected) in basic {
            assert_eq!(basic_constraints(value), expected, "{value:x?}");
        }
        let usages: [(&[u8], Option<bool>); 7] = [
            (b"\x03\x02\x02\x04", Some(true)),
            (b"\x03\x02\x05\xa0", Some(false)),
            (b"\x03\x02\x07\x00", Some(true)),
            (b"\x03\x01\x00", Some(true)),
            (b"\x03\x02\x05\xa1", None),
            (b"\x03\x02\x08\x00", None),
            (b"\x03\x01\x01", None),
        ];
        for (value, expected) in usages {
            assert_eq!(key_usage_allows_signing_certificates(value), expected, "{value:x?}");
        }
    }

    #[test]
    fn names_are_read_whatever_else_is_among_them() {
        let names = alternative_names(b"\x30\x0a\xa0\x02\x05\x00\x82\x01a\x88\x01\x2a").unwrap();
        assert_eq!(names, [(0, &b"\x05\x00"[..]), (2, b"a"), (8, b"\x2a")]);
        assert_eq!(alternative_names(b"\x30\x03\x82\x01\xfc"), None);
        assert_eq!(alternative_names(b"\x30\x03\x82\x02a"), None);
        // The issuer of an authority key identifier is not parsed.
        let identifier = b"\x30\x08\x80\x01\x07\xa1\x03\xff\xff\xff";
        assert_eq!(authority_key_identifier(identifier), Some(&b"\x07"[..]));
        assert_eq!(authority_key_identifier(b"\x04\x01\x07"), None);
        let constraints = name_constraints(b"\x30\x07\xa1\x05\x30\x03\x82\x01a").unwrap();
        assert_eq!((constraints.permitted.len(), constraints.excluded), (0, vec![(2, &b"a"[..])]));
        assert!(name_constraints(b"\x30\x00").is_none());
    }
}
