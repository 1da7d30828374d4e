//! The websocket prober: an upgrade and an optional dialogue.

mod bounded;
mod dialogue;
mod headers;
mod measurements;
mod progress;
mod settings;
mod upgrade;

use std::{fmt::Display, net::SocketAddr};

pub use measurements::{METRICS, Progress, WebsocketMeasurements, WebsocketPhase};
pub use settings::WebsocketProber;

use crate::{
    diagnostics::{Check, CheckName, Failure, Reason, Stage},
    net::{
        Context,
        connect::SocketOptions,
        http::{connection::Connection, transport::Transport, url::Url},
        policy::Destination,
        resolve::note_literal,
        tls::Handshake,
        wire::WireClock,
    },
    policy::Scheme,
    probers::{
        Prober, Target,
        websocket::{
            dialogue::Websocket,
            upgrade::{UpgradeRequest, Upgraded},
        },
    },
};

impl Prober for WebsocketProber {
    type Measurements = WebsocketMeasurements;

    /// The target is a URL with the scheme `ws` or `wss`.
    async fn probe(
        &self,
        context: &Context,
        target: &Target,
        measurements: &mut WebsocketMeasurements,
    ) -> Result<(), Failure> {
        let url =
            Url::parse(&target.name).map_err(|error| invalid(not_a_url(&target.name, error)))?;
        measurements.progress = Some(Progress::default());
        // An unusable file is reported without a connection to the target.
        self.tls_client.prepare(context).await?;
        let connection = &mut measurements.connection;
        let server = Server::of(&url).inspect_err(|_| {
            note_literal(url.hostname(), &self.ip, &mut connection.resolution);
            connection.phases.begin(WebsocketPhase::Resolve);
        })?;
        let scheme = if server.secure { Scheme::Wss } else { Scheme::Ws };
        let destination =
            Destination { scheme: Some(scheme), ..Destination::of_port(server.host, server.port) };
        let address = connection.resolve(context, destination, &self.ip).await;
        let request = UpgradeRequest::of(self, context, &url).await;
        let address = address?.with_port(server.port);
        let (stream, clock) = self.connect(context, &server, address, measurements).await?;
        let upgraded = request_upgrade(context, request?, stream, &clock, measurements).await;
        // Other failures, such as a reset, are not a result of the check `upgrade`.
        if upgraded.as_ref().err().is_none_or(|failure| failure.reason == Reason::Status) {
            let outcome = upgraded.as_ref().map(|_| ()).map_err(Failure::clone);
            context.checks.add(Check::new(CheckName::of_key("upgrade"), outcome));
        }
        let (stream, read) = upgraded?;
        let mut socket = Websocket::new(context, stream, read).await;
        let result = self.talk(&mut socket, &clock, measurements).await;
        socket.close();
        result
    }
}

impl WebsocketProber {
    async fn connect(
        &self,
        context: &Context,
        server: &Server<'_>,
        address: SocketAddr,
        measurements: &mut WebsocketMeasurements,
    ) -> Result<(Box<dyn Transport>, WireClock), Failure> {
        measurements.progress.get_or_insert_default().attempted = true;
        let connection = &mut measurements.connection;
        let stream = connection.connect(context, address, &SocketOptions::default()).await?;
        let clock = stream.clock();
        if !server.secure {
            return Ok((Box::new(stream), clock));
        }
        // ALPN selects HTTP/1.1 on servers that also support HTTP/2.
        let request = Handshake { server_name: server.host, alpn: &[b"http/1.1"] };
        let stream = connection.secure(context, stream, &self.tls_client, request).await?;
        Ok((Box::new(stream), clock))
    }

    async fn talk<'w>(
        &'w self,
        socket: &mut Websocket<'w>,
        clock: &WireClock,
        measurements: &mut WebsocketMeasurements,
    ) -> Result<(), Failure> {
        let steps = self.query_response.steps();
        if steps.is_empty() {
            return Ok(());
        }
        let progress = measurements.progress.get_or_insert_default();
        progress.dialogue_failed = true;
        let transferring = measurements.connection.phases.stopwatch(WebsocketPhase::Transfer);
        let result = socket.talk(steps).await;
        transferring.stop_at(clock.lap().waiting);
        progress.dialogue_failed = result.is_err();
        result
    }
}

/// Requests the upgrade.
async fn request_upgrade(
    context: &Context,
    request: UpgradeRequest,
    connection: Box<dyn Transport>,
    clock: &WireClock,
    measurements: &mut WebsocketMeasurements,
) -> Result<Upgraded, Failure> {
    context.enter(Stage::Response);
    let requesting = measurements.connection.phases.stopwatch(WebsocketPhase::Request);
    let progress = measurements.progress.get_or_insert_default();
    let connection = Connection::http1(connection, clock.clone());
    let (timing, upgrading) = request.send(context, connection, progress);
    let _waiting =
        context.waiting_for(|| format!("upgrade: {}", timing.describe_wait_for_response()));
    let upgraded = upgrading.await;
    let lap = clock.lap();
    if lap.received > 0 || lap.end.is_some() {
        requesting.stop_at(lap.response_time());
    }
    upgraded
}

/// Returns the message for a target that is not a URL. The usual mistake is a missing scheme.
fn not_a_url(target: &str, error: impl Display) -> String {
    if target.contains("://") {
        return format!("the target is not a URL: {error}");
    }
    format!("the target has no scheme; write ws://{target} or wss://{target}")
}

fn invalid(message: impl Into<String>) -> Failure {
    Failure::new(Stage::Target, Reason::InvalidTarget, message)
}

/// The server of a target.
#[derive(Debug, PartialEq, Eq)]
struct Server<'u> {
    host: &'u str,
    port: u16,
    secure: bool,
}

impl<'u> Server<'u> {
    fn of(url: &'u Url) -> Result<Self, Failure> {
        let secure = match url.scheme.as_str() {
            "ws" => false,
            "wss" => true,
            _ => return Err(invalid("the target must begin with ws:// or wss://")),
        };
        if url.user.is_some() {
            let message = "the target contains a user name; set credentials in http_config";
            return Err(invalid(message));
        }
        let port = url.port_or(if secure { 443 } else { 80 }).map_err(invalid)?;
        Ok(Self { host: url.hostname(), port, secure })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_websocket_urls() {
        for (target, expected) in [
            ("ws://h/path?query", Some(("h", 80, false))),
            ("WSS://h:8443", Some(("h", 8443, true))),
            ("wss://[::1]/", Some(("::1", 443, true))),
            ("http://h/", None),
            ("h/path", None),
            ("h:80", None),
            ("ws://user@h/", None),
            ("ws://h:65536/", None),
        ] {
            let url = Url::parse(target).unwrap();
            let server = expected.map(|(host, port, secure)| Server { host, port, secure });
            assert_eq!(Server::of(&url).ok(), server, "{target}");
        }
    }
}
