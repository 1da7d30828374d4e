//! Requests that come back to the exporter that sent them, and requests from pages of other sites.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use probe_exporter::server::ExternalUrl;

use super::*;
use crate::{
    fixtures::{
        grpc::GrpcServer,
        http::{http, ok, redirect},
        proxy::proxy,
        tls::{self, leaf},
        websocket::websocket,
    },
    harness::{aside, eventually},
    web_config::{Web, tls_section},
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
    aside(blocking).await;
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
    aside(probe).await;
    let asked = server.asked();
    assert_eq!(asked.len(), 2);
    for request in &asked {
        let value = request.header("X-Probe-Exporter");
        let (first, own) = value.split_once(", ").unwrap();
        assert_eq!((first, own.len()), ("0123456789abcdef", 16), "{value}");
    }
}

const OVER_TLS: &str = r"
modules:
  http: {prober: http, timeout: 9s, http: {tls_config: {insecure_skip_verify: true}}}
  grpc: {prober: grpc, timeout: 9s, grpc: {tls: true, tls_config: {insecure_skip_verify: true}}}
  websocket: {prober: websocket, timeout: 9s,
    websocket: {http_config: {tls_config: {insecure_skip_verify: true}}}}
";

/// The listener speaks HTTP/1.1 only, also if its settings and the probe say HTTP/2.
#[test]
fn probes_over_tls_start_no_probes() {
    let web = Web::new();
    web.write("web.yml", &(tls_section("") + "http_server_config: {http2: true}\n"));
    let change = |options: &mut Options| options.web_config_file = Some(web.file());
    let exporter = Exporter::start_with(OVER_TLS, change);
    let own = exporter.address;
    let path = probe_path("http", "http://127.0.0.1:1/");
    let probe = |module: &str, target: String| {
        let path = probe_path(module, &target);
        web.client().get(own, &path).unwrap().metrics()
    };
    probe("http", format!("https://{own}{path}")).expect(&["probe_http_status_code 508"]);
    probe("websocket", format!("wss://{own}{path}")).expect(&["probe_success 0"]);
    probe("grpc", own.to_string()).expect(&["probe_success 0"]);
    let metrics = web.client().get(own, "/metrics").unwrap().metrics();
    metrics.expect(&[
        "probe_exporter_loops_detected_total 2",
        r#"probe_exporter_probes_total{module="http",prober="http",result="failure"} 1"#,
    ]);
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_over_http2_and_for_websockets_name_the_exporter() {
    let context = tls::server(&leaf("127.0.0.1").self_signed()).alpn(b"\x02h2").context();
    let http2 = GrpcServer::start("127.0.0.1", Some(context)).await;
    let websocket = websocket().close().start().await;
    let (one, other) = (http2.address, websocket.address);
    let probe = move || {
        let exporter = Exporter::start(OVER_TLS);
        exporter.probe("http", &format!("https://{one}/")).expect(&["probe_http_version 2"]);
        exporter.probe("grpc", &one.to_string()).expect(&["probe_success 1"]);
        exporter.probe("websocket", &format!("ws://{other}/"));
    };
    aside(probe).await;
    let heard = http2.heard();
    assert_eq!(heard.len(), 2);
    assert!(heard.iter().all(|head| head.headers["x-probe-exporter"].len() == 16), "{heard:?}");
    let [upgrade]: [_; 1] = websocket.heard().await.heads.try_into().unwrap();
    assert!(upgrade.to_ascii_lowercase().contains("\r\nx-probe-exporter: "), "{upgrade}");
}

#[test]
fn requests_of_exporters_without_the_header_are_limited() {
    let exporter = Exporter::start(MODULES);
    let target = Target::start();
    let path = probe_path("silent", &target.name());
    let agent = "User-Agent: Blackbox Exporter/0.28.0";
    let probe = |_| {
        let mut stream = connect(exporter.address);
        write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\n{agent}\r\n\r\n").unwrap();
        stream
    };
    let running: Vec<_> = (0..16).map(probe).collect();
    let in_flight = || exporter.own_metrics().value("probe_exporter_probes_in_flight").unwrap();
    eventually("the probes run", || in_flight() >= 16.0);
    let status = |agent| {
        let path = probe_path("connect", &target.name());
        exporter.request("GET", &path, &[("User-Agent", agent)]).status
    };
    assert_eq!(status("Blackbox Exporter/0.28.0"), 508);
    assert_eq!(status("Prometheus/3.5.0"), 200);
    drop(running);
    eventually("the probes have ended", || status("Blackbox Exporter/0.28.0") == 200);
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
