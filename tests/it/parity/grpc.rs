//! Health services whose response depends on the requested service.

use boring::ssl::SslAcceptor;
use tokio::net::TcpListener;

use crate::fixtures::grpc::serve as serve_connection;

pub(super) async fn serve(listener: TcpListener, tls: Option<SslAcceptor>) {
    loop {
        let Ok((stream, _)) = listener.accept().await else { return };
        let tls = tls.clone();
        tokio::spawn(async move {
            match tls {
                None => serve_connection(stream, drop).await,
                Some(tls) => {
                    if let Ok(stream) = tokio_boring::accept(&tls, stream).await {
                        serve_connection(stream, drop).await;
                    }
                }
            }
        });
    }
}
