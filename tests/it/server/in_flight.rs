//! Running probes during a disconnect, a reload, a stop and other probes.

use std::{
    fs,
    io::{Read as _, Write as _},
    thread,
};

use super::{MODULES, Target};
use crate::harness::{Answer, Exporter, connect, eventually, probe_path};

fn in_flight(exporter: &Exporter) -> f64 {
    exporter.own_metrics().value("probe_exporter_probes_in_flight").unwrap()
}

/// Sends a request; the response is read later.
fn begin(exporter: &Exporter, path: &str) -> std::net::TcpStream {
    let mut stream = connect(exporter.address);
    write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
    stream
}

#[test]
fn a_probe_ends_when_its_scraper_hangs_up() {
    let exporter = Exporter::start(MODULES);
    let target = Target::start();
    let scraper = begin(&exporter, &probe_path("silent", &target.name()));
    eventually("the probe runs", || in_flight(&exporter) > 0.0);
    drop(scraper);
    eventually("the probe ends", || in_flight(&exporter) < 1.0);
    eventually("the history shows it", || exporter.get("/logs?id=0").status == 200);
    let log = exporter.get("/logs?id=0").text();
    assert!(log.contains("stage=response reason=abandoned"), "{log}");
}

#[test]
fn a_running_probe_keeps_the_module_it_began_with() {
    let exporter = Exporter::start(MODULES);
    let target = Target::start();
    let mut scraper = begin(&exporter, &probe_path("silent", &target.name()));
    eventually("the probe runs", || in_flight(&exporter) > 0.0);
    fs::write(exporter.config_file(), "modules: {other: {prober: tcp}}").unwrap();
    assert_eq!(exporter.request("POST", "/-/reload", &[]).status, 200);
    answer_never(&target);
    let mut bytes = Vec::new();
    scraper.read_to_end(&mut bytes).unwrap();
    Answer::parse(&bytes).metrics().expect(&["probe_success 1"]);
}

/// Sends the line that the module `silent` waits for.
fn answer_never(target: &Target) {
    let (mut peer, _) = target.listener.accept().unwrap();
    peer.write_all(b"never\n").unwrap();
}

#[test]
fn stopping_lets_running_probes_finish_and_refuses_new_ones() {
    let exporter = Exporter::start(MODULES);
    let target = Target::start();
    let address = exporter.address;
    let mut scraper = begin(&exporter, &probe_path("silent", &target.name()));
    eventually("the probe runs", || in_flight(&exporter) > 0.0);
    let stopping = thread::spawn(move || exporter.stop());
    eventually("new connections are refused", || std::net::TcpStream::connect(address).is_err());
    assert!(!stopping.is_finished());
    answer_never(&target);
    let mut bytes = Vec::new();
    scraper.read_to_end(&mut bytes).unwrap();
    Answer::parse(&bytes).metrics().expect(&["probe_success 1"]);
    stopping.join().unwrap();
}

#[test]
fn many_slow_probes_do_not_block_others() {
    let exporter = Exporter::start(MODULES);
    let target = Target::start();
    let path = probe_path("silent", &target.name());
    let scrapers: Vec<_> = (0..200).map(|_| begin(&exporter, &path)).collect();
    eventually("all probes run", || in_flight(&exporter) >= 200.0);
    exporter.probe("connect", &Target::start().name()).expect(&["probe_success 1"]);
    assert_eq!(exporter.get("/-/healthy").status, 200);
    drop(scrapers);
    eventually("all probes end", || in_flight(&exporter) < 1.0);
}
