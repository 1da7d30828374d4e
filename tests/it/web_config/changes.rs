//! Changes of the web config file and of the files it names, without a restart.

use super::{Web, login, tls_section, users};
use crate::{
    fixtures::tls::{Issued, authority, leaf},
    harness::{Exporter, eventually},
    running::Running,
};

const SUCCESSFUL: &str = "probe_exporter_web_config_last_reload_successful";
const FAILED: &str = "probe_exporter_web_config_failed_reloads_total";

#[test]
fn added_and_removed_users_take_effect() {
    let web = Web::new();
    let exporter = web.start(&users("alice", "secret"));
    assert_eq!([login(&exporter, "alice", "secret"), login(&exporter, "bob", "hush")], [200, 401]);
    web.write("web.yml", &users("bob", "hush"));
    eventually("bob may come in", || login(&exporter, "bob", "hush") == 200);
    assert_eq!(login(&exporter, "alice", "secret"), 401);
    web.write("web.yml", &users("bob", "other"));
    eventually("the old password is of no use", || login(&exporter, "bob", "hush") == 401);
    assert_eq!(login(&exporter, "bob", "other"), 200);
}

#[test]
fn changed_certificate_files_take_effect() {
    let web = Web::new();
    let exporter =
        web.start_tls("  client_auth_type: VerifyClientCertIfGiven\n  client_ca_file: ca.pem\n");
    let shown = || web.client().send(exporter.address, "/", "").unwrap().1.to_der().unwrap();
    let first = shown();
    web.issue("localhost");
    eventually("the new certificate is shown", || shown() != first);

    let new_authority = authority("Another").self_signed();
    let admits = |identity: &Issued| {
        web.client().with(identity).get(exporter.address, "/").is_ok_and(|it| it.status == 200)
    };
    let [before, after] =
        [&web.authority, &new_authority].map(|authority| leaf("client").signed_by(authority));
    assert_eq!([admits(&before), admits(&after)], [true, false]);
    web.write("ca.pem", &new_authority.pem());
    eventually("clients of the new authority are let in", || admits(&after));
    assert!(!admits(&before));
}

fn state(exporter: &Exporter, user: &str, password: &str) -> (f64, f64) {
    let login = super::basic(user, password);
    let metrics = exporter.request("GET", "/metrics", &[("Authorization", &login)]).metrics();
    (metrics.value(SUCCESSFUL).unwrap(), metrics.value(FAILED).unwrap())
}

#[test]
fn an_invalid_file_keeps_the_old_settings() {
    let web = Web::new();
    let good = users("alice", "secret");
    let exporter = web.start(&good);
    let state = || state(&exporter, "alice", "secret");
    let is = |successful: f64, failed: f64| {
        let (now, count) = state();
        (now - successful).abs() < 0.5 && (count - failed).abs() < 0.5
    };
    assert!(is(1.0, 0.0));
    let bad = ["basic_auth_users: {alice: plain}\n", "basic_auth_user: {}\n", "", "a: b: c\n"];
    for (index, text) in bad.into_iter().enumerate() {
        web.write("web.yml", text);
        let failures = f64::from(u32::try_from(index).unwrap() + 1);
        eventually(text, || is(0.0, failures));
        assert_eq!(login(&exporter, "alice", "secret"), 200);
        assert_eq!(login(&exporter, "alice", "plain"), 401);
    }
    web.write("web.yml", &good);
    eventually("all is well again", || is(1.0, 4.0));
    web.write("web.yml", &users("bob", "hush"));
    eventually("changes are seen again", || login(&exporter, "bob", "hush") == 200);
}

#[test]
fn an_invalid_certificate_keeps_the_old_one_until_it_is_valid_again() {
    let web = Web::new();
    let exporter = web.start_tls("");
    let metrics = || web.client().get(exporter.address, "/metrics").unwrap().metrics();
    let successful = || metrics().value(SUCCESSFUL) == Some(1.0);
    let stranger = leaf("localhost").signed_by(&web.authority);
    web.write("server.key", &stranger.key_pem());
    eventually("the key is not that of the certificate", || !successful());
    // The web config file itself has not changed.
    web.write("server.pem", &stranger.pem());
    eventually("the pair is whole again", successful);
    let shown = web.client().send(exporter.address, "/", "").unwrap().1;
    assert_eq!(shown.to_der().unwrap(), stranger.certificate.to_der().unwrap());
}

#[test]
fn a_reload_cannot_disable_tls() {
    let web = Web::new();
    let exporter = web.start_tls("");
    let metrics = || web.client().get(exporter.address, "/metrics").unwrap().metrics();
    web.write("web.yml", "basic_auth_users: {}\n");
    eventually("the change is refused", || metrics().value(FAILED) == Some(1.0));
    web.write("web.yml", &tls_section("  min_version: TLS13\n"));
    eventually("others are taken", || metrics().value(SUCCESSFUL) == Some(1.0));
}

#[test]
fn reloads_are_logged() {
    let web = Web::new();
    web.write("web.yml", "");
    let file = format!("--web.config.file={}", web.file().display());
    let mut running = Running::start(super::MODULES, &[&file]);
    web.write("web.yml", "rate_limit:\n  burst: x\n");
    let line = running.wait_for("Error reloading web config");
    assert!(
        line.contains("level=ERROR") && line.contains("web.yml:2:10: rate_limit.burst: "),
        "{line}"
    );
    web.write("web.yml", "rate_limit: {burst: 1}\n");
    running.wait_for("Reloaded web config file");
    web.write("web.yml", "nonsense: 1\n");
    running.wait_for("Error reloading web config");
}
