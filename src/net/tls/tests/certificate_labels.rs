//! Labels of unusual certificates: names, serial numbers and alternative names.
//!
//! The expected strings were seen in the labels of blackbox_exporter 0.28.0 for such certificates.

use super::fixtures;
use crate::net::tls::Certificate;

fn shown(recipe: fixtures::Recipe) -> Certificate {
    let issued = recipe.self_signed();
    Certificate::from_der(&issued.certificate.to_der().unwrap()).unwrap()
}

/// Attributes of a subject in the certificate's order, and how they are shown.
type Case = (&'static [(&'static str, &'static str)], &'static str);

#[test]
fn subjects_are_shown_as_upstream_shows_them() {
    let cases: [Case; 13] = [
        (
            &[("C", "DE"), ("O", "Example Org"), ("OU", "Unit, One"), ("CN", "srv+x")],
            "CN=srv\\+x,OU=Unit\\, One,O=Example Org,C=DE",
        ),
        (
            &[
                ("CN", "all"),
                ("serialNumber", "4711"),
                ("C", "DE"),
                ("L", "Town"),
                ("ST", "State"),
                ("street", "Street 1"),
                ("O", "Org"),
                ("OU", "Unit"),
                ("postalCode", "12345"),
            ],
            "SERIALNUMBER=4711,CN=all,OU=Unit,O=Org,POSTALCODE=12345,STREET=Street 1,L=Town,\
             ST=State,C=DE",
        ),
        (
            &[("OU", "a"), ("OU", "b"), ("CN", "first"), ("CN", "last"), ("O", "x"), ("O", "y")],
            "CN=last,OU=a+OU=b,O=x+O=y",
        ),
        (
            &[("emailAddress", "x@y.z"), ("CN", "mail"), ("DC", "org"), ("DC", "example")],
            "CN=mail,0.9.2342.19200300.100.1.25=example,0.9.2342.19200300.100.1.25=org,\
             1.2.840.113549.1.9.1=x@y.z",
        ),
        (&[("CN", " both ends ")], "CN=\\ both ends\\ "),
        (&[("CN", "#hash # inside")], "CN=\\#hash # inside"),
        (&[("CN", "a\"b\\c<d>e;f=g/h")], "CN=a\\\"b\\\\c\\<d\\>e\\;f=g/h"),
        (&[("CN", "Zoë Müller ü ")], "CN=Zoë Müller ü\\ "),
        (&[("O", "no common name")], "O=no common name"),
        (
            &[
                ("CN", "x"),
                ("1.2.3.4.5", "own, thing"),
                ("title", "Dr. "),
                ("GN", "Given"),
                ("SN", "#Sur"),
            ],
            "CN=x,2.5.4.4=\\#Sur,2.5.4.42=Given,2.5.4.12=Dr.\\ ,1.2.3.4.5=own\\, thing",
        ),
        (&[("CN", "日本語"), ("O", "ü")], "CN=日本語,O=ü"),
        (&[("CN", "line\nfeed\ttab")], "CN=line\nfeed\ttab"),
        (
            &[("UID", "u"), ("CN", "y"), ("1.3.6.1.4.1.311.60.2.1.3", "DE")],
            "CN=y,1.3.6.1.4.1.311.60.2.1.3=DE,0.9.2342.19200300.100.1.1=u",
        ),
    ];
    for (attributes, expected) in cases {
        let certificate = shown(fixtures::leaf("host.test").subject(attributes));
        assert_eq!(certificate.subject(), expected);
        assert_eq!(certificate.issuer(), expected);
    }
}

#[test]
fn serial_numbers_keep_leading_zeros_of_a_byte_only() {
    let cases: [(&[u8], &str); 5] = [
        (&[0x0a], "0a"),
        (&[0x00], ""),
        (&[0xff, 0x00], "ff00"),
        (&[0x01, 0x23, 0x45], "012345"),
        (&[0x80], "80"),
    ];
    for (magnitude, expected) in cases {
        let certificate = shown(fixtures::leaf("host.test").serial(magnitude));
        assert_eq!(certificate.serial_number(), expected);
    }
}

#[test]
fn alternative_names_are_the_dns_names_in_order() {
    let recipe = fixtures::leaf("b.test").also("IP:10.0.0.1").also("DNS:*.a.test");
    let certificate = shown(recipe.also("email:x@y.z").also("URI:https://c.test/"));
    assert_eq!(certificate.dns_names(), ["b.test", "*.a.test"]);
}

#[test]
fn what_is_no_certificate_is_none() {
    let der = fixtures::leaf("host.test").self_signed().certificate.to_der().unwrap();
    assert!(Certificate::from_der(&der).is_some());
    assert!(Certificate::from_der(&[&der[..], &[0]].concat()).is_none());
    assert!(Certificate::from_der(&der[..der.len() - 1]).is_none());
    assert!(Certificate::from_der(&[]).is_none());
}
