//! The YAML file of modules: parsing, the closed list of probers, and reload. Beside it, the file
//! that sets up the exporter's own listener.

pub mod module;
mod named_files;
mod probers;
mod reference;
mod renamed_keys;
pub mod source;
pub mod store;
mod timeout;
pub mod web;

use std::{collections::BTreeMap, sync::Arc};

pub use strict_yaml::{Diagnostic, Errors as ConfigError, FileId, Location, Position, Step};
use strict_yaml::{Document, Sections, Value, to_yaml};

pub(crate) use self::probers::with_prober;
pub use self::{
    module::Module,
    named_files::{NamedFile, named_files},
    probers::{AnyProber, METRICS},
    reference::{DeclaredKey, declared_keys},
    source::Source,
    store::{ConfigStore, LastReload, LoadError, Reload},
    timeout::{DEFAULT_SCRAPE_TIMEOUT, DEFAULT_TIMEOUT_OFFSET},
};

/// A loaded configuration.
#[derive(Debug, Default)]
pub struct Config {
    modules: BTreeMap<String, Arc<Module>>,
    warnings: Vec<Diagnostic>,
}

/// The one key at the top of a file.
const MODULES: &str = "modules";

impl Config {
    /// Reads the text of a file; `file` is its name in errors. All errors are found at once.
    pub fn parse(text: impl AsRef<[u8]>, file: &str) -> Result<Self, ConfigError> {
        let Sections { by_name, warnings } = strict_yaml::decode_sections::<Module>(
            &[Document { name: file, text: text.as_ref() }],
            MODULES,
        )?;
        let modules = by_name.into_iter().map(|(name, module)| (name, Arc::new(module)));
        Ok(Self { modules: modules.collect(), warnings })
    }

    /// The module of that name.
    #[must_use]
    pub fn module(&self, name: &str) -> Option<Arc<Module>> {
        self.modules.get(name).cloned()
    }

    /// All modules, sorted by name.
    pub fn modules(&self) -> impl Iterator<Item = (&str, &Arc<Module>)> {
        self.modules.iter().map(|(name, module)| (name.as_str(), module))
    }

    /// What is surprising about the modules, in the order of the file.
    #[must_use]
    pub fn warnings(&self) -> &[Diagnostic] {
        &self.warnings
    }

    /// The configuration as YAML: what differs from the defaults, secrets hidden.
    ///
    /// Unlike upstream: values are shown also when they are false or 0, unless that is the
    /// default, and the defaults of other probers are not, so that the text can be loaded again.
    #[must_use]
    pub fn to_yaml(&self) -> String {
        let modules = self.modules().map(|(name, module)| (name.to_owned(), module.to_value()));
        let modules = Value::Map(modules.collect());
        to_yaml(&Value::Section(vec![(MODULES.to_owned(), modules)]), 4)
    }
}
