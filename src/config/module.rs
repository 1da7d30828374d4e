//! A module of the configuration.

use std::{
    fmt,
    sync::{Arc, OnceLock},
    time::Duration,
};

use serde::{Deserialize, Serialize};
use strict_yaml::{Replacement, RootSection, Value, to_yaml};

use crate::{
    config::{
        probers::{self, AnyProber, ProberSections, with_prober},
        renamed_keys, timeout,
    },
    policy::{Policy, PolicyRules},
    settings::{
        duration::GoDuration,
        explain::{Explanation, Topic, any_of},
        limits::ModuleLimits,
        rule::{RuleError, Warning},
        secret::{self, HIDDEN},
        section::{Section, section},
    },
};

/// A named entry of the configuration file.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(try_from = "ModuleKeys")]
pub struct Module {
    /// Timeout of a probe, if the module sets one.
    pub timeout: Option<Duration>,
    /// True if metrics that blackbox_exporter lacks are exported too.
    pub extra_metrics: bool,
    /// True if reports contain the start of the response.
    pub show_response: bool,
    /// The prober with its settings.
    pub prober: AnyProber,
    /// The policy of the module itself.
    pub own_policy: Option<Box<PolicyRules>>,
    /// Limits of how many probes run at once.
    pub limits: ModuleLimits,
    /// Everything that limits the probes of the module; none if everything is allowed.
    pub policy: Option<Arc<Policy>>,
    /// Warnings about the module.
    pub warnings: Vec<Warning>,
    secrets: Secrets,
}

/// The secrets of a module and the size of its text, once they are needed. They follow from the rest of
/// it.
#[derive(Clone, Default)]
struct Secrets(OnceLock<(Vec<String>, usize)>);

impl PartialEq for Secrets {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(HIDDEN)
    }
}

section! {
    /// The keys of a module.
    #[derive(Debug)]
    pub(super) struct ModuleKeys {
        /// Name of the prober; its section is used. Required.
        prober: String,
        /// Timeout of a probe. The scrape timeout minus `--timeout-offset` applies if it is shorter or
        /// if this is `0s`; a request without a scrape timeout, as of curl, has one of 2 minutes.
        timeout: GoDuration,
        /// Also exports metrics that blackbox_exporter does not have.
        #[key(extension)]
        extra_metrics: bool = true,
        /// Shows the start of the response, or the last lines of the dialogue, in reports of failed
        /// probes, and in those of others on request. Secrets are redacted.
        #[key(extension)]
        show_response: bool = true,
        /// Limits what probes of the module may connect to, in addition to the policy of the file: all
        /// keys of the policy but `mode` and `overrides`.
        #[key(extension)]
        policy: Option<Box<PolicyRules>>,
        /// Limits of the module, in addition to those of the file: `in_flight` is the number of its
        /// probes that run at once, so that a module whose targets do not respond leaves room for
        /// others.
        #[key(extension)]
        limits: ModuleLimits,
        /// The sections of the probers.
        #[key(group)]
        sections: ProberSections,
    }
}

/// The key of a module that names its prober.
const PROBER: &str = "prober";

impl Module {
    /// The name of the prober, as it is written in the file.
    #[must_use]
    pub const fn prober_name(&self) -> &'static str {
        self.prober.name()
    }

    /// The timeout of a probe. `scrape` is the scrape timeout in seconds, if the request has one,
    /// and `offset` the time in seconds that is left for the response.
    #[must_use]
    pub fn timeout_within(&self, scrape: Option<f64>, offset: f64) -> Duration {
        timeout::shortest(scrape, offset, self.timeout)
    }

    /// Returns true if the module sends credentials to its target, and does not limit its targets.
    #[must_use]
    pub fn exposes_credentials(&self) -> bool {
        let limits_targets = |policy: &PolicyRules| {
            policy.targets.hosts.is_some() || policy.targets.addresses.is_some()
        };
        self.prober.settings().sends_credentials()
            && !self.own_policy.as_deref().is_some_and(limits_targets)
    }

    /// Returns the module with other values of some keys of its prober's section, read and checked
    /// like those of a file. `secrets` are redacted in addition to those of the settings.
    ///
    /// # Errors
    /// A value is invalid, or a rule is broken; the text begins with the key.
    pub fn with_keys(&self, keys: serde_json::Value, secrets: &[String]) -> Result<Self, String> {
        let mut module = Self { secrets: Secrets::default(), ..self.clone() };
        let read: serde_json::Result<()> = with_prober!(&mut module.prober, settings => {
            Deserialize::deserialize_in_place(keys, settings.as_mut())
        });
        let name = module.prober_name();
        read.map_err(|error| format!("{name}.{error}"))?;
        let settings = module.prober.settings();
        settings.check_use().map_err(|error| error.inside(name).to_string())?;
        let warnings = settings.warnings().into_iter();
        module.warnings = warnings.map(|warning| warning.inside(name)).collect();
        let (own, size) = module.serialized().clone();
        module.secrets.0 = OnceLock::from(([own.as_slice(), secrets].concat(), size));
        Ok(module)
    }

    /// Returns the secrets that the module itself contains.
    #[must_use]
    pub fn secrets(&self) -> &[String] {
        &self.serialized().0
    }

    /// Returns the approximate length of the module as YAML in bytes.
    #[must_use]
    pub fn text_size(&self) -> usize {
        self.serialized().1
    }

    fn serialized(&self) -> &(Vec<String>, usize) {
        self.secrets.0.get_or_init(|| {
            let mut size = 0;
            let secrets = secret::serialized_secrets(|| size = self.section().size());
            (secrets, size)
        })
    }

    /// Describes a probe of the module in words, without secrets. `offset` is that of
    /// `--timeout-offset`, in seconds.
    #[must_use]
    pub fn explain(&self, offset: f64) -> Explanation {
        let mut words = Explanation::default();
        self.prober.settings().explain(&mut words);
        for sentence in self.policy.iter().flat_map(|policy| policy.describe()) {
            words.say(Topic::Target, sentence);
        }
        if let Some(number) = self.limits.in_flight {
            words.say(
                Topic::Time,
                format!("At most {number} probes at once; others wait or are refused."),
            );
        }
        words.say_of(self.timeout.is_none(), Topic::Time, timeout::explain(self.timeout, offset));
        if !self.extra_metrics {
            words.say(Topic::Exports, "Only the metrics that blackbox_exporter has.");
        }
        if !self.show_response {
            words.say(Topic::Exports, "Reports do not show the response.");
        }
        words
    }

    /// The module as YAML: the settings that differ from the defaults, without secrets.
    #[must_use]
    pub fn to_yaml(&self) -> String {
        to_yaml(&self.to_value(), 2)
    }

    /// The keys that a file needs for this module.
    pub(super) fn to_value(&self) -> Value {
        let mut keys = vec![(PROBER.to_owned(), Value::Text(self.prober_name().to_owned()))];
        if let Some(timeout) = self.timeout {
            keys.push(("timeout".to_owned(), Value::of(&GoDuration::from(timeout))));
        }
        if !self.extra_metrics {
            keys.push(("extra_metrics".to_owned(), Value::of(&false)));
        }
        if !self.show_response {
            keys.push(("show_response".to_owned(), Value::of(&false)));
        }
        if let Some(policy) = &self.own_policy {
            keys.push(("policy".to_owned(), changed(policy.as_ref())));
        }
        if self.limits != ModuleLimits::default() {
            keys.push(("limits".to_owned(), changed(&self.limits)));
        }
        let section = self.section();
        if !section.is_empty() {
            keys.push((self.prober_name().to_owned(), section));
        }
        Value::Section(keys)
    }

    /// The settings of the prober that differ from the defaults.
    fn section(&self) -> Value {
        with_prober!(&self.prober, settings => changed(settings.as_ref()))
    }
}

/// The settings that differ from the defaults.
fn changed<S: Section + Serialize>(settings: &S) -> Value {
    Value::of(settings).without(&Value::of(&S::default()))
}

impl RootSection for Module {
    const NAME: &'static str = "the module";
    const SECRET_KEY: Option<&'static str> = Some("secret");

    fn warnings(&self) -> Vec<Warning> {
        self.warnings.clone()
    }

    fn replacement(path: &[&str], key: &str) -> Option<Replacement> {
        renamed_keys::of_module(path, key)
    }
}

impl TryFrom<ModuleKeys> for Module {
    type Error = RuleError;

    fn try_from(keys: ModuleKeys) -> Result<Self, RuleError> {
        let ModuleKeys {
            prober: name,
            timeout,
            extra_metrics,
            show_response,
            policy,
            limits,
            sections,
        } = keys;
        let mut warnings = Vec::new();
        if timeout.is_negative() {
            let message = format!("{timeout} is negative and is ignored; write for example 5s");
            warnings.push(Warning::at("timeout", message));
        }
        warnings.extend(timeout.positive().and_then(timeout::warning));
        for section in sections.present().filter(|section| *section != name) {
            let message = format!("ignored because the prober is {name}");
            warnings.push(Warning::at(section, message));
        }
        if let Some(policy) = &policy {
            check_probers(policy).map_err(|error| error.inside("policy"))?;
        }
        let has_section = sections.present().next().is_some();
        let prober =
            sections.into_prober(&name).ok_or_else(|| unknown_prober(&name, has_section))?;
        let settings = prober.settings();
        settings.check_use().map_err(|error| error.inside(name.as_str()))?;
        let of_prober = settings.warnings().into_iter();
        warnings.extend(of_prober.map(|warning| warning.inside(name.as_str())));
        Ok(Self {
            timeout: timeout.positive(),
            extra_metrics,
            show_response,
            prober,
            own_policy: policy.filter(|policy| policy.rule_set.is_some()),
            policy: None,
            limits,
            secrets: Secrets::default(),
            warnings,
        })
    }
}

/// Checks the names of probers in a policy.
pub(super) fn check_probers(policy: &PolicyRules) -> Result<(), RuleError> {
    let is_known = |name: &str| probers::NAMES.contains(&name);
    match policy.probers.iter().enumerate().find(|(_, name)| !is_known(name)) {
        None => Ok(()),
        Some((index, name)) => {
            let names = any_of(&probers::NAMES.map(str::to_owned));
            let message = format!("'{name}' is not a prober; use {names}");
            Err(RuleError::at(("probers", index), message))
        }
    }
}

fn unknown_prober(name: &str, has_section: bool) -> RuleError {
    if name.is_empty() {
        let indentation = if has_section {
            ""
        } else {
            "; if this is a section of the module above, indent it further"
        };
        let message = format!(
            "prober '' is not valid: a module requires the key 'prober', for example 'prober: \
             http'{indentation}"
        );
        return RuleError::new(message).involving([PROBER]);
    }
    let names = any_of(&probers::NAMES.map(str::to_owned));
    RuleError::at(PROBER, format!("prober '{name}' is not valid; use {names}"))
}
