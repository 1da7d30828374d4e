//! Presets, and the compilation of lists with the entries of a preset.

use super::{
    entries::{Action, AddressEntry, PathEntry},
    rules::Entries,
    sets::Set,
    words::words,
};
use crate::settings::rule::RuleError;

words! {
    /// Entries that are added to those of a policy.
    Preset ("a preset") {
        /// No entries.
        None => "none",
        /// Denies the metadata services of cloud providers.
        NoMetadata => "no_metadata",
        /// Allows public, private and shared addresses, without the metadata services.
        Internal => "internal",
        /// Allows public addresses only.
        Public => "public",
    }
}

/// The entries of a preset for one kind of value.
pub(super) struct Added<E> {
    pub(super) allow: Vec<E>,
    pub(super) deny: Vec<E>,
    pub(super) default: Option<Action>,
}

impl Preset {
    pub(super) fn addresses(self) -> Added<AddressEntry> {
        let sets = |sets: &[Set]| sets.iter().map(|set| AddressEntry::Set(*set)).collect();
        let (allow, deny, default): (&[Set], &[Set], _) = match self {
            Self::None => (&[], &[], None),
            Self::NoMetadata => (&[], &[Set::Metadata], Some(Action::Allow)),
            Self::Internal => {
                let allowed = &[Set::Public, Set::Private, Set::Shared];
                (allowed, &[Set::Metadata], Some(Action::Deny))
            }
            Self::Public => (&[Set::Public], &[], Some(Action::Deny)),
        };
        Added { allow: sets(allow), deny: sets(deny), default }
    }

    pub(super) fn unix_paths(self) -> Added<PathEntry> {
        let default = match self {
            Self::None | Self::NoMetadata => None,
            Self::Internal | Self::Public => Some(Action::Deny),
        };
        Added { default, ..Added::none() }
    }
}

impl<E> Added<E> {
    pub(super) const fn none() -> Self {
        Self { allow: Vec::new(), deny: Vec::new(), default: None }
    }
}

/// The keys `default`, `allow` and `deny` of a section.
type Written<'l, E> = (Option<Action>, Option<&'l [E]>, &'l [E]);

/// Compiles the lists of one kind. Returns nothing if there are no rules.
pub(super) fn entries<E: Clone + ToString>(
    key: &str,
    lists: Option<Written<'_, E>>,
    added: Added<E>,
) -> Result<Option<Entries<E>>, RuleError> {
    let (explicit, allowed, denied) = lists.unwrap_or_default();
    let deny = [added.deny, denied.to_vec()].concat();
    // A list that is present and empty allows nothing.
    let has_allow = allowed.is_some() || !added.allow.is_empty();
    let allow = [added.allow, allowed.unwrap_or_default().to_vec()].concat();
    let default = match (explicit.or(added.default), has_allow, !deny.is_empty()) {
        (None, false, false) => return Ok(None),
        (Some(default), ..) => default,
        (None, true, false) => Action::Deny,
        (None, false, true) => Action::Allow,
        (None, true, true) => {
            let message = "with 'allow' and 'deny', write what holds for the rest: 'default: allow' \
                           or 'default: deny'";
            return Err(RuleError::at(key, message));
        }
    };
    Ok(Some(Entries::new(deny, allow, default)))
}
