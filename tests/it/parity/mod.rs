//! The comparison with `blackbox_exporter` 0.28.0: same names, types, labels, presence and values.
//!
//! `data/parity/modules.yml` is the configuration of both, `data/parity/cases.yml` lists targets
//! and modules, and `data/upstream/` has the responses of `blackbox_exporter`.
//! `make parity BLACKBOX=<its binary>` runs both and compares them live;
//! `make parity BLACKBOX=... RECORD=1` records its responses again.

mod between;
mod compare;
mod dns;
mod grpc;
mod http;
#[cfg(feature = "http3")]
mod http3;
mod pki;
mod servers;
mod tcp;
pub(crate) mod upstream;

use std::{
    collections::BTreeMap,
    fs,
    io::{Read as _, Write as _},
    net::SocketAddr,
    path::Path,
    thread,
};

use probe_exporter::probe;
use serde::Deserialize;
use tempfile::TempDir;
use test_fixtures::{Missing, skip};
use tokio::runtime::Runtime;

use crate::harness::{self, Exporter};
use compare::Answer;
use servers::Servers;

#[derive(Debug, Clone, Deserialize)]
struct Case {
    name: Option<String>,
    module: String,
    target: String,
    hostname: Option<String>,
    /// Metrics with an intended difference, and the reason; a trailing `*` matches any rest.
    #[serde(default)]
    differs: BTreeMap<String, String>,
}

const DATA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/data");

/// Keys for which `blackbox_exporter` has no equivalent, with values that switch them off.
const SWITCHED_OFF: &str = "policy: {preset: none}\nlimits: {in_flight: 0, body_memory: 0}\n";

#[test]
fn every_case_answers_as_recorded_from_blackbox_exporter() {
    assert_as_recorded("");
}

#[test]
fn every_case_answers_as_recorded_without_policy_and_limits() {
    assert_as_recorded(SWITCHED_OFF);
}

/// Compares all cases with the recorded responses; `keys` are added to the configuration.
fn assert_as_recorded(keys: &str) {
    let stage = Stage::set();
    let ours = Exporter::start(&format!("{keys}{}", stage.modules));
    let mut wrong = String::new();
    for (case, answer) in stage.ask_all(ours.address) {
        let file = case.recording();
        let recorded = fs::read_to_string(&file).unwrap_or_else(|error| panic!("{file}: {error}"));
        let answer = Answer::parse(&answer.without(&extras()).redacted());
        wrong.push_str(&case.judge(&answer, &Answer::parse(&recorded)));
    }
    assert!(wrong.is_empty(), "not as blackbox_exporter:\n{wrong}");
}

#[test]
fn without_extra_metrics_only_metrics_of_blackbox_exporter_remain() {
    let stage = Stage::set();
    let modules = stage.modules.replace("{prober: ", "{extra_metrics: false, prober: ");
    let ours = Exporter::start(&modules);
    let mut wrong = String::new();
    for (case, answer) in stage.ask_all(ours.address) {
        let expected = Answer::parse(&fs::read_to_string(case.recording()).unwrap());
        for name in answer.names().filter(|name| !expected.names().any(|known| known == *name)) {
            if name != "probe_timeout_seconds" {
                wrong.extend([case.name(), ": ", name, "\n"]);
            }
        }
    }
    assert!(wrong.is_empty(), "left in spite of `extra_metrics: false`:\n{wrong}");
}

#[test]
fn every_case_answers_as_blackbox_exporter_does_now() {
    let Some(binary) = std::env::var_os("BLACKBOX") else {
        skip(Missing::Upstream, "BLACKBOX=<binary of blackbox_exporter 0.28.0> is not set");
        return;
    };
    let stage = Stage::set();
    let theirs = upstream::start(Path::new(&binary), &stage.modules, stage.folder.path());
    let expected = stage.ask_all(theirs.address());
    if std::env::var_os("RECORD").is_some() {
        for (case, answer) in &expected {
            fs::write(case.recording(), answer.redacted()).unwrap();
        }
    }
    let mut wrong = String::new();
    for keys in ["", SWITCHED_OFF] {
        let ours = Exporter::start(&format!("{keys}{}", stage.modules));
        for ((case, answer), (_, expected)) in
            stage.ask_all(ours.address).into_iter().zip(&expected)
        {
            let comparable = |answer: Answer| answer.without(&extras()).without_times();
            wrong.push_str(&case.judge(&comparable(answer), &comparable(expected.clone())));
        }
    }
    assert!(wrong.is_empty(), "not as blackbox_exporter:\n{wrong}");
}

/// The servers and the configuration of both exporters.
struct Stage {
    servers: Servers,
    modules: String,
    cases: Vec<Case>,
    folder: TempDir,
    _runtime: Runtime,
}

impl Stage {
    fn set() -> Self {
        let runtime = Runtime::new().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let servers = runtime.block_on(Servers::start(folder.path()));
        let read = |name: &str| fs::read_to_string(format!("{DATA}/parity/{name}")).unwrap();
        let cases = serde_saphyr::from_str(&read("cases.yml")).unwrap();
        let modules = servers.fill(&read("modules.yml"));
        Self { servers, modules, cases, folder, _runtime: runtime }
    }

    /// Runs all cases against one exporter, a few at a time.
    fn ask_all(&self, exporter: SocketAddr) -> Vec<(&Case, Answer)> {
        let ask = |case: &Case| Answer::parse(&ask(exporter, &case.path(&self.servers)));
        let mut answers = Vec::new();
        for cases in self.cases.chunks(8) {
            thread::scope(|scope| {
                // All are started before the first is joined.
                let mut asked = Vec::new();
                for case in cases {
                    asked.push((case, scope.spawn(move || ask(case))));
                }
                answers
                    .extend(asked.into_iter().map(|(case, asked)| (case, asked.join().unwrap())));
            });
        }
        answers
    }
}

/// Sends one request in HTTP/1.0, whose response cannot be chunked.
pub(crate) fn ask(exporter: SocketAddr, path: &str) -> String {
    let mut stream = harness::connect(exporter);
    let timeout = "X-Prometheus-Scrape-Timeout-Seconds: 10";
    write!(stream, "GET {path} HTTP/1.0\r\nHost: {exporter}\r\n{timeout}\r\n\r\n").unwrap();
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).unwrap();
    let answer = harness::Answer::parse(&bytes);
    assert_eq!(answer.status, 200, "{path}: {}", answer.text());
    answer.text()
}

impl Case {
    fn name(&self) -> &str {
        self.name.as_deref().unwrap_or(&self.module)
    }

    fn recording(&self) -> String {
        format!("{DATA}/upstream/{}.prom", self.name())
    }

    fn path(&self, servers: &Servers) -> String {
        let mut query = url::form_urlencoded::Serializer::new(String::from("/probe?"));
        query.append_pair("module", &self.module);
        query.append_pair("target", &servers.fill(&self.target));
        if let Some(hostname) = &self.hostname {
            query.append_pair("hostname", hostname);
        }
        query.finish()
    }

    /// Returns the differences that are not intended; empty if there are none.
    fn judge(&self, answer: &Answer, expected: &Answer) -> String {
        let intended = |name: &str| {
            self.differs.keys().any(|pattern| match pattern.strip_suffix('*') {
                Some(prefix) => name.starts_with(prefix),
                None => name == pattern,
            })
        };
        let differences = answer.differences(expected);
        let wrong: String = differences
            .iter()
            .filter(|(name, _)| !intended(name))
            .map(|(_, text)| text.as_str())
            .collect();
        if wrong.is_empty() { wrong } else { format!("{}:\n{wrong}", self.name()) }
    }
}

/// Returns the metrics that upstream lacks. `probe_timeout_seconds` came after 0.28.0.
fn extras() -> Vec<&'static str> {
    let catalogue: Vec<_> = probe::catalogue().flat_map(|(_, metrics)| metrics).collect();
    let extras = catalogue.iter().filter(|metric| metric.extra).map(|metric| metric.name);
    extras.chain(["probe_timeout_seconds"]).collect()
}
