//! Probes with OAuth2 tokens.

use std::{fs, io::Write as _, thread, time::Duration};

use boring::{pkey::PKey, rsa::Rsa};
use flate2::{Compression, write::GzEncoder};

use crate::{
    fixtures::{
        hostile::RUNTIME,
        http::{Answer, RunningHttpServer, http, ok, redirect, status},
        proxy::proxy,
        tls::{leaf, pki, server},
    },
    harness::Exporter,
    probing::failed,
};

const TOKEN_TIME: &str = "probe_oauth2_duration_seconds{phase=\"token\"}";

/// Returns a response with a token that expires after this number of seconds.
fn token(name: &str, seconds: i32) -> Answer {
    let body =
        format!(r#"{{"access_token": "{name}", "token_type": "bearer", "expires_in": {seconds}}}"#);
    ok(body).header("Content-Type", "application/json")
}

fn refusal() -> Answer {
    status(401).header("Content-Type", "application/json").body(r#"{"error": "invalid_client"}"#)
}

fn start(answers: impl IntoIterator<Item = Answer>) -> RunningHttpServer {
    RUNTIME.block_on(http(answers).start())
}

/// Starts an exporter with one module that uses this token server.
fn exporter(tokens: &RunningHttpServer, more: &str) -> Exporter {
    exporter_of(&format!("http://{}/token", tokens.address), more)
}

fn exporter_of(token_url: &str, more: &str) -> Exporter {
    Exporter::start(&format!(
        "modules: {{it: {{prober: http, timeout: 20s, http: {{oauth2: {{client_id: me, \
         client_secret: hidden, token_url: '{token_url}', {more}}}}}}}}}"
    ))
}

fn url(server: &RunningHttpServer) -> String {
    format!("http://{}/", server.address)
}

fn authorizations(server: &RunningHttpServer) -> Vec<String> {
    server.asked().iter().map(|asked| asked.header("Authorization")).collect()
}

#[test]
fn w2_a_token_is_kept_until_it_expires() {
    let target = start([ok("fine")]);
    let tokens = start([token("first", 3600), token("never", 3600)]);
    let exporter = exporter(&tokens, "scopes: [a, b]");
    for _ in 0..3 {
        exporter
            .probe("it", &url(&target))
            .expect(&["probe_success 1", &format!("{TOKEN_TIME} *")]);
    }
    assert_eq!(authorizations(&target), ["Bearer first"; 3]);
    let [asked]: [_; 1] = tokens.asked().try_into().unwrap();
    assert_eq!(asked.line(), "POST /token");
    assert_eq!(asked.header("Authorization"), "Basic bWU6aGlkZGVu");
    assert_eq!(asked.header("Content-Type"), "application/x-www-form-urlencoded");
    assert!(asked.header("User-Agent").starts_with("Blackbox-Exporter/"), "{}", asked.head);
    assert_eq!(asked.body, b"grant_type=client_credentials&scope=a+b");

    let expired = start([token("first", -1), token("second", 3600)]);
    let exporter = self::exporter(&expired, "");
    let target = start([ok("fine")]);
    for _ in 0..3 {
        exporter.probe("it", &url(&target)).expect(&["probe_success 1"]);
    }
    assert_eq!(authorizations(&target), ["Bearer first", "Bearer second", "Bearer second"]);
}

#[test]
fn w2_the_deadline_includes_the_token_request() {
    let target = start([ok("fine")]);
    let silent = start([Answer::default().hang(), token("t", 3600)]);
    let exporter = exporter(&silent, "");
    let short = [("X-Prometheus-Scrape-Timeout-Seconds", "3.5")];
    let probed = exporter.probe_with("it", &url(&target), "", &short);
    probed.expect(&["probe_success 0", &failed("request", "timeout")]);
    assert!(probed.value("probe_duration_seconds").unwrap() < 10.0, "{}", probed.text());
    assert!(probed.value("probe_overhead_seconds").unwrap() < 1.5, "{}", probed.text());
    assert!(probed.value(TOKEN_TIME).unwrap() > 1.5, "{}", probed.text());
    assert!(target.asked().is_empty());
    // The next probe is not affected.
    exporter.probe("it", &url(&target)).expect(&["probe_success 1"]);
}

#[test]
fn concurrent_probes_share_one_token() {
    // Also a token that has expired when it arrives.
    for lifetime in ["3600", "-1"] {
        let target = start([ok("fine")]);
        let body = format!("{{\"access_token\": \"t\", \"expires_in\": {lifetime}}}");
        let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n";
        let tokens = start([Answer::default()
            .wait(Duration::from_millis(500))
            .send(&(head.to_owned() + &body))]);
        let exporter = exporter(&tokens, "");
        thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    exporter.probe("it", &url(&target)).expect(&["probe_success 1"]);
                });
            }
        });
        assert_eq!(tokens.asked().len(), 1, "{lifetime}");
        assert_eq!(authorizations(&target), ["Bearer t"; 8]);
    }
}

#[test]
fn a_token_request_that_hangs_does_not_block_other_probes() {
    let target = start([ok("fine")]);
    let tokens = start([Answer::default().hang(), token("t", 3600)]);
    let exporter = exporter(&tokens, "");
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let probed = exporter.probe("it", &url(&target));
                probed.expect(&["probe_success 1"]);
                let taken = probed.value(TOKEN_TIME).unwrap();
                assert!((1.0..15.0).contains(&taken), "{}", probed.text());
            });
        }
    });
    assert_eq!(tokens.asked().len(), 2, "one that hangs, and one in its place");
}

#[test]
fn a_failed_token_request_is_shared_with_waiting_probes_and_not_cached() {
    let target = start([ok("fine")]);
    let slow = || {
        let head = "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n";
        Answer::default().wait(Duration::from_millis(500)).send(head)
    };
    let tokens = start([slow(), slow(), token("t", 3600)]);
    let exporter = exporter(&tokens, "");
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let probed = exporter.probe("it", &url(&target));
                probed.expect(&["probe_success 0", &failed("request", "token_refused")]);
            });
        }
    });
    assert_eq!(tokens.asked().len(), 2, "one in each style");
    exporter.probe("it", &url(&target)).expect(&["probe_success 1"]);
}

#[test]
fn the_authentication_style_of_a_server_is_detected_and_cached() {
    let target = start([ok("fine")]);
    let tokens = start([refusal(), token("t", -1)]);
    let exporter = exporter(&tokens, "");
    for _ in 0..2 {
        exporter.probe("it", &url(&target)).expect(&["probe_success 1"]);
    }
    let asked = tokens.asked();
    let in_params = "client_id=me&client_secret=hidden&grant_type=client_credentials";
    let bodies = asked.iter().map(|asked| String::from_utf8_lossy(&asked.body).into_owned());
    let expected = ["grant_type=client_credentials", in_params, in_params];
    assert_eq!(bodies.collect::<Vec<_>>(), expected);
    assert_eq!(authorizations(&tokens), ["Basic bWU6aGlkZGVu", "", ""]);
}

#[test]
fn a_user_in_the_url_is_sent_if_the_client_is_in_the_body() {
    let target = start([ok("fine")]);
    let tokens = start([refusal(), token("t", 3600)]);
    let exporter = exporter_of(&format!("http://a:b@{}/", tokens.address), "");
    exporter.probe("it", &url(&target)).expect(&["probe_success 1"]);
    assert_eq!(authorizations(&tokens), ["Basic bWU6aGlkZGVu", "Basic YTpi"]);
}

#[test]
fn an_unrequested_compression_is_accepted_within_the_size_limit() {
    let compressed = |text: &str| {
        let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
        gzip.write_all(text.as_bytes()).unwrap();
        ok(gzip.finish().unwrap()).header("Content-Encoding", "gzip")
    };
    let target = start([ok("fine")]);
    let tokens = start([
        compressed(&format!(r#"{{"access_token": "{}"}}"#, "t".repeat(100_000))),
        compressed("").body("no gzip"),
        compressed(r#"{"access_token": "t"}"#),
    ]);
    let exporter = exporter(&tokens, "");
    exporter.probe("it", &url(&target)).expect(&[&failed("request", "too_large")]);
    exporter.probe("it", &url(&target)).expect(&[&failed("request", "decompression")]);
    exporter.probe("it", &url(&target)).expect(&["probe_success 1"]);
    assert_eq!(authorizations(&target), ["Bearer t"]);
}

#[test]
fn a_rejected_token_is_not_used_again() {
    let target = start([ok("fine"), status(401), ok("fine")]);
    let tokens = start([token("first", 3600), token("second", 3600)]);
    let exporter = exporter(&tokens, "");
    exporter.probe("it", &url(&target)).expect(&["probe_success 1"]);
    exporter.probe("it", &url(&target)).expect(&["probe_success 0", "probe_http_status_code 401"]);
    exporter.probe("it", &url(&target)).expect(&["probe_success 1"]);
    assert_eq!(authorizations(&target), ["Bearer first", "Bearer first", "Bearer second"]);
}

#[test]
fn a_changed_secret_requests_a_new_token() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("secret");
    fs::write(&file, "one\n").unwrap();
    let target = start([ok("fine")]);
    let tokens = start([token("first", 3600), token("second", 3600)]);
    let exporter = Exporter::start(&format!(
        "modules: {{it: {{prober: http, http: {{oauth2: {{client_id: me, client_secret_file: '{}', \
         token_url: 'http://{}/'}}}}}}}}",
        file.display(),
        tokens.address
    ));
    exporter.probe("it", &url(&target)).expect(&["probe_success 1"]);
    exporter.probe("it", &url(&target)).expect(&["probe_success 1"]);
    fs::write(&file, "two\n").unwrap();
    exporter.probe("it", &url(&target)).expect(&["probe_success 1"]);
    assert_eq!(authorizations(&target), ["Bearer first", "Bearer first", "Bearer second"]);
    fs::remove_file(&file).unwrap();
    exporter.probe("it", &url(&target)).expect(&[&failed("request", "unusable_file")]);
}

#[test]
fn the_token_is_not_sent_to_another_host_and_replaces_other_credentials() {
    let elsewhere = start([ok("fine")]);
    let port = elsewhere.address.port();
    let target = start([redirect(format!("http://localhost:{port}/"))]);
    let tokens = start([token("t", 3600)]);
    let yaml = format!(
        "modules: {{it: {{prober: http, http: {{preferred_ip_protocol: ip4, headers: \
         {{Authorization: mine}}, oauth2: {{client_id: me, token_url: 'http://{}/'}}}}}}}}",
        tokens.address
    );
    let exporter = Exporter::start(&yaml);
    let address = format!("http://user:pass@{}/", target.address);
    exporter.probe("it", &address).expect(&["probe_success 1", "probe_http_redirects 1"]);
    assert_eq!(authorizations(&target), ["Bearer t"]);
    assert_eq!(authorizations(&elsewhere), [""]);
}

#[test]
fn an_assertion_is_sent_in_place_of_a_secret() {
    let key = PKey::from_rsa(Rsa::generate(2048).unwrap()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("key.pem");
    fs::write(&file, key.private_key_to_pem_pkcs8().unwrap()).unwrap();
    let target = start([ok("fine")]);
    let tokens = start([token("t", 3600)]);
    let exporter = exporter(
        &tokens,
        &format!(
            "grant_type: 'urn:ietf:params:oauth:grant-type:jwt-bearer', \
             client_certificate_key_file: '{}'",
            file.display()
        ),
    );
    exporter.probe("it", &url(&target)).expect(&["probe_success 1"]);
    let asked = tokens.asked();
    let body = String::from_utf8_lossy(&asked[0].body);
    assert!(body.starts_with("assertion=eyJ"), "{body}");
    assert!(body.ends_with("&grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer"));
    assert_eq!(asked[0].header("Authorization"), "");
}

#[test]
fn the_token_server_is_verified_with_its_own_tls_config() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: String| {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let target = start([ok("fine")]);
    let serve = |context| RUNTIME.block_on(http([token("t", 3600)]).over_tls(context).start());
    let of_server = pki(leaf("tokens.example"));
    let of_client = pki(leaf("client.example"));
    let ca = write("ca.pem", of_server.root.pem());
    let cert = write("cert.pem", of_client.leaf.pem() + &of_client.intermediate.pem());
    let key = write("key.pem", of_client.leaf.key_pem());
    let selfmade = leaf("127.0.0.1").self_signed();
    let own = write("own.pem", selfmade.pem());
    let named = "server_name: tokens.example";
    for (name, context, keys, outcome) in [
        ("trusted", of_server.server().context(), format!("ca_file: {ca}, {named}"), None),
        ("its own authority", server(&selfmade).context(), format!("ca_file: {own}"), None),
        ("any", of_server.server().context(), "insecure_skip_verify: true".to_owned(), None),
        (
            "not trusted",
            of_server.server().context(),
            named.to_owned(),
            Some("certificate_unknown_authority"),
        ),
        (
            "another name",
            of_server.server().context(),
            format!("ca_file: {ca}"),
            Some("certificate_wrong_host"),
        ),
        (
            "with a certificate",
            of_server.server().demand_client_certificate(&of_client.root).context(),
            format!("ca_file: {ca}, {named}, cert_file: {cert}, key_file: {key}"),
            None,
        ),
        (
            "an unreadable file",
            of_server.server().context(),
            "ca_file: /nonexistent".to_owned(),
            Some("unusable_file"),
        ),
    ] {
        let tokens = serve(context);
        let token_url = format!("https://{}/token", tokens.address);
        let exporter = exporter_of(&token_url, &format!("tls_config: {{{keys}}}"));
        let probed = exporter.probe("it", &url(&target));
        match outcome {
            None => probed.expect(&["probe_success 1"]),
            Some(reason) => probed.expect(&["probe_success 0", &failed("request", reason)]),
        };
        if keys.contains("server_name") && outcome.is_none() {
            let asked = &tokens.asked()[0];
            assert_eq!(asked.server_name.as_deref(), Some("tokens.example"), "{name}");
            assert_eq!(asked.header("Host"), tokens.address.to_string(), "{name}");
        }
    }
}

#[test]
fn the_token_server_is_reached_through_its_own_proxy() {
    let target = start([ok("fine")]);
    let plain = start([token("t", 3600)]);
    let context = pki(leaf("127.0.0.1")).server().context();
    let secure = RUNTIME.block_on(http([token("t", 3600)]).over_tls(context).start());
    let plain_url = format!("http://{}/token", plain.address);
    let secure_url = format!("https://{}/token", secure.address);
    for (scheme, token_url, asked) in [
        ("http", &plain_url, format!("POST {plain_url} HTTP/1.1")),
        ("http", &secure_url, format!("CONNECT {} HTTP/1.1", secure.address)),
        ("socks5", &secure_url, format!("SOCKS u:p {}", secure.address)),
    ] {
        let through = proxy().for_user("u", "p");
        let through = RUNTIME.block_on(through.start());
        let exporter = exporter_of(
            token_url,
            &format!(
                "tls_config: {{insecure_skip_verify: true}}, proxy_url: '{scheme}://u:p@{}', \
                 proxy_connect_header: {{X-Proxy: [a, b], Authorization: [not]}}",
                through.address
            ),
        );
        exporter.probe("it", &url(&target)).expect(&["probe_success 1"]);
        let head = &through.asked()[0];
        assert_eq!(head.lines().next(), Some(asked.as_str()));
        let is_tunnel = asked.starts_with("CONNECT");
        for header in ["x-proxy: a\r\n", "x-proxy: b\r\n", "authorization: not\r\n"] {
            assert_eq!(head.to_lowercase().contains(header), is_tunnel, "{head}");
        }
    }
    assert_eq!(authorizations(&plain), ["Basic bWU6aGlkZGVu"]);
    let exporter = exporter(&plain, "proxy_url: 'http://127.0.0.1:1'");
    exporter.probe("it", &url(&target)).expect(&[&failed("request", "refused")]);
}

#[test]
fn a_server_name_applies_to_the_token_server_and_not_its_proxy() {
    #[derive(PartialEq)]
    enum Outcome {
        Trusted,
        AnotherServer,
        AnotherProxy,
    }
    let folder = tempfile::tempdir().unwrap();
    let target = start([ok("fine")]);
    let of_server = pki(leaf("tokens.example"));
    let context = of_server.server().context();
    let tokens = RUNTIME.block_on(http([token("t", 3600)]).over_tls(context).start());
    let token_url = format!("https://localhost:{}/token", tokens.address.port());
    for (proxy_name, server_name, outcome) in [
        ("127.0.0.1", "tokens.example", Outcome::Trusted),
        ("127.0.0.1", "other.example", Outcome::AnotherServer),
        ("tokens.example", "tokens.example", Outcome::AnotherProxy),
    ] {
        let of_proxy = pki(leaf(proxy_name));
        let through = proxy().over_tls(of_proxy.server().context());
        let through = RUNTIME.block_on(through.start());
        let ca = folder.path().join("ca.pem");
        fs::write(&ca, of_server.root.pem() + &of_proxy.root.pem()).unwrap();
        let keys = format!(
            "tls_config: {{ca_file: '{}', server_name: {server_name}}}, proxy_url: 'https://{}'",
            ca.display(),
            through.address
        );
        let probed = exporter_of(&token_url, &keys).probe("it", &url(&target));
        match outcome {
            Outcome::Trusted => probed.expect(&["probe_success 1"]),
            _ => probed.expect(&[&failed("request", "certificate_wrong_host")]),
        };
        let never_asked = outcome == Outcome::AnotherProxy;
        assert_eq!(through.asked().is_empty(), never_asked, "{proxy_name} {server_name}");
    }
}

#[test]
fn errors_of_token_requests_contain_no_secrets() {
    let target = start([ok("fine")]);
    let large = format!("{{\"access_token\": \"{}\"}}", "x".repeat(70_000));
    for (answers, reason, words) in [
        (vec![refusal()], "token_refused", "401 \\\"invalid_client\\\""),
        (vec![ok("<html>")], "protocol", "invalid JSON"),
        (vec![ok("{}")], "protocol", "no access_token"),
        (vec![ok(large)], "too_large", "64 KiB"),
        (vec![Answer::default().send("220 hello\r\n\r\n")], "not_http", "not HTTP but SMTP, FTP"),
        (vec![Answer::default()], "closed", "token server"),
        (vec![redirect("/token?loop=hidden")], "too_many_redirects", "redirects"),
    ] {
        let tokens = start(answers);
        let token_url = format!("http://user:hidden@{}/token?key=hidden", tokens.address);
        let exporter = exporter_of(&token_url, "endpoint_params: {x: hidden}");
        let text = exporter.debug("it", &url(&target));
        assert!(text.contains(&failed("request", reason)), "not {reason}:\n{text}");
        assert!(text.contains(words), "no {words}:\n{text}");
        let log = text.split("Metrics that").next().unwrap();
        assert!(log.contains(&format!("http://{}/token", tokens.address)), "{log}");
        assert!(!log.contains("hidden"), "{log}");
        assert!(text.contains("user:xxxxx@") && !text.contains("user:hidden"), "{text}");
    }
    for (token_url, reason) in
        [("http://127.0.0.1:1/", "refused"), ("https://127.0.0.1:1/", "refused")]
    {
        let probed = exporter_of(token_url, "").probe("it", &url(&target));
        probed.expect(&["probe_success 0", &failed("request", reason)]);
    }
    let tokens = RUNTIME.block_on(proxy().answering("HTTP/1.1 400 Bad Request\r\n\r\n").start());
    let probed = exporter_of(&format!("https://{}/", tokens.address), "");
    let probed = probed.probe("it", &url(&target));
    probed.expect(&["probe_success 0", &failed("request", "not_tls")]);
    assert!(target.asked().is_empty());
}
