//! Prometheus text format 0.0.4 and OpenMetrics 1.0.

use memchr::{memchr2, memchr3};

use super::{
    Sample,
    label_name::{self, Escaping},
    number::format_number,
};

/// Text format of metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Prometheus text format 0.0.4.
    Text,
    /// OpenMetrics 1.0.
    OpenMetrics,
}

/// Writer of metric families, each followed by its samples.
#[derive(Debug)]
pub struct Writer {
    out: String,
    format: Format,
    escaping: Escaping,
}

impl Writer {
    /// Creates a writer with an initial capacity in bytes.
    #[must_use]
    pub fn new(format: Format, escaping: Escaping, capacity: usize) -> Self {
        Self { out: String::with_capacity(capacity), format, escaping }
    }

    /// Starts a family of a type such as `gauge`.
    pub fn family(&mut self, name: &str, kind: &str, help: &str) {
        let out = &mut self.out;
        out.push_str("# HELP ");
        out.push_str(name);
        out.push(' ');
        escape(out, help, self.format == Format::OpenMetrics);
        out.push_str("\n# TYPE ");
        out.push_str(name);
        out.push(' ');
        out.push_str(kind);
        out.push('\n');
    }

    /// Writes a sample of the current family.
    pub fn sample<'l>(
        &mut self,
        name: &str,
        labels: impl IntoIterator<Item = (&'l str, &'l str)>,
        value: f64,
    ) {
        let out = &mut self.out;
        out.push_str(name);
        let mut separator = '{';
        for (label, value) in labels {
            out.push(separator);
            label_name::push(out, label, self.escaping);
            out.push_str("=\"");
            escape(out, value, true);
            out.push('"');
            separator = ',';
        }
        if separator == ',' {
            out.push('}');
        }
        out.push(' ');
        format_number(out, value);
        out.push('\n');
    }

    /// Returns the complete text.
    #[must_use]
    pub fn finish(mut self) -> String {
        if self.format == Format::OpenMetrics {
            self.out.push_str("# EOF\n");
        }
        self.out
    }
}

pub(super) fn render(samples: &[Sample], format: Format, escaping: Escaping) -> String {
    let mut samples: Vec<&Sample> = samples.iter().collect();
    samples.sort_by(|a, b| a.name.cmp(b.name).then_with(|| label_values(a).cmp(label_values(b))));
    let mut writer = Writer::new(format, escaping, samples.len() * 160);
    let mut family = "";
    for Sample { name, help, labels, value, .. } in samples {
        if family != *name {
            family = name;
            writer.family(name, "gauge", help);
        }
        let labels = labels.iter().map(|(name, value)| (name.as_ref(), value.as_str()));
        writer.sample(name, labels, *value);
    }
    writer.finish()
}

fn label_values(sample: &Sample) -> impl Iterator<Item = &str> {
    sample.labels.iter().map(|(_, value)| value.as_str())
}

pub(super) fn escape(out: &mut String, mut text: &str, quotes: bool) {
    // Most text needs no escaping and is copied as a whole.
    let special = |text: &str| {
        if quotes {
            memchr3(b'\\', b'\n', b'"', text.as_bytes())
        } else {
            memchr2(b'\\', b'\n', text.as_bytes())
        }
    };
    while let Some(position) = special(text) {
        let (plain, rest) = text.split_at(position);
        out.push_str(plain);
        let mut rest = rest.chars();
        match rest.next() {
            Some('\n') => out.push_str("\\n"),
            Some(other) => out.extend(['\\', other]),
            None => {}
        }
        text = rest.as_str();
    }
    out.push_str(text);
}
