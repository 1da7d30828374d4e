//! The server that plays scripts.

use std::{io, net::SocketAddr, pin::pin, sync::Mutex, time::Duration};

use boring::{base64, sha, ssl::SslContext};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, split},
    net::{TcpListener, TcpStream},
    sync::Notify,
    task::yield_now,
    time::timeout,
};

use super::{
    modules::configuration,
    script::{Action, Connection, Script, Transport},
};
use crate::tls::{Issued, Key, accept, authority, leaf, pki};

/// A server that plays scripts.
#[derive(Debug)]
pub struct HostileServer {
    /// The authority of the server.
    authority: Issued,
    http1: SslContext,
    http2: SslContext,
    certificates: Vec<Vec<u8>>,
    /// Time after which the server goes on while the client waits too.
    patience: Duration,
}

impl HostileServer {
    pub fn new(patience: Duration) -> Self {
        let pki = pki(leaf("127.0.0.1"));
        let (other, rsa) = (authority("Other").key(Key::P521), leaf("rsa").key(Key::Rsa(2048)));
        let others =
            [other.self_signed(), rsa.self_signed(), leaf("127.0.0.1").expired().self_signed()];
        let all = [&pki.leaf, &pki.intermediate, &pki.root].into_iter().chain(&others);
        let certificates = all.map(|issued| issued.certificate.to_der().unwrap()).collect();
        let http1 = pki.server().alpn(b"\x08http/1.1").context();
        let http2 = pki.server().alpn(b"\x02h2").context();
        Self { authority: pki.root, http1, http2, certificates, patience }
    }

    /// The configuration with the modules that probe the server.
    pub fn modules(&self) -> String {
        configuration(&self.authority.pem())
    }

    /// Binds a free port, and reads the script for it.
    pub async fn bind(&self, script: &[u8]) -> (TcpListener, SocketAddr, Script) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let script = Script::parse(script, address, &self.certificates);
        (listener, address, script)
    }

    /// Plays a script on each connection, one after the other, until it is dropped.
    pub async fn serve(&self, listener: TcpListener, script: &Script) {
        for number in 0.. {
            let (stream, _) = listener.accept().await.unwrap();
            let connections = &script.connections;
            let connection = connections.get(number).unwrap_or(&connections[0]);
            // The client may be gone at any time.
            self.play(stream, connection).await.ok();
        }
    }

    async fn play(&self, stream: TcpStream, connection: &Connection) -> io::Result<()> {
        if connection.actions.iter().any(|action| matches!(action, Action::Reset)) {
            stream.set_zero_linger()?;
        }
        let context = match connection.transport {
            Transport::Plain | Transport::Records => {
                return self.act(stream, &connection.actions).await;
            }
            Transport::Tls => &self.http1,
            Transport::Http2 => &self.http2,
        };
        let stream = accept(context, stream).await.map_err(io::Error::other)?;
        self.act(stream, &connection.actions).await
    }

    /// Acts, and reads what the client sends meanwhile.
    #[expect(clippy::disallowed_methods, reason = "no probe")]
    async fn act<S: AsyncRead + AsyncWrite + Send>(
        &self,
        stream: S,
        actions: &[Action],
    ) -> io::Result<()> {
        let (mut reader, mut writer) = split(stream);
        let (heard, received) = (Notify::new(), Mutex::new(Vec::new()));
        let listen = async {
            let mut buffer = [0; 4096];
            while let Ok(length @ 1..) = reader.read(&mut buffer).await {
                received.lock().unwrap().extend(&buffer[..length]);
                heard.notify_one();
            }
        };
        let mut listen = pin!(listen);
        let act = async {
            for action in actions {
                match action {
                    Action::Send(bytes) => writer.write_all(bytes).await?,
                    Action::Upgrade => {
                        let response = upgrade(&received.lock().unwrap());
                        writer.write_all(response.as_bytes()).await?;
                    }
                    Action::Yield(times) => {
                        writer.flush().await?;
                        for _ in 0..*times {
                            yield_now().await;
                        }
                    }
                    Action::Await => {
                        writer.flush().await?;
                        timeout(self.patience, heard.notified()).await.ok();
                    }
                    Action::Shutdown => writer.shutdown().await?,
                    Action::Reset => return Ok(()),
                }
            }
            writer.shutdown().await
        };
        tokio::select! {
            biased;
            done = act => done?,
            () = &mut listen => return Ok(()),
        }
        // To close a connection with unread data would reset it.
        if !actions.iter().any(|action| matches!(action, Action::Reset)) {
            timeout(self.patience, listen).await.ok();
        }
        Ok(())
    }
}

/// The response to the request for a WebSocket.
fn upgrade(request: &[u8]) -> String {
    let request = String::from_utf8_lossy(request);
    let lines = request.lines().filter_map(|line| line.split_once(": "));
    let mut keys = lines.filter(|(name, _)| name.eq_ignore_ascii_case("sec-websocket-key"));
    let key = keys.next().map_or("", |(_, key)| key);
    let hash = sha::sha1(format!("{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11").as_bytes());
    format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {}\r\n\r\n",
        base64::encode_block(&hash)
    )
}
