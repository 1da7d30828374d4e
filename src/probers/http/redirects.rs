//! The hops of a probe, from the first request to the final response.

use std::fmt::Write as _;

use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, header};

use crate::{
    diagnostics::{Failure, Reason, Stage, log::Quoted},
    net::{
        Context,
        http::{
            RequestBody,
            connection::Connection,
            error::ExchangeError,
            exchange::{self, Response},
            url::Url,
        },
        proxy::Proxy,
    },
    probers::http::{
        cookies::Jar,
        final_response::FinalResponse,
        measurements::HttpMeasurements,
        request::{Hop, Requests},
        settings::HttpProber,
        target::{Pinned, connect, destination_of},
    },
    settings::redact::Redacted,
};

/// The last response of a probe.
pub(super) struct Final<'c> {
    pub(super) answer: FinalResponse<'c>,
    /// True if it came over TLS.
    pub(super) over_tls: bool,
    /// The proxy that took the request, if any did in place of the server.
    pub(super) proxy: Option<Proxy>,
    /// True if it is a redirect beyond the limit.
    pub(super) limit_reached: bool,
}

/// Maximum number of redirects that are followed.
pub(super) const MAX_REDIRECTS: u32 = 10;

/// Maximum length of a `Location` header in bytes. Servers accept URLs of 8 KiB; the URL is parsed and
/// redacted several times.
const MAX_LOCATION: usize = 32 << 10;

/// Number of copies of the URL of a redirect: as it was received, in parts, as a `Referer` and in the next
/// request.
const URL_COPIES: usize = 5;

/// Number of copies of a cookie: its parts, its name, the secrets, and the header of the next request.
const COOKIE_COPIES: usize = 4;

/// Sends the first request, and follows redirects to the final response.
pub(super) async fn follow<'c>(
    prober: &HttpProber,
    context: &'c Context,
    requests: &mut Requests<'_>,
    url: Url,
    pinned: &Pinned,
    measurements: &mut HttpMeasurements,
) -> Result<Final<'c>, Failure> {
    let mut redirects = Redirects { prober, context, pinned, cookies: Jar::default() };
    let mut hop = requests.first(url);
    loop {
        let url = Redacted(&hop.url).to_string();
        context.log.debug("Making HTTP request", &[("url", &url), ("host", &hop.host())]);
        measurements.begin_hop(url);
        let (connection, proxy) = connect(prober, context, &hop, pinned, measurements).await?;
        context.enter(Stage::Request);
        let over_tls = hop.url.scheme == "https";
        let is_framed = connection.is_framed();
        // The block ends the lifetime of the request, which would be a part of the future otherwise.
        let exchange = {
            let cookies = &redirects.cookies;
            let request = requests.request(&hop, cookies, is_framed, proxy.as_ref())?;
            hide_credentials(context, request.headers());
            exchange(context, connection, request, measurements)
        };
        let response = exchange.await?;
        requests.discard_rejected_token(&hop, response.status);
        let repeatable = !hop.with_body || requests.is_body_repeatable();
        let next = redirects.next(&hop, &response, repeatable, &mut measurements.redirects);
        let next = next.inspect_err(|_| {
            if context.records(true) {
                response.record_head(context);
            }
        });
        let Some((next, location)) = next? else {
            let limit_reached = measurements.redirects > MAX_REDIRECTS;
            let answer = FinalResponse::new(context, response);
            return Ok(Final { answer, over_tls, proxy, limit_reached });
        };
        measurements.end_hop(location);
        hop = next;
    }
}

/// The redirects of a probe.
struct Redirects<'r> {
    prober: &'r HttpProber,
    context: &'r Context,
    pinned: &'r Pinned,
    cookies: Jar,
}

impl Redirects<'_> {
    /// Returns the hop that follows a response and its URL as received, or `None` if the response is the last
    /// one. `count` is the number of redirects so far.
    fn next(
        &mut self,
        hop: &Hop,
        response: &Response,
        repeatable: bool,
        count: &mut u32,
    ) -> Result<Option<(Hop, String)>, Failure> {
        let Self { prober, context, pinned, cookies } = self;
        let Some(location) = location(response, repeatable)? else {
            return Ok(None);
        };
        context.hide_secrets_of(&location);
        context.log.info("Received redirect", &[("location", &Redacted(&location))]);
        if !cookies.note(&hop.url, hop.host(), &response.headers) {
            context.log.warn("Ignored cookies of the response, because there are too many", &[]);
        }
        let cookies_size: usize =
            response.headers.get_all(header::SET_COOKIE).iter().map(HeaderValue::len).sum();
        let kept = context.memory.keep(URL_COPIES * location.len() + COOKIE_COPIES * cookies_size);
        kept.map_err(|error| Failure::exhausted(Stage::Response, error))?;
        let next = next_hop(hop, response.status, &location, pinned)?;
        *count += 1;
        if *count > MAX_REDIRECTS || !prober.client.follow_redirects {
            context.log.info("Not following redirect", &[]);
            return Ok(None);
        }
        refuse_other_schemes(&next.url)?;
        context.policy.follow_redirect();
        context.policy.judge_destination(destination_of(&next.url, prober.enable_http3))?;
        Ok(Some((next, location)))
    }
}

/// Sends a request, and waits for the head of the response.
pub(super) fn exchange(
    context: &Context,
    connection: Connection,
    request: Request<RequestBody>,
    measurements: &mut HttpMeasurements,
) -> impl Future<Output = Result<Response, Failure>> {
    let (timing, sending) = exchange::send_timed(context, connection, request);
    measurements.begin_exchange(timing);
    respond(context, sending, measurements)
}

async fn respond(
    context: &Context,
    sending: impl Future<Output = Result<Response, ExchangeError>>,
    measurements: &mut HttpMeasurements,
) -> Result<Response, Failure> {
    context.enter(Stage::Response);
    let waiting = context.waiting_for(|| measurements.describe_wait());
    let sent = sending.await;
    drop(waiting);
    let response = sent.map_err(failure)?;
    measurements.note_response(&response);
    if let Some(line) = &response.ignored_line {
        let message = "Ignored a malformed header line of the response";
        context.log.warn(message, &[("line", &Quoted(line))]);
    }
    Ok(response)
}

/// Returns the failure of an exchange, with the key that switches to HTTP/1.1 if that may help.
pub(super) fn failure(error: ExchangeError) -> Failure {
    let needs_http1 = error.needs_http1();
    let Failure { stage, reason, message } = error.into();
    let hint = if needs_http1 { "; set enable_http2: false in the module" } else { "" };
    Failure::new(stage, reason, format!("{message}{hint}"))
}

/// Notes the credentials of a request as secrets, in the form in which a server may repeat them.
fn hide_credentials(context: &Context, headers: &HeaderMap) {
    let values = |name| headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    for name in [header::AUTHORIZATION, header::PROXY_AUTHORIZATION] {
        for value in values(name) {
            context.hide(value.split_once(' ').map_or(value, |(_, credentials)| credentials));
        }
    }
    for cookie in values(header::COOKIE).flat_map(|value| value.split("; ")) {
        context.hide(cookie.split_once('=').map_or(cookie, |(_, value)| value));
    }
}

/// Returns the location of a response, if it is a redirect that can be followed.
///
/// 307 and 308 want the same body again; where it cannot be sent again, the response is final.
fn location(response: &Response, repeatable: bool) -> Result<Option<String>, Failure> {
    match response.status.as_u16() {
        301..=303 => {}
        307 | 308 if repeatable => {}
        _ => return Ok(None),
    }
    let location = response.headers.get(header::LOCATION).map_or(&b""[..], HeaderValue::as_bytes);
    if location.is_empty() {
        return Ok(None);
    }
    check_length(location)?;
    let location = readable(location);
    // Escaped text is longer.
    check_length(location.as_bytes())?;
    Ok(Some(location))
}

/// Text that may be in any encoding, with what is not UTF-8 escaped as it is in a URL.
fn readable(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        for byte in chunk.invalid() {
            // Writing to a String cannot fail.
            let _ = write!(text, "%{byte:02X}");
        }
    }
    text
}

/// The request that a redirect asks for.
///
/// Unlike upstream: credentials follow the name of the target rather than its address, and they do
/// not go from https to http.
fn next_hop(
    hop: &Hop,
    status: StatusCode,
    location: &str,
    pinned: &Pinned,
) -> Result<Hop, Failure> {
    let invalid = |error| {
        let message = format!("invalid redirect to '{}': {error}", Redacted(location));
        Failure::new(Stage::Response, Reason::InvalidRedirect, message)
    };
    let url = hop.url.join(location).map_err(invalid)?;
    // A Host header of the module's holds for as long as redirects are relative.
    let is_relative = url.authority == hop.url.authority
        && Url::parse(location).is_ok_and(|url| !url.is_absolute());
    let keeps_request = matches!(status.as_u16(), 307 | 308);
    let method = match hop.method {
        _ if keeps_request => hop.method.clone(),
        Method::HEAD => Method::HEAD,
        _ => Method::GET,
    };
    let is_downgrade = hop.url.scheme == "https" && url.scheme == "http";
    Ok(Hop {
        host: hop.host.clone().filter(|_| is_relative),
        method,
        with_body: hop.with_body && keeps_request,
        with_credentials: hop.with_credentials
            && !is_downgrade
            && pinned.shares_credentials_with(&url),
        referer: (!is_downgrade).then(|| hop.url.to_string()),
        upgrades: hop.upgrades,
        url,
    })
}

fn check_length(location: &[u8]) -> Result<(), Failure> {
    let length = location.len();
    if length <= MAX_LOCATION {
        return Ok(());
    }
    let message = format!(
        "the Location header has {length} bytes; redirects to URLs of more than {MAX_LOCATION} bytes \
         are not followed"
    );
    Err(Failure::new(Stage::Response, Reason::InvalidRedirect, message))
}

fn refuse_other_schemes(url: &Url) -> Result<(), Failure> {
    let invalid = |message| Err(Failure::new(Stage::Response, Reason::InvalidRedirect, message));
    if !matches!(url.scheme.as_str(), "http" | "https") {
        let url = Redacted(url);
        return invalid(format!(
            "the redirect to '{url}' has an unsupported scheme; only http and https are supported"
        ));
    }
    if url.hostname().is_empty() {
        return invalid(format!("the redirect to '{}' has no host", Redacted(url)));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use super::*;

    /// The hop that follows a POST with credentials to `from` when it redirects to `location`.
    fn next(from: &str, status: u16, location: &str) -> Hop {
        let url = Url::parse(from).unwrap();
        let pinned = Pinned::new(&url, Some(IpAddr::from(Ipv4Addr::LOCALHOST).into()));
        let hop = Hop {
            url,
            method: Method::POST,
            host: Some("named.example".to_owned()),
            with_body: true,
            with_credentials: true,
            referer: None,
            upgrades: false,
        };
        let status = StatusCode::from_u16(status).unwrap();
        next_hop(&hop, status, location, &pinned).unwrap()
    }

    #[test]
    fn method_and_body_are_kept_only_where_the_status_says_so() {
        for (status, method, with_body) in [
            (301, Method::GET, false),
            (302, Method::GET, false),
            (303, Method::GET, false),
            (307, Method::POST, true),
            (308, Method::POST, true),
        ] {
            let hop = next("http://h/", status, "/x");
            assert_eq!((hop.method, hop.with_body), (method, with_body), "{status}");
        }
    }

    #[test]
    fn credentials_stay_with_the_name_and_its_subdomains() {
        for (from, location, kept) in [
            ("http://h.example/", "/x", true),
            ("http://h.example/", "http://h.example/x", true),
            ("http://h.example/", "https://H.example:8443/x", true),
            ("http://h.example/", "http://www.h.example/", true),
            ("https://h.example/", "https://h.example/", true),
            ("https://h.example/", "http://h.example/", false),
            ("http://h.example/", "http://oh.example/", false),
            ("http://h.example/", "http://example/", false),
            ("http://h.example/", "//other.example/", false),
            ("http://127.0.0.1/", "http://127.0.0.1:8080/", true),
            ("http://127.0.0.1/", "http://127.0.0.2/", false),
            ("http://[::1]/", "http://[fe80::1]/", false),
        ] {
            assert_eq!(next(from, 302, location).with_credentials, kept, "{from} to {location}");
        }
    }

    #[test]
    fn the_host_header_is_kept_while_redirects_are_relative() {
        for (location, host) in [
            ("/x", "named.example"),
            ("x", "named.example"),
            ("http://h/x", "h"),
            ("//other:1/x", "other:1"),
        ] {
            assert_eq!(next("http://h/", 302, location).host(), host, "{location}");
        }
    }

    #[test]
    fn the_referer_is_the_last_page_but_not_from_https_to_http() {
        for (from, location, referer) in [
            ("http://u:p@h/a?b", "/x", Some("http://h/a?b")),
            ("http://h/", "https://h/", Some("http://h/")),
            ("https://h/", "http://h/", None),
        ] {
            assert_eq!(next(from, 302, location).referer.as_deref(), referer, "{from}");
        }
    }

    #[test]
    fn a_redirect_out_of_http_is_refused() {
        for location in ["ftp://h/", "mailto:x", "http:///x", "https:x"] {
            let url = next("http://h/", 302, location).url;
            let failure = refuse_other_schemes(&url).unwrap_err();
            assert_eq!(failure.reason, Reason::InvalidRedirect, "{location}");
        }
    }

    #[test]
    fn a_redirect_to_a_very_long_url_is_refused() {
        let mut location = vec![b'/'; MAX_LOCATION];
        assert_eq!(check_length(&location), Ok(()));
        location.push(b'/');
        let failure = check_length(&location).unwrap_err();
        assert_eq!(failure.reason, Reason::InvalidRedirect);
    }

    #[test]
    fn a_location_in_another_encoding_is_escaped() {
        assert_eq!(readable(b"/caf\xe9?\xc3\xa9"), "/caf%E9?\u{e9}");
    }
}
