//! What a module demands of a target, and which of it was not met.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::{
    diagnostics::Failure,
    metrics::{Export, Metric, MetricSet},
};

/// 1 for each check that failed; absent when none did.
pub const CHECK_FAILED: Metric<1> = Metric::new(
    "probe_check_failed",
    "1 for each check of the module that failed, by its name or by its place in the module.",
    ["check"],
)
.extra()
.when("when a check of the module failed")
.labels_mean(["the name that the module gives the check, or else its place there"]);

/// What a check is known by: the name that the module gives it, or else the place where it stands
/// there, such as `fail_if_header_matches[0]`.
///
/// Put together only when somebody looks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckName {
    given: Option<Arc<str>>,
    section: &'static str,
    key: &'static str,
    index: Option<usize>,
}

/// One check that was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// What it is known by.
    pub name: CheckName,
    /// Why it failed, if it did.
    pub failure: Option<Failure>,
}

/// The checks of one probe that were made, in their order. As bounded as the module is.
#[derive(Debug, Default)]
pub struct Checks(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    made: Vec<Check>,
    /// The one that was begun and has not ended.
    running: Option<CheckName>,
}

impl CheckName {
    /// The check under `key`.
    #[must_use]
    pub const fn of_key(key: &'static str) -> Self {
        Self { given: None, section: "", key, index: None }
    }

    /// The entry of that number in the list under `key`; the first has 0.
    #[must_use]
    pub const fn of_entry(key: &'static str, index: usize) -> Self {
        Self { given: None, section: "", key, index: Some(index) }
    }

    /// The same in a section of the prober's.
    #[must_use]
    pub fn inside(self, section: &'static str) -> Self {
        Self { section, ..self }
    }

    /// The same under the name that the module gives it, if it does.
    #[must_use]
    pub fn or_given(self, name: Option<&Arc<str>>) -> Self {
        Self { given: name.map(Arc::clone), ..self }
    }
}

impl fmt::Display for CheckName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(given) = &self.given {
            return formatter.write_str(given);
        }
        if !self.section.is_empty() {
            write!(formatter, "{}.", self.section)?;
        }
        formatter.write_str(self.key)?;
        self.index.map_or(Ok(()), |index| write!(formatter, "[{index}]"))
    }
}

impl Check {
    /// A check that ended so.
    #[must_use]
    pub fn new(name: CheckName, outcome: Result<(), Failure>) -> Self {
        Self { name, failure: outcome.err() }
    }

    /// Whether it did not fail.
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.failure.is_none()
    }

    /// Why it failed, to be changed.
    pub(crate) fn failure_mut(&mut self) -> Option<&mut Failure> {
        self.failure.as_mut()
    }
}

impl Checks {
    /// Adds a check that was made.
    pub fn add(&self, check: Check) {
        self.state().made.push(check);
    }

    /// Notes that a check begins that the deadline may cut off.
    pub fn begin(&self, name: CheckName) {
        self.state().running = Some(name);
    }

    /// Adds the check that was begun.
    pub fn end(&self, check: Check) {
        let mut state = self.state();
        state.running = None;
        state.made.push(check);
    }

    /// Forgets all of them, for a probe that begins again.
    pub fn clear(&self) {
        *self.state() = State::default();
    }

    /// Takes all of them out when the probe ended with `verdict`; one that was begun and not ended
    /// failed with it.
    #[must_use]
    pub fn finish(&self, verdict: &Result<(), Failure>) -> Vec<Check> {
        let State { mut made, running } = std::mem::take(&mut *self.state());
        if let (Some(name), Err(failure)) = (running, verdict) {
            made.push(Check { name, failure: Some(failure.clone()) });
        }
        made
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Export for Check {
    fn export(&self, metrics: &mut MetricSet) {
        if self.failure.is_some() {
            metrics.add(&CHECK_FAILED, [&self.name.to_string()], 1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostics::{Reason, Stage};

    #[test]
    fn a_check_is_known_by_its_name_or_its_place() {
        let place = CheckName::of_entry("fail_if_matches_regexp", 2);
        assert_eq!(place.to_string(), "fail_if_matches_regexp[2]");
        let place = place.inside("validate_answer_rrs");
        assert_eq!(place.to_string(), "validate_answer_rrs.fail_if_matches_regexp[2]");
        assert_eq!(place.or_given(Some(&"mail".into())).to_string(), "mail");
        assert_eq!(CheckName::of_key("valid_rcodes").or_given(None).to_string(), "valid_rcodes");
    }

    #[test]
    fn a_check_that_was_cut_off_failed_as_the_probe_did() {
        let checks = Checks::default();
        checks.begin(CheckName::of_entry("query_response", 0));
        checks.end(Check::new(CheckName::of_entry("query_response", 0), Ok(())));
        checks.begin(CheckName::of_entry("query_response", 1));
        let verdict = Err(Failure::new(Stage::Response, Reason::Timeout, "cut off"));
        let made = checks.finish(&verdict);
        let failed: Vec<_> = made.iter().map(|check| check.failure.is_some()).collect();
        assert_eq!(failed, [false, true]);
    }

    #[test]
    fn only_what_failed_is_a_metric() {
        let checks = Checks::default();
        let failure = Failure::new(Stage::Check, Reason::Status, "500");
        checks.add(Check::new(CheckName::of_key("good"), Ok(())));
        checks.add(Check::new(CheckName::of_key("bad"), Err(failure)));
        let mut metrics = MetricSet::default();
        let made = checks.finish(&Ok(()));
        assert_eq!(made.len(), 2);
        for check in &made {
            check.export(&mut metrics);
        }
        assert!(metrics.render().ends_with("\nprobe_check_failed{check=\"bad\"} 1\n"));
    }
}
