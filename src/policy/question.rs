//! The question that a policy answers, and the reason of a denial.

use std::{
    borrow::Cow,
    fmt,
    net::{IpAddr, Ipv6Addr},
};

use super::entries::Scheme;
use crate::settings::host_name::to_ascii;

/// A peer that a probe is about to connect to. Everything that is known is judged.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Question<'q> {
    /// The role of the peer, which selects the lists.
    pub role: Role,
    /// The prober.
    pub prober: Option<&'q str>,
    /// The scheme of the request.
    pub scheme: Option<Scheme>,
    /// The host: a name or an address, with an interface or without.
    pub host: Option<&'q str>,
    /// The address that is connected to. If it is absent, it is that of the host, if that is an
    /// address.
    pub address: Option<IpAddr>,
    /// The port.
    pub port: Option<u16>,
    /// The unix socket: its real path, or `@` and its abstract name.
    pub path: Option<&'q str>,
    /// True if another host resolves the name, so that the address never becomes known.
    pub is_unresolved: bool,
    /// True if the host is only named in a request, and not connected to.
    pub is_named: bool,
}

/// The role of a peer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Role {
    /// The target, or the host of a redirect.
    #[default]
    Target,
    /// A proxy.
    Proxy,
    /// The token server of a module.
    TokenServer,
}

/// The reason why something is denied. It is for operators: clients must not see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Denial {
    /// The policy that denied it.
    pub origin: Origin,
    /// The list, such as `addresses`.
    pub list: &'static str,
    /// The entry as written, or `default`.
    pub entry: String,
    /// The value that was judged.
    pub value: String,
    /// Number of redirects that led to it.
    pub hop: u8,
}

/// The place of a policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// The section at the top of the configuration file.
    File,
    /// The flag `--policy.preset`.
    Flag,
    /// The section of the module.
    Module,
}

impl Origin {
    /// Returns the name for the log.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Flag => "flag",
            Self::Module => "module",
        }
    }
}

impl fmt::Display for Denial {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { origin, list, entry, value, .. } = self;
        let place = match origin {
            Origin::File => "the policy of the file",
            Origin::Flag => "--policy.preset",
            Origin::Module => "the policy of the module",
        };
        write!(formatter, "'{value}' is denied by {place}, {list}: {entry}")
    }
}

/// A host as it is judged.
pub(super) enum Host<'h> {
    Literal(IpAddr),
    /// A name in ASCII and lower case, without a dot at the end.
    Name(Cow<'h, str>),
}

impl<'h> Host<'h> {
    /// Returns the form of a host in which it is judged. A name that has no ASCII form is judged as it
    /// is written: it cannot be resolved.
    pub(super) fn of(written: &'h str) -> Self {
        let host = to_ascii(written).unwrap_or(Cow::Borrowed(written));
        let address = host.parse().ok().or_else(|| {
            // The interface of a link-local address.
            let (address, _) = host.split_once('%')?;
            address.parse::<Ipv6Addr>().ok().map(IpAddr::V6)
        });
        if let Some(address) = address {
            return Self::Literal(address);
        }
        let is_normal = !host.ends_with('.') && !host.bytes().any(|byte| byte.is_ascii_uppercase());
        if is_normal {
            return Self::Name(host);
        }
        Self::Name(host.strip_suffix('.').unwrap_or(&host).to_ascii_lowercase().into())
    }
}
