//! Explanations of wrong hosts and unknown authorities.

use std::net::IpAddr;

use crate::net::tls::{certificate::Certificate, host, trust_store::TrustStore};

/// Maximum number of names in a message.
const MAX_NAMES: usize = 8;

/// Explains why `certificate` is not for `host`.
pub(super) fn wrong_host(certificate: &Certificate, host: &str) -> String {
    let names = certificate.alternative_names();
    let same = |name: &String| name.eq_ignore_ascii_case(host.trim_end_matches('.'));
    let address = host::without_brackets(host).parse::<IpAddr>().ok();
    if let Some(address) = address
        && names.dns.iter().any(|name| name.parse() == Ok(address))
    {
        return format!(
            "the certificate has {address} as a DNS name, not as an IP address; reissue it with \
             the subject alternative name IP:{address}, or set server_name to another of its names"
        );
    }
    let addresses = names.addresses.iter().filter_map(|address| host::ip_address(address));
    let known: Vec<String> =
        names.dns.iter().cloned().chain(addresses.map(|it| it.to_string())).collect();
    if known.is_empty() {
        return without_names(certificate, host, address);
    }
    let shown = known.iter().take(MAX_NAMES).map(String::as_str).collect::<Vec<_>>().join(", ");
    let more = match known.len().saturating_sub(MAX_NAMES) {
        0 => String::new(),
        more => format!(" and {more} more names"),
    };
    let hint = match address {
        Some(_) if names.addresses.is_empty() => "; it has no IP address".to_owned(),
        Some(_) => String::new(),
        None if certificate.common_name().as_ref().is_some_and(same) => {
            "; its common name is ignored, because it has subject alternative names".to_owned()
        }
        None => names.dns.iter().find_map(|name| near_miss(name, host)).unwrap_or_default(),
    };
    format!("the certificate is valid for {shown}{more}, not for {host}{hint}")
}

/// Explains that a certificate has no subject alternative name for a host.
fn without_names(certificate: &Certificate, host: &str, address: Option<IpAddr>) -> String {
    let kind = if address.is_some() { "IP" } else { "DNS" };
    let common_name = certificate.common_name().map_or_else(String::new, |name| {
        format!(", only the common name \"{name}\", which is ignored")
    });
    let odd = match certificate.alternative_names() {
        names if !names.addresses.is_empty() => {
            " but an IP address of a wrong length (not 4 or 16 bytes)"
        }
        names if names.others => " of a host",
        _ => "",
    };
    format!(
        "the certificate has no subject alternative name{odd}{common_name}; reissue it with the \
         subject alternative name {kind}:{}",
        host::without_brackets(host),
    )
}

/// Explains why a name that resembles `host` does not match it.
fn near_miss(name: &str, host: &str) -> Option<String> {
    let host = host.trim_end_matches('.').to_ascii_lowercase();
    let name = name.to_ascii_lowercase();
    if name.strip_suffix('.') == Some(&host) {
        return Some(format!("; its name {name} ends with a dot and matches no host"));
    }
    let domain = name.strip_prefix("*.")?;
    if domain == host {
        return Some(format!("; {name} matches names below {domain}, but not {domain} itself"));
    }
    let below = host.strip_suffix(domain)?.strip_suffix('.')?;
    below.contains('.').then(|| format!("; the * in {name} matches one label only"))
}

/// Explains why the certificates that a server sent, the leaf first, lead to no trusted authority.
pub(super) fn unknown_authority(sent: &[impl AsRef<Certificate>], trust: &TrustStore) -> String {
    let mut sent = sent.iter().map(AsRef::as_ref);
    let Some(leaf) = sent.next() else { return "no certificate was sent".to_owned() };
    let mut others: Vec<&Certificate> = sent.collect();
    let mut last = leaf;
    // Each certificate is used once, to stop at circles.
    while last.subject != last.issuer
        && let Some(place) = others.iter().position(|other| other.subject == last.issuer)
    {
        last = others.swap_remove(place);
    }
    let subject = last.subject();
    let (store, to_trust) = if trust.is_system() {
        ("the trusted certificates of the system", "set ca_file to a file that contains it")
    } else {
        ("ca_file", "add it to ca_file")
    };
    let has_namesake = trust.named(&last.issuer).next().is_some() && !trust.contains(last);
    if last.subject != last.issuer {
        let issuer = last.issuer();
        return if has_namesake {
            format!(
                "certificate \"{subject}\" was signed with another key than that of the CA \
                 \"{issuer}\" in {store}; check that {store} contains the current certificate of \
                 the CA"
            )
        } else {
            format!(
                "no trusted CA signed certificate \"{subject}\", and the server did not send the \
                 certificate of its issuer \"{issuer}\"; add the intermediate certificate to the \
                 chain of the server, or, to trust the CA, {to_trust}"
            )
        };
    }
    let what = if std::ptr::eq(last, leaf) {
        format!("certificate \"{subject}\" is self-signed and not trusted")
    } else {
        format!("the chain ends with the self-signed CA \"{subject}\", which is not trusted")
    };
    let namesake = if has_namesake {
        format!("; the certificate of the same name in {store} has another key")
    } else {
        String::new()
    };
    format!("{what}{namesake}; to trust it, {to_trust}")
}
