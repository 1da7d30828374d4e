//! Moments on the wire, on one clock.

use std::time::{Duration, Instant, SystemTime};

use crate::net::control::WallTime;

/// A moment on the wire.
///
/// All marks are on the monotonic clock, so a wall clock that is set while a probe runs cannot
/// give a negative or absurd reading. The kernel's stamps, which are on the wall clock, are moved
/// over when they are read: what counts is how long ago the kernel took them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark {
    at: Instant,
    by_kernel: bool,
}

impl Mark {
    /// This moment, on our own clock.
    #[must_use]
    pub fn now() -> Self {
        Self { at: Instant::now(), by_kernel: false }
    }

    /// The time from `earlier` to this mark; zero when `earlier` is the later one.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        self.at.saturating_duration_since(earlier.at)
    }

    /// The moment on the clock of timers.
    #[must_use]
    pub fn instant(self) -> tokio::time::Instant {
        self.at.into()
    }

    /// The time from this mark until now.
    #[must_use]
    pub fn elapsed(self) -> Duration {
        self.at.elapsed()
    }

    /// Whether the kernel took the time, rather than this process.
    #[must_use]
    pub fn by_kernel(self) -> bool {
        self.by_kernel
    }

    /// The mark of a packet that was read just now and bears `stamp`, if the stamp can be true:
    /// it lies between `earliest` and now.
    pub(super) fn of_arrival(stamp: Option<WallTime>, earliest: Self) -> Self {
        let now = Clocks::read();
        stamp
            .and_then(|stamp| now.mark_of(stamp, earliest))
            .unwrap_or(Self { at: now.monotonic, by_kernel: false })
    }

    /// The mark of a packet that was handed to the kernel at `handed` and bears `stamp`.
    pub(super) fn of_transmission(stamp: WallTime, handed: Self) -> Self {
        Clocks::read().mark_of(stamp, handed).unwrap_or(handed)
    }

    /// The later of two marks.
    pub(super) fn latest(self, other: Self) -> Self {
        if other.at > self.at { other } else { self }
    }

    /// Whether this mark is the later one.
    pub(super) fn is_after(self, other: Self) -> bool {
        self.at > other.at
    }

    /// The moment `time` before this one.
    pub(super) fn before(self, time: Duration) -> Self {
        Self { at: self.at.checked_sub(time).unwrap_or(self.at), ..self }
    }

    /// The moment `time` after this one.
    pub(crate) fn after(self, time: Duration) -> Self {
        Self { at: self.at + time, ..self }
    }
}

/// Both clocks at one moment.
#[derive(Debug, Clone, Copy)]
struct Clocks {
    monotonic: Instant,
    wall: WallTime,
}

/// How far a stamp may lie outside the time in which it must have been taken: the kernel and this
/// process read the clock in different ways.
const TOLERANCE: Duration = Duration::from_micros(200);

impl Clocks {
    /// Reads both clocks. The process may be stopped between the two readings, for a tenth of a
    /// second where its CPU time is limited; so the closest pair of a few is taken.
    fn read() -> Self {
        const CLOSE_ENOUGH: Duration = Duration::from_micros(2);
        const TRIES: u32 = 5;
        let (mut best, mut distance) = Self::pair();
        for _ in 1..TRIES {
            if distance <= CLOSE_ENOUGH {
                break;
            }
            let (pair, closer) = Self::pair();
            if closer < distance {
                (best, distance) = (pair, closer);
            }
        }
        best
    }

    /// Reads both clocks once, and says how much time that took.
    fn pair() -> (Self, Duration) {
        let before = Instant::now();
        let wall = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let distance = before.elapsed();
        (Self { monotonic: before + distance / 2, wall }, distance)
    }

    /// Moves a stamp of the wall clock over to the monotonic clock, if it lies between `earliest`
    /// and now; otherwise the wall clock was set in between, and the stamp says nothing.
    fn mark_of(self, stamp: WallTime, earliest: Mark) -> Option<Mark> {
        let at = match self.wall.checked_sub(stamp) {
            Some(age) => self.monotonic.checked_sub(age)?,
            None if stamp.saturating_sub(self.wall) <= TOLERANCE => self.monotonic,
            None => return None,
        };
        let early = earliest.at.saturating_duration_since(at);
        (early <= TOLERANCE).then_some(Mark { at: at.max(earliest.at), by_kernel: true })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);
    const HOUR: Duration = Duration::from_hours(1);
    /// What the wall clock shows at the earliest moment of a test; now is 10 ms later.
    const WALL: WallTime = Duration::from_hours(500_000);

    fn earliest_and_now() -> (Mark, Clocks) {
        let earliest = Mark::now();
        (earliest, Clocks { monotonic: earliest.at + 10 * MS, wall: WALL + 10 * MS })
    }

    #[test]
    fn a_stamp_is_moved_to_the_monotonic_clock() {
        let (earliest, now) = earliest_and_now();
        let moved = now.mark_of(WALL + 7 * MS, earliest).expect("between earliest and now");
        assert!(moved.by_kernel());
        assert_eq!(moved.since(earliest), 7 * MS);
    }

    #[test]
    fn a_clock_that_was_set_gives_no_mark() {
        let (earliest, now) = earliest_and_now();
        for (name, stamp) in [
            ("set forward by an hour", Duration::from_hours(499_999)),
            ("set forward by 20 ms", Duration::from_hours(500_000).saturating_sub(20 * MS)),
            ("set back by an hour", WALL + HOUR),
            ("set back by 20 ms", WALL + 30 * MS),
            ("a stamp of 1970", Duration::from_nanos(1)),
        ] {
            assert_eq!(now.mark_of(stamp, earliest), None, "{name}");
        }
    }

    #[test]
    fn small_disagreement_of_the_clocks_is_cut_off() {
        let (earliest, now) = earliest_and_now();
        let micros = Duration::from_micros(50);
        let late = now.mark_of(now.wall + micros, earliest).expect("within the tolerance");
        assert_eq!(late.since(earliest), 10 * MS);
        let early = now.mark_of(WALL.saturating_sub(micros), earliest).expect("likewise");
        assert_eq!(early.since(earliest), Duration::ZERO);
    }

    #[test]
    fn readings_are_never_negative() {
        let start = Mark::now();
        assert_eq!(start.since(start.after(HOUR)), Duration::ZERO);
    }

    #[test]
    fn both_clocks_are_read_close_together() {
        let (_, distance) = Clocks::pair();
        let now = Clocks::read();
        assert!(now.monotonic.elapsed() < HOUR && distance < HOUR);
        assert!(now.wall > Duration::from_hours(400_000), "the wall clock is set");
    }
}
