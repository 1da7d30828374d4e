//! An HTTP server whose behaviour depends on the path, plain or over TLS with HTTP/2.

use std::{io::Write as _, sync::Arc};

use boring::ssl::SslAcceptor;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

/// The addresses of the other servers, for redirects.
#[derive(Debug, Clone, Default)]
pub(super) struct Neighbours {
    /// `host:port` of the server over TLS.
    pub(super) https: String,
    /// A port where nobody listens.
    pub(super) dead: String,
}

pub(super) async fn serve(
    listener: TcpListener,
    tls: Option<SslAcceptor>,
    neighbours: Arc<Neighbours>,
) {
    loop {
        let Ok((stream, _)) = listener.accept().await else { return };
        let (tls, neighbours) = (tls.clone(), Arc::clone(&neighbours));
        tokio::spawn(async move {
            match tls {
                None => answer(stream, &neighbours).await,
                Some(tls) => answer_tls(stream, &tls, &neighbours).await,
            }
        });
    }
}

async fn answer_tls(stream: TcpStream, tls: &SslAcceptor, neighbours: &Neighbours) {
    let Ok(stream) = tokio_boring::accept(tls, stream).await else { return };
    if stream.ssl().selected_alpn_protocol() == Some(b"h2") {
        answer_http2(stream).await;
    } else {
        answer(stream, neighbours).await;
    }
}

/// Reads one request, answers it, and closes.
async fn answer<S: AsyncRead + AsyncWrite + Unpin>(mut stream: S, neighbours: &Neighbours) {
    let Some(request) = Request::read(&mut stream).await else { return };
    let local = request.header("host").unwrap_or_default();
    let response = respond(&request, &local, neighbours);
    stream.write_all(&response).await.ok();
    stream.flush().await.ok();
    stream.shutdown().await.ok();
    // A close while the client sends would be a reset, which is another case.
    let mut rest = [0; 1024];
    while matches!(stream.read(&mut rest).await, Ok(read) if read > 0) {}
}

pub(super) struct Request {
    pub(super) line: String,
    /// Including the request line.
    pub(super) head: String,
    pub(super) body: Vec<u8>,
}

impl Request {
    async fn read<S: AsyncRead + Unpin>(stream: &mut S) -> Option<Self> {
        let mut bytes = Vec::new();
        let end = loop {
            if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
                break end;
            }
            if stream.read_buf(&mut bytes).await.ok()? == 0 {
                return None;
            }
        };
        let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
        let line = head.lines().next()?.to_owned();
        let mut request = Self { line, head, body: bytes.split_off(end + 4) };
        let length = request.header("content-length").and_then(|text| text.parse().ok());
        let chunked = request.header("transfer-encoding").is_some();
        while length.is_some_and(|length: usize| request.body.len() < length)
            || (chunked && !request.body.ends_with(b"0\r\n\r\n"))
        {
            if stream.read_buf(&mut request.body).await.ok()? == 0 {
                return None;
            }
        }
        Some(request)
    }

    fn header(&self, name: &str) -> Option<String> {
        self.head.lines().skip(1).find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
        })
    }

    fn path(&self) -> &str {
        self.line.split(' ').nth(1).unwrap_or("/").split('?').next().unwrap_or("/")
    }
}

pub(super) fn respond(request: &Request, local: &str, neighbours: &Neighbours) -> Vec<u8> {
    let head_only = request.line.starts_with("HEAD ");
    let path = request.path();
    if let Some(rest) = path.strip_prefix("/redirect/") {
        let (code, next) = rest.split_once('/').unwrap_or((rest, "hello"));
        return message(code, &[("Location", &format!("/{next}"))], b"moved", head_only);
    }
    if let Some(code) = path.strip_prefix("/status/") {
        let body: &[u8] = if code == "204" { b"" } else { b"hello from a status" };
        return message(code, &[], body, head_only);
    }
    match path {
        "/echo" => message("200", &[("Content-Type", "text/plain")], &echo(request), head_only),
        "/json" => {
            let body = br#"{"status": "good", "count": 3, "list": [1, 2, 3]}"#;
            message("200", &[("Content-Type", "application/json")], body, head_only)
        }
        "/last-modified" => {
            let date = ("Last-Modified", "Sun, 06 Nov 1994 08:49:37 GMT");
            message("200", &[date], b"hello", head_only)
        }
        "/many-headers" => many_headers(),
        "/chunked" => {
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n".to_vec()
        }
        "/until-close" => b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhello".to_vec(),
        "/http10" => b"HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello".to_vec(),
        "/short-body" => b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhello".to_vec(),
        "/no-answer" => Vec::new(),
        "/garbage" => b"220 mail.example ESMTP\r\n\r\n".to_vec(),
        "/gzip" => {
            message("200", &[("Content-Encoding", "gzip")], &gzip(b"hello, packed"), head_only)
        }
        "/gzip-large" => {
            let body = gzip(&vec![b'x'; 100_000]);
            message("200", &[("Content-Encoding", "gzip")], &body, head_only)
        }
        "/deflate" => message("200", &[], &deflate(b"hello, packed"), head_only),
        "/br" => message("200", &[("Content-Encoding", "br")], BROTLI, head_only),
        "/loop" => message("302", &[("Location", "/loop")], b"again", head_only),
        "/redirect-absolute" => {
            message("302", &[("Location", &format!("http://{local}/hello"))], b"", head_only)
        }
        "/redirect-https" => {
            let place = format!("https://{}/hello", neighbours.https);
            message("302", &[("Location", &place)], b"", head_only)
        }
        "/redirect-ftp" => message("302", &[("Location", "ftp://127.0.0.1/")], b"", head_only),
        "/redirect-dead" => {
            let place = format!("http://{}/", neighbours.dead);
            message("302", &[("Location", &place)], b"", head_only)
        }
        "/set-cookie" => {
            let headers = [("Location", "/echo"), ("Set-Cookie", "fixture=crumb; Path=/")];
            message("302", &headers, b"", head_only)
        }
        _ => {
            message("200", &[("Content-Type", "text/html"), ("X-Fixture", "yes")], HELLO, head_only)
        }
    }
}

const HELLO: &[u8] = b"<b>hello</b>, world\n";

/// `hello, packed` in brotli (RFC 7932).
const BROTLI: &[u8] = b"\x1b\x0c\x00\xf8\xa5\xc8\xcaR\x90A$\xa9V.\xaaSr";

fn message(code: &str, headers: &[(&str, &str)], body: &[u8], head_only: bool) -> Vec<u8> {
    let mut out = Vec::new();
    write!(out, "HTTP/1.1 {code} Fixture\r\n").unwrap();
    if code != "204" {
        write!(out, "Content-Length: {}\r\n", body.len()).unwrap();
    }
    for (name, value) in headers {
        write!(out, "{name}: {value}\r\n").unwrap();
    }
    out.extend_from_slice(b"\r\n");
    if !head_only {
        out.extend_from_slice(body);
    }
    out
}

/// Returns the received request with header names in lower case, padded to a fixed length, since
/// the user agent contains the version.
fn echo(request: &Request) -> Vec<u8> {
    let mut out = request.line.clone().into_bytes();
    out.push(b'\n');
    for line in request.head.lines().skip(1) {
        let (name, value) = line.split_once(':').unwrap_or((line, ""));
        writeln!(out, "{}:{value}", name.to_ascii_lowercase()).unwrap();
    }
    out.push(b'\n');
    out.extend_from_slice(&request.body);
    out.push(b'\n');
    out.resize(2048, b'\n');
    out
}

fn many_headers() -> Vec<u8> {
    let mut out = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n".to_vec();
    for index in 0..150 {
        write!(out, "X-Header-{index}: {index}\r\n").unwrap();
    }
    out.extend_from_slice(b"\r\nhello");
    out
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn deflate(bytes: &[u8]) -> Vec<u8> {
    let mut encoder =
        flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

async fn answer_http2<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(stream: S) {
    use bytes::Bytes;
    use http_body_util::Full;
    use hyper_util::rt::{TokioExecutor, TokioIo};

    let service =
        hyper::service::service_fn(|request: http::Request<hyper::body::Incoming>| async move {
            let mut response = http::Response::builder();
            if let Some(next) = request.uri().path().strip_prefix("/redirect/302") {
                response = response.status(302).header("Location", next.to_owned());
            }
            response.body(Full::new(Bytes::from_static(HELLO)))
        });
    hyper::server::conn::http2::Builder::new(TokioExecutor::new())
        .serve_connection(TokioIo::new(stream), service)
        .await
        .ok();
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_brotli_sample_can_be_decompressed() {
        let mut out = Vec::new();
        brotli_decompressor::BrotliDecompress(&mut &super::BROTLI[..], &mut out).unwrap();
        assert_eq!(out, b"hello, packed");
    }
}
