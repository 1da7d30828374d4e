//! The way to a peer: resolve its name, connect to its address, negotiate TLS.
//!
//! Every connection of a probe is made here, and noted in the prober's [`ConnectionMeasurements`]
//! and in the probe's [`Context`](crate::net::Context).

pub mod dial;
mod failure;
pub mod happy_eyeballs;
mod measurements;
mod opened_socket;
mod socket_options;
pub mod unix_socket;

pub use failure::{failure, not_opened};
pub use measurements::{ConnectPhase, ConnectionMeasurements};
pub use socket_options::SocketOptions;
pub use socket_timestamps::open;

#[cfg(test)]
mod tests {
    use std::{
        net::{Ipv4Addr, SocketAddr},
        sync::Arc,
        time::Duration,
    };

    use futures_util::FutureExt as _;
    use tokio::{net::TcpListener, time::Instant};

    use super::*;
    use crate::{
        diagnostics::Reason,
        net::{Context, policy::PolicyGuard, resolve::Resolver},
        policy::{Policy, PolicyRules, PolicySettings},
    };

    /// Returns the context of a probe with the policy of a module.
    fn context(rules: &str) -> Context {
        let deadline = Instant::now() + Duration::from_mins(1);
        let mut context = Context::new(deadline, Arc::new(Resolver::default()));
        let module: PolicyRules = serde_json::from_str(rules).expect("valid");
        let policy = Policy::of_module("m", &PolicySettings::default(), None, Some(&module));
        context.policy = PolicyGuard::new(policy.map(Arc::new));
        context
    }

    #[tokio::test]
    async fn the_policy_is_asked_before_every_connection() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("loopback");
        let address = listener.local_addr().expect("bound");
        let (host, port, options) =
            (address.ip().to_string(), address.port(), SocketOptions::default());
        for rules in [
            r#"{"addresses": {"deny": ["127.0.0.0/8"]}, "unix_paths": {"default": "deny"}}"#,
            r#"{"ports": {"deny": ["0-65535"]}, "unix_paths": {"deny": ["/**"]}}"#,
        ] {
            let new = || context(rules);
            let failures = [
                dial::tcp(&new(), address, &options).await.err(),
                happy_eyeballs::connect(&new(), &host, port, &options).await.err(),
                dial::udp(&new(), address, &options).err(),
                unix_socket::connect(&new(), "/socket").await.err(),
            ];
            for failure in failures {
                let failure = failure.expect("denied");
                assert_eq!(failure.reason, Reason::Denied, "{rules}: {failure}");
                assert_eq!(failure.message, "Target denied by policy");
            }
            assert!(listener.accept().now_or_never().is_none(), "nothing was sent");
        }
    }

    #[tokio::test]
    async fn everything_is_denied_after_a_denial() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("loopback");
        let address = listener.local_addr().expect("bound");
        let context = context(r#"{"addresses": {"deny": ["127.0.0.2"]}}"#);
        let options = SocketOptions::default();
        dial::tcp(&context, address, &options).await.expect("allowed");
        let other = SocketAddr::from(([127, 0, 0, 2], address.port()));
        assert!(dial::tcp(&context, other, &options).await.is_err());
        let failure = dial::tcp(&context, address, &options).await.expect_err("denied");
        assert_eq!(failure.reason, Reason::Denied);
    }
}
