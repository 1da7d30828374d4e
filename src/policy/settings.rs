//! The sections of a policy.

use std::sync::Arc;

use super::{
    entries::{Action, AddressEntry, HostEntry, Nat64Prefix, PathEntry, PortEntry, Scheme},
    glob,
    presets::{Added, Preset, entries},
    rule_set::{Lists, RuleSet},
    rules::{AddressRules, Entries, HostRules, PathRules, PortRules},
    words::words,
};
use crate::settings::{rule::RuleError, section::section};

words! {
    /// The effect of a denial.
    Mode ("a mode") {
        /// The probe is refused.
        Enforce => "enforce",
        /// The denial is logged and counted, and the probe goes on.
        Report => "report",
    }
}

/// Declares the section of a list.
macro_rules! lists {
    ($($(#[doc = $doc:literal])+ $name:ident: $entry:ty $(, $(#[doc = $other_doc:literal])+ $other:ident: $other_type:ty)?;)+) => {
        $(section! {
            $(#[doc = $doc])+
            #[derive(Debug, Clone, PartialEq)]
            pub struct $name {
                /// Decision about everything that no entry matches, `allow` or `deny`. Without it, it is
                /// that of the preset, `deny` if there is only `allow`, and `allow` if there is only `deny`.
                #[key(extension)]
                pub default: Option<Action>,
                /// Entries that are allowed; an empty list allows nothing. The narrowest entry that matches
                /// counts; if there are two, the one of `deny`.
                #[key(extension)]
                pub allow: Option<Vec<$entry>>,
                /// Entries that are denied.
                #[key(extension)]
                pub deny: Vec<$entry>,
                $($(#[doc = $other_doc])+ #[key(extension)] pub $other: $other_type,)?
            }
            check Self::check;
        }

        impl $name {
            fn check(&mut self) -> Result<(), RuleError> {
                check_length("allow", self.allow.as_ref().map_or(0, Vec::len))?;
                check_length("deny", self.deny.len())
            }
        })+
    };
}

lists! {
    /// Addresses that may be connected to.
    AddressLists: AddressEntry;
    /// Host names that may be connected to.
    HostLists: HostEntry,
        /// Decision about targets that are addresses; without it `deny` if there is `allow`, else `allow`.
        literals: Option<Action>;
    /// Ports that may be connected to.
    PortLists: PortEntry;
    /// Unix sockets that may be connected to.
    PathLists: PathEntry;
}

section! {
    /// Lists for targets, proxies or token servers.
    #[derive(Debug, Clone, PartialEq)]
    pub struct PeerLists {
        /// Addresses that may be connected to: addresses, networks and names of sets.
        #[key(extension)]
        pub addresses: Option<AddressLists> => AddressLists,
        /// Names that may be resolved or passed to a proxy: `example.org`, `*.example.org` for all names
        /// below it, or `*`. The parameter `hostname` is judged too.
        #[key(extension)]
        pub hosts: Option<HostLists> => HostLists,
        /// Ports that may be connected to: numbers and ranges such as `8000-8999`.
        #[key(extension)]
        pub ports: Option<PortLists> => PortLists,
    }
}

section! {
    /// The rules of a policy.
    #[derive(Debug, Clone, PartialEq)]
    pub struct PolicyRules {
        /// Entries to add: `none`, `no_metadata`, `internal` or `public`.
        #[key(extension)]
        pub preset: Preset,
        /// The lists for targets.
        #[key(group)]
        pub targets: PeerLists,
        /// Schemes that the http and websocket probers may use, also in redirects: `http`, `https`, `ws`,
        /// `wss`, `http3`. Without entries, all.
        #[key(extension)]
        pub schemes: Vec<Scheme>,
        /// Probers that may be used. Without entries, all.
        #[key(extension)]
        pub probers: Vec<String>,
        /// Unix sockets that may be connected to: paths, patterns such as `/run/app/*.sock` or `/run/**`,
        /// and abstract names such as `@name`. Symbolic links are resolved first.
        #[key(extension)]
        pub unix_paths: Option<PathLists> => PathLists,
        /// NAT64 prefixes of the site. The IPv4 addresses within them are judged too.
        #[key(extension)]
        pub nat64_prefixes: Vec<Nat64Prefix>,
        /// Decision about names that a proxy resolves, if there are rules for addresses.
        #[key(extension)]
        pub unresolved_names: Action,
        /// Proxies that modules may use; without it, all.
        #[key(extension)]
        pub proxies: Option<PeerLists> => PeerLists,
        /// Token servers that modules may use (OAuth2); without it, all.
        #[key(extension)]
        pub token_servers: Option<PeerLists> => PeerLists,
        /// The compiled rules, if there are any.
        #[key(built)]
        pub rule_set: Option<Arc<RuleSet>>,
    }
    check Self::compile;
}

section! {
    /// Rules about what probes may connect to.
    #[derive(Debug, Clone, PartialEq)]
    pub struct PolicySettings {
        /// `enforce` refuses what is denied; `report` allows it, and logs and counts it.
        #[key(extension)]
        pub mode: Mode,
        /// The rules.
        #[key(group)]
        pub rules: PolicyRules,
        /// Rules for some modules, in place of those above and of `--policy.preset`. The first entry
        /// that names the module counts.
        #[key(extension)]
        pub overrides: Vec<Override> => Override,
    }
    check Self::check;
}

section! {
    /// Rules for the modules with these names.
    #[derive(Debug, Clone, PartialEq)]
    pub struct Override {
        /// Names of modules, with `*` and `?`.
        #[key(extension)]
        pub modules: Vec<String>,
        /// The rules for them: all keys of the policy but `mode` and `overrides`.
        #[key(extension)]
        pub policy: PolicyRules,
    }
    check Self::check;
}

/// Maximum number of entries of a list.
const MAX_ENTRIES: usize = 10_000;

fn check_length(key: &str, length: usize) -> Result<(), RuleError> {
    if length <= MAX_ENTRIES {
        return Ok(());
    }
    Err(RuleError::at(key, format!("{length} entries are too many; the limit is {MAX_ENTRIES}")))
}

impl Override {
    fn check(&mut self) -> Result<(), RuleError> {
        check_length("modules", self.modules.len())?;
        if self.modules.is_empty() {
            return Err(RuleError::new("an override requires the key 'modules'"));
        }
        Ok(())
    }

    /// Returns true if the entry is about the module.
    #[must_use]
    pub fn names(&self, module: &str) -> bool {
        self.modules.iter().any(|pattern| glob::matches(pattern, module))
    }
}

impl PolicySettings {
    fn check(&mut self) -> Result<(), RuleError> {
        self.rules.compile()?;
        check_length("overrides", self.overrides.len())
    }
}

impl Preset {
    /// Returns the rules of the preset alone.
    #[must_use]
    pub fn rule_set(self) -> Option<Arc<RuleSet>> {
        let mut rules = PolicyRules { preset: self, ..PolicyRules::default() };
        // Presets have a default for each of their lists.
        rules.compile().ok()?;
        rules.rule_set
    }
}

impl PeerLists {
    fn compile(&self, preset: Preset) -> Result<Lists, RuleError> {
        let Self { addresses, hosts, ports } = self;
        let of_addresses =
            addresses.as_ref().map(|it| (it.default, it.allow.as_deref(), &*it.deny));
        let addresses = entries("addresses", of_addresses, preset.addresses())?;
        let literals = hosts.as_ref().and_then(|hosts| hosts.literals);
        let by_default = match hosts {
            Some(hosts) if hosts.allow.is_some() => Action::Deny,
            _ => Action::Allow,
        };
        let of_hosts = hosts.as_ref().map(|it| (it.default, it.allow.as_deref(), &*it.deny));
        let mut hosts = entries("hosts", of_hosts, Added::none())?;
        if hosts.is_none() && literals == Some(Action::Deny) {
            hosts = Some(Entries::new(Vec::new(), Vec::new(), Action::Allow));
        }
        let of_ports = ports.as_ref().map(|it| (it.default, it.allow.as_deref(), &*it.deny));
        let ports = entries("ports", of_ports, Added::none())?;
        Ok(Lists {
            addresses: addresses.map(AddressRules::new),
            hosts: hosts.map(|hosts| HostRules::new(hosts, literals.unwrap_or(by_default))),
            ports: ports.map(PortRules::new),
        })
    }
}

impl PolicyRules {
    fn compile(&mut self) -> Result<(), RuleError> {
        check_length("nat64_prefixes", self.nat64_prefixes.len())?;
        check_length("probers", self.probers.len())?;
        let peers = |key, lists: Option<&PeerLists>| {
            let compiled = lists.map(|lists| lists.compile(Preset::None)).transpose();
            compiled.map(Option::unwrap_or_default).map_err(|error| error.inside(key))
        };
        let Self { targets, unix_paths, preset, .. } = self;
        let of_paths = unix_paths.as_ref().map(|it| (it.default, it.allow.as_deref(), &*it.deny));
        let paths = entries("unix_paths", of_paths, preset.unix_paths())?;
        let rules = RuleSet {
            probers: self.probers.clone(),
            schemes: self.schemes.clone(),
            targets: targets.compile(*preset)?,
            proxies: peers("proxies", self.proxies.as_ref())?,
            token_servers: peers("token_servers", self.token_servers.as_ref())?,
            paths: paths.map(PathRules::new),
            nat64: self.nat64_prefixes.iter().map(|prefix| prefix.0).collect(),
            unresolved_names: self.unresolved_names,
        };
        self.rule_set = (!rules.is_empty()).then(|| Arc::new(rules));
        Ok(())
    }
}
