use super::*;
use crate::net::resolve::Resolver;
use std::{sync::Arc, time::Duration};
use tokio::time::Instant;

fn size<P: Prober>(name: &str, prober: &P) {
    let context =
        Context::new(Instant::now() + Duration::from_mins(1), Arc::new(Resolver::default()));
    let target = Target { name: "127.0.0.1:1".to_owned(), hostname: None };
    let mut measurements = P::Measurements::default();
    let future = prober.probe(&context, &target, &mut measurements);
    println!(
        "{name}: future {} measurements {}",
        size_of_val(&future),
        size_of::<P::Measurements>()
    );
}

#[test]
fn sizes() {
    size("tcp", &tcp::TcpProber::default());
    size("unix", &unix::UnixProber::default());
    size("icmp", &icmp::IcmpProber::default());
    size("grpc", &grpc::GrpcProber::default());
    size("websocket", &websocket::WebsocketProber::default());
    size("http", &http::HttpProber::default());
    let dns: dns::DnsProber = serde_json::from_str(r#"{"query_name":"a"}"#).unwrap();
    size("dns", &dns);
}
