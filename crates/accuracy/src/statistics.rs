//! Statistics of errors: quantiles and shares.

use serde::Serialize;

/// Figures about the size of errors, in seconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Statistics {
    pub count: usize,
    pub p50: f64,
    pub p90: f64,
    pub p99: f64,
    pub max: f64,
    /// Share of the readings that are off by more than 1 ms, and by more than 10 ms.
    pub over_1ms: f64,
    pub over_10ms: f64,
}

impl Statistics {
    /// Of these errors, whose sign does not count; none of none.
    pub fn of(errors: impl IntoIterator<Item = f64>) -> Option<Self> {
        let sizes = sorted_sizes(errors);
        let over = |limit: f64| {
            let within = sizes.partition_point(|size| *size <= limit);
            ratio(sizes.len() - within, sizes.len())
        };
        Some(Self {
            count: sizes.len(),
            p50: quantile(&sizes, 50)?,
            p90: quantile(&sizes, 90)?,
            p99: quantile(&sizes, 99)?,
            max: quantile(&sizes, 100)?,
            over_1ms: over(0.001),
            over_10ms: over(0.010),
        })
    }
}

/// The sizes of these errors, smallest first.
pub fn sorted_sizes(errors: impl IntoIterator<Item = f64>) -> Vec<f64> {
    let mut sizes: Vec<_> = errors.into_iter().map(f64::abs).collect();
    sizes.sort_by(f64::total_cmp);
    sizes
}

/// The smallest value that at least so many percent of the sorted values do not exceed.
pub fn quantile(sorted: &[f64], percent: usize) -> Option<f64> {
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    sorted.get(rank - 1).copied()
}

/// A part of a whole; 0 of nothing.
pub fn ratio(part: usize, whole: usize) -> f64 {
    let number = |count: usize| u32::try_from(count).map_or(f64::MAX, f64::from);
    if whole == 0 { 0.0 } else { number(part) / number(whole) }
}
