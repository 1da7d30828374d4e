//! The health check call over HTTP/2, and the evaluation of its response.

use std::mem;

use http::{
    HeaderMap, HeaderValue, Method, Request, StatusCode, Uri,
    header::{CONTENT_TYPE, TE, USER_AGENT},
};

use super::{
    GrpcProber,
    measurements::Outcome,
    message::{self, InvalidMessage, ServingStatus},
    status::{Code, Status, code_of_failed_call, code_of_http},
};
use crate::{
    diagnostics::{Failure, Part, PartKind, Reason, Stage, log::Quoted},
    net::{
        Context,
        http::{
            RequestBody, USER_AGENT as DEFAULT_AGENT, error::ExchangeError, exchange::Response,
            full_body, head_excerpt, version::HttpVersion,
        },
    },
};

/// The result of a call.
pub(super) type CallResult = Result<Reply, CallError>;

/// The failure of a call without a valid response, and the gRPC status code that represents it.
#[derive(Debug)]
pub(super) struct CallError {
    pub(super) code: Code,
    pub(super) failure: Failure,
}

impl CallError {
    /// Creates the error of a call for which no connection could be established.
    pub(super) fn unavailable(failure: Failure) -> Self {
        Self { code: Code::UNAVAILABLE, failure }
    }

    fn of_exchange(error: ExchangeError) -> Self {
        let code = code_of_failed_call(error.reset_code());
        Self { code, failure: error.failure("the call failed") }
    }
}

/// A complete response.
#[derive(Debug, Default)]
pub(super) struct Reply {
    version: HttpVersion,
    status: StatusCode,
    head: HeaderMap,
    /// True if the response ended with the head, which then also contains the trailers.
    is_head_all: bool,
    body: Vec<u8>,
    trailers: Option<HeaderMap>,
}

const PATH: &str = "/grpc.health.v1.Health/Check";

/// Maximum size of a response body in bytes. A valid one has seven.
const MAX_RESPONSE: usize = 64 << 10;

/// Waits for the complete response of the exchange `sending`.
pub(super) async fn call(
    context: &Context,
    sending: impl Future<Output = Result<Response, ExchangeError>>,
) -> CallResult {
    let response = sending.await.map_err(CallError::of_exchange)?;
    let mut incomplete = Incomplete { context, response, is_complete: false };
    let response = &mut incomplete.response;
    // gRPC messages have their own length, so gRPC clients ignore Content-Length.
    response.ignore_length();
    let is_head_all = response.ends_with_head();
    let body = response.read_body(MAX_RESPONSE).await.map_err(CallError::of_exchange)?;
    let body = body.ok_or_else(|| {
        let message = format!("the response is larger than {MAX_RESPONSE} bytes, the limit");
        let failure = Failure::new(Stage::Response, Reason::TooLarge, message);
        CallError { code: Code::RESOURCE_EXHAUSTED, failure }
    })?;
    let (trailers, status) = (response.take_trailers(), response.status);
    let (version, head) = (response.version, mem::take(&mut response.headers));
    incomplete.is_complete = true;
    Ok(Reply { version, status, head, is_head_all, body, trailers })
}

/// A response that is being read. If the probe fails or is cancelled meanwhile, its head is recorded.
struct Incomplete<'c> {
    context: &'c Context,
    response: Response,
    is_complete: bool,
}

impl Drop for Incomplete<'_> {
    fn drop(&mut self) {
        if !self.is_complete && self.context.records(true) {
            self.response.record_head(self.context);
        }
    }
}

/// Creates the request. `authority` is the authority of its URI.
pub(super) fn request(
    prober: &GrpcProber,
    authority: &str,
) -> Result<Request<RequestBody>, CallError> {
    build_request(prober, authority).map_err(|message| CallError {
        code: Code::INTERNAL,
        failure: Failure::of_request(Reason::InvalidRequest, message),
    })
}

fn build_request(prober: &GrpcProber, authority: &str) -> Result<Request<RequestBody>, String> {
    let scheme = if prober.tls { "https" } else { "http" };
    let uri = Uri::builder().scheme(scheme).authority(authority).path_and_query(PATH).build();
    let uri = uri.map_err(|error| {
        format!("invalid host '{authority}' in the target or server_name: {error}")
    })?;
    // gRPC requests have no Content-Length: servers would pass it on to their services as metadata.
    let mut request = Request::new(full_body(message::request(&prober.service)));
    *request.method_mut() = Method::POST;
    *request.uri_mut() = uri;
    let headers = request.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    headers.insert(USER_AGENT, HeaderValue::from_static(DEFAULT_AGENT));
    headers.insert(TE, HeaderValue::from_static("trailers"));
    for (name, value) in prober.metadata.headers() {
        headers.append(name, value);
    }
    Ok(request)
}

impl Reply {
    /// Records an excerpt. The body is shown if it is not a gRPC message.
    pub(super) fn record(&self, context: &Context) {
        head_excerpt::record(context, (self.version, self.status, b""), &self.head);
        if !is_grpc(&self.head) {
            context.transcript.add(Part::of(PartKind::Body, &self.body));
        }
        if let Some(trailers) = &self.trailers {
            context.transcript.add(head_excerpt::excerpt(PartKind::Trailers, trailers));
        }
    }

    /// Returns the outcome of the call, and whether it is a success.
    pub(super) fn evaluate(&self) -> (Outcome, Result<(), Failure>) {
        match self.serving() {
            Ok(ServingStatus::SERVING) => {
                (Outcome { code: Code::OK, serving: Some(ServingStatus::SERVING) }, Ok(()))
            }
            Ok(serving) => {
                let message = format!("the health service reports {serving}, expected SERVING");
                let failure = Failure::new(Stage::Check, Reason::NotServing, message);
                (Outcome { code: Code::OK, serving: Some(serving) }, Err(failure))
            }
            Err(CallError { code, failure }) => (Outcome { code, serving: None }, Err(failure)),
        }
    }

    fn serving(&self) -> Result<ServingStatus, CallError> {
        if self.status != StatusCode::OK {
            let message = format!("HTTP status {}, expected 200 with a gRPC status", self.status);
            let failure = Failure::new(Stage::Check, Reason::Status, message);
            return Err(CallError { code: code_of_http(self.status), failure });
        }
        if !is_grpc(&self.head) {
            let kind = Quoted(content_type(&self.head));
            let what =
                format!("the response has the content type {kind}, expected application/grpc");
            return Err(invalid_response(Code::UNKNOWN, &what));
        }
        let status = match (&self.trailers, self.is_head_all) {
            (Some(trailers), _) => Status::of(trailers),
            (None, true) => Status::of(&self.head),
            (None, false) => {
                return Err(invalid_response(
                    Code::INTERNAL,
                    "the response ended without trailers, which contain the gRPC status",
                ));
            }
        };
        let Status { code, message } =
            status.map_err(|error| invalid_response(Code::UNKNOWN, &error))?;
        if code != Code::OK {
            let message = match message.as_str() {
                "" => format!("the call ended with status {code}"),
                text => format!("the call ended with status {code}: {text}"),
            };
            let failure = Failure::new(Stage::Check, Reason::GrpcStatus, message);
            return Err(CallError { code, failure });
        }
        message::response(&self.body).map_err(|invalid| {
            let named =
                invalid == InvalidMessage::Compressed && self.head.contains_key("grpc-encoding");
            let code = if named { Code::UNIMPLEMENTED } else { Code::INTERNAL };
            invalid_response(code, &invalid.to_string())
        })
    }
}

fn invalid_response(code: Code, what: &str) -> CallError {
    CallError { code, failure: Failure::new(Stage::Response, Reason::Protocol, what) }
}

fn content_type(head: &HeaderMap) -> &[u8] {
    head.get(CONTENT_TYPE).map(HeaderValue::as_bytes).unwrap_or_default()
}

/// Returns whether the content type is gRPC, with any message encoding.
fn is_grpc(head: &HeaderMap) -> bool {
    const TYPE: &[u8] = b"application/grpc";
    content_type(head).split_at_checked(TYPE.len()).is_some_and(|(kind, rest)| {
        kind.eq_ignore_ascii_case(TYPE) && matches!(rest.first(), None | Some(b'+' | b';'))
    })
}

#[cfg(test)]
mod tests {
    use http::HeaderName;

    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let headers = pairs
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
        headers.collect()
    }

    const GRPC: (&str, &str) = ("content-type", "application/grpc+proto");
    const OK: (&str, &str) = ("grpc-status", "0");

    #[test]
    fn replies_map_to_code_and_reason() {
        let body = |status| vec![0, 0, 0, 0, 2, 8, status];
        let whole = |status, trailers: &[_]| Reply {
            head: headers(&[GRPC]),
            body: body(status),
            trailers: Some(headers(trailers)),
            ..Reply::default()
        };
        let head_alone =
            |head: &[_]| Reply { head: headers(head), is_head_all: true, ..Reply::default() };
        let refused = Reply { status: StatusCode::NOT_FOUND, ..head_alone(&[GRPC, OK]) };
        let compressed = Reply { body: vec![1, 0, 0, 0, 0], ..whole(1, &[OK]) };
        let named = Reply { head: headers(&[GRPC, ("grpc-encoding", "gzip")]), ..whole(1, &[OK]) };
        let named = Reply { body: vec![1, 0, 0, 0, 0], ..named };
        for (name, reply, code, serving, reason) in [
            ("serving", whole(1, &[OK]), 0, Some(1), None),
            ("not serving", whole(2, &[OK]), 0, Some(2), Some(Reason::NotServing)),
            ("an odd status", whole(9, &[OK]), 0, Some(9), Some(Reason::NotServing)),
            ("an error", whole(1, &[("grpc-status", "5")]), 5, None, Some(Reason::GrpcStatus)),
            (
                "an error in the head",
                head_alone(&[GRPC, ("grpc-status", "12")]),
                12,
                None,
                Some(Reason::GrpcStatus),
            ),
            ("no message", head_alone(&[GRPC, OK]), 13, None, Some(Reason::Protocol)),
            ("no status", whole(1, &[]), 2, None, Some(Reason::Protocol)),
            (
                "no trailers",
                Reply { trailers: None, ..whole(1, &[]) },
                13,
                None,
                Some(Reason::Protocol),
            ),
            (
                "no gRPC",
                head_alone(&[("content-type", "text/html")]),
                2,
                None,
                Some(Reason::Protocol),
            ),
            ("another page", refused, 12, None, Some(Reason::Status)),
            ("compressed", compressed, 13, None, Some(Reason::Protocol)),
            ("compressed with a name", named, 12, None, Some(Reason::Protocol)),
        ] {
            let (outcome, verdict) = reply.evaluate();
            let serving = serving.map(ServingStatus);
            assert_eq!(outcome, Outcome { code: Code(code), serving }, "{name}");
            assert_eq!(verdict.err().map(|failure| failure.reason), reason, "{name}");
        }
    }

    #[test]
    fn content_types_may_have_suffixes_and_parameters() {
        for (kind, expected) in [
            ("application/grpc", true),
            ("application/grpc;charset=utf-8", true),
            ("Application/GRPC+json", true),
            ("application/grpc-web", false),
            ("application/grp", false),
            ("", false),
        ] {
            assert_eq!(is_grpc(&headers(&[("content-type", kind)])), expected, "{kind}");
        }
    }
}
