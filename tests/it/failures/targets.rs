//! Targets without a valid host name: no name server is queried.

use probe_exporter::diagnostics::{Reason, Stage};

use super::{
    formats::check,
    row::{Row, module, row, web},
};
use crate::fixtures::http::redirect;

#[test]
fn invalid_host_names_are_reported() {
    check(&rows());
}

pub(super) fn rows() -> Vec<Row> {
    const URL: &str = "is not a host name or an IP address: it is a URL; write 127.0.0.1";
    const NUMBERS: &str =
        "all its labels are numbers; an IPv4 address has four numbers from 0 to 255";
    const STAR: &str = "it contains '*'; a host name has letters, digits, '-', '_' and '.'";
    let dns = "query_name: example";
    let long = format!("{}.example:80", "a".repeat(64));
    let mut rows: Vec<_> = [
        ("an echo to a URL", "icmp", "", "http://127.0.0.1/", URL),
        ("an echo to a port", "icmp", "", "127.0.0.1:80", "it has a port; write 127.0.0.1"),
        ("an echo to brackets", "icmp", "", "[::1]", "only before a port or in a URL; write ::1"),
        ("an echo to a number", "icmp", "", "2130706433", NUMBERS),
        ("an echo to anybody", "icmp", "", "*", STAR),
        ("an echo to a network", "icmp", "", "10.0.0.0/8", "it contains '/'"),
        ("an echo to words", "icmp", "", "two words", "it contains ' '"),
        ("an echo by no interface", "icmp", "", "fe80::1%nope", "no network interface \"nope\""),
        ("an echo to a mistaken name", "icmp", "", "a\u{2100}.test", "(IDNA)"),
        ("a name server in brackets", "dns", dns, "[::1]", "write ::1"),
        ("a name server by URL", "dns", dns, "udp://127.0.0.1:53", URL),
        ("a name server by URL without a port", "dns", dns, "https://127.0.0.1", URL),
        ("a name server with a hash", "dns", dns, "127.0.0.1#53", "it contains '#'"),
        ("no name server at all", "dns", dns, ":53", "the host is missing"),
        ("a connection to a URL", "tcp", "", "https://127.0.0.1", "it is a URL; write host:port"),
        ("a connection to too much", "tcp", "", "10.0.0.256:80", NUMBERS),
        ("a connection to too little", "tcp", "", "1.2.3:80", NUMBERS),
        ("a connection to a hexadecimal number", "tcp", "", "0x7f.1:80", NUMBERS),
        ("a name in parts of nothing", "tcp", "", "a..b:80", "it has an empty label"),
        ("a name with a long part", "tcp", "", &long, "a label of more than 63 bytes"),
        ("a name with a hyphen", "tcp", "", "-a.test:80", "starts or ends with '-'"),
        (
            "a call by another scheme",
            "grpc",
            "",
            "dns:///h:1",
            "its scheme is \"dns\"; write http://",
        ),
        ("a call to anybody", "grpc", "", "*.test:1", STAR),
        ("no name at all", "grpc", "", ":80", "the host is missing"),
        ("an upgrade of a number", "websocket", "", "ws://10.0.0.256/", NUMBERS),
        (
            "a page by another scheme",
            "http",
            "",
            "ftp://h/",
            "its scheme is \"ftp\"; write http://",
        ),
        (
            "a page with a slash too few",
            "http",
            "",
            "http:/h/",
            "begins with \"http:/\"; write http://",
        ),
        ("a page of a number", "http", "", "http://2130706433/", NUMBERS),
        ("a page of nobody", "http", "", "http:///path", "the host is missing"),
        ("a socket by URL", "unix", "", "unix:///run/x", "only the path of the socket"),
    ]
    .into_iter()
    .map(|(what, prober, keys, target, words)| {
        let place = (Stage::Target, Reason::InvalidTarget);
        row(what, module(prober, keys), target, place, words)
    })
    .collect();
    rows.push(row(
        "a redirect to a number",
        module("http", ""),
        web(redirect("http://10.0.0.256/")),
        (Stage::Response, Reason::InvalidRedirect),
        "\"10.0.0.256\" is not a host name",
    ));
    rows
}
