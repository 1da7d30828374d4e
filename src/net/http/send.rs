//! What connections of HTTP are made of, and what bounds their responses.

use tokio::io::{AsyncRead, AsyncWrite};

/// What bytes go through: TCP, or TLS over it.
pub(crate) trait Transport: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Transport for S {}

/// The head of a response, trailers included, may have this many bytes.
///
/// Unlike upstream, which takes 10 MiB.
pub(crate) const LARGEST_HEAD: usize = 512 << 10;

/// And this many headers, for which room is made before they come.
pub(crate) const MOST_HEADERS: usize = 4096;

/// How much of a body is read ahead. Go's client has 4 MiB for HTTP/2, on each connection.
pub(crate) const READ_AHEAD: u32 = 1 << 20;
