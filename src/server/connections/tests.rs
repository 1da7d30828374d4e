//! Tests of the list of connections.

use std::net::IpAddr;

use futures_util::FutureExt as _;
use prometheus::Registry;

use super::*;

fn address(last: u8) -> SocketAddr {
    SocketAddr::new(IpAddr::from([192, 0, 2, last]), 1)
}

fn connections(max: usize) -> Arc<Connections> {
    with(Capacity { connections: max, has_turnover: false }, Duration::ZERO, Duration::ZERO)
}

fn with(capacity: Capacity, grace: Duration, first_grace: Duration) -> Arc<Connections> {
    let metrics = ConnectionMetrics::register(&Registry::new()).unwrap();
    let mut connections = Connections::new(capacity, metrics, Arc::default(), None);
    let list = Arc::get_mut(&mut connections).unwrap();
    (list.grace, list.first_grace) = (grace, first_grace);
    connections
}

/// A list in which new connections are not closed, and wait.
fn with_turnover(max: usize) -> Arc<Connections> {
    with(Capacity { connections: max, has_turnover: true }, Duration::MAX, Duration::MAX)
}

/// Indexes of the connections that are to be closed.
fn closing(connections: &[Connection]) -> Vec<usize> {
    let closing =
        connections.iter().enumerate().filter(|(_, connection)| connection.status.is_closed());
    closing.map(|(index, _)| index).collect()
}

fn is_empty(connections: &Connections) -> bool {
    connections.open.load(Ordering::Relaxed) == 0 && connections.clients().is_empty()
}

#[test]
fn the_oldest_idle_connection_of_the_largest_client_is_closed() {
    let connections = connections(8);
    let open = |last| connections.try_open(Some(address(last))).unwrap();
    let mut all = vec![open(1)];
    all.extend([2; 5].map(open));
    all.push(open(1));
    all.push(open(3));
    assert!(closing(&all).is_empty());
    // A request makes the connection the youngest one.
    assert!(all[1].set_busy() && all[1].set_idle());
    assert!(all[2].set_busy());
    all.push(open(1));
    assert_eq!(closing(&all), [3]);
    all.push(open(4));
    assert_eq!(closing(&all), [3, 4]);
    all.push(open(4));
    assert_eq!(closing(&all), [0, 3, 4]);
    assert_eq!(connections.open.load(Ordering::Relaxed), 8);
    drop(all);
    assert!(is_empty(&connections), "{connections:?}");
}

#[test]
fn one_client_cannot_take_all_connections() {
    let connections = connections(8);
    let open_busy = |last| {
        let mut connection = connections.try_open(Some(address(last))).unwrap();
        assert!(connection.set_busy());
        connection
    };
    let busy: Vec<_> = (0..6).map(|_| open_busy(1)).collect();
    assert!(connections.try_open(Some(address(1))).is_none());
    let other = [2, 2].map(open_busy);
    let third = connections.try_open(Some(address(3))).unwrap();
    let open = connections.open.load(Ordering::Relaxed);
    assert_eq!(open, 9, "running requests are never cut off");
    drop(busy);
    assert!(closing(&[third]).is_empty());
    drop(other);
    assert!(is_empty(&connections), "{connections:?}");
}

#[test]
fn many_busy_clients_leave_room_for_others() {
    let connections = connections(64);
    let open = |last| connections.try_open(Some(address(last)));
    let open_busy = |last| {
        let mut connection = open(last)?;
        connection.set_busy().then_some(connection)
    };
    let fill = |last| std::iter::from_fn(|| open_busy(last)).collect();
    let mut busy: Vec<Vec<Connection>> = (1..=4).map(fill).collect();
    assert_eq!(busy.iter().map(Vec::len).collect::<Vec<_>>(), [48, 12, 3, 1]);
    let mut newcomers: Vec<_> = (5..25).map(|last| open_busy(last).unwrap()).collect();
    assert!(open(5).is_none(), "none is free");
    // A client with less than its share gets the connection that is free first.
    newcomers.truncate(1);
    busy[0].truncate(40);
    assert!(open(1).is_none());
    assert!(open(5).is_some());
}

#[test]
fn a_surplus_is_closed_when_requests_end() {
    let connections = connections(4);
    let open = |last| connections.try_open(Some(address(last))).unwrap();
    let all: Vec<_> = (1..8).map(open).collect();
    assert_eq!(closing(&all), [0, 1, 2]);
    drop(all);
    let open_busy = |last| {
        let mut connection = open(last);
        assert!(connection.set_busy());
        connection
    };
    let all: Vec<_> = (1..8).map(open_busy).collect();
    assert!(closing(&all).is_empty());
    assert!(all.iter().all(Connection::set_idle));
    assert_eq!(closing(&all), [0, 1, 2]);
}

#[test]
fn a_request_that_has_arrived_on_a_closed_connection_takes_a_place_again() {
    let connections = connections(8);
    let open = |last| connections.try_open(Some(address(last))).unwrap();
    let mut all: Vec<_> = [1, 1, 1, 2, 2, 2, 3, 3, 4, 4, 5].map(open).into();
    assert_eq!(closing(&all), [0, 1, 3]);
    assert!(all[0].set_busy() && all[3].set_busy());
    assert_eq!(closing(&all), [1, 2, 4], "others are closed instead");
    assert_eq!(connections.open.load(Ordering::Relaxed), 8);
    assert!(all[1].set_busy() && all[2].set_busy(), "while the client has few");
    let mut rest: Vec<_> = (0..7).map(|_| open(6)).collect();
    let served = rest.iter_mut().map(Connection::set_busy).filter(|is_served| *is_served);
    assert_eq!(served.count(), 3, "one connection is left for others");
    drop(rest);
    drop(all);
    assert!(is_empty(&connections), "{connections:?}");
}

#[test]
fn a_request_that_has_arrived_is_always_served_if_requests_end_soon() {
    let connections = with_turnover(8);
    let mut all: Vec<_> = (0..6).map(|_| connections.try_open(Some(address(1))).unwrap()).collect();
    let mut closed = all.remove(0);
    assert!(closed.set_busy() && closed.set_idle());
    all.push(connections.try_open(Some(address(1))).unwrap());
    assert!(all.iter_mut().all(Connection::set_busy) && closed.status.is_closed());
    assert!(closed.set_busy());
    assert_eq!(connections.open.load(Ordering::Relaxed), 7, "it counts");
    drop((all, closed));
    assert!(is_empty(&connections), "{connections:?}");
}

#[test]
fn the_only_connection_of_a_client_has_time_for_its_first_request() {
    for (first_grace, closed) in [(Duration::MAX, vec![]), (Duration::ZERO, vec![0])] {
        let capacity = Capacity { connections: 8, has_turnover: false };
        let connections = with(capacity, Duration::ZERO, first_grace);
        let open = |last| connections.try_open(Some(address(last))).unwrap();
        let mut busy: Vec<_> = (0..6).map(|_| open(1)).collect();
        assert!(busy.iter_mut().all(Connection::set_busy));
        let newcomers: Vec<_> = (2..5).map(open).collect();
        assert_eq!(closing(&newcomers), closed, "{first_grace:?}");
    }
}

#[test]
fn busy_connections_do_not_hide_an_idle_one_for_long() {
    let connections = connections(4 * MAX_LOOKED_AT);
    let open = || connections.try_open(Some(address(1))).unwrap();
    let mut all: Vec<_> = (0..=2 * MAX_LOOKED_AT).map(|_| open()).collect();
    let (last, busy) = all.split_last_mut().unwrap();
    assert!(busy.iter_mut().all(Connection::set_busy));
    let mut clients = connections.clients();
    let client = ClientNetwork::of(Some(address(1)));
    let found: Vec<_> = (0..4).map(|_| connections.close_oldest(&mut clients, client)).collect();
    assert_eq!(found, [false, false, true, false]);
    assert!(last.status.is_closed());
    assert!(!busy.iter().any(|connection| connection.status.is_closed()));
}

#[test]
fn a_new_connection_has_time_for_its_first_request() {
    let connections = with_turnover(8);
    let open = || connections.try_open(Some(address(1)));
    let mut all: Vec<_> = (0..6).map(|_| open().unwrap()).collect();
    assert!(open().is_none() && closing(&all).is_empty());
    assert!(all[4].set_busy() && all[4].set_idle());
    let next = open().unwrap();
    assert_eq!(closing(&all), [4], "the only one that had a request");
    drop((all, next));
    assert!(is_empty(&connections), "{connections:?}");
}

#[tokio::test(start_paused = true)]
async fn a_connection_waits_until_a_request_has_ended() {
    let connections = with_turnover(8);
    let open = || connections.open(Some(address(1)));
    let mut all = Vec::new();
    for _ in 0..6 {
        all.push(open().await.unwrap());
    }
    assert!(all.iter_mut().all(Connection::set_busy));
    assert!(open().await.is_none(), "for a limited time");
    let mut next = pin!(open());
    assert!(next.as_mut().now_or_never().is_none());
    all[2].set_idle();
    assert!(next.as_mut().now_or_never().is_some(), "it is woken");
    assert_eq!(closing(&all), [2]);
    assert_eq!(connections.waiting.load(Ordering::Relaxed), 0);
}
