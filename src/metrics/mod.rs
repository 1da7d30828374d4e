//! Metrics of a probe as plain data, and their text formats.
//!
//! A [`Metric`] is declared once, as a constant beside the type that owns the value; a [`MetricSet`]
//! contains the samples of one probe. There is no registry: a sample that is added again replaces the
//! earlier one.

mod label_name;
mod number;
mod text;

use std::borrow::Cow;

pub use label_name::Escaping;
pub use number::format_number;
pub use text::{Format, Writer};

/// Declaration of a gauge. All metrics of a probe are gauges, as in upstream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Metric<const LABELS: usize = 0> {
    /// Full name, such as `probe_success`.
    pub name: &'static str,
    /// Text of the `# HELP` line, one sentence.
    pub help: &'static str,
    /// Label names; a sample has its values in this order.
    pub labels: [&'static str; LABELS],
    /// True if upstream does not have the metric; `extra_metrics: false` removes it.
    pub extra: bool,
    /// The unit.
    pub unit: Unit,
    /// Condition for a sample, for the reference.
    pub when: &'static str,
    /// Descriptions of the label values in the order of the names, for the reference.
    pub label_meanings: [&'static str; LABELS],
}

/// Unit of a metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Unit {
    /// A number, or 1 and 0 for true and false.
    #[default]
    None,
    /// A duration in seconds.
    Seconds,
    /// A point in time in seconds since 1970.
    UnixTime,
    /// A size in bytes.
    Bytes,
}

/// Declaration of a [`Metric`] with any number of labels, for lists of metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Description {
    /// Full name.
    pub name: &'static str,
    /// Text of the `# HELP` line.
    pub help: &'static str,
    /// Label names.
    pub labels: &'static [&'static str],
    /// True if upstream does not have the metric.
    pub extra: bool,
    /// The unit.
    pub unit: Unit,
    /// Condition for a sample.
    pub when: &'static str,
    /// Descriptions of the label values.
    pub label_meanings: &'static [&'static str],
}

impl<const LABELS: usize> Metric<LABELS> {
    /// Declares a metric.
    #[must_use]
    pub const fn new(
        name: &'static str,
        help: &'static str,
        labels: [&'static str; LABELS],
    ) -> Self {
        let label_meanings = [""; LABELS];
        Self { name, help, labels, extra: false, unit: Unit::None, when: "", label_meanings }
    }

    /// Sets the condition for a sample.
    #[must_use]
    pub const fn when(self, when: &'static str) -> Self {
        Self { when, ..self }
    }

    /// Sets the unit.
    #[must_use]
    pub const fn unit(self, unit: Unit) -> Self {
        Self { unit, ..self }
    }

    /// Sets the descriptions of the label values.
    #[must_use]
    pub const fn labels_mean(self, label_meanings: [&'static str; LABELS]) -> Self {
        Self { label_meanings, ..self }
    }

    /// Marks the metric as one that upstream does not have.
    #[must_use]
    pub const fn extra(self) -> Self {
        Self { extra: true, ..self }
    }

    /// Returns the entry for a list of metrics.
    #[must_use]
    pub const fn describe(&'static self) -> Description {
        Description {
            name: self.name,
            help: self.help,
            labels: &self.labels,
            extra: self.extra,
            unit: self.unit,
            when: self.when,
            label_meanings: &self.label_meanings,
        }
    }
}

/// Values that can be exported as metrics.
pub trait Export {
    /// Adds the known values to `metrics`.
    fn export(&self, metrics: &mut MetricSet);
}

/// Samples of one probe.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct MetricSet {
    samples: Vec<Sample>,
}

/// Estimated memory of a label in addition to its value, in bytes.
const LABEL_SIZE: usize = size_of::<(Cow<'static, str>, String)>();

#[derive(Debug, Clone, PartialEq)]
struct Sample {
    name: &'static str,
    help: &'static str,
    extra: bool,
    labels: Vec<(Cow<'static, str>, String)>,
    value: f64,
}

/// Labels of a sample, names with values.
#[derive(Debug, Clone, Copy)]
pub struct SampleLabels<'s>(&'s [(Cow<'static, str>, String)]);

impl<'s> SampleLabels<'s> {
    /// Returns the pairs of name and value.
    pub fn pairs(self) -> impl Iterator<Item = (&'s str, &'s str)> {
        self.0.iter().map(|(name, value)| (name.as_ref(), value.as_str()))
    }
}

impl MetricSet {
    /// Creates an empty set with room for a number of samples.
    #[must_use]
    pub fn with_capacity(samples: usize) -> Self {
        Self { samples: Vec::with_capacity(samples) }
    }

    /// Sets a sample of `metric`; `labels` are the values in the order of its label names.
    pub fn add<const LABELS: usize>(
        &mut self,
        metric: &Metric<LABELS>,
        labels: [&str; LABELS],
        value: impl Into<f64>,
    ) {
        let labels = metric
            .labels
            .into_iter()
            .zip(labels)
            .map(|(name, value)| (Cow::Borrowed(name), value.to_owned()))
            .collect();
        self.insert(metric, labels, value.into());
    }

    /// Sets a sample with label names from the configuration, as for `probe_expect_info`.
    pub fn add_dynamic(
        &mut self,
        metric: &Metric,
        labels: Vec<(String, String)>,
        value: impl Into<f64>,
    ) {
        let labels = labels.into_iter().map(|(name, value)| (Cow::Owned(name), value)).collect();
        self.insert(metric, labels, value.into());
    }

    /// Adds the metrics of `facts`. All except those named in `upstream` are extra for this prober.
    pub fn add_facts(&mut self, facts: &impl Export, upstream: &[&str]) {
        let known = self.samples.len();
        facts.export(self);
        for sample in self.samples.iter_mut().skip(known) {
            sample.extra |= !upstream.contains(&sample.name);
        }
    }

    /// Returns the names of all families with a sample, unordered.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        let earlier = |index| self.samples.iter().take(index);
        self.samples
            .iter()
            .enumerate()
            .filter(move |(index, sample)| earlier(*index).all(|other| other.name != sample.name))
            .map(|(_, sample)| sample.name)
    }

    /// Returns all samples with name, labels and value, unordered.
    pub fn samples(&self) -> impl Iterator<Item = (&'static str, SampleLabels<'_>, f64)> {
        self.samples.iter().map(|sample| (sample.name, SampleLabels(&sample.labels), sample.value))
    }

    /// Returns the estimated memory in bytes.
    #[must_use]
    pub fn weight(&self) -> usize {
        let labels = |sample: &Sample| {
            sample.labels.iter().map(|(_, value)| LABEL_SIZE + value.len()).sum::<usize>()
        };
        self.samples.iter().map(|sample| size_of::<Sample>() + labels(sample)).sum()
    }

    /// Calls `change` with the value of each label.
    pub fn for_each_label(&mut self, change: impl FnMut(&mut String)) {
        let labels = self.samples.iter_mut().flat_map(|sample| &mut sample.labels);
        labels.map(|(_, value)| value).for_each(change);
    }

    /// Renders text format 0.0.4: families sorted by name, samples by label values, labels by name.
    #[must_use]
    pub fn render(&self) -> String {
        self.render_as(Format::Text, Escaping::default())
    }

    /// Renders any format, with any escaping of label names.
    #[must_use]
    pub fn render_as(&self, format: Format, escaping: Escaping) -> String {
        text::render(&self.samples, format, escaping)
    }

    /// Removes the metrics that upstream does not have.
    pub fn remove_extras(&mut self) {
        self.samples.retain(|sample| !sample.extra);
    }

    fn insert<const LABELS: usize>(
        &mut self,
        metric: &Metric<LABELS>,
        mut labels: Vec<(Cow<'static, str>, String)>,
        value: f64,
    ) {
        labels.sort_unstable();
        let Metric { name, help, extra, .. } = *metric;
        let known =
            self.samples.iter_mut().find(|sample| sample.name == name && sample.labels == labels);
        match known {
            Some(sample) => sample.value = value,
            None => self.samples.push(Sample { name, help, extra, labels, value }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
    fn metrics_can_be_extra_for_one_prober_only() {
        struct Facts;

        impl Export for Facts {
            fn export(&self, metrics: &mut MetricSet) {
                metrics.add(&SUCCESS, [], 1.0);
                metrics.add(&PHASE, ["tls"], 0.25);
            }
        }

        let mut metrics = MetricSet::default();
        metrics.add_facts(&Facts, &[SUCCESS.name]);
        assert_eq!(metrics.names().collect::<Vec<_>>(), [SUCCESS.name, PHASE.name]);
        metrics.remove_extras();
        assert_eq!(metrics.names().collect::<Vec<_>>(), [SUCCESS.name]);
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
