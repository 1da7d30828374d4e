//! What the fuzz target `http_response` needs of the prober's inner parts.

use tokio::io::{AsyncRead, AsyncWrite};

use super::{
    HttpMeasurements, HttpProber,
    cookies::Jar,
    redirects::{Final, exchange},
    request::Requests,
    target::url_of,
    verdict::judge,
};
use crate::{
    diagnostics::Failure,
    net::{
        Context,
        http::connection::Connection,
        wire::{Timestamp, WireClock},
    },
};

/// One request and the verdict on its response, over a stream that is there already.
pub async fn probe_over<S>(
    prober: &HttpProber,
    context: &Context,
    stream: S,
    http2: bool,
    seen: &mut HttpMeasurements,
) -> Result<(), Failure>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (stream, clock) = (Box::new(stream), WireClock::manual(Timestamp::now()));
    let connection =
        if http2 { Connection::http2(stream, clock) } else { Connection::http1(stream, clock) };
    let mut requests = Requests::new(prober, None).await?;
    requests.read_credentials(context, &mut seen.oauth2).await?;
    let hop = requests.first(url_of("http://fuzz.example/")?);
    let request = requests.request(&hop, &Jar::default(), http2, None).await?;
    let response = exchange(context, connection, request, seen).await?;
    seen.note_final(&response, http2);
    let answer = Final { response, over_tls: http2, proxy: None, limit_reached: false };
    judge(prober, context, answer, seen).await
}
