//! The latest refused probes, for the start page.

use std::{
    cmp::Reverse,
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
    time::SystemTime,
};

use crate::{
    diagnostics::{Refusal, RefusalCause},
    probe::{ProbeReport, request::WrittenTarget},
};

/// Maximum number of refused probes that are kept. They come in large numbers, and are all alike.
pub(super) const MAX_REFUSED: usize = 20;

/// A refused probe. Its size is limited.
#[derive(Debug, Clone)]
pub struct RefusedProbe {
    /// The time of the refusal.
    pub refused_at: SystemTime,
    /// Name of the module.
    pub module_name: ShortText,
    /// The target, with its secrets replaced.
    pub target: ShortText,
    /// The cause.
    pub cause: RefusalCause,
    /// The text for the client.
    pub message: ShortText,
    /// The id of the report, if the probe was refused while it ran.
    pub id: Option<u64>,
}

impl RefusedProbe {
    fn new(refused_at: SystemTime, module: &str, target: ShortText, refusal: &Refusal) -> Self {
        Self {
            refused_at,
            module_name: ShortText::of(module),
            target,
            cause: refusal.cause,
            message: ShortText::of(&refusal.message),
            id: None,
        }
    }

    /// Returns the refusal of a probe that was refused while it ran.
    pub(super) fn of_report(id: u64, report: &ProbeReport) -> Option<Self> {
        let refusal = report.verdict.refusal()?;
        let target = ShortText::of(&report.target);
        let refused_at = report.started + report.duration;
        let probe = Self::new(refused_at, &report.module_name, target, refusal);
        Some(Self { id: Some(id), ..probe })
    }
}

/// The start of a text, and the length of the whole text.
#[derive(Debug, Clone)]
pub struct ShortText {
    /// The start.
    pub start: Box<str>,
    /// The length of the whole text in bytes.
    pub length: usize,
}

impl ShortText {
    /// Maximum length of the start in bytes.
    const MAX_BYTES: usize = 500;

    fn of(text: &str) -> Self {
        let start = text.get(..text.floor_char_boundary(Self::MAX_BYTES)).unwrap_or_default();
        Self { start: start.into(), length: text.len() }
    }
}

/// The latest probes that were refused before they began. They have no report.
#[derive(Debug, Default)]
pub(super) struct RefusedRequests(Mutex<VecDeque<RefusedRequest>>);

/// A probe that was refused before it began. It is redacted when it is shown, because it is refused
/// while the exporter is overloaded.
#[derive(Debug, Clone)]
struct RefusedRequest {
    /// The probe with an empty target.
    probe: RefusedProbe,
    written_target: Box<str>,
    is_decoded: bool,
}

/// Maximum length of a target in bytes; nothing is shown of a longer one. The start alone is not enough to
/// find its secrets.
const MAX_TARGET_BYTES: usize = 4 << 10;

impl RefusedRequest {
    fn new(module: &str, target: WrittenTarget<'_>, refusal: &Refusal) -> Self {
        let is_short = target.text.len() <= MAX_TARGET_BYTES;
        let shown = ShortText { start: Box::default(), length: target.text.len() };
        Self {
            probe: RefusedProbe::new(SystemTime::now(), module, shown, refusal),
            written_target: if is_short { target.text.into() } else { Box::default() },
            is_decoded: target.is_decoded,
        }
    }

    fn redacted(self) -> RefusedProbe {
        let Self { mut probe, written_target: text, is_decoded } = self;
        if !text.is_empty() {
            let target = WrittenTarget { text: &text, is_decoded };
            probe.target = ShortText::of(&target.redacted());
        }
        probe
    }
}

impl RefusedRequests {
    /// Adds a probe.
    pub(super) fn record(&self, module: &str, target: WrittenTarget<'_>, refusal: &Refusal) {
        let request = RefusedRequest::new(module, target, refusal);
        let mut latest = self.latest();
        let oldest = if latest.len() < MAX_REFUSED { None } else { latest.pop_front() };
        latest.push_back(request);
        // The texts are freed after the lock, as they were allocated before it.
        drop(latest);
        drop(oldest);
    }

    /// Adds the probes to `refused`, which have reports, and returns the latest of all, newest first.
    pub(super) fn merge(&self, mut refused: Vec<RefusedProbe>) -> Vec<RefusedProbe> {
        let latest = self.latest().clone();
        refused.extend(latest.into_iter().rev().map(RefusedRequest::redacted));
        refused.sort_by_key(|probe| Reverse(probe.refused_at));
        refused.truncate(MAX_REFUSED);
        refused
    }

    fn latest(&self) -> MutexGuard<'_, VecDeque<RefusedRequest>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{diagnostics::Verdict, probe::report::tests::report};

    fn written(text: &str) -> WrittenTarget<'_> {
        WrittenTarget { text, is_decoded: false }
    }

    #[test]
    fn secrets_are_replaced_before_a_target_is_shortened() {
        let requests = RefusedRequests::default();
        // The shown start ends in the password.
        let user = "u".repeat(490);
        for text in [format!("http://{user}:secret@a/"), format!("http%3A//{user}:secret@a/")] {
            requests.record("m", written(&text), &Refusal::in_flight(1));
        }
        for probe in requests.merge(Vec::new()) {
            let target = probe.target.start;
            assert!(target.ends_with(":xx") && target.starts_with("http://u"), "{target}");
        }
    }

    #[test]
    fn the_memory_of_refused_probes_is_bounded() {
        let requests = RefusedRequests::default();
        let long = "é".repeat(10_000);
        let refusal = Refusal::module_in_flight(7, &long);
        let short = "é".repeat(2_000);
        for target in [&long, &short].repeat(5_000) {
            requests.record(&long, written(target), &refusal);
        }
        let latest = requests.latest();
        assert_eq!((latest.len(), latest.capacity() <= 2 * MAX_REFUSED), (MAX_REFUSED, true));
        for RefusedRequest { probe, written_target, .. } in latest.iter() {
            let texts = [&probe.module_name, &probe.target, &probe.message];
            assert!(texts.iter().all(|text| text.start.len() <= 500), "{probe:?}");
            assert!(written_target.len() <= 4 << 10, "{}", written_target.len());
        }
        drop(latest);
        let lengths = requests.merge(Vec::new()).into_iter();
        let lengths = lengths.map(|probe| (probe.target.start.len(), probe.target.length));
        assert_eq!(lengths.collect::<Vec<_>>(), [(500, 4_000), (0, 20_000)].repeat(10));
    }

    #[test]
    fn the_latest_of_both_kinds_are_returned_in_order() {
        let requests = RefusedRequests::default();
        requests.record("m", written("first"), &Refusal::in_flight(1));
        let now = SystemTime::now();
        let verdict = Verdict::Refused(Refusal::body_memory());
        let with_report = |id: u64, started| {
            let report = ProbeReport { started, ..report("ran", verdict.clone()) };
            RefusedProbe::of_report(id, &report).unwrap()
        };
        let later = with_report(1, now + Duration::from_mins(1));
        let earlier = with_report(0, now - Duration::from_mins(1));
        let merged = requests.merge(vec![earlier.clone(), later.clone()]);
        let ids: Vec<_> = merged.iter().map(|probe| probe.id).collect();
        assert_eq!(ids, [Some(1), None, Some(0)]);
        for _ in 0..MAX_REFUSED {
            requests.record("m", written("next"), &Refusal::in_flight(1));
        }
        let merged = requests.merge(vec![earlier, later]);
        assert_eq!((merged.len(), merged[0].id, &*merged[1].target.start), (20, Some(1), "next"));
        assert!(merged.iter().all(|probe| probe.id != Some(0) && &*probe.target.start != "first"));
    }
}
