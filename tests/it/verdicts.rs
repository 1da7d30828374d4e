//! Verdicts of an exporter that has too little CPU time.

use std::{
    hint,
    io::{BufRead as _, BufReader, Write as _},
    net::{Ipv4Addr, TcpListener},
    sync::Arc,
    thread,
    time::Duration,
};

use probe_exporter::{
    config::Config,
    diagnostics::{RefusalCause, Verdict},
    probe::{self, ProbeReport, ProbeRequest, request::RawRequest},
};
use rustix::process::Signal;
use socket_timestamps::SUPPORTED;
use tokio::{io::AsyncReadExt as _, sync::Notify, time::Instant};

use crate::{
    fixtures::{
        hostile::{Peer, peer},
        names,
    },
    harness::{probe_path, request},
    running::Running,
};

/// The timeout of the module, without the offset.
const TIMEOUT: Duration = Duration::from_secs(2);

/// The behaviour of a target, after each line that it receives.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Target {
    Answers,
    /// It never answers the first line.
    IsSilent,
    /// It answers the first line, and not the second.
    BecomesSilent,
    /// It answers the second line after its time.
    IsTooLate,
}

/// The work of the thread of the probe after the first line was sent.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Thread {
    IsFree,
    /// It works for others for this time.
    Works(Duration),
    /// It does not run for this time, like a process that is stopped.
    Stands(Duration),
}

/// A dialogue of two questions.
const MODULE: &str = "modules: {it: {prober: tcp, timeout: 2s, tcp: {query_response: [{send: a}, \
                      {expect: A, send: b}, {expect: B}]}}}";

/// Starts a target. It tells when it has received the first line.
fn start(target: Target, asked: Arc<Notify>) -> Peer {
    peer(move |mut visit| {
        let asked = Arc::clone(&asked);
        async move {
            for answer in ["A\n", "B\n"] {
                while visit.stream.read_u8().await? != b'\n' {}
                asked.notify_one();
                let is_second = answer == "B\n";
                match target {
                    Target::IsSilent => return visit.until_gone().await,
                    Target::BecomesSilent if is_second => return visit.until_gone().await,
                    Target::IsTooLate if is_second => tokio::time::sleep(TIMEOUT * 5 / 4).await,
                    _ => {}
                }
                visit.say(answer).await?;
            }
            visit.until_gone().await
        }
    })
}

/// Probes the target with a scrape timeout in seconds.
fn run(target: Target, thread: Thread, scrape_timeout: &str) -> ProbeReport {
    let asked = Arc::new(Notify::new());
    let server = start(target, Arc::clone(&asked));
    let config = Config::parse(MODULE, "").unwrap();
    let query = format!("module=it&target={}", server.address);
    let request = RawRequest { query: &query, scrape_timeout: Some(scrape_timeout) };
    let request = ProbeRequest::parse(request, &config, 0.5).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let others = async {
            asked.notified().await;
            let began = Instant::now();
            match thread {
                Thread::IsFree => {}
                Thread::Works(time) => {
                    while began.elapsed() < time {
                        hint::spin_loop();
                    }
                }
                Thread::Stands(time) => thread::sleep(time),
            }
        };
        tokio::join!(probe::run(request, Arc::new(names::resolver())), others).0
    })
}

/// The outcome of a probe, for messages.
fn outcome(report: &ProbeReport) -> &'static str {
    match &report.verdict {
        Verdict::Ok => "ok",
        Verdict::Failed(_) => "failed",
        Verdict::Refused(refusal) if refusal.cause == RefusalCause::Cpu => "refused",
        Verdict::Refused(_) => "refused for another cause",
    }
}

#[test]
fn only_a_target_that_had_its_time_fails() {
    const LONG: Duration = Duration::from_millis(3_200);
    const SHORT: Duration = Duration::from_secs(1);
    let cases = [
        (Target::Answers, Thread::IsFree, "9", "ok"),
        (Target::IsSilent, Thread::IsFree, "9", "failed"),
        (Target::BecomesSilent, Thread::IsFree, "9", "failed"),
        (Target::IsTooLate, Thread::IsFree, "9", "failed"),
        // It had answered, and there is time for the second question.
        (Target::Answers, Thread::Works(LONG), "9", "ok"),
        (Target::Answers, Thread::Stands(LONG), "9", "ok"),
        // It was not asked the second question in time.
        (Target::BecomesSilent, Thread::Stands(LONG), "2", "refused"),
        (Target::BecomesSilent, Thread::Works(SHORT), "2", "refused"),
        // It had all its time.
        (Target::IsSilent, Thread::Stands(LONG), "9", "failed"),
        (Target::BecomesSilent, Thread::Stands(LONG), "20", "failed"),
        (Target::BecomesSilent, Thread::Works(SHORT), "9", "failed"),
        (Target::IsTooLate, Thread::Stands(LONG), "20", "failed"),
    ];
    thread::scope(|scope| {
        for (target, thread, scrape_timeout, expected) in cases {
            scope.spawn(move || {
                let report = run(target, thread, scrape_timeout);
                let case = format!("{target:?}, {thread:?}, scrape timeout {scrape_timeout} s");
                if SUPPORTED {
                    let text = report.debug_text();
                    assert_eq!(outcome(&report), expected, "{case}:\n{text}");
                }
            });
        }
    });
}

#[test]
fn a_target_of_an_exporter_that_was_stopped_lacked_that_time() {
    const STOP: Duration = Duration::from_millis(1_200);
    let exporter = Running::start(MODULE, &[]);
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let (address, target) = (exporter.address, listener.local_addr().unwrap().to_string());
    let scrape = thread::spawn(move || {
        let timeout = [("X-Prometheus-Scrape-Timeout-Seconds", "2.6")];
        request(address, "GET", &probe_path("it", &target), &timeout)
    });
    let (mut stream, _) = listener.accept().unwrap();
    BufReader::new(&stream).read_line(&mut String::new()).unwrap();
    exporter.signal(Signal::STOP);
    stream.write_all(b"A\n").unwrap();
    thread::sleep(STOP);
    exporter.signal(Signal::CONT);
    // It says nothing more, until the exporter closes the connection.
    let answer = scrape.join().unwrap();
    drop(stream);
    let text = answer.text();
    assert_eq!(answer.status, 503, "{text}");
    assert!(text.contains("too little CPU time"), "{text}");
}
