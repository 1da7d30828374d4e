//! Log lines about the environment of the process: name resolution and ICMP sockets.

use log::Level;

use crate::{config::Config, net::resolve::Resolver, probers::icmp};

/// Logs the name servers, and the kind of ICMP sockets that the process may open.
pub(super) fn log(resolver: &Resolver, config: &Config) {
    match resolver.servers_and_search() {
        Some((servers, search)) => {
            log::info!(resolver = "dns", servers, search; "Name resolution");
        }
        None => log::info!(resolver = "system"; "Name resolution"),
    }
    match icmp::permitted_access() {
        Ok(socket) => {
            let ping_group_range = icmp::ping_group_range().unwrap_or_default();
            log::info!(socket:%, ping_group_range; "ICMP");
        }
        Err(failure) => {
            let is_used = config.modules().any(|(_, module)| module.prober_name() == "icmp");
            let level = if is_used { Level::Warn } else { Level::Info };
            log::log!(level, socket = "none", err = failure.message; "ICMP");
        }
    }
}
