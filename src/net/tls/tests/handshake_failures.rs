//! Handshakes that fail for other reasons than the server's certificate.

use std::{io, net::SocketAddr, pin::Pin, sync::Arc, task};

use boring::ssl::{Ssl, SslVersion};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, DuplexStream, ReadBuf},
    net::TcpListener,
    sync::Notify,
};
use tokio_boring::SslStreamBuilder;

use super::{Outcome, connect, connect_as, connect_to, context, fixtures, peer, trusting};
use crate::{
    diagnostics::{Failure, Reason, Stage},
    net::tls::{Handshake, TlsClient, VerifyResult, fallback},
    settings::tls::{TlsSettings, TlsVersion},
};

const HOST: &str = "host.test";

/// A client certificate of `authority` in `settings`, written as `key_pem`.
fn identified(settings: TlsSettings, client: &fixtures::Issued, key: &str) -> TlsSettings {
    TlsSettings { cert: client.pem(), key: crate::settings::secret::Secret::new(key), ..settings }
}

#[tokio::test]
async fn a_client_certificate_is_shown_whatever_the_form_of_its_key() {
    let clients = fixtures::authority("Clients").self_signed();
    let rsa = fixtures::leaf("client").key(fixtures::Key::Rsa(2048)).signed_by(&clients);
    let ec = fixtures::leaf("client").signed_by(&clients);
    let pem = |bytes| String::from_utf8(bytes).unwrap();
    let pkcs1 = pem(rsa.key.rsa().unwrap().private_key_to_pem().unwrap());
    let sec1 = pem(ec.key.ec_key().unwrap().private_key_to_pem().unwrap());
    assert!(pkcs1.contains("BEGIN RSA PRIVATE KEY") && sec1.contains("BEGIN EC PRIVATE KEY"));
    let pki = fixtures::pki(fixtures::leaf(HOST));
    let server = pki.server().demand_client_certificate(&clients).start().await;
    for (client, key) in [(&rsa, pkcs1), (&rsa, rsa.key_pem()), (&ec, sec1), (&ec, ec.key_pem())] {
        let settings = identified(trusting(&pki.root), client, &key);
        for version in [TlsVersion::Tls12, TlsVersion::Tls13] {
            let settings = TlsSettings { max_version: Some(version), ..settings.clone() };
            let mut stream = connect(&server, settings, HOST).await.stream.unwrap();
            let mut greeting = [0; 6];
            stream.read_exact(&mut greeting).await.unwrap();
            assert_eq!(&greeting, b"hello\n", "{version}");
        }
    }
}

/// The failure of a connection whose server has something against the client.
async fn rejection(outcome: Outcome) -> Failure {
    match outcome.stream {
        Err(failure) => failure,
        // In TLS 1.3 the client is done before the server has looked at its certificate.
        Ok(mut stream) => {
            let error = stream.read_u8().await.unwrap_err();
            Failure::io(Stage::Response, "reading", &error)
        }
    }
}

#[tokio::test]
async fn a_missing_or_bad_client_certificate_is_told_apart() {
    let clients = fixtures::authority("Clients").self_signed();
    let stranger = fixtures::leaf("stranger").self_signed();
    let pki = fixtures::pki(fixtures::leaf(HOST));
    for version in [SslVersion::TLS1_2, SslVersion::TLS1_3] {
        let server =
            pki.server().version(version).demand_client_certificate(&clients).start().await;

        let none = rejection(connect(&server, trusting(&pki.root), HOST).await).await;
        assert_eq!(none.reason, Reason::ClientCertificateRequired, "{version:?}: {none}");

        let settings = identified(trusting(&pki.root), &stranger, &stranger.key_pem());
        let bad = rejection(connect(&server, settings, HOST).await).await;
        assert_eq!(bad.reason, Reason::ClientCertificateRejected, "{version:?}: {bad}");
        assert_eq!((none.stage, bad.stage), (Stage::Tls, Stage::Tls));
    }
}

/// A server that answers the first bytes with `answer` and closes.
async fn answering(answer: &'static [u8]) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        assert!(stream.read(&mut [0; 4096]).await.unwrap() > 0);
        stream.write_all(answer).await.unwrap();
    });
    address
}

#[tokio::test]
async fn what_is_not_tls_is_named() {
    let cases: [(&[u8], Reason, &str); 6] = [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", Reason::NotTls, "\"HTTP/1.1 400 Bad Request\""),
        (b"SSH-2.0-OpenSSH_9.2\r\n", Reason::NotTls, "\"SSH-2.0-OpenSSH_9.2\""),
        (b"", Reason::Closed, "closed the connection"),
        (b"\x16\x03\x03\x00\x40", Reason::Closed, "closed the connection"),
        (b"\x15\x03\x01\x00\x02\x02\x28", Reason::TlsIncompatible, "\"handshake failure\""),
        (b"\x15\x03\x01\x00\x02\x02\x50", Reason::TlsProtocol, "\"internal error\""),
    ];
    for (answer, reason, text) in cases {
        let client = TlsClient::default();
        let outcome = connect_to(&client, answering(answer).await, HOST, &[]).await;
        let failure = outcome.failure();
        assert_eq!((failure.stage, failure.reason), (Stage::Tls, reason), "{failure}");
        assert!(failure.message.contains(text), "{failure}");
        assert!(outcome.seen.is_none());
    }
}

#[tokio::test]
async fn what_is_not_tls_is_named_in_the_place_of_a_server_that_needed_the_fallback_engine() {
    for (answer, text) in [
        (&b"HTTP/1.1 400 Bad Request\r\n\r\n"[..], "\"HTTP/1.1\""),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "\"SSH-2.0-\""),
    ] {
        let address = answering(answer).await;
        fallback::remember((peer(address), HOST.to_owned()), true);
        let outcome = connect_to(&TlsClient::default(), address, HOST, &[]).await;
        let failure = outcome.failure();
        assert_eq!((failure.stage, failure.reason), (Stage::Tls, Reason::NotTls), "{failure}");
        assert!(failure.message.contains(text), "{failure}");
    }
}

/// A stream that fails with `0` when it is read.
struct Failing(io::ErrorKind);

impl AsyncRead for Failing {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut task::Context<'_>,
        _: &mut ReadBuf<'_>,
    ) -> task::Poll<io::Result<()>> {
        task::Poll::Ready(Err(self.0.into()))
    }
}

impl AsyncWrite for Failing {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut task::Context<'_>,
        bytes: &[u8],
    ) -> task::Poll<io::Result<usize>> {
        task::Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut task::Context<'_>) -> task::Poll<io::Result<()>> {
        task::Poll::Ready(Ok(()))
    }

    fn poll_shutdown(
        self: Pin<&mut Self>,
        _: &mut task::Context<'_>,
    ) -> task::Poll<io::Result<()>> {
        task::Poll::Ready(Ok(()))
    }
}

#[tokio::test]
async fn a_reset_is_a_reset() {
    let request = Handshake { server_name: HOST, alpn: &[] };
    let stream = Failing(io::ErrorKind::ConnectionReset);
    let done = TlsClient::default().handshake(&context(), stream, request, &mut None).await;
    let failure = done.unwrap_err();
    assert_eq!((failure.stage, failure.reason), (Stage::Tls, Reason::Reset), "{failure}");
}

/// The server's end of a connection; what the client says second is never answered.
struct HalfHandshake {
    stream: DuplexStream,
    has_answered: bool,
    client_goes_on: Arc<Notify>,
}

impl AsyncRead for HalfHandshake {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut task::Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> task::Poll<io::Result<()>> {
        task::ready!(Pin::new(&mut self.stream).poll_read(context, buffer))?;
        if self.has_answered {
            self.client_goes_on.notify_one();
            return task::Poll::Pending;
        }
        task::Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for HalfHandshake {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut task::Context<'_>,
        bytes: &[u8],
    ) -> task::Poll<io::Result<usize>> {
        self.has_answered = true;
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(
        mut self: Pin<&mut Self>,
        context: &mut task::Context<'_>,
    ) -> task::Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(
        mut self: Pin<&mut Self>,
        context: &mut task::Context<'_>,
    ) -> task::Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[tokio::test]
async fn a_handshake_that_is_cut_off_leaves_what_it_learned() {
    let pki = fixtures::pki(fixtures::leaf(HOST));
    let (near, far) = tokio::io::duplex(1 << 16);
    let client_goes_on = Arc::new(Notify::new());
    let far = HalfHandshake {
        stream: far,
        has_answered: false,
        client_goes_on: Arc::clone(&client_goes_on),
    };
    let ssl = Ssl::new(&pki.server().version(SslVersion::TLS1_2).context()).unwrap();
    let server = tokio::spawn(SslStreamBuilder::new(ssl, far).accept());

    let client = TlsClient::new(trusting(&pki.root));
    let request = Handshake { server_name: HOST, alpn: &[] };
    let mut seen = None;
    let context = context();
    tokio::select! {
        done = client.handshake(&context, near, request, &mut seen) => {
            panic!("the server has not answered: {done:?}");
        }
        () = client_goes_on.notified() => {}
    }
    server.abort();
    assert_eq!(context.stage(), Stage::Tls);
    let session = seen.unwrap();
    assert_eq!(session.verify_result, VerifyResult::Ok);
    assert_eq!(session.version, None);
}

#[tokio::test]
async fn the_name_asked_for_is_the_hosts_or_the_configured_one() {
    let pki = fixtures::pki(fixtures::leaf(HOST).also("DNS:Other.Test").also("IP:127.0.0.1"));
    let server = pki.server().start().await;
    let client = TlsClient::new(trusting(&pki.root));
    let named = TlsSettings { server_name: "Other.Test".to_owned(), ..trusting(&pki.root) };
    let named = TlsClient::new(named);
    let cases = [
        (&client, "Host.Test.", Some("Host.Test")),
        (&client, "127.0.0.1", None),
        (&named, "10.0.0.1", Some("Other.Test")),
        (&named.without_server_name(), HOST, Some(HOST)),
    ];
    for (index, (client, host, expected)) in cases.into_iter().enumerate() {
        // The greeting comes once the server has noted the name.
        let mut stream = connect_as(client, &server, host, &[]).await.stream.unwrap();
        stream.read_exact(&mut [0; 6]).await.unwrap();
        assert_eq!(server.asked_for()[index].as_deref(), expected, "{host}");
    }
}

#[tokio::test]
async fn without_a_name_to_check_there_is_no_handshake() {
    let pki = fixtures::pki(fixtures::leaf(HOST));
    let server = pki.server().start().await;
    let outcome = connect(&server, trusting(&pki.root), "").await;
    assert_eq!(outcome.failure().reason, Reason::InvalidRequest);
    let settings = TlsSettings { insecure_skip_verify: true, ..trusting(&pki.root) };
    assert_eq!(connect(&server, settings, "").await.session().verify_result, VerifyResult::Ok);
}

#[tokio::test]
async fn text_goes_both_ways_and_ends_with_the_connection() {
    let pki = fixtures::pki(fixtures::leaf(HOST));
    let server = pki.server().start().await;
    let mut stream = connect(&server, trusting(&pki.root), HOST).await.stream.unwrap();
    stream.read_exact(&mut [0; 6]).await.unwrap();
    stream.write_all(b"ping").await.unwrap();
    stream.flush().await.unwrap();
    let mut echo = [0; 4];
    stream.read_exact(&mut echo).await.unwrap();
    assert_eq!(&echo, b"ping");
    stream.shutdown().await.unwrap();
    assert_eq!(stream.read(&mut echo).await.unwrap(), 0);
}
