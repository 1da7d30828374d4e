//! Invalid web config files at start, and their error messages.

use std::process::Command;

use super::{Web, tls_section};
use crate::{fixtures::tls::authority, running::BINARY};

/// Returns the output of the binary for this web config file, and its exit code; with `check` it is
/// only checked.
fn told(web: &Web, text: &str, check: bool) -> (Option<i32>, String) {
    web.write("web.yml", text);
    web.write("blackbox.yml", super::MODULES);
    let mut command = Command::new(BINARY);
    // Relative file names are relative to the web config file, not to the working directory.
    command.current_dir("/").arg("--config.file").arg(web.path("blackbox.yml"));
    command.arg("--web.config.file").arg(web.file());
    // An address that cannot be bound ends a start without configuration errors.
    command.arg(if check { "--config.check" } else { "--web.listen-address=192.0.2.1:1" });
    let output = command.output().unwrap();
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

#[test]
fn a_good_file_passes_the_check() {
    let web = Web::new();
    let all = format!(
        "{}rate_limit: {{interval: 1s, burst: 20}}\nhttp_server_config: {{http2: false, headers: \
         {{Strict-Transport-Security: max-age=31536000}}}}\n",
        tls_section(
            "  client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: ca.pem\n  \
             prefer_server_cipher_suites: true\n  min_version: TLS12\n"
        )
    );
    let (code, log) = told(&web, &all, true);
    assert!(code == Some(0) && log.contains("Config file is ok"), "{log}");
    let (code, log) = told(&web, &all, false);
    assert!(code == Some(1) && log.contains("listen tcp 192.0.2.1:1"), "{log}");
}

/// The content of a file, and the start of the error.
const WRONG: &[(&str, &str)] = &[
    ("nonsense: 1", "1:1: nonsense: unknown key"),
    ("tls_server_config: {cert_file: server.pem}", "1:1: tls_server_config: missing one of key or"),
    (
        "tls_server_config: {key_file: a}",
        "1:1: tls_server_config: missing one of cert or cert_file",
    ),
    (
        "tls_server_config: {client_auth_type: NoClientCert}",
        "1:1: tls_server_config: missing one of",
    ),
    (
        "http_server_config: {headers: {X-Other: a}}",
        "1:41: http_server_config.headers.X-Other: HTTP header \"X-Other\" can not be configured",
    ),
    (
        "http_server_config: {headers: {X-Frame-Options: allow}}",
        "1:49: http_server_config.headers.X-Frame-Options: invalid value for X-Frame-Options.",
    ),
    ("basic_auth_users: {alice: secret}", "1:27: basic_auth_users.alice: not a bcrypt hash"),
    (
        "basic_auth_users: {alice: $2b$03$abcdefghijklmnopqrstuuOS9Pl1sPz2FPSaKtKdLs5qNSvaXTGVi}",
        "1:27: basic_auth_users.alice: not a bcrypt hash (the cost 3 is not in the range 4 to 31)",
    ),
    (
        "basic_auth_users: {alice: $2y$32$abcdefghijklmnopqrstuuOS9Pl1sPz2FPSaKtKdLs5qNSvaXTGVi}",
        "1:27: basic_auth_users.alice: not a bcrypt hash (the cost 32 is not in the range 4 to 31)",
    ),
    ("rate_limit: {interval: 1s}", "1:1: rate_limit: burst must be at least 1"),
    ("rate_limit: {interval: soon, burst: 1}", "1:24: rate_limit.interval: "),
];

/// The two names of files in a `tls_server_config`, and parts of the error.
const WRONG_FILES: &[(&str, &str, &str)] = &[
    ("none.pem", "server.key", "2:14: tls_server_config.cert_file: "),
    ("empty.pem", "server.key", "2:14: tls_server_config.cert_file: "),
    (
        "junk.pem",
        "server.key",
        "2:14: tls_server_config.cert_file: ... junk.pem: the PEM certificate is invalid",
    ),
    ("server.pem", "none.key", "3:13: tls_server_config.key_file: "),
    (
        "server.pem",
        "ca.pem",
        "3:13: tls_server_config.key_file: ... ca.pem: expected a private key, found",
    ),
    (
        "server.pem",
        "other.key",
        "3:13: tls_server_config.key_file: ... other.key: the key does not belong to",
    ),
    (
        "server.pem",
        "locked.key",
        "3:13: tls_server_config.key_file: ... locked.key: the private key is e",
    ),
    (
        "server.pem",
        "legacy.key",
        "3:13: tls_server_config.key_file: ... legacy.key: the private key is e",
    ),
    (
        "server.key",
        "server.key",
        "2:14: tls_server_config.cert_file: ... server.key: expected a certificate, found",
    ),
    (
        "server.pem",
        "empty.pem",
        "3:13: tls_server_config.key_file: ... empty.pem: the content is empty",
    ),
];

/// The further keys of a `tls_server_config`, in lines 4 and 5.
const WRONG_TLS: &[(&str, &str)] = &[
    (
        "client_auth_type: Maybe",
        "4:21: tls_server_config.client_auth_type: invalid ClientAuth: Maybe",
    ),
    ("client_ca_file: ca.pem", "1:1: tls_server_config: client CA's have been configured without"),
    (
        "client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: empty.pem",
        "5:19: tls_server_config.client_ca_file: ",
    ),
    (
        "client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: junk.pem",
        "5:19: tls_server_config.client_ca_file: ",
    ),
    (
        "min_version: TLS10",
        "4:16: tls_server_config.min_version: the listener does not support TLS 1.0",
    ),
    (
        "max_version: TLS11",
        "4:16: tls_server_config.max_version: the listener does not support TLS 1.1",
    ),
    ("min_version: TLS14", "4:16: tls_server_config.min_version: unknown TLS version: TLS14"),
    ("min_version: TLS13\n  max_version: TLS12", "4:16: tls_server_config.min_version: "),
    (
        "cipher_suites: [TLS_AES_128_GCM_SHA256, X]",
        "4:43: tls_server_config.cipher_suites[1]: unknown cipher: X",
    ),
    (
        "max_version: TLS12\n  cipher_suites: [TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA]",
        "5:3: tls_server_config.cipher_suites: no supported cipher suite",
    ),
    ("curve_preferences: [A]", "4:23: tls_server_config.curve_preferences[0]: unknown curve: A"),
    (
        "curve_preferences: [CurveP521]",
        "4:3: tls_server_config.curve_preferences: no supported curve",
    ),
];

#[test]
fn errors_name_their_position() {
    let web = Web::new();
    web.write("empty.pem", "");
    web.write("junk.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    let block = |label: &str| format!("-----BEGIN {label}-----\nAAAA\n-----END {label}-----\n");
    web.write("locked.key", &block("ENCRYPTED PRIVATE KEY"));
    let legacy = block("RSA PRIVATE KEY").replace("AAAA", "Proc-Type: 4,ENCRYPTED\n\nAAAA");
    web.write("legacy.key", &legacy);
    web.write("other.key", &authority("Other").self_signed().key_pem());
    let plain = WRONG.iter().map(|(text, error)| ((*text).to_owned(), error));
    let tls = WRONG_TLS.iter().map(|(text, error)| (tls_section(&format!("  {text}\n")), error));
    let files = WRONG_FILES.iter().map(|(certificate, key, error)| {
        let text = tls_section("").replace("server.pem", certificate);
        (text.replace("server.key", key), error)
    });
    let mut missed = Vec::new();
    for (text, error) in plain.chain(tls).chain(files) {
        let (code, log) = told(&web, &text, true);
        let errors: Vec<_> = log.lines().filter(|line| line.contains("level=ERROR")).collect();
        let expected = format!("web.yml:{error}").replace('"', "\\\"");
        if code != Some(1)
            || errors.len() != 1
            || !expected.split(" ... ").all(|part| errors[0].contains(part))
        {
            missed.push(format!("{text}\n{code:?}, not {expected}:\n{log}"));
        }
    }
    assert!(missed.is_empty(), "{}", missed.join("\n"));
}

#[test]
fn an_invalid_or_missing_file_is_a_start_error() {
    let web = Web::new();
    let (code, log) = told(&web, "basic_auth_users: {alice: secret, bob: secret}\nx: y\n", false);
    assert_eq!(code, Some(1));
    assert!(!log.contains("Listening on"), "{log}");
    assert_eq!(log.matches("Error loading web config").count(), 3, "{log}");
    assert!(!log.contains("secret"), "{log}");
    let mut command = Command::new(BINARY);
    command.args(["--config.check", "--config.file=config/blackbox.yml"]);
    let output = command.arg("--web.config.file=/nonexistent.yml").output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let log = String::from_utf8(output.stderr).unwrap();
    assert!(log.contains("open /nonexistent.yml: "), "{log}");
}

#[test]
fn surprising_settings_cause_warnings() {
    let web = Web::new();
    let cases = [
        (super::users("a", "b").replace("$04$", "$15$"), "the hash of a has a cost of 15"),
        (
            super::users("alice", "secret"),
            "passwords are sent unencrypted without TLS; set tls_server_config",
        ),
        (
            tls_section("  client_auth_type: RequireAndVerifyClientCert\n"),
            "any CA that the system trusts",
        ),
        (
            tls_section("  client_auth_type: RequestClientCert\n  client_allowed_sans: [x]\n"),
            "client_allowed_sans has no effect",
        ),
        (
            tls_section("  cipher_suites: [TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA]\n"),
            "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA is not supported",
        ),
        (tls_section("  curve_preferences: [CurveP521, X25519]\n"), "CurveP521 is not supported"),
    ];
    for (text, expected) in cases {
        let (code, log) = told(&web, &text, true);
        let mut warnings = log.lines().filter(|line| line.contains("level=WARN"));
        assert!(code == Some(0) && warnings.any(|line| line.contains(expected)), "{text}{log}");
    }
}
