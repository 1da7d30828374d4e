//! The compiled rules of one policy.

use std::net::IpAddr;

use super::{
    entries::{Action, Scheme},
    network::Network,
    question::{Host, Question, Role},
    rules::{AddressRules, DEFAULT, HostRules, PathRules, PortRules},
};

/// The compiled rules of one policy.
#[derive(Debug, Default, PartialEq)]
pub struct RuleSet {
    pub(super) probers: Vec<String>,
    pub(super) schemes: Vec<Scheme>,
    pub(super) targets: Lists,
    pub(super) proxies: Lists,
    pub(super) token_servers: Lists,
    pub(super) paths: Option<PathRules>,
    pub(super) nat64: Vec<Network>,
    pub(super) unresolved_names: Action,
}

/// The lists for peers of one role.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Lists {
    pub(super) addresses: Option<AddressRules>,
    pub(super) hosts: Option<HostRules>,
    pub(super) ports: Option<PortRules>,
}

/// The list, the entry and the value of a denial.
pub(super) type Denied = (&'static str, String, String);

impl RuleSet {
    pub(super) fn is_empty(&self) -> bool {
        // NAT64 prefixes and names that are not resolved concern rules for addresses only.
        let without = Self {
            nat64: self.nat64.clone(),
            unresolved_names: self.unresolved_names,
            ..Self::default()
        };
        *self == without
    }

    /// Judges everything that the question contains.
    ///
    /// # Errors
    /// The entry that denies it.
    pub(super) fn judge(&self, question: &Question<'_>) -> Result<(), Denied> {
        if let Some(prober) = question.prober
            && !self.probers.is_empty()
            && !self.probers.iter().any(|allowed| allowed == prober)
        {
            return Err(("probers", DEFAULT.to_owned(), prober.to_owned()));
        }
        if let Some(scheme) = question.scheme
            && !self.schemes.is_empty()
            && !self.schemes.contains(&scheme)
        {
            return Err(("schemes", DEFAULT.to_owned(), scheme.to_string()));
        }
        if let (Some(path), Some(paths)) = (question.path, &self.paths) {
            paths.judge(path).map_err(|entry| ("unix_paths", entry, path.to_owned()))?;
        }
        let lists = match question.role {
            Role::Target => &self.targets,
            Role::Proxy => &self.proxies,
            Role::TokenServer => &self.token_servers,
        };
        if let (Some(port), Some(ports)) = (question.port, &lists.ports) {
            ports.judge(port).map_err(|entry| ("ports", entry, port.to_string()))?;
        }
        let literal = lists.judge_host(question.host)?;
        let Some(addresses) = lists.addresses.as_ref().filter(|_| !question.is_named) else {
            return Ok(());
        };
        self.judge_address(addresses, question, question.address.or(literal))
    }

    fn judge_address(
        &self,
        rules: &AddressRules,
        question: &Question<'_>,
        address: Option<IpAddr>,
    ) -> Result<(), Denied> {
        match (address, question.host) {
            (Some(address), _) => rules
                .judge(address, &self.nat64)
                .map_err(|entry| ("addresses", entry, address.to_string())),
            (None, Some(host))
                if question.is_unresolved && self.unresolved_names == Action::Deny =>
            {
                Err(("unresolved_names", DEFAULT.to_owned(), host.to_owned()))
            }
            (None, Some(host)) if !question.is_unresolved => {
                rules.judge_unknown().map_err(|entry| ("addresses", entry, host.to_owned()))
            }
            (None, _) => Ok(()),
        }
    }

    /// Describes all lists.
    pub(super) fn describe(&self) -> String {
        let words = |name: &str, words: Vec<String>| {
            (!words.is_empty()).then(|| format!("{name} allowed {}", words.join(" ")))
        };
        let schemes = self.schemes.iter().map(|scheme| scheme.word().to_owned()).collect();
        let paths = self.paths.as_ref().map(|paths| format!("unix_paths {}", paths.describe()));
        let parts = [
            self.targets.describe(""),
            words("schemes", schemes),
            words("probers", self.probers.clone()),
            paths,
            self.proxies.describe("proxies."),
            self.token_servers.describe("token_servers."),
        ];
        parts.into_iter().flatten().collect::<Vec<_>>().join("; ")
    }

    /// Denies the path if no unix socket is allowed.
    pub(super) fn judge_any_path(&self, written: &str) -> Result<(), Denied> {
        let judged = self.paths.as_ref().map_or(Ok(()), PathRules::judge_unknown);
        judged.map_err(|entry| ("unix_paths", entry, written.to_owned()))
    }

    pub(super) fn has_paths(&self) -> bool {
        self.paths.is_some()
    }
}

impl Lists {
    /// Describes the lists; `prefix` comes before their names.
    fn describe(&self, prefix: &str) -> Option<String> {
        let Self { addresses, hosts, ports } = self;
        let parts = [
            addresses.as_ref().map(|it| format!("{prefix}addresses {}", it.describe())),
            hosts.as_ref().map(|it| format!("{prefix}hosts {}", it.describe())),
            ports.as_ref().map(|it| format!("{prefix}ports {}", it.describe())),
        ];
        let parts: Vec<_> = parts.into_iter().flatten().collect();
        (!parts.is_empty()).then(|| parts.join("; "))
    }

    /// Judges a host; returns its address if it is one.
    fn judge_host(&self, host: Option<&str>) -> Result<Option<IpAddr>, Denied> {
        let Some(written) = host else { return Ok(None) };
        let denied = |entry| ("hosts", entry, written.to_owned());
        match Host::of(written) {
            Host::Literal(address) => {
                let judged = self.hosts.as_ref().map_or(Ok(()), HostRules::judge_literal);
                judged.map_err(denied).map(|()| Some(address))
            }
            Host::Name(name) => {
                let judged = self.hosts.as_ref().map_or(Ok(()), |hosts| hosts.judge(&name));
                judged.map_err(denied).map(|()| None)
            }
        }
    }
}
