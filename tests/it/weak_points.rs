//! The weak points of `blackbox_exporter`, by the numbers in the names of tests.

use std::{fs, path::Path};

use crate::source;

/// Faults of `blackbox_exporter`, which are fixed here, or kept where existing modules depend on them.
const WEAK_POINTS: [(&str, &str); 18] = [
    ("w1", "gRPC and websocket probes outlast their deadline"),
    ("w2", "OAuth2 tokens are fetched anew for each probe, and past its deadline"),
    ("w3", "gRPC probes connect to another address than the one they report"),
    ("w4", "HTTP/3 ignores the chosen address, credentials, headers and proxies"),
    ("w5", "a redirect to the same host drops credentials and shows the address"),
    ("w6", "modules that can be written crash the probe"),
    ("w7", "patterns over a body leave nothing of it to CEL"),
    ("w8", "dialogues need bytes in one piece, lose some, and add a line feed to binary data"),
    ("w9", "a target is decoded once too often"),
    ("w10", "names in no_proxy never match"),
    ("w11", "fail_if_all_match_regexp does the opposite of its name (kept)"),
    ("w12", "the last address is the fallback, and not the first"),
    ("w13", "the TLS server name keeps the port of the Host header"),
    ("w14", "without verification the chain ends in the year 1"),
    ("w15", "gRPC without its section knows IPv6 alone"),
    ("w16", "the body of a redirect that is not followed is never read"),
    ("w17", "a missing header fails the rule that it must not match (kept)"),
    ("w18", "a short scrape timeout makes probes longer than the scrape"),
];

#[test]
fn each_weak_point_has_a_test_with_its_number() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let files = ["src", "tests"].map(|folder| source::rust_files(&root.join(folder))).concat();
    let sources: Vec<_> = files.iter().map(|file| fs::read_to_string(file).unwrap()).collect();
    for (number, what) in WEAK_POINTS {
        let test = format!("fn {number}_");
        assert!(sources.iter().any(|source| source.contains(&test)), "{number}: {what}");
    }
}
