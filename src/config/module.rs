//! A module, and the one closed list of probers.

use std::time::Duration;

/// A named entry of the configuration file.
#[derive(Debug)]
pub struct Module {
    /// How long a probe may take, if the module says so.
    pub timeout: Option<Duration>,
    /// Whether metrics that upstream lacks are exported too.
    pub extra_metrics: bool,
    /// The prober with its settings.
    pub prober: AnyProber,
}

/// One variant per prober.
#[derive(Debug)]
pub enum AnyProber {}

impl Module {
    /// The prober's name, as the file spells it.
    #[must_use]
    pub fn prober_name(&self) -> &'static str {
        match self.prober {}
    }

    /// The Host header that the module sets, if its prober knows such a thing.
    #[must_use]
    pub fn configured_host(&self) -> Option<&str> {
        match self.prober {}
    }

    /// The module as YAML, secrets hidden.
    #[must_use]
    pub fn to_yaml(&self) -> String {
        match self.prober {}
    }
}
