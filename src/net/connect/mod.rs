//! The way to a peer: resolve its name, connect to its address, negotiate TLS.
//!
//! Every connection of a probe is made here, and noted in the prober's [`ConnectionMeasurements`]
//! and in the probe's [`Context`](crate::net::Context).

pub mod dial;
mod failure;
pub mod happy_eyeballs;
mod measurements;
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
        diagnostics::{Failure, Reason, Stage},
        net::{Context, policy::Policy, resolve::Resolver},
    };

    #[tokio::test]
    async fn the_policy_is_asked_before_every_connection() {
        let deadline = Instant::now() + Duration::from_mins(1);
        let mut context = Context::new(deadline, Arc::new(Resolver::default()));
        context.policy = Policy::new(|peer| {
            Err(Failure::new(Stage::Connect, Reason::PermissionDenied, format!("{peer} is denied")))
        });
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("loopback");
        let address = listener.local_addr().expect("bound");
        let SocketAddr::V4(v4) = address else { panic!("IPv4") };
        let (host, options) = (v4.ip().to_string(), SocketOptions::default());
        let by_name = happy_eyeballs::connect(&context, &host, v4.port(), &options);
        let failures = [
            dial::tcp(&context, address, &options).await.err(),
            by_name.await.err(),
            dial::udp(&context, address, &options).err(),
            unix_socket::connect(&context, "/socket").await.err(),
        ];
        let denied = format!("{address} is denied");
        let messages = failures.map(|failure| failure.map(|failure| failure.message));
        assert_eq!(
            messages,
            [&denied, &denied, &denied, "/socket is denied"].map(|m| Some(m.into()))
        );
        assert_eq!(context.attempts.take(), []);
        assert!(listener.accept().now_or_never().is_none(), "nothing was sent");
    }
}
