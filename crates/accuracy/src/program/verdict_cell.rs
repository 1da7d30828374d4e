//! The verdicts of an exporter at one load.

use accuracy::verdicts::Tally;

use super::trouble::Trouble;

/// One measurement of one exporter.
pub(super) struct Cell {
    pub(super) exporter: &'static str,
    pub(super) millicores: u32,
    pub(super) trouble: Trouble,
    /// The rate of the scrapes, as a multiple of the capacity.
    pub(super) load: f64,
    /// The largest rate of right answers of a closed loop, per second.
    pub(super) capacity: f64,
    pub(super) tally: Tally,
}
