//! Buffers for bodies that a check needs, reused by later probes.
//!
//! Memory of this size comes fresh from the kernel and goes back to it each time, page by page,
//! which costs more than all else that is done with a body.

use std::{
    cell::RefCell, collections::TryReserveError, sync::OnceLock, thread::available_parallelism,
};

/// Capacities of the buffers that are kept, in bytes.
const KEPT_SIZES: std::ops::RangeInclusive<usize> = 64 << 10..=2 << 20;

/// Maximum number of bytes that are kept on all threads: a small part of the memory for bodies.
const MAX_KEPT: usize = 32 << 20;
const MAX_KEPT_PART: usize = 6;

/// Maximum number of bytes that are reserved because a peer announced them. Only what is written takes
/// memory.
const MAX_AHEAD: u64 = 64 << 20;

thread_local! {
    static SPARE: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}

/// Returns an empty buffer, with room for a body of `expected` bytes if that is known.
pub(super) fn take(expected: Option<u64>) -> Vec<u8> {
    let room = usize::try_from(expected.unwrap_or_default().min(MAX_AHEAD)).unwrap_or_default();
    let is_short = expected.is_some() && room < *KEPT_SIZES.start();
    let spare = if is_short { None } else { SPARE.with_borrow_mut(Vec::pop) };
    let mut buffer = spare.unwrap_or_default();
    // Without memory for all of it, the buffer grows with what arrives.
    let _ = buffer.try_reserve_exact(room);
    buffer
}

/// Makes room for `more` bytes, of which at most `max` follow.
///
/// A long body gets room for all that may come at once: only what is written takes memory, whereas
/// growing step by step would leave behind as much again as the body has.
pub(super) fn grow(buffer: &mut Vec<u8>, more: usize, max: usize) -> Result<(), TryReserveError> {
    if buffer.capacity() - buffer.len() >= more {
        return Ok(());
    }
    let all = max.min(MAX_AT_ONCE).max(more);
    if buffer.len() >= LONG && buffer.try_reserve_exact(all).is_ok() {
        return Ok(());
    }
    buffer.try_reserve(more)
}

/// Minimum length of a long body in bytes. Moving so much takes almost a millisecond, since the kernel
/// has to provide its memory anew.
const LONG: usize = 1 << 20;

/// Maximum number of bytes that are reserved for a long body at once.
const MAX_AT_ONCE: usize = 64 << 20;

/// Keeps a buffer for a later body, if its capacity is within [`KEPT_SIZES`]. `limit` is that of the
/// memory for bodies, if there is one.
pub(super) fn give_back(buffer: Vec<u8>, limit: Option<u64>) {
    static THREADS: OnceLock<usize> = OnceLock::new();
    let threads = *THREADS.get_or_init(|| available_parallelism().map_or(1, Into::into));
    let limit = limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(usize::MAX);
    keep(buffer, MAX_KEPT.min(limit / MAX_KEPT_PART) / threads);
}

/// Keeps a buffer if at most `max_kept` bytes are then kept on this thread.
fn keep(mut buffer: Vec<u8>, max_kept: usize) {
    if KEPT_SIZES.contains(&buffer.capacity()) {
        SPARE.with_borrow_mut(|spare| {
            let kept: usize = spare.iter().map(Vec::capacity).sum();
            if kept + buffer.capacity() <= max_kept {
                buffer.clear();
                spare.push(buffer);
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_come_back_empty_and_only_for_what_is_long() {
        let mut buffer = take(Some(1 << 20));
        buffer.extend_from_slice(b"secret");
        let address = buffer.as_ptr();
        keep(buffer, 1 << 20);
        assert_eq!(take(Some(10)).capacity(), 10);
        let again = take(None);
        assert!(again.is_empty());
        assert_eq!((again.as_ptr(), again.capacity()), (address, 1 << 20));
        assert_eq!(take(None).capacity(), 0);
    }

    #[test]
    fn what_is_kept_is_bounded() {
        for size in [100, 1 << 20, 2 << 20, 2 << 20, 8 << 20, 1 << 20] {
            keep(Vec::with_capacity(size), 4 << 20);
        }
        let kept: Vec<_> = (0..4).map(|_| take(None).capacity()).collect();
        assert_eq!(kept, [1 << 20, 2 << 20, 1 << 20, 0]);
    }

    #[test]
    fn a_long_body_is_moved_once_and_early() {
        const PIECE: usize = 16 << 10;
        let mut buffer = Vec::new();
        let mut moved = Vec::new();
        while buffer.len() < 60 << 20 {
            let before = buffer.capacity();
            let most = (60 << 20) - buffer.len();
            grow(&mut buffer, PIECE, most).unwrap();
            if buffer.capacity() != before {
                moved.push(buffer.len());
            }
            buffer.resize(buffer.len() + PIECE, 0);
        }
        assert!(moved.iter().all(|length| *length <= 1 << 20), "{moved:?}");
    }

    #[test]
    fn a_peer_can_announce_what_it_likes() {
        assert_eq!(take(Some(u64::MAX)).capacity(), 64 << 20);
    }
}
