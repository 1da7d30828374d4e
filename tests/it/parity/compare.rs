//! Strict parsing and comparison of the metrics of two exporters.

use std::{collections::BTreeMap, fmt::Write as _};

/// Name and labels of a sample, as printed.
type Series = String;

/// The response of an exporter: types by name, values by series.
#[derive(Debug, Default, Clone, PartialEq)]
pub(super) struct Answer {
    types: BTreeMap<String, String>,
    values: BTreeMap<Series, String>,
}

impl Answer {
    /// Parses the text format; an invalid line fails the test.
    pub(super) fn parse(text: &str) -> Self {
        let mut answer = Self::default();
        for line in text.lines() {
            if let Some(rest) = line.strip_prefix("# TYPE ") {
                let (name, kind) = rest.split_once(' ').unwrap();
                answer.types.insert(name.to_owned(), kind.to_owned());
            } else if !line.starts_with("# HELP ") {
                let (series, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("{line}"));
                assert!(value.parse::<f64>().is_ok(), "not a number: {line}");
                answer.values.insert(series.to_owned(), value.to_owned());
            }
        }
        answer
    }

    /// Returns the text to record: sorted, without help, and without values that vary between runs.
    pub(super) fn redacted(&self) -> String {
        let mut out = String::new();
        for (name, kind) in &self.types {
            writeln!(out, "# TYPE {name} {kind}").unwrap();
        }
        for (series, value) in &self.values {
            let value = if is_time(series) { "0" } else { value };
            writeln!(out, "{} {value}", redact_labels(series)).unwrap();
        }
        out
    }

    /// Returns the metrics that differ, with both values.
    pub(super) fn differences(&self, other: &Self) -> BTreeMap<String, String> {
        let mut found: BTreeMap<String, String> = BTreeMap::new();
        let mut note = |name: &str, text: String| {
            found.entry(name.to_owned()).or_default().push_str(&text);
        };
        let names = self.types.keys().chain(other.types.keys());
        for name in names {
            let (ours, theirs) = (self.types.get(name), other.types.get(name));
            if ours != theirs {
                note(name, format!("  type {ours:?} instead of {theirs:?}\n"));
            }
        }
        for series in self.values.keys().chain(other.values.keys()) {
            let (ours, theirs) = (self.values.get(series), other.values.get(series));
            if ours != theirs {
                note(name_of(series), format!("  {series}: {ours:?} instead of {theirs:?}\n"));
            }
        }
        found
    }

    /// Sets every time to 0: two probes of one target never take the same time.
    pub(super) fn without_times(mut self) -> Self {
        for (series, value) in &mut self.values {
            if is_time(series) {
                "0".clone_into(value);
            }
        }
        self
    }

    /// The names of all metrics.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.types.keys().map(String::as_str)
    }

    /// Removes metrics that only we have.
    pub(super) fn without(mut self, extra: &[&str]) -> Self {
        self.types.retain(|name, _| !extra.contains(&name.as_str()));
        self.values.retain(|series, _| !extra.contains(&name_of(series)));
        self
    }
}

pub(super) fn name_of(series: &str) -> &str {
    series.split('{').next().unwrap_or(series)
}

fn is_time(series: &str) -> bool {
    let name = name_of(series);
    name.ends_with("_duration_seconds") || name == "probe_dns_lookup_time_seconds"
}

fn redact_labels(series: &str) -> String {
    ["fingerprint_sha256", "serialnumber"].iter().fold(series.to_owned(), |series, label| {
        match series.split_once(&format!("{label}=\"")) {
            Some((before, rest)) => {
                let after = rest.split_once('"').map_or("", |(_, after)| after);
                format!("{before}{label}=\"redacted\"{after}")
            }
            None => series,
        }
    })
}
