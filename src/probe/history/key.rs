//! Names of what is probed.

use crate::{metrics::allocation, probe::ProbeReport};

/// Module, target and hostname of a probe. Probes with the same ones have one history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TargetKey {
    /// The module, the target and the hostname after each other.
    text: Box<str>,
    module_end: usize,
    target_end: usize,
}

/// Maximum length of the three names in bytes. Longer ones have no history.
const MAX_KEY_BYTES: usize = 2 << 10;

impl TargetKey {
    /// Returns the key of a probe, unless it is too long.
    pub(super) fn of(report: &ProbeReport) -> Option<Self> {
        let ProbeReport { module_name, target, .. } = report;
        let hostname = report.hostname.as_deref().unwrap_or_default();
        let module_end = module_name.len();
        let target_end = module_end + target.len();
        let text = || [module_name, target, hostname].concat().into();
        Self::is_short(report).then(|| Self { text: text(), module_end, target_end })
    }

    /// Returns true if the names are short enough for a history.
    #[must_use]
    pub fn is_short(report: &ProbeReport) -> bool {
        let hostname = report.hostname.as_ref().map_or(0, String::len);
        report.module_name.len() + report.target.len() + hostname <= MAX_KEY_BYTES
    }

    /// Returns true if this is the key of the probe.
    pub(super) fn is_of(&self, report: &ProbeReport) -> bool {
        self.target() == report.target
            && self.module() == report.module_name
            && self.hostname().unwrap_or_default() == report.hostname.as_deref().unwrap_or_default()
    }

    /// Name of the module.
    #[must_use]
    pub fn module(&self) -> &str {
        self.text.get(..self.module_end).unwrap_or_default()
    }

    /// The target, with secrets masked.
    #[must_use]
    pub fn target(&self) -> &str {
        self.text.get(self.module_end..self.target_end).unwrap_or_default()
    }

    /// The parameter `hostname` of the requests, if they have one.
    #[must_use]
    pub fn hostname(&self) -> Option<&str> {
        self.text.get(self.target_end..).filter(|name| !name.is_empty())
    }

    /// The memory in bytes, with the counters of an `Arc`.
    pub(super) fn weight(&self) -> usize {
        allocation(2 * size_of::<usize>() + size_of::<Self>()) + allocation(self.text.len())
    }
}
