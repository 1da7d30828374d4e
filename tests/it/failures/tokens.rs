//! Failing token servers.

use probe_exporter::diagnostics::{Reason, Stage};

use super::{
    formats::check,
    row::{Row, module, row, web},
};
use crate::fixtures::{
    hostile::RUNTIME,
    http::{Answer, http, ok, raw, redirect, status},
    tls::{leaf, pki},
};

#[test]
fn failing_token_servers_are_reported() {
    check(&rows());
}

pub(super) fn rows() -> Vec<Row> {
    let refusal = status(401).header("Content-Type", "application/json");
    let refusal = refusal.body(r#"{"error": "invalid_client"}"#);
    let large = format!("{{\"access_token\": \"{}\"}}", "x".repeat(70_000));
    let mut rows = vec![
        asking("a token is refused", refusal, Reason::TokenRefused, "invalid_client"),
        asking("an answer without a token", ok("{}"), Reason::Protocol, "no access_token"),
        asking("a page in place of a token", ok("<html>"), Reason::Protocol, "invalid JSON"),
        asking("a token without measure", ok(large), Reason::TooLarge, "64 KiB"),
        asking(
            "a token server that redirects",
            redirect("/"),
            Reason::TooManyRedirects,
            "too many redirects (limit 10)",
        ),
        asking(
            "a token server that is a mail server",
            raw("220 mail.example ESMTP\r\n"),
            Reason::NotHttp,
            "the response is not HTTP but SMTP; it begins with",
        ),
        asking(
            "a token that breaks off",
            raw("HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{\"access_token\": \"t\"}"),
            Reason::Closed,
            "the response is incomplete: the server closed the connection after 21 of 99 bytes of \
             the body",
        ),
        asking("a token server that hangs up", raw(""), Reason::Closed, "token server"),
        asking("a silent token server", raw("").hang(), Reason::Timeout, "no response from").soon(),
        of_url("no token server", "http://127.0.0.1:1/", Reason::Refused, "token server"),
    ];
    let context = pki(leaf("127.0.0.1")).server().context();
    let server = RUNTIME.block_on(http([ok("")]).over_tls(context).start());
    let url = format!("https://{}/", server.address);
    let what = "a token server that is not trusted";
    let reason = Reason::CertificateUnknownAuthority;
    rows.push(of_url(what, &url, reason, "token server").keeping(server));
    rows
}

fn asking(what: &'static str, answer: Answer, reason: Reason, words: &'static str) -> Row {
    let server = RUNTIME.block_on(http([answer]).start());
    of_url(what, &format!("http://{}/", server.address), reason, words).keeping(server)
}

fn of_url(what: &'static str, url: &str, reason: Reason, words: &'static str) -> Row {
    let keys = format!("oauth2: {{client_id: me, client_secret: hidden, token_url: '{url}'}}");
    row(what, module("http", &keys), web(ok("fine")), (Stage::Request, reason), words)
}
