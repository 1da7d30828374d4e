//! The histories of all targets, within a limit of memory.
//!
//! Reports that help least give way first. A client that invents targets displaces only its own: a new target
//! is a stranger until it has been probed for some time, and strangers displace strangers.

use std::{
    collections::{BTreeMap, HashMap},
    hash::{BuildHasher as _, BuildHasherDefault, Hasher, RandomState},
    sync::Arc,
    time::{Duration, SystemTime},
};

use super::{
    episode::{Episode, Stored},
    key::TargetKey,
    recent::Recent,
    target::TargetHistory,
};
use crate::{metrics::allocation, probe::ProbeReport};

/// The histories of all targets.
#[derive(Debug, Default)]
pub(super) struct Table {
    slots: Vec<Option<Box<Slot>>>,
    free: Vec<usize>,
    /// The first slot of each target, by a hash of its name.
    by_target: HashMap<u64, usize, BuildHasherDefault<Identity>>,
    /// The slot of each stored report.
    by_id: HashMap<u64, usize, BuildHasherDefault<Identity>>,
    /// The slots of each kind in the order in which they give way.
    order: BTreeMap<(Kind, u64), usize>,
    next_place: u64,
    /// Number of strangers that gave way.
    displaced: u8,
    keyed: RandomState,
    /// Start of the latest probe.
    now: Option<SystemTime>,
    strangers: usize,
    failed: usize,
    others: usize,
    /// Memory of the targets that are not strangers, without their reports.
    known_lines: usize,
}

#[derive(Debug)]
struct Slot {
    history: TargetHistory,
    hash: u64,
    /// The next slot of a target with this hash, under another module or hostname.
    next: Option<usize>,
    kind: Kind,
    /// The place among the slots of its kind.
    place: u64,
    placed_at: SystemTime,
    lines: usize,
    reports: usize,
}

/// The kinds of targets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    /// Probed for a short time, without a report.
    BareStranger,
    /// Probed for a short time, with a report.
    Stranger,
    /// Not failed, with a report.
    Good,
    /// Without a report.
    Bare,
    /// With the report of a failure. Those whose last failure is the oldest give way first.
    Failed,
}

impl Kind {
    const fn is_stranger(self) -> bool {
        matches!(self, Self::Stranger | Self::BareStranger)
    }
}

/// A hasher for values that are hashes, or ids of this process.
#[derive(Debug, Default)]
struct Identity(u64);

impl Hasher for Identity {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(self.0.rotate_left(8) ^ u64::from(*byte));
        }
    }

    fn write_u64(&mut self, number: u64) {
        // The table uses the upper bits too.
        self.0 = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
}

/// Number of probes, and the time between the first and the latest one, after which a target is not a
/// stranger.
const MIN_KNOWN_PROBES: u64 = 3;
const MIN_KNOWN_TIME: Duration = Duration::from_mins(2);

/// Maximum memory of known targets without their reports, in eighths. Strangers get one, and the rest is
/// for the reports of failures.
const MAX_KNOWN_EIGHTHS: usize = 5;

/// The time after which a target that is not probed gives way to others.
const MAX_IDLE: Duration = Duration::from_mins(30);

/// The time for which a target that does not fail keeps its place among those of its kind.
const MIN_PLACE: Duration = Duration::from_mins(1);

/// Maximum number of modules and hostnames with which one target has a history.
const MAX_VARIANTS: usize = 32;

/// Memory of an entry of a hash table and of `order` in bytes, with the unused room.
const HASH_ENTRY: usize = 17 * 8 / 7;
const ORDER_ENTRY: usize = 48;

impl Table {
    /// Adds a probe; `recent` are the latest ones before it. `budget` is the limit of the memory in bytes.
    pub(super) fn record(&mut self, id: u64, report: &ProbeReport, recent: &Recent, budget: usize) {
        self.now = self.now.max(Some(report.started));
        let is_failed = report.verdict.failure().is_some();
        let hash = self.hash(&report.target);
        let found = self.find(hash, |key| key.is_of(report));
        let index = if let Some(index) = found {
            if is_failed {
                self.update_success(index, recent);
            }
            let Some(slot) = self.slots.get_mut(index).and_then(Option::as_mut) else { return };
            let by_id = &mut self.by_id;
            slot.history.record(id, report, |id| {
                by_id.remove(&id);
            });
            index
        } else {
            let Some(key) = TargetKey::of(report) else { return };
            let history = TargetHistory::new(key, id, report);
            let Some(index) = self.insert(hash, history) else { return };
            index
        };
        let history = self.history(index);
        if history.is_some_and(|history| history.reports().any(|stored| stored.id == id)) {
            self.by_id.insert(id, index);
        }
        self.settle(index, is_failed, budget);
        while self.weight() > budget && self.make_room(budget) {}
    }

    /// Keeps the report of the last success of a target that fails.
    fn update_success(&mut self, index: usize, recent: &Recent) {
        let Some(slot) = self.slots.get_mut(index).and_then(Option::as_mut) else { return };
        if slot.history.latest().is_none_or(Episode::is_failing) {
            return;
        }
        if let Some(success) = recent.last_success(&slot.history.key)
            && let Some(replaced) = slot.history.update_success(success)
        {
            self.by_id.remove(&replaced);
            self.by_id.insert(success.id, index);
        }
    }

    /// The memory in bytes.
    pub(super) fn weight(&self) -> usize {
        let pointers =
            self.slots.capacity() * size_of::<usize>() + self.free.capacity() * size_of::<usize>();
        let tables = (self.by_target.capacity() + self.by_id.capacity()) * HASH_ENTRY;
        self.strangers + self.failed + self.others + pointers + tables
    }

    /// Makes the table smaller until it is within a new limit.
    pub(super) fn shrink(&mut self, budget: usize) {
        while self.weight() > budget && self.make_room(budget) {}
        self.by_target.shrink_to_fit();
        self.by_id.shrink_to_fit();
    }

    /// Number of targets.
    pub(super) fn count(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    /// Number of stored reports.
    pub(super) fn reports(&self) -> usize {
        self.by_id.len()
    }

    /// Returns the stored report with this id, and what it is about.
    pub(super) fn report(&self, id: u64) -> Option<(Arc<TargetKey>, Stored)> {
        let history = self.history(*self.by_id.get(&id)?)?;
        let stored = history.reports().find(|stored| stored.id == id)?;
        Some((Arc::clone(&history.key), stored.clone()))
    }

    /// Returns the histories of a target, under all modules and hostnames.
    pub(super) fn of_target(&self, target: &str) -> impl Iterator<Item = &TargetHistory> {
        let first = self.by_target.get(&self.hash(target)).copied();
        std::iter::successors(first, |index| self.slot(*index)?.next)
            .filter_map(|index| self.history(index))
            .filter(move |history| history.key.target() == target)
    }

    /// Returns some histories: those of `count` slots from the one at `start`; `None` at the end.
    pub(super) fn part(
        &self,
        start: usize,
        count: usize,
    ) -> Option<impl Iterator<Item = &TargetHistory>> {
        let slots = self.slots.get(start..)?;
        (!slots.is_empty()).then(|| slots.iter().take(count).flatten().map(|slot| &slot.history))
    }

    fn hash(&self, target: &str) -> u64 {
        self.keyed.hash_one(target)
    }

    fn slot(&self, index: usize) -> Option<&Slot> {
        self.slots.get(index)?.as_deref()
    }

    fn history(&self, index: usize) -> Option<&TargetHistory> {
        self.slot(index).map(|slot| &slot.history)
    }

    fn find(&self, hash: u64, is_wanted: impl Fn(&TargetKey) -> bool) -> Option<usize> {
        let first = self.by_target.get(&hash).copied();
        std::iter::successors(first, |index| self.slot(*index)?.next)
            .find(|index| self.history(*index).is_some_and(|history| is_wanted(&history.key)))
    }

    /// Adds the history of a new target. If the target has too many, a stranger among them goes; without
    /// one, the new history is not kept.
    fn insert(&mut self, hash: u64, history: TargetHistory) -> Option<usize> {
        let first = self.by_target.get(&hash).copied();
        let variants = || std::iter::successors(first, |index| self.slot(*index)?.next);
        if variants().count() >= MAX_VARIANTS {
            let strangers = variants().filter_map(|index| Some((self.slot(index)?, index)));
            let strangers = strangers.filter(|(slot, _)| slot.kind.is_stranger());
            let (_, oldest) = strangers.min_by_key(|(slot, _)| slot.place)?;
            self.remove(oldest);
        }
        let placed_at = history.first;
        let slot = Slot {
            history,
            hash,
            next: self.by_target.get(&hash).copied(),
            kind: Kind::Stranger,
            place: self.next_place,
            placed_at,
            lines: 0,
            reports: 0,
        };
        let index = self.free.pop().unwrap_or(self.slots.len());
        if index == self.slots.len() {
            self.slots.push(None);
        }
        *self.slots.get_mut(index)? = Some(Box::new(slot));
        self.by_target.insert(hash, index);
        self.order.insert((Kind::Stranger, self.next_place), index);
        self.next_place += 1;
        Some(index)
    }

    /// Updates weight, kind and place of a slot after a change of its history. `is_moved` puts it behind
    /// the others of its kind.
    fn settle(&mut self, index: usize, is_moved: bool, budget: usize) {
        let (known_lines, next_place) = (self.known_lines, self.next_place);
        let Some(slot) = self.slots.get_mut(index).and_then(Option::as_mut) else { return };
        let (kind, old, old_lines, place) =
            (slot.kind, slot.lines + slot.reports, slot.lines, slot.place);
        let (lines, reports) = slot.history.weight();
        let lines = lines + allocation(size_of::<Slot>()) + ORDER_ENTRY;
        let last = slot.history.last();
        let is_known = !kind.is_stranger()
            || slot.history.probes >= MIN_KNOWN_PROBES
                && last.duration_since(slot.history.first).unwrap_or_default() >= MIN_KNOWN_TIME
                && known_lines + lines <= budget / 8 * MAX_KNOWN_EIGHTHS;
        let new_kind = match (is_known, slot.history.has_failure_report()) {
            (false, _) if reports > 0 => Kind::Stranger,
            (false, _) => Kind::BareStranger,
            (true, true) => Kind::Failed,
            (true, false) if reports > 0 => Kind::Good,
            (true, false) => Kind::Bare,
        };
        let is_due = || last.duration_since(slot.placed_at).unwrap_or_default() >= MIN_PLACE;
        let moves = new_kind != kind || is_moved || new_kind != Kind::Failed && is_due();
        (slot.kind, slot.lines, slot.reports) = (new_kind, lines, reports);
        if moves {
            (slot.place, slot.placed_at) = (next_place, last);
            self.next_place += 1;
            self.order.remove(&(kind, place));
            self.order.insert((new_kind, next_place), index);
        }
        *self.total(kind) -= old;
        *self.total(new_kind) += lines + reports;
        if !kind.is_stranger() {
            self.known_lines -= old_lines;
        }
        if !new_kind.is_stranger() {
            self.known_lines += lines;
        }
    }

    fn total(&mut self, kind: Kind) -> &mut usize {
        match kind {
            Kind::Stranger | Kind::BareStranger => &mut self.strangers,
            Kind::Failed => &mut self.failed,
            Kind::Good | Kind::Bare => &mut self.others,
        }
    }

    /// Returns the slot of a kind that gives way first.
    fn first(&self, kind: Kind) -> Option<usize> {
        self.order.range((kind, 0)..=(kind, u64::MAX)).next().map(|(_, index)| *index)
    }

    /// Frees some memory: of what helps least. Returns false if there is nothing to free.
    fn make_room(&mut self, budget: usize) -> bool {
        if self.strangers > budget / 8 {
            return self.displace_stranger(budget);
        }
        for kind in [Kind::Bare, Kind::Good] {
            if let Some(index) = self.first(kind).filter(|index| self.is_idle(*index)) {
                return self.remove(index);
            }
        }
        let failed = self.first(Kind::Failed);
        if let Some(index) = failed.filter(|_| self.failed > budget / 3 * 2) {
            return self.strip(index, budget);
        }
        if let Some(index) = self.first(Kind::Good).or(failed) {
            return self.strip(index, budget);
        }
        self.displace_stranger(budget)
            || self.first(Kind::Bare).is_some_and(|index| self.remove(index))
    }

    /// Drops the report of a stranger or, if none has one, a stranger: three times the newest and then the
    /// oldest. So some of them stay long enough to become known, also if there are more than fit.
    fn displace_stranger(&mut self, budget: usize) -> bool {
        if let Some(index) = self.first(Kind::Stranger) {
            return self.strip(index, budget);
        }
        self.displaced = self.displaced.wrapping_add(1);
        let newest = || {
            let bare = (Kind::BareStranger, 0)..=(Kind::BareStranger, u64::MAX);
            self.order.range(bare).next_back().map(|(_, index)| *index)
        };
        let index = match self.displaced % 4 {
            0 => self.first(Kind::BareStranger),
            _ => newest(),
        };
        index.is_some_and(|index| self.remove(index))
    }

    fn is_idle(&self, index: usize) -> bool {
        let last = self.history(index).map(TargetHistory::last);
        let idle = self.now.zip(last).and_then(|(now, last)| now.duration_since(last).ok());
        idle.is_some_and(|idle| idle > MAX_IDLE)
    }

    /// Drops reports of a slot.
    fn strip(&mut self, index: usize, budget: usize) -> bool {
        let Some(slot) = self.slots.get_mut(index).and_then(Option::as_mut) else { return false };
        let by_id = &mut self.by_id;
        slot.history.strip(|id| {
            by_id.remove(&id);
        });
        self.settle(index, true, budget);
        true
    }

    fn remove(&mut self, index: usize) -> bool {
        let Some(slot) = self.slots.get_mut(index).and_then(Option::take) else { return false };
        self.free.push(index);
        self.order.remove(&(slot.kind, slot.place));
        for stored in slot.history.reports() {
            self.by_id.remove(&stored.id);
        }
        *self.total(slot.kind) -= slot.lines + slot.reports;
        if !slot.kind.is_stranger() {
            self.known_lines -= slot.lines;
        }
        if self.by_target.get(&slot.hash) == Some(&index) {
            match slot.next {
                Some(next) => self.by_target.insert(slot.hash, next),
                None => self.by_target.remove(&slot.hash),
            };
            return true;
        }
        let first = self.by_target.get(&slot.hash).copied();
        let before = std::iter::successors(first, |index| self.slot(*index)?.next)
            .find(|before| self.slot(*before).is_some_and(|it| it.next == Some(index)));
        let before = before.and_then(|before| self.slots.get_mut(before)?.as_mut());
        if let Some(before) = before {
            before.next = slot.next;
        }
        true
    }
}

#[cfg(test)]
mod tests;
