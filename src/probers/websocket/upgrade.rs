//! The opening handshake over HTTP/1.1: upgrade request and response (RFC 6455, section 4).

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use boring::sha::sha1;
use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue, Request, StatusCode,
    header::{
        CONNECTION, HOST, LOCATION, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_EXTENSIONS,
        SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION, UPGRADE, USER_AGENT,
    },
};

use super::{
    WebsocketProber,
    headers::{Configured, configured},
    measurements::Progress,
};
use crate::{
    diagnostics::{Failure, Reason, Stage, log::Excerpt},
    net::{
        self, Context,
        http::{
            RequestBody,
            connection::Connection,
            credentials::header_value,
            empty_body,
            exchange::{self, Response},
            timing::ExchangeTiming,
            transport::Transport,
            url::{Url, host_header},
        },
    },
};

/// An upgrade request, and the values that its response is checked against.
pub(super) struct UpgradeRequest {
    request: Request<RequestBody>,
    key: String,
    /// The offered subprotocols.
    protocols: Vec<String>,
}

/// The stream of an upgraded connection, and the data that was read after the response.
pub(super) type Upgraded = (Box<dyn Transport>, Bytes);

impl UpgradeRequest {
    /// Creates the upgrade request for `url`. Reads the files of the module.
    pub(super) async fn of(
        prober: &WebsocketProber,
        context: &Context,
        url: &Url,
    ) -> Result<Self, Failure> {
        let key = BASE64.encode(rand::random::<[u8; 16]>());
        let target = url.request_target();
        let uri = target.parse().map_err(|error| {
            let message = format!("invalid request target '{target}': {error}");
            Failure::of_request(Reason::InvalidRequest, message)
        })?;
        let Configured { host, user_agent, others } = configured(prober, context).await?;
        let host = match host {
            Some(host) => host,
            None => header_value("Host", &host_header(&url.authority))?,
        };
        let default_agent = HeaderValue::from_static(net::http::USER_AGENT);
        let mut request = Request::new(empty_body());
        *request.uri_mut() = uri;
        let headers = request.headers_mut();
        headers.insert(HOST, host);
        // An empty value disables the header.
        if let Some(agent) =
            Some(user_agent.unwrap_or(default_agent)).filter(|agent| !agent.is_empty())
        {
            headers.insert(USER_AGENT, agent);
        }
        headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
        headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
        headers.insert(SEC_WEBSOCKET_KEY, header_value("Sec-WebSocket-Key", &key)?);
        headers.insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
        headers.extend(others);
        let protocols = tokens(headers, &SEC_WEBSOCKET_PROTOCOL).map(str::to_owned).collect();
        Ok(Self { request, key, protocols })
    }

    /// Sends the request and returns the stream of the upgraded connection.
    pub(super) fn send(
        self,
        context: &Context,
        connection: Connection,
        progress: &mut Progress,
    ) -> (ExchangeTiming, impl Future<Output = Result<Upgraded, Failure>>) {
        let Self { request, key, protocols } = self;
        let (timing, sending) = exchange::send_timed(context, connection, request);
        let upgrading = async move {
            let response = sending.await;
            let response = response.map_err(|error| error.failure("the upgrade request failed"))?;
            progress.status = response.status.as_u16();
            let accepted = accepts(&response, &key, &protocols);
            if context.records(accepted.is_err()) {
                response.record_head(context);
            }
            accepted?;
            progress.upgraded = true;
            Ok(response.into_http1_stream())
        };
        (timing, upgrading)
    }
}

/// Checks a response.
fn accepts(response: &Response, key: &str, protocols: &[String]) -> Result<(), Failure> {
    if response.status != StatusCode::SWITCHING_PROTOCOLS {
        return Err(refusal(response.status, &response.headers));
    }
    check(&response.headers, key, protocols).map_err(|what| {
        let message = format!("invalid WebSocket handshake: {what}");
        Failure::new(Stage::Response, Reason::Protocol, message)
    })
}

/// Checks the headers of a response with status 101. The error describes the first violation.
fn check(headers: &HeaderMap, key: &str, protocols: &[String]) -> Result<(), String> {
    let contains = |name, wanted: &str| {
        tokens(headers, &name).any(|word: &str| word.eq_ignore_ascii_case(wanted))
    };
    if !contains(UPGRADE, "websocket") {
        return Err("the header Upgrade is not \"websocket\"".to_owned());
    }
    if !contains(CONNECTION, "upgrade") {
        return Err("the header Connection does not contain \"Upgrade\"".to_owned());
    }
    let accepted = headers.get(SEC_WEBSOCKET_ACCEPT).map(|value| value.as_bytes().trim_ascii());
    if accepted != Some(accept(key).as_bytes()) {
        return Err(
            "the header Sec-WebSocket-Accept does not match the key of the request".to_owned()
        );
    }
    for protocol in tokens(headers, &SEC_WEBSOCKET_PROTOCOL) {
        if !protocols.iter().any(|offered| offered == protocol) {
            let protocol = Excerpt(protocol.as_bytes());
            return Err(format!(
                "the server selected the subprotocol '{protocol}', which was not offered"
            ));
        }
    }
    match tokens(headers, &SEC_WEBSOCKET_EXTENSIONS).next() {
        Some(extension) => {
            let extension = Excerpt(extension.as_bytes());
            Err(format!("the server selected the extension '{extension}', which is not supported"))
        }
        None => Ok(()),
    }
}

/// Returns the value of `Sec-WebSocket-Accept` for a key.
fn accept(key: &str) -> String {
    const SUFFIX: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    BASE64.encode(sha1(format!("{key}{SUFFIX}").as_bytes()))
}

/// Returns the comma-separated tokens of a header.
fn tokens<'h>(headers: &'h HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'h str> {
    let values = headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).map(str::trim).filter(|word| !word.is_empty())
}

/// Returns the failure of a response with another status than 101.
fn refusal(status: StatusCode, headers: &HeaderMap) -> Failure {
    let mut message = format!("HTTP status {status}, expected 101 Switching Protocols");
    if let Some(place) = headers.get(LOCATION).filter(|_| status.is_redirection()) {
        let place = Excerpt(place.as_bytes());
        message = format!("{message}; the redirect to '{place}' is not followed");
    } else if let Some(meaning) = meaning(status.as_u16()) {
        message = format!("{message}; {meaning}");
    }
    Failure::new(Stage::Check, Reason::Status, message)
}

/// Returns the usual cause of a refused upgrade, and its remedy.
fn meaning(status: u16) -> Option<&'static str> {
    Some(match status {
        200..300 | 404 | 405 => {
            "this path is not that of a WebSocket, or a proxy in front of the server removes the header \
             Upgrade"
        }
        400 | 426 => {
            "a proxy in front of the server removes the headers Upgrade and Connection, or the server \
             requires a header such as Sec-WebSocket-Protocol or Origin"
        }
        401 => "the server requires credentials: set http_config or headers in the module",
        403 => {
            "the server denies access: set http_config, or a header such as Origin in headers, in the \
             module"
        }
        502..=504 => "a proxy in front of the server cannot reach it",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of RFC 6455, section 1.3.
    const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
    const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

    #[test]
    fn accept_is_computed_from_the_key() {
        assert_eq!(accept(KEY), ACCEPT);
    }

    #[test]
    fn responses_are_checked_against_the_request() {
        const ANSWER: &str = "sec-websocket-accept";
        const PROTOCOL: &str = "sec-websocket-protocol";
        let good = [("upgrade", "WebSocket"), ("connection", "x, upgrade"), (ANSWER, ACCEPT)];
        let with = |name: &'static str, value: &'static str| {
            let others = good.into_iter().filter(move |(known, _)| *known != name);
            others.chain([(name, value)]).collect::<Vec<_>>()
        };
        for (name, pairs, expected) in [
            ("good", good.to_vec(), None),
            ("a protocol", with(PROTOCOL, "b"), None),
            ("no upgrade", with("upgrade", "h2c"), Some("Upgrade")),
            ("no connection", with("connection", "close"), Some("Connection")),
            ("another key", with(ANSWER, "AAAA"), Some("Accept")),
            ("no key", with(ANSWER, ""), Some("Accept")),
            ("another protocol", with(PROTOCOL, "c"), Some("subprotocol 'c'")),
            ("two protocols", with(PROTOCOL, "a, c"), Some("subprotocol 'c'")),
            ("an extension", with("sec-websocket-extensions", "x;y"), Some("extension 'x;y'")),
        ] {
            let headers = pairs.into_iter().map(|(name, value)| {
                (HeaderName::from_static(name), HeaderValue::from_static(value))
            });
            let found = check(&headers.collect(), KEY, &["a".to_owned(), "b".to_owned()]).err();
            assert_eq!(found.is_some(), expected.is_some(), "{name}: {found:?}");
            let (found, word) = (found.unwrap_or_default(), expected.unwrap_or_default());
            assert!(found.contains(word), "{name}: {found}");
        }
    }

    #[test]
    fn refusals_contain_the_redirect_url() {
        let place = [(LOCATION, HeaderValue::from_static("wss://elsewhere/"))].into_iter();
        let failure = refusal(StatusCode::FOUND, &place.collect());
        assert_eq!((failure.stage, failure.reason), (Stage::Check, Reason::Status));
        assert!(failure.message.contains("wss://elsewhere/"), "{failure}");
    }

    #[test]
    fn refusals_name_the_usual_cause_of_the_status() {
        for (status, words) in [
            (200, "not that of a WebSocket"),
            (400, "header such as Sec-WebSocket-Protocol"),
            (401, "requires credentials"),
            (403, "such as Origin"),
            (404, "not that of a WebSocket"),
            (426, "removes the headers Upgrade"),
            (502, "cannot reach it"),
            (500, "expected 101 Switching Protocols"),
        ] {
            let status = StatusCode::from_u16(status).unwrap();
            let message = refusal(status, &HeaderMap::new()).message;
            assert!(message.contains(words) && message.contains(status.as_str()), "{message}");
        }
    }
}
