//! Trouble of the exporter's own host: it is never reported as a failure of healthy targets.

#[cfg(target_os = "linux")]
mod network;

use std::{
    fs,
    io::{self, Read as _, Write as _},
    net::{SocketAddr, TcpListener},
    os::fd::OwnedFd,
    process::{Command, Stdio},
    sync::{
        atomic::{AtomicBool, Ordering::SeqCst},
        mpsc,
    },
    thread,
    time::Duration,
};

use socket2::{Domain, Socket, Type};
use test_fixtures::{Missing, skip};
use tokio::io::AsyncReadExt as _;

use crate::{
    crowded::Small,
    fixtures::{
        dns::{A, RunningDnsServer, dns, message, record},
        hostile::{Peer, RUNTIME, Then, greeting, peer},
    },
    harness::{Answer, PATIENCE, eventually, probe_path, request},
    running::{BINARY, Running},
};

const MODULES: &str = "
modules:
  http: {prober: http, timeout: 20s, http: {preferred_ip_protocol: ip4, fail_if_body_not_matches_regexp: [hello]}}
  tcp: {prober: tcp, timeout: 20s, tcp: {preferred_ip_protocol: ip4, query_response: [{expect: hello}]}}
  short: {prober: tcp, timeout: 300ms, tcp: {preferred_ip_protocol: ip4, query_response: [{expect: hello}]}}
  dns: {prober: dns, timeout: 20s, dns: {preferred_ip_protocol: ip4, query_name: host.example, query_type: A}}
  icmp: {prober: icmp, timeout: 20s, icmp: {preferred_ip_protocol: ip4}}
";

/// Targets that respond.
struct Healthy {
    http: Peer,
    tcp: Peer,
    dns: RunningDnsServer,
}

impl Healthy {
    /// Starts them; each response takes this long.
    fn start(delay: Duration) -> Self {
        let http = peer(move |mut visit| async move {
            if visit.stream.read(&mut [0; 4096]).await? == 0 {
                return Ok(());
            }
            tokio::time::sleep(delay).await;
            visit.say("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello").await?;
            visit.until_gone().await
        });
        let answer = message().answer(record("host.example", A, &[127, 0, 0, 1]));
        let dns = RUNTIME.block_on(dns().delay(delay).reply(answer).start());
        Self { http, tcp: greeting("hello\r\n", Then::Wait), dns }
    }

    /// Modules and targets.
    fn probes(&self) -> [(&'static str, String); 3] {
        [
            ("http", format!("http://{}/", self.http.address)),
            ("tcp", self.tcp.address.to_string()),
            ("dns", self.dns.address.to_string()),
        ]
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Up,
    Refused,
    /// The exporter closed the connection of the scraper.
    Closed,
}

/// Scrapes a target that is up.
fn scrape(exporter: SocketAddr, from: u16, (module, target): &(&str, String)) -> Outcome {
    let response = || {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
        socket.bind(&SocketAddr::from(([127, 0, 0, 1], from)).into())?;
        socket.set_read_timeout(Some(PATIENCE))?;
        socket.connect_timeout(&exporter.into(), PATIENCE)?;
        let path = probe_path(module, target);
        write!(&socket, "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")?;
        let mut bytes = Vec::new();
        (&socket).read_to_end(&mut bytes)?;
        io::Result::Ok(bytes)
    };
    let answer = match response() {
        Ok(bytes) if !bytes.is_empty() => Answer::parse(&bytes),
        _ => return Outcome::Closed,
    };
    let text = answer.text();
    if answer.status == 503 && !text.contains("probe_success") {
        return Outcome::Refused;
    }
    assert!(text.contains("\nprobe_success 1\n"), "{module} {target}: {} {text}", answer.status);
    Outcome::Up
}

/// Runs this on so many threads at once.
fn at_once<T: Send>(threads: u16, run: impl Fn(u16) -> T + Sync) -> Vec<T> {
    let run = &run;
    let (sender, results) = mpsc::channel();
    thread::scope(|scope| {
        for number in 0..threads {
            let sender = sender.clone();
            scope.spawn(move || sender.send(run(number)).unwrap());
        }
    });
    drop(sender);
    results.iter().collect()
}

#[test]
fn few_descriptors_make_no_target_fail() {
    let healthy = Healthy::start(Duration::from_millis(20));
    let probes = healthy.probes();
    for descriptors in [64, 256] {
        for limits in ["", "limits: {in_flight: 0}"] {
            let exporter = Small::start_with(descriptors, &format!("{limits}{MODULES}"));
            let scraper = |_| -> Vec<_> {
                let all = || probes.iter().cycle().take(12);
                all().map(|probe| scrape(exporter.address, 0, probe)).collect()
            };
            let outcomes = at_once(60, scraper);
            assert!(outcomes.concat().contains(&Outcome::Up), "{descriptors} {limits}");
            for probe in &probes {
                assert_eq!(scrape(exporter.address, 0, probe), Outcome::Up);
            }
        }
    }
}

/// The exporter writes nothing but its log.
#[test]
fn a_full_disk_stops_the_log_only() {
    let healthy = Healthy::start(Duration::ZERO);
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("blackbox.yml"), MODULES).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let script = format!(
        "exec 3<&0 0</dev/null 2>/dev/full; \
         LISTEN_FDS=1 LISTEN_PID=$$ exec {BINARY} --web.systemd-socket \
         --web.external-url=http://h/ --log.prober=debug"
    );
    let mut child = Command::new("sh")
        .args(["-c", &script])
        .current_dir(folder.path())
        .stdin(Stdio::from(OwnedFd::from(listener)))
        .spawn()
        .unwrap();
    let probes = healthy.probes();
    for probe in probes.iter().cycle().take(9) {
        assert_eq!(scrape(address, 0, probe), Outcome::Up);
    }
    let name = "probe_exporter_log_lines_dropped_total";
    eventually("lines are counted", || {
        request(address, "GET", "/metrics", &[]).metrics().value(name).unwrap() > 10.0
    });
    child.kill().unwrap();
    child.wait().unwrap();
}

/// Returns the library that replaces the clock of a process.
fn faketime() -> Option<String> {
    let folders = fs::read_dir("/usr/lib").into_iter().flatten().flatten();
    let libraries = folders.map(|folder| folder.path().join("faketime/libfaketime.so.1"));
    libraries.into_iter().find(|path| path.exists())?.to_str().map(str::to_owned)
}

#[test]
fn steps_of_the_clock_change_no_result() {
    let Some(library) = faketime() else {
        return skip(Missing::Faketime, "there is no libfaketime.so.1");
    };
    let folder = tempfile::tempdir().unwrap();
    let clock = folder.path().join("clock");
    fs::write(&clock, "+0").unwrap();
    let environment = [
        ("LD_PRELOAD", library.as_str()),
        ("FAKETIME_TIMESTAMP_FILE", clock.to_str().unwrap()),
        ("FAKETIME_NO_CACHE", "1"),
        ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
    ];
    let exporter = Running::start_in(&environment, MODULES, &[]);
    let healthy = Healthy::start(Duration::from_millis(20));
    let exporter_clock = || {
        let page = request(exporter.address, "GET", "/-/healthy", &[]);
        page.header("date").unwrap().to_owned()
    };
    let before = exporter_clock();
    fs::write(&clock, "-7200").unwrap();
    eventually("the clock is set back", || {
        exporter_clock() < before || !exporter_clock().contains(&before[..16])
    });
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            for offset in ["+3600", "-7200", "+86400", "-0.05", "+0"].iter().cycle() {
                if done.load(SeqCst) {
                    return;
                }
                // Replaced, so that the exporter never reads half of it.
                fs::write(clock.with_extension("new"), offset).unwrap();
                fs::rename(clock.with_extension("new"), &clock).unwrap();
                thread::sleep(Duration::from_millis(7));
            }
        });
        let probes = healthy.probes();
        let probes = probes.iter().cycle().take(90);
        let texts: Vec<_> =
            probes.map(|(module, target)| exporter.probe(module, target).text()).collect();
        done.store(true, SeqCst);
        for text in texts {
            assert!(text.contains("\nprobe_success 1\n"), "{text}");
            let times = text.lines().filter(|line| line.contains("duration_seconds"));
            for line in times.filter(|line| !line.starts_with('#')) {
                let seconds: f64 = line.rsplit(' ').next().unwrap().parse().unwrap();
                assert!((0.0..20.0).contains(&seconds), "{line}");
            }
        }
    });
}
