//! Lookups by the operating system (`getaddrinfo`).

use std::{fmt, io, net::ToSocketAddrs, sync::Arc};

use tokio::sync::Semaphore;

use super::{
    address::Address,
    lookup::{LookupError, Wanted},
};
use crate::{
    blocking,
    diagnostics::{Cause, Failure, Reason, Stage},
};

/// Availability of `getaddrinfo` in this build. A static binary does not call it: the GNU C library
/// would load the modules that nsswitch.conf names, and would abort the process if they belong to
/// another version of the library.
pub const IS_AVAILABLE: bool = !cfg!(all(target_env = "gnu", target_feature = "crt-static"));

/// Looks a name up on the blocking thread pool.
pub(super) async fn lookup(
    limit: &Arc<Semaphore>,
    host: &str,
    wanted: Wanted,
) -> Result<Address, LookupError> {
    let failed = |error: &dyn fmt::Display| {
        let message = format!("lookup {host} by the operating system: {error}");
        LookupError::Failed(Reason::ResolverFailure, message)
    };
    // The thread holds the permit, since a cancelled lookup still occupies the thread.
    let permit = Arc::clone(limit).acquire_owned().await.map_err(|error| failed(&error))?;
    let name = host.to_owned();
    let lookup = blocking::look_up(move || {
        let _permit = permit;
        addresses_of(&name)
    });
    let looked_up = lookup.await.map_err(|error| {
        let doing = format!("lookup {host} by the operating system");
        let Failure { reason, message, .. } = Failure::blocking(Stage::Resolve, &doing, error);
        LookupError::Failed(reason, message)
    })?;
    let addresses: Vec<Address> = match looked_up {
        Ok(addresses) => addresses,
        Err(error) if means_no_such_name(&error.to_string()) => {
            return Err(LookupError::NoSuchName(None));
        }
        Err(error) => {
            let doing = format!("lookup {host} by the operating system");
            return Err(match Cause::of_resources(&error) {
                Some(cause) => {
                    LookupError::Failed(cause.reason, cause.message(&doing, None, &error))
                }
                None => failed(&error),
            });
        }
    };
    wanted.choose(&addresses).ok_or(LookupError::NoSuitableAddress)
}

fn addresses_of(name: &str) -> io::Result<Vec<Address>> {
    if !IS_AVAILABLE {
        return Err(io::Error::other("this binary is static"));
    }
    Ok((name, 0).to_socket_addrs()?.map(Address::from).collect())
}

/// Returns whether this is the error of a C library for a name that does not exist. The standard
/// library returns the text only.
fn means_no_such_name(error: &str) -> bool {
    [
        "Name or service not known",
        "No address associated",
        "does not resolve",
        "nodename nor servname",
    ]
    .iter()
    .any(|text| error.contains(text))
}
