//! Answers: their content type, their errors, their compression.

use std::{cell::RefCell, fmt::Display};

use actix_web::{
    HttpRequest, HttpResponse,
    http::{
        StatusCode,
        header::{self, HeaderMap, HeaderName},
    },
};
use flate2::{Compress, CompressError, Compression, FlushCompress, Status};

use crate::server::content_negotiation::{self, Exposition, OpenMetrics};

/// As upstream's own text pages say it.
pub(super) const TEXT: &str = "text/plain; charset=utf-8";

/// As upstream says of debug output, logs and configuration.
pub(super) const BARE_TEXT: &str = "text/plain";

pub(super) const JSON: &str = "application/json";

pub(super) const HTML: &str = "text/html; charset=utf-8";

/// A smaller answer fits one packet anyway.
const WORTH_COMPRESSING: usize = 512;

/// A page, compressed if the client takes that.
pub(super) fn page(request: &HttpRequest, content_type: &str, body: String) -> HttpResponse {
    let mut response = HttpResponse::Ok();
    response.insert_header((header::CONTENT_TYPE, content_type));
    let wanted =
        content_negotiation::takes_gzip(joined(request.headers(), &header::ACCEPT_ENCODING));
    match Some(&body).filter(|body| wanted && body.len() >= WORTH_COMPRESSING).map(gzip) {
        Some(Ok(compressed)) => {
            response.insert_header((header::CONTENT_ENCODING, "gzip")).body(compressed)
        }
        Some(Err(_)) | None => response.body(body),
    }
}

/// The form of metrics that the client is to have.
pub(super) fn exposition(request: &HttpRequest, openmetrics: OpenMetrics) -> Exposition {
    content_negotiation::exposition(&joined(request.headers(), &header::ACCEPT), openmetrics)
}

/// An error, in the form that upstream's have: one line of text.
pub(super) fn error(status: StatusCode, message: impl Display) -> HttpResponse {
    HttpResponse::build(status)
        .insert_header((header::CONTENT_TYPE, TEXT))
        .body(format!("{message}\n"))
}

/// All values of a header that is a list.
fn joined(headers: &HeaderMap, name: &HeaderName) -> String {
    let values = headers.get_all(name).filter_map(|value| value.to_str().ok());
    values.collect::<Vec<_>>().join(",")
}

/// The fastest level: it halves the time of the default one and still takes four fifths off
/// metrics text.
const LEVEL: Compression = Compression::fast();

/// 2^13 bytes, about as many as an answer has; what is to be cleared grows with it.
const WINDOW_BITS: u8 = 13;

thread_local! {
    /// Its tables have hundreds of kilobytes; to get and clear them anew for each answer would cost
    /// several times what compressing does.
    static COMPRESSOR: RefCell<Compress> =
        RefCell::new(Compress::new_gzip(LEVEL, WINDOW_BITS));
}

fn gzip(body: &String) -> Result<Vec<u8>, CompressError> {
    COMPRESSOR.with_borrow_mut(|compressor| {
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
            compressed.reserve(rest.len().max(MORE));
        }
    })
}

/// Room that is made for what is left when a text can hardly be compressed.
const MORE: usize = 1024;

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use flate2::read::GzDecoder;

    use super::*;

    #[test]
    fn what_is_compressed_comes_back_whatever_was_compressed_before() {
        let noise: String =
            (0..100_000).map(|_| char::from(rand::random_range(b' '..b'~'))).collect();
        for text in ["", "probe_success 1\n", &"x".repeat(1 << 20), &noise, "probe_success 0\n"] {
            let compressed = gzip(&text.to_owned()).unwrap();
            let mut back = String::new();
            GzDecoder::new(compressed.as_slice()).read_to_string(&mut back).unwrap();
            assert!(back == text, "{} bytes became {}", text.len(), back.len());
        }
    }
}
