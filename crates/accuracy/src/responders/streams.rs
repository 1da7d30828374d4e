//! Responders over TCP: HTTP, HTTPS and a dialogue.

use std::{
    io::{self, Read, Write},
    net::{IpAddr, Ipv4Addr, SocketAddrV4, TcpListener, TcpStream},
    sync::Arc,
    thread,
    time::Duration,
};

use anyhow::Result;
use boring::ssl::{SslAcceptor, SslStream};
use socket2::{Domain, Socket, Type};

use super::super::tls::Identity;
use super::service::{Delays, NEVER, eager_thread, port};

/// The whole answer to any HTTP request.
pub(super) const PAGE: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";

pub(super) fn start(delays: &Delays, identity: &Identity) -> Result<()> {
    let acceptor = identity.acceptor()?;
    serve(port::HTTP, delays, http)?;
    serve(port::DIALOGUE, delays, dialogue)?;
    let acceptor_of_dialogues = acceptor.clone();
    serve(port::HTTPS, delays, move |stream, delay| {
        http(accept_late(&acceptor, stream, delay)?, Duration::ZERO)
    })?;
    serve(port::TLS_DIALOGUE, delays, move |stream, delay| {
        dialogue(accept_late(&acceptor_of_dialogues, stream, delay)?, Duration::ZERO)
    })?;
    Ok(())
}

/// Makes a handshake that takes the time of the delay, so that the answer can come at once.
fn accept_late(
    acceptor: &SslAcceptor,
    mut stream: TcpStream,
    delay: Duration,
) -> io::Result<SslStream<TcpStream>> {
    if delay == NEVER {
        io::copy(&mut stream, &mut io::sink())?;
        return Err(io::ErrorKind::TimedOut.into());
    }
    stream.peek(&mut [0])?;
    thread::sleep(delay);
    acceptor.accept(stream).map_err(io::Error::other)
}

/// Answers every connection on a thread of its own.
fn serve(
    port: u16,
    delays: &Delays,
    answer: impl Fn(TcpStream, Duration) -> io::Result<()> + Send + Sync + 'static,
) -> io::Result<()> {
    // The kernel's limit is lower. The standard library's backlog is too small for many probes
    // that an exporter begins at once.
    const BACKLOG: i32 = 1 << 16;
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    socket.set_reuse_address(true)?;
    socket.bind(&SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, port).into())?;
    socket.listen(BACKLOG)?;
    let listener = TcpListener::from(socket);
    let (delays, answer) = (delays.clone(), Arc::new(answer));
    eager_thread("responder", move || {
        while let Ok((stream, _)) = listener.accept() {
            let Ok(IpAddr::V4(asked)) = stream.local_addr().map(|address| address.ip()) else {
                continue;
            };
            let (delay, answer) = (delays.of(asked), Arc::clone(&answer));
            let work = move || {
                stream.set_nodelay(true).ok();
                // What goes wrong here goes wrong for the exporter as well, which says so.
                answer(stream, delay).ok();
            };
            thread::Builder::new().spawn(work).ok();
        }
    })
}

fn http(mut stream: impl Read + Write, delay: Duration) -> io::Result<()> {
    let mut received = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let length = stream.read(&mut buffer)?;
        if length == 0 {
            return Ok(());
        }
        received.extend_from_slice(buffer.get(..length).unwrap_or_default());
        if delay != NEVER && received.ends_with(b"\r\n\r\n") {
            thread::sleep(delay);
            stream.write_all(PAGE)?;
            received.clear();
        }
    }
}

fn dialogue(mut stream: impl Read + Write, delay: Duration) -> io::Result<()> {
    let mut buffer = [0; 4096];
    while stream.read(&mut buffer)? > 0 {
        if delay == NEVER {
            continue;
        }
        thread::sleep(delay);
        stream.write_all(b"welcome\n")?;
    }
    Ok(())
}
