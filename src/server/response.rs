//! Builds responses: content type, errors, compression.

use std::{
    cell::RefCell,
    fmt::Display,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use actix_web::{
    HttpRequest, HttpResponse,
    body::{BodySize, BoxBody, MessageBody},
    http::{
        StatusCode,
        header::{self, HeaderMap, HeaderName},
    },
};
use bytes::Bytes;
use flate2::{Compress, CompressError, Compression, FlushCompress, Status};

use crate::{
    config::Config,
    memory::{Held, ProbeMemory},
    probe::history::HistoryEntry,
    scheduling::{poll_times::section, pool},
    server::{
        content_negotiation::{self, Exposition, OpenMetrics},
        query,
    },
};

/// Content type of upstream's plain text responses.
pub(super) const TEXT: &str = "text/plain; charset=utf-8";

/// Content type of upstream's debug output, logs and configuration.
pub(super) const BARE_TEXT: &str = "text/plain";

pub(super) const JSON: &str = "application/json";

pub(super) const HTML: &str = "text/html; charset=utf-8";

/// Minimum size of a compressed response in bytes. A smaller one fits into one packet anyway.
const MIN_COMPRESSED_BYTES: usize = 512;

/// Returns a response with status 200, compressed with gzip if the client accepts it.
pub(super) fn ok(request: &HttpRequest, content_type: &str, body: String) -> HttpResponse {
    let body = Body::new(body, accepts_gzip(request), Size::Small);
    body.answer(content_type)
}

/// Returns a response like [`ok`]. A large body is rendered and compressed on another thread, so that
/// it does not delay other requests.
pub(super) async fn ok_rendered(
    request: &HttpRequest,
    content_type: &str,
    size: Size,
    render: impl FnOnce() -> String + Send + 'static,
) -> HttpResponse {
    let accepts_gzip = accepts_gzip(request);
    let render = move || Body::new(render(), accepts_gzip, size);
    let body = match size {
        Size::Small => Ok(section("rendering", render)),
        Size::Large => pool::run(render).await,
    };
    match body {
        Ok(body) => body.answer(content_type),
        Err(problem) => {
            let message =
                format_args!("internal error: the response cannot be rendered: {problem}");
            error(StatusCode::INTERNAL_SERVER_ERROR, message)
        }
    }
}

/// The size of a response before it is rendered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Size {
    /// It takes less than a millisecond.
    Small,
    /// It may take longer.
    Large,
}

/// Maximum size in bytes of metrics and of a report that are rendered on the thread that serves the
/// client. Certificates of a report are parsed again.
const MAX_SMALL_METRICS: usize = 32 << 10;
const MAX_SMALL_REPORT: usize = 20 << 10;

/// Maximum length in bytes of a configuration file whose modules are rendered on the thread that
/// serves the client, and maximum number of its modules.
const MAX_SMALL_CONFIG: usize = 16 << 10;
const MAX_FEW_MODULES: usize = 20;

impl Size {
    /// Returns the size of a response about all modules of a configuration.
    pub(super) fn of_modules(config: &Config) -> Self {
        let is_small = config.text_length() <= MAX_SMALL_CONFIG
            && config.modules().nth(MAX_FEW_MODULES).is_none();
        if is_small { Self::Small } else { Self::Large }
    }

    /// Returns the size of the metrics of a report.
    pub(super) fn of_metrics(entry: &HistoryEntry) -> Self {
        if entry.weight <= MAX_SMALL_METRICS { Self::Small } else { Self::Large }
    }

    /// Returns the size of a report with the configuration of its module.
    pub(super) fn of_report(entry: &HistoryEntry) -> Self {
        let size = entry.weight + entry.report.module.text_size();
        if size <= MAX_SMALL_REPORT { Self::Small } else { Self::Large }
    }
}

/// The body of a response.
enum Body {
    Text(String),
    Compressed(Vec<u8>),
}

impl Body {
    fn new(text: String, accepts_gzip: bool, size: Size) -> Self {
        if !accepts_gzip || text.len() < MIN_COMPRESSED_BYTES {
            return Self::Text(text);
        }
        let compressed = match size {
            Size::Small => COMPRESSOR.with_borrow_mut(|compressor| gzip(compressor, &text)),
            // Its thread does not keep a compressor.
            Size::Large => gzip(&mut compressor(), &text),
        };
        compressed.map_or(Self::Text(text), Self::Compressed)
    }

    fn answer(self, content_type: &str) -> HttpResponse {
        let mut response = HttpResponse::Ok();
        response.insert_header((header::CONTENT_TYPE, content_type));
        match self {
            Self::Text(text) => response.body(text),
            Self::Compressed(bytes) => {
                response.insert_header((header::CONTENT_ENCODING, "gzip")).body(bytes)
            }
        }
    }
}

/// Counts the body of a response until it is sent, if it is not small. Returns `None` if there is no
/// memory for it.
pub(super) fn held(response: HttpResponse, memory: &Arc<ProbeMemory>) -> Option<HttpResponse> {
    let BodySize::Sized(size) = response.body().size() else { return Some(response) };
    let size = usize::try_from(size).unwrap_or(usize::MAX);
    if size <= MIN_HELD {
        return Some(response);
    }
    let mut held = memory.hold();
    held.resize(size).ok()?;
    Some(response.map_body(|_, body| HeldBody { body, _held: held }.boxed()))
}

/// Minimum size of a body that is counted, in bytes.
const MIN_HELD: usize = 16 << 10;

/// A body whose memory is counted.
struct HeldBody {
    body: BoxBody,
    _held: Held,
}

impl MessageBody for HeldBody {
    type Error = <BoxBody as MessageBody>::Error;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Self::Error>>> {
        self.body.as_pin_mut().poll_next(context)
    }
}

fn accepts_gzip(request: &HttpRequest) -> bool {
    content_negotiation::accepts_gzip(joined(request.headers(), &header::ACCEPT_ENCODING))
}

/// Selects the exposition format for the client.
pub(super) fn exposition(request: &HttpRequest, openmetrics: OpenMetrics) -> Exposition {
    content_negotiation::exposition(&joined(request.headers(), &header::ACCEPT), openmetrics)
}

/// Returns true if a path with a plain and a page form returns the page: to a browser, or if the query
/// requests it.
pub(super) fn wants_page(request: &HttpRequest) -> bool {
    query::parse(request).first("format").map_or_else(
        || content_negotiation::prefers_html(&joined(request.headers(), &header::ACCEPT)),
        |format| format == "html",
    )
}

/// Returns an error in upstream's form: one line of text.
pub(super) fn error(status: StatusCode, message: impl Display) -> HttpResponse {
    HttpResponse::build(status)
        .insert_header((header::CONTENT_TYPE, TEXT))
        .body(format!("{message}\n"))
}

/// Joins all values of a header that contains a list.
fn joined(headers: &HeaderMap, name: &HeaderName) -> String {
    let values = headers.get_all(name).filter_map(|value| value.to_str().ok());
    values.collect::<Vec<_>>().join(",")
}

/// The fastest level. It takes half the time of the default level and still shrinks metrics to a
/// fifth.
const LEVEL: Compression = Compression::fast();

/// Window of 2^13 bytes, about the size of a response. The time for clearing it grows with its size.
const WINDOW_BITS: u8 = 13;

thread_local! {
    /// The tables of the compressor take hundreds of kilobytes. Allocating and clearing them for
    /// each response would cost several times the compression itself.
    static COMPRESSOR: RefCell<Compress> = RefCell::new(compressor());
}

fn compressor() -> Compress {
    Compress::new_gzip(LEVEL, WINDOW_BITS)
}

fn gzip(compressor: &mut Compress, body: &str) -> Result<Vec<u8>, CompressError> {
    compressor.reset();
    let mut compressed = Vec::with_capacity(body.len() / 2);
    let mut rest = body.as_bytes();
    loop {
        let before = compressor.total_in();
        let status = compressor.compress_vec(rest, &mut compressed, FlushCompress::Finish)?;
        if status == Status::StreamEnd {
            return Ok(compressed);
        }
        let taken = usize::try_from(compressor.total_in() - before).unwrap_or(rest.len());
        rest = rest.get(taken..).unwrap_or_default();
        compressed.reserve(rest.len().max(MIN_RESERVED_BYTES));
    }
}

/// Minimum size by which the output grows, in bytes.
const MIN_RESERVED_BYTES: usize = 1024;

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use flate2::read::GzDecoder;

    use super::*;

    #[test]
    fn responses_about_many_or_large_modules_are_large() {
        let module = |number, comment: &str| {
            format!(
                "  m{number}: {{prober: tcp, tcp: {{query_response: [{{send: '{comment}'}}]}}}}\n"
            )
        };
        let config = |count, length| {
            let modules: String =
                (0..count).map(|number| module(number, &"x".repeat(length))).collect();
            Config::parse(format!("modules:\n{modules}"), "test.yml").unwrap()
        };
        for (count, length, expected) in [
            (1, 10, Size::Small),
            (20, 10, Size::Small),
            (21, 10, Size::Large),
            (1, 20_000, Size::Large),
        ] {
            let config = config(count, length);
            assert_eq!(Size::of_modules(&config), expected, "{count} modules of {length}");
            let module = config.module("m0").unwrap();
            assert!((length..length + 200).contains(&module.text_size()), "{length}");
        }
    }

    #[test]
    fn compression_does_not_depend_on_earlier_responses() {
        let noise: String =
            (0..100_000).map(|_| char::from(rand::random_range(b' '..b'~'))).collect();
        for text in ["", "probe_success 1\n", &"x".repeat(1 << 20), &noise, "probe_success 0\n"] {
            let compressed =
                COMPRESSOR.with_borrow_mut(|compressor| gzip(compressor, text)).unwrap();
            let mut back = String::new();
            GzDecoder::new(compressed.as_slice()).read_to_string(&mut back).unwrap();
            assert!(back == text, "{} bytes became {}", text.len(), back.len());
        }
    }
}
