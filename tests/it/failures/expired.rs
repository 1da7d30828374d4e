//! Expired certificates in every protocol over TLS.

use std::sync::Arc;

use probe_exporter::diagnostics::{Reason, Stage};

use super::{
    formats::check,
    row::{Row, module, row, scripted, served},
    tls::{signed, trusting},
};
use crate::fixtures::{
    dns::{dns, message},
    grpc::GrpcServer,
    hostile::RUNTIME,
    http::{http, ok},
    tcp::tcp,
    tls::{TlsServer, leaf},
    websocket::websocket,
};

#[test]
fn expired_certificates_are_reported_for_every_protocol() {
    check(&rows());
}

const EXPIRED: (Stage, Reason) = (Stage::Tls, Reason::CertificateExpired);

/// Returns rows for each prober with TLS and an expired certificate.
pub(super) fn rows() -> Vec<Row> {
    let expired = || signed(leaf("127.0.0.1").expired());
    let show = |what, module, target| {
        row(what, module, target, EXPIRED, "expired")
            .with("probe_ssl_earliest_cert_expiry")
            .with("probe_ssl_verify_info{result=\"expired\"} 1")
    };
    let web = RUNTIME.block_on(http([ok("")]).over_tls(expired().context()).start());
    let names = dns().reply(message()).tls(expired().context());
    let names = RUNTIME.block_on(names.start());
    let health = expired().alpn(b"\x02h2").context();
    let health = RUNTIME.block_on(GrpcServer::start("127.0.0.1", Some(health)));
    let chat = RUNTIME.block_on(websocket().start_over(Some(expired().context())));
    let dns_keys = format!(
        "query_name: example, transport_protocol: tcp, dns_over_tls: true, {}",
        trusting("")
    );
    let keys = format!("http_config: {{{}}}", trusting(""));
    let mail = tcp().say("220\n").starttls(expired().context());
    let mail_keys = format!("query_response: [{{expect: 220, starttls: true}}], {}", trusting(""));
    let mut rows = vec![
        show(
            "an expired certificate of a web server",
            module("http", &trusting("")),
            served(format!("https://{}/", web.address), web),
        ),
        show(
            "an expired certificate of a name server",
            module("dns", &dns_keys),
            served(names.address, names),
        ),
        show(
            "an expired certificate of a health service",
            module("grpc", &format!("tls: true, {}", trusting(""))),
            served(health.address, health),
        ),
        show(
            "an expired certificate of a websocket",
            module("websocket", &keys),
            served(format!("wss://{}/", chat.address), chat),
        ),
        show(
            "an expired certificate behind STARTTLS",
            module("tcp", &mail_keys),
            scripted("", mail),
        ),
    ];
    rows.extend(over_quic(&expired()));
    let folder = Arc::new(tempfile::tempdir().unwrap());
    let path = folder.path().join("socket");
    let _inside = RUNTIME.enter();
    let database = tcp().starttls(expired().context()).start_at(&path);
    let keys = format!("tls: true, {}", trusting("server_name: 127.0.0.1"));
    rows.push(show(
        "an expired certificate on a unix socket",
        module("unix", &keys),
        served(path.display(), (database, folder)),
    ));
    rows
}

#[cfg(feature = "http3")]
fn over_quic(expired: &TlsServer) -> Vec<Row> {
    use crate::fixtures::http3::http3;

    let server = http3([ok("")]).start(expired.builder());
    let keys = format!("enable_http3: true, enable_http2: false, {}", trusting(""));
    let target = served(format!("https://{}/", server.address), server);
    let what = "an expired certificate over HTTP/3";
    let row = row(what, module("http", &keys), target, EXPIRED, "expired");
    vec![row.with("probe_ssl_earliest_cert_expiry")]
}

#[cfg(not(feature = "http3"))]
fn over_quic(_: &TlsServer) -> Vec<Row> {
    Vec::new()
}
