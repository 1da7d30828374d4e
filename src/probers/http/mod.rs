//! The http prober: a request, the redirects it leads to, and what the answer must be.

mod acceptance;
mod body;
mod buffers;
mod checks;
mod connection_headers;
mod cookies;
mod decoder;
mod explain;
mod file_body;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod measurements;
mod metrics;
mod phases;
mod redirects;
mod request;
mod settings;
mod target;
mod timing;
mod verdict;
mod warnings;

pub use measurements::{CheckState, HttpMeasurements, ResponseFacts};
pub use metrics::METRICS;
pub use phases::HttpPhase;
pub use settings::{Compression, HeaderMatcher, HttpProber};

pub use crate::net::http::version::HttpVersion;
use crate::{
    diagnostics::{Failure, Reason, Stage},
    net::{
        Context,
        http::url::check_scheme,
        resolve::{note_literal, resolve},
    },
    probers::{
        Prober, Target,
        http::{
            redirects::follow,
            request::Requests,
            target::{Pinned, url_of, url_over_quic},
            verdict::{has_json_rules, judge},
        },
    },
    settings::tls::TlsSettings,
};

impl Prober for HttpProber {
    type Measurements = HttpMeasurements;

    /// Asks for the target's URL. A `hostname` takes the place of the `Host` header, and of the
    /// name that TLS asks for.
    async fn probe(
        &self,
        context: &Context,
        target: &Target,
        seen: &mut HttpMeasurements,
    ) -> Result<(), Failure> {
        let settled = Settled(seen);
        let seen = &mut *settled.0;
        seen.json = has_json_rules(self).then_some(CheckState::NotReached);
        context.enter(Stage::Target);
        let url = if self.enable_http3 {
            url_over_quic(context, &target.name)?
        } else {
            url_of(&target.name)?
        };
        target.check_hostname()?;
        check_scheme(&target.name).map_err(|error| {
            note_literal(url.hostname(), &self.ip, &mut seen.resolution);
            seen.note_resolution();
            let message = format!("The target is not a URL of HTTP: {error}");
            Failure::new(Stage::Target, Reason::InvalidTarget, message)
        })?;
        let address = if self.leaves_name_to_proxy() {
            None
        } else {
            let found = resolve(context, url.hostname(), &self.ip, &mut seen.resolution).await;
            seen.note_resolution();
            Some(found?)
        };
        let pinned = Pinned::new(&url, address);
        context.enter(Stage::Request);
        if url.scheme == "https" || names_files(self.tls_client.settings()) {
            self.tls_client.prepare(context).await?;
        }
        let waiting = context
            .waiting_for(|| "body_file and the files with credentials were not read".to_owned());
        let mut requests = Requests::new(self, target.hostname.as_deref()).await?;
        seen.begin_phases();
        requests.read_credentials(context, &mut seen.oauth2).await?;
        drop(waiting);
        let answer = follow(self, context, &mut requests, url, &pinned, seen).await?;
        seen.note_final(&answer.response, answer.over_tls);
        judge(self, context, answer, seen).await
    }
}

/// Whether TLS settings may be unusable; upstream finds that out also where no TLS is spoken.
fn names_files(settings: &TlsSettings) -> bool {
    [&settings.ca_file, &settings.cert_file, &settings.key_file].iter().any(|file| !file.is_empty())
}

/// Adds up what was measured, however the probe ends.
struct Settled<'s>(&'s mut HttpMeasurements);

impl Drop for Settled<'_> {
    fn drop(&mut self) {
        self.0.settle();
    }
}
