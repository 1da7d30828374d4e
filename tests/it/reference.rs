//! The reference of metrics, docs/metrics.md, is generated from the code: `UPDATE=1` writes it.

use std::{collections::BTreeMap, env, fmt::Write as _, fs};

use probe_exporter::{
    diagnostics::{Reason, RefusalCause, Stage},
    metrics::{Description, Unit},
    net::tls::VerifyResult,
    probe::catalogue,
};

use crate::{
    harness::Exporter,
    probing::{failed, probe},
};

const FILE: &str = "docs/metrics.md";

#[test]
fn the_metrics_reference_is_current() {
    let text = reference();
    if env::var_os("UPDATE").is_some() {
        fs::write(FILE, &text).unwrap();
    }
    assert!(fs::read_to_string(FILE).unwrap() == text, "UPDATE=1 makes {FILE} current");
}

#[test]
fn every_metric_documents_its_condition_and_labels() {
    for (part, metric) in all() {
        let Description { name, when, labels, label_meanings, .. } = metric;
        assert!(!when.is_empty(), "{part}: {name} does not say when it is there");
        assert_eq!(labels.len(), label_meanings.len());
        assert!(label_meanings.iter().all(|text| !text.is_empty()), "{part}: labels of {name}");
        assert!(metric.help.ends_with('.'), "{part}: {name}: {}", metric.help);
        let is_time = name.ends_with("_seconds") && !name.ends_with("timestamp_seconds");
        assert_eq!(is_time, metric.unit == Unit::Seconds, "{part}: the unit of {name}");
    }
}

#[tokio::test]
async fn metrics_marked_always_are_exported_when_resolution_fails() {
    const IPV4: &str = "preferred_ip_protocol: ip4, ip_protocol_fallback: false";
    for (part, target) in [
        ("http", "http://[::1]:1"),
        ("dns", "[::1]:1"),
        ("icmp", "::1"),
        ("grpc", "[::1]:1"),
        ("websocket", "ws://[::1]:1"),
    ] {
        let more = if part == "dns" { ", query_name: a" } else { "" };
        let module = format!("{{prober: {part}, {part}: {{{IPV4}{more}}}}}");
        let probed = probe(&module, target).await;
        probed.expect(&[&failed("resolve", "no_suitable_address")]);
        let text = probed.text();
        for (of, metric) in all() {
            if (of == part || of == "Every probe") && metric.when == "always" {
                let is_there = text.lines().any(|line| line.starts_with(metric.name));
                assert!(is_there, "{part}: {} is not there:\n{text}", metric.name);
            }
        }
    }
}

/// The reference documents the phases of a websocket probe, which are unusual in upstream.
#[tokio::test]
async fn phases_of_an_upgrade_are_exported_as_far_as_it_came() {
    let phase = |name| format!("probe_websocket_duration_seconds{{phase=\"{name}\"}}");
    let probed = probe("{prober: websocket}", "ws://127.0.0.1:1").await;
    let [resolve, connect, processing] = ["resolve", "connect", "processing"].map(phase);
    probed.expect(&[&resolve, &format!("!{connect}"), &format!("{processing} 0")]);
}

fn all() -> impl Iterator<Item = (&'static str, Description)> {
    catalogue().flat_map(|(part, metrics)| metrics.iter().map(move |metric| (part, *metric)))
}

fn reference() -> String {
    let mut text = String::from(INTRODUCTION);
    for (part, metrics) in catalogue() {
        write!(
            text,
            "\n### {part}\n\n| metric | description | unit | exported |\n|---|---|---|---|\n"
        )
        .unwrap();
        for metric in metrics {
            text.push_str(&row(metric));
        }
    }
    text.push_str(
        "\n## Stages\n\nThe label `stage` of `probe_failure_info`.\n\n| stage | meaning | advice \
         |\n|---|---|---|\n",
    );
    for stage in Stage::ALL {
        writeln!(text, "| `{stage}` | {} | {} |", stage.meaning(), stage.advice()).unwrap();
    }
    text.push_str(
        "\n## Reasons\n\nThe label `reason` of `probe_failure_info`.\n\n| reason | meaning | \
         advice |\n|---|---|---|\n",
    );
    for reason in Reason::ALL {
        writeln!(text, "| `{reason}` | {} | {} |", reason.meaning(), reason.advice()).unwrap();
    }
    text.push_str(
        "\n## Causes of refusals\n\nThe label `cause` of `probe_exporter_probes_refused_total`. A \
         refused probe says nothing about its target and has no metrics; see \
         [debugging.md](debugging.md#refused-probes).\n\n| cause | meaning | advice |\n|---|---|---|\n",
    );
    for cause in RefusalCause::ALL {
        writeln!(text, "| `{cause}` | {} | {} |", cause.meaning(), cause.advice()).unwrap();
    }
    text.push_str(
        "\n## Results of certificate verification\n\nThe label `result` of \
         `probe_ssl_verify_info`.\n\n| result | meaning |\n|---|---|\n",
    );
    for result in VerifyResult::ALL {
        writeln!(text, "| `{}` | {} |", result.label(), result.meaning()).unwrap();
    }
    text.push_str(OWN);
    for (name, (kind, help)) in own_metrics() {
        writeln!(text, "| `{name}` | {kind} | {help} |").unwrap();
    }
    text
}

const INTRODUCTION: &str = "\
# Metrics

Generated from the source code; do not edit.
[times.md](times.md) defines the phases and their clocks.

## Metrics of a probe

`/probe` returns these metrics; all are gauges.
Metrics marked *new* do not exist in blackbox_exporter. Some metrics of name resolution, TCP and TLS are also exported by probers for which blackbox_exporter does not export them. `extra_metrics: false` in a module removes both.
";

const OWN: &str = "
## Metrics of the exporter

`/metrics` returns these metrics.
Only the first 1,000 modules that are probed have series of their own (`--metrics.max-modules`). All others share the series with `module=\"_other\"`; see [sizing.md](sizing.md#many-modules).

| metric | type | description |
|---|---|---|
";

fn row(metric: &Description) -> String {
    let unit = match metric.unit {
        Unit::None => "",
        Unit::Seconds => "seconds",
        Unit::UnixTime => "seconds since 1970",
        Unit::Bytes => "bytes",
    };
    let mut meaning = metric.help.to_owned();
    for (label, values) in metric.labels.iter().zip(metric.label_meanings) {
        write!(meaning, "<br>`{label}`: {values}").unwrap();
    }
    let new = if metric.extra { " *new*" } else { "" };
    format!("| `{}`{new} | {meaning} | {unit} | {} |\n", metric.name, metric.when)
}

/// A configuration whose exporter exports all metrics.
const REPORTING: &str = "{policy: {mode: report, preset: public}, modules: {tcp: {prober: tcp}}}";

/// Returns type and help of the exporter's own metrics, by name.
fn own_metrics() -> BTreeMap<String, (String, String)> {
    let web_config = tempfile::NamedTempFile::new().unwrap();
    let exporter = Exporter::start_with(REPORTING, |options| {
        options.web_config_file = Some(web_config.path().to_owned());
    });
    exporter.probe("tcp", "127.0.0.1:0");
    let text = exporter.get("/metrics").text();
    let lines = |start: &'static str| {
        let lines = text.lines().filter_map(move |line| line.strip_prefix(start));
        lines.filter_map(|line| line.split_once(' ')).collect::<BTreeMap<_, _>>()
    };
    let helps = lines("# HELP ");
    let types = lines("# TYPE ").into_iter();
    types.map(|(name, kind)| (name.to_owned(), (kind.to_owned(), helps[name].to_owned()))).collect()
}
