//! A tunnel through an HTTP proxy: the request CONNECT.

use std::collections::BTreeMap;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Request, Uri, header};
use http_body_util::Empty;

use super::{Endpoint, refusal};
use crate::{
    diagnostics::{Failure, Reason, humanize::count, log::Quoted},
    net::{
        http::{
            credentials::{header_name, header_value},
            http1::{self, Head, HeadWatch},
            send::Transport,
        },
        wire::WireClock,
    },
    settings::secret::Secret,
};

/// The headers of CONNECT requests that a module adds.
pub(crate) type ConnectHeaders = BTreeMap<String, Vec<Secret>>;

/// What Go's client says that it is when it asks a proxy.
const USER_AGENT: &str = "Go-http-client/1.1";

/// Asks for a tunnel to `endpoint`.
pub(super) async fn connect(
    stream: Box<dyn Transport>,
    clock: &WireClock,
    endpoint: Endpoint<'_>,
    headers: &ConnectHeaders,
    authorization: Option<HeaderValue>,
) -> Result<Box<dyn Transport>, Failure> {
    let request = request(endpoint, headers, authorization)?;
    let sent = http1::send(stream, clock, &HeadWatch::default(), request).await;
    let failed = |problem: http1::Problem| problem.failure("the CONNECT request failed");
    let (head, exchange) = sent.map_err(failed)?;
    judge(&head)?;
    // What came behind the answer is no part of the tunnel yet, since we speak first there.
    let (stream, _) = exchange.into_connection();
    Ok(stream)
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

fn judge(head: &Head) -> Result<(), Failure> {
    let reason = match head.status.as_u16() {
        200 => return Ok(()),
        407 => Reason::ProxyAuthentication,
        400..=499 => Reason::ProxyDenied,
        500..=599 => Reason::ProxyFailure,
        _ => Reason::Protocol,
    };
    let (status, words) = (head.status.as_u16(), Quoted(&head.reason));
    Err(refusal(reason, format!("it answered {status} {words} to CONNECT")))
}
