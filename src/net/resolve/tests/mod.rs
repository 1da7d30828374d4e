//! Resolution against small name servers on loopback.

mod name_server;
mod servers;

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use tokio::time::Instant;

use self::name_server::{NameServer, record};
use super::{
    Resolution,
    answer::{A, AAAA},
    config::ResolverConfig,
    hosts::Hosts,
    resolve,
    resolver::Resolver,
};
use crate::{
    diagnostics::{Failure, Reason, Stage},
    metrics::{Export, MetricSet},
    net::{Context, policy::Destination},
    settings::ip::IpSettings,
};

/// Queries these servers once. The timeout is so long that a lookup without a response hangs.
fn config(servers: &[SocketAddr]) -> ResolverConfig {
    let mut config = ResolverConfig::of_servers(servers.iter().copied());
    config.options.timeout = Duration::from_hours(1);
    config.options.attempts = 1;
    config
}

fn resolver(config: ResolverConfig) -> Arc<Resolver> {
    Arc::new(Resolver::of_config(config, Hosts::default()))
}

fn wants(preferred: &str, fallback: bool) -> IpSettings {
    IpSettings {
        preferred_ip_protocol: serde_json::from_value(preferred.into()).expect("a text"),
        ip_protocol_fallback: fallback,
    }
}

async fn lookup(
    resolver: &Arc<Resolver>,
    host: &str,
    ip: &IpSettings,
) -> (Result<String, Failure>, Option<Resolution>) {
    let context = Context::new(Instant::now() + Duration::from_hours(1), Arc::clone(resolver));
    let mut resolution = None;
    let address =
        resolve(&context, Destination { scheme: None, host, port: None }, ip, &mut resolution)
            .await;
    assert_eq!(context.stage(), Stage::Resolve);
    (address.map(|address| address.to_string()), resolution)
}

#[tokio::test]
async fn w12_the_address_is_the_first_of_the_preferred_family_or_of_the_other() {
    let server = NameServer::start(|question| {
        if question.name == "broken." {
            return vec![question.code(2)];
        }
        let zone: &[(&str, &[&str])] = &[
            ("both.", &["192.0.2.1", "192.0.2.2", "2001:db8::1", "2001:db8::2"]),
            ("four.", &["192.0.2.3", "192.0.2.4"]),
            ("six.", &["2001:db8::3", "2001:db8::4"]),
            ("none.", &[]),
        ];
        vec![name_server::zone_answer(question, zone)]
    })
    .await;
    let resolver = resolver(config(&[server.address]));
    for (host, preferred, fallback, expected) in [
        ("both.", "ip6", true, Ok("2001:db8::1")),
        ("both.", "", false, Ok("2001:db8::1")),
        ("both.", "ip4", true, Ok("192.0.2.1")),
        ("both.", "ip4", false, Ok("192.0.2.1")),
        ("BOTH", "ip4", false, Ok("192.0.2.1")),
        ("four.", "ip6", true, Ok("192.0.2.3")),
        ("four.", "ip6", false, Err(Reason::NoSuitableAddress)),
        ("six.", "ip4", true, Ok("2001:db8::3")),
        ("six.", "ip4", false, Err(Reason::NoSuitableAddress)),
        ("none.", "ip4", true, Err(Reason::NoSuitableAddress)),
        ("gone.", "ip4", true, Err(Reason::NoSuchName)),
        ("gone.", "ip6", false, Err(Reason::NoSuchName)),
        ("hidden.onion", "ip6", false, Err(Reason::NoSuchName)),
        ("broken.", "ip4", true, Err(Reason::ResolverFailure)),
        ("a..b", "ip4", true, Err(Reason::InvalidTarget)),
        ("", "ip4", true, Err(Reason::InvalidTarget)),
        ("127.0.0.1", "ip6", true, Ok("127.0.0.1")),
        ("127.0.0.1", "ip6", false, Err(Reason::NoSuitableAddress)),
        ("::1", "ip4", true, Ok("::1")),
        ("::1", "ip4", false, Err(Reason::NoSuitableAddress)),
        ("::ffff:192.0.2.9", "ip4", false, Ok("192.0.2.9")),
        ("fe80::1%7", "ip6", true, Ok("fe80::1%7")),
        ("localhost", "ip6", true, Ok("::1")),
        ("localhost.", "ip4", true, Ok("127.0.0.1")),
    ] {
        let (found, seen) = lookup(&resolver, host, &wants(preferred, fallback)).await;
        let what = format!("{host:?}, {preferred:?}, fallback {fallback}");
        let found = found.as_deref().map_err(|failure| failure.reason);
        assert_eq!(found, expected, "{what}");
        assert_eq!(seen.expect("resolution began").address.is_some(), expected.is_ok(), "{what}");
    }
}

#[tokio::test]
async fn messages_begin_as_upstreams() {
    let server = NameServer::with_zone(&[("four.", &["192.0.2.3"])]).await;
    let resolver = resolver(config(&[server.address]));
    let gone = format!("lookup gone. on {}: no such host", server.address);
    for (host, stage, expected) in [
        ("", Stage::Target, "the host is missing; write a host name or an IP address"),
        ("gone.", Stage::Resolve, &gone),
        ("127.0.0.1", Stage::Resolve, "address 127.0.0.1: no suitable address found"),
        ("four.", Stage::Resolve, "address four.: no suitable address found"),
    ] {
        let failure = lookup(&resolver, host, &wants("ip6", false)).await.0.expect_err("none");
        assert_eq!((failure.stage, &*failure.message), (stage, expected));
    }
}

#[tokio::test]
async fn invalid_host_names_are_not_looked_up() {
    let server = NameServer::start(|question| vec![question.addresses(&["127.0.0.1"])]).await;
    let mut config = config(&[server.address]);
    config.search = vec!["wild.test".to_owned()];
    config.options.ndots = 5;
    let resolver = resolver(config);
    for host in [
        "10.0.0.256",
        "999.1.1.1",
        "1.2.3",
        "1.2.3.4.5",
        "2130706433",
        "127.0.0.01",
        "0x7f.1",
        "*",
        "*.example",
        "http://127.0.0.1/",
        "127.0.0.1:80",
        "[::1]",
        "127.0.0.1#53",
        "two words",
        "a..b",
        ".",
        "fe80::1%no-such-interface",
        &"a".repeat(64),
    ] {
        let failure = lookup(&resolver, host, &wants("ip4", true)).await.0.expect_err("no name");
        assert_eq!(
            (failure.stage, failure.reason),
            (Stage::Target, Reason::InvalidTarget),
            "{host}"
        );
    }
    assert!(server.questions().is_empty(), "{:?}", server.questions());
    lookup(&resolver, "web.1", &wants("ip4", true)).await.0.expect("a name, to Go as well");
}

#[tokio::test]
async fn an_address_of_the_preferred_family_does_not_wait_for_the_other() {
    let server = NameServer::start(|question| match question.kind {
        AAAA => Vec::new(),
        _ => vec![question.addresses(&["192.0.2.1"])],
    })
    .await;
    let resolver = resolver(config(&[server.address]));
    let (found, _) = lookup(&resolver, "slow.", &wants("ip4", true)).await;
    assert_eq!(found.expect("it has one"), "192.0.2.1");
}

#[tokio::test]
async fn only_the_families_that_are_needed_are_queried() {
    let both = &["192.0.2.1", "2001:db8::1"];
    let server = NameServer::start(|question| vec![question.addresses(both)]).await;
    let plain = || config(&[server.address]);
    let (mut single, mut no_aaaa) = (plain(), plain());
    single.options.single_request = true;
    no_aaaa.options.no_aaaa = true;
    let mut asked = 0;
    for (what, config, ip, expected, kinds) in [
        ("no fallback", plain(), wants("ip4", false), Ok("192.0.2.1"), &[A][..]),
        ("one after the other", single, wants("ip4", true), Ok("192.0.2.1"), &[A]),
        ("no AAAA", no_aaaa, wants("ip6", true), Ok("192.0.2.1"), &[A]),
    ] {
        let (found, _) = lookup(&resolver(config), "both.", &ip).await;
        assert_eq!(found.as_deref().map_err(|failure| failure.reason), expected, "{what}");
        let questions = server.questions();
        let new: Vec<_> = questions[asked..].iter().map(|question| question.kind).collect();
        assert_eq!(new, kinds, "{what}");
        asked = questions.len();
    }
}

#[tokio::test]
async fn an_alias_needs_no_second_query() {
    let server = NameServer::start(|question| {
        let mut records = vec![record(b"\xc0\x0c", 5, b"\x03web\x04test\0")];
        if question.kind == A {
            records.push(record(b"\x03web\x04test\0", A, &[192, 0, 2, 1]));
        }
        vec![question.answer(0x8180, &records)]
    })
    .await;
    let resolver = resolver(config(&[server.address]));
    let (found, _) = lookup(&resolver, "cdn.test.", &wants("ip6", true)).await;
    assert_eq!(found.expect("of the other family"), "192.0.2.1");
    assert_eq!(server.asked(), [("cdn.test.".to_owned(), A), ("cdn.test.".to_owned(), AAAA)]);
}

#[tokio::test]
async fn literal_addresses_and_names_of_the_hosts_file_are_not_queried() {
    let server = NameServer::with_zone(&[]).await;
    let hosts = Hosts::parse(b"192.0.2.5 web\n192.0.2.6 web 10.0.0.256\nfe80::5%3 zone\n");
    let resolver = Arc::new(Resolver::of_config(config(&[server.address]), hosts));
    for (host, expected) in [
        ("127.0.0.1", "127.0.0.1"),
        ("web", "192.0.2.5"),
        ("WEB.", "192.0.2.5"),
        ("zone", "fe80::5%3"),
        ("10.0.0.256", "192.0.2.6"),
        ("any.localhost", "::1"),
    ] {
        let (found, _) = lookup(&resolver, host, &wants("ip6", true)).await;
        assert_eq!(found.as_deref(), Ok(expected), "{host}");
    }
    let (found, _) = lookup(&resolver, "web", &wants("ip6", false)).await;
    assert_eq!(found.expect_err("IPv4 alone").reason, Reason::NoSuitableAddress);
    assert!(server.asked().is_empty(), "{:?}", server.asked());
}

#[tokio::test]
async fn search_domains_are_tried_in_turn() {
    let server = NameServer::start(|question| {
        if question.name.ends_with(".broken.") {
            return vec![question.code(2)];
        }
        let zone: &[(&str, &[&str])] = &[
            ("web.one.", &["192.0.2.1"]),
            ("web.two.", &["2001:db8::66"]),
            ("empty.one.", &[]),
            ("bare.", &["192.0.2.7"]),
        ];
        vec![name_server::zone_answer(question, zone)]
    })
    .await;
    for (host, search, expected) in [
        // Both families come from the same domain.
        ("web", "nowhere one two", Ok("192.0.2.1")),
        ("web", "nowhere two one", Ok("2001:db8::66")),
        ("web", "broken one", Ok("192.0.2.1")),
        ("empty", "one two", Err(Reason::NoSuitableAddress)),
        ("bare", "nowhere one", Ok("192.0.2.7")),
        ("gone", "nowhere one", Err(Reason::NoSuchName)),
        ("gone", "broken one", Err(Reason::ResolverFailure)),
        ("bare.", "one", Ok("192.0.2.7")),
    ] {
        let mut config = config(&[server.address]);
        config.search = search.split(' ').map(str::to_owned).collect();
        let (found, _) = lookup(&resolver(config), host, &wants("ip6", true)).await;
        let found = found.as_deref().map_err(|failure| failure.reason);
        assert_eq!(found, expected, "{host} in {search}");
    }
}

#[tokio::test]
async fn a_cancelled_lookup_is_reported() {
    let server = NameServer::start(|_| Vec::new()).await;
    let context = Context::new(Instant::now(), resolver(config(&[server.address])));
    let (ip, mut seen) = (wants("ip4", false), None);
    tokio::select! {
        _ = resolve(&context, Destination::of_port("slow.", 80), &ip, &mut seen) => panic!("no answer"),
        () = server.was_asked.notified() => {}
    }
    let seen = seen.expect("resolution began");
    assert!(seen.lookup > Duration::ZERO);
    assert_eq!(seen.address, None);
}

#[tokio::test]
async fn many_lookups_at_once_all_succeed() {
    // Over UDP the server truncates responses, over TCP it closes each connection after one.
    let server = NameServer::start(|question| {
        let flags = if question.tcp { 0x8180 } else { 0x8380 };
        let address = record(b"\xc0\x0c", A, &[192, 0, 2, 1]);
        let addresses = (question.kind == A && question.tcp).then_some(address);
        vec![question.answer(flags, &addresses.into_iter().collect::<Vec<_>>())]
    })
    .await;
    let resolver = resolver(config(&[server.address]));
    let lookups: Vec<_> = (0..100)
        .map(|_| {
            let resolver = Arc::clone(&resolver);
            tokio::spawn(async move { lookup(&resolver, "web.", &wants("ip6", true)).await.0 })
        })
        .collect();
    for lookup in lookups {
        lookup.await.expect("no panic").expect("it has one");
    }
}

#[tokio::test]
async fn the_operating_system_resolves_localhost_but_not_numbers() {
    let resolver = Arc::new(Resolver::operating_system());
    let (found, _) = lookup(&resolver, "localhost", &wants("ip4", true)).await;
    let ip: IpAddr = found.expect("in the hosts file").parse().expect("an address");
    assert!(ip.is_loopback());
    let (found, _) = lookup(&resolver, "2130706433", &wants("ip4", true)).await;
    assert_eq!(found.expect_err("no name").reason, Reason::InvalidTarget);
}

#[test]
fn the_address_metrics_are_upstreams() {
    for (address, protocol, hash) in [
        (Some("127.0.0.1"), "4", "3.668918509e+09"),
        (Some("127.0.0.2"), "4", "3.618585652e+09"),
        (Some("::1"), "6", "1.751717746e+09"),
        (Some("203.0.113.1"), "4", "2.166292308e+09"),
        (Some("198.51.100.1"), "4", "6.53829245e+08"),
        (None, "0", "0"),
    ] {
        let address = address.map(|address| address.parse::<IpAddr>().unwrap().into());
        let mut metrics = MetricSet::default();
        Resolution { address, lookup: Duration::from_millis(250) }.export(&mut metrics);
        let text = metrics.render();
        let samples: Vec<_> = text.lines().filter(|line| !line.starts_with('#')).collect();
        assert_eq!(
            samples,
            [
                "probe_dns_lookup_time_seconds 0.25".to_owned(),
                format!("probe_ip_addr_hash {hash}"),
                format!("probe_ip_protocol {protocol}"),
            ]
        );
    }
}
