//! A strict parser of the text format 0.0.4, and expectations about its samples.

use std::collections::{BTreeMap, BTreeSet};

/// The metrics of one answer.
#[derive(Debug, Clone, Default)]
pub(crate) struct Metrics {
    text: String,
    families: BTreeMap<String, Family>,
    samples: Vec<Sample>,
}

/// The comments of a metric family.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Family {
    pub(crate) help: String,
    pub(crate) kind: String,
}

/// One line of values.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Sample {
    pub(crate) name: String,
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) value: f64,
}

impl Metrics {
    /// Parses a whole response; panics at the first invalid line.
    pub(crate) fn parse(text: &str) -> Self {
        let mut metrics = Self { text: text.to_owned(), ..Self::default() };
        assert!(text.is_empty() || text.ends_with('\n'), "no line end at the end of\n{text}");
        for line in text.lines() {
            metrics.add(line).unwrap_or_else(|| panic!("malformed line {line:?} in\n{text}"));
        }
        let series: BTreeSet<_> = metrics
            .samples
            .iter()
            .map(|sample| (&sample.name, sample.labels.iter().collect::<Vec<_>>()))
            .collect();
        assert_eq!(series.len(), metrics.samples.len(), "a series twice in\n{text}");
        metrics
    }

    /// The value of a series, written as in the text: `name` or `name{label="value"}`.
    pub(crate) fn value(&self, series: &str) -> Option<f64> {
        let (name, labels) = parse_series(series).unwrap_or_else(|| panic!("series {series:?}"));
        let mut found =
            self.samples.iter().filter(|sample| sample.name == name && sample.labels == labels);
        found.next().map(|sample| sample.value)
    }

    /// Expects samples in the text format: `probe_success 1`. The value `*` matches any.
    #[track_caller]
    pub(crate) fn expect(&self, lines: &[&str]) -> &Self {
        for line in lines {
            let (series, value) = line.rsplit_once(' ').unwrap();
            let found = self.value(series);
            let right = match (found, value) {
                (Some(_), "*") => true,
                (Some(found), value) => {
                    let value: f64 = value.parse().unwrap();
                    found.total_cmp(&value).is_eq()
                }
                (None, _) => false,
            };
            assert!(right, "expected {line:?}, found {found:?} in\n{}", self.text);
        }
        self
    }

    /// Expects that families are absent.
    #[track_caller]
    pub(crate) fn expect_absent(&self, names: &[&str]) -> &Self {
        for name in names {
            assert!(!self.families.contains_key(*name), "{name} is there:\n{}", self.text);
        }
        self
    }

    /// The text itself.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// The names of all families, sorted.
    pub(crate) fn names(&self) -> Vec<&str> {
        self.families.keys().map(String::as_str).collect()
    }

    /// Name, help and type of all families.
    pub(crate) fn families(&self) -> &BTreeMap<String, Family> {
        &self.families
    }

    /// All samples, in their order.
    pub(crate) fn samples(&self) -> &[Sample] {
        &self.samples
    }

    fn add(&mut self, line: &str) -> Option<()> {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, help) = rest.split_once(' ')?;
            let family = Family { help: help.to_owned(), kind: String::new() };
            return self.families.insert(name.to_owned(), family).is_none().then_some(());
        }
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ')?;
            let family = self.families.get_mut(name).filter(|family| family.kind.is_empty())?;
            kind.clone_into(&mut family.kind);
            return ["gauge", "counter", "histogram"].contains(&kind).then_some(());
        }
        let (series, value) = line.rsplit_once(' ')?;
        let (name, labels) = parse_series(series)?;
        let base = ["_bucket", "_sum", "_count"].iter().find_map(|end| name.strip_suffix(end));
        let histogram = base.and_then(|base| self.families.get(base));
        let is_histogram = histogram.is_some_and(|family| family.kind == "histogram");
        if !is_histogram && !self.families.contains_key(&name) {
            return None;
        }
        self.samples.push(Sample { name, labels, value: value.parse().ok()? });
        Some(())
    }
}

/// `name{label="value",...}`, with the format's escapes.
fn parse_series(series: &str) -> Option<(String, BTreeMap<String, String>)> {
    let (name, rest) = match series.split_once('{') {
        Some((name, rest)) => (name, rest.strip_suffix('}')?),
        None => (series, ""),
    };
    let mut labels = BTreeMap::new();
    let mut rest = rest;
    while !rest.is_empty() {
        let (label, after) = rest.split_once("=\"")?;
        let (value, after) = quoted(after)?;
        if !is_name(label) || labels.insert(label.to_owned(), value).is_some() {
            return None;
        }
        rest = match after.strip_prefix(',') {
            Some(next) if !next.is_empty() => next,
            None if after.is_empty() => after,
            _ => return None,
        };
    }
    is_name(name).then(|| (name.to_owned(), labels))
}

/// The text up to the closing quote, and what follows it.
fn quoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((index, character)) = characters.next() {
        match character {
            '"' => return Some((value, &text[index + 1..])),
            '\\' => value.push(match characters.next()?.1 {
                'n' => '\n',
                escaped @ ('"' | '\\') => escaped,
                _ => return None,
            }),
            other => value.push(other),
        }
    }
    None
}

fn is_name(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
        && text.chars().all(|character| character.is_ascii_alphanumeric() || character == '_')
}

#[test]
fn valid_text_is_parsed_and_invalid_text_is_rejected() {
    let text = "# HELP a A \\\\ b.\n# TYPE a gauge\na{x=\"1,\\\"}\",y=\"\"} 1e-05\na NaN\n";
    let metrics = Metrics::parse(text);
    metrics.expect(&["a{x=\"1,\\\"}\",y=\"\"} 1e-05", "a NaN", "a *"]).expect_absent(&["b"]);
    for bad in [
        "a 1\n",
        "# HELP a b\n# TYPE a gauge\na 1",
        "# HELP a b\n# TYPE a gauge\na  1\n",
        "# HELP a b\n# TYPE a gauge\na{x=1} 1\n",
        "# HELP a b\n# TYPE a gauge\na{x=\"1\",} 1\n",
        "# HELP a b\n# TYPE a gauge\na 1\na 2\n",
        "# HELP a b\n# TYPE a gauge\n# TYPE a gauge\na 1\n",
    ] {
        assert!(std::panic::catch_unwind(|| Metrics::parse(bad)).is_err(), "{bad}");
    }
}
