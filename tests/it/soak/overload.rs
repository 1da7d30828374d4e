//! Thousands of scrapes at once in a control group with little memory. `make overload` runs it with the
//! release binary.
//!
//! Unoptimised code takes more memory and time than the limits allow for, and the times hold on a machine
//! that does nothing else.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::atomic::{AtomicBool, Ordering::SeqCst},
    thread,
    time::{Duration, Instant},
};

use accuracy::Group;
use rustix::process::{Resource, Rlimit, nice, setrlimit};
use socket2::{Domain, Socket, Type};
use test_fixtures::{Missing, skip};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    runtime::{Builder, Runtime},
    task::JoinSet,
    time::timeout,
};

use crate::{
    harness::{Answer, eventually, probe_path, request},
    running::Running,
};

/// Scrapes at once, each on a connection of its own.
const SCRAPES: usize = 5_000;

/// Time in which every scrape has its response. The probes take 5 s.
const TIME: Duration = Duration::from_secs(12);

/// Maximum time of a response of `/-/healthy` and `/metrics`, but for one of each.
const PROMPT: Duration = Duration::from_millis(100);

/// Maximum time of that one: its connection is accepted after those of all scrapes.
const BEHIND_ALL: Duration = Duration::from_millis(250);

/// The paths that are requested meanwhile.
const OWN_PATHS: [&str; 2] = ["/-/healthy", "/metrics"];

const MODULES: &str = "modules: {silent: {prober: http, timeout: 5s}}";

#[test]
#[ignore = "needs root, a release build and half a minute: make overload"]
fn every_scrape_of_an_overload_gets_a_response() {
    let mut slow = Vec::new();
    for mebibytes in [40, 128] {
        for descriptors in [20_000, 1_024] {
            let group = match Group::with_memory("overload", mebibytes << 20) {
                Ok(group) => group,
                Err(error) => {
                    return skip(Missing::Root, &format!("no limit of memory: {error:#}"));
                }
            };
            let limit = Some(20_000);
            setrlimit(Resource::Nofile, Rlimit { current: limit, maximum: limit }).unwrap();
            let members = group.members();
            let script = format!("echo $$ > {} && ulimit -n {descriptors}", members.display());
            let exporter = Running::start_after(&script, MODULES, &[]);
            let (outcomes, times) = overload(&exporter);
            let peak = group.peak_memory().map(|bytes| bytes >> 20);
            println!(
                "{mebibytes} MiB, {descriptors} files: {outcomes:?}; peak: {peak:?} MiB; \
                 longest times: {times:.1?}"
            );
            let count = |outcome| outcomes.get(outcome).copied().unwrap_or_default();
            assert!(count(PROBED) > 0 && count(REFUSED) > 0);
            assert_eq!(count(PROBED) + count(REFUSED), SCRAPES, "others are wrong");
            assert_eq!(group.kills(), Some(0), "killed for lack of memory");
            slow.extend(
                times.into_iter().filter(|[longest, next]| *longest > BEHIND_ALL || *next > PROMPT),
            );
        }
    }
    assert!(slow.is_empty(), "its own paths are slow: {slow:.1?}");
}

/// Returns the outcomes of the scrapes, and the two longest times of each of [`OWN_PATHS`].
fn overload(exporter: &Running) -> (BTreeMap<String, usize>, [[Duration; 2]; 2]) {
    // Connections are made without being accepted.
    let target = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    target.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    target.listen(4096).unwrap();
    let url = format!("http://{}/", target.local_addr().unwrap().as_socket().unwrap());
    let path = probe_path("silent", &url);
    let done = AtomicBool::new(false);
    let address = exporter.address;
    let results = thread::scope(|scope| {
        let asker = scope.spawn(|| longest_times(address, &done));
        let outcomes = scrapers().block_on(scrape_all(address, &path));
        done.store(true, SeqCst);
        (outcomes, asker.join().unwrap())
    });
    eventually("all probes end", || exporter.in_flight() < 1.0);
    results
}

/// Threads that leave processors to the exporter, as those of other hosts do.
fn scrapers() -> Runtime {
    let mut builder = Builder::new_multi_thread();
    let polite = || assert!(nice(10).is_ok());
    builder.worker_threads(2).on_thread_start(polite).enable_all().build().unwrap()
}

/// The outcomes of scrapes that are right.
const PROBED: &str = "200";
const REFUSED: &str = "503";

/// Scrapes many times at once, and counts the outcomes.
#[expect(clippy::disallowed_methods, reason = "these are scrapes, not probes")]
async fn scrape_all(address: SocketAddr, path: &str) -> BTreeMap<String, usize> {
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: {address}\r\nUser-Agent: Prometheus/3.5.0\r\n\
         X-Prometheus-Scrape-Timeout-Seconds: 10\r\n\r\n"
    );
    let mut scrapes = JoinSet::new();
    for _ in 0..SCRAPES {
        let request = request.clone();
        scrapes.spawn(async move { timeout(TIME, scrape(address, &request)).await });
    }
    let mut outcomes = BTreeMap::new();
    while let Some(scraped) = scrapes.join_next().await {
        let outcome = match scraped.unwrap() {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(error)) => error.to_string(),
            Err(_) => "no response".to_owned(),
        };
        *outcomes.entry(outcome).or_default() += 1;
    }
    outcomes
}

/// Returns the status of the response, or what is wrong with it.
async fn scrape(address: SocketAddr, request: &str) -> std::io::Result<String> {
    let mut stream = send(address, request.as_bytes()).await?;
    let mut bytes = Vec::new();
    while !is_whole(&bytes) {
        if stream.read_buf(&mut bytes).await? == 0 {
            return Ok(format!("closed after {} bytes", bytes.len()));
        }
    }
    let answer = Answer::parse(&bytes);
    let has_result = answer.text().contains("\nprobe_success 0\n");
    let is_right = has_result == (answer.status == 200);
    let remark = if is_right { "" } else { " with a wrong body" };
    Ok(format!("{}{remark}", answer.status))
}

/// Connects and sends the request at once, if the system connects at once: the exporter closes connections
/// without a request.
#[expect(clippy::disallowed_methods, reason = "this is a scrape, not a probe")]
async fn send(address: SocketAddr, request: &[u8]) -> std::io::Result<TcpStream> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    // An error comes when the connection is used.
    socket.connect(&address.into()).ok();
    let is_sent = socket.send(request).is_ok_and(|length| length == request.len());
    let mut stream = TcpStream::from_std(socket.into())?;
    if !is_sent {
        stream.write_all(request).await?;
    }
    Ok(stream)
}

/// Checks for the end of the body, whose length is in the head.
fn is_whole(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes);
    text.split_once("\r\n\r\n").is_some_and(|(head, body)| {
        let length = head.lines().find_map(|line| {
            let (name, value) = line.split_once(": ")?;
            name.eq_ignore_ascii_case("content-length").then(|| value.parse().unwrap())
        });
        length.is_some_and(|length: usize| body.len() >= length)
    })
}

/// Requests the paths of the exporter itself until `done`, and returns the two longest times of each.
fn longest_times(exporter: SocketAddr, done: &AtomicBool) -> [[Duration; 2]; 2] {
    let mut longest = [[Duration::ZERO; 2]; 2];
    while !done.load(SeqCst) {
        for (path, [first, second]) in OWN_PATHS.into_iter().zip(&mut longest) {
            let begun = Instant::now();
            assert_eq!(request(exporter, "GET", path, &[]).status, 200, "{path}");
            let time = begun.elapsed();
            (*first, *second) = (time.max(*first), time.min(*first).max(*second));
        }
        thread::sleep(Duration::from_millis(20));
    }
    longest
}
