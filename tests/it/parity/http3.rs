//! The HTTP server of the comparison, over HTTP/3.

use std::sync::Arc;

use boring::ssl::SslContextBuilder;

use super::http::{Neighbours, Request, respond};
use crate::fixtures::{
    http::{Answer, Asked, status},
    http3::{RunningHttp3Server, answering},
};

pub(super) fn serve(tls: SslContextBuilder, neighbours: Arc<Neighbours>) -> RunningHttp3Server {
    answering(move |asked| {
        let (request, authority) = request(asked.last().unwrap());
        answer(&respond(&request, &authority, &neighbours))
    })
    .start(tls)
}

/// Returns the request in the form of HTTP/1, and its authority.
fn request(asked: &Asked) -> (Request, String) {
    let (line, fields) = asked.head.split_once("\r\n").unwrap_or((&asked.head, ""));
    let mut words = line.splitn(3, ' ');
    let [method, url, version] = [(); 3].map(|()| words.next().unwrap());
    let behind_scheme = url.split_once("://").unwrap().1;
    let (authority, path) = behind_scheme.split_once('/').unwrap();
    let line = format!("{method} /{path} {version}");
    let head = format!("{line}\r\n{fields}");
    (Request { line, head, body: asked.body.clone() }, authority.to_owned())
}

/// Converts a response of HTTP/1 into an answer.
fn answer(message: &[u8]) -> Answer {
    let end = message.windows(4).position(|window| window == b"\r\n\r\n").unwrap();
    let head = std::str::from_utf8(&message[..end]).unwrap();
    let mut lines = head.lines();
    let code = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    let fields = lines.filter_map(|line| line.split_once(": "));
    let answer = fields.fold(status(code), |answer, (name, value)| answer.header(name, value));
    answer.body(&message[end + 4..])
}
