//! The languages inside modules, patterns and CEL, compared with the results of `blackbox_exporter`
//! 0.28.0.
//!
//! `data/dialects/` has a table for each: a line is a JSON list of the text, its input and the
//! result. `make parity BLACKBOX=<its binary>` compares them again, and with RECORD=1
//! records them again.

mod cel;
mod patterns;

use std::{
    ffi::OsString,
    fs,
    io::{Read as _, Write as _},
    net::SocketAddr,
    path::Path,
    process::{Command, Stdio},
};

use serde::{Serialize, de::DeserializeOwned};
use test_fixtures::{Missing, skip};

use crate::harness;

const DATA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/data/dialects");

/// Returns the lines of a table. Results that are not recorded yet may be missing.
fn table<T: DeserializeOwned>(name: &str) -> Vec<T> {
    let text = fs::read_to_string(format!("{DATA}/{name}")).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn write_table<T: Serialize>(name: &str, lines: &[T]) {
    let text: String =
        lines.iter().map(|line| serde_json::to_string(line).unwrap() + "\n").collect();
    fs::write(format!("{DATA}/{name}"), text).unwrap();
}

/// Returns the binary to compare with and whether to record its results.
fn upstream() -> Option<(OsString, bool)> {
    let binary = std::env::var_os("BLACKBOX");
    if binary.is_none() {
        skip(Missing::Upstream, "BLACKBOX=<binary of blackbox_exporter 0.28.0> is not set");
    }
    Some((binary?, std::env::var_os("RECORD").is_some()))
}

/// Returns a map of modules as YAML. JSON is valid YAML.
fn configuration(modules: impl Iterator<Item = (String, serde_json::Value)>) -> String {
    let modules: serde_json::Map<_, _> = modules.collect();
    serde_json::json!({ "modules": modules }).to_string()
}

/// Checks that `blackbox_exporter` loads a configuration.
fn loads(binary: &Path, configuration: &str, folder: &Path) -> bool {
    let file = folder.join("check.yml");
    fs::write(&file, configuration).unwrap();
    Command::new(binary)
        .args(["--config.check", "--config.file"])
        .arg(file)
        .stderr(Stdio::null())
        .status()
        .unwrap()
        .success()
}

/// Returns the metrics of one probe by `blackbox_exporter`.
fn ask(exporter: SocketAddr, module: &str, target: &str) -> String {
    let query = url::form_urlencoded::Serializer::new(String::new())
        .append_pair("module", module)
        .append_pair("target", target)
        .finish();
    let mut stream = harness::connect(exporter);
    write!(stream, "GET /probe?{query} HTTP/1.0\r\nHost: {exporter}\r\n\r\n").unwrap();
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).unwrap();
    harness::Answer::parse(&bytes).text()
}
