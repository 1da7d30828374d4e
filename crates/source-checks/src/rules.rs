//! Rules about which module may use which. Each returns the violations, for people to read.

use std::path::Path as FilePath;

use crate::krate::{Crate, Target};

/// Top-level modules use only those of earlier rows. Those of one row do not use each other.
///
/// # Panics
///
/// If a top-level module is in no row.
#[must_use]
pub fn against_layers(krate: &Crate, layers: &[&[&str]]) -> Vec<String> {
    let row = |name: &str| {
        let row = layers.iter().position(|row| row.contains(&name));
        row.unwrap_or_else(|| {
            panic!("{name} is in no layer; name it in LAYERS and ARCHITECTURE.md")
        })
    };
    violations(krate, |from, to| match (from.first(), to.first()) {
        (Some(from), Some(to)) => from != to && row(to) >= row(from),
        _ => false,
    })
}

/// The modules directly below `parent` do not use each other, except for those in `shared`.
#[must_use]
pub fn siblings_that_meet(krate: &Crate, parent: &str, shared: &[&str]) -> Vec<String> {
    violations(krate, |from, to| match (from, to) {
        ([first, from, ..], [second, to, ..]) => {
            first == parent && second == parent && from != to && !shared.contains(&to.as_str())
        }
        _ => false,
    })
}

/// Only the top-level module `owner` uses external crates whose name begins with `prefix`.
#[must_use]
pub fn foreign_uses(krate: &Crate, prefix: &str, owner: &str) -> Vec<String> {
    let uses = krate.uses().into_iter();
    uses.filter(|it| it.target == Target::External)
        .filter(|it| it.module.first().is_none_or(|module| module != owner))
        .filter(|it| it.path.first().is_some_and(|name| name.starts_with(prefix)))
        .map(|it| format!("{} uses {}", it.file.display(), it.path.join("::")))
        .collect()
}

/// Types of other crates that can connect to a peer or send to one, or ask a resolver. The streams of
/// `socket-timestamps` are not among them: the lint of `.clippy.toml` is about their method.
const SOCKETS: &[&str] = &[
    "Socket",
    "SockRef",
    "TcpSocket",
    "TcpStream",
    "ToSocketAddrs",
    "UdpSocket",
    "UnixDatagram",
    "UnixStream",
];

/// Functions of other crates that do so.
const CONNECTING: &[&str] =
    &["connect", "connect_addr", "lookup_host", "open_socket", "sendmsg", "sendto", "socket"];

/// Crates that make connections of their own.
const CLIENTS: &[&str] = &["hyper", "hyper_util", "awc", "reqwest", "ureq", "tonic", "tungstenite"];

/// Only `places`, which are files and folders, use what can connect to a peer.
#[must_use]
pub fn sockets_elsewhere(krate: &Crate, places: &[&str]) -> Vec<String> {
    let uses = krate.uses().into_iter().filter(|it| it.target == Target::External);
    let uses = uses.filter(|it| !places.iter().any(|place| it.file.starts_with(place)));
    uses.filter(|it| {
        let is_socket = it.path.iter().any(|name| SOCKETS.contains(&name.as_str()));
        let is_call = it.path.last().is_some_and(|name| CONNECTING.contains(&name.as_str()));
        is_socket || is_call || it.path.first().is_some_and(|name| CLIENTS.contains(&name.as_str()))
    })
    .map(|it| format!("{} uses {}", it.file.display(), it.path.join("::")))
    .collect()
}

/// File and folder names that say nothing about the content.
#[must_use]
pub fn has_empty_name(file: &FilePath) -> bool {
    const EMPTY: &[&str] =
        &["common", "helper", "helpers", "misc", "shared", "tools", "util", "utilities", "utils"];
    file.with_extension("")
        .components()
        .any(|part| EMPTY.iter().any(|name| part.as_os_str() == *name))
}

/// Looks at the module of the path as written, and at the one that it leads to through re-exports.
fn violations(krate: &Crate, is_wrong: impl Fn(&[String], &[String]) -> bool) -> Vec<String> {
    let mut found = Vec::new();
    for used in krate.uses() {
        if let Target::Own(defined) = &used.target
            && (is_wrong(&used.module, krate.module_of(&used.path))
                || is_wrong(&used.module, defined))
        {
            found.push(format!("{} uses {}", used.file.display(), used.path.join("::")));
        }
    }
    found
}
