//! Requests that come back to the exporter that sent them, and requests from pages of other sites.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use probe_exporter::server::ExternalUrl;

use super::*;
use crate::fixtures::{
    http::{http, ok, redirect},
    proxy::proxy,
};

/// A server on a thread of its own that redirects every request, and counts them.
fn redirecting(location: impl Fn(SocketAddr) -> String + Send + 'static) -> (SocketAddr, Count) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let count = Count::default();
    let requests = Arc::clone(&count);
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            requests.fetch_add(1, Ordering::SeqCst);
            let location = location(address);
            thread::spawn(move || {
                let mut head = [0; 4096];
                drop(stream.read(&mut head));
                let head = format!("HTTP/1.1 302 Found\r\nLocation: {location}\r\n");
                drop(write!(stream, "{head}Content-Length: 0\r\nConnection: close\r\n\r\n"));
            });
        }
    });
    (address, count)
}

type Count = Arc<AtomicUsize>;

const WITH_HEADER: &str = r"
modules:
  http: {prober: http, timeout: 3s}
  with_header: {prober: http, timeout: 3s, http: {headers: {X-Probe-Exporter: mine}}}
  websocket: {prober: websocket, timeout: 3s}
";

#[test]
fn a_redirect_to_the_exporter_runs_no_second_probe() {
    let exporter = Exporter::start(WITH_HEADER);
    for module in ["http", "with_header"] {
        let own = exporter.address;
        let (target, requests) = redirecting(move |target| {
            let path = probe_path("http", &format!("http://{target}/"));
            format!("http://{own}{path}")
        });
        let metrics = exporter.probe(module, &format!("http://{target}/"));
        metrics.expect(&["probe_success 0", "probe_http_status_code 508"]);
        assert_eq!(requests.load(Ordering::SeqCst), 1, "{module}");
    }
    exporter.own_metrics().expect(&["probe_exporter_loops_detected_total 2"]);
}

#[test]
fn probes_of_the_exporter_start_no_probes_and_no_reload() {
    let exporter = Exporter::start(WITH_HEADER);
    let own = exporter.address;
    let probe = probe_path("http", "http://127.0.0.1:1/");
    let metrics = exporter.probe("http", &format!("http://{own}{probe}"));
    metrics.expect(&["probe_http_status_code 508"]);
    exporter.probe("http", &format!("http://{own}/-/healthy")).expect(&["probe_success 1"]);
    exporter.probe("http", &format!("http://{own}/metrics")).expect(&["probe_success 1"]);
    let metrics = exporter.probe("websocket", &format!("ws://{own}{probe}"));
    metrics.expect(&["probe_success 0"]);
    let metrics = exporter.own_metrics();
    metrics.expect(&[
        "probe_exporter_loops_detected_total 2",
        r#"probe_exporter_probes_total{module="http",prober="http",result="failure"} 1"#,
    ]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_that_leads_to_the_exporter_starts_no_second_probe() {
    let proxy = proxy().start().await;
    let yaml = format!(
        "modules: {{http: {{prober: http, timeout: 3s, http: {{proxy_url: 'http://{}'}}}}}}",
        proxy.address
    );
    let blocking = move || {
        let exporter = Exporter::start(&yaml);
        let probe = probe_path("http", &format!("http://{}/", exporter.address));
        let metrics = exporter.probe("http", &format!("http://{}{probe}", exporter.address));
        metrics.expect(&["probe_http_status_code 508"]);
        exporter.own_metrics().expect(&["probe_exporter_loops_detected_total 1"]);
    };
    tokio::task::spawn_blocking(blocking).await.unwrap();
    drop(proxy);
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_of_a_probe_name_the_exporters_that_led_to_it() {
    let server = http([redirect("/two"), ok("two")]).start().await;
    let target = format!("http://{}/", server.address);
    let probe = move || {
        let exporter = Exporter::start(WITH_HEADER);
        let other = [("X-Probe-Exporter", "0123456789abcdef"), ("X-Probe-Exporter", "not an id")];
        exporter.probe_with("with_header", &target, "", &other);
    };
    tokio::task::spawn_blocking(probe).await.unwrap();
    let asked = server.asked();
    assert_eq!(asked.len(), 2);
    for request in &asked {
        let value = request.header("X-Probe-Exporter");
        let (first, own) = value.split_once(", ").unwrap();
        assert_eq!((first, own.len()), ("0123456789abcdef", 16), "{value}");
    }
}

#[test]
fn pages_of_other_sites_cannot_reload_the_configuration() {
    let change = |options: &mut Options| {
        options.external_url = Some(ExternalUrl::parse("https://probes.example/x").unwrap());
    };
    let exporter = Exporter::start_with(MODULES, change);
    let own = format!("http://{}", exporter.address);
    let cases: [(&[(&str, &str)], u16); 11] = [
        (&[], 200),
        (&[("Sec-Fetch-Site", "same-origin"), ("Origin", "https://evil.example")], 200),
        (&[("Sec-Fetch-Site", "none")], 200),
        (&[("Sec-Fetch-Site", "cross-site")], 403),
        (&[("Sec-Fetch-Site", "cross-site"), ("Origin", &own)], 403),
        (&[("Sec-Fetch-Site", "same-site")], 403),
        (&[("Origin", &own)], 200),
        (&[("Origin", "https://probes.example")], 200),
        (&[("Origin", "https://evil.example")], 403),
        (&[("Origin", "null")], 403),
        (&[("Origin", "http://127.0.0.1:1")], 403),
    ];
    for (headers, status) in cases {
        let answer = exporter.request("POST", "/-/reload", headers);
        assert_eq!(answer.status, status, "{headers:?}");
        assert_eq!(exporter.request("PUT", "/-/reload", headers).status, 405);
    }
}
