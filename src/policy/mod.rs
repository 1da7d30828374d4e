//! The target policy: rules about what probes may connect to.
//!
//! This module only decides. [`net::Context`](crate::net::Context) asks it about each target before its
//! name is resolved, and about each peer just before it is connected to.

mod embedded;
mod entries;
mod glob;
mod network;
mod presets;
mod question;
mod ranges;
mod rule_set;
mod rules;
mod sets;
mod settings;
#[cfg(test)]
mod tests;
mod words;

use std::sync::Arc;

use self::rule_set::Denied;
pub use self::{
    entries::Scheme,
    presets::Preset,
    question::{Denial, Origin, Question, Role},
    rule_set::RuleSet,
    settings::{Mode, PolicyRules, PolicySettings},
};

/// The policy of a module: everything that applies to its probes. All layers must allow a connection.
#[derive(Debug, Default, Clone, PartialEq)]
pub struct Policy(Vec<Layer>);

#[derive(Debug, Clone, PartialEq)]
struct Layer {
    origin: Origin,
    rules: Arc<RuleSet>,
    mode: Mode,
}

/// The answer of a policy that does not allow something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judgement {
    /// The reason.
    pub denial: Denial,
    /// [`Mode::Report`] if all policies that deny it only report that.
    pub mode: Mode,
}

impl Policy {
    /// Returns the policy of the module `name`; none if everything is allowed.
    #[must_use]
    pub fn of_module(
        name: &str,
        file: &PolicySettings,
        flag: Option<&Arc<RuleSet>>,
        module: Option<&PolicyRules>,
    ) -> Option<Self> {
        let mode = file.mode;
        let replaced = file.overrides.iter().find(|entry| entry.names(name));
        let (of_file, of_flag) = match replaced {
            Some(entry) => (entry.policy.rule_set.clone(), None),
            None => (file.rules.rule_set.clone(), flag.cloned()),
        };
        let of_module = module.and_then(|rules| rules.rule_set.clone());
        let layers = [
            of_file.map(|rules| Layer { origin: Origin::File, rules, mode }),
            of_flag.map(|rules| Layer { origin: Origin::Flag, rules, mode }),
            // Only the operator reports denials instead of enforcing them.
            of_module.map(|rules| Layer { origin: Origin::Module, rules, mode: Mode::Enforce }),
        ];
        let layers: Vec<_> = layers.into_iter().flatten().collect();
        (!layers.is_empty()).then_some(Self(layers))
    }

    /// Judges everything that the question contains.
    ///
    /// # Errors
    /// The denial. One that is enforced comes before one that is reported.
    pub fn judge(&self, question: &Question<'_>) -> Result<(), Judgement> {
        self.ask(|rules| rules.judge(question))
    }

    /// Judges a unix socket whose real path is not known yet: it is denied only if all are.
    ///
    /// # Errors
    /// The denial.
    pub fn judge_any_path(&self, written: &str) -> Result<(), Judgement> {
        self.ask(|rules| rules.judge_any_path(written))
    }

    fn ask(&self, judge: impl Fn(&RuleSet) -> Result<(), Denied>) -> Result<(), Judgement> {
        let mut reported = Ok(());
        for Layer { origin, rules, mode } in &self.0 {
            if let Err((list, entry, value)) = judge(rules) {
                let denial = Denial { origin: *origin, list, entry, value, hop: 0 };
                let judgement = Judgement { denial, mode: *mode };
                match mode {
                    Mode::Enforce => return Err(judgement),
                    Mode::Report if reported.is_ok() => reported = Err(judgement),
                    Mode::Report => {}
                }
            }
        }
        reported
    }

    /// Returns true if there are rules about unix sockets.
    #[must_use]
    pub fn has_paths(&self) -> bool {
        self.0.iter().any(|layer| layer.rules.has_paths())
    }

    /// Returns true if there are rules about unix sockets that are enforced.
    #[must_use]
    pub fn enforces_paths(&self) -> bool {
        self.0.iter().any(|layer| layer.mode == Mode::Enforce && layer.rules.has_paths())
    }

    /// Returns true if some denials are only reported.
    #[must_use]
    pub fn reports(&self) -> bool {
        self.0.iter().any(|layer| layer.mode == Mode::Report)
    }

    /// Describes each of the policies in a sentence.
    pub fn describe(&self) -> impl Iterator<Item = String> {
        self.0.iter().map(|Layer { origin, rules, mode }| {
            let place = match origin {
                Origin::File => "The policy of the file",
                Origin::Flag => "The policy of --policy.preset",
                Origin::Module => "The policy of the module",
            };
            let effect = match mode {
                Mode::Enforce => "",
                Mode::Report => " (only reports denials)",
            };
            format!("{place}{effect}: {}. Redirects are judged too.", rules.describe())
        })
    }
}
