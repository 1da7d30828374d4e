//! The requests of a probe, which are upstream's byte for byte.

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Request, StatusCode, Uri, header, uri::PathAndQuery};
use http_body_util::BodyExt as _;

use crate::{
    diagnostics::{Failure, Phases, Reason, Stage},
    net::{
        Context,
        http::{
            RequestBody, USER_AGENT,
            credentials::{Credentials, basic, header_name, header_value, impossible, unusable},
            empty_body, full_body,
            url::{Url, host_header},
        },
        oauth2::OAuth2Phase,
        proxy::Proxy,
    },
    probers::http::{
        connection_headers::{HOP_BY_HOP, asks_for_upgrade, wants_close},
        cookies::Jar,
        file_body::FileBody,
        settings::HttpProber,
    },
};

/// Builds the requests of one probe from its module and its target.
pub(super) struct Requests<'p> {
    prober: &'p HttpProber,
    /// The `Host` header that the module or the `hostname` parameter asks for.
    host: Option<String>,
    body_file: Option<FileBody>,
    credentials: Credentials,
    /// The value of `Authorization`, whatever else is configured.
    token: Option<HeaderValue>,
}

/// One request of the chain that redirects make.
#[derive(Debug, Clone)]
pub(super) struct Hop {
    pub(super) url: Url,
    pub(super) method: Method,
    /// The `Host` header, where it is not what the URL says.
    pub(super) host: Option<String>,
    /// True if the module's body is sent.
    pub(super) with_body: bool,
    /// True if the module's credentials are for this host.
    pub(super) with_credentials: bool,
    pub(super) referer: Option<String>,
    /// True if the request asks for another protocol on its connection, which only HTTP/1.1 supports.
    pub(super) upgrades: bool,
}

impl Hop {
    /// The failure of a lookup, for which a redirect is to blame unless it leads to the target's
    /// `own` host.
    pub(super) fn blame(&self, failure: Failure, is_own: bool) -> Failure {
        if is_own || failure.reason != Reason::InvalidTarget {
            return failure;
        }
        let message = format!("invalid redirect to '{}': {failure}", self.url);
        Failure::new(Stage::Response, Reason::InvalidRedirect, message)
    }

    /// Returns the value of the `Host` header.
    pub(super) fn host(&self) -> &str {
        self.host.as_deref().unwrap_or(&self.url.authority)
    }
}

impl<'p> Requests<'p> {
    /// Opens the file with the body, if there is one.
    pub(super) async fn new(
        prober: &'p HttpProber,
        hostname: Option<&str>,
    ) -> Result<Self, Failure> {
        let configured = prober.headers.find(header::HOST.as_str()).map(|(_, host)| host);
        let host = hostname.or(configured).map(str::trim).filter(|host| !host.is_empty());
        let body_file = match prober.body_file.as_str() {
            "" => None,
            path => {
                let body = FileBody::open(path).await;
                Some(body.map_err(|error| unusable("body_file", &error))?)
            }
        };
        let host = host.map(str::to_owned);
        let credentials = Credentials::default();
        Ok(Self { prober, host, body_file, credentials, token: None })
    }

    /// The first request, for `url`.
    pub(super) fn first(&self, url: Url) -> Hop {
        Hop {
            url,
            method: self.prober.method.clone(),
            host: self.host.clone(),
            with_body: true,
            with_credentials: true,
            referer: None,
            upgrades: asks_for_upgrade(self.fixed_headers()),
        }
    }

    /// The headers that every request has, whatever it is for.
    fn fixed_headers(&self) -> impl Iterator<Item = (&str, &[u8])> + Clone {
        let configured = self.prober.headers.iter().map(|(name, value)| (name, value.as_bytes()));
        let added = self.credentials.added.iter();
        configured.chain(added.map(|(name, value)| (name.as_str(), value.as_bytes())))
    }

    /// Returns whether the body can be sent a second time.
    pub(super) fn is_body_repeatable(&self) -> bool {
        self.prober.body_file.is_empty()
    }

    /// Reads the files with credentials and headers, and gets a token if one is configured.
    pub(super) async fn read_credentials(
        &mut self,
        context: &Context,
        times: &mut Phases<OAuth2Phase>,
    ) -> Result<(), Failure> {
        self.credentials = Credentials::read(&self.prober.client, context).await?;
        if let Some(source) = &self.prober.token_source {
            // Boxed, or every probe would have room for what few do.
            let token = Box::pin(source.token(context, self.user_agent(), times));
            self.token = Some(token.await?);
        }
        Ok(())
    }

    /// Notes the status of the response to a hop: a rejected token is not used again.
    pub(super) fn discard_rejected_token(&self, hop: &Hop, status: StatusCode) {
        if let (Some(source), Some(token), true) =
            (&self.prober.token_source, &self.token, hop.with_credentials)
        {
            source.discard_if_rejected(status, token);
        }
    }

    /// The request of a hop, to the target or to a proxy that takes it; `framed` says whether it has
    /// the form of HTTP/2 and HTTP/3.
    pub(super) fn request(
        &mut self,
        hop: &Hop,
        cookies: &Jar,
        framed: bool,
        proxy: Option<&Proxy>,
    ) -> Result<Request<RequestBody>, Failure> {
        let (body, framing) = self.body(hop);
        let mut request = Request::new(body);
        *request.method_mut() = hop.method.clone();
        *request.uri_mut() = uri(hop, framed || proxy.is_some())?;
        let headers = request.headers_mut();
        if !framed {
            headers.append(header::HOST, header_value("Host", &host_header(hop.host()))?);
        }
        if let Some(agent) = self.user_agent() {
            headers.append(header::USER_AGENT, header_value("User-Agent", agent)?);
        }
        if let Some((name, value)) =
            framing.filter(|(name, _)| !framed || *name == header::CONTENT_LENGTH)
        {
            headers.append(name, value);
        }
        let mut others = self.other_headers(hop, cookies)?;
        others.retain(|(name, _)| !framed || !HOP_BY_HOP.contains(name));
        let close = !framed && wants_close(&others);
        others.sort_by(|(left, _), (right, _)| left.as_str().cmp(right.as_str()));
        for (name, value) in others {
            headers.append(name, value);
        }
        if close {
            headers.append(header::CONNECTION, HeaderValue::from_static("close"));
        }
        if let Some(value) = proxy.and_then(Proxy::authorization) {
            headers.insert(header::PROXY_AUTHORIZATION, value);
        }
        Ok(request)
    }

    /// Returns the value of `User-Agent`: that of the module, or else ours; `None` if the module's is empty.
    fn user_agent(&self) -> Option<&str> {
        let configured = self.prober.headers.find(header::USER_AGENT.as_str());
        Some(configured.map_or(USER_AGENT, |(_, agent)| agent.trim()))
            .filter(|agent| !agent.is_empty())
    }

    /// The headers that stand between those of the client itself.
    fn other_headers(
        &self,
        hop: &Hop,
        cookies: &Jar,
    ) -> Result<Vec<(HeaderName, HeaderValue)>, Failure> {
        let allowed =
            |name: &HeaderName| hop.with_credentials || !CONFIDENTIAL.contains(&name.as_str());
        let mut headers: Vec<(HeaderName, HeaderValue)> = Vec::new();
        let mut configured_cookie = None;
        for (name, value) in self.prober.headers.iter() {
            let name = header_name(name)?;
            let about_body = !hop.with_body && ABOUT_BODY.contains(&name);
            if RESERVED.contains(&name) || about_body || !allowed(&name) {
                continue;
            }
            if name == header::COOKIE {
                configured_cookie = Some(value);
                continue;
            }
            headers.retain(|(known, _)| *known != name);
            headers.push((name.clone(), header_value(name.as_str(), value)?));
        }
        let mut add_missing = |name: HeaderName, value: Option<HeaderValue>| {
            let missing = headers.iter().all(|(known, value)| *known != name || value.is_empty());
            if let Some(value) = value.filter(|_| missing) {
                headers.retain(|(known, _)| *known != name);
                headers.push((name, value));
            }
        };
        let referer = hop.referer.as_deref().map(|value| header_value("Referer", value));
        add_missing(header::REFERER, referer.transpose()?);
        let cookie = cookies.header(configured_cookie, &hop.url, hop.host());
        let cookie = cookie.map(|value| header_value("Cookie", &value));
        add_missing(header::COOKIE, cookie.transpose()?);
        let of_url = hop.url.user.as_ref().map(|user| basic(&user.name, &user.password));
        let of_module = || self.credentials.authorization.clone().filter(|_| hop.with_credentials);
        add_missing(header::AUTHORIZATION, of_url.transpose()?.or_else(of_module));
        if let Some(token) = self.token.clone().filter(|_| hop.with_credentials) {
            headers.retain(|(name, _)| *name != header::AUTHORIZATION);
            headers.push((header::AUTHORIZATION, token));
        }
        headers.extend(self.credentials.added.iter().filter(|(name, _)| allowed(name)).cloned());
        Ok(headers)
    }

    /// The body of a hop, and the header that says how long it is.
    fn body(&mut self, hop: &Hop) -> (RequestBody, Option<(HeaderName, HeaderValue)>) {
        let text = Bytes::copy_from_slice(self.prober.body.as_slice());
        if hop.with_body && !text.is_empty() {
            let length = (header::CONTENT_LENGTH, HeaderValue::from(text.len()));
            return (full_body(text), Some(length));
        }
        if let Some(body) = self.body_file.take().filter(|_| hop.with_body) {
            // Upstream looks for a first byte before it sends such a request with a body.
            if body.length() > 0 || !usually_without_body(&hop.method) {
                let chunked = (header::TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
                return (body.boxed_unsync(), Some(chunked));
            }
        }
        let length = matches!(hop.method, Method::POST | Method::PUT | Method::PATCH)
            .then(|| (header::CONTENT_LENGTH, HeaderValue::from(0)));
        (empty_body(), length)
    }
}

/// Headers that the client writes itself; those in a module are used elsewhere, or ignored.
const RESERVED: [HeaderName; 5] = [
    header::HOST,
    header::USER_AGENT,
    header::CONTENT_LENGTH,
    header::TRANSFER_ENCODING,
    header::TRAILER,
];

/// Headers that go when a redirect asks for another request than the module's.
const ABOUT_BODY: [HeaderName; 4] = [
    header::CONTENT_ENCODING,
    header::CONTENT_LANGUAGE,
    header::CONTENT_LOCATION,
    header::CONTENT_TYPE,
];

/// Headers that are for the host that the module names, and its subdomains, alone.
const CONFIDENTIAL: [&str; 6] = [
    "authorization",
    "cookie",
    "cookie2",
    "proxy-authenticate",
    "proxy-authorization",
    "www-authenticate",
];

/// Methods of requests that seldom have a body.
fn usually_without_body(method: &Method) -> bool {
    matches!(method.as_str(), "GET" | "HEAD" | "DELETE" | "OPTIONS" | "PROPFIND" | "SEARCH")
}

/// The request's URI: with scheme and host over HTTP/2 and HTTP/3, where they stand in for the `Host` header,
/// and for a proxy, which has to know where to go.
fn uri(hop: &Hop, absolute: bool) -> Result<Uri, Failure> {
    let target = hop.url.request_target();
    let invalid = |error: &dyn std::error::Error| {
        impossible(format!("invalid request for '{target}' of '{}': {error}", hop.host()))
    };
    if absolute {
        Uri::builder()
            .scheme(hop.url.scheme.as_str())
            .authority(host_header(hop.host()))
            .path_and_query(target.as_str())
            .build()
            .map_err(|error| invalid(&error))
    } else {
        PathAndQuery::try_from(target.as_str()).map(Uri::from).map_err(|error| invalid(&error))
    }
}
