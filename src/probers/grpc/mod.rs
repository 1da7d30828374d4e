//! The grpc prober: one call of the health service.

mod call;
mod measurements;
mod message;
mod metadata;
mod settings;
mod status;

pub use measurements::{GrpcMeasurements, GrpcPhase, METRICS, Outcome};
pub use message::ServingStatus;
pub use metadata::Metadata;
pub use settings::GrpcProber;
pub use status::Code;

use crate::{
    diagnostics::{Check, CheckName, Failure, Phases, Reason, Stage},
    net::{
        Context,
        connect::{ConnectionMeasurements, SocketOptions},
        http::{
            connection::Connection,
            exchange,
            transport::Transport,
            url::{Url, check_scheme, host_header, hostname, port_number},
        },
        resolve::{Address, note_literal},
        tls::Handshake,
        wire::WireClock,
    },
    probers::{
        Prober, Target,
        grpc::call::{Broken, Ended, call, request},
    },
};

impl Prober for GrpcProber {
    type Measurements = GrpcMeasurements;

    /// The target is a host, with or without a port, or a URL, of which no more than that counts.
    ///
    /// Unlike upstream: the connection goes to the address that was chosen and reported.
    async fn probe(
        &self,
        context: &Context,
        target: &Target,
        measurements: &mut GrpcMeasurements,
    ) -> Result<(), Failure> {
        let server = Server::of(&target.name, self.tls)?;
        check_scheme(&target.name).map_err(|error| {
            note_literal(&server.host, &self.ip, &mut measurements.connection.resolution);
            invalid(&error)
        })?;
        // An unusable file is reported without a connection to the target.
        self.tls_config.prepare(context).await?;
        let address = measurements.connection.resolve(context, &server.host, &self.ip).await?;
        measurements.outcome = Some(Outcome { code: Code::DEADLINE_EXCEEDED, serving: None });
        let connection = &mut measurements.connection;
        let (outcome, verdict) = match self.check(context, &server, address, connection).await {
            Ok(reply) => {
                context.enter(Stage::Check);
                let (outcome, verdict) = reply.judge();
                let name = CheckName::of_key("service").or_given(self.service.name.as_ref());
                context.checks.add(Check::new(name, verdict.clone()));
                (outcome, verdict)
            }
            Err(Broken { code, failure }) => (Outcome { code, serving: None }, Err(failure)),
        };
        measurements.outcome = Some(outcome);
        context.log.debug("The call ended", &[("code", &outcome.code)]);
        verdict
    }
}

impl GrpcProber {
    /// Connects and makes the call.
    async fn check(
        &self,
        context: &Context,
        server: &Server,
        address: Address,
        connection: &mut ConnectionMeasurements<GrpcPhase>,
    ) -> Ended {
        let port = server.port().map_err(Broken::unavailable)?;
        let options = SocketOptions::default();
        let stream = connection.connect(context, address.with_port(port), &options).await;
        let stream = stream.map_err(Broken::unavailable)?;
        let clock = stream.clock();
        let (stream, authority): (Box<dyn Transport>, _) = if self.tls {
            let request = Handshake { server_name: &server.host, alpn: &[b"h2"] };
            let secured = connection.secure(context, stream, &self.tls_config, request).await;
            let stream = secured.map_err(Broken::unavailable)?;
            let agreed = connection.tls.as_ref().and_then(|session| session.alpn.as_deref());
            if agreed != Some(b"h2") {
                return Err(Broken::unavailable(no_http2()));
            }
            (Box::new(stream), self.secure_authority(server))
        } else {
            (Box::new(stream), server.authority())
        };
        self.ask(context, stream, (&authority, &clock), &mut connection.phases).await
    }

    async fn ask(
        &self,
        context: &Context,
        stream: Box<dyn Transport>,
        (authority, clock): (&str, &WireClock),
        phases: &mut Phases<GrpcPhase>,
    ) -> Ended {
        context.enter(Stage::Response);
        context.log.debug(
            "Asking the health service",
            &[("service", &*self.service), ("authority", &authority)],
        );
        let asking = phases.stopwatch(GrpcPhase::Request);
        let connection = Connection::http2(stream, clock.clone());
        let (timing, sending) = exchange::send_timed(connection, request(self, authority)?);
        let _waiting = context.waiting_for(|| timing.describe_wait_for_response());
        let ended = call(sending).await;
        let answered = timing.response_time().filter(|_| ended.is_ok());
        let lap = clock.lap();
        match answered {
            Some(response_time) => asking.stop_at(response_time),
            // What was read until then tells how long the peer took; without an end, nothing does.
            None if lap.end.is_some() => asking.stop_at(lap.waiting),
            None => drop(asking),
        }
        ended
    }

    /// How the server is addressed over TLS: as upstream does it, by the name that its certificate
    /// is for, without a port.
    fn secure_authority(&self, server: &Server) -> String {
        let name = match self.tls_config.settings().server_name.as_str() {
            "" => &server.host,
            configured => configured,
        };
        host_header(&bracketed(name))
    }
}

fn no_http2() -> Failure {
    let message = "the server does not agree to HTTP/2 (ALPN h2), which gRPC needs";
    Failure::new(Stage::Tls, Reason::Protocol, message)
}

fn invalid(error: &str) -> Failure {
    let message = format!("The target names no server: {error}");
    Failure::new(Stage::Target, Reason::InvalidTarget, message)
}

/// What a target names.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Server {
    /// Without the brackets of an IPv6 address.
    host: String,
    /// As it was written, or the usual one.
    port: String,
}

impl Server {
    fn of(target: &str, tls: bool) -> Result<Self, Failure> {
        // Unlike upstream, in any letter case: "HTTP" would be taken for a host.
        let has_scheme = |scheme: &str| {
            target.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme))
        };
        let is_url = has_scheme("http://") || has_scheme("https://");
        let url = if is_url { target } else { &format!("http://{target}") };
        let url = Url::parse(url).map_err(|error| invalid(&error))?;
        let usual = settings::default_port(tls);
        // An IPv6 address without brackets ends in nothing that is a port.
        let bare = url.authority.matches(':').nth(1).is_some() && !url.authority.contains('[');
        let (host, port) = match url.port() {
            _ if bare => (url.authority.as_str(), usual),
            port => (hostname(&url.authority), port.unwrap_or(usual)),
        };
        Ok(Self { host: host.to_owned(), port: port.to_owned() })
    }

    fn port(&self) -> Result<u16, Failure> {
        port_number(&self.port)
            .map_err(|message| Failure::new(Stage::Connect, Reason::InvalidTarget, message))
    }

    /// How the server is addressed without TLS.
    fn authority(&self) -> String {
        host_header(&format!("{}:{}", bracketed(&self.host), self.port))
    }
}

/// A host as it stands in a URL.
fn bracketed(host: &str) -> String {
    if host.contains(':') { format!("[{host}]") } else { host.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_names_a_host_and_perhaps_a_port() {
        for (target, tls, host, port, authority) in [
            ("h:50051", false, "h", "50051", "h:50051"),
            ("h", false, "h", "80", "h:80"),
            ("h", true, "h", "443", "h:443"),
            ("http://h:1/path?query", true, "h", "1", "h:1"),
            ("https://h", false, "h", "80", "h:80"),
            ("HTTP://h:1", false, "h", "1", "h:1"),
            ("[::1]:50051", false, "::1", "50051", "[::1]:50051"),
            ("[::1]", false, "::1", "80", "[::1]:80"),
            ("::1", true, "::1", "443", "[::1]:443"),
            ("[fe80::1%25eth0]:1", false, "fe80::1%eth0", "1", "[fe80::1]:1"),
        ] {
            let server = Server::of(target, tls).unwrap();
            let expected = Server { host: host.to_owned(), port: port.to_owned() };
            assert_eq!(server, expected, "{target}");
            assert_eq!(server.authority(), authority, "{target}");
        }
        for target in ["http://[::1", "a b", "h:port", "h\n"] {
            assert!(Server::of(target, false).is_err(), "{target}");
        }
        assert!(Server::of("h:65536", false).unwrap().port().is_err());
    }
}
