//! The http prober: a request, its redirects, and the checks of the final response.

mod accept_encoding;
mod body;
mod buffers;
mod checks;
mod compression;
mod connection_headers;
mod cookies;
mod decoder;
mod evaluation;
mod explain;
mod file_body;
mod final_response;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod header_matcher;
mod measurements;
mod metrics;
mod phases;
mod redirects;
mod request;
mod settings;
mod status_codes;
mod target;
mod timing;
mod warnings;

pub use compression::Compression;
pub use header_matcher::HeaderMatcher;
pub use measurements::{CheckState, HttpMeasurements, ResponseFacts};
pub use metrics::METRICS;
pub use phases::HttpPhase;
pub use settings::HttpProber;

pub use crate::net::http::version::HttpVersion;
use std::time::Duration;

use crate::{
    diagnostics::{Failure, Reason, Stage},
    net::{Context, http::url::check_scheme, resolve::note_literal},
    probers::{
        Prober, Target,
        http::{
            evaluation::{evaluate, has_json_rules},
            redirects::follow,
            request::Requests,
            target::{Pinned, destination_of, url_of, url_over_quic},
        },
    },
    settings::tls::TlsSettings,
};

impl Prober for HttpProber {
    type Measurements = HttpMeasurements;

    /// Requests the URL of the target. A `hostname` replaces the `Host` header and the TLS server name.
    async fn probe(
        &self,
        context: &Context,
        target: &Target,
        measurements: &mut HttpMeasurements,
    ) -> Result<(), Failure> {
        let settled = Settled(measurements);
        let measurements = &mut *settled.0;
        measurements.json = has_json_rules(self).then_some(CheckState::NotReached);
        context.enter(Stage::Target);
        let url = if self.enable_http3 {
            url_over_quic(context, &target.name)?
        } else {
            url_of(&target.name)?
        };
        target.check_hostname()?;
        check_scheme(&target.name).map_err(|error| {
            note_literal(url.hostname(), &self.ip, &mut measurements.connection.resolution);
            measurements.connection.phases.add(HttpPhase::Resolve, Duration::ZERO);
            let message = format!("the target is not an HTTP URL: {error}");
            Failure::new(Stage::Target, Reason::InvalidTarget, message)
        })?;
        let destination = destination_of(&url, self.enable_http3);
        let address = if self.leaves_name_to_proxy() {
            context.policy.judge_destination(destination)?;
            None
        } else {
            Some(measurements.connection.resolve(context, destination, &self.ip).await?)
        };
        let pinned = Pinned::new(&url, address);
        context.enter(Stage::Request);
        if url.scheme == "https" || names_files(self.tls_client.settings()) {
            self.tls_client.prepare(context).await?;
        }
        let waiting = context.waiting_for(|| format!("reading body_file {}", self.body_file));
        let mut requests = Requests::new(self, target.hostname.as_deref()).await?;
        drop(waiting);
        measurements.begin_phases();
        requests.read_credentials(context, &mut measurements.oauth2).await?;
        let mut last = follow(self, context, &mut requests, url, &pinned, measurements).await?;
        measurements.note_final(&last.answer.response, last.over_tls);
        evaluate(self, context, &mut last, measurements).await
    }
}

/// Returns whether TLS settings may be unusable. Upstream checks that also for plain HTTP.
fn names_files(settings: &TlsSettings) -> bool {
    [&settings.ca_file, &settings.cert_file, &settings.key_file].iter().any(|file| !file.is_empty())
}

/// Adds the remaining times to the phases, however the probe ends.
struct Settled<'s>(&'s mut HttpMeasurements);

impl Drop for Settled<'_> {
    fn drop(&mut self) {
        self.0.settle();
    }
}
