//! Checks of a module and their results.

use std::{
    collections::HashSet,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use serde::{Deserialize, Serialize};

use crate::{
    compact,
    diagnostics::{Failure, Stage},
    metrics::{Export, Metric, MetricSet},
};

/// The metric of failed checks.
pub const CHECK_FAILED: Metric<1> =
    Metric::new("probe_check_failed", "1 for each failed check of the module.", ["check"])
        .extra()
        .when("if a check of the module failed")
        .labels_mean(["name of the check, or its key and index in the module"]);

/// Name of a check: the one that the module gives it, or its key and index, such as
/// `fail_if_header_matches[0]`.
///
/// The text is built only when it is printed.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct CheckName {
    given: Option<Arc<str>>,
    #[serde(with = "compact::name")]
    section: compact::StaticStr,
    #[serde(with = "compact::name")]
    key: compact::StaticStr,
    index: Option<usize>,
}

/// A check of a probe.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    /// Name of the check.
    pub name: CheckName,
    /// The failure, if the check failed.
    pub failure: Option<Failure>,
    /// The reason for which the check was not evaluated, if it was not.
    #[serde(with = "compact::optional_name")]
    pub skipped: Option<compact::StaticStr>,
}

/// The evaluated checks of a probe, in order. Their number is limited by the module.
#[derive(Debug, Default)]
pub struct Checks(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    made: Vec<Check>,
    /// The check that has begun and not ended.
    running: Option<CheckName>,
    /// The reason for which further checks are not evaluated.
    skip_reason: Option<&'static str>,
}

impl CheckName {
    /// Returns the name of the check of a key.
    #[must_use]
    pub const fn of_key(key: &'static str) -> Self {
        Self { given: None, section: "", key, index: None }
    }

    /// Returns the name of an entry in the list of a key; the first entry has index 0.
    #[must_use]
    pub const fn of_entry(key: &'static str, index: usize) -> Self {
        Self { given: None, section: "", key, index: Some(index) }
    }

    /// Returns the names of the entries of a list, of which some have a given name.
    pub fn of_list<'n, I: IntoIterator<Item = Option<&'n Arc<str>>>>(
        key: &'static str,
        given: I,
    ) -> impl Iterator<Item = Self> {
        let given = given.into_iter().enumerate();
        given.map(move |(index, name)| Self::of_entry(key, index).or_given(name))
    }

    /// Returns the name with the section that contains the key.
    #[must_use]
    pub fn inside(self, section: &'static str) -> Self {
        Self { section, ..self }
    }

    /// Returns the name that the module gives the check, if any, otherwise this one.
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
    /// Creates a check with its outcome.
    #[must_use]
    pub fn new(name: CheckName, outcome: Result<(), Failure>) -> Self {
        Self { name, failure: outcome.err(), skipped: None }
    }

    /// Returns true if the check was evaluated and succeeded.
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.failure.is_none() && self.skipped.is_none()
    }

    /// Returns the message of the failure, if any, without the name of the check at its start.
    #[must_use]
    pub fn message(&self) -> Option<&str> {
        let Failure { message, .. } = self.failure.as_ref()?;
        let rest = message.strip_prefix(&self.name.to_string());
        Some(rest.and_then(|rest| rest.strip_prefix(": ")).unwrap_or(message))
    }

    /// Returns the failure for modification.
    pub(crate) fn failure_mut(&mut self) -> Option<&mut Failure> {
        self.failure.as_mut()
    }
}

impl Checks {
    /// Adds an evaluated check.
    pub fn add(&self, check: Check) {
        self.state().made.push(check);
    }

    /// Records the begin of a check that the deadline may interrupt.
    pub fn begin(&self, name: CheckName) {
        self.state().running = Some(name);
    }

    /// Adds the check that has begun, with its outcome.
    pub fn end(&self, check: Check) {
        let mut state = self.state();
        state.running = None;
        state.made.push(check);
    }

    /// Notes the reason for which the other checks are not evaluated.
    pub fn skip_others(&self, reason: &'static str) {
        self.state().skip_reason = Some(reason);
    }

    /// Removes all checks, for a probe that starts again.
    pub fn clear(&self) {
        *self.state() = State::default();
    }

    /// Returns and removes all checks at the end of a probe. A check that has begun and not ended failed
    /// with the failure of the probe. After a failure, those of `configured` that were not evaluated are
    /// added.
    #[must_use]
    pub fn finish(
        &self,
        verdict: &Result<(), Failure>,
        configured: impl FnOnce() -> Vec<CheckName>,
    ) -> Vec<Check> {
        let State { mut made, running, skip_reason } = std::mem::take(&mut *self.state());
        let Err(failure) = verdict else { return made };
        made.extend(running.map(|name| Check::new(name, Err(failure.clone()))));
        let reason = skip_reason.unwrap_or(match failure.stage {
            Stage::Check => "an earlier check failed",
            _ => "the probe failed before",
        });
        let mut missing = configured();
        if !missing.is_empty() {
            let evaluated: HashSet<_> = made.iter().map(|check| &check.name).collect();
            missing.retain(|name| !evaluated.contains(name));
        }
        let skipped = |name| Check { name, failure: None, skipped: Some(reason) };
        made.extend(missing.into_iter().map(skipped));
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
    use crate::diagnostics::Reason;

    #[test]
    fn a_check_has_its_given_name_or_its_key_and_index() {
        let place = CheckName::of_entry("fail_if_matches_regexp", 2);
        assert_eq!(place.to_string(), "fail_if_matches_regexp[2]");
        let place = place.inside("validate_answer_rrs");
        assert_eq!(place.to_string(), "validate_answer_rrs.fail_if_matches_regexp[2]");
        assert_eq!(place.or_given(Some(&"mail".into())).to_string(), "mail");
        assert_eq!(CheckName::of_key("valid_rcodes").or_given(None).to_string(), "valid_rcodes");
    }

    #[test]
    fn an_interrupted_check_has_the_failure_of_the_probe() {
        let checks = Checks::default();
        checks.begin(CheckName::of_entry("query_response", 0));
        checks.end(Check::new(CheckName::of_entry("query_response", 0), Ok(())));
        checks.begin(CheckName::of_entry("query_response", 1));
        let verdict = Err(Failure::new(Stage::Response, Reason::Timeout, "cut off"));
        let names = || (0..4).map(|index| CheckName::of_entry("query_response", index)).collect();
        let made = checks.finish(&verdict, names);
        let failed: Vec<_> = made.iter().map(|check| check.failure.is_some()).collect();
        assert_eq!(failed, [false, true, false, false]);
        let skipped: Vec<_> = made.iter().map(|check| check.skipped).collect();
        let reason = Some("the probe failed before");
        assert_eq!(skipped, [None, None, reason, reason]);
    }

    #[test]
    fn only_failed_checks_are_exported() {
        let checks = Checks::default();
        let failure = Failure::new(Stage::Check, Reason::Status, "500");
        checks.add(Check::new(CheckName::of_key("good"), Ok(())));
        checks.add(Check::new(CheckName::of_key("bad"), Err(failure)));
        let mut metrics = MetricSet::default();
        let made = checks.finish(&Ok(()), Vec::new);
        assert_eq!(made.len(), 2);
        for check in &made {
            check.export(&mut metrics);
        }
        assert!(metrics.render().ends_with("\nprobe_check_failed{check=\"bad\"} 1\n"));
    }
}
