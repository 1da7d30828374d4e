//! Resolution against a small DNS server on loopback.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex},
    time::Duration,
};

use hickory_resolver::proto::{
    op::{Message, ResponseCode},
    rr::{Name, RData, Record, RecordType},
};
use tokio::{net::UdpSocket, sync::Notify, task::JoinHandle, time::Instant};

use super::{Resolution, files::Setup, resolve, resolver::Resolver};
use crate::{
    evidence::{Failure, Reason, Stage},
    metrics::{Export, MetricSet},
    net::Context,
    settings::ip::IpSettings,
};

/// What the server says about a name.
#[derive(Debug, Clone, Copy)]
enum Says {
    /// These addresses exist.
    Addresses(&'static [&'static str]),
    /// An error code, or no such name.
    Code(ResponseCode),
    /// Nothing, about addresses of this type; there is an IPv4 or IPv6 address otherwise.
    NothingAbout(RecordType),
}

/// A DNS server; stops when it is dropped.
struct Server {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<(String, RecordType)>>>,
    was_asked: Arc<Notify>,
    task: JoinHandle<()>,
}

impl Server {
    async fn start(zone: &[(&str, Says)]) -> Self {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("loopback");
        let address = socket.local_addr().expect("bound");
        let zone: HashMap<String, Says> =
            zone.iter().map(|(name, says)| ((*name).to_owned(), *says)).collect();
        let asked = Arc::<Mutex<Vec<_>>>::default();
        let was_asked = Arc::<Notify>::default();
        let (noted, notify) = (Arc::clone(&asked), Arc::clone(&was_asked));
        let task = tokio::spawn(async move {
            let mut buffer = [0; 1500];
            while let Ok((length, client)) = socket.recv_from(&mut buffer).await {
                let message = Message::from_vec(&buffer[..length]).expect("a query");
                let query = message.queries[0].clone();
                let name = query.name().to_ascii();
                noted.lock().unwrap().push((name.clone(), query.query_type()));
                notify.notify_one();
                let says = zone.get(&name).copied().unwrap_or(Says::Code(ResponseCode::NXDomain));
                if let Some(answer) = answer(message, query.name(), query.query_type(), says) {
                    socket.send_to(&answer, client).await.expect("loopback");
                }
            }
        });
        Self { address, asked, was_asked, task }
    }

    fn setup(&self) -> Setup {
        // A lookup that waits for an answer that does not come hangs visibly.
        let timeout = Duration::from_hours(1);
        let (servers, search) = (vec![self.address], Vec::new());
        Setup { servers, search, timeout, attempts: 1, ..Setup::default() }
    }

    fn asked(&self) -> Vec<(String, RecordType)> {
        let mut asked = self.asked.lock().unwrap().clone();
        asked.sort_by_key(|(name, kind)| (name.clone(), u16::from(*kind)));
        asked
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn answer(query: Message, name: &Name, kind: RecordType, says: Says) -> Option<Vec<u8>> {
    let mut response = query.into_response();
    let addresses = match says {
        Says::Addresses(addresses) => addresses,
        Says::Code(code) => {
            response.metadata.response_code = code;
            &[]
        }
        Says::NothingAbout(silent) if silent == kind => return None,
        Says::NothingAbout(_) => &["192.0.2.1", "2001:db8::1"],
    };
    for address in addresses {
        let address: IpAddr = address.parse().expect("an address");
        if address.is_ipv4() == (kind == RecordType::A) {
            response.add_answer(Record::from_rdata(name.clone(), 60, RData::from(address)));
        }
    }
    Some(response.to_vec().expect("it is small"))
}

fn wants(preferred: &str, fallback: bool) -> IpSettings {
    IpSettings {
        preferred_ip_protocol: serde_json::from_value(preferred.into()).expect("a text"),
        ip_protocol_fallback: fallback,
    }
}

async fn lookup(
    setup: Setup,
    host: &str,
    ip: &IpSettings,
) -> (Result<String, Failure>, Option<Resolution>) {
    let resolver = Arc::new(Resolver::of_setup(setup));
    let context = Context::new(Instant::now() + Duration::from_hours(1), resolver);
    let mut seen = None;
    let address = resolve(&context, host, ip, &mut seen).await;
    assert_eq!(context.stage(), Stage::Resolve);
    (address.map(|address| address.to_string()), seen)
}

#[tokio::test]
async fn w12_the_address_is_the_first_of_the_preferred_family_or_of_the_other() {
    let server = Server::start(&[
        ("both.", Says::Addresses(&["192.0.2.1", "192.0.2.2", "2001:db8::1", "2001:db8::2"])),
        ("four.", Says::Addresses(&["192.0.2.3", "192.0.2.4"])),
        ("six.", Says::Addresses(&["2001:db8::3", "2001:db8::4"])),
        ("none.", Says::Addresses(&[])),
        ("broken.", Says::Code(ResponseCode::ServFail)),
    ])
    .await;
    for (host, preferred, fallback, expected) in [
        ("both.", "ip6", true, Ok("2001:db8::1")),
        ("both.", "", false, Ok("2001:db8::1")),
        ("both.", "ip4", true, Ok("192.0.2.1")),
        ("both.", "ip4", false, Ok("192.0.2.1")),
        ("four.", "ip6", true, Ok("192.0.2.3")),
        ("four.", "ip6", false, Err(Reason::NoSuitableAddress)),
        ("six.", "ip4", true, Ok("2001:db8::3")),
        ("six.", "ip4", false, Err(Reason::NoSuitableAddress)),
        ("none.", "ip4", true, Err(Reason::NoSuitableAddress)),
        ("gone.", "ip4", true, Err(Reason::NoSuchName)),
        ("gone.", "ip6", false, Err(Reason::NoSuchName)),
        ("broken.", "ip4", true, Err(Reason::ResolverFailure)),
        ("a..b", "ip4", true, Err(Reason::NoSuchName)),
        ("", "ip4", true, Err(Reason::NoSuchName)),
        ("127.0.0.1", "ip6", true, Ok("127.0.0.1")),
        ("127.0.0.1", "ip6", false, Err(Reason::NoSuitableAddress)),
        ("::1", "ip4", true, Ok("::1")),
        ("::1", "ip4", false, Err(Reason::NoSuitableAddress)),
        ("::ffff:192.0.2.9", "ip4", false, Ok("192.0.2.9")),
        ("fe80::1%7", "ip6", true, Ok("fe80::1%7")),
    ] {
        let (found, seen) = lookup(server.setup(), host, &wants(preferred, fallback)).await;
        let what = format!("{host:?}, {preferred:?}, fallback {fallback}");
        let found = found.as_deref().map_err(|failure| failure.reason);
        assert_eq!(found, expected, "{what}");
        assert_eq!(seen.expect("resolution began").address.is_some(), expected.is_ok(), "{what}");
    }
}

#[tokio::test]
async fn messages_are_upstreams() {
    let server = Server::start(&[("four.", Says::Addresses(&["192.0.2.3"]))]).await;
    for (host, expected) in [
        ("", "lookup : no such host"),
        ("gone.", "lookup gone.: no such host"),
        ("127.0.0.1", "address 127.0.0.1: no suitable address found"),
        ("four.", "address four.: no suitable address found"),
    ] {
        let (found, _) = lookup(server.setup(), host, &wants("ip6", false)).await;
        assert_eq!(found.expect_err("no address").message, expected);
    }
}

#[tokio::test]
async fn an_address_of_the_preferred_family_does_not_wait_for_the_other() {
    let server = Server::start(&[("slow.", Says::NothingAbout(RecordType::AAAA))]).await;
    let (found, _) = lookup(server.setup(), "slow.", &wants("ip4", true)).await;
    assert_eq!(found.expect("it has one"), "192.0.2.1");
}

#[tokio::test]
async fn without_fallback_only_the_preferred_family_is_asked_for() {
    let server = Server::start(&[("both.", Says::Addresses(&["192.0.2.1", "2001:db8::1"]))]).await;
    lookup(server.setup(), "both.", &wants("ip4", false)).await.0.expect("it has one");
    assert_eq!(server.asked(), [("both.".to_owned(), RecordType::A)]);
}

#[tokio::test]
async fn literals_and_fixed_names_reach_no_server() {
    let server = Server::start(&[]).await;
    let addresses = vec!["192.0.2.5".parse().unwrap(), "192.0.2.6".parse().unwrap()];
    let hosts: HashMap<_, _> = [("web".to_owned(), addresses)].into();
    for (host, expected) in [
        ("127.0.0.1", Ok("127.0.0.1")),
        ("web", Ok("192.0.2.5")),
        ("WEB.", Ok("192.0.2.5")),
        ("fe80::1%no-such-interface", Err(Reason::NoSuchName)),
    ] {
        let setup = Setup { hosts: hosts.clone(), ..server.setup() };
        let (found, _) = lookup(setup, host, &wants("ip6", true)).await;
        assert_eq!(found.as_deref().map_err(|failure| failure.reason), expected, "{host}");
    }
    let setup = Setup { hosts, ..server.setup() };
    let (found, _) = lookup(setup, "web", &wants("ip6", false)).await;
    assert_eq!(found.expect_err("IPv4 alone").reason, Reason::NoSuitableAddress);
    assert!(
        server.asked().iter().all(|(name, _)| name.starts_with("fe80")),
        "{:?}",
        server.asked()
    );
}

#[tokio::test]
async fn both_families_come_from_the_same_domain_of_the_search() {
    let server = Server::start(&[
        ("web.one.", Says::Addresses(&["192.0.2.1"])),
        ("web.two.", Says::Addresses(&["2001:db8::66"])),
    ])
    .await;
    let search = ["nowhere.", "one.", "two."].map(|domain| Name::from_ascii(domain).unwrap());
    let setup = Setup { search: search.into(), ..server.setup() };
    let (found, _) = lookup(setup, "web", &wants("ip6", true)).await;
    assert_eq!(found.expect("in the second domain"), "192.0.2.1");
}

#[tokio::test]
async fn servers_are_asked_in_turn_and_the_first_answer_decides() {
    let broken = Server::start(&[("web.", Says::Code(ResponseCode::ServFail))]).await;
    let working = Server::start(&[("web.", Says::Addresses(&["192.0.2.1"]))]).await;
    for (host, expected) in
        [("web.", Ok("192.0.2.1".to_owned())), ("gone.", Err(Reason::NoSuchName))]
    {
        let setup = Setup { servers: vec![broken.address, working.address], ..broken.setup() };
        let (found, _) = lookup(setup, host, &wants("ip4", false)).await;
        assert_eq!(found.map_err(|failure| failure.reason), expected, "{host}");
    }
    assert_eq!(working.asked(), [("web.".to_owned(), RecordType::A)]);
}

#[tokio::test]
async fn a_resolution_that_is_cut_off_is_reported() {
    let server = Server::start(&[("slow.", Says::NothingAbout(RecordType::A))]).await;
    let resolver = Arc::new(Resolver::of_setup(server.setup()));
    let context = Context::new(Instant::now(), resolver);
    let (ip, mut seen) = (wants("ip4", false), None);
    tokio::select! {
        _ = resolve(&context, "slow.", &ip, &mut seen) => panic!("no answer"),
        () = server.was_asked.notified() => {}
    }
    let seen = seen.expect("resolution began");
    assert!(seen.lookup > Duration::ZERO);
    assert_eq!(seen.address, None);
}

#[tokio::test]
async fn many_lookups_at_once_all_succeed() {
    let server = Server::start(&[("web.", Says::Addresses(&["192.0.2.1"]))]).await;
    let resolver = Arc::new(Resolver::of_setup(server.setup()));
    let lookups: Vec<_> = (0..500)
        .map(|_| {
            let resolver = Arc::clone(&resolver);
            tokio::spawn(async move {
                let context = Context::new(Instant::now(), resolver);
                resolve(&context, "web.", &wants("ip4", true), &mut None).await
            })
        })
        .collect();
    for lookup in lookups {
        lookup.await.expect("no panic").expect("it has one");
    }
}

#[tokio::test]
async fn the_operating_system_knows_localhost() {
    let resolver = Arc::new(Resolver::operating_system());
    let context = Context::new(Instant::now(), resolver);
    let mut seen = None;
    let found = resolve(&context, "localhost", &wants("ip4", true), &mut seen).await;
    assert!(found.expect("in the hosts file").ip().is_loopback());
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
