//! Metrics of the target policy. Denied probes are counted as refused or failed.

use prometheus::{IntCounterVec, IntGauge, Opts, Registry};

use super::register;
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

    /// Applies the configuration.
    pub(super) fn apply(&self, config: &Config) {
        self.enforced.set(config.enforces_policy().into());
        for (name, module) in config.modules() {
            if module.policy.as_ref().is_some_and(|policy| policy.reports()) {
                self.reported.with_label_values(&[name]);
            }
        }
    }

    /// Counts a probe that would have been denied.
    pub(super) fn count(&self, report: &ProbeReport) {
        if report.denial.is_some() && !report.is_denied() {
            self.reported.with_label_values(&[&*report.module_name]).inc();
        }
    }
}
