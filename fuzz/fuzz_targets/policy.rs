//! The entries of a policy, from any bytes, are refused with a reason or judge as documented: without
//! regard to case, a dot at the end, or the order of entries, and IPv4 addresses also within IPv6 addresses.
//!
//! The input has 32 bytes for addresses, a line with a host, and a line for each entry, which begins with
//! `+` if it is allowed.

#![no_main]

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use libfuzzer_sys::fuzz_target;
use probe_exporter::policy::{Policy, PolicySettings, Question};
use serde_json::{Value, json};

/// The lists of a policy.
const LISTS: [&str; 4] = ["hosts", "addresses", "ports", "unix_paths"];

/// Longer names are not converted to their ASCII form.
const MAX_HOST: usize = 1000;

fuzz_target!(|input: &[u8]| {
    let Some((numbers, text)) = input.split_first_chunk::<32>() else { return };
    let text = String::from_utf8_lossy(text);
    let (host, entries) = text.split_once('\n').unwrap_or((&text, ""));
    let mut lists = Lists::default();
    for line in entries.split('\n').take(40) {
        match line.strip_prefix('+') {
            Some(entry) => lists.add(entry, true),
            None => lists.add(line, false),
        }
    }
    let settings = lists.settings();
    let Some(policy) = Policy::of_module("", &settings, None, None) else { return };
    if host.len() > MAX_HOST {
        return;
    }
    hosts(&policy, &lists, host);
    for entry in lists.hosts.iter().filter(|(entry, _)| entry != "*") {
        let name = entry.0.trim_start_matches("*.");
        hosts(&policy, &lists, name);
        hosts(&policy, &lists, &format!("x.{name}"));
    }
    let (bits, v4) =
        (u128::from_be_bytes(*first(numbers)), u32::from_be_bytes(*first(&numbers[16..])));
    embedded_addresses(&policy, &lists, bits, v4.into());
    let port = u16::from_be_bytes(*first(&numbers[20..]));
    let everything = Question {
        host: Some(host),
        address: Some(Ipv6Addr::from_bits(bits).into()),
        port: Some(port),
        path: Some(host),
        ..Question::default()
    };
    order(&policy, &lists, &everything);
    if let Err(judgement) = policy.judge(&everything) {
        let denial = judgement.denial;
        assert!(LISTS.contains(&denial.list) && !denial.entry.is_empty(), "{denial:?}");
    }
});

fn first<const N: usize>(bytes: &[u8]) -> &[u8; N] {
    bytes.first_chunk().expect("there are enough")
}

/// The valid entries of the input, in the form in which they are written out, with true for those that
/// are allowed.
#[derive(Debug, Default)]
struct Lists {
    hosts: Vec<(String, bool)>,
    addresses: Vec<(String, bool)>,
    ports: Vec<(String, bool)>,
    paths: Vec<(String, bool)>,
    nat64: Vec<String>,
}

impl Lists {
    /// Adds the entry to all lists for which it is valid.
    fn add(&mut self, entry: &str, is_allowed: bool) {
        let lists = [&mut self.hosts, &mut self.addresses, &mut self.ports, &mut self.paths];
        for (name, list) in LISTS.iter().zip(lists) {
            if let Some(settings) = parsed(json!({*name: {"deny": [entry]}})) {
                let written = serde_json::to_value(&settings).expect("it is written out");
                let written = written[*name]["deny"][0].as_str().expect("it has the entry");
                list.push((written.to_owned(), is_allowed));
            }
        }
        if let Some(settings) = parsed(json!({"nat64_prefixes": [entry]})) {
            self.nat64.extend(settings.rules.nat64_prefixes.iter().map(ToString::to_string));
        }
    }

    fn settings(&self) -> PolicySettings {
        let lists = [&self.hosts, &self.addresses, &self.ports, &self.paths];
        let sections = LISTS.iter().zip(lists).filter(|(_, list)| !list.is_empty());
        let mut policy: serde_json::Map<_, _> =
            sections.map(|(name, list)| ((*name).to_owned(), section(list))).collect();
        policy.insert("nat64_prefixes".to_owned(), json!(self.nat64));
        parsed(policy.into()).expect("each entry is valid")
    }

    /// Returns whether the hosts are allowed by the narrowest pattern, found by trying all.
    fn allow(&self, name: &str) -> bool {
        let narrowness = |pattern: &str| match pattern.strip_prefix("*.") {
            None if pattern == "*" => Some(0),
            None => (pattern == name).then_some(usize::MAX),
            Some(parent) => name.strip_suffix(parent)?.ends_with('.').then_some(pattern.len()),
        };
        let matching = self
            .hosts
            .iter()
            .filter_map(|(entry, is_allowed)| Some((narrowness(entry)?, !is_allowed)));
        // The default, and a tie denies.
        !matching.max().is_some_and(|(_, is_denied)| is_denied)
    }
}

/// Writes a list of entries; what they do not match is allowed.
fn section(list: &[(String, bool)]) -> Value {
    let of = |wanted| list.iter().filter(move |(_, is_allowed)| *is_allowed == wanted);
    let texts = |wanted| of(wanted).map(|(entry, _)| entry.as_str()).collect::<Vec<_>>();
    json!({"default": "allow", "allow": texts(true), "deny": texts(false)})
}

fn parsed(json: Value) -> Option<PolicySettings> {
    match serde_json::from_value(json) {
        Ok(settings) => Some(settings),
        Err(error) => {
            assert!(!error.to_string().is_empty());
            None
        }
    }
}

fn allows_host(policy: &Policy, host: &str) -> bool {
    policy.judge(&Question { host: Some(host), is_named: true, ..Question::default() }).is_ok()
}

fn allows_address(policy: &Policy, address: IpAddr) -> bool {
    policy.judge(&Question { address: Some(address), ..Question::default() }).is_ok()
}

/// A name is judged like the same name in capitals or with a dot at the end, and as by a slow search.
fn hosts(policy: &Policy, lists: &Lists, host: &str) {
    let is_allowed = allows_host(policy, host);
    assert_eq!(allows_host(policy, &host.to_ascii_uppercase()), is_allowed, "{host:?} in capitals");
    // With a dot at the end, an address is a name.
    let is_name = match host.chars().last() {
        Some(last) if !last.is_ascii() => last.is_alphabetic(),
        Some(last) => last != '.' && host.parse::<IpAddr>().is_err() && !host.contains('%'),
        None => true,
    };
    if is_name {
        assert_eq!(allows_host(policy, &format!("{host}.")), is_allowed, "{host:?} with a dot");
    }
    if is_name && host.is_ascii() {
        assert_eq!(is_allowed, lists.allow(&host.to_ascii_lowercase()), "{host:?} {lists:?}");
    }
}

/// An address is denied in every form if it is denied itself.
fn embedded_addresses(policy: &Policy, lists: &Lists, bits: u128, v4: Ipv4Addr) {
    if allows_address(policy, v4.into()) {
        return;
    }
    let prefixes: Vec<_> = lists.nat64.iter().map(|prefix| network(prefix)).collect();
    let of_site = |form: Ipv6Addr| {
        prefixes
            .iter()
            .any(|(prefix, length)| (prefix.to_bits() ^ form.to_bits()).leading_zeros() >= *length)
    };
    let is_judged = |form: &Ipv6Addr| match form.segments() {
        // The prefix of the site determines the place of the address.
        [0x64, 0xff9b, 1, ..] => !of_site(*form),
        _ => !form.is_unspecified() && !form.is_loopback(),
    };
    let translated = prefixes.iter().map(|(prefix, length)| translated(*prefix, *length, bits, v4));
    // An IPv4-mapped address is that IPv4 address, whatever the prefix.
    let translated = translated.filter(|form| form.to_ipv4_mapped().is_none());
    for form in forms(bits, v4).into_iter().filter(is_judged).chain(translated) {
        assert!(!allows_address(policy, form.into()), "{form} for {v4} {lists:?}");
    }
}

fn network(text: &str) -> (Ipv6Addr, u32) {
    let (address, length) = text.split_once('/').expect("it is a network");
    (address.parse().expect("an address"), length.parse().expect("a length"))
}

/// The forms of an address (RFC 3056, 4214, 4291, 4380, 6052, 7915, 8215); `bits` fill the rest.
fn forms(bits: u128, v4: Ipv4Addr) -> [Ipv6Addr; 11] {
    let [a, b, c, d] = v4.octets().map(u16::from);
    let (high, low) = ((a << 8) | b, (c << 8) | d);
    let [p, q, r, s, t, u, v, w] = Ipv6Addr::from_bits(bits).segments();
    [
        v4.to_ipv6_mapped(),
        v4.to_ipv6_compatible(),
        Ipv6Addr::new(0, 0, 0, 0, 0xffff, 0, high, low),
        Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, high, low),
        Ipv6Addr::new(0x64, 0xff9b, 1, high, low >> 8, low << 8, v, w),
        Ipv6Addr::new(0x64, 0xff9b, 1, p, q, r, high, low),
        Ipv6Addr::new(0x2002, high, low, s, t, u, v, w),
        Ipv6Addr::new(0x2001, 0, high, low, t, u, v, w),
        Ipv6Addr::new(0x2001, 0, p, q, t, u, !high, !low),
        Ipv6Addr::new(p, q, r, s, 0, 0x5efe, high, low),
        Ipv6Addr::new(p, q, r, s, 0x200, 0x5efe, high, low),
    ]
}

/// The address within a prefix (RFC 6052): bits 64 to 71 are 0.
fn translated(prefix: Ipv6Addr, length: u32, bits: u128, v4: Ipv4Addr) -> Ipv6Addr {
    let mut octets = prefix.octets()[..length as usize / 8].to_vec();
    for octet in v4.octets().into_iter().chain(bits.to_be_bytes()) {
        if octets.len() == 8 {
            octets.push(0);
        }
        octets.push(octet);
    }
    Ipv6Addr::from(*first::<16>(&octets))
}

/// The order of entries makes no difference.
fn order(policy: &Policy, lists: &Lists, question: &Question<'_>) {
    let reversed = |list: &[(String, bool)]| list.iter().rev().cloned().collect();
    let other = Lists {
        hosts: reversed(&lists.hosts),
        addresses: reversed(&lists.addresses),
        ports: reversed(&lists.ports),
        paths: reversed(&lists.paths),
        nat64: lists.nat64.iter().rev().cloned().collect(),
    };
    let other = Policy::of_module("", &other.settings(), None, None).expect("it has rules");
    for question in [
        *question,
        Question { host: question.host, ..Question::default() },
        Question { address: question.address, ..Question::default() },
        Question { port: question.port, ..Question::default() },
        Question { path: question.path, ..Question::default() },
    ] {
        let is_allowed = |policy: &Policy| policy.judge(&question).is_ok();
        assert_eq!(is_allowed(&other), is_allowed(policy), "{question:?} {lists:?}");
    }
}
