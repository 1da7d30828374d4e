//! Proxies and token servers.

use std::{fs, net::SocketAddr, path::Path};

use boring::{pkey::PKey, rsa::Rsa};

use crate::fixtures::{
    http::{RunningHttpServer, http, ok, status},
    proxy::{RunningProxy, proxy},
    tls::{leaf, pki},
};

/// The proxies and token servers; they stop when they are dropped.
pub(super) struct Between {
    proxies: Vec<(&'static str, RunningProxy)>,
    tokens: Vec<(&'static str, RunningHttpServer)>,
}

impl Between {
    /// Starts all servers, and writes a signing key.
    pub(super) async fn start(folder: &Path) -> Self {
        let key = PKey::from_rsa(Rsa::generate(2048).unwrap()).unwrap();
        fs::write(folder.join("signing_key"), key.private_key_to_pem_pkcs8().unwrap()).unwrap();
        let refuse = "HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 2\r\n\r\nno";
        let context = pki(leaf("127.0.0.1")).server().context();
        let mut proxies = Vec::new();
        for (name, proxy) in [
            ("proxy", proxy()),
            ("proxy_login", proxy().for_user("user", "secret")),
            ("proxy_tls", proxy().over_tls(context)),
            ("proxy_refusing", proxy().answering(refuse)),
            ("proxy_closing", proxy().answering("")),
        ] {
            proxies.push((name, proxy.start().await));
        }
        let json = |body: &str| ok(body).header("Content-Type", "application/json");
        let token =
            json(r#"{"access_token": "tok", "token_type": "bearer", "expires_in": "3600"}"#);
        let form =
            ok("access_token=tok").header("Content-Type", "application/x-www-form-urlencoded");
        let mut tokens = Vec::new();
        for (name, answer) in [
            ("tokens", token),
            ("tokens_number", json(r#"{"access_token": "tok", "expires_in": 3600}"#)),
            ("tokens_form", form),
            ("tokens_refused", status(401).body(r#"{"error": "invalid_client"}"#)),
            ("tokens_none", json("{}")),
        ] {
            tokens.push((name, http([answer]).start().await));
        }
        Self { proxies, tokens }
    }

    /// Returns the names and addresses of the servers.
    pub(super) fn places(&self) -> impl Iterator<Item = (&'static str, SocketAddr)> {
        let proxies = self.proxies.iter().map(|(name, proxy)| (*name, proxy.address));
        proxies.chain(self.tokens.iter().map(|(name, server)| (*name, server.address)))
    }
}
