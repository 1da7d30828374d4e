//! The grpc prober: one call to the health service.

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
        policy::Destination,
        resolve::{Address, note_literal},
        tls::Handshake,
        wire::WireClock,
    },
    probers::{
        Prober, Target,
        grpc::call::{CallError, CallResult, request},
    },
};

impl Prober for GrpcProber {
    type Measurements = GrpcMeasurements;

    /// The target is a host with an optional port, or a URL, of which only host and port are used.
    ///
    /// Unlike in upstream, the connection goes to the address that is reported.
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
        let destination =
            Destination { scheme: None, host: &server.host, port: server.port().ok() };
        let address = measurements.connection.resolve(context, destination, &self.ip).await?;
        measurements.outcome = Some(Outcome { code: Code::DEADLINE_EXCEEDED, serving: None });
        let connection = &mut measurements.connection;
        let (outcome, verdict) = match self.check(context, &server, address, connection).await {
            Ok(reply) => {
                context.enter(Stage::Check);
                let (outcome, verdict) = reply.evaluate();
                let name = CheckName::of_key("service").or_given(self.service.name.as_ref());
                context.checks.add(Check::new(name, verdict.clone()));
                if context.records(verdict.is_err()) {
                    reply.record(context);
                }
                (outcome, verdict)
            }
            Err(CallError { code, failure }) => (Outcome { code, serving: None }, Err(failure)),
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
    ) -> CallResult {
        let port = server.port().map_err(CallError::unavailable)?;
        let options = SocketOptions::default();
        let stream = connection.connect(context, address.with_port(port), &options).await;
        let stream = stream.map_err(CallError::unavailable)?;
        let clock = stream.clock();
        let (stream, authority): (Box<dyn Transport>, _) = if self.tls {
            let request = Handshake { server_name: &server.host, alpn: &[b"h2"] };
            let secured = connection.secure(context, stream, &self.tls_config, request).await;
            let stream = secured.map_err(CallError::unavailable)?;
            let agreed = connection.tls.as_ref().and_then(|session| session.alpn.as_deref());
            if agreed != Some(b"h2") {
                return Err(CallError::unavailable(no_http2()));
            }
            (Box::new(stream), self.secure_authority(server))
        } else {
            (Box::new(stream), server.authority())
        };
        self.call(context, stream, (&authority, &clock), &mut connection.phases).await
    }

    async fn call(
        &self,
        context: &Context,
        stream: Box<dyn Transport>,
        (authority, clock): (&str, &WireClock),
        phases: &mut Phases<GrpcPhase>,
    ) -> CallResult {
        context.enter(Stage::Response);
        context.log.debug(
            "Calling the health service",
            &[("service", &*self.service), ("authority", &authority)],
        );
        let requesting = phases.stopwatch(GrpcPhase::Request);
        let connection = Connection::http2(stream, clock.clone());
        let request = request(self, authority)?;
        let (timing, sending) = exchange::send_timed(context, connection, request);
        let _waiting = context.waiting_for(|| timing.describe_wait_for_response());
        let result = call::call(context, sending).await;
        let response_time = timing.response_time().filter(|_| result.is_ok());
        let lap = clock.lap();
        match response_time {
            Some(response_time) => requesting.stop_at(response_time),
            // At the end of the connection, the time until the last read is the server's time.
            None if lap.end.is_some() => requesting.stop_at(lap.waiting),
            None => drop(requesting),
        }
        result
    }

    /// Returns the `:authority` of requests over TLS. As in upstream, it is the name that the
    /// certificate is verified for, without a port.
    fn secure_authority(&self, server: &Server) -> String {
        let name = match self.tls_config.settings().server_name.as_str() {
            "" => &server.host,
            configured => configured,
        };
        host_header(&bracketed(name))
    }
}

fn no_http2() -> Failure {
    let message = "the server did not select HTTP/2 (ALPN h2), which gRPC requires";
    Failure::new(Stage::Tls, Reason::Protocol, message)
}

fn invalid(error: &str) -> Failure {
    let message = format!("the target is not a host or URL: {error}");
    Failure::new(Stage::Target, Reason::InvalidTarget, message)
}

/// The server of a target.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Server {
    /// Host, without the brackets of an IPv6 address.
    host: String,
    /// Port as written in the target, or the default port.
    port: String,
}

impl Server {
    fn of(target: &str, tls: bool) -> Result<Self, Failure> {
        // Unlike in upstream, the case is ignored; otherwise "HTTP" would be a host.
        let has_scheme = |scheme: &str| {
            target.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme))
        };
        let is_url = has_scheme("http://") || has_scheme("https://");
        let url = if is_url { target } else { &format!("http://{target}") };
        let url = Url::parse(url).map_err(|error| invalid(&error))?;
        let default = settings::default_port(tls);
        // The end of an IPv6 address without brackets is not a port.
        let bare = url.authority.matches(':').nth(1).is_some() && !url.authority.contains('[');
        let (host, port) = match url.port() {
            _ if bare => (url.authority.as_str(), default),
            port => (hostname(&url.authority), port.unwrap_or(default)),
        };
        Ok(Self { host: host.to_owned(), port: port.to_owned() })
    }

    fn port(&self) -> Result<u16, Failure> {
        port_number(&self.port)
            .map_err(|message| Failure::new(Stage::Connect, Reason::InvalidTarget, message))
    }

    /// Returns the `:authority` of requests without TLS.
    fn authority(&self) -> String {
        host_header(&format!("{}:{}", bracketed(&self.host), self.port))
    }
}

/// Returns a host in the form of a URL, with brackets around an IPv6 address.
fn bracketed(host: &str) -> String {
    if host.contains(':') { format!("[{host}]") } else { host.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_hosts_with_optional_ports() {
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
