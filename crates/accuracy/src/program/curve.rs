//! A distribution of errors as a line of points.

use accuracy::statistics::{ratio, sorted_sizes};

/// The axes: the size of an error from 1 µs to 1 s, and the share of readings that are off by no
/// more than that. Equal steps to the right are factors of the size; equal steps up are factors of
/// what is left, 90 %, 99 %, 99.9 %, because it is the rare large errors that hurt.
pub(super) const DECADES: f64 = 6.0;
pub(super) const NINES: f64 = 3.0;

/// The place of a size on the horizontal axis, from 0 to 1.
pub(super) fn across(seconds: f64) -> f64 {
    let least = 1e-6;
    ((seconds.max(least) / least).log10() / DECADES).min(1.0)
}

/// The place of a share on the vertical axis, from 0 to 1. The axis ends before 100 %.
pub(super) fn up(share: f64) -> f64 {
    (-(1.0 - share).max(1e-9).log10() / NINES).min(1.0)
}

/// The points of the distribution, both coordinates from 0 to 1.
pub(super) fn points(errors: Vec<f64>) -> Vec<(f64, f64)> {
    let sizes = sorted_sizes(errors);
    let count = sizes.len();
    let place = |(index, size): (usize, f64)| (across(size), up(ratio(index, count)));
    let mut points: Vec<_> = sizes.iter().copied().enumerate().map(place).collect();
    // The largest error is where the share reaches 100 %.
    if let Some(&largest) = sizes.last() {
        points.push((across(largest), 1.0));
    }
    points
        .dedup_by(|next, kept| (next.0 - kept.0).abs() < 0.004 && (next.1 - kept.1).abs() < 0.004);
    points
}
