//! Failing proxies.

use probe_exporter::diagnostics::{Reason, Stage};

use super::{
    formats::check,
    row::{Row, module, row},
};
use crate::fixtures::{
    hostile::RUNTIME,
    proxy::proxy,
    tcp::tcp,
    tls::{leaf, pki},
};

#[test]
fn failing_proxies_are_reported() {
    check(&rows());
}

pub(super) fn rows() -> Vec<Row> {
    let mut rows = vec![
        through(
            "http",
            "a login is demanded",
            "HTTP/1.1 407 Who are you\r\n\r\n",
            Reason::ProxyAuthentication,
            "407",
        ),
        through(
            "http",
            "a proxy forbids",
            "HTTP/1.1 403 Forbidden\r\n\r\n",
            Reason::ProxyDenied,
            "403",
        ),
        through(
            "http",
            "a proxy finds no way",
            "HTTP/1.1 502 Bad Gateway\r\n\r\n",
            Reason::ProxyFailure,
            "502",
        ),
        through("http", "a proxy redirects", "HTTP/1.1 302 Found\r\n\r\n", Reason::Protocol, "302"),
        through(
            "http",
            "no proxy but a mail server",
            "220 mail.example\r\n\r\n",
            Reason::NotHttp,
            "CONNECT request failed: the response is not HTTP but SMTP, FTP or NNTP",
        ),
        through("http", "a proxy hangs up", "", Reason::Closed, "CONNECT"),
        through("https", "a proxy without TLS", "HTTP/1.1 400 No\r\n\r\n", Reason::NotTls, "TLS"),
        through(
            "socks5",
            "a proxy that is not SOCKS",
            "HTTP/1.1 400 No\r\n\r\n",
            Reason::Protocol,
            "version 72",
        ),
        through(
            "socks5",
            "SOCKS wants a login",
            "\x05\u{7f}",
            Reason::Protocol,
            "authentication method",
        ),
        through(
            "socks5",
            "SOCKS forbids",
            "\x05\x00\x05\x02\x00\x01",
            Reason::ProxyDenied,
            "reply 2",
        ),
        through(
            "socks5",
            "SOCKS finds no way",
            "\x05\x00\x05\x04\x00\x01",
            Reason::ProxyFailure,
            "reply 4",
        ),
        through("socks5", "SOCKS hangs up", "", Reason::Closed, "SOCKS"),
    ];
    rows.push(without_login());
    rows.push(untrusted());
    rows.push(row(
        "a proxy that nobody is at",
        module("http", "proxy_url: 'http://127.0.0.1:1'"),
        "http://127.0.0.1:2/",
        (Stage::Proxy, Reason::Refused),
        "127.0.0.1:1",
    ));
    rows.extend(silent());
    rows
}

/// Returns a row with a proxy that has this response.
fn through(
    scheme: &str,
    what: &'static str,
    answer: &'static str,
    reason: Reason,
    words: &'static str,
) -> Row {
    let proxy = RUNTIME.block_on(proxy().answering(answer).start());
    let module = module("http", &format!("proxy_url: '{scheme}://{}'", proxy.address));
    row(what, module, "https://127.0.0.1:1/", (Stage::Proxy, reason), words).keeping(proxy)
}

fn without_login() -> Row {
    let proxy = RUNTIME.block_on(proxy().for_user("u", "p").start());
    let module = module("http", &format!("proxy_url: 'socks5://u:other@{}'", proxy.address));
    let expected = (Stage::Proxy, Reason::ProxyAuthentication);
    row("SOCKS wants another password", module, "http://127.0.0.1:1/", expected, "rejected")
        .keeping(proxy)
}

fn untrusted() -> Row {
    let context = pki(leaf("127.0.0.1")).server().context();
    let proxy = RUNTIME.block_on(proxy().over_tls(context).start());
    let module = module("http", &format!("proxy_url: 'https://{}'", proxy.address));
    let expected = (Stage::Proxy, Reason::CertificateUnknownAuthority);
    row(
        "a proxy that is not trusted",
        module,
        "http://127.0.0.1:1/",
        expected,
        "no trusted CA signed",
    )
    .keeping(proxy)
}

fn silent() -> Vec<Row> {
    let names = [
        ("http", "a silent proxy", "CONNECT 127.0.0.1:1 sent, no response"),
        ("https", "a silent proxy over TLS", "ClientHello sent, no response"),
        ("socks5", "silent SOCKS", "no reply to the SOCKS greeting"),
    ];
    let of = |(scheme, what, words)| {
        let proxy = RUNTIME.block_on(tcp().start());
        let module = module("http", &format!("proxy_url: '{scheme}://{}'", proxy.address));
        let expected = (Stage::Proxy, Reason::Timeout);
        row(what, module, "https://127.0.0.1:1/", expected, words).soon().keeping(proxy)
    };
    names.map(of).into()
}
