//! Tests that need a thing that a machine may lack.

use std::{
    collections::BTreeSet,
    env, fs,
    io::{self, Write as _},
    sync::Mutex,
};

/// The lines that were shown, since many tests may miss the same thing.
static SHOWN: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

/// Something that a test needs and a machine may lack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Missing {
    /// The binary of `blackbox_exporter`, which `make parity` compares with.
    Upstream,
    /// The right to make namespaces and control groups, which `make root-tests` has.
    Root,
    /// IPv6 on the loopback interface.
    Ipv6,
    /// The right to send ICMP packets.
    Icmp,
    /// The library that replaces the clock of a process (package faketime).
    Faketime,
    /// haproxy or nginx, which check the configurations of `examples`.
    LoadBalancer,
    /// man or mandoc, which check the manual page.
    Man,
}

/// Says that a test is skipped, or a part of it.
///
/// # Panics
///
/// If the environment variable `STRICT` is set, as it is in CI, unless CI has another place for the
/// test: it runs `make root-tests` besides, and has no `blackbox_exporter`.
#[track_caller]
pub fn skip(missing: Missing, why: &str) {
    let is_strict = env::var_os("STRICT").is_some_and(|value| !value.is_empty());
    assert!(!is_strict || is_expected(missing), "skipped with STRICT set: {missing:?}: {why}");
    let line = format!("SKIPPED for want of {missing:?}: {why}\n");
    if SHOWN.lock().unwrap().insert(line.clone()) {
        // Unlike `println!`, this is shown for tests that succeed, too.
        io::stderr().write_all(line.as_bytes()).unwrap();
    }
}

fn is_expected(missing: Missing) -> bool {
    match missing {
        Missing::Upstream => true,
        Missing::Root => !may_administrate(),
        Missing::Ipv6
        | Missing::Icmp
        | Missing::Faketime
        | Missing::LoadBalancer
        | Missing::Man => false,
    }
}

/// Checks for the capability `CAP_SYS_ADMIN`, which root lacks in most containers.
fn may_administrate() -> bool {
    const CAP_SYS_ADMIN: u32 = 21;
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let capabilities = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    let capabilities = capabilities.and_then(|text| u64::from_str_radix(text.trim(), 16).ok());
    capabilities.is_some_and(|bits| bits >> CAP_SYS_ADMIN & 1 == 1)
}
