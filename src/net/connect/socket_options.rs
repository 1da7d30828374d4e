//! The options of the sockets that probes connect with.

use std::net::{IpAddr, SocketAddr, SocketAddrV6};

use socket2::Socket;

use crate::{
    diagnostics::{Call, Cause, Failure, Reason, Stage},
    net::connect::failure::{family, group_kind, is_group, needs_interface},
    policy::Role,
};

/// The socket options of a module, for each socket that its probes connect with.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SocketOptions {
    /// The address to connect from.
    pub source_ip_address: Option<IpAddr>,
    /// The role of the peer, for the policy.
    pub role: Role,
}

impl SocketOptions {
    /// Returns the options of a socket that connects to the target from this address.
    #[must_use]
    pub const fn from_address(source_ip_address: Option<IpAddr>) -> Self {
        Self { source_ip_address, role: Role::Target }
    }

    /// Returns the options of a socket that connects to a peer of this role.
    #[must_use]
    pub const fn to_peer(role: Role) -> Self {
        Self { source_ip_address: None, role }
    }

    /// Binds a socket that will be connected to `address`, if a source address is set.
    ///
    /// # Errors
    /// A failure of the stage [`Stage::Connect`].
    pub fn bind(&self, socket: &Socket, address: SocketAddr) -> Result<(), Failure> {
        let Some(source) = self.source_ip_address else { return Ok(()) };
        let unusable = |reason, message| Err(Failure::new(Stage::Connect, reason, message));
        if source.is_ipv4() != address.is_ipv4() {
            let (target, is) = (address.ip(), family(address.ip()));
            let message = format!(
                "source_ip_address {source} is {}, but the target's address {target} is {is}",
                family(source),
            );
            return unusable(Reason::InvalidRequest, message);
        }
        // Unlike upstream: over IPv4 the kernel accepts such an address, and sends from another one.
        if is_group(source) {
            let message = format!("source_ip_address {source} is a {} address", group_kind(source));
            return unusable(Reason::InvalidRequest, message);
        }
        let from = match (source, address) {
            // A link-local address reaches the target only on the target's interface.
            (IpAddr::V6(source), SocketAddr::V6(target)) if source.is_unicast_link_local() => {
                SocketAddrV6::new(source, 0, 0, target.scope_id()).into()
            }
            _ => SocketAddr::new(source, 0),
        };
        let Err(error) = socket.bind(&from.into()) else { return Ok(()) };
        let lacks_interface = matches!(from, SocketAddr::V6(from) if from.scope_id() == 0 && needs_interface(*from.ip()));
        if lacks_interface && error.raw_os_error() == Some(libc::EINVAL) {
            let message = format!(
                "source_ip_address {source} is link-local: the target must be a link-local address \
                 with an interface, such as fe80::2%eth0"
            );
            return unusable(Reason::InvalidRequest, message);
        }
        let cause = Cause::of(Call::Bind, &error);
        let message = cause.message(&format!("source_ip_address {source}"), None, &error);
        unusable(cause.reason, message)
    }
}
