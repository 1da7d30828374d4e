//! Responders over TCP: HTTP, HTTPS and a dialogue.

use std::{
    io::{self, Read, Write},
    net::{IpAddr, Ipv4Addr, TcpListener, TcpStream},
    sync::Arc,
    thread,
    time::Duration,
};

use anyhow::Result;

use super::super::tls::Identity;
use super::service::{Delays, eager_thread, port};

/// The whole answer to any HTTP request.
pub(super) const PAGE: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";

pub(super) fn start(delays: &Delays, identity: &Identity) -> Result<()> {
    let acceptor = identity.acceptor()?;
    serve(port::HTTP, delays, http)?;
    serve(port::DIALOGUE, delays, dialogue)?;
    serve(port::HTTPS, delays, move |stream, delay| {
        // The handshake is what takes time here, and the answer comes at once.
        stream.peek(&mut [0])?;
        thread::sleep(delay);
        let stream = acceptor.accept(stream).map_err(io::Error::other)?;
        http(stream, Duration::ZERO)
    })?;
    Ok(())
}

/// Answers every connection on a thread of its own.
fn serve(
    port: u16,
    delays: &Delays,
    answer: impl Fn(TcpStream, Duration) -> io::Result<()> + Send + Sync + 'static,
) -> io::Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, port))?;
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
        if received.ends_with(b"\r\n\r\n") {
            thread::sleep(delay);
            stream.write_all(PAGE)?;
            received.clear();
        }
    }
}

fn dialogue(mut stream: TcpStream, delay: Duration) -> io::Result<()> {
    let mut buffer = [0; 4096];
    while stream.read(&mut buffer)? > 0 {
        thread::sleep(delay);
        stream.write_all(b"welcome\n")?;
    }
    Ok(())
}
