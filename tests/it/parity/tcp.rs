//! Servers that follow a short script, on TCP or on a unix socket.

use boring::ssl::SslAcceptor;
use tokio::{
    io::{
        AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _,
        BufReader,
    },
    net::{TcpListener, UnixListener},
};

/// The dialogue of a server.
#[derive(Clone)]
pub(super) enum Script {
    /// Sends an SSH banner, then waits until the client closes the connection.
    Banner,
    /// Sends the length of the first read.
    Counter,
    /// Sends nothing.
    Silent,
    /// Supports HELO, STARTTLS and QUIT of SMTP.
    Smtp(SslAcceptor),
}

pub(super) async fn serve(listener: TcpListener, script: Script) {
    loop {
        let Ok((stream, _)) = listener.accept().await else { return };
        let script = script.clone();
        tokio::spawn(async move {
            // The client may close the connection at any time.
            follow(stream, script).await.ok();
        });
    }
}

pub(super) async fn serve_unix(listener: UnixListener, script: Script) {
    loop {
        let Ok((stream, _)) = listener.accept().await else { return };
        let script = script.clone();
        tokio::spawn(async move {
            // The client may close the connection at any time.
            follow(stream, script).await.ok();
        });
    }
}

async fn follow<S>(mut stream: S, script: Script) -> std::io::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    match script {
        Script::Silent => {}
        Script::Banner => stream.write_all(b"SSH-2.0-Fixture_1.0 comment\r\n").await?,
        Script::Counter => {
            let mut buffer = [0; 64];
            let read = stream.read(&mut buffer).await?;
            stream.write_all(format!("got {read}\n").as_bytes()).await?;
        }
        Script::Smtp(tls) => {
            stream.write_all(b"220 mail.example ESMTP\r\n").await?;
            let (stream, starttls) = smtp(stream).await?;
            if starttls && let Ok(stream) = tokio_boring::accept(&tls, stream).await {
                smtp(stream).await?;
            }
            return Ok(());
        }
    }
    let mut rest = [0; 256];
    while stream.read(&mut rest).await? > 0 {}
    Ok(())
}

/// Answers commands until QUIT, STARTTLS or the end; returns whether STARTTLS was last.
async fn smtp<S: AsyncRead + AsyncWrite + Unpin>(stream: S) -> std::io::Result<(S, bool)> {
    let mut stream = BufReader::new(stream);
    let mut line = String::new();
    while stream.read_line(&mut line).await? > 0 {
        let answer = match line.split_whitespace().next() {
            Some("HELO") => {
                format!("250 hello {}\r\n", line.split_whitespace().nth(1).unwrap_or(""))
            }
            Some("STARTTLS") => "220 ready\r\n".to_owned(),
            Some("QUIT") => "221 bye\r\n".to_owned(),
            _ => "500 what\r\n".to_owned(),
        };
        stream.write_all(answer.as_bytes()).await?;
        stream.flush().await?;
        if line.starts_with("STARTTLS") || line.starts_with("QUIT") {
            break;
        }
        line.clear();
    }
    Ok((stream.into_inner(), line.starts_with("STARTTLS")))
}
