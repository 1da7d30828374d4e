//! Redirects: their targets, and the headers that follow.

use super::module;
use crate::{
    fixtures::http::{Asked, RunningHttpServer, http, ok, redirect, status},
    probing::{Probed, failed, probe},
};

/// Probes a server that redirects once to `location` with this status, and then returns 200.
async fn chain(keys: &str, code: u16, location: &str) -> (Probed, RunningHttpServer) {
    let first = status(code).header("Location", location);
    let server = http([first, ok("fine")]).start().await;
    let probed = probe(&module(keys), format!("http://{}/first", server.address)).await;
    (probed, server)
}

#[tokio::test]
async fn a_redirect_is_followed_with_the_right_method_body_and_headers() {
    for (code, line, body) in [
        (301, "GET /next", ""),
        (302, "GET /next", ""),
        (303, "GET /next", ""),
        (307, "POST /next", "a=1"),
        (308, "POST /next", "a=1"),
    ] {
        let keys = "method: POST, body: a=1, headers: {Content-Type: text/plain}";
        let (probed, server) = chain(keys, code, "/next").await;
        probed.expect(&["probe_success 1", "probe_http_redirects 1", "probe_http_status_code 200"]);
        let [first, second]: [Asked; 2] = server.asked().try_into().unwrap();
        assert_eq!(first.body, b"a=1");
        assert_eq!(second.line(), line, "{code}");
        assert_eq!(second.body, body.as_bytes(), "{code}");
        assert_eq!(second.header("Content-Type").is_empty(), body.is_empty(), "{code}");
        assert_eq!(second.header("Host"), server.address.to_string());
        assert_eq!(second.header("Referer"), format!("http://{}/first", server.address));
    }
}

#[tokio::test]
async fn a_redirect_that_is_not_followed_is_the_response() {
    let server = http([redirect("/next")]).start().await;
    let keys = "follow_redirects: false, valid_status_codes: [302]";
    let probed = probe(&module(keys), server.address).await;
    probed.expect(&["probe_success 1", "probe_http_redirects 1", "probe_http_status_code 302"]);
    let probed = probe(&module("follow_redirects: false"), server.address).await;
    probed.expect(&["probe_success 0", &failed("check", "status")]);
}

#[tokio::test]
async fn w16_the_body_of_a_redirect_that_is_not_followed_is_checked() {
    let server = http([status(302).header("Location", "/next").body("go away")]).start().await;
    let keys = "follow_redirects: false, valid_status_codes: [302], \
                fail_if_body_not_matches_regexp: ['^go away$']";
    let probed = probe(&module(keys), server.address).await;
    probed.expect(&["probe_success 1", "probe_http_uncompressed_body_length 7"]);
}

#[tokio::test]
async fn a_loop_ends_at_the_eleventh_redirect() {
    let server = http([redirect("/again")]).start().await;
    let probed = probe(&module(""), server.address).await;
    probed.expect(&[
        "probe_success 0",
        "probe_http_redirects 11",
        "probe_http_status_code 302",
        &failed("response", "too_many_redirects"),
    ]);
    assert_eq!(server.asked().len(), 11);
}

#[tokio::test]
async fn a_redirect_without_a_location_is_final() {
    for answer in [status(302), status(302).header("Location", ""), status(300), status(304)] {
        let server = http([answer]).start().await;
        let probed = probe(&module(""), server.address).await;
        probed.expect(&["probe_http_redirects 0", &failed("check", "status")]);
        assert_eq!(server.asked().len(), 1);
    }
}

#[tokio::test]
async fn an_invalid_redirect_fails_without_a_response() {
    let invalid = failed("response", "invalid_redirect");
    for (location, redirects, sample) in [
        ("http://[::1", 0, &invalid),
        ("ftp://127.0.0.1/", 1, &invalid),
        ("mailto:somebody", 1, &invalid),
        ("http:///path", 1, &invalid),
        ("http://10.0.0.256/", 1, &invalid),
        ("http://*/", 1, &invalid),
        ("http://a..b/", 1, &invalid),
        ("http://127.0.0.1:0/", 1, &failed("connect", "refused")),
        ("http://host.invalid/", 1, &failed("resolve", "no_such_name")),
    ] {
        let (probed, server) = chain("", 302, location).await;
        let redirects = format!("probe_http_redirects {redirects}");
        let expected = ["probe_success 0", "probe_http_status_code 0", &redirects];
        probed.expect(&expected);
        if !location.contains("host.invalid") {
            // Without a network, a resolver fails with another reason.
            probed.expect(&[sample]);
        }
        assert_eq!(server.asked().len(), 1, "{location}");
    }
}

#[tokio::test]
async fn w5_credentials_and_cookies_stay_with_the_name() {
    let keys = "basic_auth: {username: user, password: secret}, headers: {Cookie: a=1, X-Kept: b}";
    for (target, location, kept) in [
        ("localhost", "http://localhost", true),
        ("localhost", "http://127.0.0.1", false),
        ("127.0.0.1", "http://127.0.0.1", true),
        ("127.0.0.1", "http://localhost", false),
    ] {
        let second = http([ok("fine")]).start().await;
        let location = format!("{location}:{}/", second.address.port());
        let first = redirect(location.as_str()).header("Set-Cookie", "c=2; Path=/");
        let first = http([first]).start().await;
        let port = first.address.port();
        let probed = probe(&module(keys), format!("http://{target}:{port}/")).await;
        probed.expect(&["probe_success 1"]);
        let asked = &second.asked()[0];
        let expected = if kept { ("Basic dXNlcjpzZWNyZXQ=", "a=1; c=2") } else { ("", "") };
        let found = (asked.header("Authorization"), asked.header("Cookie"));
        assert_eq!((found.0.as_str(), found.1.as_str()), expected, "{target} to {location}");
        assert_eq!(asked.header("X-Kept"), "b");
        assert_eq!(asked.header("Referer"), format!("http://{target}:{port}/"));
    }
}

#[tokio::test]
async fn the_host_header_of_the_module_is_kept_for_relative_redirects_only() {
    let keys = "headers: {Host: named.example}";
    let (_, server) = chain(keys, 302, "/next").await;
    assert_eq!(server.asked()[1].header("Host"), "named.example");

    let second = http([ok("fine")]).start().await;
    let first = http([redirect(format!("http://{}/", second.address))]).start().await;
    probe(&module(keys), first.address).await.expect(&["probe_success 1"]);
    assert_eq!(second.asked()[0].header("Host"), second.address.to_string());
}

#[tokio::test]
async fn a_body_from_a_file_is_not_sent_twice() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("body");
    std::fs::write(&file, "once").unwrap();
    let keys = format!("method: POST, body_file: {}", file.display());
    let (probed, server) = chain(&keys, 307, "/next").await;
    probed.expect(&["probe_http_redirects 0", "probe_http_status_code 307"]);
    assert_eq!(server.asked().len(), 1);
    let (probed, server) = chain(&keys, 303, "/next").await;
    probed.expect(&["probe_success 1", "probe_http_redirects 1"]);
    assert_eq!(server.asked()[1].line(), "GET /next");
}
