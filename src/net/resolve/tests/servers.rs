//! Name servers that fail, and the messages about them.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use super::{
    config, lookup,
    name_server::{NameServer, Question, Replies, record},
    resolver, wants,
};
use crate::{
    diagnostics::Reason,
    net::resolve::{answer::A, attempts::Attempts, lookup::Wanted, server::Server},
    settings::ip::IpFamily,
};

/// A privileged port is never handed out to others, and this one has no service.
const CLOSED: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 1);

/// Long enough for a response, on a busy machine too.
const SHORT: Duration = Duration::from_secs(1);

fn working(question: &Question) -> Replies {
    vec![question.addresses(&["192.0.2.1"])]
}

fn truncated(question: &Question) -> Vec<u8> {
    question.answer(0x8380, &[])
}

/// The behaviour of a server, and the message about it.
type Row = (&'static str, fn(&Question) -> Replies, &'static str);

const FAULTS: &[Row] = &[
    ("SERVFAIL", |question| vec![question.code(2)], "the server returned SERVFAIL"),
    ("REFUSED", |question| vec![question.code(5)], "the server returned REFUSED"),
    ("NOTIMP", |question| vec![question.code(4)], "the server returned NOTIMP"),
    ("FORMERR", |question| vec![question.code(1)], "the server returned FORMERR"),
    ("an odd code", |question| vec![question.code(11)], "the server returned response code 11"),
    (
        "a referral",
        |question| {
            let mut referral = question.answer(0x8000, &[]);
            referral[9] = 1;
            referral.extend(record(b"\xc0\x0c", 2, b"\x02ns\xc0\x0c"));
            vec![referral]
        },
        "the server returned a referral",
    ),
    (
        "half a record",
        |question| vec![question.answer(0x8180, &[record(b"\xc0\x0c", A, &[1; 4])[..12].to_vec()])],
        "malformed response: the message ends within a field",
    ),
    (
        "an address of three octets",
        |question| vec![question.answer(0x8180, &[record(b"\xc0\x0c", A, &[1; 3])])],
        "malformed response: the message ends within a field",
    ),
    ("silence", |_| Vec::new(), "no response within 1 s"),
    (
        "an empty datagram",
        |_| vec![Vec::new()],
        "(ignored: a message that does not match the query (shorter than a DNS header))",
    ),
    (
        "a flood of other identifiers",
        |question| {
            let mut forged = question.addresses(&["192.0.2.66"]);
            forged[0] ^= 1;
            vec![forged; 50]
        },
        "(ignored: a message that does not match the query (different message ID))",
    ),
    (
        "another question",
        |question| {
            let mut forged = question.addresses(&["192.0.2.66"]);
            forged[13] ^= 1;
            vec![forged]
        },
        "(different question)",
    ),
    (
        "truncated, and a connection that ends",
        |question| if question.tcp { Vec::new() } else { vec![truncated(question)] },
        "the response is truncated, and the query over TCP failed: the server closed the TCP \
         connection without a response",
    ),
    (
        "truncated over TCP as well",
        |question| vec![truncated(question)],
        "over TCP failed: malformed response: truncated over TCP",
    ),
    (
        "another question over TCP",
        |question| {
            let mut reply =
                if question.tcp { question.addresses(&[]) } else { truncated(question) };
            if question.tcp {
                reply[13] ^= 1;
            }
            vec![reply]
        },
        "over TCP failed: a message that does not match the query (different question)",
    ),
];

#[tokio::test]
async fn the_next_server_is_queried_after_a_failure() {
    let good = NameServer::start(working).await;
    for (what, behaviour, words) in FAULTS {
        let bad = NameServer::start(behaviour).await;
        let mut config = config(&[bad.address, good.address]);
        config.options.timeout = SHORT;
        config.options.attempts = 5;
        let (found, _) = lookup(&resolver(config), "web.", &wants("ip4", false)).await;
        assert_eq!(found.as_deref(), Ok("192.0.2.1"), "{what}");

        let mut config = super::config(&[bad.address, CLOSED]);
        config.options.timeout = SHORT;
        let failure = lookup(&resolver(config), "web.", &wants("ip4", false)).await.0;
        let failure = failure.expect_err(what);
        assert_eq!(failure.reason, Reason::ResolverFailure, "{what}");
        let [begin, end] = [
            format!("lookup web. on {}: ", bad.address),
            format!("; on {CLOSED}: connection refused (no name server listens on this port)"),
        ];
        assert!(failure.message.starts_with(&begin), "{what}: {failure}");
        assert!(failure.message.ends_with(&end), "{what}: {failure}");
        assert!(failure.message.contains(words), "{what}: {failure}");
    }
}

#[tokio::test]
async fn a_closed_port_costs_no_time() {
    let good = NameServer::start(working).await;
    // The timeout is an hour.
    let (found, _) =
        lookup(&resolver(config(&[CLOSED, good.address])), "web.", &wants("ip4", false)).await;
    assert_eq!(found.as_deref(), Ok("192.0.2.1"));
    let (found, _) = lookup(&resolver(config(&[CLOSED])), "web.", &wants("ip6", true)).await;
    let failure = found.expect_err("nobody listens");
    assert_eq!(
        (failure.reason, &*failure.message),
        (
            Reason::ResolverFailure,
            "lookup web. on 127.0.0.1:1: connection refused (no name server listens on this port)"
        )
    );
}

#[tokio::test]
async fn servers_without_a_usable_address_are_skipped() {
    let good = NameServer::start(working).await;
    let foreign = "[fe80::53]:53".parse().expect("an address");
    for (bad, words) in [
        (
            Server::new(foreign, Some("no-such-interface")),
            "no network interface \"no-such-interface\"",
        ),
        (Server::new(foreign, None), "lookup web. on [fe80::53]:53: connecting"),
    ] {
        let mut config = config(&[good.address]);
        config.servers.insert(0, bad);
        let resolver = resolver(config);
        let (found, _) = lookup(&resolver, "web.", &wants("ip4", false)).await;
        assert_eq!(found.as_deref(), Ok("192.0.2.1"), "{words}");
    }
    let bad = Server::new(foreign, Some("no-such-interface"));
    let mut config = config(&[]);
    config.servers.push(bad);
    let (found, _) = lookup(&resolver(config), "web.", &wants("ip4", false)).await;
    let message = found.expect_err("it cannot be asked").message;
    assert!(
        message.starts_with("lookup web. on [fe80::53%no-such-interface]:53: this host has"),
        "{message}"
    );
}

#[tokio::test]
async fn the_first_answer_decides() {
    let broken = NameServer::start(|question| match &*question.name {
        "web." => vec![question.code(2)],
        _ => vec![question.code(3)],
    })
    .await;
    let good = NameServer::start(working).await;
    for (host, expected) in [("web.", Ok("192.0.2.1")), ("gone.", Err(Reason::NoSuchName))] {
        let resolver = resolver(config(&[broken.address, good.address]));
        let (found, _) = lookup(&resolver, host, &wants("ip4", false)).await;
        assert_eq!(found.as_deref().map_err(|failure| failure.reason), expected, "{host}");
    }
    assert_eq!(good.asked(), [("web.".to_owned(), A)]);
}

#[tokio::test]
async fn an_empty_response_counts_if_no_server_has_a_better_one() {
    let nothing = NameServer::start(|question| vec![question.answer(0x8000, &[])]).await;
    let good = NameServer::start(working).await;
    for (servers, expected) in [
        (vec![nothing.address, good.address], Ok("192.0.2.1")),
        (vec![nothing.address], Err(Reason::NoSuitableAddress)),
        (vec![CLOSED, nothing.address, CLOSED], Err(Reason::NoSuitableAddress)),
    ] {
        let (found, _) = lookup(&resolver(config(&servers)), "web.", &wants("ip4", false)).await;
        assert_eq!(found.as_deref().map_err(|failure| failure.reason), expected, "{servers:?}");
    }
}

#[tokio::test]
async fn a_server_without_edns_is_queried_again_without() {
    for code in [1, 4] {
        let old = NameServer::start(move |question| {
            // Some do not copy a question that they cannot parse.
            let error = [&question.code(code)[..4], &[0; 8]].concat();
            if question.edns { vec![error] } else { working(question) }
        })
        .await;
        let resolver = resolver(config(&[old.address]));
        for _ in 0..2 {
            let (found, _) = lookup(&resolver, "web.", &wants("ip4", false)).await;
            assert_eq!(found.as_deref(), Ok("192.0.2.1"), "{code}");
        }
        let edns: Vec<_> = old.questions().iter().map(|question| question.edns).collect();
        assert_eq!(edns, [true, false, false], "{code}: it is remembered");
    }
}

#[tokio::test]
async fn a_query_with_edns_that_is_lost_is_repeated_without() {
    let old =
        NameServer::start(|question| if question.edns { Vec::new() } else { working(question) })
            .await;
    let mut config = config(&[old.address]);
    config.options.timeout = SHORT;
    config.options.attempts = 5;
    let (found, _) = lookup(&resolver(config), "web.", &wants("ip4", false)).await;
    assert_eq!(found.as_deref(), Ok("192.0.2.1"));
}

#[tokio::test]
async fn a_connection_that_ends_early_is_made_again() {
    let asked = AtomicUsize::new(0);
    let hasty = NameServer::start(move |question| {
        if !question.tcp {
            return vec![truncated(question)];
        }
        if asked.fetch_add(1, Ordering::Relaxed) == 0 { Vec::new() } else { working(question) }
    })
    .await;
    let (found, _) =
        lookup(&resolver(config(&[hasty.address])), "web.", &wants("ip4", false)).await;
    assert_eq!(found.as_deref(), Ok("192.0.2.1"));
    let tcp: Vec<_> = hasty.questions().iter().map(|question| question.tcp).collect();
    assert_eq!(tcp, [false, true, true]);
}

#[tokio::test]
async fn options_change_the_queries() {
    let first = NameServer::start(working).await;
    let second = NameServer::start(working).await;
    let mut config = config(&[first.address, second.address]);
    config.options.rotate = true;
    config.options.use_tcp = true;
    config.options.trust_ad = true;
    let resolver = resolver(config);
    for _ in 0..4 {
        lookup(&resolver, "web.", &wants("ip4", false)).await.0.expect("it has one");
    }
    for server in [&first, &second] {
        let questions = server.questions();
        assert_eq!(questions.len(), 2);
        assert!(questions.iter().all(|question| question.tcp && question.flags == 0x0120));
    }
}

#[tokio::test]
async fn a_waiting_lookup_is_described() {
    let silent = NameServer::start(|_| vec![b"?".to_vec()]).await;
    let resolver = resolver(config(&[CLOSED, silent.address]));
    let attempts = Attempts::default();
    tokio::select! {
        _ = resolver.lookup("web.test", None, Wanted::Only(IpFamily::V4), &attempts) => panic!("silence"),
        () = async {
            while !attempts.waiting("web.test").contains("ignored") {
                tokio::task::yield_now().await;
            }
        } => {}
    }
    let text = attempts.waiting("web.test");
    let begin = format!(
        "lookup web.test on {CLOSED}: connection refused (no name server listens on this port); on \
         {}: no response for ",
        silent.address
    );
    assert!(text.starts_with(&begin), "{text}");
    let end = " s (ignored: a message that does not match the query (shorter than a DNS header))";
    assert!(text.ends_with(end), "{text}");
}
