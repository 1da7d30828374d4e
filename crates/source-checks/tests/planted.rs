//! The reader of imports finds what is planted in source texts, in every form that Rust has for it.

use std::path::Path;

use source_checks::{
    Crate, Target, against_layers, circles, foreign_uses, has_empty_name, mentions_unsafe,
    siblings_that_meet, sockets_elsewhere, wordings,
};

/// Reads a crate from the texts of its files.
fn read(files: &[(&str, &str)]) -> Crate {
    Crate::from_texts("planted", &|path| {
        let found = files.iter().find(|(name, _)| Path::new(name) == path);
        found.map(|(_, text)| (*text).to_owned())
    })
}

/// The layers that the planted violations are about: `upper` uses `lower`, never the other way.
const LIB: &str = "mod lower; mod upper;";
const UPPER: &str =
    "pub mod deep; pub struct Upper; pub fn make() {} pub mod inner { pub struct Inner; }";

/// Returns the modules that define what a file uses from the crate.
fn targets(krate: &Crate, file: &str) -> Vec<String> {
    let uses = krate.uses().into_iter().filter(|it| it.file == Path::new(file));
    let mut targets: Vec<_> = uses
        .filter_map(|it| match it.target {
            Target::Own(path) => Some(path.join("::")),
            Target::External => None,
        })
        .collect();
    targets.dedup();
    targets
}

#[track_caller]
fn assert_uses(lower: &str, expected: &str) {
    let files = [
        ("lib.rs", LIB),
        ("lower/mod.rs", "mod part; pub(crate) mod sibling;"),
        ("lower/part.rs", lower),
        ("lower/sibling.rs", "pub(crate) struct Sibling;"),
        ("upper/mod.rs", UPPER),
        ("upper/deep.rs", "pub struct Deep;"),
    ];
    let targets = targets(&read(&files), "lower/part.rs");
    assert!(targets.iter().any(|it| it == expected), "{lower}: {expected} is not in {targets:?}");
}

#[test]
fn every_form_of_import_is_found() {
    for (code, expected) in [
        ("use crate::upper::Upper;", "upper"),
        ("use crate::upper;", "upper"),
        ("use crate::upper as above;", "upper"),
        ("use crate::upper::{self, make};", "upper"),
        ("use crate::{lower::sibling::Sibling, upper::Upper};", "upper"),
        ("use crate::{lower::{sibling::{Sibling}}, upper::{deep::{Deep as D}}};", "upper::deep"),
        ("use {std::fmt, crate::upper::deep};", "upper::deep"),
        ("use crate::upper::*;", "upper"),
        ("pub(crate) use crate::upper::Upper;", "upper"),
        ("pub use super::super::upper::deep::Deep;", "upper::deep"),
        ("use super::{super::upper::Upper, sibling::Sibling};", "upper"),
        ("use self::super::super::upper::Upper;", "upper"),
        ("use planted::upper::Upper;", "upper"),
        ("use crate as root; use root::upper::Upper;", "upper"),
        ("mod inline { use super::super::super::upper::Upper; }", "upper"),
        ("mod inline { use crate::{upper::inner::Inner}; }", "upper::inner"),
        ("fn inside() { use crate::upper::Upper; }", "upper"),
        ("use super::sibling::Sibling;", "lower::sibling"),
    ] {
        assert_uses(code, expected);
    }
}

#[test]
fn every_form_of_path_in_code_is_found() {
    for (code, expected) in [
        ("fn inside() { crate::upper::make(); }", "upper"),
        ("fn inside() { super::super::upper::deep::Deep; }", "upper::deep"),
        ("fn inside(it: &crate::upper::Upper) {}", "upper"),
        ("fn inside() -> Option<Vec<crate::upper::Upper>> { None }", "upper"),
        ("struct It { field: crate::upper::Upper }", "upper"),
        ("impl From<crate::upper::Upper> for u8 {}", "upper"),
        ("fn inside<T: crate::upper::Upper>() {}", "upper"),
        ("fn inside() { <u8 as crate::upper::Upper>::make(); }", "upper"),
        ("fn inside() { match 1 { crate::upper::deep::Deep => {} } }", "upper::deep"),
        ("fn inside() { let _ = || async { crate::upper::make() }; }", "upper"),
        ("use crate::upper; fn inside() { upper::deep::Deep; }", "upper::deep"),
        ("use crate::upper as above; fn inside() { above::deep::Deep; }", "upper::deep"),
        ("use crate::*; fn inside() { upper::deep::Deep; }", "upper::deep"),
        ("fn inside() { println!(\"{}\", crate::upper::make()); }", "upper"),
        ("fn inside() { vec![(1, [crate::upper::deep::Deep])]; }", "upper::deep"),
        ("macro_rules! planted { () => { $crate::upper::make() } }", "upper"),
        ("macro_rules! planted { () => { use crate::{upper::{deep::Deep}}; } }", "upper::deep"),
        ("crate::upper::planted!();", "upper"),
        ("#[derive(crate::upper::Upper)] struct It;", "upper"),
        ("struct It { #[serde(with = \"crate::upper::deep\")] field: u8 }", "upper::deep"),
        ("#[cfg(not(test))] fn inside() { crate::upper::make(); }", "upper"),
        ("#[cfg(any(test, fuzzing))] fn inside() { crate::upper::make(); }", "upper"),
    ] {
        assert_uses(code, expected);
    }
}

#[test]
fn tests_comments_and_strings_use_nothing() {
    for code in [
        "#[cfg(test)] mod tests { use crate::upper::Upper; }",
        "#[cfg(test)] use crate::upper::Upper;",
        "#[cfg(all(test, unix))] fn inside() { crate::upper::make(); }",
        "#[test] fn inside() { crate::upper::make(); }",
        "struct It; impl It { #[cfg(test)] fn inside() { crate::upper::make(); } }",
        "/// Like [`crate::upper::Upper`].\n//! crate::upper::make\nfn inside() { \"crate::upper::make\"; }",
        "pub(in crate::lower) struct It;",
        "use std::upper::Upper;",
    ] {
        let code = code.replace("\n//!", "\n//");
        let files =
            [("lib.rs", LIB), ("lower.rs", &code), ("upper/mod.rs", UPPER), ("upper/deep.rs", "")];
        let targets = targets(&read(&files), "lower.rs");
        assert!(targets.iter().all(|it| !it.starts_with("upper")), "{code}: {targets:?}");
    }
}

#[test]
fn a_reexport_leads_to_the_file_that_defines_the_item() {
    let files = [
        ("lib.rs", "mod a; mod b; mod c;"),
        ("a.rs", "use crate::b::Item; fn inside() { crate::b::globbed::Thing; crate::c::Named; }"),
        ("b/mod.rs", "mod deep; pub(crate) mod globbed; pub(crate) use deep::Item;"),
        ("b/deep.rs", "pub(crate) struct Item;"),
        ("b/globbed.rs", "pub(crate) use self::under::*; mod under { pub(crate) struct Thing; }"),
        ("c.rs", "pub(crate) use crate::b::Item as Named;"),
    ];
    let krate = read(&files);
    assert_eq!(targets(&krate, "a.rs"), ["b::deep", "b::globbed::under", "b::deep"]);
    let edges: Vec<_> = krate.edges().into_keys().collect();
    let edge = |from: &str, to: &str| (from.into(), to.into());
    assert_eq!(edges, [edge("a.rs", "b/deep.rs"), edge("a.rs", "b/globbed.rs")]);
}

#[test]
fn the_binary_uses_its_library_by_name() {
    let files = [
        ("lib.rs", LIB),
        ("lower.rs", ""),
        ("upper/mod.rs", UPPER),
        ("upper/deep.rs", ""),
        ("main.rs", "mod own; use planted::upper::make; fn main() { crate::own::run() }"),
        ("own.rs", "pub fn run() {}"),
    ];
    assert_eq!(targets(&read(&files), "main.rs"), ["main::own", "upper"]);
}

#[test]
fn other_crates_are_told_from_modules() {
    let code =
        "use actix_web as web; extern crate actix_http as http; fn f() { ::actix_rt::spawn(); }";
    let files = [("lib.rs", "mod a;"), ("a.rs", code)];
    let uses = read(&files).uses();
    let external: Vec<_> = uses.iter().filter(|it| it.target == Target::External).collect();
    let names: Vec<_> = external.iter().map(|it| it.path[0].as_str()).collect();
    assert_eq!(names, ["actix_http", "actix_rt", "actix_web"]);
}

/// Returns the files of the circles among these files, each with its code.
fn circular(files: &[(&str, &str)]) -> Vec<Vec<String>> {
    let groups = circles(&read(files).edges());
    let files = |edges: Vec<(std::path::PathBuf, _)>| {
        let mut files: Vec<_> = edges
            .into_iter()
            .map(|(from, _): (_, std::path::PathBuf)| from.display().to_string())
            .collect();
        files.dedup();
        files
    };
    groups.into_iter().map(|group| files(group.into_keys().collect())).collect()
}

#[test]
fn circles_are_found() {
    let two = [
        ("lib.rs", "mod a; mod b;"),
        ("a.rs", "use crate::{b::{B as Other}}; pub struct A;"),
        ("b.rs", "pub struct B; fn inside() { super::a::A; }"),
    ];
    assert_eq!(circular(&two), [["a.rs", "b.rs"]]);

    let three = [
        ("lib.rs", "mod a; mod b; mod c; mod apart;"),
        ("a.rs", "pub struct A; use crate::b::B;"),
        ("b.rs", "pub struct B; pub fn get() -> crate::c::C {}"),
        ("c.rs", "pub struct C; fn f() { println!(\"{:?}\", crate::a::A) }"),
        ("apart.rs", "use crate::a::A;"),
    ];
    assert_eq!(circular(&three), [["a.rs", "b.rs", "c.rs"]]);

    let through_a_reexport = [
        ("lib.rs", "mod a; mod b;"),
        ("a/mod.rs", "mod one; mod two; pub use one::One;"),
        ("a/one.rs", "pub struct One; use crate::b::B;"),
        ("a/two.rs", ""),
        ("b.rs", "pub struct B; use crate::a::One;"),
    ];
    assert_eq!(circular(&through_a_reexport), [["a/one.rs", "b.rs"]]);

    let through_the_parent = [
        ("lib.rs", "mod a;"),
        ("a/mod.rs", "mod one; mod two; pub struct Shared; fn f() { one::One; }"),
        ("a/one.rs", "pub struct One; use super::two::Two;"),
        ("a/two.rs", "pub struct Two; use super::Shared;"),
    ];
    assert_eq!(circular(&through_the_parent), [["a/mod.rs", "a/one.rs", "a/two.rs"]]);
}

#[test]
fn a_parent_and_its_child_may_use_each_other() {
    let files = [
        ("lib.rs", "mod a; mod b;"),
        ("a/mod.rs", "mod one; mod two; pub struct Shared; fn f() { one::One; two::Two; }"),
        ("a/one.rs", "pub struct One; use super::Shared;"),
        ("a/two/mod.rs", "pub struct Two; use super::Shared;"),
        ("b.rs", "use crate::a::Shared;"),
    ];
    assert!(circular(&files).is_empty());
}

#[test]
fn unsafe_code_is_found_and_its_ban_is_not() {
    for code in [
        "fn f() { unsafe { g() } }",
        "unsafe fn f() {}",
        "unsafe impl Send for X {}",
        "unsafe extern \"C\" {}",
        "fn f() { m!(1, { unsafe { g() } }) }",
        "#[allow(unsafe_code)] fn f() {}",
        "#![expect(dead_code, unsafe_code, reason = \"planted\")]",
    ] {
        assert!(mentions_unsafe(code), "{code}");
    }
    for code in
        ["#![forbid(unsafe_code)]", "#![deny(unsafe_code)]", "// unsafe\nfn f() { \"unsafe {}\" }"]
    {
        assert!(!mentions_unsafe(code), "{code}");
    }
}

#[test]
fn banned_wording_is_found() {
    let lines = |text: &str| wordings(text).iter().map(|it| it.line).collect::<Vec<_>>();
    assert_eq!(lines("//! What a file is.\n\n    /// Whether it is so.\nfn f() {}"), [1, 3]);
    assert_eq!(lines("/// How\n///\n/// Which\nfn f() {}\n///Where"), [1, 5]);
    assert_eq!(lines("/// Who's there.\n//\n/// Whoever."), [1, 3]);
    assert_eq!(
        lines("const MOST_BYTES: usize = 1;\n    pub(crate) static LARGEST: u8 = 1;"),
        [1, 2]
    );
    assert_eq!(
        lines("pub const LONGEST_LINE: u8 = 1;\nconst fn LEAST() {}\nconst MAX: u8 = 1;"),
        [1]
    );
    assert!(
        wordings("/// The number.\n/// What it means.\n// What\n/// However, Whatsoever")
            .is_empty()
    );
}

/// A crate of two layers with two probers, whose code is `lower`, `upper` and `tcp`.
fn layered(lower: &str, upper: &str, tcp: &str) -> Crate {
    read(&[
        ("lib.rs", "mod lower; mod probers; mod upper;"),
        ("lower.rs", lower),
        ("probers/mod.rs", "mod dns; mod shared; mod tcp; pub struct Contract; pub use dns::Dns;"),
        ("probers/dns.rs", "pub struct Dns;"),
        ("probers/shared.rs", "pub struct Shared;"),
        ("probers/tcp.rs", tcp),
        ("upper.rs", upper),
    ])
}

#[test]
fn an_import_against_the_layers_is_told() {
    const LAYERS: &[&[&str]] = &[&["lower"], &["probers"], &["upper"]];
    let told = |lower| against_layers(&layered(lower, "pub struct Upper;", ""), LAYERS);
    assert_eq!(told("use crate::{probers::{Contract}};"), ["lower.rs uses probers::Contract"]);
    assert_eq!(told("fn f() { super::upper::Upper; }"), ["lower.rs uses upper::Upper"]);
    assert!(told("use std::fmt; struct Own;").is_empty());
    let downwards = layered("pub struct Lower;", "use crate::{lower::Lower, probers::Dns};", "");
    assert!(against_layers(&downwards, LAYERS).is_empty());
    let of_one_row = against_layers(&downwards, &[&["lower", "upper"], &["probers"]]);
    assert_eq!(of_one_row, ["upper.rs uses lower::Lower", "upper.rs uses probers::Dns"]);
}

#[test]
fn a_prober_that_uses_another_is_told() {
    let told = |tcp| siblings_that_meet(&layered("", "", tcp), "probers", &["shared"]);
    for code in [
        "use crate::probers::{dns::Dns, shared::Shared};",
        "use super::{shared::Shared, dns::Dns as Other};",
        "use super::{Contract, Dns};",
        "fn f() { super::dns::Dns; }",
    ] {
        assert_eq!(told(code).len(), 1, "{code}: {:?}", told(code));
    }
    assert!(told("use super::{Contract, shared::Shared}; use crate::lower;").is_empty());
}

#[test]
fn a_crate_used_outside_of_its_layer_is_told() {
    let told = |lower, upper| foreign_uses(&layered(lower, upper, ""), "actix", "upper");
    for code in [
        "use actix_web::{App};",
        "use {std::fmt, actix_http::Request};",
        "use actix_service as service;",
        "fn f() { actix_server::Server; }",
        "fn f() { m!(actix_web::App) }",
        "extern crate actix_web;",
    ] {
        assert_eq!(told(code, "").len(), 1, "{code}");
        assert!(told("", code).is_empty(), "{code}");
    }
}

#[test]
fn a_socket_elsewhere_is_told() {
    let told = |lower| sockets_elsewhere(&layered(lower, "", ""), &["upper"]);
    for code in [
        "use tokio::net::TcpStream;",
        "use std::net::{IpAddr, UdpSocket as Datagrams};",
        "fn f() { std::os::unix::net::UnixStream::connect(path); }",
        "fn f() { std::net::TcpStream::connect_timeout(address, time); }",
        "fn f() { rustix::net::connect(socket, address); }",
        "fn f() { tokio::net::lookup_host(name); }",
        "use hyper_util::client::legacy::Client;",
    ] {
        assert_eq!(told(code).len(), 1, "{code}: {:?}", told(code));
    }
    for code in ["use std::net::SocketAddr;", "fn f() { context.connect(); }"] {
        assert_eq!(told(code), [""; 0], "{code}");
    }
}

#[test]
fn an_empty_name_is_told() {
    for file in ["src/utils.rs", "src/net/helpers/mod.rs", "src/common/dial.rs"] {
        assert!(has_empty_name(Path::new(file)), "{file}");
    }
    assert!(!has_empty_name(Path::new("src/net/dial.rs")));
}
