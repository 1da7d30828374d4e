//! Prometheus text format 0.0.4 and OpenMetrics 1.0.

use super::{
    escaping::{Escaping, push_label_name, push_text},
    metric_set::{MetricSet, Sample},
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
        push_text(out, help, self.format == Format::OpenMetrics);
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
            push_label_name(out, label, self.escaping);
            out.push_str("=\"");
            push_text(out, value, true);
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

impl MetricSet {
    /// Renders text format 0.0.4: families sorted by name, samples by label values, labels by name.
    #[must_use]
    pub fn render(&self) -> String {
        self.render_as(Format::Text, Escaping::default())
    }

    /// Renders any format, with any escaping of label names.
    #[must_use]
    pub fn render_as(&self, format: Format, escaping: Escaping) -> String {
        let mut samples: Vec<&Sample> = self.samples.iter().collect();
        samples
            .sort_by(|a, b| a.name.cmp(b.name).then_with(|| label_values(a).cmp(label_values(b))));
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
}

fn label_values(sample: &Sample) -> impl Iterator<Item = &str> {
    sample.labels.iter().map(|(_, value)| value.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Metric;

    const SUCCESS: Metric = Metric::new("probe_success", "Whether the probe succeeded.", []);
    const PHASE: Metric<1> = Metric::new("probe_phase_seconds", "Time by phase.", ["phase"]);
    const INFO: Metric = Metric::new("probe_info", "Labels from \\ a\nfile.", []);

    #[test]
    fn families_and_samples_are_sorted() {
        let mut metrics = MetricSet::default();
        metrics.add(&SUCCESS, [], 1.0);
        metrics.add(&PHASE, ["tls"], 0.25);
        metrics.add(&PHASE, ["connect"], 1e-5);
        assert_eq!(
            metrics.render(),
            "# HELP probe_phase_seconds Time by phase.\n\
             # TYPE probe_phase_seconds gauge\n\
             probe_phase_seconds{phase=\"connect\"} 1e-05\n\
             probe_phase_seconds{phase=\"tls\"} 0.25\n\
             # HELP probe_success Whether the probe succeeded.\n\
             # TYPE probe_success gauge\n\
             probe_success 1\n"
        );
    }

    #[test]
    fn a_repeated_sample_replaces_the_earlier_one() {
        let mut metrics = MetricSet::default();
        metrics.add(&SUCCESS, [], 0.0);
        metrics.add(&SUCCESS, [], 1.0);
        assert!(metrics.render().ends_with("\nprobe_success 1\n"));
    }

    #[test]
    fn text_and_label_names_are_escaped() {
        let mut metrics = MetricSet::default();
        metrics.add_dynamic(&INFO, vec![("a-b".into(), "x\"y\\z\n".into())], 1);
        assert_eq!(
            metrics.render(),
            "# HELP probe_info Labels from \\\\ a\\nfile.\n\
             # TYPE probe_info gauge\n\
             probe_info{a_b=\"x\\\"y\\\\z\\n\"} 1\n"
        );
        let text = metrics.render_as(Format::Text, Escaping::AllowUtf8);
        assert!(text.ends_with("probe_info{\"a-b\"=\"x\\\"y\\\\z\\n\"} 1\n"), "{text}");
    }

    #[test]
    fn openmetrics_has_an_end_marker_and_escapes_quotes_in_help() {
        const QUOTED: Metric = Metric::new("probe_info", "What \"x\" is.", []);
        let mut metrics = MetricSet::default();
        metrics.add_dynamic(&QUOTED, vec![("a".into(), "\"".into())], 1e6);
        assert_eq!(
            metrics.render_as(Format::OpenMetrics, Escaping::AllowUtf8),
            "# HELP probe_info What \\\"x\\\" is.\n\
             # TYPE probe_info gauge\n\
             probe_info{a=\"\\\"\"} 1e+06\n\
             # EOF\n"
        );
        assert!(metrics.render().starts_with("# HELP probe_info What \"x\" is.\n"));
        assert_eq!(
            MetricSet::default().render_as(Format::OpenMetrics, Escaping::AllowUtf8),
            "# EOF\n"
        );
    }
}
