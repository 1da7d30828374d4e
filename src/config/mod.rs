//! Configuration files: the modules with the list of probers and the reload, and the web
//! configuration file of the listener.

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
    source::{DEFAULT_FILE, Source},
    store::{ConfigStore, LastReload, LoadError, Reload, Reread},
    timeout::{DEFAULT_SCRAPE_TIMEOUT, DEFAULT_TIMEOUT_OFFSET, allowed_by_scraper},
};
use crate::{
    policy::{Mode, Policy, PolicySettings, Preset},
    settings::{
        limits::Limits,
        rule::{KeyPath, RuleError},
        section::section,
    },
};

/// A loaded configuration.
#[derive(Debug, Default)]
pub struct Config {
    modules: BTreeMap<String, Arc<Module>>,
    limits: Limits,
    policy: PolicySettings,
    policy_preset: Preset,
    warnings: Vec<Diagnostic>,
    text_length: usize,
    location: String,
}

section! {
    /// The keys of a file beside its modules.
    #[derive(Debug)]
    struct FileKeys {
        /// Limits of what all probes take together.
        #[key(extension)]
        limits: Limits => Limits,
        /// Rules about what probes may connect to.
        #[key(extension)]
        policy: PolicySettings => PolicySettings,
    }
    check Self::check;
}

impl FileKeys {
    fn check(&mut self) -> Result<(), RuleError> {
        let PolicySettings { rules, overrides, .. } = &self.policy;
        module::check_probers(rules).map_err(|error| error.inside("policy"))?;
        for (index, entry) in overrides.iter().enumerate() {
            let place = KeyPath::from("policy").join(("overrides", index).into()).key("policy");
            module::check_probers(&entry.policy).map_err(|error| error.inside(place))?;
        }
        Ok(())
    }
}

/// The key of a file that has the modules.
const MODULES: &str = "modules";

/// Maximum average length in bytes of modules whose secrets are found at their first use.
const MAX_LAZY_MODULE: usize = 8 << 10;

impl Config {
    /// Parses the text of a file. `file` is its name in errors. Returns all errors at once.
    pub fn parse(text: impl AsRef<[u8]>, file: &str) -> Result<Self, ConfigError> {
        let text = text.as_ref();
        let Sections { root: FileKeys { limits, policy }, by_name, warnings } =
            strict_yaml::decode_sections_and_root::<Module, _>(
                &[Document { name: file, text }],
                MODULES,
            )?;
        let modules = by_name.into_iter().map(|(name, module)| (name, Arc::new(module)));
        let modules: BTreeMap<_, _> = modules.collect();
        if text.len() > modules.len() * MAX_LAZY_MODULE {
            // Otherwise the first probe would find them.
            for module in modules.values() {
                let _secrets = module.secrets();
            }
        }
        let (policy_preset, text_length) = (Preset::None, text.len());
        let location = file.to_owned();
        let config =
            Self { modules, limits, policy, policy_preset, warnings, text_length, location };
        Ok(config.with_policy_preset(Preset::None))
    }

    /// Returns the configuration with the built-in module `name`, unless it has a module of that
    /// name; the second value tells whether it was added.
    #[must_use]
    pub fn or_built_in(mut self, name: &str) -> (Self, bool) {
        let has_module = self.modules.contains_key(name);
        let built_in = || Source::built_in().parse().ok()?.modules.remove(name);
        let module = if has_module { None } else { built_in() };
        let is_added = module.is_some();
        self.modules.extend(module.map(|module| (name.to_owned(), module)));
        (self, is_added)
    }

    /// Returns the configuration with a preset in addition to its policy.
    #[must_use]
    pub fn with_policy_preset(mut self, preset: Preset) -> Self {
        self.policy_preset = preset;
        let of_flag = preset.rule_set();
        for (name, module) in &mut self.modules {
            let module = Arc::make_mut(module);
            let own = module.own_policy.as_deref();
            let policy = Policy::of_module(name, &self.policy, of_flag.as_ref(), own);
            module.policy = policy.map(Arc::new);
        }
        self
    }

    /// Returns true if the file or the flag has a policy.
    #[must_use]
    pub fn has_policy(&self) -> bool {
        self.policy.rules.rule_set.is_some() || self.policy_preset != Preset::None
    }

    /// Returns true if the policy of the file or the flag is enforced.
    #[must_use]
    pub fn enforces_policy(&self) -> bool {
        self.has_policy() && self.policy.mode == Mode::Enforce
    }

    /// Returns the limits of what all probes take together.
    #[must_use]
    pub const fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Returns the module `name`.
    #[must_use]
    pub fn module(&self, name: &str) -> Option<Arc<Module>> {
        self.modules.get(name).cloned()
    }

    /// Returns all modules, sorted by name.
    pub fn modules(&self) -> impl Iterator<Item = (&str, &Arc<Module>)> {
        self.modules.iter().map(|(name, module)| (name.as_str(), module))
    }

    /// Returns the length of the text that was parsed, in bytes.
    #[must_use]
    pub fn text_length(&self) -> usize {
        self.text_length
    }

    /// Returns the configuration with the place that it was loaded from.
    #[must_use]
    pub fn with_location(self, location: String) -> Self {
        Self { location, ..self }
    }

    /// Returns the place that the configuration was loaded from: a path, or a name.
    #[must_use]
    pub fn location(&self) -> &str {
        &self.location
    }

    /// Returns the warnings about the modules, in the order of the file.
    #[must_use]
    pub fn warnings(&self) -> &[Diagnostic] {
        &self.warnings
    }

    /// Returns the configuration as YAML, without defaults and with secrets redacted.
    ///
    /// Unlike upstream, the text can be loaded again: it contains values like false and 0 if they
    /// are not the default, and no defaults of other probers.
    #[must_use]
    pub fn to_yaml(&self) -> String {
        let modules = self.modules().map(|(name, module)| (name.to_owned(), module.to_value()));
        let modules = Value::Map(modules.collect());
        let keys = FileKeys { limits: self.limits, policy: self.policy.clone() };
        let mut file = Value::of(&keys).without(&Value::of(&FileKeys::default()));
        if let Value::Section(keys) = &mut file {
            keys.push((MODULES.to_owned(), modules));
        }
        to_yaml(&file, 4)
    }
}
