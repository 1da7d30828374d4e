//! The head of a response, read as Go's client does.
//!
//! Lines end with LF, with any number of CRs before it. Blanks and control characters are allowed
//! where they do no harm: several blanks before the status code, anything in the reason phrase,
//! blanks before a colon, folded header lines.
//!
//! Unlike upstream, which refuses the whole response: a header line without a colon or with an
//! impossible name is ignored, and a control character in a value counts as a blank.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use memchr::memchr;

use crate::net::http::{error::ExchangeError, limits::MAX_LINES, version::HttpVersion};

/// The head of a response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) version: HttpVersion,
    pub(crate) status: StatusCode,
    /// The reason phrase.
    pub(crate) reason: Bytes,
    pub(crate) headers: HeaderMap,
    /// The first header line that is malformed and therefore not among the headers.
    pub(crate) ignored: Option<Bytes>,
}

/// A line without LF and the CRs before it.
fn without_end(line: &[u8]) -> &[u8] {
    let mut line = line.strip_suffix(b"\n").unwrap_or(line);
    while let Some(shorter) = line.strip_suffix(b"\r") {
        line = shorter;
    }
    line
}

/// Without the blanks around it.
fn trimmed(mut text: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = text {
        text = rest;
    }
    text
}

/// Returns whether a line continues the one before it.
fn continues(line: &[u8]) -> bool {
    matches!(line, [b' ' | b'\t', ..])
}

impl Head {
    /// Reads a complete head with about this many lines.
    pub(super) fn read(head: &Bytes, lines: usize) -> Result<Self, ExchangeError> {
        let mut lines_left = Lines { head, from: 0 };
        let first = lines_left.by_ref().find(|line| !line.is_empty()).unwrap_or_default();
        let (version, status, reason) = status_line(first)?;
        let reason = head.slice_ref(reason);
        let too_many = |_| ExchangeError::too_many_headers(MAX_LINES);
        let mut headers =
            HeaderMap::try_with_capacity(lines.saturating_sub(2)).map_err(too_many)?;
        let mut ignored = None;
        while let Some(line) = lines_left.next() {
            let folded = lines_left.folded_into(line);
            let value = match &folded {
                Some(folded) => field(folded, Bytes::copy_from_slice),
                None => field(line, |value| head.slice_ref(value)),
            };
            match value {
                Field::Good(name, value) => {
                    headers.try_append(name, value).map_err(too_many)?;
                }
                Field::Ignored => {}
                Field::Malformed if decides_end(line) => {
                    return Err(ExchangeError::line("malformed header line", line));
                }
                Field::Malformed => ignored = ignored.or_else(|| Some(head.slice_ref(line))),
            }
        }
        Ok(Self { version, status, reason, headers, ignored })
    }

    /// Returns whether it announces another response.
    pub(super) fn is_interim(&self) -> bool {
        self.status.is_informational() && self.status != StatusCode::SWITCHING_PROTOCOLS
    }
}

/// The lines of a head, without their ends and without the empty one that is the last.
struct Lines<'h> {
    head: &'h [u8],
    from: usize,
}

impl<'h> Iterator for Lines<'h> {
    type Item = &'h [u8];

    fn next(&mut self) -> Option<&'h [u8]> {
        let rest = self.head.get(self.from..)?;
        let length = memchr(b'\n', rest)? + 1;
        self.from += length;
        let line = without_end(rest.get(..length)?);
        (self.from < self.head.len()).then_some(line)
    }
}

impl Lines<'_> {
    /// Returns the whole of a folded header line that begins with `line`, if it is folded.
    fn folded_into(&mut self, line: &[u8]) -> Option<Vec<u8>> {
        let mut whole: Option<Vec<u8>> = None;
        loop {
            let from = self.from;
            match self.next() {
                Some(more) if continues(more) => {
                    let whole = whole.get_or_insert_with(|| trimmed(line).to_vec());
                    whole.push(b' ');
                    whole.extend_from_slice(trimmed(more));
                }
                _ => {
                    self.from = from;
                    return whole;
                }
            }
        }
    }
}

/// Headers that say where the body ends.
const FRAMING: [HeaderName; 2] = [header::CONTENT_LENGTH, header::TRANSFER_ENCODING];

/// Returns whether a line begins with the name of a header that says where the body ends.
fn decides_end(line: &[u8]) -> bool {
    FRAMING.iter().map(|name| name.as_str().as_bytes()).any(|name| {
        line.get(..name.len()).is_some_and(|beginning| beginning.eq_ignore_ascii_case(name))
    })
}

/// A header line.
enum Field {
    Good(HeaderName, HeaderValue),
    /// A header that does not count.
    Ignored,
    Malformed,
}

/// Reads a header line; `shared` makes its value.
fn field(line: &[u8], shared: impl Fn(&[u8]) -> Bytes) -> Field {
    let colon = memchr(b':', line).filter(|_| !continues(line));
    let Some((name, value)) = colon.and_then(|colon| line.split_at_checked(colon)) else {
        return Field::Malformed;
    };
    let is_spaced = name.ends_with(b" ") || name.ends_with(b"\t");
    let Ok(name) = HeaderName::from_bytes(trimmed(name)) else { return Field::Malformed };
    let decides_end = FRAMING.contains(&name);
    if is_spaced && decides_end {
        // As Go's client has it, these do not count.
        return Field::Ignored;
    }
    let value = trimmed(value.get(1..).unwrap_or_default());
    match HeaderValue::from_maybe_shared(shared(value)) {
        Ok(value) => Field::Good(name, value),
        Err(_) if decides_end => Field::Malformed,
        Err(_) => with_blanks(value).map_or(Field::Malformed, |value| Field::Good(name, value)),
    }
}

/// Returns a value with blanks in place of control characters (RFC 9110, section 5.5), which header
/// rules can look at.
fn with_blanks(value: &[u8]) -> Option<HeaderValue> {
    let blank = |byte: &u8| if byte.is_ascii_control() { b' ' } else { *byte };
    let value: Vec<u8> = value.iter().map(blank).collect();
    HeaderValue::from_bytes(trimmed(&value)).ok()
}

/// Reads version, status code and reason phrase.
fn status_line(line: &[u8]) -> Result<(HttpVersion, StatusCode, &[u8]), ExchangeError> {
    let bad = |what: &str| ExchangeError::line(what, line);
    let blank = memchr(b' ', line).unwrap_or(line.len());
    let (version, rest) = line.split_at_checked(blank).unwrap_or_default();
    let &[b'H', b'T', b'T', b'P', b'/', major @ b'0'..=b'9', b'.', minor @ b'0'..=b'9'] = version
    else {
        return Err(bad("the status line does not begin with a version such as HTTP/1.1"));
    };
    let blanks = rest.iter().take_while(|byte| **byte == b' ').count();
    let rest = rest.get(blanks..).unwrap_or_default();
    let end = memchr(b' ', rest).unwrap_or(rest.len());
    let (code, reason) = rest.split_at_checked(end).unwrap_or_default();
    let code = match code {
        [b'1'..=b'9', b'0'..=b'9', b'0'..=b'9'] => StatusCode::from_bytes(code).ok(),
        _ => None,
    };
    let code = code.ok_or_else(|| bad("the status line has no status code from 100 to 999"))?;
    let version = HttpVersion { major: major - b'0', minor: minor - b'0' };
    Ok((version, code, reason.get(1..).unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::{
        super::head_reader::{Found, tests::read},
        *,
    };

    /// The head that `bytes` are, however they are cut.
    fn head(bytes: &[u8]) -> Option<Head> {
        let (whole, _) = read(bytes, usize::MAX);
        for size in [1, 2, 3, 7] {
            assert_eq!(read(bytes, size).0, whole, "{} by {size}", bytes.escape_ascii());
        }
        match whole {
            Ok(Found::Head(head)) => Some(head),
            _ => None,
        }
    }

    #[test]
    fn a_status_line_is_read_as_go_reads_it() {
        for (line, expected) in [
            (&b"HTTP/1.1 200 OK"[..], Some(((1, 1), 200, &b"OK"[..]))),
            (b"HTTP/1.1 200", Some(((1, 1), 200, b""))),
            (b"HTTP/1.1 200 ", Some(((1, 1), 200, b""))),
            (b"HTTP/1.1    200 OK", Some(((1, 1), 200, b"OK"))),
            (b"HTTP/1.1 200   OK", Some(((1, 1), 200, b"  OK"))),
            (b"HTTP/1.1 200 OK\0", Some(((1, 1), 200, b"OK\0"))),
            (b"HTTP/1.1 200 O\x01K", Some(((1, 1), 200, b"O\x01K"))),
            (b"HTTP/1.1 200 \x1b[1mOK", Some(((1, 1), 200, b"\x1b[1mOK"))),
            (b"HTTP/1.1 200 O\rK", Some(((1, 1), 200, b"O\rK"))),
            (b"HTTP/1.1 200 OK\r\r", Some(((1, 1), 200, b"OK"))),
            (b"HTTP/1.1 404 caf\xe9", Some(((1, 1), 404, b"caf\xe9"))),
            (b"HTTP/1.0 999 x", Some(((1, 0), 999, b"x"))),
            (b"HTTP/0.0 200 x", Some(((0, 0), 200, b"x"))),
            (b"HTTP/9.1 200 x", Some(((9, 1), 200, b"x"))),
            (b"\r\nHTTP/1.1 200 OK", Some(((1, 1), 200, b"OK"))),
            (b"HTTP/1.1\t200 OK", None),
            (b"HTTP/1.1 200\tOK", None),
            (b"HTTP/1.1 20 OK", None),
            (b"HTTP/1.1 2000 OK", None),
            (b"HTTP/1.1 2x0 OK", None),
            (b"HTTP/1.1 -20 OK", None),
            (b"HTTP/1.1 099 OK", None),
            (b"HTTP/1.1 200OK", None),
            (b"HTTP/1.1 OK", None),
            (b"HTTP/1.1", None),
            (b"HTTP/2 200 OK", None),
            (b"HTTP/1.10 200 OK", None),
            (b"HTTP/1,1 200 OK", None),
            (b"HTTP 200 OK", None),
        ] {
            let found = head(&[line, b"\r\n\r\n"].concat());
            let found = found
                .as_ref()
                .map(|head| ((head.version.major, head.version.minor), head.status, &head.reason));
            let expected = expected.map(|(version, status, reason)| {
                (version, StatusCode::from_u16(status).unwrap(), Bytes::from_static(reason))
            });
            let expected = expected.as_ref().map(|(v, status, reason)| (*v, *status, reason));
            assert_eq!(found, expected, "{}", line.escape_ascii());
        }
    }

    #[test]
    fn header_lines_are_read_as_go_reads_them_or_left_out() {
        for (lines, expected) in [
            (&b"X-A: b\r\n"[..], &[("x-a", &b"b"[..])][..]),
            (b"X-A:b\n", &[("x-a", b"b")]),
            (b"X-A: b\r\r\n", &[("x-a", b"b")]),
            (b"X-A:  \t b c \t \r\n", &[("x-a", b"b c")]),
            (b"X-A:\r\nX-B: \r\n", &[("x-a", b""), ("x-b", b"")]),
            (b"X-A: caf\xe9\tb\r\n", &[("x-a", b"caf\xe9\tb")]),
            (b"X-A:: b\r\n", &[("x-a", b": b")]),
            (b"X-A : b\r\nX-B\t: c\r\n", &[("x-a", b"b"), ("x-b", b"c")]),
            (
                b"X-A: one\r\n  two\r\n\tthree \r\nX-B: c\r\n",
                &[("x-a", b"one two three"), ("x-b", b"c")],
            ),
            (b"X-A: one\n \r\n", &[("x-a", b"one")]),
            (b"X-A:\r\n one\r\n", &[("x-a", b"one")]),
            (b"Content-Length : 5\r\nTransfer-Encoding\t: x\r\nX-B: c\r\n", &[("x-b", b"c")]),
            (b" X-A: b\r\nX-B: c\r\n", &[("x-b", b"c")]),
            (b"nothing\r\nX-B: c\r\n", &[("x-b", b"c")]),
            (b": b\r\nX-B: c\r\n", &[("x-b", b"c")]),
            (b"X A: b\r\nX@A: b\r\nX-\xc3\xa9: b\r\nX-B: c\r\n", &[("x-b", b"c")]),
            (
                b"X-A: b\0\r\nX-A: \x01\r\nX-A: b\x7f\r\nX-A: a\rb\r\nX-B: c\r\n",
                &[("x-a", b"b"), ("x-a", b""), ("x-a", b"b"), ("x-a", b"a b"), ("x-b", b"c")],
            ),
        ] {
            let found = head(&[b"HTTP/1.1 200 OK\r\n", lines, b"\r\n"].concat());
            let headers = found.unwrap_or_else(|| panic!("{}", lines.escape_ascii())).headers;
            let found: Vec<_> =
                headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
            assert_eq!(found, expected, "{}", lines.escape_ascii());
        }
        // A wrong length would be worse than none.
        for line in [
            "Content-Length: 5\u{1}",
            "Transfer-Encoding: \u{b}chunked",
            "Content-Length 5",
            "content-length\u{b}: 5",
            "Transfer-Encoding\0: chunked",
            "Transfer-Encoding",
        ] {
            let (found, _) = read(format!("HTTP/1.1 200 OK\r\n{line}\r\n\r\n").as_bytes(), 100);
            assert!(found.is_err(), "{line}: {found:?}");
        }
    }
}
