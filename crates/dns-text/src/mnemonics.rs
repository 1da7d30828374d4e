//! Mnemonics of record types, classes and response codes, as miekg/dns has them.

use std::{fmt, str::FromStr};

#[cfg(feature = "serde")]
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// The type of a record or of a query.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RecordType(pub u16);

/// The class of a record or of a query.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RecordClass(pub u16);

/// A response code, with the upper bits of the OPT record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Rcode(pub u16);

/// Declares a constant for each type and the table of all types.
macro_rules! record_types {
    ($($number:literal $name:ident $mnemonic:literal,)*) => {
        impl RecordType {
            $(#[doc = concat!("The type `", $mnemonic, "`.")] pub const $name: Self = Self($number);)*
        }

        const TYPES: &[(u16, &str)] = &[$(($number, $mnemonic),)*];
    };
}

record_types! {
    0 NONE "None",
    1 A "A",
    2 NS "NS",
    3 MD "MD",
    4 MF "MF",
    5 CNAME "CNAME",
    6 SOA "SOA",
    7 MB "MB",
    8 MG "MG",
    9 MR "MR",
    10 NULL "NULL",
    12 PTR "PTR",
    13 HINFO "HINFO",
    14 MINFO "MINFO",
    15 MX "MX",
    16 TXT "TXT",
    17 RP "RP",
    18 AFSDB "AFSDB",
    19 X25 "X25",
    20 ISDN "ISDN",
    21 RT "RT",
    23 NSAP_PTR "NSAP-PTR",
    24 SIG "SIG",
    25 KEY "KEY",
    26 PX "PX",
    27 GPOS "GPOS",
    28 AAAA "AAAA",
    29 LOC "LOC",
    30 NXT "NXT",
    31 EID "EID",
    32 NIMLOC "NIMLOC",
    33 SRV "SRV",
    34 ATMA "ATMA",
    35 NAPTR "NAPTR",
    36 KX "KX",
    37 CERT "CERT",
    39 DNAME "DNAME",
    41 OPT "OPT",
    42 APL "APL",
    43 DS "DS",
    44 SSHFP "SSHFP",
    45 IPSECKEY "IPSECKEY",
    46 RRSIG "RRSIG",
    47 NSEC "NSEC",
    48 DNSKEY "DNSKEY",
    49 DHCID "DHCID",
    50 NSEC3 "NSEC3",
    51 NSEC3PARAM "NSEC3PARAM",
    52 TLSA "TLSA",
    53 SMIMEA "SMIMEA",
    55 HIP "HIP",
    56 NINFO "NINFO",
    57 RKEY "RKEY",
    58 TALINK "TALINK",
    59 CDS "CDS",
    60 CDNSKEY "CDNSKEY",
    61 OPENPGPKEY "OPENPGPKEY",
    62 CSYNC "CSYNC",
    63 ZONEMD "ZONEMD",
    64 SVCB "SVCB",
    65 HTTPS "HTTPS",
    99 SPF "SPF",
    100 UINFO "UINFO",
    101 UID "UID",
    102 GID "GID",
    103 UNSPEC "UNSPEC",
    104 NID "NID",
    105 L32 "L32",
    106 L64 "L64",
    107 LP "LP",
    108 EUI48 "EUI48",
    109 EUI64 "EUI64",
    128 NXNAME "NXNAME",
    249 TKEY "TKEY",
    250 TSIG "TSIG",
    251 IXFR "IXFR",
    252 AXFR "AXFR",
    253 MAILB "MAILB",
    254 MAILA "MAILA",
    255 ANY "ANY",
    256 URI "URI",
    257 CAA "CAA",
    258 AVC "AVC",
    260 AMTRELAY "AMTRELAY",
    261 RESINFO "RESINFO",
    32768 TA "TA",
    32769 DLV "DLV",
    65535 RESERVED "Reserved",
}

const CLASSES: &[(u16, &str)] =
    &[(1, "IN"), (2, "CS"), (3, "CH"), (4, "HS"), (254, "NONE"), (255, "ANY")];

const RCODES: &[(u16, &str)] = &[
    (0, "NOERROR"),
    (1, "FORMERR"),
    (2, "SERVFAIL"),
    (3, "NXDOMAIN"),
    (4, "NOTIMP"),
    (5, "REFUSED"),
    (6, "YXDOMAIN"),
    (7, "YXRRSET"),
    (8, "NXRRSET"),
    (9, "NOTAUTH"),
    (10, "NOTZONE"),
    (11, "DSOTYPENI"),
    (16, "BADSIG"),
    (17, "BADKEY"),
    (18, "BADTIME"),
    (19, "BADMODE"),
    (20, "BADNAME"),
    (21, "BADALG"),
    (22, "BADTRUNC"),
    (23, "BADCOOKIE"),
];

/// A second spelling of `NOTIMP` that miekg/dns accepts.
const NOTIMP_ALIAS: &str = "NOTIMPL";

impl RecordType {
    /// Returns the type with this upper-case mnemonic. `TYPE65` and lower case are not accepted.
    #[must_use]
    pub fn from_mnemonic(mnemonic: &str) -> Option<Self> {
        number_of(TYPES, mnemonic).map(Self)
    }

    /// Returns the mnemonic if the type has one.
    #[must_use]
    pub fn mnemonic(self) -> Option<&'static str> {
        TYPES
            .binary_search_by_key(&self.0, |(number, _)| *number)
            .ok()
            .and_then(|index| TYPES.get(index))
            .map(|(_, mnemonic)| *mnemonic)
    }
}

impl RecordClass {
    /// Internet.
    pub const IN: Self = Self(1);

    /// Returns the class with this upper-case mnemonic.
    #[must_use]
    pub fn from_mnemonic(mnemonic: &str) -> Option<Self> {
        number_of(CLASSES, mnemonic).map(Self)
    }

    /// Returns the mnemonic if the class has one.
    #[must_use]
    pub fn mnemonic(self) -> Option<&'static str> {
        mnemonic_of(CLASSES, self.0)
    }
}

impl Rcode {
    /// No error.
    pub const NOERROR: Self = Self(0);

    /// Returns the code with this upper-case mnemonic.
    #[must_use]
    pub fn from_mnemonic(mnemonic: &str) -> Option<Self> {
        let mnemonic = if mnemonic == NOTIMP_ALIAS { "NOTIMP" } else { mnemonic };
        number_of(RCODES, mnemonic).map(Self)
    }

    /// Returns the mnemonic if the code has one.
    #[must_use]
    pub fn mnemonic(self) -> Option<&'static str> {
        mnemonic_of(RCODES, self.0)
    }
}

fn number_of(table: &[(u16, &str)], mnemonic: &str) -> Option<u16> {
    table.iter().find(|(_, known)| *known == mnemonic).map(|(number, _)| *number)
}

fn mnemonic_of(table: &[(u16, &'static str)], number: u16) -> Option<&'static str> {
    table.iter().find(|(known, _)| *known == number).map(|(_, mnemonic)| *mnemonic)
}

impl fmt::Display for RecordType {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.mnemonic() {
            Some(mnemonic) => formatter.write_str(mnemonic),
            None => write!(formatter, "TYPE{}", self.0),
        }
    }
}

impl fmt::Display for RecordClass {
    /// Writes the class as in the text of a record, where miekg/dns writes `CLASS255` for `ANY`.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.mnemonic().filter(|mnemonic| *mnemonic != "ANY") {
            Some(mnemonic) => formatter.write_str(mnemonic),
            None => write!(formatter, "CLASS{}", self.0),
        }
    }
}

impl fmt::Display for Rcode {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.mnemonic() {
            Some(mnemonic) => formatter.write_str(mnemonic),
            None => write!(formatter, "RCODE{}", self.0),
        }
    }
}

/// A text that is not a mnemonic.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UnknownMnemonic {
    /// No type has this mnemonic.
    #[error("query type '{0}' is not valid{hint}", hint = in_upper_case::<RecordType>(.0))]
    Type(String),
    /// No class has this mnemonic.
    #[error("query class '{0}' is not valid{hint}", hint = in_upper_case::<RecordClass>(.0))]
    Class(String),
    /// No response code has this mnemonic.
    #[error(
        "rcode '{0}' is not valid{hint}; the most common are NOERROR, NXDOMAIN, SERVFAIL and REFUSED",
        hint = in_upper_case::<Rcode>(.0)
    )]
    Rcode(String),
}

/// Advice for a text that is a mnemonic in upper case.
fn in_upper_case<T: FromStr>(text: &str) -> String {
    let upper = text.to_ascii_uppercase();
    let is_other = upper != text && T::from_str(&upper).is_ok();
    if is_other { format!("; write '{upper}'") } else { String::new() }
}

/// Implements parsing and, with the feature `serde`, (de)serialization as a mnemonic.
macro_rules! parse_mnemonic {
    ($name:ident, $error:ident) => {
        impl FromStr for $name {
            type Err = UnknownMnemonic;

            fn from_str(text: &str) -> Result<Self, UnknownMnemonic> {
                Self::from_mnemonic(text).ok_or_else(|| UnknownMnemonic::$error(text.to_owned()))
            }
        }

        #[cfg(feature = "serde")]
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
            }
        }

        #[cfg(feature = "serde")]
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                match self.mnemonic() {
                    Some(mnemonic) => serializer.serialize_str(mnemonic),
                    None => serializer.collect_str(self),
                }
            }
        }
    };
}

parse_mnemonic!(RecordType, Type);
parse_mnemonic!(RecordClass, Class);
parse_mnemonic!(Rcode, Rcode);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_types_is_sorted() {
        assert!(TYPES.is_sorted_by_key(|(number, _)| *number));
    }

    #[test]
    fn a_mnemonic_in_lower_case_has_advice() {
        let error = |text: &str| text.parse::<RecordType>().unwrap_err().to_string();
        assert_eq!(error("aaaa"), "query type 'aaaa' is not valid; write 'AAAA'");
        assert_eq!(error("TYPE65"), "query type 'TYPE65' is not valid");
        let rcode = "nxdomain".parse::<Rcode>().unwrap_err().to_string();
        assert!(rcode.starts_with("rcode 'nxdomain' is not valid; write 'NXDOMAIN'; the most"));
    }

    #[test]
    fn mnemonics_are_parsed_and_printed() {
        for (mnemonic, number) in [("A", 1), ("NSAP-PTR", 23), ("None", 0), ("ANY", 255)] {
            assert_eq!(RecordType::from_mnemonic(mnemonic), Some(RecordType(number)));
            assert_eq!(RecordType(number).to_string(), mnemonic);
        }
        for unknown in ["", "a", "TYPE65", "WKS", "NSAP"] {
            assert_eq!(RecordType::from_mnemonic(unknown), None, "{unknown}");
        }
        assert_eq!(RecordType(11).to_string(), "TYPE11");
        assert_eq!(RecordClass::from_mnemonic("ANY"), Some(RecordClass(255)));
        assert_eq!(RecordClass(255).to_string(), "CLASS255");
        assert_eq!(RecordClass(254).to_string(), "NONE");
        assert_eq!(Rcode::from_mnemonic("NOTIMPL"), Some(Rcode(4)));
        assert_eq!(Rcode::from_mnemonic("BADVERS"), None);
        assert_eq!(Rcode(16).to_string(), "BADSIG");
    }
}
