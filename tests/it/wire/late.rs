//! Data that is read late, or arrives together, has the time of its arrival.

use std::{sync::Arc, thread, time::Duration};

use socket_timestamps::SUPPORTED;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite},
    sync::Notify,
};

use crate::{
    fixtures::{
        hostile::{Peer, Visit, peer},
        http2::{DATA, END_STREAM, PING, frame, head, hello, interim_head, serving},
    },
    http::phase,
    probing::{Probed, probe},
};

/// The duration of a pause of the peer.
const PAUSE: Duration = Duration::from_secs(1);

/// Time that this thread sleeps after the request; much longer than the peer takes.
const LATE: Duration = Duration::from_secs(6);

/// A part of a peer's response, or a pause.
#[derive(Clone, Copy)]
enum Say {
    Pause,
    Interim,
    Head,
    HeadAndBody,
    Body,
    Ping,
}

use Say::{Body, Head, HeadAndBody, Interim, Pause, Ping};

/// Responses, with the number of pauses in the processing and the transfer phase.
const ANSWERS: &[(&str, &[Say], u32, u32)] = &[
    ("one piece", &[Pause, HeadAndBody], 1, 0),
    ("a late body", &[Pause, Head, Pause, Body], 1, 1),
    ("interim just before", &[Pause, Interim, HeadAndBody], 1, 0),
    ("interim long before", &[Interim, Pause, Pause, Head, Body], 2, 0),
    ("others before", &[Ping, Pause, Ping, Head, Body], 1, 0),
    ("others behind", &[Pause, Head, Ping, Pause, Body, Ping], 1, 1),
    ("others long behind", &[Head, Body, Pause, Ping], 0, 0),
];

#[test]
fn the_delays_of_a_peer_count_in_the_right_phase() {
    each_answer(Duration::ZERO, |name, probed, processing, transfer| {
        let [found_processing, found_transfer] = phases(probed);
        // Without timestamps, a pause may seem shorter on a busy machine.
        let seconds = |pauses: u32| (PAUSE * pauses / 2).as_secs_f64();
        assert!(found_processing >= seconds(processing), "{name}: {found_processing}");
        assert!(found_transfer >= seconds(transfer), "{name}: {found_transfer}");
    });
}

#[test]
fn a_late_process_does_not_lengthen_the_phases() {
    each_answer(LATE, |name, probed, processing, transfer| {
        let [found_processing, found_transfer] = phases(probed);
        let least = (PAUSE * processing).as_secs_f64();
        assert!(found_processing >= least, "{name}: {found_processing}");
        // The kernel may have merged the headers with later data while nothing was read, with
        // the timestamp of the last. So a pause may count in either phase.
        let all = found_processing + found_transfer;
        assert!(all >= (PAUSE * (processing + transfer)).as_secs_f64(), "{name}: {all}");
        if SUPPORTED {
            assert!(all < LATE.as_secs_f64(), "{name}: {all}");
        }
    });
}

fn phases(probed: &Probed) -> [f64; 2] {
    probed.expect(&["probe_success 1", "probe_http_status_code 200"]);
    ["processing", "transfer"].map(|name| probed.value(&phase(name)))
}

/// Probes a server for each response over both versions, concurrently, with a sleep of `late`.
fn each_answer(late: Duration, check: impl Fn(&str, &Probed, u32, u32) + Sync) {
    thread::scope(|scope| {
        for (name, answer, processing, transfer) in ANSWERS {
            for http2 in [false, true] {
                // HTTP/1 has no other messages.
                if !http2 && answer.iter().any(|say| matches!(say, Ping)) {
                    continue;
                }
                let check = &check;
                scope.spawn(move || {
                    let name = format!("{name} over HTTP/{}", if http2 { 2 } else { 1 });
                    check(&name, &probe_late(answer, http2, late), *processing, *transfer);
                });
            }
        }
    });
}

/// Probes a server with this response; this thread sleeps after the request.
fn probe_late(answer: &'static [Say], http2: bool, late: Duration) -> Probed {
    let asked = Arc::new(Notify::new());
    let server = server(answer, http2, Arc::clone(&asked));
    let target = format!("http{}://{}", if http2 { "s" } else { "" }, server.address);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let module = "{prober: http, timeout: 60s, http: {tls_config: {insecure_skip_verify: true}}}";
    runtime.block_on(async {
        let sleep = async {
            asked.notified().await;
            thread::sleep(late);
        };
        tokio::join!(probe(module, target), sleep).0
    })
}

fn server(answer: &'static [Say], http2: bool, asked: Arc<Notify>) -> Peer {
    if http2 {
        return serving(move |mut visit| {
            let asked = Arc::clone(&asked);
            async move {
                visit.say(hello()).await?;
                visit.http2_request().await?;
                asked.notify_one();
                tell(visit, answer, frames).await
            }
        });
    }
    peer(move |mut visit| {
        let asked = Arc::clone(&asked);
        async move {
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                request.push(visit.stream.read_u8().await?);
            }
            asked.notify_one();
            tell(visit, answer, text).await
        }
    })
}

async fn tell<S: AsyncRead + AsyncWrite + Unpin>(
    mut visit: Visit<S>,
    answer: &[Say],
    bytes: fn(Say) -> Vec<u8>,
) -> std::io::Result<()> {
    for say in answer {
        if let Pause = say {
            tokio::time::sleep(PAUSE).await;
        } else {
            visit.say(bytes(*say)).await?;
        }
    }
    visit.until_gone().await
}

fn frames(say: Say) -> Vec<u8> {
    let body = frame(DATA, END_STREAM, 1, b"ok");
    match say {
        Interim => interim_head(),
        Head => head(),
        Body => body,
        HeadAndBody => [head(), body].concat(),
        Ping => frame(PING, 0, 0, &[7; 8]),
        Pause => Vec::new(),
    }
}

fn text(say: Say) -> Vec<u8> {
    let head = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n";
    let text = match say {
        Interim => "HTTP/1.1 103 Early Hints\r\nLink: <a>\r\n\r\n",
        Head => head,
        Body => "ok",
        HeadAndBody => return [head, "ok"].concat().into_bytes(),
        Ping | Pause => "",
    };
    text.as_bytes().to_vec()
}
