//! Failing health services.

use std::sync::Arc;

use probe_exporter::diagnostics::{Reason, Stage};

use super::{
    formats::check,
    row::{Row, module, row, scripted, served},
};
use crate::fixtures::{
    grpc::GrpcServer,
    hostile::RUNTIME,
    tcp::tcp,
    tls::{leaf, server},
};

#[test]
fn failing_health_services_are_reported() {
    check(&rows());
}

pub(super) fn rows() -> Vec<Row> {
    let health = Arc::new(RUNTIME.block_on(GrpcServer::start("127.0.0.1", None)));
    let about = |what, service: &str, stage, reason, words| {
        let module = module("grpc", &format!("service: '{service}'"));
        row(what, module, served(health.address, Arc::clone(&health)), (stage, reason), words)
    };
    let lenient = "tls: true, tls_config: {insecure_skip_verify: true}";
    let certificate = leaf("127.0.0.1").self_signed();
    let without_http2 = server(&certificate).context();
    let without_http2 = RUNTIME.block_on(GrpcServer::start("127.0.0.1", Some(without_http2)));
    let protocol = Reason::Protocol;
    vec![
        about(
            "a service that does not serve",
            "2",
            Stage::Check,
            Reason::NotServing,
            "NOT_SERVING",
        ),
        about("an unknown service", "absent", Stage::Check, Reason::GrpcStatus, "NOT_FOUND"),
        about("a call that is denied", "denied", Stage::Check, Reason::GrpcStatus, "not for you"),
        about("a page in place of an answer", "http 503", Stage::Check, Reason::Status, "503"),
        about("an answer without a message", "no message", Stage::Response, protocol, "message"),
        about("an answer without a status", "no status", Stage::Response, protocol, "status"),
        about("a message that is malformed", "malformed", Stage::Response, protocol, "malformed"),
        about("a message that is too large", "large", Stage::Response, Reason::TooLarge, "bytes"),
        about(
            "a service that keeps silent",
            "silent",
            Stage::Response,
            Reason::Timeout,
            "request sent, no response header; the last received HTTP/2 frame is",
        )
        .soon(),
        row(
            "a server of HTTP/1 alone",
            module("grpc", ""),
            scripted("", tcp().say("HTTP/1.1 400 Bad Request\r\n\r\n")),
            (Stage::Response, protocol),
            "responded with HTTP/1",
        ),
        row(
            "a mail server for gRPC",
            module("grpc", ""),
            scripted("", tcp().say("220 mail.example ESMTP\r\n")),
            (Stage::Response, Reason::NotHttp),
            "does not use HTTP/2",
        ),
        row(
            "a server that hangs up on gRPC",
            module("grpc", ""),
            scripted("", tcp().close()),
            (Stage::Response, Reason::Closed),
            "closed",
        ),
        row(
            "TLS without HTTP/2",
            module("grpc", lenient),
            served(without_http2.address, without_http2),
            (Stage::Tls, protocol),
            "HTTP/2",
        ),
        row(
            "gRPC without TLS",
            module("grpc", lenient),
            served(health.address, Arc::clone(&health)),
            (Stage::Tls, Reason::NotTls),
            "TLS",
        ),
    ]
}
