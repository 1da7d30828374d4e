//! The shipped files load, are complete, and use only existing names.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use probe_exporter::{
    config::{Config, DeclaredKey, declared_keys, web::WebConfig},
    metrics::Description,
    probe,
};
use saphyr_parser::{Event, Parser};
use serde_json::Value;

use crate::{harness::Exporter, source};

#[test]
fn example_modules_load_without_warnings() {
    let examples = files("examples", "yml").filter(|file| file.ends_with("modules.yml"));
    for file in files("config", "yml").chain(files("examples/modules", "yml")).chain(examples) {
        let name = file.display().to_string();
        let config = Config::parse(fs::read(&file).unwrap(), &name)
            .unwrap_or_else(|error| panic!("{error}"));
        assert!(config.modules().next().is_some(), "{name} has no modules");
        assert_eq!(config.warnings(), [], "{name}");
    }
}

#[test]
fn the_examples_show_every_key() {
    let mut missing = Vec::new();
    for key in declared_keys() {
        let (name, examples) = (key.key.name, examples_of(&key));
        let shown = examples.iter().map(|example| words(&fs::read_to_string(example).unwrap()));
        if !shown.into_iter().any(|words| words.contains(name)) {
            missing.push(format!("{name} in {examples:?}"));
        }
    }
    assert!(missing.is_empty(), "not shown:\n{}", missing.join("\n"));
}

#[test]
fn the_reference_names_every_key() {
    let pages = ["docs/configuration.md", "docs/probers.md"];
    let reference = words(&pages.map(|page| fs::read_to_string(page).unwrap()).concat());
    let keys = declared_keys().into_iter().map(|key| key.key.name);
    let missing: Vec<_> = keys.filter(|key| !reference.contains(*key)).collect();
    assert!(missing.is_empty(), "not in {pages:?}: {missing:?}");
}

#[test]
fn the_web_config_example_shows_every_key_and_loads() {
    let example = fs::read_to_string("examples/web-config.yml").unwrap();
    let sources = source::rust_files(Path::new("src/config/web"));
    let keys: BTreeSet<_> = sources.iter().flat_map(|file| source::settings_keys(file)).collect();
    assert!(keys.len() > 15, "{keys:?}");
    let missing: Vec<_> = keys.difference(&words(&example)).cloned().collect();
    assert!(missing.is_empty(), "not shown: {missing:?}");
    let config = WebConfig::read(example.as_bytes(), Path::new("web.yml"), Ok);
    let config = config.unwrap_or_else(|error| panic!("{error}"));
    assert!(config.tls.is_some() && config.rate_limit.is_some() && !config.users.is_empty());
    assert_eq!(config.warnings, []);
}

#[test]
fn all_yaml_files_can_be_parsed() {
    for folder in ["config", "examples", "grafana", "prometheus"] {
        for file in files_below(Path::new(folder), "yml") {
            assert!(events(&file).len() > 4, "{} is empty", file.display());
        }
    }
}

#[test]
fn rules_use_only_existing_metrics() {
    let mut known = exported();
    known.extend(records());
    let mut wrong = Vec::new();
    for file in files("prometheus/rules", "yml") {
        for expression in yaml_values(&file, "expr") {
            for metric in metrics_in(&expression).difference(&known) {
                wrong.push(format!("{}: {metric} in {expression}", file.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "no such metric:\n{}", wrong.join("\n"));
}

#[test]
fn every_rule_has_a_unit_test() {
    let tested: String = files("prometheus/tests", "yml")
        .map(|file| fs::read_to_string(file).unwrap())
        .collect::<Vec<_>>()
        .join("\n");
    let alerts = files("prometheus/rules", "yml").flat_map(|file| yaml_values(&file, "alert"));
    let alerts = alerts.map(|alert| format!("alertname: {alert}\n"));
    let missing: Vec<_> =
        alerts.chain(records()).filter(|rule| !tested.contains(rule.as_str())).collect();
    assert!(missing.is_empty(), "not tested: {missing:?}");
}

#[test]
fn dashboards_are_complete() {
    for (file, dashboard) in dashboards() {
        let (mut ids, mut wrong) = (BTreeSet::new(), Vec::new());
        for panel in panels(&dashboard) {
            let title = panel["title"].as_str().unwrap_or_default();
            if title.is_empty() {
                wrong.push(format!("a panel without a title: {}", panel["id"]));
            }
            if !panel["id"].as_u64().is_some_and(|id| ids.insert(id)) {
                wrong.push(format!("{title}: no id of its own: {}", panel["id"]));
            }
            if panel["type"] == "row" {
                continue;
            }
            let targets = panel["targets"].as_array().map_or(&[][..], Vec::as_slice);
            if targets.is_empty() {
                wrong.push(format!("{title}: no query"));
            }
            for holder in targets.iter().chain([panel]) {
                if holder["datasource"]["uid"] != "${datasource}" {
                    wrong.push(format!("{title}: a data source that is not the variable"));
                }
            }
            for target in targets {
                if target["expr"].as_str().unwrap_or_default().trim().is_empty() {
                    wrong.push(format!("{title}: an empty query"));
                }
            }
        }
        for variable in dashboard["templating"]["list"].as_array().unwrap() {
            if variable["type"] == "query" && variable["datasource"]["uid"] != "${datasource}" {
                wrong.push(format!("{}: a data source that is not the variable", variable["name"]));
            }
        }
        assert!(!ids.is_empty(), "{}: no panels", file.display());
        assert!(wrong.is_empty(), "{}:\n{}", file.display(), wrong.join("\n"));
    }
}

#[test]
fn dashboards_use_only_existing_metrics() {
    let known = exported();
    for (file, dashboard) in dashboards() {
        let panels = panels(&dashboard);
        let queries = panels
            .iter()
            .flat_map(|panel| panel["targets"].as_array().into_iter().flatten())
            .filter_map(|target| target["expr"].as_str());
        let variables = dashboard["templating"]["list"].as_array().unwrap();
        let variables = variables
            .iter()
            .filter_map(|variable| variable["query"]["query"].as_str())
            // label_values(metric{…}, label)
            .filter_map(|query| query.strip_prefix("label_values(")?.rsplit_once(','))
            .map(|(metric, _)| metric);
        let mut asked = BTreeSet::new();
        for query in queries.chain(variables) {
            asked.extend(metrics_in(query));
        }
        let unknown: Vec<_> = asked.difference(&known).collect();
        assert!(unknown.is_empty(), "{}: no such metrics: {unknown:?}", file.display());
        assert!(asked.contains("probe_success"), "{}: {asked:?}", file.display());
    }
}

#[test]
fn the_catalogue_has_every_metric_that_is_declared() {
    let known: BTreeSet<_> = catalogue().map(|metric| metric.name.to_owned()).collect();
    let declared = source::rust_files(Path::new("src"));
    let declared: BTreeSet<_> =
        declared.iter().flat_map(|file| source::declared_metrics(file)).collect();
    assert!(declared.len() > 30, "declarations were not found: {declared:?}");
    let missing: Vec<_> = declared.difference(&known).collect();
    assert!(missing.is_empty(), "not in probe::catalogue: {missing:?}");
}

#[test]
fn metrics_are_found_in_expressions() {
    let found = |expression: &str| metrics_in(expression).into_iter().collect::<Vec<_>>();
    assert_eq!(
        found(
            r#"avg by (phase) (rate(a_b{x="y", z=~"c"}[5m])) / on (job) group_left (l) d:e > 1e3"#
        ),
        ["a_b", "d:e"]
    );
    assert_eq!(found("7 * 86400 <= up - time() and on (job) x offset 1d"), ["up", "x"]);
    assert_eq!(found(r#"quantile_over_time(0.50, a{b="{c}"}[$__range]) or vector(0)"#), ["a"]);
}

/// Every metric of a probe.
fn catalogue() -> impl Iterator<Item = Description> {
    probe::catalogue().flat_map(|(_, metrics)| metrics.iter().copied())
}

/// Returns the files of which one must show the key.
fn examples_of(key: &DeclaredKey) -> Vec<PathBuf> {
    // Sections that several probers share are shown once.
    let section = key.section.iter().rev().find_map(|section| match *section {
        "tls_config" => Some("tls"),
        "query_response" => Some("tcp"),
        "http_config" => Some("http"),
        _ => None,
    });
    let of_all = ["preferred_ip_protocol", "ip_protocol_fallback"].contains(&key.key.name);
    match section.or(key.section.first().copied()).filter(|_| !of_all) {
        Some(section) => vec![PathBuf::from(format!("examples/modules/{section}.yml"))],
        None => files("examples/modules", "yml").collect(),
    }
}

/// A configuration whose exporter exports all metrics.
const REPORTING: &str = "{policy: {mode: report, preset: public}, modules: {tcp: {prober: tcp}}}";

/// Returns the metrics of probes, of the exporter itself and of Prometheus.
pub(crate) fn exported() -> BTreeSet<String> {
    let mut names = BTreeSet::from(["up".to_owned()]);
    names.extend(catalogue().map(|metric| metric.name.to_owned()));
    // A web config file adds metrics.
    let web_config = tempfile::NamedTempFile::new().unwrap();
    let exporter = Exporter::start_with(REPORTING, |options| {
        options.web_config_file = Some(web_config.path().to_owned());
    });
    exporter.probe("tcp", "127.0.0.1:0");
    names.extend(exporter.own_metrics().samples().iter().map(|sample| sample.name.clone()));
    names
}

/// Returns the names of recording rules.
fn records() -> BTreeSet<String> {
    files("prometheus/rules", "yml").flat_map(|file| yaml_values(&file, "record")).collect()
}

/// The names of metrics in an expression of Prometheus.
pub(crate) fn metrics_in(expression: &str) -> BTreeSet<String> {
    const WORDS: &[&str] = &["and", "bool", "offset", "or", "unless"];
    const BEFORE_LABELS: &[&str] =
        &["by", "group_left", "group_right", "ignoring", "on", "without"];
    let mut names = BTreeSet::new();
    let mut rest = expression;
    while let Some(first) = rest.chars().next() {
        if first == '"' {
            rest = rest[1..].split_once('"').unwrap().1;
        } else if first == '[' {
            rest = rest.split_once(']').unwrap().1;
        } else if first == '{' {
            rest = after_matchers(&rest[1..]);
        } else if first.is_alphanumeric() || "_:$.".contains(first) {
            let end = rest.find(|c: char| !c.is_alphanumeric() && !"_:$.".contains(c));
            let (word, after) = rest.split_at(end.unwrap_or(rest.len()));
            rest = after;
            let after = after.trim_start();
            let aggregates = after.starts_with("by ") || after.starts_with("without ");
            let called = after.strip_prefix('(');
            if BEFORE_LABELS.contains(&word) {
                rest = called.and_then(|labels| labels.split_once(')')).unwrap().1;
            } else if called.is_none()
                && !aggregates
                && !WORDS.contains(&word)
                && !first.is_ascii_digit()
                && first != '$'
            {
                names.insert(word.to_owned());
            }
        } else {
            rest = &rest[first.len_utf8()..];
        }
    }
    names
}

/// Returns the text after the brace that closes label matchers, ignoring braces in quotes.
fn after_matchers(text: &str) -> &str {
    let mut quoted = false;
    let end = text.find(|c| {
        quoted ^= c == '"';
        c == '}' && !quoted
    });
    &text[end.unwrap() + 1..]
}

fn words(text: &str) -> BTreeSet<String> {
    text.split(|c: char| !c.is_alphanumeric() && c != '_').map(str::to_owned).collect()
}

/// Returns the values of a key anywhere in a YAML file.
fn yaml_values(file: &Path, key: &str) -> Vec<String> {
    let scalars = events(file).into_iter().map(|event| match event {
        Event::Scalar(value, ..) => Some(value.into_owned()),
        _ => None,
    });
    let scalars: Vec<_> = scalars.collect();
    let pairs = scalars.windows(2).filter(|pair| pair[0].as_deref() == Some(key));
    pairs.filter_map(|pair| pair[1].clone()).collect()
}

fn events(file: &Path) -> Vec<Event<'static>> {
    let text = fs::read_to_string(file).unwrap().leak();
    Parser::new_from_str(text)
        .map(|event| event.unwrap_or_else(|error| panic!("{}: {error}", file.display())).0)
        .collect()
}

fn dashboards() -> Vec<(PathBuf, Value)> {
    let read = |file: PathBuf| {
        let dashboard = serde_json::from_slice(&fs::read(&file).unwrap())
            .unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        (file, dashboard)
    };
    files("grafana/dashboards", "json").map(read).collect()
}

/// The panels of a dashboard, also those inside collapsed rows.
fn panels(dashboard: &Value) -> Vec<&Value> {
    let top = dashboard["panels"].as_array().unwrap();
    let inside = top.iter().filter_map(|panel| panel["panels"].as_array()).flatten();
    top.iter().chain(inside).collect()
}

/// Returns the files of a folder; there must be one.
pub(crate) fn files(folder: &str, extension: &'static str) -> impl Iterator<Item = PathBuf> {
    let files = files_below(Path::new(folder), extension);
    assert!(!files.is_empty(), "{folder} has no .{extension} files");
    files.into_iter()
}

fn files_below(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(files_below(&path, extension));
        } else if path.extension().is_some_and(|found| found == extension) {
            files.push(path);
        }
    }
    files.sort();
    files
}
