//! TLS handshake of the listener.

use std::{future::poll_fn, io, time::Duration};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::sleep,
};
use tokio_rustls::{LazyConfigAcceptor, rustls::server::Acceptor, server::TlsStream};

use crate::{
    scheduling::{poll_times::section, pool},
    server::{
        connections::Connection,
        web_config::{AccessControl, ServerTls},
    },
};

/// Timeout of a handshake.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Type of the TLS record that starts a handshake.
const HANDSHAKE_RECORD: u8 = 22;

/// Response to a plain HTTP request; the same as Go's.
const PLAIN_HTTP: &[u8] = b"HTTP/1.0 400 Bad Request\r\n\r\n\
    Client sent an HTTP request to an HTTPS server.\n";

/// Maximum number of bytes of a plain HTTP request that are read and discarded.
const MAX_DISCARDED: u64 = 64 << 10;

/// Performs the handshake with the active TLS settings.
pub(in crate::server) async fn accept(
    stream: TcpStream,
    connection: &Connection,
    access_control: &AccessControl,
) -> io::Result<TlsStream<TcpStream>> {
    tokio::select! {
        result = handshake(stream, access_control) => result,
        () = sleep(TIMEOUT) => {
            let message = format!("TLS handshake timeout after {} s", TIMEOUT.as_secs());
            Err(io::Error::new(io::ErrorKind::TimedOut, message))
        }
        () = poll_fn(|context| connection.poll_closing(context)) => {
            Err(io::Error::other("connection closed during the TLS handshake: too many others"))
        }
    }
}

async fn handshake(
    stream: TcpStream,
    access_control: &AccessControl,
) -> io::Result<TlsStream<TcpStream>> {
    // Peeking first allocates no TLS state for a client that sends nothing.
    let mut first = [0];
    stream.peek(&mut first).await?;
    if first.iter().all(u8::is_ascii_uppercase) {
        refuse_plain_http(stream).await?;
        return Err(io::Error::other("client sent a plain HTTP request"));
    }
    if first != [HANDSHAKE_RECORD] {
        return Err(io::Error::other("first record is not a TLS handshake"));
    }
    let Some(ServerTls { config, signs_slowly }) = access_control.tls() else {
        return Err(io::Error::other("TLS is not configured"));
    };
    let handshake = LazyConfigAcceptor::new(Acceptor::default(), stream).await?;
    let answer = move || section("TLS signature", || handshake.into_stream(config));
    let answered =
        if signs_slowly { pool::run(answer).await.map_err(io::Error::other)? } else { answer() };
    answered.await
}

/// Sends the response and reads the rest of the request: closing a connection with unread bytes
/// would discard the response.
async fn refuse_plain_http(mut stream: TcpStream) -> io::Result<()> {
    stream.write_all(PLAIN_HTTP).await?;
    stream.shutdown().await?;
    tokio::io::copy(&mut stream.take(MAX_DISCARDED), &mut tokio::io::sink()).await?;
    Ok(())
}
