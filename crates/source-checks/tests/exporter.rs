//! The rules for the modules of the exporter and of the crates in its workspace.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use source_checks::{
    Crate, Edges, against_layers, circles, foreign_uses, has_empty_name, mentions_unsafe,
    rust_files, siblings_that_meet, sockets_elsewhere,
};

/// The layers of ARCHITECTURE.md, lowest first. Modules of one row do not use each other.
const LAYERS: &[&[&str]] = &[
    &["compact", "blocking", "memory", "admission"],
    &["metrics"],
    &["scheduling"],
    &["settings", "diagnostics"],
    &["policy"],
    &["net"],
    &["probers"],
    &["config"],
    &["probe"],
    &["version", "logging"],
    &["server"],
    &["app"],
    &["cli"],
    &["main"],
];

/// Modules of `probers` that are no probers; several of them use these.
const SHARED_BY_PROBERS: &[&str] = &["findings", "query_response"];

/// Files and folders that may contain unsafe code.
const UNSAFE: &[&str] = &["crates/boring-ext/src", "crates/socket-timestamps/src/sys"];

/// The folder of the workspace.
fn root() -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    fs::canonicalize(folder).unwrap()
}

fn exporter() -> Crate {
    Crate::read("probe_exporter", &root(), Path::new("src"))
}

/// The exporter and the crates of the workspace.
fn crates() -> Vec<Crate> {
    let folders = fs::read_dir(root().join("crates")).unwrap().map(|entry| entry.unwrap().path());
    let mut crates: Vec<_> = folders
        .filter(|folder| folder.join("Cargo.toml").exists())
        .map(|folder| {
            let name = folder.file_name().unwrap().to_string_lossy().replace('-', "_");
            Crate::read(&name, &root(), &folder.strip_prefix(root()).unwrap().join("src"))
        })
        .collect();
    crates.push(exporter());
    crates
}

#[track_caller]
fn assert_none(violations: &[String], rule: &str) {
    assert!(violations.is_empty(), "{rule}:\n  {}\n", violations.join("\n  "));
}

#[test]
fn a_layer_uses_only_those_below_it() {
    assert_none(&against_layers(&exporter(), LAYERS), "a module uses one that is not below it");
}

#[test]
fn probers_do_not_use_each_other() {
    let violations = siblings_that_meet(&exporter(), "probers", SHARED_BY_PROBERS);
    assert_none(&violations, "a prober uses another");
}

/// Files and folders that may use sockets: those that ask the policy before a probe connects, those that
/// resolve names with the name servers of the operator, and those that have no peers of probes.
const SOCKETS: &[&str] = &[
    "src/net/connect",
    "src/probers/icmp/socket.rs",
    "src/net/resolve/server.rs",
    "src/net/resolve/operating_system.rs",
    // Looks up the index of an interface.
    "src/net/resolve/address.rs",
    // Creates the state of a connection, which does no input or output.
    "src/net/tls/quic_engine.rs",
    "src/server",
    "src/app",
];

#[test]
fn probes_connect_only_where_the_policy_is_asked() {
    let violations = sockets_elsewhere(&exporter(), SOCKETS);
    assert_none(&violations, "a socket where the policy is not asked");
}

/// Files that may permit themselves a method that `.clippy.toml` disallows.
const CONNECTING: &[&str] = &[
    "src/net/connect/dial.rs",
    "src/net/connect/failure.rs",
    "src/net/connect/unix_socket.rs",
    "src/net/resolve/server.rs",
    "src/probers/icmp/socket.rs",
    // Tests.
    "src/net/tls/tests/mod.rs",
    "src/server/pipelining/tests.rs",
];

#[test]
fn only_known_files_call_the_methods_that_connect() {
    let root = root();
    let is_known = |file: &Path| CONNECTING.iter().any(|known| file == Path::new(known));
    let permits = |file: &PathBuf| {
        let text = fs::read_to_string(root.join(file)).unwrap();
        text.contains("clippy::disallowed_methods")
    };
    let files = sources().into_iter().filter(|file| file.starts_with("src"));
    let found: Vec<_> = files.filter(|file| permits(file) && !is_known(file)).collect();
    let found: Vec<_> = found.iter().map(|file| file.display().to_string()).collect();
    assert_none(&found, "a file permits itself methods that .clippy.toml disallows");
    let lints = fs::read_to_string(root.join(".clippy.toml")).unwrap();
    for method in [
        "socket2::Socket::connect",
        "socket_timestamps::WireStream::connect",
        "tokio::net::TcpSocket::connect",
        "tokio::net::TcpStream::connect",
        "tokio::net::UnixStream::connect",
        "tokio::net::lookup_host",
    ] {
        assert!(lints.contains(&format!("\"{method}\"")), "{method} is allowed");
    }
}

#[test]
fn only_the_server_uses_actix() {
    let violations = foreign_uses(&exporter(), "actix", "server");
    assert_none(&violations, "actix is used outside of the server");
}

#[test]
fn unsafe_code_is_where_it_is_expected() {
    let mut found = Vec::new();
    for file in
        sources().iter().filter(|file| !file.ends_with("crates/source-checks/tests/planted.rs"))
    {
        if mentions_unsafe(&fs::read_to_string(root().join(file)).unwrap()) {
            found.push(file.display().to_string());
        }
    }
    found.retain(|file| !UNSAFE.iter().any(|place| Path::new(file).starts_with(place)));
    assert_none(&found, "unsafe code outside of the places in UNSAFE");
}

#[test]
fn files_do_not_use_each_other_in_a_circle() {
    let groups: Vec<Edges> = crates().iter().flat_map(|krate| circles(&krate.edges())).collect();
    let problems: Vec<_> = groups
        .iter()
        .map(|group| {
            let edges = group.iter().map(|((from, to), names)| {
                let names: Vec<_> = names.iter().map(String::as_str).collect();
                format!("{} -> {}: {}", from.display(), to.display(), names.join(", "))
            });
            edges.collect::<Vec<_>>().join("\n    ")
        })
        .collect();
    assert_none(&problems, "files use each other in a circle");
}

#[test]
fn names_of_files_say_something() {
    let files = sources();
    let violations: Vec<_> = files
        .iter()
        .filter(|file| has_empty_name(file))
        .map(|it| it.display().to_string())
        .collect();
    assert_none(&violations, "a name that says nothing");
}

/// The checks above see a file only if it is part of a crate.
#[test]
fn every_file_is_read_or_a_test() {
    let crates = crates();
    let read: BTreeSet<&Path> = crates.iter().flat_map(Crate::files).collect();
    let is_other = |file: &Path| {
        let is_tests_folder =
            file.starts_with("crates") && file.iter().nth(2).is_some_and(|it| it == "tests");
        is_tests_folder
            || file.ends_with("build.rs")
            || crates.iter().any(|krate| krate.is_test(file))
    };
    let missing: Vec<_> = sources()
        .iter()
        .filter(|file| !read.contains(file.as_path()) && !is_other(file))
        .map(|file| file.display().to_string())
        .collect();
    assert_none(&missing, "a file that no module declares");
}

/// The Rust files of `src` and of the crates, relative to the workspace.
fn sources() -> Vec<PathBuf> {
    let root = root();
    let files = ["src", "crates"].iter().flat_map(|folder| rust_files(&root.join(folder)));
    files.map(|file| file.strip_prefix(&root).unwrap().to_owned()).collect()
}
