//! Secrets: planted in every place, used by successful and failing probes, repeated by servers, and
//! searched in all output of the exporter.

mod cases;
mod dialogues;
mod echoes;
mod history;
mod listener;
mod mistakes;
mod refusals;
mod responses;
mod tokens;

use std::{any::Any, collections::BTreeSet, net::SocketAddr, process::Command};

use crate::{
    harness::{Answer, probe_path, request},
    running::{BINARY, Running},
};

/// The prefix of all planted secrets.
const MARK: &str = "Pl4nt3d";

/// Returns a secret with a unique text.
fn planted(place: &str) -> String {
    format!("{MARK}-{place}")
}

/// A probe that uses secrets.
struct Case {
    what: &'static str,
    module: String,
    target: String,
    /// Set if the probe must succeed.
    success: bool,
    /// Texts that reveal a secret, such as its base64 form.
    derived: Vec<String>,
    /// Returns all data that the servers received.
    heard: Box<dyn Fn() -> String>,
    /// Text that the servers must have received; empty if none.
    used: Vec<String>,
    _servers: Box<dyn Any>,
}

/// Returns a probe of `target` by `module`; keeps `servers`.
fn case<S: 'static>(
    what: &'static str,
    module: impl Into<String>,
    target: impl Into<String>,
    success: bool,
    servers: S,
) -> Case {
    Case {
        what,
        module: module.into(),
        target: target.into(),
        success,
        derived: Vec::new(),
        heard: Box::new(String::new),
        used: Vec::new(),
        _servers: Box::new(servers),
    }
}

impl Case {
    /// Adds a text that reveals a secret.
    fn derived(mut self, text: impl Into<String>) -> Self {
        self.derived.push(text.into());
        self
    }

    /// Adds a text that the servers must receive.
    fn used(mut self, text: impl Into<String>, heard: impl Fn() -> String + 'static) -> Self {
        self.used.push(text.into());
        self.heard = Box::new(heard);
        self
    }
}

/// Runs all probes, and searches all output for secrets.
#[track_caller]
fn check(cases: &[Case]) {
    check_in(&[], cases);
}

/// Does the same with more environment variables of the exporter.
#[track_caller]
fn check_in(environment: &[(&str, &str)], cases: &[Case]) {
    let modules = cases.iter().enumerate();
    let modules = modules.map(|(index, case)| format!("  case{index}: {}\n", case.module));
    let yaml = format!("modules:\n{}", modules.collect::<String>());
    let arguments = ["--log.level=debug", "--log.prober=debug", "--history.limit=1000"];
    let exporter = Running::start_in(environment, &yaml, &arguments);
    let mut output = Output::default();
    for (index, case) in cases.iter().enumerate() {
        output.probe_over_http(exporter.address, case, &format!("case{index}"));
        output.probe_by_command(environment, &exporter.config().display().to_string(), case, index);
    }
    for path in [
        "/",
        "/config",
        "/metrics",
        "/modules",
        "/?failures=true",
        "/?view=targets&refresh=30",
        "/logs?id=999999",
        "/nowhere",
        "/config?format=html",
        "/metrics?format=html",
    ] {
        output.record(path, &get(exporter.address, path).text());
    }
    let (_, log) = exporter.stop();
    output.record("log", &log.join("\n"));
    for case in cases {
        let heard = (case.heard)();
        for used in &case.used {
            assert!(heard.contains(used), "{}: {used} was not used:\n{heard}", case.what);
        }
    }
    output.assert_no_secrets(cases);
}

fn get(address: SocketAddr, path: &str) -> Answer {
    request(address, "GET", path, &[])
}

/// All output, each text with its place.
#[derive(Default)]
struct Output(Vec<(String, String)>);

impl Output {
    fn record(&mut self, place: &str, text: &str) {
        self.0.push((place.to_owned(), text.to_owned()));
    }

    /// Runs one probe, and records its report in all formats.
    fn probe_over_http(&mut self, exporter: SocketAddr, case: &Case, module: &str) {
        let answer = get(exporter, &probe_path(module, &case.target));
        let what = case.what;
        let outcome = answer.metrics().value("probe_success");
        let past = probe_path(module, &case.target).replace("/probe?", "/logs?");
        let debug = get(exporter, &past);
        assert_eq!(debug.status, 200, "{what}: found by its target");
        let wanted = f64::from(u8::from(case.success));
        assert_eq!(outcome, Some(wanted), "{what}:\n{}", debug.text());
        self.record(what, &answer.text());
        for format in ["metrics", "json", "health", "debug", "html"] {
            let answer = get(exporter, &format!("{past}&format={format}"));
            self.record(&format!("{what}, {format}"), &answer.text());
        }
        for format in ["html", "json"] {
            let history = format!("{}&format={format}", past.replace("/logs?", "/target?"));
            let history = get(exporter, &history);
            assert_eq!(history.status, 200, "{what}: {}", history.text());
            self.record(&format!("{what}, history, {format}"), &history.text());
        }
    }

    /// Runs the same probe by the command, in all formats, and explains the module.
    fn probe_by_command(
        &mut self,
        environment: &[(&str, &str)],
        file: &str,
        case: &Case,
        index: usize,
    ) {
        let module = format!("case{index}");
        let config = format!("--config.file={file}");
        let probe = ["probe", "--module", &module, &config, "-v"];
        for format in ["text", "json", "prometheus"] {
            let arguments = [&probe[..], &["--format", format, &case.target]].concat();
            let code = self.run(environment, case.what, &arguments);
            // A probe that cannot start would prove nothing.
            assert_eq!(code, Some(i32::from(!case.success)), "{}: {arguments:?}", case.what);
        }
        let code = self.run(environment, case.what, &["check", file, "--explain", &module]);
        assert_eq!(code, Some(0), "{}: check --explain", case.what);
    }

    /// Runs the binary to its end; returns its output and its exit code.
    fn run(&mut self, environment: &[(&str, &str)], what: &str, arguments: &[&str]) -> Option<i32> {
        let environment = environment.iter().copied();
        let output = Command::new(BINARY).args(arguments).envs(environment).output().unwrap();
        for bytes in [output.stdout, output.stderr] {
            let text = String::from_utf8_lossy(&bytes).into_owned();
            self.record(&format!("{what}, by {}", arguments.join(" ").escape_debug()), &text);
        }
        output.status.code()
    }

    /// Asserts that no output contains a secret, in any case.
    #[track_caller]
    fn assert_no_secrets(&self, cases: &[Case]) {
        let derived = cases.iter().flat_map(|case| &case.derived).map(String::as_str);
        let secrets: BTreeSet<_> = derived.chain([MARK]).map(str::to_lowercase).collect();
        let mut found = Vec::new();
        for (place, text) in &self.0 {
            for line in text.lines() {
                let lower = line.to_lowercase();
                if let Some(secret) = secrets.iter().find(|secret| lower.contains(*secret)) {
                    found.push(format!("{place}: {secret} in {line}"));
                }
            }
        }
        assert!(found.is_empty(), "{}", found.join("\n"));
    }
}

/// Returns a module of this prober with these keys in its section.
fn module(prober: &str, keys: &str) -> String {
    format!("{{prober: {prober}, timeout: 20s, {prober}: {{{keys}}}}}")
}

/// The search itself can fail.
#[test]
#[should_panic(expected = "health")]
fn a_leaked_secret_is_found() {
    let mut output = Output::default();
    output.record("health", &format!("closed: {}", planted("anywhere")));
    output.assert_no_secrets(&[]);
}
