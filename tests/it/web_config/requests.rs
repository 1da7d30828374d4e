//! Requests under a web config file: rate limit, headers, users.

use super::{Web, login, users};
use crate::harness::Exporter;

#[test]
fn every_path_requires_a_login() {
    let web = Web::new();
    let exporter = web.start(&users("alice", "secret"));
    let (right, wrong) = (super::basic("alice", "secret"), super::basic("alice", "guess"));
    for path in ["/", "/-/healthy", "/metrics", "/config", "/logs", "/probe", "/nonexistent"] {
        for headers in [&[][..], &[("Authorization", wrong.as_str())]] {
            let answer = exporter.request("GET", path, headers);
            assert_eq!((answer.status, answer.text().as_str()), (401, "Unauthorized\n"), "{path}");
            assert_eq!(answer.header("www-authenticate"), Some("Basic"), "{path}");
        }
        let answer = exporter.request("GET", path, &[("Authorization", &right)]);
        assert_ne!(answer.status, 401, "{path}");
    }
    assert_eq!(exporter.request("POST", "/-/reload", &[]).status, 401);
    for (user, password) in [("bob", "secret"), ("", ""), ("alice", ""), ("Alice", "secret")] {
        assert_eq!(login(&exporter, user, password), 401, "{user}:{password}");
    }
}

#[test]
fn configured_headers_are_in_every_response() {
    let web = Web::new();
    let text = users("alice", "secret")
        + "http_server_config:\n  headers:\n    X-Frame-Options: deny\n    \
           Content-Security-Policy: default-src 'self'\n";
    let exporter = web.start(&text);
    let right = super::basic("alice", "secret");
    for (path, headers) in [
        ("/", &[][..]),
        ("/-/healthy", &[("Authorization", right.as_str())]),
        ("/nonexistent", &[("Authorization", right.as_str())]),
    ] {
        let answer = exporter.request("GET", path, headers);
        assert_eq!(answer.header("x-frame-options"), Some("deny"), "{path}");
        assert_eq!(answer.header("content-security-policy"), Some("default-src 'self'"), "{path}");
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{path}");
    }
    let page = exporter.request("GET", "/", &[("Authorization", &right)]);
    let policy = page.header("content-security-policy").unwrap();
    assert!(policy.contains("nonce"), "a page knows better: {policy}");
}

/// As in upstream, before the login is checked and without the configured headers.
#[test]
fn more_requests_than_the_limit_are_refused() {
    let web = Web::new();
    let exporter = web.start(
        &(users("alice", "secret")
            + "rate_limit: {interval: 1h, burst: 3}\n\
               http_server_config: {headers: {X-Frame-Options: deny}}\n"),
    );
    let statuses: Vec<_> = (0..5).map(|_| exporter.get("/").status).collect();
    assert_eq!(statuses, [401, 401, 401, 429, 429]);
    let refused = exporter.get("/");
    assert_eq!(refused.text(), "Too Many Requests\n");
    assert_eq!(refused.header("x-frame-options"), None);
}

#[test]
fn the_rate_limit_admits_requests_again_after_its_interval() {
    let web = Web::new();
    let exporter = web.start("rate_limit: {interval: 200ms, burst: 1}\n");
    crate::harness::eventually("a token", || exporter.get("/").status == 200);
    crate::harness::eventually("it is used up", || exporter.get("/").status == 429);
    crate::harness::eventually("the next token", || exporter.get("/").status == 200);
}

#[test]
fn an_empty_file_requires_neither_tls_nor_login() {
    let web = Web::new();
    for text in ["", "# nothing\n", "tls_server_config:\n", "basic_auth_users: {}\n"] {
        let exporter: Exporter = web.start(text);
        assert_eq!(exporter.get("/-/healthy").status, 200, "{text:?}");
        let metrics = exporter.own_metrics();
        metrics.expect(&[
            "probe_exporter_web_config_last_reload_successful 1",
            "probe_exporter_web_config_failed_reloads_total 0",
        ]);
    }
    let exporter = Exporter::start(super::MODULES);
    let metrics = exporter.own_metrics();
    let names = metrics.names();
    assert!(!names.iter().any(|name| name.contains("web_config")), "{names:?}");
}
