//! Compiled lists of a policy: each decides about one kind of value.

use std::{collections::HashMap, net::IpAddr};

use super::{
    embedded,
    entries::{Action, AddressEntry, HostEntry, PathEntry, PortEntry},
    network::{Network, PrefixTable},
    ranges::RangeTable,
    sets::{Set, is_public},
};

/// An entry that decided, or the default. Of two equally narrow entries, the one that denies counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Decision {
    is_allowed: bool,
    /// Index in the list of entries, those that are denied first.
    entry: Option<u32>,
}

/// Maximum number of entries of a description.
const MAX_SHOWN: usize = 20;

/// The text of an entry that denied, in the form of the configuration.
pub(super) const DEFAULT: &str = "default";

/// The entries of a list, with their actions.
#[derive(Debug, PartialEq)]
pub(super) struct Entries<E> {
    all: Vec<E>,
    /// Number of entries that are denied; they come first.
    denied: usize,
    default: Action,
}

impl<E: ToString> Entries<E> {
    pub(super) fn new(mut deny: Vec<E>, allow: Vec<E>, default: Action) -> Self {
        let denied = deny.len();
        deny.extend(allow);
        Self { all: deny, denied, default }
    }

    /// Describes the entries, such as "allowed public, denied metadata, others denied".
    pub(super) fn describe(&self) -> String {
        let (denied, allowed) = self.all.split_at_checked(self.denied).unwrap_or_default();
        let mut parts = Vec::new();
        for (word, entries) in [("allowed", allowed), ("denied", denied)] {
            if !entries.is_empty() {
                let shown: Vec<_> =
                    entries.iter().take(MAX_SHOWN).map(ToString::to_string).collect();
                let rest = entries.len().saturating_sub(MAX_SHOWN);
                let rest = if rest == 0 { String::new() } else { format!(" and {rest} more") };
                parts.push(format!("{word} {}{rest}", shown.join(" ")));
            }
        }
        parts.push(match self.default {
            Action::Allow => "others allowed".to_owned(),
            Action::Deny => "others denied".to_owned(),
        });
        parts.join(", ")
    }

    fn decisions(&self) -> impl Iterator<Item = (&E, Decision)> {
        self.all.iter().enumerate().map(|(index, entry)| (entry, self.decision(index)))
    }

    fn decision(&self, index: usize) -> Decision {
        Decision { is_allowed: index >= self.denied, entry: u32::try_from(index).ok() }
    }

    fn allows_nothing(&self) -> bool {
        self.default == Action::Deny && self.all.len() == self.denied
    }

    /// Returns the text of the entry that denied.
    fn conclude(&self, decision: Option<Decision>) -> Result<(), String> {
        let Some(Decision { is_allowed, entry }) = decision else {
            return match self.default {
                Action::Allow => Ok(()),
                Action::Deny => Err(DEFAULT.to_owned()),
            };
        };
        if is_allowed {
            return Ok(());
        }
        let entry = entry.and_then(|index| self.all.get(usize::try_from(index).ok()?));
        Err(entry.map_or_else(|| DEFAULT.to_owned(), ToString::to_string))
    }
}

/// The list `addresses`.
#[derive(Debug, PartialEq)]
pub(super) struct AddressRules {
    entries: Entries<AddressEntry>,
    networks: PrefixTable<Decision>,
    /// The decision about the set `public`, whose networks are all but the special ones.
    public: Option<Decision>,
}

impl AddressRules {
    pub(super) fn describe(&self) -> String {
        self.entries.describe()
    }

    pub(super) fn new(entries: Entries<AddressEntry>) -> Self {
        let mut networks: Vec<(Network, Decision)> = Vec::new();
        let mut public: Option<Decision> = None;
        for (entry, decision) in entries.decisions() {
            match entry {
                AddressEntry::Set(Set::Public) => {
                    public = Some(public.map_or(decision, |other| other.min(decision)));
                }
                AddressEntry::Set(set) => networks.extend(set.networks().map(|it| (it, decision))),
                AddressEntry::Network(network) => networks.push((*network, decision)),
            }
        }
        Self { networks: PrefixTable::new(networks), entries, public }
    }

    /// Judges an address and the IPv4 addresses in it.
    ///
    /// # Errors
    /// The text of the entry that denied it.
    pub(super) fn judge(&self, address: IpAddr, nat64: &[Network]) -> Result<(), String> {
        embedded::try_for_each(address, nat64, |address| {
            let (length, found) = self.networks.find(address).unzip();
            let decision = match (length, self.public) {
                // The set is as narrow as a network without a prefix.
                (None | Some(0), Some(public)) if is_public(address) => {
                    Some(found.map_or(public, |found| found.min(public)))
                }
                _ => found,
            };
            self.entries.conclude(decision)
        })
    }

    /// Judges an address that is not known yet: it is denied only if every address is.
    pub(super) fn judge_unknown(&self) -> Result<(), String> {
        if self.entries.allows_nothing() { Err(DEFAULT.to_owned()) } else { Ok(()) }
    }
}

/// The list `hosts`.
#[derive(Debug, PartialEq)]
pub(super) struct HostRules {
    entries: Entries<HostEntry>,
    exact: HashMap<Box<str>, Decision>,
    below: HashMap<Box<str>, Decision>,
    /// Maximum number of labels of the names in `below`.
    depth: usize,
    any: Option<Decision>,
    literals: Action,
}

impl HostRules {
    pub(super) fn describe(&self) -> String {
        let literals = match self.literals {
            Action::Allow => "",
            Action::Deny => ", addresses as targets denied",
        };
        format!("{}{literals}", self.entries.describe())
    }

    pub(super) fn new(entries: Entries<HostEntry>, literals: Action) -> Self {
        let (mut exact, mut below, mut any, mut depth) = (HashMap::new(), HashMap::new(), None, 0);
        // Those that are denied come first and stay.
        for (entry, decision) in entries.decisions() {
            match entry {
                HostEntry::Any => drop(any.get_or_insert(decision)),
                HostEntry::Below(name) => {
                    depth = depth.max(name.split('.').count());
                    below.entry(name.as_str().into()).or_insert(decision);
                }
                HostEntry::Exactly(name) => {
                    exact.entry(name.as_str().into()).or_insert(decision);
                }
            }
        }
        Self { entries, exact, below, depth, any, literals }
    }

    /// Judges a host that is an address.
    pub(super) fn judge_literal(&self) -> Result<(), String> {
        match self.literals {
            Action::Allow => Ok(()),
            Action::Deny => Err("literals".to_owned()),
        }
    }

    /// Judges a name in ASCII and lower case, without a dot at the end.
    pub(super) fn judge(&self, name: &str) -> Result<(), String> {
        let parents = name.match_indices('.').filter_map(|(index, _)| name.get(index + 1..));
        let longer = name.matches('.').count().saturating_sub(self.depth);
        let mut parents = parents.skip(longer);
        let decision = self
            .exact
            .get(name)
            .or_else(|| parents.find_map(|parent| self.below.get(parent)))
            .or(self.any.as_ref());
        self.entries.conclude(decision.copied())
    }
}

/// The list `ports`.
#[derive(Debug, PartialEq)]
pub(super) struct PortRules {
    entries: Entries<PortEntry>,
    /// The rank is the width of the range, and the decision.
    ranges: RangeTable<u16, (u16, Decision)>,
}

impl PortRules {
    pub(super) fn describe(&self) -> String {
        self.entries.describe()
    }

    pub(super) fn new(entries: Entries<PortEntry>) -> Self {
        let ranges = RangeTable::new(entries.decisions().map(|(PortEntry { first, last }, it)| {
            (*first, last.checked_add(1), (last.saturating_sub(*first), it))
        }));
        Self { entries, ranges }
    }

    pub(super) fn judge(&self, port: u16) -> Result<(), String> {
        self.entries.conclude(self.ranges.find(port).map(|(_, decision)| decision))
    }
}

/// The list `unix_paths`, the narrowest first.
#[derive(Debug, PartialEq)]
pub(super) struct PathRules {
    entries: Entries<PathEntry>,
    sorted: Vec<(PathEntry, Decision)>,
}

impl PathRules {
    pub(super) fn describe(&self) -> String {
        self.entries.describe()
    }

    pub(super) fn new(entries: Entries<PathEntry>) -> Self {
        let mut sorted: Vec<_> =
            entries.decisions().map(|(entry, decision)| (entry.clone(), decision)).collect();
        sorted.sort_by_key(|(entry, decision)| (std::cmp::Reverse(entry.specificity()), *decision));
        Self { entries, sorted }
    }

    pub(super) fn judge(&self, path: &str) -> Result<(), String> {
        let found = self.sorted.iter().find(|(entry, _)| entry.matches(path));
        self.entries.conclude(found.map(|(_, decision)| *decision))
    }

    /// Judges a path that is not known yet: it is denied only if every path is.
    pub(super) fn judge_unknown(&self) -> Result<(), String> {
        if self.entries.allows_nothing() { Err(DEFAULT.to_owned()) } else { Ok(()) }
    }
}
