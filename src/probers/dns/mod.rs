//! The dns prober: one question, one answer, and what its records must be.

mod checks;
mod exchange;
mod explain;
mod measurements;
mod response;
mod settings;
mod warnings;

pub use measurements::{AnswerFacts, DnsMeasurements, DnsPhase, METRICS};
pub use settings::{DnsProber, RecordRules, Transport};

use dns_text::{RECURSION_DESIRED, query};

use self::exchange::Question;
use crate::{
    diagnostics::{Failure, Reason, Stage},
    net::{
        Context,
        connect::SocketOptions,
        host_port::{HostPort, Protocol},
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
        let address = connection.resolve(context, server.host, &self.ip).await?;
        if self.dns_over_tls {
            // An unusable file is reported without a query to the server.
            self.tls_config.prepare(context).await?;
        }
        let identifier = rand::random();
        let Self { query_name: name, query_type: kind, query_class: class, .. } = self;
        let flags = if self.recursion_desired { RECURSION_DESIRED } else { 0 };
        let question = Question {
            identifier,
            octets: &query::encode(identifier, flags, name, kind.0, class.0),
            server: address.with_port(port),
            options: SocketOptions { source_ip_address: self.source_ip_address },
        };
        context.log.debug(
            "Making DNS query",
            &[("server", &question.server), ("query", name), ("type", kind), ("class", class)],
        );
        let answer = match self.transport_protocol {
            Transport::Udp => question.over_udp(context, &mut connection.phases).await?,
            Transport::Tcp if self.dns_over_tls => {
                let tls = (&self.tls_config, server.host);
                question.over_tls(context, tls, connection).await?
            }
            Transport::Tcp => question.over_tcp(context, connection).await?,
        };
        measurements.answer = Some(AnswerFacts::new(*kind, &answer));
        context.log.debug(
            "Got answer",
            &[
                ("rcode", &answer.message.rcode),
                ("truncated", &answer.message.truncated),
                ("answers", &answer.message.answer.len()),
            ],
        );
        context.enter(Stage::Check);
        checks::check(self, &answer, context)
    }
}

impl DnsProber {
    /// What is not `host:port` is a host, such as an IPv6 address without brackets.
    fn server<'t>(&self, target: &'t str) -> HostPort<'t> {
        let port = self.usual_port();
        HostPort::split(target).unwrap_or(HostPort { host: target, port })
    }

    /// The port of a server that is named without one.
    const fn usual_port(&self) -> &'static str {
        if self.dns_over_tls { "853" } else { "53" }
    }
}
