//! A tunnel through an HTTP proxy: the request CONNECT.

use std::{collections::BTreeMap, future::poll_fn, pin::pin};

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri, header};
use http_body_util::Empty;
use hyper::{
    body::Incoming,
    client::conn::http1,
    ext::{ReasonPhrase, on_informational},
};
use hyper_util::rt::TokioIo;

use super::{Endpoint, refusal};
use crate::{
    evidence::{Failure, Reason, words::count},
    net::{
        http::{
            credentials::{header_name, header_value},
            head::{HeadWatch, Watched},
            send::{Transport, failure_of},
        },
        wire::WireClock,
    },
    settings::secret::Secret,
};

/// The headers of CONNECT requests that a module adds.
pub(crate) type ConnectHeaders = BTreeMap<String, Vec<Secret>>;

/// What Go's client says that it is when it asks a proxy.
const USER_AGENT: &str = "Go-http-client/1.1";

/// The head of a proxy's answer may have this many bytes, and this many headers.
const LARGEST_HEAD: usize = 64 << 10;
const MOST_HEADERS: usize = 512;

/// Asks for a tunnel to `endpoint`.
pub(super) async fn connect(
    stream: Box<dyn Transport>,
    clock: &WireClock,
    endpoint: Endpoint<'_>,
    headers: &ConnectHeaders,
    authorization: Option<HeaderValue>,
) -> Result<Box<dyn Transport>, Failure> {
    let mut request = request(endpoint, headers, authorization)?;
    let watch = HeadWatch::default();
    let interim = watch.clone();
    on_informational(&mut request, move |_| interim.note_interim());
    let watched = Watched::new(stream, clock.clone(), watch);
    let failed = |error| failure_of(&error, "asked to CONNECT, it gave no answer");
    let (mut sender, mut connection) = http1::Builder::new()
        .title_case_headers(true)
        .max_headers(MOST_HEADERS)
        .max_buf_size(LARGEST_HEAD)
        .handshake(TokioIo::new(watched))
        .await
        .map_err(failed)?;
    let mut answer = pin!(sender.send_request(request));
    let mut over = false;
    let response = poll_fn(|context| {
        // Its errors are those of the request too.
        over = over || connection.poll_without_shutdown(context).is_ready();
        answer.as_mut().poll(context)
    });
    let response = response.await.map_err(failed)?;
    judge(&response)?;
    if !over {
        // The connection is free once hyper has taken note that it is a tunnel.
        poll_fn(|context| connection.poll_without_shutdown(context).map(drop)).await;
    }
    // What came behind the answer is no part of the tunnel yet, since we speak first there.
    Ok(connection.into_parts().io.into_inner().into_inner())
}

/// Describes the wait for the proxy's answer, of which so many bytes came.
pub(super) fn describe_wait(endpoint: Endpoint<'_>, received: u64) -> String {
    match received {
        0 => format!("CONNECT {endpoint} sent, no response"),
        _ => format!(
            "CONNECT {endpoint} sent, no whole response header: {} came",
            count(received, "byte")
        ),
    }
}

/// The request as Go's client sends it.
fn request(
    endpoint: Endpoint<'_>,
    headers: &ConnectHeaders,
    authorization: Option<HeaderValue>,
) -> Result<Request<Empty<Bytes>>, Failure> {
    let target = endpoint.to_string();
    let invalid = || refusal(Reason::InvalidRequest, format!("cannot be asked for '{target}'"));
    let mut request = Request::new(Empty::new());
    *request.method_mut() = Method::CONNECT;
    *request.uri_mut() =
        Uri::builder().authority(target.as_str()).build().map_err(|_| invalid())?;
    let sent = request.headers_mut();
    sent.append(header::HOST, header_value("Host", &target)?);
    sent.append(header::USER_AGENT, HeaderValue::from_static(USER_AGENT));
    let mut others: Vec<(HeaderName, HeaderValue)> = Vec::new();
    for (written, values) in headers {
        let name = header_name(written)?;
        for value in values {
            let value = header_value(written, value.expose())?;
            if name == header::USER_AGENT {
                sent.insert(name.clone(), value);
            } else if !OWN.contains(&name) {
                others.push((name.clone(), value));
            }
        }
    }
    if let Some(authorization) = authorization {
        others.retain(|(name, _)| *name != header::PROXY_AUTHORIZATION);
        others.push((header::PROXY_AUTHORIZATION, authorization));
    }
    others.sort_by(|(left, _), (right, _)| left.as_str().cmp(right.as_str()));
    for (name, value) in others {
        sent.append(name, value);
    }
    Ok(request)
}

/// Headers that the request itself sets.
const OWN: [HeaderName; 4] =
    [header::HOST, header::CONTENT_LENGTH, header::TRANSFER_ENCODING, header::TRAILER];

fn judge(response: &Response<Incoming>) -> Result<(), Failure> {
    let status = response.status();
    let reason = match status.as_u16() {
        200 => return Ok(()),
        407 => Reason::ProxyAuthentication,
        400..=499 => Reason::ProxyDenied,
        500..=599 => Reason::ProxyFailure,
        _ => Reason::Protocol,
    };
    Err(refusal(reason, format!("it answered {} to CONNECT", words_of(status, response))))
}

/// The status as the proxy worded it.
fn words_of(status: StatusCode, response: &Response<Incoming>) -> String {
    let worded = response.extensions().get::<ReasonPhrase>().map(ReasonPhrase::as_bytes);
    match worded.map(String::from_utf8_lossy) {
        Some(words) => format!("{} {words:?}", status.as_u16()),
        None => status.to_string(),
    }
}
