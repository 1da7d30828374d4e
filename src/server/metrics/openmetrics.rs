//! Renders the exporter's own metrics as OpenMetrics, which the prometheus crate cannot.

use prometheus::proto::{Histogram, Metric, MetricFamily, MetricType};

use crate::metrics::{Escaping, Format, Writer, format_number};

/// Renders counters, gauges and histograms; no other types are used.
pub(super) fn encode(families: &[MetricFamily]) -> String {
    let mut writer = Writer::new(Format::OpenMetrics, Escaping::default(), 16 << 10);
    for family in families {
        match family.get_field_type() {
            MetricType::COUNTER => {
                // Only the samples of a counter have the suffix, not its family.
                let name = family.name().strip_suffix("_total").unwrap_or(family.name());
                writer.family(name, "counter", family.help());
                let sample = format!("{name}_total");
                for metric in family.get_metric() {
                    writer.sample(&sample, labels(metric), metric.get_counter().get_value());
                }
            }
            MetricType::HISTOGRAM => {
                writer.family(family.name(), "histogram", family.help());
                for metric in family.get_metric() {
                    histogram(&mut writer, family.name(), metric);
                }
            }
            _ => {
                writer.family(family.name(), "gauge", family.help());
                for metric in family.get_metric() {
                    writer.sample(family.name(), labels(metric), metric.get_gauge().get_value());
                }
            }
        }
    }
    writer.finish()
}

fn labels(metric: &Metric) -> impl Iterator<Item = (&str, &str)> {
    metric.get_label().iter().map(|label| (label.name(), label.value()))
}

fn histogram(writer: &mut Writer, name: &str, metric: &Metric) {
    let histogram: &Histogram = metric.get_histogram();
    let total = histogram.get_sample_count();
    let bucket = format!("{name}_bucket");
    let bounded = histogram.get_bucket().iter();
    let bounded = bounded.map(|bucket| (bucket.upper_bound(), bucket.cumulative_count()));
    for (bound, count) in bounded.chain([(f64::INFINITY, total)]) {
        let bound = canonical(bound);
        writer.sample(&bucket, labels(metric).chain([("le", bound.as_str())]), number(count));
    }
    writer.sample(&format!("{name}_sum"), labels(metric), histogram.get_sample_sum());
    writer.sample(&format!("{name}_count"), labels(metric), number(total));
}

/// Formats the bound of a bucket. Whole numbers have a decimal point too.
fn canonical(bound: f64) -> String {
    let mut text = String::new();
    format_number(&mut text, bound);
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        text.push_str(".0");
    }
    text
}

/// Converts a count. Counts stay far below the 53 bits of a float's mantissa.
#[expect(clippy::cast_precision_loss, clippy::as_conversions, reason = "no count is that large")]
fn number(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use prometheus::{HistogramOpts, HistogramVec, IntCounterVec, IntGauge, Opts, Registry};

    use super::*;

    #[test]
    fn counters_gauges_and_histograms_are_rendered() {
        let registry = Registry::new();
        let counter = IntCounterVec::new(Opts::new("a_total", "Of \"a\"."), &["x"]).unwrap();
        counter.with_label_values(&["1\n"]).inc();
        let gauge = IntGauge::new("b", "Of b.").unwrap();
        let options = HistogramOpts::new("c_seconds", "Of c.").buckets(vec![0.5, 10.0]);
        let histogram = HistogramVec::new(options, &["x"]).unwrap();
        for value in [0.25, 1.0, 20.0] {
            histogram.with_label_values(&["y"]).observe(value);
        }
        registry.register(Box::new(counter)).unwrap();
        registry.register(Box::new(gauge)).unwrap();
        registry.register(Box::new(histogram)).unwrap();
        assert_eq!(
            encode(&registry.gather()),
            "# HELP a Of \\\"a\\\".\n\
             # TYPE a counter\n\
             a_total{x=\"1\\n\"} 1\n\
             # HELP b Of b.\n\
             # TYPE b gauge\n\
             b 0\n\
             # HELP c_seconds Of c.\n\
             # TYPE c_seconds histogram\n\
             c_seconds_bucket{x=\"y\",le=\"0.5\"} 1\n\
             c_seconds_bucket{x=\"y\",le=\"10.0\"} 2\n\
             c_seconds_bucket{x=\"y\",le=\"+Inf\"} 3\n\
             c_seconds_sum{x=\"y\"} 21.25\n\
             c_seconds_count{x=\"y\"} 3\n\
             # EOF\n"
        );
    }
}
