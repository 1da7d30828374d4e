//! The targets.

use std::path::Path;

use tokio::io::AsyncReadExt as _;

use crate::fixtures::{
    dns::{A, dns, message, record},
    grpc::GrpcServer,
    hostile::{Peer, RUNTIME, Then, greeting, peer},
    ports::closed_port,
    tcp::tcp,
    tls::{leaf, server},
    websocket::websocket,
};
#[cfg(feature = "http3")]
use crate::fixtures::{http::ok, http3::http3};

/// A target with the expected result of its probes.
pub(super) struct Kind {
    pub(super) module: &'static str,
    pub(super) target: String,
    /// Empty for a success.
    pub(super) reason: &'static str,
}

/// The servers of all targets.
pub(super) struct Servers {
    pub(super) kinds: Vec<Kind>,
    /// The port that the policy denies at times.
    pub(super) denied: u16,
    pub(super) hanging: String,
    _running: Vec<Box<dyn Send + Sync>>,
}

impl Servers {
    pub(super) fn start(folder: &Path) -> Self {
        let _inside = RUNTIME.enter();
        let context = || server(&leaf("127.0.0.1").self_signed());
        let page = web(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello".to_vec());
        let large = format!("{}hello", "x".repeat(300_000));
        let large = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{large}", large.len());
        let large = web(large.into_bytes());
        let to = |address| {
            format!(
                "HTTP/1.1 302 Found\r\nLocation: http://{address}/\r\nContent-Length: 0\r\n\r\n"
            )
        };
        let redirect = web(to(page.address).into_bytes());
        let endless =
            web(b"HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 0\r\n\r\n".to_vec());
        let missing = web(b"HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n".to_vec());
        let tls = || context().alpn(b"\x08http/1.1").context();
        let secure = over_tls(tls(), b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", true);
        let greeter = over_tls(tls(), b"hello\r\n", false);
        let garbage = greeting("\x00\x01garbage\r\n\r\n", Then::Close);
        let [hello, resetting, closing, silent] = [
            greeting("hello\r\n", Then::Close),
            greeting("", Then::Reset),
            greeting("", Then::Close),
            greeting("", Then::Wait),
        ];
        let names = RUNTIME.block_on(
            dns().reply(message().answer(record("host.example", A, &[127, 0, 0, 1]))).start(),
        );
        let gone = RUNTIME.block_on(dns().reply(message().rcode(3)).start());
        let grpc = RUNTIME.block_on(GrpcServer::start("127.0.0.1", None));
        let upgrading = RUNTIME.block_on(websocket().start());
        let local = folder.join("socket");
        let unix = tcp().say("hello\r\n").start_at(&local);
        let closed = closed_port();
        let kind = |module, target: String, reason| Kind { module, target, reason };
        let http = |peer: &Peer| format!("http://{}/", peer.address);
        let https = |peer: &Peer| format!("https://{}/", peer.address);
        let at = |peer: &Peer| peer.address.to_string();
        let mut kinds = vec![
            kind("http", http(&page), ""),
            kind("http", http(&large), ""),
            kind("http", http(&redirect), ""),
            kind("http", http(&endless), "too_many_redirects"),
            kind("http", http(&missing), "status"),
            kind("http", http(&garbage), "not_http"),
            kind("http", http(&resetting), "reset"),
            kind("http", http(&closing), "closed"),
            kind("http", format!("http://{}/", closed.address), "refused"),
            kind("cut", http(&silent), "timeout"),
            kind("https", https(&secure), ""),
            kind("verified", https(&secure), "certificate_unknown_authority"),
            kind("https", https(&garbage), "not_tls"),
            kind("tcp", at(&hello), ""),
            kind("tcp", at(&closing), "dialogue"),
            kind("tcp", closed.address.to_string(), "refused"),
            kind("tcp_cut", at(&silent), "timeout"),
            kind("tls", at(&greeter), ""),
            kind("dns", names.address.to_string(), ""),
            kind("dns_tcp", names.address.to_string(), ""),
            kind("dns", gone.address.to_string(), "rcode"),
            kind("icmp", "127.0.0.1".to_owned(), ""),
            kind("grpc", grpc.address.to_string(), ""),
            kind("grpc_down", grpc.address.to_string(), "not_serving"),
            kind("websocket", format!("ws://{}/", upgrading.address), ""),
            kind("websocket", format!("ws://{}/", page.address), "status"),
            kind("unix", local.display().to_string(), ""),
        ];
        let (denied, hanging) = (page.address.port(), http(&silent));
        let mut running: Vec<Box<dyn Send + Sync>> = vec![
            Box::new([page, large, redirect, endless, missing, secure, greeter, garbage]),
            Box::new([hello, resetting, closing, silent]),
            Box::new((names, gone, grpc, upgrading, unix)),
            Box::new(closed),
        ];
        #[cfg(feature = "http3")]
        {
            let server = http3([ok("hello")]).start(context().builder());
            kinds.push(kind("http3", format!("https://{}/", server.address), ""));
            running.push(Box::new(server));
        }
        Self { kinds, denied, hanging, _running: running }
    }
}

/// Starts a server that responds with these bytes to each request, and closes.
fn web(response: Vec<u8>) -> Peer {
    peer(move |mut visit| {
        let response = response.clone();
        async move {
            let mut head = [0; 4096];
            if visit.stream.read(&mut head).await? > 0 {
                visit.say(response).await?;
                visit.until_gone().await?;
            }
            Ok(())
        }
    })
}

/// Starts a server that says this over TLS, optionally after a request.
fn over_tls(context: boring::ssl::SslContext, said: &'static [u8], reads: bool) -> Peer {
    peer(move |visit| {
        let context = context.clone();
        async move {
            let mut visit = visit.secure(&context).await?;
            let mut head = [0; 4096];
            if !reads || visit.stream.read(&mut head).await? > 0 {
                visit.say(said).await?;
                visit.until_gone().await?;
            }
            Ok(())
        }
    })
}
