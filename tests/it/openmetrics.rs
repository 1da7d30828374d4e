//! A strict check of the OpenMetrics 1.0 grammar.

use std::collections::BTreeSet;

use crate::harness::{Answer, Exporter, probe_path};

const ONLY: &[(&str, &str)] = &[("Accept", "application/openmetrics-text;version=1.0.0")];

/// A family as it was declared.
struct Family<'t> {
    name: &'t str,
    kind: &'t str,
}

/// Checks the whole text; returns the names of the samples, or the invalid line.
fn check(text: &str) -> Result<BTreeSet<String>, String> {
    let body = text.strip_suffix("# EOF\n").ok_or("no end")?;
    let (mut families, mut samples, mut names) =
        (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    let mut family: Option<Family<'_>> = None;
    let mut help: Option<&str> = None;
    for line in body.split_terminator('\n') {
        let wrong = |what: &str| Err(format!("{what}: {line}"));
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, text) = rest.split_once(' ').ok_or("no help")?;
            if !is_name(name) || !is_escaped(text) || !families.insert(name) {
                return wrong("help");
            }
            help = Some(name);
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').ok_or("no type")?;
            if help != Some(name) || !["counter", "gauge", "histogram"].contains(&kind) {
                return wrong("type");
            }
            family = Some(Family { name, kind });
        } else {
            let Some(family) = &family else { return wrong("no family") };
            let (series, value) = line.rsplit_once(' ').ok_or("no value")?;
            let (name, labels) = series.split_once('{').unwrap_or((series, "}"));
            let suffix = name.strip_prefix(family.name).ok_or_else(|| format!("alien: {line}"))?;
            let suffixes: &[&str] = match family.kind {
                "counter" => &["_total"],
                "histogram" => &["_bucket", "_sum", "_count"],
                _ => &[""],
            };
            if !suffixes.contains(&suffix) || !samples.insert(series) {
                return wrong("suffix, or twice");
            }
            if value.parse::<f64>().is_err() || !are_labels(labels, suffix == "_bucket") {
                return wrong("value or labels");
            }
            names.insert(name.to_owned());
        }
    }
    Ok(names)
}

fn is_name(text: &str) -> bool {
    let legal = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
    text.chars().all(legal) && !text.starts_with(|c: char| c.is_ascii_digit()) && !text.is_empty()
}

/// Checks that backslashes and quotes are escaped.
fn is_escaped(text: &str) -> bool {
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        let fine = match character {
            '\\' => matches!(characters.next(), Some('\\' | '"' | 'n')),
            character => character != '"',
        };
        if !fine {
            return false;
        }
    }
    true
}

/// Checks labels such as `a="b",c="d"}`; those of a bucket need `le`.
fn are_labels(text: &str, bucket: bool) -> bool {
    let Some(mut rest) = text.strip_suffix('}') else { return false };
    let mut names = BTreeSet::new();
    while !rest.is_empty() {
        let Some((name, after)) = rest.split_once("=\"") else { return false };
        let end = after
            .char_indices()
            .find(|(index, c)| *c == '"' && is_escaped(&after[..*index]))
            .map(|(index, _)| index);
        let Some(end) = end else { return false };
        let value = &after[..end];
        if !is_name(name) || !names.insert(name) {
            return false;
        }
        if name == "le" && value != "+Inf" && !value.contains(['.', 'e']) {
            return false;
        }
        rest = &after[end + 1..];
        rest = rest.strip_prefix(',').unwrap_or(rest);
    }
    names.contains("le") == bucket
}

fn checked(answer: &Answer) -> BTreeSet<String> {
    let content_type = answer.header("content-type").unwrap();
    let expected =
        "application/openmetrics-text; version=1.0.0; charset=utf-8; escaping=underscores";
    assert_eq!(content_type, expected);
    let text = answer.text();
    check(&text).unwrap_or_else(|wrong| panic!("{wrong}\nin\n{text}"))
}

#[test]
fn both_endpoints_serve_openmetrics_if_only_that_is_accepted() {
    let exporter = Exporter::start(
        "modules:\n  connect: {prober: tcp}\n  labels:\n    prober: tcp\n    tcp:\n      \
         query_response:\n        - expect: '(.*)'\n          labels: [{name: said, value: '$1'}]\n",
    );
    let peer = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let path = probe_path("labels", &peer.local_addr().unwrap().to_string());
    let speaker = std::thread::spawn(move || {
        let (mut stream, _) = peer.accept().unwrap();
        std::io::Write::write_all(&mut stream, b"a \"quoted\\ word\n").unwrap();
    });
    let answer = exporter.request("GET", &path, ONLY);
    speaker.join().unwrap();
    assert!(answer.text().contains(r#"said="a \"quoted\\ word""#), "{}", answer.text());
    let names = checked(&answer);
    assert!(names.contains("probe_success") && names.contains("probe_expect_info"), "{names:?}");
    let failed = exporter.request("GET", &probe_path("connect", "127.0.0.1:1"), ONLY);
    assert!(checked(&failed).contains("probe_failure_info"));

    let own = exporter.request("GET", "/metrics", &[ONLY[0], ("Accept-Encoding", "gzip")]);
    assert_eq!(own.header("content-encoding"), Some("gzip"));
    let names = checked(&own);
    for name in [
        "blackbox_module_unknown_total",
        "probe_exporter_probe_duration_seconds_bucket",
        "process_cpu_seconds_total",
        "blackbox_exporter_build_info",
    ] {
        assert!(names.contains(name), "{name} in {names:?}");
    }
    // Both formats show the same samples.
    let text = exporter.own_metrics();
    let text: BTreeSet<_> = text.samples().iter().map(|sample| sample.name.clone()).collect();
    assert_eq!(names, text);
}

#[test]
fn prometheus_gets_the_text_format_as_from_blackbox_exporter() {
    let exporter = Exporter::start("modules: {connect: {prober: tcp}}");
    let accept = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,\
                  application/openmetrics-text;version=0.0.1;q=0.5,\
                  text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,\
                  text/plain;version=0.0.4;q=0.3,*/*;q=0.2";
    let path = probe_path("connect", "127.0.0.1:1");
    let answer = exporter.request("GET", &path, &[("Accept", accept)]);
    let expected = "text/plain; version=0.0.4; charset=utf-8; escaping=allow-utf-8";
    assert_eq!(answer.header("content-type"), Some(expected));
    answer.metrics().expect(&["probe_success 0"]);
}

#[test]
fn invalid_openmetrics_is_found() {
    let family = "# HELP a A.\n# TYPE a gauge\n";
    let good = format!("{family}a{{b=\"c\\\"d\"}} 1\n# EOF\n");
    assert!(check(&good).is_ok());
    for bad in [
        good.replace("# EOF\n", ""),
        good.replace("a{", "b{"),
        good.replace("a{", "a_total{"),
        good.replace(" 1\n", " x\n"),
        good.replace("gauge", "counter"),
        good.replace("\\\"", "\""),
        good.replace("A.", "\"A\"."),
        format!("{family}{good}"),
        good.replace("# EOF", "a{b=\"c\\\"d\"} 2\n# EOF"),
    ] {
        assert!(check(&bad).is_err(), "{bad}");
    }
}

#[test]
fn label_names_are_escaped_as_the_scraper_requests() {
    let exporter = Exporter::start(
        "modules:\n  labels:\n    prober: tcp\n    tcp:\n      query_response:\n        \
         - expect: '(.*)'\n          labels: [{name: a.b, value: '$1'}, {name: plain, value: y}]\n",
    );
    let peer = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let path = probe_path("labels", &peer.local_addr().unwrap().to_string());
    std::thread::spawn(move || {
        while let Ok((mut stream, _)) = peer.accept() {
            std::io::Write::write_all(&mut stream, b"x\n").unwrap();
        }
    });
    let text =
        |escaping: &str| format!("text/plain; version=0.0.4; charset=utf-8; escaping={escaping}");
    // The default `Accept` headers of Prometheus 3 and 2.
    let prometheus_3 = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,\
                        application/openmetrics-text;version=0.0.1;q=0.5,\
                        text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,\
                        text/plain;version=0.0.4;q=0.3,*/*;q=0.2";
    let prometheus_2 = "application/openmetrics-text;version=1.0.0;q=0.75,\
                        application/openmetrics-text;version=0.0.1;q=0.5,\
                        text/plain;version=0.0.4;q=0.25,*/*;q=0.1";
    let only = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8";
    for (accepted, content_type, labels) in [
        (prometheus_3, text("allow-utf-8"), r#""a.b"="x",plain="y""#),
        (prometheus_2, text("underscores"), r#"a_b="x",plain="y""#),
        ("text/plain;escaping=allow-utf-8", text("allow-utf-8"), r#""a.b"="x",plain="y""#),
        ("text/plain;version=1.0.0;escaping=dots", text("dots"), r#"a_dot_b="x",plain="y""#),
        ("text/plain;escaping=values", text("values"), r#"U__a_2e_b="x",plain="y""#),
        ("text/plain;escaping=other", text("underscores"), r#"a_b="x",plain="y""#),
        ("", text("underscores"), r#"a_b="x",plain="y""#),
        (
            only,
            "application/openmetrics-text; version=1.0.0; charset=utf-8; escaping=allow-utf-8"
                .to_owned(),
            r#""a.b"="x",plain="y""#,
        ),
    ] {
        let answer = exporter.request("GET", &path, &[("Accept", accepted)]);
        assert_eq!(answer.header("content-type"), Some(&*content_type), "{accepted}");
        let line = format!("probe_expect_info{{{labels}}} 1\n");
        assert!(answer.text().contains(&line), "{accepted}: no {line} in\n{}", answer.text());
    }
    let debug = exporter.get(&format!("{path}&debug=true")).text();
    assert!(debug.contains("probe_expect_info{\"a.b\"=\"x\",plain=\"y\"} 1\n"), "{debug}");
}
