//! Metrics of a probe as plain data, and their text formats.
//!
//! A [`Metric`] is declared once, as a constant beside the type that owns the value; a [`MetricSet`]
//! contains the samples of one probe. There is no registry: a sample that is added again replaces the
//! earlier one.

mod escaping;
mod metric;
mod metric_set;
mod number;
mod text;

pub use escaping::Escaping;
pub use metric::{Description, Metric, Unit};
pub use metric_set::{Export, MetricSet, Sample, SampleLabels, allocation};
pub use number::format_number;
pub use text::{Format, Writer};
