//! The HTTP client of token requests, with proxies and redirects.

use std::{borrow::Cow, io::Read as _};

use flate2::read::MultiGzDecoder;
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, Uri, header};
use percent_encoding::percent_decode_str;
use url::{Position, Url};

use super::{
    request::Form,
    token_response::{self, Refusal, Token},
};
use crate::{
    diagnostics::{Failure, Phases, Reason, Stage},
    net::{
        Context,
        connect::{SocketOptions, happy_eyeballs},
        http::{
            RequestBody,
            connection::Connection,
            credentials::{basic, header_value},
            exchange::{self, Response},
            full_body,
            transport::Transport,
        },
        proxy::{Endpoint, Proxy},
        tls::{Handshake, TlsClient},
        wire::WireClock,
    },
    policy::{Question, Role, Scheme},
    settings::http_client::ProxySettings,
};

/// Maximum size of a response in bytes.
const MAX_RESPONSE: usize = 64 << 10;

/// Maximum number of redirects that are followed, as in Go's client.
const MAX_REDIRECTS: usize = 10;

/// The client of one token server.
pub(super) struct Client<'c> {
    pub(super) context: &'c Context,
    pub(super) url: &'c Url,
    pub(super) tls: &'c TlsClient,
    pub(super) proxy: &'c ProxySettings,
}

/// One request of a chain of redirects.
struct Hop {
    url: Url,
    method: Method,
    body: Option<String>,
    authorization: Option<HeaderValue>,
}

impl Client<'_> {
    /// Requests a token. A response without a token is returned as the inner error.
    pub(super) async fn request_token(
        &self,
        form: Form,
        agent: Option<&str>,
    ) -> Result<Result<Token, Refusal>, Failure> {
        let Form { body, authorization } = form;
        let mut hop =
            Hop { url: self.url.clone(), method: Method::POST, body: Some(body), authorization };
        for _ in 0..=MAX_REDIRECTS {
            let response = self.exchange(&hop, agent).await?;
            match hop.next(response.status, &response.headers)? {
                Some(next) => hop = next,
                None => return read(response).await,
            }
        }
        let message = format!("too many redirects (limit {MAX_REDIRECTS})");
        Err(Failure::of_request(Reason::TooManyRedirects, message))
    }

    async fn exchange(&self, hop: &Hop, agent: Option<&str>) -> Result<Response, Failure> {
        let Reached { stream, clock, proxy } = self.connect(&hop.url).await?;
        let request = hop.request(agent, proxy.as_ref())?;
        let connection = Connection::http1(stream, clock);
        let sent = exchange::send(self.context, connection, request).await;
        sent.map_err(|error| error.failure("the request failed"))
    }

    /// Asks the policy about the server of `url`. The lists for token servers are about the configured
    /// server only; the host of a redirect is judged as a target.
    fn judge(&self, url: &Url, over_tls: bool, endpoint: Endpoint<'_>) -> Result<Role, Failure> {
        let (host, port) = (Some(endpoint.host), Some(endpoint.port));
        let question = Question { host, port, ..Question::default() };
        let is_token_server = self.url.host() == url.host();
        let question = if is_token_server {
            Question { role: Role::TokenServer, ..question }
        } else {
            let scheme = if over_tls { Scheme::Https } else { Scheme::Http };
            Question { scheme: Some(scheme), ..question }
        };
        self.context.policy.judge(&question)?;
        Ok(question.role)
    }

    /// Connects to the server of `url`, or to the HTTP proxy that receives the request.
    async fn connect(&self, url: &Url) -> Result<Reached, Failure> {
        let Self { context, tls, .. } = *self;
        let over_tls = url.scheme() == "https";
        let host = hostname(url);
        let port = url.port_or_known_default().unwrap_or_default();
        let endpoint = Endpoint { host, address: None, port };
        let role = self.judge(url, over_tls, endpoint)?;
        let mut connection = match Proxy::choose(self.proxy, over_tls, endpoint.into())? {
            None => {
                let reached =
                    happy_eyeballs::connect(context, host, port, &SocketOptions::to_peer(role))
                        .await
                        .map_err(as_request_failure)?;
                let stream = reached.stream;
                Reached { clock: stream.clock(), stream: Box::new(stream), proxy: None }
            }
            Some(proxy) => {
                let mut times = Phases::default();
                let stream = proxy.connect(context, (endpoint, over_tls), role, &mut times).await?;
                let clock = stream.clock();
                let tls = (tls, &self.proxy.proxy_connect_header);
                let passed = proxy.pass(context, stream, (endpoint, over_tls), tls, &mut times);
                let (stream, proxy) = passed.await?;
                Reached { stream, clock, proxy }
            }
        };
        if over_tls {
            // The configured server name applies to the token server only, not to hosts of
            // redirects.
            let is_token_server = self.url.host() == url.host();
            let tls = if is_token_server {
                Cow::Borrowed(tls)
            } else {
                Cow::Owned(tls.without_server_name())
            };
            let request = Handshake { server_name: host, alpn: &[] };
            let stream = tls.handshake(context, connection.stream, request, &mut None).await?;
            connection.stream = Box::new(stream);
        }
        Ok(connection)
    }
}

/// A connection to the server, or to the HTTP proxy that receives the request.
struct Reached {
    stream: Box<dyn Transport>,
    clock: WireClock,
    /// The HTTP proxy that receives the request; `None` for a direct connection or a tunnel.
    proxy: Option<Proxy>,
}

impl Hop {
    /// Builds the request, in absolute form for a proxy.
    fn request(
        &self,
        agent: Option<&str>,
        proxy: Option<&Proxy>,
    ) -> Result<Request<RequestBody>, Failure> {
        let Self { url, method, body, authorization } = self;
        let from = if proxy.is_some() { Position::BeforeScheme } else { Position::BeforePath };
        let mut without_user = url.clone();
        // This fails only for URLs without a host.
        let _ = (without_user.set_username(""), without_user.set_password(None));
        let target = &without_user[from..Position::AfterQuery];
        let invalid = |_| {
            Failure::of_request(Reason::InvalidRequest, "the URL is not valid in an HTTP request")
        };
        let mut request = Request::new(full_body(body.clone().unwrap_or_default()));
        *request.method_mut() = method.clone();
        *request.uri_mut() = Uri::try_from(target).map_err(invalid)?;
        let headers = request.headers_mut();
        let host = &url[Position::BeforeHost..Position::AfterPort];
        headers.insert(header::HOST, header_value("Host", host)?);
        if let Some(agent) = agent {
            headers.insert(header::USER_AGENT, header_value("User-Agent", agent)?);
        }
        if let Some(body) = body {
            headers.insert(header::CONTENT_LENGTH, body.len().into());
            let kind = HeaderValue::from_static("application/x-www-form-urlencoded");
            headers.insert(header::CONTENT_TYPE, kind);
        }
        let authorization = match authorization {
            Some(authorization) => Some(authorization.clone()),
            None => url_credentials(url)?,
        };
        if let Some(authorization) = authorization {
            headers.insert(header::AUTHORIZATION, authorization);
        }
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        if let Some(value) = proxy.and_then(Proxy::authorization) {
            headers.insert(header::PROXY_AUTHORIZATION, value);
        }
        Ok(request)
    }

    /// Returns the request after a redirect, with the rules of Go's client.
    fn next(&self, status: StatusCode, headers: &HeaderMap) -> Result<Option<Self>, Failure> {
        let keeps_request = match status {
            StatusCode::MOVED_PERMANENTLY | StatusCode::FOUND | StatusCode::SEE_OTHER => false,
            StatusCode::TEMPORARY_REDIRECT | StatusCode::PERMANENT_REDIRECT => true,
            _ => return Ok(None),
        };
        let Some(location) = headers.get(header::LOCATION) else { return Ok(None) };
        let invalid = |what: &str| {
            Failure::of_request(Reason::InvalidRedirect, format!("invalid redirect: {what}"))
        };
        let location = String::from_utf8_lossy(location.as_bytes());
        let url = self
            .url
            .join(&location)
            .map_err(|_| invalid("the Location header is not a valid URL"))?;
        if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
            return Err(invalid("the URL has no host or an unsupported scheme"));
        }
        let is_downgrade = self.url.scheme() == "https" && url.scheme() == "http";
        let shares = !is_downgrade && is_within(hostname(&url), hostname(&self.url));
        Ok(Some(Self {
            method: if keeps_request { self.method.clone() } else { Method::GET },
            body: self.body.clone().filter(|_| keeps_request),
            authorization: self.authorization.clone().filter(|_| shares),
            url,
        }))
    }
}

/// Reads the response to the last request.
async fn read(mut response: Response) -> Result<Result<Token, Refusal>, Failure> {
    let too_large = || {
        let message = format!("the response is larger than {} KiB", MAX_RESPONSE >> 10);
        Failure::of_request(Reason::TooLarge, message)
    };
    let body = response.read_body(MAX_RESPONSE).await;
    let body = body.map_err(|error| error.failure("the response is incomplete"))?;
    let mut body = body.ok_or_else(too_large)?;
    // Some servers compress responses although the request does not accept it.
    if response.headers.get(header::CONTENT_ENCODING).is_some_and(|coding| coding == "gzip") {
        let limit = u64::try_from(MAX_RESPONSE).unwrap_or(u64::MAX) + 1;
        let mut text = Vec::new();
        MultiGzDecoder::new(body.as_slice()).take(limit).read_to_end(&mut text).map_err(
            |error| {
                Failure::of_request(
                    Reason::Decompression,
                    format!("invalid gzip data in the response: {error}"),
                )
            },
        )?;
        if text.len() > MAX_RESPONSE {
            return Err(too_large());
        }
        body = text;
    }
    Ok(token_response::read(response.status, content_type(&response.headers), &body))
}

fn content_type(headers: &HeaderMap) -> &str {
    headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

/// Changes a failure of the target into one of the request: the host of the token server is in the
/// module.
fn as_request_failure(failure: Failure) -> Failure {
    let Failure { stage, reason, message } = failure;
    let reason = if stage == Stage::Target { Reason::InvalidRequest } else { reason };
    Failure::new(stage, reason, message)
}

/// Returns the credentials in a URL.
fn url_credentials(url: &Url) -> Result<Option<HeaderValue>, Failure> {
    if url.username().is_empty() && url.password().is_none() {
        return Ok(None);
    }
    let decoded = |text| percent_decode_str(text).decode_utf8_lossy();
    basic(&decoded(url.username()), &decoded(url.password().unwrap_or_default())).map(Some)
}

/// Returns the host of a URL, without brackets.
fn hostname(url: &Url) -> &str {
    url.host_str().unwrap_or_default().trim_matches(['[', ']'])
}

/// Returns true if a host is `parent` or a subdomain of it. Credentials for `parent` may be sent to
/// such a host.
fn is_within(host: &str, parent: &str) -> bool {
    host == parent
        || !host.contains(':')
            && host.strip_suffix(parent).is_some_and(|below| below.ends_with('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn next(from: &str, status: u16, location: &str) -> Result<Option<Hop>, Failure> {
        let hop = Hop {
            url: Url::parse(from).unwrap(),
            method: Method::POST,
            body: Some("a=b".to_owned()),
            authorization: Some(HeaderValue::from_static("Basic x")),
        };
        let headers = [(header::LOCATION, HeaderValue::from_str(location).unwrap())];
        hop.next(StatusCode::from_u16(status).unwrap(), &headers.into_iter().collect())
    }

    #[test]
    fn follows_redirects_like_go() {
        for (from, status, location, expected) in [
            ("http://h/t", 302, "/u", Some(("GET http://h/u", false, true))),
            ("http://h/t", 307, "/u?x", Some(("POST http://h/u?x", true, true))),
            ("https://h/", 308, "//sub.h/", Some(("POST https://sub.h/", true, true))),
            ("https://h/", 308, "http://h/", Some(("POST http://h/", true, false))),
            ("http://h/", 301, "http://oh/", Some(("GET http://oh/", false, false))),
            ("http://[::1]/", 303, "http://[::2]/", Some(("GET http://[::2]/", false, false))),
            ("http://h/", 200, "/u", None),
            ("http://h/", 304, "/u", None),
        ] {
            let found = next(from, status, location).unwrap();
            let found = found.map(|hop| {
                let line = format!("{} {}", hop.method, hop.url);
                (line, hop.body.is_some(), hop.authorization.is_some())
            });
            let expected = expected.map(|(line, body, auth)| (line.to_owned(), body, auth));
            assert_eq!(found, expected, "{from} {status} {location}");
        }
        for location in ["ftp://h/", "mailto:x", "http://[::1"] {
            let failure = next("http://h/", 302, location).err().unwrap();
            assert_eq!(failure.reason, Reason::InvalidRedirect, "{location}");
        }
    }
}
