//! Metrics of one probe as plain data, and their rendering.
//!
//! A [`Metric`] is declared once, as a constant beside the type that owns the fact; a [`MetricSet`]
//! holds the values of one probe. There is no registry and nothing that can panic on a repetition:
//! a sample that is added again replaces the earlier one.

mod label_name;
mod number;
mod text;

use std::borrow::Cow;

pub use label_name::Escaping;
pub use number::format_number;
pub use text::{Format, Writer};

/// Name, help and labels of a gauge; every metric of a probe is a gauge, as upstream's are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Metric<const LABELS: usize = 0> {
    /// The full name, such as `probe_success`.
    pub name: &'static str,
    /// One sentence for the `# HELP` line.
    pub help: &'static str,
    /// The label names; a sample gives their values in this order.
    pub labels: [&'static str; LABELS],
    /// Whether upstream lacks it; such a metric goes when a module says `extra_metrics: false`.
    pub extra: bool,
    /// What it is measured in.
    pub unit: Unit,
    /// When there is a sample, for the reference.
    pub when: &'static str,
    /// What the values of the labels are, in the order of their names, for the reference.
    pub label_meanings: [&'static str; LABELS],
}

/// What a metric is measured in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Unit {
    /// A number, or 1 and 0 for yes and no.
    #[default]
    None,
    /// A length of time.
    Seconds,
    /// A moment, in seconds since 1970.
    UnixTime,
    /// A length of data.
    Bytes,
}

/// What a [`Metric`] says of itself, whatever its number of labels; for lists of metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Description {
    /// The full name.
    pub name: &'static str,
    /// One sentence.
    pub help: &'static str,
    /// The label names.
    pub labels: &'static [&'static str],
    /// Whether upstream lacks it.
    pub extra: bool,
    /// What it is measured in.
    pub unit: Unit,
    /// When there is a sample.
    pub when: &'static str,
    /// What the values of the labels are.
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

    /// Says when there is a sample.
    #[must_use]
    pub const fn when(self, when: &'static str) -> Self {
        Self { when, ..self }
    }

    /// Says what it is measured in.
    #[must_use]
    pub const fn unit(self, unit: Unit) -> Self {
        Self { unit, ..self }
    }

    /// Says what the values of the labels are.
    #[must_use]
    pub const fn labels_mean(self, label_meanings: [&'static str; LABELS]) -> Self {
        Self { label_meanings, ..self }
    }

    /// Marks a metric that upstream does not have.
    #[must_use]
    pub const fn extra(self) -> Self {
        Self { extra: true, ..self }
    }

    /// The entry of a list of metrics.
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

/// Facts that can be shown as metrics.
pub trait Export {
    /// Adds what is known to `metrics`.
    fn export(&self, metrics: &mut MetricSet);
}

/// The metrics of one probe.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct MetricSet {
    samples: Vec<Sample>,
}

/// What a label takes beside its value.
const LABEL_SIZE: usize = size_of::<(Cow<'static, str>, String)>();

#[derive(Debug, Clone, PartialEq)]
struct Sample {
    name: &'static str,
    help: &'static str,
    extra: bool,
    labels: Vec<(Cow<'static, str>, String)>,
    value: f64,
}

/// The labels of a sample, names with values.
#[derive(Debug, Clone, Copy)]
pub struct SampleLabels<'s>(&'s [(Cow<'static, str>, String)]);

impl<'s> SampleLabels<'s> {
    /// Each of them.
    pub fn pairs(self) -> impl Iterator<Item = (&'s str, &'s str)> {
        self.0.iter().map(|(name, value)| (name.as_ref(), value.as_str()))
    }
}

impl MetricSet {
    /// None yet, with room for so many samples.
    #[must_use]
    pub fn with_capacity(samples: usize) -> Self {
        Self { samples: Vec::with_capacity(samples) }
    }

    /// Sets one sample of `metric`; `labels` are the values in the order of its label names.
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

    /// Sets one sample whose label names come from the configuration, as those of
    /// `probe_expect_info` do.
    pub fn add_dynamic(
        &mut self,
        metric: &Metric,
        labels: Vec<(String, String)>,
        value: impl Into<f64>,
    ) {
        let labels = labels.into_iter().map(|(name, value)| (Cow::Owned(name), value)).collect();
        self.insert(metric, labels, value.into());
    }

    /// Adds what `facts` show. Of it, upstream has only the metrics in `upstream` for this prober.
    pub fn add_facts(&mut self, facts: &impl Export, upstream: &[&str]) {
        let known = self.samples.len();
        facts.export(self);
        for sample in self.samples.iter_mut().skip(known) {
            sample.extra |= !upstream.contains(&sample.name);
        }
    }

    /// The names of all families that have a sample, in no order.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        let earlier = |index| self.samples.iter().take(index);
        self.samples
            .iter()
            .enumerate()
            .filter(move |(index, sample)| earlier(*index).all(|other| other.name != sample.name))
            .map(|(_, sample)| sample.name)
    }

    /// Every sample: its name, its labels, its value; in no order.
    pub fn samples(&self) -> impl Iterator<Item = (&'static str, SampleLabels<'_>, f64)> {
        self.samples.iter().map(|sample| (sample.name, SampleLabels(&sample.labels), sample.value))
    }

    /// About how many bytes it takes to keep.
    #[must_use]
    pub fn weight(&self) -> usize {
        let labels = |sample: &Sample| {
            sample.labels.iter().map(|(_, value)| LABEL_SIZE + value.len()).sum::<usize>()
        };
        self.samples.iter().map(|sample| size_of::<Sample>() + labels(sample)).sum()
    }

    /// Shows the value of each label, to be changed.
    pub fn for_each_label(&mut self, change: impl FnMut(&mut String)) {
        let labels = self.samples.iter_mut().flat_map(|sample| &mut sample.labels);
        labels.map(|(_, value)| value).for_each(change);
    }

    /// The text format 0.0.4: families by name, samples by label values, labels by name.
    #[must_use]
    pub fn render(&self) -> String {
        self.render_as(Format::Text, Escaping::default())
    }

    /// The same in any format, with odd names of labels written in any way.
    #[must_use]
    pub fn render_as(&self, format: Format, escaping: Escaping) -> String {
        text::render(&self.samples, format, escaping)
    }

    /// Leaves only what upstream has too.
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
    fn facts_can_be_extra_for_one_prober_and_not_for_another() {
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
    fn text_is_escaped_and_odd_label_names_are_made_legal() {
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
    fn openmetrics_has_an_end_and_escapes_quotes_in_help() {
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
