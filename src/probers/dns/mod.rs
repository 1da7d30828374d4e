//! The dns prober: one query, and the checks of its response.

mod checks;
mod exchange;
mod explain;
mod measurements;
mod response;
mod settings;
mod warnings;

pub use measurements::{DnsMeasurements, DnsPhase, METRICS, ResponseFacts};
pub use settings::{DnsProber, RecordRules, Transport};

use dns_text::{RECURSION_DESIRED, query};

use self::exchange::Query;
use crate::{
    diagnostics::{Failure, Reason, Stage},
    net::{
        Context,
        connect::SocketOptions,
        host_port::{HostPort, Protocol},
        policy::Destination,
        resolve::note_literal,
    },
    probers::{Prober, Target},
};

impl Prober for DnsProber {
    type Measurements = DnsMeasurements;

    async fn probe(
        &self,
        context: &Context,
        target: &Target,
        measurements: &mut DnsMeasurements,
    ) -> Result<(), Failure> {
        let connection = &mut measurements.connection;
        let server = self.server(&target.name);
        let protocol = match self.transport_protocol {
            Transport::Tcp => Protocol::Tcp,
            Transport::Udp => Protocol::Udp,
        };
        let port = server.port_number(protocol).map_err(|error| {
            note_literal(server.host, &self.ip, &mut connection.resolution);
            Failure::new(Stage::Target, Reason::InvalidTarget, format!("{}: {error}", target.name))
        })?;
        let address =
            connection.resolve(context, Destination::of_port(server.host, port), &self.ip).await?;
        if self.dns_over_tls {
            // An unusable file is reported without a query to the server.
            self.tls_config.prepare(context).await?;
        }
        let identifier = rand::random();
        let Self { query_name: name, query_type: kind, query_class: class, .. } = self;
        let flags = if self.recursion_desired { RECURSION_DESIRED } else { 0 };
        let query = Query {
            identifier,
            octets: &query::encode(identifier, flags, name, kind.0, class.0),
            server: address.with_port(port),
            options: SocketOptions::from_address(self.source_ip_address),
        };
        context.log.debug(
            "Making DNS query",
            &[("server", &query.server), ("query", name), ("type", kind), ("class", class)],
        );
        let response = match self.transport_protocol {
            Transport::Udp => query.over_udp(context, &mut connection.phases).await?,
            Transport::Tcp if self.dns_over_tls => {
                let tls = (&self.tls_config, server.host);
                query.over_tls(context, tls, connection).await?
            }
            Transport::Tcp => query.over_tcp(context, connection).await?,
        };
        measurements.response = Some(ResponseFacts::new(*kind, &response));
        context.log.debug(
            "Got response",
            &[
                ("rcode", &response.message.rcode),
                ("truncated", &response.message.truncated),
                ("answers", &response.message.answer.len()),
            ],
        );
        context.enter(Stage::Check);
        let (response, verdict) = checks::check(self, response, context).await?;
        if context.records(verdict.is_err()) {
            context.transcript.add(response.excerpt());
        }
        verdict
    }
}

impl DnsProber {
    /// Splits `host:port`. Any other target is a host, for example an IPv6 address without brackets, or a
    /// URL, which is refused as a host.
    fn server<'t>(&self, target: &'t str) -> HostPort<'t> {
        let split = HostPort::split(target).ok().filter(|_| !target.contains("://"));
        split.unwrap_or(HostPort { host: target, port: self.default_port() })
    }

    /// Returns the port of a target without one.
    const fn default_port(&self) -> &'static str {
        if self.dns_over_tls { "853" } else { "53" }
    }
}
