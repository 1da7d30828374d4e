//! Tunnels through an HTTP proxy (CONNECT requests).

use std::collections::BTreeMap;

use http::{HeaderName, HeaderValue, Method, Request, Uri, header};

use super::{Endpoint, refusal};
use crate::{
    diagnostics::{Failure, Reason, humanize::count, log::Quoted},
    net::{
        Context,
        http::{
            RequestBody,
            connection::Connection,
            credentials::{header_name, header_value},
            empty_body,
            exchange::{self, Response},
            transport::Transport,
        },
        wire::WireClock,
    },
    settings::secret::Secret,
};

/// The headers of CONNECT requests that a module adds.
pub(crate) type ConnectHeaders = BTreeMap<String, Vec<Secret>>;

/// The user agent of Go's client in CONNECT requests.
const USER_AGENT: &str = "Go-http-client/1.1";

/// Requests a tunnel to `endpoint`.
pub(super) async fn connect(
    context: &Context,
    (stream, clock): (Box<dyn Transport>, &WireClock),
    endpoint: Endpoint<'_>,
    headers: &ConnectHeaders,
    authorization: Option<HeaderValue>,
) -> Result<Box<dyn Transport>, Failure> {
    let request = request(endpoint, headers, authorization)?;
    let connection = Connection::http1(stream, clock.clone());
    let sent = exchange::send(context, connection, request).await;
    let response = sent.map_err(|error| error.failure("the CONNECT request failed"))?;
    check(&response).inspect_err(|_| {
        if context.records(true) {
            response.record_head(context);
        }
    })?;
    // Bytes after the response are not part of the tunnel, because the client speaks first in it.
    Ok(response.into_http1_stream().0)
}

/// Describes the wait for the proxy's response, of which `received` bytes have arrived.
pub(super) fn describe_wait(endpoint: Endpoint<'_>, received: u64) -> String {
    match received {
        0 => format!("CONNECT {endpoint} sent, no response"),
        _ => format!(
            "CONNECT {endpoint} sent, response header incomplete after {}",
            count(received, "byte")
        ),
    }
}

/// Builds the request in the format of Go's client.
fn request(
    endpoint: Endpoint<'_>,
    headers: &ConnectHeaders,
    authorization: Option<HeaderValue>,
) -> Result<Request<RequestBody>, Failure> {
    let target = endpoint.to_string();
    let invalid = || refusal(Reason::InvalidRequest, format!("invalid CONNECT target '{target}'"));
    let mut request = Request::new(empty_body());
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
            } else if !RESERVED.contains(&name) {
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

/// Headers that the request always sets.
const RESERVED: [HeaderName; 4] =
    [header::HOST, header::CONTENT_LENGTH, header::TRANSFER_ENCODING, header::TRAILER];

/// Checks the status of the response.
fn check(response: &Response) -> Result<(), Failure> {
    let reason = match response.status.as_u16() {
        200 => return Ok(()),
        407 => Reason::ProxyAuthentication,
        400..=499 => Reason::ProxyDenied,
        500..=599 => Reason::ProxyFailure,
        _ => Reason::Protocol,
    };
    let (status, words) = (response.status.as_u16(), Quoted(&response.reason_phrase));
    Err(refusal(reason, format!("CONNECT failed: HTTP {status} {words}")))
}
