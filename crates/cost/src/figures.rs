//! Numbers over rounds: medians, percentiles, ratios with their spread.

use std::time::Duration;

use serde::Serialize;

/// One quantity, measured in each round at one exporter or at both.
#[derive(Debug, Serialize)]
pub(crate) struct Figure {
    /// The median at the exporter that is measured.
    pub(crate) measured: f64,
    /// The median at the one it is compared with.
    pub(crate) against: Option<f64>,
    /// First over second, taken round by round.
    pub(crate) ratio: Option<Spread>,
}

/// A median and how far the rounds lay apart.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    pub(crate) lowest: f64,
    pub(crate) highest: f64,
}

impl Figure {
    /// From rounds that have a value for each exporter, the measured one first.
    pub(crate) fn of(rounds: &[Vec<f64>]) -> Self {
        let side = |index: usize| rounds.iter().filter_map(move |round| round.get(index).copied());
        let ratios: Vec<f64> =
            rounds.iter().filter_map(|round| Some(round[0] / round.get(1)?)).collect();
        Self {
            measured: median(side(0)),
            against: (!ratios.is_empty()).then(|| median(side(1))),
            ratio: (!ratios.is_empty()).then(|| Spread::of(&ratios)),
        }
    }
}

impl Spread {
    pub(crate) fn of(values: &[f64]) -> Self {
        Self {
            median: median(values.iter().copied()),
            lowest: values.iter().copied().fold(f64::INFINITY, f64::min),
            highest: values.iter().copied().fold(f64::NEG_INFINITY, f64::max),
        }
    }
}

/// The value in the middle; of an even number of values the mean of the middle two.
pub(crate) fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    match values.len() {
        0 => f64::NAN,
        count if count % 2 == 1 => values[count / 2],
        count => f64::midpoint(values[count / 2 - 1], values[count / 2]),
    }
}

/// The smallest duration that this many hundredths of all do not exceed; they must be sorted.
pub(crate) fn percentile(sorted: &[Duration], hundredths: usize) -> Duration {
    let rank = (sorted.len() * hundredths).div_ceil(100).max(1);
    sorted[rank - 1]
}

/// A number of things, for arithmetic.
pub(crate) fn count(things: usize) -> f64 {
    u32::try_from(things).expect("fewer than four billion").into()
}

/// Microseconds.
pub(crate) fn microseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e6
}
