//! `probe_exporter probe`: configuration, output and exit codes.

use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _},
    net::TcpListener,
    process::{Command, Stdio},
};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::{
    cli::{run_with, text},
    fixtures::{
        http::{http, ok, redirect, status},
        tls,
    },
    running::BINARY,
};

const MODULES: &str = r"
modules:
  http_2xx: {prober: http}
  page:
    prober: http
    http:
      fail_if_body_matches_regexp: [{name: outage, regexp: down}, fine]
      fail_if_not_ssl: true
  host: {prober: http, http: {headers: {Host: there}}}
  tcp: {prober: tcp}
  silent: {prober: tcp, tcp: {query_response: [{expect: never}]}}
";

/// Runs `probe` with these arguments; returns exit code, standard output and standard error.
fn probed(arguments: &[&str]) -> (Option<i32>, String, String) {
    let arguments = [&["probe"], arguments].concat();
    let (_, output) = run_with(&[("blackbox.yml", MODULES.as_bytes())], &arguments);
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_success_prints_its_hops_and_exits_with_code_0() {
    let server = http([redirect("/next"), ok("fine")]).start().await;
    let target = format!("http://{}/", server.address);
    let (code, page, errors) = probed(&[&target]);
    assert_eq!((code, errors.as_str()), (Some(0), ""), "{page}");
    assert!(page.starts_with(&format!("ok  {target}  module http_2xx  duration ")), "{page}");
    for part in ["HTTP/1.1 302", "/next at 127.0.0.1:", "HTTP/1.1 200", "  processing  ", "Checks"]
    {
        assert!(page.contains(part), "{part}\n{page}");
    }
    assert!(!page.contains("Log"), "only when asked for");
    assert!(!page.contains('\u{1b}'), "a pipe is no terminal");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failure_prints_reason_and_advice_and_exits_with_code_1() {
    let server = http([ok("all is down, fine")]).start().await;
    let target = server.address.to_string();
    let (code, page, errors) = probed(&["-m", "page", "--verbose", &target]);
    assert_eq!((code, errors.as_str()), (Some(1), ""), "{page}");
    for part in [
        "FAILED  127.0.0.1:",
        "  check: body\n",
        "the body matches 'down'",
        "compare the body with the pattern",
        "FAILED  outage: ",
        "FAILED  fail_if_body_matches_regexp[1]: ",
        "FAILED  fail_if_not_ssl: ",
        "\nLog\ntime=",
    ] {
        assert!(page.contains(part), "{part}\n{page}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn certificates_are_shown_with_their_expiry() {
    let pki = tls::pki(tls::leaf("127.0.0.1").expired());
    let server = http([ok("")]).over_tls(pki.server().context()).start().await;
    let target = format!("https://{}/", server.address);
    let (code, page, _) = probed(&[&target]);
    assert_eq!(code, Some(1), "{page}");
    assert!(page.contains("  tls: certificate_"), "{page}");
    assert!(page.contains("    0. ") && page.contains("expired "), "{page}");
    assert!(page.contains("    1. ") && page.contains("expires in "), "{page}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_format_is_the_same_as_over_http() {
    let server = http([ok(""), ok(""), ok(""), status(500)]).start().await;
    let target = server.address.to_string();
    let (code, document, _) = probed(&["--format=json", &target]);
    let document: Value = serde_json::from_str(&document).unwrap();
    assert_eq!((code, &document["success"]), (Some(0), &Value::Bool(true)));
    assert_eq!(document["request"]["target"], target);
    let (_, metrics, _) = probed(&["--format=prometheus", &target]);
    assert!(metrics.contains("\nprobe_success 1\n") && metrics.contains("# HELP"), "{metrics}");
    assert_eq!(probed(&["--format=health", &target]).1, "ok\n");
    let (code, line, log) = probed(&["--format=health", "--verbose", &target]);
    assert_eq!((code, line.as_str()), (Some(1), "check: status: HTTP status 500, expected 2xx\n"));
    assert!(log.contains("msg=\"Probe failed\""), "the log does not disturb the format: {log}");
}

#[test]
fn an_impossible_probe_exits_with_code_2_and_the_reason() {
    for (arguments, expected) in [
        (
            &["-m", "nope", "t"][..],
            "blackbox.yml has no module nope; its modules are host, http_2xx,",
        ),
        (&["-m", "host", "--hostname=other", "t"], "host header defined both in module"),
        (&["--config.file=missing.yml", "t"], "missing.yml: No such file"),
        (&["", "-m", "tcp"], "Target parameter is missing"),
        (
            &["-m", "tcp", "-X", "PUT", "t"],
            "-X applies to http modules; module tcp uses the prober tcp",
        ),
        (&["-H", "Accept", "t"], "a value of -H is not 'Name: value'"),
        (&["-d", "@missing", "t"], "-d @missing: No such file"),
    ] {
        let (code, shown, errors) = probed(arguments);
        assert_eq!((code, shown.as_str()), (Some(2), ""), "{errors}");
        assert!(errors.starts_with("error: ") && errors.contains(expected), "{errors}");
    }
    let bad = [("blackbox.yml", b"modules:\n  a: {prober: no}\n".as_slice())];
    let (_, output) = run_with(&bad, &["probe", "t"]);
    assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0));
    let errors = text(&output.stderr);
    assert!(errors.contains("2 |   a: … prober: …\n  |                ^\n"), "{errors}");
}

#[test]
fn the_built_in_modules_and_the_timeout_flag_are_used() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let target = silent.local_addr().unwrap().to_string();
    let (_, output) = run_with(&[], &["probe", "--module=tcp_connect", &target]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stdout));
    let note =
        "note: this was a module of the built-in configuration, since there is no blackbox.yml";
    assert!(!text(&output.stderr).contains(note), "a success needs no note");
    let (_, output) = run_with(&[], &["probe", "--module=http_2xx", "http://127.0.0.1:1/"]);
    assert!(text(&output.stderr).starts_with(note), "{}", text(&output.stderr));
    let (code, page, errors) = probed(&["--module=silent", "--timeout=1s", &target]);
    assert!(!errors.contains(note), "{errors}");
    assert!(code == Some(1) && page.contains("  response: timeout\n"), "{page}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_watch_has_a_line_for_each_probe_and_a_summary() {
    let server = http([ok(""), status(500), ok("")]).start().await;
    let target = server.address.to_string();
    let (code, lines, _) = probed(&["--watch=10ms", "-n", "3", &target]);
    assert_eq!(code, Some(1), "one of them failed");
    let lines: Vec<_> = lines.lines().collect();
    assert_eq!(lines.len(), 7, "{lines:#?}");
    assert!(lines[0].contains("Z ok ") && lines[2].contains("Z ok "), "{lines:#?}");
    assert!(lines[1].contains(" check: status: HTTP status 500"), "{lines:#?}");
    assert_eq!(lines[4], format!("{target}  probes 3  failed 1 (33 %)"));
    for word in ["min ", "median ", "p95 ", "max "] {
        assert!(lines[5].contains(word), "{lines:#?}");
    }
    assert_eq!(lines[6], "check: status 1");
    let (code, documents, _) =
        probed(&["--count=2", "--watch=1ms", "--format=json", "-m=tcp", &target]);
    assert_eq!((code, documents.lines().count()), (Some(0), 2));
    assert!(documents.lines().all(|line| serde_json::from_str::<Value>(line).is_ok()));
}

#[test]
fn an_interrupted_watch_sums_up_what_it_saw() {
    let open = TcpListener::bind("127.0.0.1:0").unwrap();
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("blackbox.yml"), MODULES).unwrap();
    let mut child = Command::new(BINARY)
        .args(["probe", "--watch=1h", "--module=tcp", &open.local_addr().unwrap().to_string()])
        .current_dir(folder.path())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    out.read_line(&mut line).unwrap();
    assert!(line.contains("Z ok "), "{line}");
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    let mut rest = String::new();
    out.read_to_string(&mut rest).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0), "{rest}");
    assert!(rest.contains("  probes 1  failed 0 (0 %)\n"), "{rest}");
}

#[test]
fn a_watch_that_is_interrupted_during_its_first_probe_exits_with_code_2() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("blackbox.yml"), MODULES).unwrap();
    let child = Command::new(BINARY)
        .args(["probe", "--watch", "--module=silent", &silent.local_addr().unwrap().to_string()])
        .current_dir(folder.path())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    // The probe waits for data when it is connected.
    let _connection = silent.accept().unwrap();
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    let output = child.wait_with_output().unwrap();
    let shown = text(&output.stdout);
    assert_eq!(output.status.code(), Some(2), "{shown}");
    assert!(shown.contains("  probes 0  failed 0 (0 %)\n"), "{shown}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn flags_of_curl_change_the_request_and_the_address() {
    let pki = tls::pki(tls::leaf("private.test"));
    let server =
        http([ok("")]).over_tls(pki.server().alpn(b"\x02h2\x08http/1.1").context()).start().await;
    let port = server.address.port();
    let folder = tempfile::tempdir().unwrap();
    let ca = folder.path().join("ca.pem");
    fs::write(&ca, pki.root.pem()).unwrap();
    let (ca, target) = (ca.display().to_string(), format!("https://private.test:{port}/"));
    let resolve = format!("--resolve=private.test:{port}:[::1],127.0.0.1");
    let base = [target.as_str(), &resolve, "-4"];
    let (code, page, _) = probed(&base);
    assert_eq!(code, Some(1), "{page}");
    assert!(page.contains("  tls: certificate_"), "{page}");
    let (code, page, errors) = probed(
        &[&base[..], &["--cacert", &ca, "--http1.1", "-X", "PUT", "-d", "a=b", "-H", "X-A: b"]]
            .concat(),
    );
    assert_eq!((code, errors.as_str()), (Some(0), ""), "{page}");
    assert!(page.contains(&format!("at 127.0.0.1:{port}")), "{page}");
    let (code, page, _) = probed(&[&base[..], &["-k", "--http2", "-H", "Host: other"]].concat());
    assert_eq!(code, Some(0), "{page}");
    let asked = server.asked();
    let [first, second] = asked.as_slice() else { panic!("{asked:?}") };
    assert_eq!((first.line(), first.body.as_slice()), ("PUT /", b"a=b".as_slice()));
    assert_eq!(first.header("Host"), format!("private.test:{port}"));
    assert_eq!(first.header("X-A"), "b");
    assert_eq!(first.header("Content-Type"), "application/x-www-form-urlencoded");
    assert_eq!(first.server_name.as_deref(), Some("private.test"));
    assert!(second.head.contains("other"), "{}", second.head);
    assert!(page.contains("HTTP/2.0 200"), "{page}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_resolved_address_is_subject_to_the_policy_and_to_the_family() {
    let server = http([ok("")]).start().await;
    let port = server.address.port();
    let resolve = format!("--resolve=pinned.test:{port}:127.0.0.1");
    let target = format!("http://pinned.test:{port}/");
    let (code, page, _) = probed(&[&resolve, &target]);
    assert_eq!(code, Some(0), "{page}");
    let (code, page, _) = probed(&[&resolve, &target, "--policy.preset=public"]);
    assert_eq!(code, Some(2), "{page}");
    assert!(page.contains("127.0.0.1"), "{page}");
    let (code, page, _) = probed(&[&resolve, &target, "-6"]);
    assert_eq!(code, Some(1), "{page}");
    assert!(page.contains("  resolve: no_suitable_address\n"), "{page}");
    let (code, page, _) = probed(&[&resolve, "-m", "tcp", &format!("pinned.test:{port}")]);
    assert_eq!(code, Some(0), "{page}");
    assert_eq!(server.asked().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redirect_to_a_resolved_name_uses_its_address() {
    let server = http([ok("")]).start().await;
    let port = server.address.port();
    let first = http([redirect(format!("http://next.test:{port}/"))]).start().await;
    let resolve = format!("--resolve=next.test:{port}:127.0.0.1");
    let (code, page, _) = probed(&[&resolve, &format!("http://{}/", first.address)]);
    assert_eq!(code, Some(0), "{page}");
    assert_eq!(server.asked()[0].header("Host"), format!("next.test:{port}"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_probe_without_a_module_uses_a_built_in_one_if_the_file_has_none() {
    let server = http([ok("")]).start().await;
    let (target, other) = (server.address.to_string(), b"modules: {a: {prober: tcp}}".as_slice());
    let (_, output) = run_with(&[("blackbox.yml", other)], &["probe", &target]);
    assert_eq!(output.status.code(), Some(0));
    assert!(text(&output.stdout).contains("module http_2xx"));
    let note = "note: blackbox.yml has no module http_2xx; using the built-in one\n";
    assert_eq!(text(&output.stderr), note);
    let target = format!("ws://{target}/");
    let (code, page, _) = probed(&[&target]);
    assert_eq!(code, Some(1), "not a WebSocket server");
    assert!(page.contains("module websocket_connect"), "{page}");
}
