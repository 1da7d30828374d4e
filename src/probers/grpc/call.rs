//! The call itself: one request over HTTP/2, and what its answer means.

use http::{
    HeaderMap, HeaderValue, Method, Request, StatusCode, Uri,
    header::{CONTENT_TYPE, TE, USER_AGENT},
};

use super::{
    GrpcProber,
    measurements::Outcome,
    message::{self, BadAnswer, ServingStatus},
    status::{Code, Status, code_of_break, code_of_http},
};
use crate::{
    diagnostics::{Failure, Reason, Stage},
    net::http::{
        RequestBody, USER_AGENT as OUR_AGENT, error::ExchangeError, exchange::Response, full_body,
    },
};

/// What a call came to.
pub(super) type Ended = Result<Reply, Broken>;

/// A call without an answer that could be read: the code that stands for that, and why.
#[derive(Debug)]
pub(super) struct Broken {
    pub(super) code: Code,
    pub(super) failure: Failure,
}

impl Broken {
    /// There is no connection to make the call on.
    pub(super) fn unavailable(failure: Failure) -> Self {
        Self { code: Code::UNAVAILABLE, failure }
    }

    fn by(error: ExchangeError) -> Self {
        let code = code_of_break(error.reset_code());
        Self { code, failure: error.failure("The call failed") }
    }
}

/// A whole response.
#[derive(Debug, Default)]
pub(super) struct Reply {
    status: StatusCode,
    head: HeaderMap,
    /// Whether nothing came behind the head, which then stands for the trailers too.
    is_head_all: bool,
    body: Vec<u8>,
    trailers: Option<HeaderMap>,
}

const PATH: &str = "/grpc.health.v1.Health/Check";

/// Maximum size of an answer in bytes; a valid one has seven.
const MAX_ANSWER: usize = 64 << 10;

/// Waits for the end of the call, whose request is being sent.
pub(super) async fn call(sending: impl Future<Output = Result<Response, ExchangeError>>) -> Ended {
    let mut response = sending.await.map_err(Broken::by)?;
    // Messages have a length of their own, so gRPC clients ignore Content-Length.
    response.ignore_length();
    let is_head_all = response.ends_with_head();
    let body = response.read_body(MAX_ANSWER).await.map_err(Broken::by)?;
    let body = body.ok_or_else(|| {
        let message = format!("The answer is larger than {MAX_ANSWER} bytes");
        let failure = Failure::new(Stage::Response, Reason::TooLarge, message);
        Broken { code: Code::RESOURCE_EXHAUSTED, failure }
    })?;
    let (trailers, status) = (response.take_trailers(), response.status);
    Ok(Reply { status, head: response.headers, is_head_all, body, trailers })
}

/// Returns the request. `authority` is the host of its URI.
pub(super) fn request(
    prober: &GrpcProber,
    authority: &str,
) -> Result<Request<RequestBody>, Broken> {
    build_request(prober, authority).map_err(|message| Broken {
        code: Code::INTERNAL,
        failure: Failure::new(Stage::Request, Reason::InvalidRequest, message),
    })
}

fn build_request(prober: &GrpcProber, authority: &str) -> Result<Request<RequestBody>, String> {
    let scheme = if prober.tls { "https" } else { "http" };
    let uri = Uri::builder().scheme(scheme).authority(authority).path_and_query(PATH).build();
    let uri = uri.map_err(|error| format!("'{authority}' cannot be asked: {error}"))?;
    // Its length is not announced, as in any call: servers would show it to their services.
    let mut request = Request::new(full_body(message::request(&prober.service)));
    *request.method_mut() = Method::POST;
    *request.uri_mut() = uri;
    let headers = request.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    headers.insert(USER_AGENT, HeaderValue::from_static(OUR_AGENT));
    headers.insert(TE, HeaderValue::from_static("trailers"));
    for (name, value) in prober.metadata.headers() {
        headers.append(name, value);
    }
    Ok(request)
}

impl Reply {
    /// How the call ended, and whether that is a success.
    pub(super) fn judge(&self) -> (Outcome, Result<(), Failure>) {
        match self.serving() {
            Ok(ServingStatus::SERVING) => {
                (Outcome { code: Code::OK, serving: Some(ServingStatus::SERVING) }, Ok(()))
            }
            Ok(serving) => {
                let message = format!("The health service says {serving}");
                let failure = Failure::new(Stage::Check, Reason::NotServing, message);
                (Outcome { code: Code::OK, serving: Some(serving) }, Err(failure))
            }
            Err(Broken { code, failure }) => (Outcome { code, serving: None }, Err(failure)),
        }
    }

    fn serving(&self) -> Result<ServingStatus, Broken> {
        if self.status != StatusCode::OK {
            let message = format!("The server answered {} in place of a gRPC status", self.status);
            let failure = Failure::new(Stage::Check, Reason::Status, message);
            return Err(Broken { code: code_of_http(self.status), failure });
        }
        if !is_grpc(&self.head) {
            return Err(broken(Code::UNKNOWN, "the answer is not of the type application/grpc"));
        }
        let status = match (&self.trailers, self.is_head_all) {
            (Some(trailers), _) => Status::of(trailers),
            (None, true) => Status::of(&self.head),
            (None, false) => {
                return Err(broken(Code::INTERNAL, "the answer ended without trailers"));
            }
        };
        let Status { code, message } = status.map_err(|error| broken(Code::UNKNOWN, &error))?;
        if code != Code::OK {
            let message = format!("The call ended with the status {code}: {message}");
            let failure = Failure::new(Stage::Check, Reason::GrpcStatus, message);
            return Err(Broken { code, failure });
        }
        message::answer(&self.body).map_err(|bad| {
            let named = bad == BadAnswer::Compressed && self.head.contains_key("grpc-encoding");
            let code = if named { Code::UNIMPLEMENTED } else { Code::INTERNAL };
            broken(code, &bad.to_string())
        })
    }
}

fn broken(code: Code, what: &str) -> Broken {
    Broken { code, failure: Failure::new(Stage::Response, Reason::Protocol, what) }
}

/// Whether a head says that gRPC follows, in whichever coding.
fn is_grpc(head: &HeaderMap) -> bool {
    const TYPE: &[u8] = b"application/grpc";
    let kind = head.get(CONTENT_TYPE).map(HeaderValue::as_bytes).unwrap_or_default();
    kind.split_at_checked(TYPE.len()).is_some_and(|(kind, rest)| {
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
    fn a_reply_becomes_a_code_and_a_reason() {
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
            let (outcome, verdict) = reply.judge();
            let serving = serving.map(ServingStatus);
            assert_eq!(outcome, Outcome { code: Code(code), serving }, "{name}");
            assert_eq!(verdict.err().map(|failure| failure.reason), reason, "{name}");
        }
    }

    #[test]
    fn the_type_of_grpc_is_known_with_what_may_follow_it() {
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
