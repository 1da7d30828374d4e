//! The YAML file of modules: parsing, the closed list of probers, and reload.

pub mod module;

use std::{collections::BTreeMap, sync::Arc};

pub use module::{AnyProber, Module};

/// A loaded configuration.
#[derive(Debug, Default)]
pub struct Config {
    modules: BTreeMap<String, Arc<Module>>,
}

impl Config {
    /// The module of that name.
    #[must_use]
    pub fn module(&self, name: &str) -> Option<Arc<Module>> {
        self.modules.get(name).cloned()
    }
}
