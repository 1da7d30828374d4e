//! Runs rows, and checks their reports in every response format.

use std::{fs, net::SocketAddr, thread};

use serde_json::Value;

use super::row::Row;
use crate::{
    harness::{Answer, probe_path, request},
    metric_text::Sample,
    pages,
    running::Running,
    schema::Schema,
};

/// Probes all rows concurrently with an exporter of their own; panics with all differences.
pub(super) fn check(rows: &[Row]) {
    check_with(rows, |yaml| Running::start(yaml, ARGUMENTS));
}

/// Flags that keep the reports of all rows.
pub(super) const ARGUMENTS: &[&str] = &["--history.limit=1000"];

/// Does the same with an exporter that `start` returns.
pub(super) fn check_with(rows: &[Row], start: impl FnOnce(&str) -> Running) {
    let modules = rows.iter().enumerate();
    let modules = modules.map(|(index, row)| format!("  row{index}: {}\n", row.module));
    let exporter = start(&format!("modules:\n{}", modules.collect::<String>()));
    let schema = fs::read_to_string("docs/report.schema.json").unwrap();
    let schema = Schema::parse(&schema);
    let (address, schema) = (exporter.address, &schema);
    let mut wrong: Vec<String> = thread::scope(|scope| {
        // All are started before the first is joined.
        let mut probes = Vec::new();
        for (index, row) in rows.iter().enumerate() {
            let check = move || {
                ReportCheck { row, module: format!("row{index}"), address, schema }.all_formats()
            };
            probes.push((row, scope.spawn(check)));
        }
        let found = probes.into_iter().map(|(row, probe)| (row, probe.join().unwrap()));
        found.filter_map(|(row, found)| found.err().map(|why| describe(row, &why))).collect()
    });
    let (_, log) = exporter.stop();
    for (index, row) in rows.iter().enumerate() {
        if let Err(why) = logged(row, &format!("row{index}"), &log) {
            wrong.push(describe(row, &why));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

fn describe(row: &Row, why: &str) -> String {
    format!("*** {}, probing {}: {why}", row.what, row.target)
}

/// The checks of one probe.
struct ReportCheck<'l> {
    row: &'l Row,
    module: String,
    address: SocketAddr,
    schema: &'l Schema,
}

type Checked = Result<(), String>;

/// Returns an error unless `holds` is set.
fn demand(holds: bool, error: impl FnOnce() -> String) -> Checked {
    if holds { Ok(()) } else { Err(error()) }
}

impl ReportCheck<'_> {
    /// Probes once, and checks all formats.
    fn all_formats(&self) -> Checked {
        let answer = self.get(&probe_path(&self.module, &self.row.target));
        demand(answer.status == 200, || format!("{} {}", answer.status, answer.text()))?;
        let debug = self.report("debug").text();
        self.metrics(&answer)
            .and_then(|()| self.json())
            .and_then(|()| self.health())
            .and_then(|()| self.debug(&debug))
            .and_then(|()| self.page())
            .map_err(|why| format!("{why}\n{debug}"))
    }

    fn get(&self, path: &str) -> Answer {
        request(self.address, "GET", path, &[])
    }

    /// Requests the same report in another format.
    fn report(&self, format: &str) -> Answer {
        let query = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("module", &self.module)
            .append_pair("target", &self.row.target)
            .append_pair("format", format)
            .finish();
        self.get(&format!("/logs?{query}"))
    }

    fn metrics(&self, answer: &Answer) -> Checked {
        let metrics = answer.metrics();
        demand(metrics.value("probe_success") == Some(0.0), || "it succeeded".to_owned())?;
        let is_reason = |sample: &&Sample| sample.name == "probe_failure_info";
        let reasons: Vec<_> = metrics.samples().iter().filter(is_reason).collect();
        let [reason] = reasons.as_slice() else { return Err(format!("reasons: {reasons:?}")) };
        let label = |name| reason.labels.get(name).map(String::as_str).unwrap_or_default();
        self.reason("metrics", label("stage"), label("reason"))?;
        for sample in &self.row.samples {
            let holds = match sample.rsplit_once(' ') {
                Some((series, value)) => metrics.value(series) == value.parse().ok(),
                None => metrics.samples().iter().any(|found| found.name == *sample),
            };
            demand(holds, || format!("{sample} is not there"))?;
        }
        Ok(())
    }

    fn json(&self) -> Checked {
        let document: Value = serde_json::from_str(&self.report("json").text()).unwrap();
        if let Err(error) = self.schema.check(&document) {
            return Err(format!("its JSON is against the schema: {error}"));
        }
        let failure = &document["failure"];
        let text = |key: &str| failure[key].as_str().unwrap_or_default().to_owned();
        demand(document["success"] == false, || "JSON says success".to_owned())?;
        self.reason("JSON", &text("stage"), &text("reason"))?;
        self.message("JSON", &text("message"))?;
        let last = document["log"].as_array().and_then(|log| log.last()).cloned();
        let last = last.unwrap_or_default();
        demand(last["fields"]["reason"] == self.row.reason.label(), || format!("log: {last}"))
    }

    fn health(&self) -> Checked {
        let answer = self.report("health");
        let (status, text) = (answer.status, answer.text());
        demand(status == 503 && text.lines().count() == 1, || format!("health {status} {text}"))?;
        let start = format!("{}: {}: ", self.row.stage, self.row.reason);
        demand(text.starts_with(&start), || format!("health: {text}"))?;
        self.message("health", &text)
    }

    fn debug(&self, text: &str) -> Checked {
        let (_, found) = text.split_once("Result of the probe:\n").unwrap();
        let mut lines = found.lines();
        let verdict = lines.next().unwrap_or_default();
        let Row { stage, reason, .. } = self.row;
        let end = format!(", stage {stage}, reason {reason}");
        demand(verdict.starts_with("Failure") && verdict.ends_with(&end), || verdict.to_owned())?;
        let message = lines.next().unwrap_or_default();
        self.message("debug text", message)?;
        let advice = lines.next().unwrap_or_default();
        demand(advice.contains(&self.advice()), || format!("no advice: {advice}"))?;
        for line in lines.take_while(|line| !line.starts_with("Metrics that")) {
            let check = line.strip_prefix("Check ").and_then(|line| line.split_once(": failed: "));
            let names_check_twice = check.is_some_and(|(name, text)| text.starts_with(name));
            let repeats = line.starts_with("  Verification: ") && line.contains(message.trim());
            let is_redundant = names_check_twice || repeats || line == "Exchange, no address";
            demand(!is_redundant, || format!("redundant line: {line}"))?;
        }
        Ok(())
    }

    fn page(&self) -> Checked {
        let text = pages::text(&self.report("html").text());
        let Row { stage, reason, .. } = self.row;
        let particulars = format!("stage={stage} reason={reason}");
        demand(text.contains(&particulars), || format!("the page has no {particulars}: {text}"))?;
        demand(text.contains(&self.advice()), || format!("the page has no advice: {text}"))?;
        self.message("the page", &text)
    }

    /// The advice, from the report as JSON.
    fn advice(&self) -> String {
        let document: Value = serde_json::from_str(&self.report("json").text()).unwrap();
        document["failure"]["advice"].as_str().unwrap().to_owned()
    }

    fn reason(&self, format: &str, stage: &str, reason: &str) -> Checked {
        let holds = (stage, reason) == (self.row.stage.label(), self.row.reason.label());
        demand(holds, || format!("{format} says {stage} {reason}"))
    }

    fn message(&self, format: &str, message: &str) -> Checked {
        let words = self.row.words;
        demand(!words.is_empty() && message.contains(words), || {
            format!("{format} does not say {words:?} but {message:?}")
        })
    }
}

/// Checks the line of a row in the log of the process.
fn logged(row: &Row, module: &str, log: &[String]) -> Checked {
    let of_module = format!(" module={module} ");
    let lines = log.iter().filter(|line| line.contains(&of_module));
    let lines: Vec<_> = lines.filter(|line| line.contains("msg=\"Probe failed\"")).collect();
    let [line] = lines.as_slice() else { return Err(format!("the log has {lines:?}")) };
    let reason = format!(" stage={} reason={} ", row.stage, row.reason);
    // Escaped as in the log.
    let words = row.words.replace('\\', "\\\\").replace('"', "\\\"");
    demand(line.contains(&reason) && line.contains(&words), || format!("the log says {line}"))
}
