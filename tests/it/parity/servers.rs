//! The servers that both exporters probe, and their addresses by the names in cases.

use std::{collections::BTreeMap, iter, net::SocketAddr, path::Path, sync::Arc};

use socket2::{Socket, Type};
use tokio::net::{TcpListener, UdpSocket, UnixListener};

#[cfg(feature = "http3")]
use super::http3;
use super::{
    between::Between,
    dns, grpc,
    http::{self, Neighbours},
    pki::Pki,
    tcp::{self, Script},
};
use crate::fixtures::ports::{ClosedPort, closed, closed_port, over_ipv6};

pub(super) struct Servers {
    pki: Pki,
    places: BTreeMap<&'static str, String>,
    /// Ports where nobody listens, with the numbers of ports of servers.
    closed: Vec<Socket>,
    _dead: ClosedPort,
    between: Between,
    /// They stop when they are dropped.
    #[cfg(feature = "http3")]
    http3: Vec<crate::fixtures::http3::RunningHttp3Server>,
}

impl Servers {
    /// Starts all servers on loopback addresses; they stop with the runtime.
    pub(super) async fn start(folder: &Path) -> Self {
        let pki = Pki::new(folder);
        let (good, expired) = (pki.good(), pki.expired());
        let dead = closed_port();
        let mut servers = Self {
            pki,
            places: BTreeMap::from([("dead", dead.address.to_string())]),
            closed: Vec::new(),
            _dead: dead,
            between: Between::start(folder).await,
            #[cfg(feature = "http3")]
            http3: Vec::new(),
        };
        let between: Vec<_> = servers.between.places().collect();
        for (name, address) in between {
            servers.place(name, address);
        }

        let https = servers.listener("https", "127.0.0.1:0").await;
        let neighbours = Arc::new(Neighbours {
            https: servers.places["https"].clone(),
            dead: servers.places["dead"].clone(),
        });
        let tls = |identity, demand| Some(servers.pki.acceptor(identity, true, demand));
        let (plain, secure) = (tls(&good, false), tls(&good, true));
        let stale = tls(&expired, false);
        tokio::spawn(http::serve(https, plain.clone(), Arc::clone(&neighbours)));
        for (name, address, tls) in [
            ("https_client_cert", "127.0.0.1:0", secure),
            ("https_expired", "127.0.0.1:0", stale),
            ("http6", "[::1]:0", None),
            ("http", "127.0.0.1:0", None),
        ] {
            let listener = servers.listener(name, address).await;
            tokio::spawn(http::serve(listener, tls, Arc::clone(&neighbours)));
        }
        let port = servers.places["http"].rsplit_once(':').unwrap().1.to_owned();
        servers.places.insert("http_port", port);

        for (name, address, tls) in [
            ("grpc", "127.0.0.1:0", None),
            ("grpc6", "[::1]:0", None),
            ("grpc_tls", "127.0.0.1:0", plain.clone()),
        ] {
            let listener = servers.listener(name, address).await;
            tokio::spawn(grpc::serve(listener, tls));
        }
        let port = servers.places["grpc"].rsplit_once(':').unwrap().1.to_owned();
        servers.places.insert("grpc_port", port);

        #[cfg(feature = "http3")]
        for (name, identity, demand) in [
            ("http3", &good, false),
            ("http3_client_cert", &good, true),
            ("http3_expired", &expired, false),
        ] {
            let server = http3::serve(servers.pki.quic(identity, demand), Arc::clone(&neighbours));
            servers.place(name, server.address);
            servers.http3.push(server);
        }

        let starttls = servers.pki.acceptor(&good, false, false);
        for (name, script) in [
            ("tcp_banner", Script::Banner),
            ("tcp_counter", Script::Counter),
            ("tcp_silent", Script::Silent),
            ("tcp_smtp", Script::Smtp(starttls.clone())),
        ] {
            let listener = servers.listener(name, "127.0.0.1:0").await;
            tokio::spawn(tcp::serve(listener, script));
        }
        for (name, script) in [
            ("unix_banner", Script::Banner),
            ("unix_counter", Script::Counter),
            ("unix_silent", Script::Silent),
            ("unix_smtp", Script::Smtp(starttls.clone())),
        ] {
            let path = folder.join(name);
            tokio::spawn(tcp::serve_unix(UnixListener::bind(&path).unwrap(), script));
            servers.places.insert(name, path.to_str().unwrap().to_owned());
        }

        let dot = servers.listener("dot", "127.0.0.1:0").await;
        tokio::spawn(dns::serve_tcp(dot, Some(starttls)));
        let (stream, datagram) = both_transports().await;
        servers.place("dns", stream.local_addr().unwrap());
        tokio::spawn(dns::serve_tcp(stream, None));
        tokio::spawn(dns::serve_udp(datagram));
        servers
    }

    /// Replaces `{name}` by the address or file of that name.
    pub(super) fn fill(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for (name, place) in &self.places {
            text = text.replace(&format!("{{{name}}}"), place);
        }
        for name in ["ca", "client_cert", "client_key", "body", "password", "signing_key"] {
            text = text.replace(&format!("{{{name}}}"), &self.pki.file(name).to_string_lossy());
        }
        text
    }

    /// Listens on a port that is closed for UDP and, for a server over IPv4, at `::1`: cases probe
    /// both.
    async fn listener(&mut self, name: &'static str, address: &str) -> TcpListener {
        loop {
            let listener = TcpListener::bind(address).await.unwrap();
            let address = listener.local_addr().unwrap();
            let udp = (Type::DGRAM, address);
            let over_ipv6 = address.is_ipv4().then(|| (Type::STREAM, over_ipv6(address)));
            let reserved = iter::once(udp).chain(over_ipv6).map(|(kind, port)| closed(kind, port));
            if let Some(sockets) = reserved.collect::<Option<Vec<_>>>() {
                self.closed.extend(sockets);
                self.place(name, address);
                return listener;
            }
        }
    }

    fn place(&mut self, name: &'static str, address: SocketAddr) {
        self.places.insert(name, address.to_string());
    }
}

/// Binds one port for TCP and UDP; a port that is free for one may be used for the other.
async fn both_transports() -> (TcpListener, UdpSocket) {
    loop {
        let stream = TcpListener::bind("127.0.0.1:0").await.unwrap();
        if let Ok(datagram) = UdpSocket::bind(stream.local_addr().unwrap()).await {
            return (stream, datagram);
        }
    }
}
