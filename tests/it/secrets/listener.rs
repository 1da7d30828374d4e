//! Secrets of the exporter's own listener: users, their hashes, and the key.

use std::fs;

use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::{Output, case, planted};
use crate::{fixtures::tls::leaf, harness::request, running::Running};

/// Hash of the password "hunter2", with the lowest cost.
const HASH: &str = "$2b$04$uMS4Wq4ZvQ1cvZvUYHMzQO0eWjdz0vyoyhYIaPRL4gaSgiUuGDDLG";

#[test]
fn users_and_their_hashes_are_redacted() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("web.yml");
    fs::write(&path, format!("basic_auth_users: {{alice: {HASH}}}")).unwrap();
    let file = format!("--web.config.file={}", path.display());
    let exporter = Running::start("modules: {it: {prober: tcp}}", &[&file, "--log.level=debug"]);
    let mut output = Output::default();
    let password = planted("login");
    for login in [format!("alice:{password}"), format!("bob:{password}")] {
        let value = format!("Basic {}", STANDARD.encode(&login));
        for path in ["/", "/metrics", "/probe?target=x"] {
            let answer = request(exporter.address, "GET", path, &[("Authorization", &value)]);
            assert_eq!(answer.status, 401);
            output.record(path, &answer.text());
        }
    }
    let bad =
        request(exporter.address, "GET", "/", &[("Authorization", &format!("Basic {password}"))]);
    output.record("no base64", &bad.text());
    fs::write(&path, format!("basic_auth_users: {{alice: {HASH}, bob: '{password}'}}")).unwrap();
    let (_, log) = exporter.stop();
    output.record("log", &log.join("\n"));
    output.run(&[], "a hash that is none", &["check", "--web", &path.display().to_string()]);
    let serving = [&*file, "--web.listen-address=127.0.0.1:0"];
    output.run(&[], "a start with a hash that is none", &serving);
    fs::write(&path, format!("basic_auth_user: {{alice: {HASH}}}")).unwrap();
    output.run(&[], "a misspelled section", &["check", "--web", &path.display().to_string()]);
    output.run(&[], "a start with a misspelled section", &serving);
    let of_hash = case("users", "", "", true, "no server").derived(HASH.get(7..).unwrap());
    output.assert_no_secrets(&[of_hash]);
}

#[test]
fn the_key_of_the_listener_is_redacted() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("web.yml");
    let own = leaf("127.0.0.1").self_signed();
    let quoted = |pem: &str| format!("\"{}\"", pem.replace('\n', "\\n"));
    let key = own.key_pem();
    let telling = key.lines().nth(1).unwrap();
    let mut output = Output::default();
    let web_config = format!("--web.config.file={}", path.display());
    let mut run = |section: String| {
        fs::write(&path, section).unwrap();
        output.run(&[], "check", &["check", "--web", &path.display().to_string()]);
        output.run(&[], "start", &[&web_config, "--web.listen-address=127.0.0.1:0"]);
    };
    let cert = quoted(&own.pem());
    run(format!("tls_server_config: {{cert: {cert}, key: {}, min_versio: TLS12}}", quoted(&key)));
    run(format!("tls_server_config: {{cert: nothing, key: {}}}", quoted(&key)));
    let broken = key.replace("PRIVATE", "PUBLIC");
    run(format!("tls_server_config: {{cert: {cert}, key: {}}}", quoted(&broken)));
    assert!(output.0.iter().filter(|(_, text)| text.contains("web.yml")).count() >= 6);
    output.assert_no_secrets(&[case("a key", "", "", true, "no server").derived(telling)]);
}
