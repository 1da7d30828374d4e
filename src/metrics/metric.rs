//! Declarations of metrics.

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
