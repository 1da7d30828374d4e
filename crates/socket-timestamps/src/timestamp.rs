//! Timestamps of packets, on the monotonic clock.

use std::{
    ops::Add,
    time::{Duration, Instant, SystemTime},
};

use crate::cmsg::WallTime;

/// The time at which a packet was sent or received.
///
/// All timestamps are on the monotonic clock, so that a change of the wall clock cannot give a
/// negative or absurd duration. Kernel timestamps are on the wall clock. They are converted when
/// they are read, by how long ago the kernel took them.
///
/// ```
/// use socket_timestamps::Timestamp;
///
/// let sent = Timestamp::now();
/// let received = Timestamp::now();
/// assert!(received.since(sent) <= sent.elapsed());
/// assert!(!received.is_from_kernel());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timestamp {
    at: Instant,
    is_from_kernel: bool,
}

impl Timestamp {
    /// Returns the current time, from the clock of this process.
    #[inline]
    #[must_use]
    pub fn now() -> Self {
        Self { at: Instant::now(), is_from_kernel: false }
    }

    /// Returns the duration from `earlier` to this timestamp. Zero if `earlier` is the later one.
    #[inline]
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        self.at.saturating_duration_since(earlier.at)
    }

    /// Returns the time on the clock of [`tokio::time`].
    #[must_use]
    pub fn instant(self) -> tokio::time::Instant {
        self.at.into()
    }

    /// Returns the duration from this timestamp until now.
    #[must_use]
    pub fn elapsed(self) -> Duration {
        self.at.elapsed()
    }

    /// Returns true if the kernel took the timestamp, false if this process did.
    #[inline]
    #[must_use]
    pub fn is_from_kernel(self) -> bool {
        self.is_from_kernel
    }

    /// Returns the timestamp of a packet that was read just now.
    ///
    /// The kernel's `stamp` is used if it lies between `earliest` and now, otherwise the current
    /// time.
    pub(crate) fn of_arrival(stamp: Option<WallTime>, earliest: Self) -> Self {
        let now = Clocks::read();
        stamp
            .and_then(|stamp| now.convert(stamp, earliest))
            .unwrap_or(Self { at: now.monotonic, is_from_kernel: false })
    }

    /// Returns the timestamp of a packet that was passed to the kernel at `passed`. The kernel's
    /// `stamp` is used if it is possible.
    pub(crate) fn of_transmission(stamp: WallTime, passed: Self) -> Self {
        Clocks::read().convert(stamp, passed).unwrap_or(passed)
    }

    /// Returns the later of two timestamps.
    pub(crate) fn latest(self, other: Self) -> Self {
        if other.at > self.at { other } else { self }
    }

    /// Returns true if this timestamp is the later one.
    pub(crate) fn is_after(self, other: Self) -> bool {
        self.at > other.at
    }

    /// Returns the time `duration` before this timestamp.
    pub(crate) fn before(self, duration: Duration) -> Self {
        Self { at: self.at.checked_sub(duration).unwrap_or(self.at), ..self }
    }
}

impl Add<Duration> for Timestamp {
    type Output = Self;

    fn add(self, duration: Duration) -> Self {
        Self { at: self.at + duration, ..self }
    }
}

/// The two clocks, read at the same time.
#[derive(Debug, Clone, Copy)]
struct Clocks {
    monotonic: Instant,
    wall: WallTime,
}

/// Tolerance for timestamps outside the possible range, because the kernel and this process read
/// the clock in different ways.
const TOLERANCE: Duration = Duration::from_micros(200);

impl Clocks {
    /// Reads both clocks.
    ///
    /// The process may be paused between the two readings, for a tenth of a second if its CPU time
    /// is limited. Of a few pairs, the closest one is used.
    fn read() -> Self {
        const CLOSE_ENOUGH: Duration = Duration::from_micros(2);
        const MAX_TRIES: u32 = 5;
        let (mut best, mut distance) = Self::pair();
        for _ in 1..MAX_TRIES {
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

    /// Reads both clocks once. Returns the duration between the two readings, too.
    fn pair() -> (Self, Duration) {
        let before = Instant::now();
        let wall = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let distance = before.elapsed();
        (Self { monotonic: before + distance / 2, wall }, distance)
    }

    /// Converts a wall clock timestamp to the monotonic clock, if it lies between `earliest` and
    /// now.
    ///
    /// If it does not, the wall clock was set in between.
    fn convert(self, stamp: WallTime, earliest: Timestamp) -> Option<Timestamp> {
        let at = match self.wall.checked_sub(stamp) {
            Some(age) => self.monotonic.checked_sub(age)?,
            None if stamp.saturating_sub(self.wall) <= TOLERANCE => self.monotonic,
            None => return None,
        };
        let early = earliest.at.saturating_duration_since(at);
        (early <= TOLERANCE).then_some(Timestamp { at: at.max(earliest.at), is_from_kernel: true })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);
    const HOUR: Duration = Duration::from_hours(1);
    /// The wall clock at the earliest time of a test; now is 10 ms later.
    const WALL: WallTime = Duration::from_hours(500_000);

    fn earliest_and_now() -> (Timestamp, Clocks) {
        let earliest = Timestamp::now();
        (earliest, Clocks { monotonic: earliest.at + 10 * MS, wall: WALL + 10 * MS })
    }

    #[test]
    fn a_timestamp_is_converted_to_the_monotonic_clock() {
        let (earliest, now) = earliest_and_now();
        let moved = now.convert(WALL + 7 * MS, earliest).expect("between earliest and now");
        assert!(moved.is_from_kernel());
        assert_eq!(moved.since(earliest), 7 * MS);
    }

    #[test]
    fn a_change_of_the_wall_clock_gives_no_timestamp() {
        let (earliest, now) = earliest_and_now();
        for (name, stamp) in [
            ("set forward by an hour", Duration::from_hours(499_999)),
            ("set forward by 20 ms", Duration::from_hours(500_000).saturating_sub(20 * MS)),
            ("set back by an hour", WALL + HOUR),
            ("set back by 20 ms", WALL + 30 * MS),
            ("a timestamp of 1970", Duration::from_nanos(1)),
        ] {
            assert_eq!(now.convert(stamp, earliest), None, "{name}");
        }
    }

    #[test]
    fn a_small_difference_of_the_clocks_is_tolerated() {
        let (earliest, now) = earliest_and_now();
        let micros = Duration::from_micros(50);
        let late = now.convert(now.wall + micros, earliest).expect("within the tolerance");
        assert_eq!(late.since(earliest), 10 * MS);
        let early = now.convert(WALL.saturating_sub(micros), earliest).expect("likewise");
        assert_eq!(early.since(earliest), Duration::ZERO);
    }

    #[test]
    fn durations_are_never_negative() {
        let start = Timestamp::now();
        assert_eq!(start.since(start + HOUR), Duration::ZERO);
    }

    #[test]
    fn both_clocks_are_read_close_together() {
        let (_, distance) = Clocks::pair();
        let now = Clocks::read();
        assert!(now.monotonic.elapsed() < HOUR && distance < HOUR);
        assert!(now.wall > Duration::from_hours(400_000), "the wall clock is set");
    }
}
