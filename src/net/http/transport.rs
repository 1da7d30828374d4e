//! The stream below HTTP.

use tokio::io::{AsyncRead, AsyncWrite};

/// A byte stream that HTTP runs over: TCP, or TLS over it.
pub(crate) trait Transport: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Transport for S {}
