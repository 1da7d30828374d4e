//! From a connection to one that speaks TLS.

use std::{io, pin::pin, time::Duration};

use futures_util::future::{Either, select};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::sleep,
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

use crate::server::web_config::AccessControl;

/// How long a handshake may take.
const TIMEOUT: Duration = Duration::from_secs(10);

/// The type of the record that opens a handshake.
const HANDSHAKE: u8 = 22;

/// What Go's server says to somebody who forgot the `s` of `https`.
const PLAIN_HTTP: &[u8] = b"HTTP/1.0 400 Bad Request\r\n\r\n\
    Client sent an HTTP request to an HTTPS server.\n";

/// More of a request that is refused anyway is not read.
const MAX_DISCARDED: u64 = 64 << 10;

/// Makes the handshake, under the rules of this moment.
pub(in crate::server) async fn accept(
    stream: TcpStream,
    guard: &AccessControl,
) -> io::Result<TlsStream<TcpStream>> {
    match select(pin!(begin(stream, guard)), pin!(sleep(TIMEOUT))).await {
        Either::Left((result, _)) => result,
        Either::Right(_) => {
            Err(io::Error::new(io::ErrorKind::TimedOut, "the handshake took too long"))
        }
    }
}

async fn begin(stream: TcpStream, guard: &AccessControl) -> io::Result<TlsStream<TcpStream>> {
    // A client that says nothing costs no more than its connection.
    let mut first = [0];
    stream.peek(&mut first).await?;
    if first.iter().all(u8::is_ascii_uppercase) {
        refuse_plain_http(stream).await?;
        return Err(io::Error::other("a request without TLS"));
    }
    if first != [HANDSHAKE] {
        return Err(io::Error::other("no TLS handshake"));
    }
    let Some(config) = guard.tls() else {
        return Err(io::Error::other("there is no TLS to speak"));
    };
    TlsAcceptor::from(config).accept(stream).await
}

/// Reads on until the client has its answer: one that is closed with unread bytes would be lost.
async fn refuse_plain_http(mut stream: TcpStream) -> io::Result<()> {
    stream.write_all(PLAIN_HTTP).await?;
    stream.shutdown().await?;
    tokio::io::copy(&mut stream.take(MAX_DISCARDED), &mut tokio::io::sink()).await?;
    Ok(())
}
