//! The metrics of one probe.

use std::borrow::Cow;

use super::metric::Metric;

/// Values that can be exported as metrics.
pub trait Export {
    /// Adds the known values to `metrics`.
    fn export(&self, metrics: &mut MetricSet);
}

/// Samples of one probe.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct MetricSet {
    pub(super) samples: Vec<Sample>,
}

/// Estimated memory of a label in addition to its value, in bytes.
const LABEL_SIZE: usize = size_of::<(Cow<'static, str>, String)>();

/// A sample, with the declaration of its metric.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Sample {
    pub(super) name: &'static str,
    pub(super) help: &'static str,
    extra: bool,
    pub(super) labels: Vec<(Cow<'static, str>, String)>,
    pub(super) value: f64,
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
