//! The real binary: flags, exit codes, signals, log.

use std::{
    collections::BTreeSet,
    fs,
    io::{Read as _, Write as _},
    net::TcpListener,
    process::{Command, Output, Stdio},
};

use rustix::process::Signal;

use crate::{
    harness::{Answer, PATIENCE, connect, probe_path, request},
    running::{BINARY, Running, lines_of},
};

const MODULES: &str = r"
modules:
  connect: {prober: tcp}
  silent: {prober: tcp, tcp: {query_response: [{expect: never}]}}
";

/// Runs the binary to its end.
fn run(arguments: &[&str]) -> Output {
    Command::new(BINARY).args(arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn help_and_version_go_to_stdout_with_code_0() {
    for flag in ["-h", "--help", "--help-long", "--help-man", "--version"] {
        let output = run(&[flag]);
        assert_eq!((output.status.code(), text(&output.stderr).as_str()), (Some(0), ""), "{flag}");
        assert!(output.stdout.ends_with(b"\n"), "{flag}");
    }
    assert!(text(&run(&["--version"]).stdout).starts_with("probe_exporter, version "));
}

#[test]
fn the_installation_page_lists_exactly_the_flags_of_the_help() {
    let flags = |text: &str| -> BTreeSet<String> {
        let ends = |c: char| !c.is_ascii_alphanumeric() && c != '.' && c != '-';
        let words = text.split("--").skip(1).map(|rest| rest.split(ends).next().unwrap());
        words.map(|word| word.trim_end_matches(['.', '-']).to_owned()).collect()
    };
    let page = fs::read_to_string("docs/install.md").unwrap();
    let table = page.lines().filter(|line| line.starts_with("| `--"));
    let table: String = table.map(|line| line.split('|').nth(1).unwrap()).collect();
    let help = text(&run(&["--help"]).stdout);
    let help: String = help.lines().filter(|line| line.trim_start().starts_with('-')).collect();
    let about_itself = ["help", "help-long", "help-man", "version"].map(str::to_owned);
    let shown: BTreeSet<_> = flags(&help).difference(&about_itself.into()).cloned().collect();
    assert!(shown.len() > 10, "{shown:?}");
    assert_eq!(flags(&table), shown);
}

#[test]
fn usage_errors_go_to_stderr_with_code_1() {
    for flag in ["--bogus", "--web.systemd-socket", "--web.listen-address=vsock://:1", "word"] {
        let output = run(&[flag]);
        assert_eq!((output.status.code(), text(&output.stdout).as_str()), (Some(1), ""), "{flag}");
        let error = text(&output.stderr);
        assert!(error.ends_with(", try --help\n") && error.lines().count() == 1, "{error}");
    }
}

#[test]
fn config_check_has_exit_codes_and_positions() {
    let folder = tempfile::tempdir().unwrap();
    let check = |name: &str, yaml: &str| {
        let path = folder.path().join(name);
        fs::write(&path, yaml).unwrap();
        let output = run(&["--config.check", "--config.file", path.to_str().unwrap()]);
        (output.status.code(), text(&output.stderr))
    };
    let (code, log) = check("good.yml", MODULES);
    assert!(code == Some(0) && log.contains("msg=\"Config file is ok exiting...\""), "{log}");
    let (code, log) = check("bad.yml", "modules:\n  a: {prober: smoke}\n  b: {probe: tcp}\n");
    assert_eq!(code, Some(1), "{log}");
    for place in ["bad.yml:2:", "bad.yml:3:"] {
        let mut lines = log.lines().filter(|line| line.contains("msg=\"Error loading config\""));
        assert!(lines.any(|line| line.contains("level=ERROR") && line.contains(place)), "{log}");
    }
    assert_eq!(log.matches("err=\"error parsing config file: ").count(), 2, "{log}");
    assert!(log.contains("shows the lines\" errors=2\n"), "{log}");
    let missing = run(&["--config.check", "--config.file=/nonexistent.yml"]);
    assert_eq!(missing.status.code(), Some(1));
    assert!(text(&missing.stderr).contains("/nonexistent.yml"));
}

#[test]
fn the_built_in_modules_are_used_without_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let log_of = |flag: &str| {
        let output = Command::new(BINARY).arg(flag).current_dir(folder.path()).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{flag}: {}", text(&output.stderr));
        text(&output.stderr)
    };
    // An address that cannot be listened on ends a start after the configuration.
    let start = "--web.listen-address=192.0.2.1:1";
    let folder_name = fs::canonicalize(folder.path()).unwrap();
    let warning = format!("modules, since there is no blackbox.yml in {}", folder_name.display());
    let log = log_of(start);
    assert!(log.contains("level=WARN") && log.contains(&warning), "{log}");
    let log = log_of("--config.check");
    assert!(log.contains("error reading YAML file: open blackbox.yml: No such file"), "{log}");
    fs::write(folder.path().join("blackbox.yml"), "no modules").unwrap();
    for flag in [start, "--config.check"] {
        let log = log_of(flag);
        assert!(log.contains("err=\"error parsing config file: blackbox.yml:1"), "{log}");
    }
}

#[test]
fn a_listener_that_cannot_be_opened_is_an_error() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let address = taken.local_addr().unwrap();
    let output = Command::new(BINARY)
        .arg(format!("--web.listen-address={address}"))
        .current_dir(folder.path())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let log = text(&output.stderr);
    assert!(log.lines().last().unwrap().contains("level=ERROR"), "{log}");
    assert!(log.contains(&address.to_string()), "{log}");
}

#[test]
fn the_log_has_the_format_of_blackbox_exporter() {
    let (code, lines) = Running::start(MODULES, &["--log.prober=loud"]).stop();
    assert_eq!(code, Some(0));
    for line in &lines {
        let (time, rest) = line.strip_prefix("time=").unwrap().split_once(' ').unwrap();
        chrono::DateTime::parse_from_rfc3339(time).unwrap();
        assert!(rest.starts_with("level=") && rest.contains(" source="), "{line}");
    }
    for message in ["Starting probe_exporter", "Loaded config file", "Listening on"] {
        assert!(lines.iter().any(|line| line.contains(&format!("msg=\"{message}\""))), "{lines:?}");
    }
    assert!(lines[0].contains("level=WARN") && lines[0].contains("loud"), "{lines:?}");
}

#[test]
fn the_log_can_be_json() {
    let (_, lines) = Running::start(MODULES, &["--log.format=json"]).stop();
    for line in &lines {
        let object: serde_json::Value = serde_json::from_str(line).unwrap();
        for key in ["time", "level", "source", "msg"] {
            assert!(object[key].is_string(), "{line}");
        }
    }
}

/// Returns the lines of the log about failed probes when the same probe fails twice.
fn lines_about_failures(flags: &[&str]) -> Vec<String> {
    let running = Running::start(MODULES, flags);
    for _ in 0..2 {
        assert_eq!(running.probe("connect", "127.0.0.1:1").status, 200);
    }
    let (_, lines) = running.stop();
    lines.into_iter().filter(|line| line.contains("Probe failed")).collect()
}

#[test]
fn a_failing_target_is_logged_in_one_line() {
    let lines = lines_about_failures(&[]);
    let [line] = lines.as_slice() else { panic!("{lines:#?}") };
    assert!(line.contains("level=INFO"), "{line}");
    let words = "module=connect target=127.0.0.1:1 stage=connect reason=refused err=\"";
    assert!(line.contains(words), "{line}");
    assert!(line.contains(" address=127.0.0.1:1 duration_seconds=0."), "{line}");
    assert!(!line.contains("suppressed"), "{line}");

    let lines = lines_about_failures(&["--log.failures=warn"]);
    assert!(lines.len() == 1 && lines[0].contains("level=WARN"), "{lines:#?}");
    for flags in [&["--log.failures=off", "--log.level=debug"][..], &["--log.failures=debug"]] {
        assert!(lines_about_failures(flags).is_empty(), "{flags:?}");
    }
}

#[test]
fn an_unknown_module_is_logged_in_one_line() {
    let running = Running::start(MODULES, &[]);
    for target in ["a", "b"] {
        assert_eq!(running.probe("none", target).status, 400);
    }
    let (_, lines) = running.stop();
    let lines: Vec<_> = lines.iter().filter(|line| line.contains("Unknown module")).collect();
    let [line] = lines.as_slice() else { panic!("{lines:#?}") };
    assert!(line.contains("level=INFO") && line.ends_with(" module=none target=a"), "{line}");
}

#[test]
fn log_prober_copies_the_lines_of_probes() {
    let lines = lines_about_failures(&["--log.prober=error"]);
    assert_eq!(lines.len(), 2, "{lines:#?}");
    for line in lines {
        assert!(line.contains("level=ERROR"), "{line}");
        assert!(line.contains(" module=connect target=127.0.0.1:1 "), "{line}");
        assert!(line.contains("reason=refused"), "{line}");
    }
}

#[test]
fn sighup_reloads_the_configuration() {
    let mut running = Running::start(MODULES, &[]);
    fs::write(running.config(), "modules: {fresh: {prober: tcp}}").unwrap();
    running.signal(Signal::HUP);
    running.wait_for("Reloaded config file");
    let answer = request(running.address, "GET", "/probe?module=fresh", &[]);
    assert_eq!(answer.text(), "Target parameter is missing\n");
    fs::write(running.config(), "modules: {bad: {prober: smoke}}").unwrap();
    running.signal(Signal::HUP);
    let line = running.wait_for("Error reloading config");
    assert!(line.contains("level=ERROR"), "{line}");
    let answer = request(running.address, "GET", "/probe?module=fresh", &[]);
    assert_eq!(answer.text(), "Target parameter is missing\n");
    assert_eq!(running.stop().0, Some(0));
}

#[test]
fn sigterm_waits_for_running_probes() {
    let target = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut running = Running::start(MODULES, &[]);
    let mut scraper = connect(running.address);
    let path = probe_path("silent", &target.local_addr().unwrap().to_string());
    write!(scraper, "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
    // The probe runs when the target is connected.
    let (mut peer, _) = target.accept().unwrap();
    running.signal(Signal::TERM);
    running.wait_for("exiting gracefully");
    peer.write_all(b"never\n").unwrap();
    let mut bytes = Vec::new();
    scraper.read_to_end(&mut bytes).unwrap();
    Answer::parse(&bytes).metrics().expect(&["probe_success 1"]);
    assert_eq!(running.exit_code(), Some(0));
}

#[test]
fn a_second_sigint_does_not_wait() {
    let target = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut running = Running::start(MODULES, &[]);
    let mut scraper = connect(running.address);
    let path = probe_path("silent", &target.local_addr().unwrap().to_string());
    write!(scraper, "GET {path} HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    let _peer = target.accept().unwrap();
    running.signal(Signal::INT);
    running.wait_for("exiting gracefully");
    running.signal(Signal::INT);
    assert_eq!(running.exit_code(), Some(0));
}

#[test]
fn the_limit_of_open_files_is_raised() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("blackbox.yml"), MODULES).unwrap();
    let script = format!("ulimit -S -n 64 && exec {BINARY} --web.listen-address=127.0.0.1:0");
    let mut child = Command::new("sh")
        .args(["-c", &script])
        .current_dir(folder.path())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let log = lines_of(child.stderr.take().unwrap());
    while !log.recv_timeout(PATIENCE).unwrap().contains("TLS is disabled") {}
    let limits = fs::read_to_string(format!("/proc/{}/limits", child.id())).unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    let files = limits.lines().find(|line| line.starts_with("Max open files")).unwrap();
    let words: Vec<_> = files.split_whitespace().collect();
    assert_eq!(words[3], words[4], "soft and hard limit: {files}");
}
