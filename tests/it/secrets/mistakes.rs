//! Secrets next to mistakes: in files that do not load, and in invalid requests.

use std::fs;

use super::{MARK, Output, get, planted};
use crate::{
    fixtures::http::{http, redirect},
    harness::{eventually, request},
    running::Running,
};

/// Returns modules with one mistake each, in or next to a secret.
fn mistakes() -> Vec<String> {
    let secret = planted("mistake");
    let pem = "-----BEGIN PRIVATE KEY-----";
    [
        "http: {basic_auth: {username: u, pasword: SECRET}}",
        "http: {basic_auth: {username: u, password: SECRET, passwort: SECRET}}",
        "http: {basic_auth: {username: u, password: [SECRET]}}",
        "http: {basic_auth: {username: u, password: {a: SECRET}}}",
        "http: {basic_auth: {username: u, password: SECRET}, metod: GET}",
        "http: {basic_auth: {username: u, password: SECRET, password_file: x}}",
        "http: {bearer_token: SECRET, authorization: {credentials: SECRET}}",
        "http: {bearer_tokn: SECRET}",
        "http: {authorization: {credential: SECRET}}",
        "http: {headers: {Authorization: \"SECRET\\n\"}}",
        "http: {headers: {'X Api Key': SECRET}}",
        "http: {http_headers: {X-Odd: {secrets: [SECRET], value: [a]}}}",
        "http: {http_headers: {X-Odd: {secrets: SECRET}}}",
        "http: {http_headers: {Authorization: {values: [SECRET]}}}",
        "http: {proxy_url: 'ftp://u:SECRET@h'}",
        "http: {proxy_url: 'u:SECRET@h:1'}",
        "http: {proxy_url: 'http://u:SECRET@h:port'}",
        "http: {proxy_url: 'http://u:SECRET@h', proxy_connect_header: {X-Token: SECRET}}",
        "http: {proxy_url: 'http://u:SECRET@h', proxy_connect_header: {'X Y': [SECRET]}}",
        "http: {oauth2: {client_id: a, client_secret: SECRET}}",
        "http: {oauth2: {client_id: a, client_secret: SECRET, token_url: 'u:SECRET@h'}}",
        "http: {oauth2: {client_id: a, token_url: 'http://u:SECRET@127.0.0.1:1/?key=SECRET', scope: b}}",
        "http: {tls_config: {key: SECRET}}",
        "http: {tls_config: {cert: a, key: [SECRET]}}",
        "http: {tls_config: {cert: a, key: \"PEM\\nSECRET\"}}",
        "tcp: {query_response: [{send: SECRET, secret: true, expct: a}]}",
        "tcp: {query_response: [{send: [SECRET], secret: true}]}",
        "tcp: {query_response: [{expect: '(SECRET', secret: true}]}",
        "tcp: {query_response: [{expect: SECRET, secret: true, labels: [{name: a}]}]}",
        "tcp: {query_response: [{expect: SECRET, expect_bytes: SECRET, secret: true}]}",
        "grpc: {metadata: {authorization: SECRET}}",
        "grpc: {metadata: {authorization: [\"SECRET\\u00e4\"]}}",
        "websocket: {headers: {X-Api-Key: {values: [SECRET], secret: [SECRET]}}}",
        "http: {basic_auth: {username: u, password: \"SECRET}}",
        "http: {basic_auth: {username: u, password: SECRET}}}",
        "http: {basic_auth: {username: u, password: SECRET: b}}",
    ]
    .map(|module| module.replace("SECRET", &secret).replace("PEM", pem))
    .into()
}

#[test]
fn errors_in_files_contain_no_secrets() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bad.yml");
    let file = path.display().to_string();
    let mut output = Output::default();
    for mistake in mistakes() {
        let prober = mistake.split(':').next().unwrap();
        let flow = format!("modules:\n  it: {{prober: {prober}, {mistake}}}\n");
        // The same in block style, as most files are written.
        let block = flow.replace("{{", "{").replace(", ", ",\n      ");
        for yaml in [flow, block] {
            fs::write(&path, &yaml).unwrap();
            for arguments in [
                &["check", &*file][..],
                &["--config.check", "--config.file", &file, "--log.level=debug"],
                &["probe", "--module=it", "--config.file", &file, "127.0.0.1:1"],
            ] {
                output.run(&[], &mistake.replace(MARK, "it"), arguments);
            }
        }
    }
    let told = output.0.iter().filter(|(_, text)| text.contains("bad.yml")).count();
    assert!(told > mistakes().len() * 2, "{told}: there is something to look at");
    output.assert_no_secrets(&[]);
}

#[test]
fn a_failed_reload_logs_no_secrets() {
    let good = "modules: {it: {prober: tcp}}";
    let exporter = Running::start(good, &["--log.level=debug"]);
    let mut output = Output::default();
    for mistake in mistakes() {
        let prober = mistake.split(':').next().unwrap();
        let yaml = format!("modules:\n  it: {{prober: {prober}, {mistake}}}\n");
        fs::write(exporter.config(), yaml).unwrap();
        let answer = request(exporter.address, "POST", "/-/reload", &[]);
        assert_eq!(answer.status, 500, "{mistake}");
        output.record(&mistake.replace(MARK, "it"), &answer.text());
        output.record("the landing page", &get(exporter.address, "/").text());
    }
    fs::write(exporter.config(), good).unwrap();
    eventually("it loads again", || {
        request(exporter.address, "POST", "/-/reload", &[]).status == 200
    });
    let (_, log) = exporter.stop();
    output.record("log", &log.join("\n"));
    output.assert_no_secrets(&[]);
}

#[test]
fn responses_to_invalid_requests_contain_no_secrets() {
    let arguments = ["--log.level=debug", "--log.prober=debug"];
    let exporter = Running::start("modules: {it: {prober: http}}", &arguments);
    let secret = planted("request");
    let mut output = Output::default();
    for query in [
        "/probe?module=none&target=http://u:SECRET@127.0.0.1:1/",
        "/probe?module=it&target=http://u:SECRET@127.0.0.1:1/&format=none",
        "/probe?module=it&target=http://u:SECRET@127.0.0.1:1/&format=html&format=none",
        "/probe?module=it&target=http%3A%2F%2Fu%3ASECRET%40127.0.0.1%3A1%2F&format=html",
        "/probe?target=http://u:SECRET@127.0.0.1:1/&hostname=x",
        "/logs?target=http://u:SECRET@127.0.0.1:1/",
        "/logs?target=http://u:SECRET@127.0.0.1:1/&format=html",
        "/logs?id=1&target=http://u:SECRET@127.0.0.1:1/&format=html",
        "/?target=http://u:SECRET@127.0.0.1:1/",
        "/nowhere?target=http://u:SECRET@127.0.0.1:1/?token=SECRET",
    ] {
        let path = query.replace("SECRET", &secret);
        output.record(query, &get(exporter.address, &path).text());
    }
    let (_, log) = exporter.stop();
    output.record("log", &log.join("\n"));
    output.assert_no_secrets(&[]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn flags_of_probes_reveal_no_secrets() {
    let secret = planted("flag");
    let server = http([redirect(format!("ftp://echo/{secret}"))]).start().await;
    let target = format!("http://{}/", server.address);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("data");
    fs::write(&file, format!("password={secret}")).unwrap();
    let mut output = Output::default();
    let [header, key, form, json, file] = [
        format!("Authorization: Bearer {secret}"),
        format!("X-Api-Key: {secret}"),
        format!("user=bob&password={secret}"),
        format!("{{\"password\": \"{secret}\"}}"),
        format!("@{}", file.display()),
    ];
    for flags in [
        ["-H", &*header],
        ["-H", &key],
        ["-d", &form],
        ["-d", &json],
        ["-d", &secret],
        ["-d", &file],
    ] {
        for format in ["text", "json", "prometheus", "health"] {
            let probe = ["probe", "--config.file=config/blackbox.yml", "-v", "--format", format];
            let arguments = [&probe[..], &flags, &[&target]].concat();
            assert_eq!(output.run(&[], "a probe", &arguments), Some(1), "{arguments:?}");
        }
    }
    assert!(output.0.iter().any(|(_, text)| text.contains("ftp://echo/<secret>")), "redacted");
    let wrong = [
        ["-H", &*secret],
        ["-H", &format!("X Y: {secret}")],
        ["-H", &format!("Authorization: {secret}\n")],
        ["--http3", &format!("--data={secret}")],
        ["-mtcp_connect", &format!("-HAuthorization:{secret}")],
        ["--bogus", &format!("-d{secret}")],
    ];
    for flags in wrong {
        let arguments = [&["probe", &target, "-mnone"][..], &flags].concat();
        assert_ne!(output.run(&[], "a mistake", &arguments), Some(0), "{arguments:?}");
        let arguments = [&["probe", &target, "-k"][..], &flags].concat();
        output.run(&[], "a mistake", &arguments);
    }
    let split = ["probe", "-H", "Authorization:", "Bearer", &secret, &target];
    assert_eq!(output.run(&[], "a header without quotes", &split), Some(2));
    let heard = server.asked();
    assert!(heard.iter().any(|asked| asked.head.contains(&secret)), "{heard:?}");
    output.assert_no_secrets(&[]);
}
