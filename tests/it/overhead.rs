//! The duration of a probe is the sum of its phases and the overhead of the exporter.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

#[cfg(feature = "http3")]
use crate::fixtures::{http3::http3, quic::socket};
use crate::{
    fixtures::{
        dns::{dns, message},
        hostile::{RUNTIME, Then::Wait, greeting, peer},
        http::{http, ok, raw, redirect},
        tcp::tcp,
        tls::{leaf, server},
    },
    harness::Exporter,
    metric_text::Metrics,
};

const MODULES: &str = r"
modules:
  http: {prober: http, timeout: 20s}
  https: {prober: http, timeout: 20s, http: {tls_config: {insecure_skip_verify: true}}}
  tcp: {prober: tcp, timeout: 20s, tcp: {query_response: [{send: hello}, {expect: hello}]}}
  tls: {prober: tcp, timeout: 20s, tcp: {tls: true, tls_config: {insecure_skip_verify: true}}}
  icmp: {prober: icmp, timeout: 20s}
  dns_udp: {prober: dns, timeout: 20s, dns: {query_name: example.org, transport_protocol: udp}}
  dns_tcp: {prober: dns, timeout: 20s, dns: {query_name: example.org, transport_protocol: tcp}}
  dns_tls:
    prober: dns
    timeout: 20s
    dns:
      query_name: example.org
      transport_protocol: tcp
      dns_over_tls: true
      tls_config: {insecure_skip_verify: true}
  http_cut: {prober: http, timeout: 2s}
  tls_cut: {prober: tcp, timeout: 2s, tcp: {tls: true}}
  tcp_cut: {prober: tcp, timeout: 2s, tcp: {query_response: [{expect: never}]}}
  dns_cut: {prober: dns, timeout: 2s, dns: {query_name: example.org, transport_protocol: tcp}}
";

/// All phases and the overhead, in seconds.
fn accounted(probed: &Metrics) -> f64 {
    let phases = probed.samples().iter().filter(|sample| sample.labels.contains_key("phase"));
    phases.map(|sample| sample.value).sum::<f64>() + overhead(probed)
}

fn overhead(probed: &Metrics) -> f64 {
    probed.value("probe_overhead_seconds").unwrap()
}

fn duration(probed: &Metrics) -> f64 {
    probed.value("probe_duration_seconds").unwrap()
}

#[test]
fn phases_and_overhead_add_up_to_the_duration() {
    let exporter = Exporter::start(MODULES);
    let context = || server(&leaf("127.0.0.1").self_signed()).context();
    let slow = || raw("").wait(Duration::from_millis(20)).send("HTTP/1.1 200 OK\r\n\r\nok");
    let plain = RUNTIME.block_on(http([redirect("/there"), slow()]).start());
    let secure = RUNTIME.block_on(http([ok("hello")]).over_tls(context()).start());
    let tls = RUNTIME.block_on(http([ok("hello")]).over_tls(context()).start());
    let echo = RUNTIME.block_on(tcp().line().say("hello\n").start());
    let resolver = RUNTIME.block_on(dns().reply(message()).start());
    let resolver_tls = RUNTIME.block_on(dns().reply(message()).tls(context()).start());
    for (module, target) in [
        ("http", plain.address.to_string()),
        ("https", format!("https://{}", secure.address)),
        ("tls", tls.address.to_string()),
        ("tcp", echo.address.to_string()),
        ("dns_udp", resolver.address.to_string()),
        ("dns_tcp", resolver.address.to_string()),
        ("dns_tls", resolver_tls.address.to_string()),
        ("icmp", "127.0.0.1".to_owned()),
    ] {
        let probed = exporter.probe(module, &target);
        // The sum is correct even if this process may not send ICMP packets.
        if module != "icmp" {
            probed.expect(&["probe_success 1"]);
        }
        let missing = duration(&probed) - accounted(&probed);
        assert!(missing.abs() < 1e-6, "{module}: {missing} s are missing in\n{}", probed.text());
    }
}

#[cfg(feature = "http3")]
#[test]
fn phases_and_overhead_add_up_to_the_duration_over_http3() {
    const MODULES: &str = r"
modules:
  http3: {prober: http, timeout: 20s, http: {enable_http3: true, enable_http2: false, tls_config: {insecure_skip_verify: true}}}
  http3_cut: {prober: http, timeout: 2s, http: {enable_http3: true, enable_http2: false}}
";
    let exporter = Exporter::start(MODULES);
    let slow = ok("hello").wait(Duration::from_secs(2));
    let answers = [redirect("/there"), slow];
    let served = http3(answers).start(server(&leaf("127.0.0.1").self_signed()).builder());
    let (silent, _kept) = socket();
    for (module, target) in [("http3", served.address), ("http3_cut", silent)] {
        let probed = exporter.probe(module, &format!("https://{target}"));
        let missing = duration(&probed) - accounted(&probed);
        // A wait without a result is in no phase and not in the overhead.
        if module == "http3" {
            probed.expect(&["probe_success 1"]);
            assert!(missing.abs() < 1e-6, "{missing} s are missing in\n{}", probed.text());
        }
        assert!(duration(&probed) >= 2.0, "{module}:\n{}", probed.text());
        assert!(overhead(&probed) < 1.0, "{module}:\n{}", probed.text());
    }
}

#[test]
fn waiting_for_a_silent_peer_is_not_overhead() {
    let exporter = Exporter::start(MODULES);
    let silent = greeting("", Wait);
    for (module, target) in [
        ("http_cut", format!("http://{}", silent.address)),
        ("http_cut", format!("https://{}", silent.address)),
        ("tls_cut", silent.address.to_string()),
        ("tcp_cut", silent.address.to_string()),
        ("dns_cut", silent.address.to_string()),
    ] {
        let probed = exporter.probe(module, &target);
        probed.expect(&["probe_success 0"]);
        assert!(duration(&probed) >= 2.0, "{module} was not cut off:\n{}", probed.text());
        assert!(overhead(&probed) < 1.0, "{module} {target}:\n{}", probed.text());
    }
}

#[test]
fn waiting_for_the_end_of_a_connection_is_not_overhead() {
    const TAKEN: Duration = Duration::from_secs(2);
    let exporter = Exporter::start(MODULES);
    let closing = |said: &'static str| {
        peer(move |mut visit| async move {
            // All probers send data first.
            visit.stream.read_u8().await?;
            visit.say(said).await?;
            tokio::time::sleep(TAKEN).await;
            visit.stream.shutdown().await?;
            visit.until_gone().await
        })
    };
    for (module, said) in [
        ("http", ""),
        ("http", "HTTP/1.1 200 OK\r\n\r\nok"),
        ("http", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok"),
        ("tcp", ""),
        ("tcp", "something else\n"),
        ("tls", ""),
        ("dns_tcp", ""),
        ("dns_tls", ""),
    ] {
        let probed = exporter.probe(module, &closing(said).address.to_string());
        assert!(duration(&probed) >= TAKEN.as_secs_f64(), "{module} {said}:\n{}", probed.text());
        assert!(overhead(&probed) < 1.0, "{module} {said:?}:\n{}", probed.text());
    }
}
