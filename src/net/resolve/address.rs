//! IP addresses with their interface, and literal addresses in texts.

use std::{
    fmt,
    net::{IpAddr, Ipv6Addr, SocketAddr, SocketAddrV6},
};

use crate::settings::{host_name::NotAHost, ip::IpFamily};

/// An IP address to probe, with the interface of a link-local address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Address {
    ip: IpAddr,
    scope: u32,
}

impl Address {
    /// Returns the address without the interface.
    #[must_use]
    pub fn ip(self) -> IpAddr {
        self.ip
    }

    /// Returns the socket address with this port.
    #[must_use]
    pub fn with_port(self, port: u16) -> SocketAddr {
        match self.ip {
            IpAddr::V4(ip) => (ip, port).into(),
            IpAddr::V6(ip) => SocketAddrV6::new(ip, port, 0, self.scope).into(),
        }
    }

    /// Parses a literal address. The error is for an interface that does not exist.
    pub(super) fn literal(host: &str) -> Option<Result<Self, NotAHost>> {
        if let Ok(ip) = host.parse::<IpAddr>() {
            return Some(Ok(ip.into()));
        }
        let (ip, zone) = host.split_once('%')?;
        let ip = ip.parse::<Ipv6Addr>().ok()?.into();
        let scope = zone.parse().ok().or_else(|| interface_index(zone));
        let unknown = || NotAHost::Interface(zone.to_owned());
        Some(scope.map(|scope| Self { ip, scope }).ok_or_else(unknown))
    }

    pub(super) fn family(self) -> IpFamily {
        if self.ip.is_ipv4() { IpFamily::V4 } else { IpFamily::V6 }
    }

    /// Returns the 32-bit FNV-1a hash of the address's bytes.
    pub(super) fn hash(self) -> u32 {
        let fnv1a = |bytes: &[u8]| {
            bytes.iter().fold(0x811c_9dc5_u32, |hash, byte| {
                (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193)
            })
        };
        match self.ip {
            IpAddr::V4(ip) => fnv1a(&ip.octets()),
            IpAddr::V6(ip) => fnv1a(&ip.octets()),
        }
    }
}

impl From<IpAddr> for Address {
    fn from(ip: IpAddr) -> Self {
        Self { ip: ip.to_canonical(), scope: 0 }
    }
}

impl From<SocketAddr> for Address {
    fn from(at: SocketAddr) -> Self {
        let scope = match at {
            SocketAddr::V4(_) => 0,
            SocketAddr::V6(at) => at.scope_id(),
        };
        Self { ip: at.ip().to_canonical(), scope }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.scope {
            0 => write!(formatter, "{}", self.ip),
            scope => write!(formatter, "{}%{scope}", self.ip),
        }
    }
}

/// Returns the index of the interface with this name.
#[cfg(target_os = "linux")]
pub(super) fn interface_index(name: &str) -> Option<u32> {
    use rustix::net::{AddressFamily, SocketType, netdevice, socket};
    let any = socket(AddressFamily::INET, SocketType::DGRAM, None).ok()?;
    netdevice::name_to_index(any, name).ok()
}

#[cfg(not(target_os = "linux"))]
pub(super) fn interface_index(_: &str) -> Option<u32> {
    None
}
