//! The requests that targets receive.

use super::{module, phase};
use crate::{
    fixtures::http::{Asked, http, ok, without_exporter_id},
    probing::{failed, probe, probe_with},
};

/// Returns the request of a module for `/x`, with more parameters in the query.
async fn asked(keys: &str, query: &str) -> Asked {
    let server = http([ok("fine")]).start().await;
    let probed = probe_with(&module(keys), format!("http://{}/x", server.address), query).await;
    probed.expect(&["probe_success 1"]);
    let asked = server.asked();
    assert_eq!(asked.len(), 1, "one probe is one request");
    let [asked] = asked.try_into().unwrap();
    asked
}

#[tokio::test]
async fn a_plain_request_is_that_of_blackbox_exporter_with_an_id() {
    let server = http([ok("fine")]).start().await;
    probe("{prober: http}", format!("http://{}/a%252fb?c={{d}}%26e", server.address)).await;
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(
        without_exporter_id(&server.asked()[0].head),
        format!(
            "GET /a%2fb?c={{d}}&e HTTP/1.1\r\n\
             Host: {}\r\n\
             User-Agent: Blackbox-Exporter/{version}\r\n\
             Connection: close\r\n\r\n",
            server.address
        )
    );
}

#[tokio::test]
async fn headers_of_the_module_are_sorted_and_canonicalized() {
    let asked = asked(
        "headers: {x-two: b, ACCEPT-language: en, Host: named.example:1, X-Empty: '', \
         Content-Length: '5', Transfer-Encoding: chunked, Trailer: X, user-agent: custom/1}",
        "",
    )
    .await;
    assert_eq!(
        without_exporter_id(&asked.head),
        "GET /x HTTP/1.1\r\nHost: named.example:1\r\nUser-Agent: custom/1\r\n\
         Accept-Language: en\r\nX-Empty: \r\nX-Two: b\r\nConnection: close\r\n\r\n"
    );
}

#[tokio::test]
async fn headers_can_be_removed_and_connection_headers_kept() {
    let no_agent = asked("headers: {User-Agent: ''}", "").await;
    assert_eq!(no_agent.header("user-agent"), "");
    let upgrade = asked("headers: {Connection: Upgrade, Upgrade: websocket}", "").await;
    assert_eq!(upgrade.header("connection"), "Upgrade");
    let kept = asked("headers: {Connection: keep-alive}", "").await;
    assert_eq!(kept.header("connection"), "keep-alive|close");
}

#[tokio::test]
async fn added_headers_come_with_all_their_values() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("value");
    std::fs::write(&file, " three\n").unwrap();
    let keys = format!(
        "headers: {{X-List: zero}}, http_headers: \
         {{x-list: {{values: [one], secrets: [two], files: [{}]}}}}",
        file.display()
    );
    assert_eq!(asked(&keys, "").await.header("X-List"), "zero|one|two|three");
}

#[tokio::test]
async fn credentials_come_from_the_first_place_that_has_them() {
    let basic = "basic_auth: {username: user, password: secret}";
    let own = format!("headers: {{Authorization: Own x}}, {basic}");
    for (keys, user, expected) in [
        (basic, "", "Basic dXNlcjpzZWNyZXQ="),
        ("basic_auth: {username: user}", "", "Basic dXNlcjo="),
        (basic, "a%3Ab:c@", "Basic YTpiOmM="),
        (own.as_str(), "a:b@", "Own x"),
        ("authorization: {type: Token, credentials: abc}", "", "Token abc"),
        ("bearer_token: abc", "", "Bearer abc"),
    ] {
        let server = http([ok("fine")]).start().await;
        probe(&module(keys), format!("http://{user}{}/", server.address)).await;
        let asked = server.asked();
        assert_eq!(asked[0].header("Authorization"), expected, "{keys} {user}");
        assert_eq!(asked[0].header("Host"), server.address.to_string());
    }
}

#[tokio::test]
async fn the_hostname_of_the_request_is_the_host_header() {
    assert_eq!(asked("", "&hostname=named.example").await.header("Host"), "named.example");
}

#[tokio::test]
async fn body_lengths_are_announced_as_in_blackbox_exporter() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("body");
    std::fs::write(&file, "from a file").unwrap();
    let empty = directory.path().join("empty");
    std::fs::write(&empty, "").unwrap();
    let (file, empty) = (file.display(), empty.display());
    for (keys, length, encoding, body) in [
        (
            format!("method: POST, body_file: {file}"),
            "",
            "chunked",
            "b\r\nfrom a file\r\n0\r\n\r\n",
        ),
        (format!("body_file: {file}"), "", "chunked", "b\r\nfrom a file\r\n0\r\n\r\n"),
        (format!("method: POST, body_file: {empty}"), "", "chunked", "0\r\n\r\n"),
        (format!("body_file: {empty}"), "", "", ""),
        ("method: POST, body: a=1".to_owned(), "3", "", "a=1"),
        ("body: a=1".to_owned(), "3", "", "a=1"),
        ("method: PUT".to_owned(), "0", "", ""),
        ("method: DELETE".to_owned(), "", "", ""),
    ] {
        let asked = asked(&keys, "").await;
        assert_eq!(asked.header("Content-Length"), length, "{keys}");
        assert_eq!(asked.header("Transfer-Encoding"), encoding, "{keys}");
        assert_eq!(String::from_utf8(asked.body).unwrap(), body, "{keys}");
    }
}

#[tokio::test]
async fn unreadable_files_fail_as_in_blackbox_exporter() {
    let server = http([ok("fine")]).start().await;
    let unusable = failed("request", "unusable_file");
    let probed = probe(&module("body_file: /nonexistent/body"), server.address).await;
    probed.expect(&[
        "probe_success 0",
        &unusable,
        "!probe_http_duration_seconds{phase=\"connect\"}",
    ]);
    let probed =
        probe(&module("basic_auth: {username: a, password_file: /nonexistent/b}"), server.address)
            .await;
    probed.expect(&["probe_success 0", &unusable, &phase("connect"), "probe_http_status_code 0"]);
    assert!(server.asked().is_empty());
}

#[tokio::test]
async fn an_invalid_url_fails_before_name_resolution() {
    for target in ["http://[::1/", "http://a%20b/", "http://127.0.0.1:port/"] {
        let probed = probe("{prober: http}", target).await;
        probed.expect(&[
            &failed("target", "invalid_target"),
            "probe_http_status_code 0",
            "!probe_ip_protocol",
            "!probe_http_duration_seconds{phase=\"resolve\"}",
        ]);
    }
}

#[tokio::test]
async fn schemes_and_addresses_are_parsed_as_in_blackbox_exporter() {
    let server = http([ok("fine")]).start().await;
    for target in [server.address.to_string(), format!("HTTP://{}", server.address)] {
        probe("{prober: http}", target).await.expect(&["probe_success 1", "probe_http_ssl 0"]);
    }
    for target in ["ftp://host.invalid/", "http://"] {
        let probed = probe("{prober: http}", target).await;
        probed.expect(&["probe_success 0", "probe_ip_protocol 0", &phase("resolve")]);
    }
    let probed = probe("{prober: http}", "http://127.0.0.1:99999/").await;
    probed.expect(&["probe_success 0", "probe_ip_protocol 4", &phase("connect")]);
}
