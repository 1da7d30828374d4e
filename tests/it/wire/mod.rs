//! Measured times if this process is late, packets are lost, or there are no kernel timestamps.

mod late;
#[cfg(feature = "http3")]
mod quic;

use std::{
    io::{Read as _, Write as _},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket},
    thread,
    time::Duration,
};

use socket_timestamps::SUPPORTED;
use socket2::{Domain, Socket, Type};
use test_fixtures::{Missing, skip};

use crate::{harness::eventually, metric_text::Metrics, probing::probe, running::Running};

const MODULES: &str = "
modules:
  http: {prober: http}
  tcp: {prober: tcp, tcp: {query_response: [{send: hello}, {expect: HTTP}]}}
  dns_udp: {prober: dns, dns: {query_name: example.org, transport_protocol: udp}}
  icmp: {prober: icmp}
";

/// The kinds of sockets, and a module that uses each.
const KINDS: [(&str, &[&str]); 3] =
    [("icmp", &["icmp"]), ("tcp", &["http", "tcp"]), ("udp", &["dns_udp"])];

#[test]
fn packets_have_kernel_timestamps_over_both_families() {
    for loopback in ["127.0.0.1", "[::1]"] {
        let Some(running) = probed(loopback, &[]) else { continue };
        let own = running.own_metrics();
        for (kind, _) in KINDS {
            let [available, by_kernel, by_process] = stamps(&own, kind);
            // If the kernel has timestamps, all packets on loopback have one.
            let expected = if available > 0.0 { by_process } else { by_kernel };
            assert!(expected < 1.0, "{loopback} {kind}:\n{}", own.text());
            assert_eq!(available > 0.0, SUPPORTED, "{kind}");
        }
    }
}

#[test]
fn probes_work_without_kernel_timestamps() {
    let Some(running) = probed("127.0.0.1", &["--wire.user-clock"]) else { return };
    let own = running.own_metrics();
    for (kind, _) in KINDS {
        let [available, by_kernel, by_process] = stamps(&own, kind);
        assert_eq!((available, by_kernel), (0.0, 0.0), "{kind}");
        assert!(by_process > 0.0 || kind == "icmp", "{kind}:\n{}", own.text());
    }
}

/// Starts an exporter, and probes servers at this address with every kind of socket.
fn probed(loopback: &str, arguments: &[&str]) -> Option<Running> {
    let Ok(tcp) = TcpListener::bind(format!("{loopback}:0")) else {
        skip(Missing::Ipv6, &format!("no address {loopback}"));
        return None;
    };
    let running = Running::start(MODULES, arguments);
    let udp = UdpSocket::bind(format!("{loopback}:0")).unwrap();
    let addresses = [tcp.local_addr().unwrap(), udp.local_addr().unwrap()];
    // The servers run until the tests end.
    thread::spawn(move || tcp.incoming().try_for_each(|stream| serve(stream?)));
    thread::spawn(move || echo(&udp));
    for (kind, modules) in KINDS {
        for module in modules {
            let target = match kind {
                "icmp" => loopback.trim_matches(['[', ']']).to_owned(),
                "tcp" => addresses[0].to_string(),
                _ => addresses[1].to_string(),
            };
            let metrics = running.probe(module, &target).metrics();
            if metrics.text().contains("reason=\"permission_denied\"") {
                skip(Missing::Icmp, "no ICMP probe");
                continue;
            }
            metrics.expect(&["probe_success 1"]);
            let missing = metrics.value("probe_duration_seconds").unwrap() - accounted(&metrics);
            assert!(missing.abs() < 1e-6, "{missing} s are missing in\n{}", metrics.text());
        }
    }
    Some(running)
}

/// All phases and the overhead, in seconds; none of them is below zero.
fn accounted(metrics: &Metrics) -> f64 {
    let parts = metrics.samples().iter().filter(|sample| {
        sample.labels.contains_key("phase") || sample.name == "probe_overhead_seconds"
    });
    parts.inspect(|part| assert!(part.value >= 0.0, "{part:?}")).map(|part| part.value).sum()
}

/// Returns whether there are kernel time stamps, and the number of arrivals timed by kernel and
/// process.
fn stamps(own: &Metrics, kind: &str) -> [f64; 3] {
    let timed = |clock| {
        format!("probe_exporter_timed_arrivals_total{{clock=\"{clock}\",socket=\"{kind}\"}}")
    };
    let available = format!("probe_exporter_kernel_timestamps_available{{socket=\"{kind}\"}}");
    [available, timed("kernel"), timed("process")].map(|series| own.value(&series).unwrap())
}

/// Answers any line with an HTTP response.
fn serve(mut stream: TcpStream) -> std::io::Result<()> {
    let mut byte = [0];
    while byte != *b"\n" {
        stream.read_exact(&mut byte)?;
    }
    stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")?;
    // The client may have sent more, and must close first: unread data would cause a reset.
    thread::spawn(move || stream.read_to_end(&mut Vec::new()));
    Ok(())
}

/// Answers DNS queries with themselves.
fn echo(socket: &UdpSocket) {
    const REPLY: u8 = 0x80;
    let mut message = [0; 512];
    while let Ok((length, from)) = socket.recv_from(&mut message) {
        message[2] |= REPLY;
        socket.send_to(&message[..length], from).unwrap();
    }
}

#[test]
fn a_lost_syn_is_part_of_the_connect_phase_and_counted() {
    // If the listen backlog is full, Linux drops a SYN; it is sent
    // again after a second.
    let listener = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    listener.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).unwrap();
    listener.listen(0).unwrap();
    let address = listener.local_addr().unwrap().as_socket().unwrap();
    let filler = TcpStream::connect(address).unwrap();
    let make_room = thread::spawn(move || {
        if cfg!(target_os = "linux") {
            eventually("a segment is sent", || is_connecting(address));
        }
        thread::sleep(Duration::from_millis(300));
        let first = listener.accept().unwrap();
        let second = listener.accept().unwrap();
        (first, second)
    });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let probed = runtime.block_on(probe("{prober: tcp, timeout: 60s}", address));
    make_room.join().unwrap();
    drop(filler);
    probed.expect(&["probe_success 1"]);
    let connect = probed.value("probe_tcp_duration_seconds{phase=\"connect\"}");
    if SUPPORTED {
        assert!(probed.value("probe_tcp_retransmits") >= 1.0, "connected within {connect} s");
        // The retransmission timer of the kernel is not exact.
        assert!(connect > 0.9, "{connect} s leave out the wait for the repetition");
    }
    assert!(connect <= probed.value("probe_duration_seconds"));
}

/// Checks whether a socket of this network has sent a SYN to this address of IPv4, and waits.
fn is_connecting(address: SocketAddr) -> bool {
    const SYN_SENT: &str = "02";
    let port = format!(":{:04X}", address.port());
    let sockets = std::fs::read_to_string("/proc/net/tcp").unwrap();
    sockets.lines().any(|line| {
        let mut fields = line.split_whitespace().skip(2);
        let (peer, state) = (fields.next(), fields.next());
        peer.is_some_and(|peer| peer.ends_with(&port)) && state == Some(SYN_SENT)
    })
}
