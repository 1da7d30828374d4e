//! Metrics of the target policy. Denied probes are counted as refused or failed.

use std::collections::HashSet;

use prometheus::{IntCounterVec, IntGauge, Opts, Registry};

use super::{module_names::OTHER, register};
use crate::{config::Config, probe::ProbeReport};

/// The state of the policy, and the denials that were only reported.
pub(super) struct PolicyMetrics {
    reported: IntCounterVec,
    enforced: IntGauge,
}

impl PolicyMetrics {
    pub(super) fn register(registry: &Registry) -> prometheus::Result<Self> {
        let reported = IntCounterVec::new(
            Opts::new(
                "probe_exporter_policy_reported_total",
                "Number of probes that a policy with mode report would have denied.",
            ),
            &["module"],
        )?;
        let enforced = IntGauge::new(
            "probe_exporter_policy_enforced",
            "1 if the configuration file or --policy.preset has a policy that is enforced, otherwise 0.",
        )?;
        Ok(Self {
            reported: register(registry, reported)?,
            enforced: register(registry, enforced)?,
        })
    }

    /// Applies the configuration, whose modules have the `labels` module and prober or the shared ones.
    pub(super) fn apply(&self, config: &Config, labels: &HashSet<[&str; 2]>) {
        self.enforced.set(config.enforces_policy().into());
        for (name, module) in config.modules() {
            if module.policy.as_ref().is_some_and(|policy| policy.reports()) {
                let is_own = labels.contains(&[name, module.prober_name()]);
                self.reported.with_label_values(&[if is_own { name } else { OTHER }]);
            }
        }
    }

    /// Counts a probe that would have been denied, with the label `module`.
    pub(super) fn count(&self, report: &ProbeReport, module: &str) {
        if report.denial.is_some() && !report.is_denied() {
            self.reported.with_label_values(&[module]).inc();
        }
    }
}
