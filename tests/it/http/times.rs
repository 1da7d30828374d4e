//! The phases of an http probe, against known delays.

use std::time::Duration;

use super::{module, phase};
use crate::{
    fixtures::http::{Answer, http, raw, redirect},
    probing::{Probed, probe},
};

const MS: Duration = Duration::from_millis(1);

async fn timed(answers: impl IntoIterator<Item = Answer>) -> Probed {
    let server = http(answers).start().await;
    let probed = probe(&module(""), server.address).await;
    probed.expect(&["probe_success 1"]);
    probed
}

/// Asserts that a phase took at least this long, and that the sum of the phases is at most the
/// duration of the probe.
#[track_caller]
fn expect_at_least(probed: &Probed, name: &str, time: Duration) {
    let found = probed.value(&phase(name));
    assert!(found >= time.as_secs_f64(), "{name} took {found}");
    let phases = ["resolve", "connect", "tls", "processing", "transfer"];
    let all: f64 = phases.map(|name| probed.value(&phase(name))).iter().sum();
    let duration = probed.value("probe_duration_seconds");
    assert!(all <= duration, "{all} of {duration}");
}

#[tokio::test]
async fn a_slow_head_counts_as_transfer_from_its_first_byte() {
    let head = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n";
    let answer = raw("").wait(100 * MS).trickle(head, MS).send("ok");
    let probed = timed([answer]).await;
    expect_at_least(&probed, "processing", 100 * MS);
    let trickled = MS * u32::try_from(head.len() - 1).unwrap();
    expect_at_least(&probed, "transfer", trickled);
}

#[tokio::test]
async fn a_slow_body_counts_as_transfer() {
    let probed = timed([raw("HTTP/1.1 200 OK\r\n\r\n").wait(100 * MS).send("ok")]).await;
    expect_at_least(&probed, "transfer", 100 * MS);
}

#[tokio::test]
async fn a_body_that_lasts_until_the_connection_ends_is_waited_for() {
    let endless = raw("HTTP/1.1 200 OK\r\n\r\nok").wait(100 * MS);
    expect_at_least(&timed([endless]).await, "transfer", 100 * MS);
}

#[tokio::test]
async fn an_interim_response_does_not_end_processing() {
    let early = "HTTP/1.1 103 Early Hints\r\nLink: <a>\r\n\r\n";
    let answer = raw(early).wait(100 * MS).send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    expect_at_least(&timed([answer]).await, "processing", 100 * MS);
}

#[tokio::test]
async fn processing_adds_up_over_redirects() {
    let first = raw("").wait(50 * MS).send("HTTP/1.1 302 Found\r\nLocation: /b\r\n\r\nbody");
    let second = raw("").wait(50 * MS).send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    let probed = timed([first, redirect("/c"), second]).await;
    expect_at_least(&probed, "processing", 100 * MS);
}
