//! The metrics of one probe.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::metric::Metric;
use crate::compact;

/// Values that can be exported as metrics.
pub trait Export {
    /// Adds the known values to `metrics`.
    fn export(&self, metrics: &mut MetricSet);
}

/// Samples of one probe.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct MetricSet {
    pub(super) samples: Vec<Sample>,
}

/// Returns the memory that an allocation of `bytes` takes: the size class of jemalloc.
#[must_use]
pub fn allocation(bytes: usize) -> usize {
    match bytes {
        0..=128 => bytes.next_multiple_of(16),
        // Four classes between two powers of two.
        _ => bytes.next_multiple_of(bytes.next_power_of_two() / 8),
    }
}

/// Size of a label without the texts, in bytes.
const LABEL_SIZE: usize = size_of::<(Cow<'static, str>, String)>();

/// Labels whose values are from closed lists or from the module. They contain no text of a peer.
const CLOSED_LABELS: [&str; 8] =
    ["check", "cipher", "phase", "reason", "result", "serving_status", "stage", "version"];

/// A sample, with the declaration of its metric.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    /// Name of the metric.
    #[serde(with = "compact::name")]
    pub name: compact::StaticStr,
    /// Text of the `# HELP` line.
    #[serde(with = "compact::name")]
    pub help: compact::StaticStr,
    /// True if upstream does not have the metric.
    pub extra: bool,
    /// Names and values of the labels.
    #[serde(with = "compact::labels")]
    pub labels: Vec<(Cow<'static, str>, String)>,
    /// The value.
    #[serde(with = "compact::float")]
    pub value: f64,
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

    /// Creates a set of samples that were in a set before.
    #[must_use]
    pub const fn of(samples: Vec<Sample>) -> Self {
        Self { samples }
    }

    /// Returns all samples, unordered.
    #[must_use]
    pub fn all(&self) -> &[Sample] {
        &self.samples
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

    /// Returns the allocated memory in bytes.
    #[must_use]
    pub fn weight(&self) -> usize {
        let label = |(name, value): &(Cow<'_, str>, String)| {
            let name = if let Cow::Owned(name) = name { name.capacity() } else { 0 };
            allocation(name) + allocation(value.capacity())
        };
        let labels = |sample: &Sample| {
            allocation(sample.labels.capacity() * LABEL_SIZE)
                + sample.labels.iter().map(label).sum::<usize>()
        };
        allocation(self.samples.capacity() * size_of::<Sample>())
            + self.samples.iter().map(labels).sum::<usize>()
    }

    /// Returns the values of all labels that may contain text of a peer.
    pub fn variable_labels_mut(&mut self) -> impl Iterator<Item = &mut String> {
        let labels = self.samples.iter_mut().flat_map(|sample| &mut sample.labels);
        // The module chooses owned names; their values are from the peer.
        let is_closed =
            |name: &_| matches!(name, Cow::Borrowed(name) if CLOSED_LABELS.contains(name));
        labels.filter(move |(name, _)| !is_closed(name)).map(|(_, value)| value)
    }

    /// Removes samples whose labels have become equal to those of an earlier sample.
    pub fn merge_duplicates(&mut self) {
        let mut known: Vec<Sample> = Vec::with_capacity(self.samples.len());
        for sample in self.samples.drain(..) {
            let is_same = |it: &Sample| it.name == sample.name && it.labels == sample.labels;
            if !known.iter().any(is_same) {
                known.push(sample);
            }
        }
        self.samples = known;
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

    #[test]
    fn allocations_take_the_memory_of_their_size_class() {
        for (bytes, expected) in [
            (0, 0),
            (1, 16),
            (128, 128),
            (129, 160),
            (256, 256),
            (257, 320),
            (4097, 5120),
            (5121, 6144),
        ] {
            assert_eq!(allocation(bytes), expected, "{bytes}");
        }
    }

    #[test]
    fn samples_that_become_equal_are_merged() {
        let mut metrics = MetricSet::default();
        let metric = Metric::new("probe_said", "Said.", ["line"]);
        for (line, value) in [("hunter2", 1), ("hunter3", 2)] {
            metrics.add(&metric, [line], value);
        }
        metrics.add(&PHASE, ["hunter2"], 3);
        metrics.variable_labels_mut().for_each(|label| "<secret>".clone_into(label));
        metrics.merge_duplicates();
        let samples: Vec<_> = metrics
            .samples()
            .map(|(_, labels, value)| (labels.pairs().next().unwrap().1, value))
            .collect();
        assert_eq!(samples, [("<secret>", 1.0), ("hunter2", 3.0)]);
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
}
