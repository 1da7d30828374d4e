//! Access to internal parts of the prober for the fuzz target `http_response`.

use tokio::io::{AsyncRead, AsyncWrite};

use super::{
    HttpMeasurements, HttpProber,
    cookies::Jar,
    evaluation::evaluate,
    final_response::FinalResponse,
    redirects::{Final, exchange},
    request::Requests,
    target::url_of,
};
use crate::{
    diagnostics::Failure,
    net::{
        Context,
        http::connection::Connection,
        wire::{Timestamp, WireClock},
    },
};

/// Sends one request over an existing stream, and evaluates its response.
pub async fn probe_over<S>(
    prober: &HttpProber,
    context: &Context,
    stream: S,
    http2: bool,
    measurements: &mut HttpMeasurements,
) -> Result<(), Failure>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (stream, clock) = (Box::new(stream), WireClock::manual(Timestamp::now()));
    let connection =
        if http2 { Connection::http2(stream, clock) } else { Connection::http1(stream, clock) };
    let mut requests = Requests::new(prober, None).await?;
    requests.read_credentials(context, &mut measurements.oauth2).await?;
    let hop = requests.first(url_of("http://fuzz.example/")?);
    let request = requests.request(&hop, &Jar::default(), http2, None)?;
    let response = exchange(context, connection, request, measurements).await?;
    measurements.note_final(&response, http2);
    let answer = FinalResponse::new(context, response);
    let mut last = Final { answer, over_tls: http2, proxy: None, limit_reached: false };
    evaluate(prober, context, &mut last, measurements).await
}
