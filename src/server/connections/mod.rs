//! The connections of the server, and their number per client.
//!
//! Each connection needs a file descriptor, and so does each probe. If connections become too many,
//! idle ones are closed: the oldest one of the client that has the most. A connection on which a
//! request is being served is never closed.

mod client;
mod metrics;

use std::{
    cmp::Reverse,
    collections::{BTreeMap, HashMap},
    net::SocketAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
};

use futures_util::task::AtomicWaker;

pub(super) use self::{
    client::ClientNetwork,
    metrics::{ClientError, ConnectionMetrics},
};

/// All connections of the server.
#[derive(Debug)]
pub(super) struct Connections {
    /// Number of connections above which idle ones are closed.
    max: usize,
    /// Maximum number of connections of one client.
    max_per_client: usize,
    state: Mutex<State>,
    pub(super) metrics: ConnectionMetrics,
}

#[derive(Debug, Default)]
struct State {
    /// Number of connections that are not closed.
    open: usize,
    /// Number of the latest ticket.
    latest: u64,
    clients: HashMap<ClientNetwork, Client>,
}

/// The connections of one client.
#[derive(Debug, Default)]
struct Client {
    open: usize,
    /// The idle connections by their tickets: the oldest one first.
    idle: BTreeMap<u64, Arc<Closing>>,
}

/// Tells a connection to close.
#[derive(Debug, Default)]
struct Closing {
    is_requested: AtomicBool,
    task: AtomicWaker,
}

/// A connection, until it is dropped.
#[derive(Debug)]
pub(super) struct Connection {
    connections: Arc<Connections>,
    client: ClientNetwork,
    closing: Arc<Closing>,
    /// Position in the order of idle connections; `None` while a request is being served.
    ticket: Mutex<Option<u64>>,
}

/// A request that is being served on a connection, until it is dropped.
pub(super) struct Request(Arc<Connection>);

impl Connections {
    pub(super) fn new(max: usize, metrics: ConnectionMetrics) -> Arc<Self> {
        // The rest is for other clients.
        let max_per_client = max - max / 4;
        Arc::new(Self { max, max_per_client, state: Mutex::default(), metrics })
    }

    /// Adds a connection. Returns `None` if its client has too many, all with running requests.
    pub(super) fn open(self: &Arc<Self>, address: Option<SocketAddr>) -> Option<Arc<Connection>> {
        let client = ClientNetwork::of(address);
        let closing = Arc::<Closing>::default();
        let mut state = self.state();
        let has_room = |state: &State| {
            state.clients.get(&client).is_none_or(|client| client.open < self.max_per_client)
        };
        if !has_room(&state) {
            self.close_oldest(&mut state, client);
        }
        if !has_room(&state) {
            self.metrics.count_refused();
            return None;
        }
        // Closed before the new connection is added, which itself is idle.
        self.close_surplus(&mut state, self.max.saturating_sub(1));
        state.open += 1;
        let ticket = state.next_ticket();
        let entry = state.clients.entry(client).or_default();
        entry.open += 1;
        entry.idle.insert(ticket, Arc::clone(&closing));
        self.metrics.set_open(state.open);
        drop(state);
        let ticket = Mutex::new(Some(ticket));
        Some(Arc::new(Connection { connections: Arc::clone(self), client, closing, ticket }))
    }

    /// Closes idle connections until at most `max` are open: those of the clients with the most
    /// connections.
    fn close_surplus(&self, state: &mut State, max: usize) {
        while state.open > max {
            let with_idle = state.clients.iter().filter(|(_, client)| !client.idle.is_empty());
            let oldest = |client: &Client| client.idle.keys().next().copied();
            let largest =
                with_idle.max_by_key(|(_, client)| (client.open, Reverse(oldest(client))));
            let Some(largest) = largest.map(|(client, _)| *client) else { return };
            self.close_oldest(state, largest);
        }
    }

    /// Closes the connection of a client that has been idle for the longest time.
    fn close_oldest(&self, state: &mut State, client: ClientNetwork) {
        let Some(entry) = state.clients.get_mut(&client) else { return };
        let Some((_, closing)) = entry.idle.pop_first() else { return };
        closing.request();
        self.metrics.count_closed();
        self.forget(state, client);
    }

    /// Subtracts a closed connection.
    fn forget(&self, state: &mut State, client: ClientNetwork) {
        state.open = state.open.saturating_sub(1);
        self.metrics.set_open(state.open);
        if let Some(entry) = state.clients.get_mut(&client) {
            entry.open = entry.open.saturating_sub(1);
            if entry.open == 0 {
                state.clients.remove(&client);
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn next_ticket(&mut self) -> u64 {
        self.latest += 1;
        self.latest
    }
}

impl Closing {
    fn request(&self) {
        self.is_requested.store(true, Ordering::Release);
        self.task.wake();
    }
}

impl Connection {
    /// Ready when the connection is to be closed. Wakes the task that called it last.
    pub(super) fn poll_closing(&self, context: &mut Context<'_>) -> Poll<()> {
        self.closing.task.register(context.waker());
        if self.closing.is_requested.load(Ordering::Acquire) {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    }

    /// Marks the connection as busy until the returned value is dropped.
    pub(super) fn serve(self: &Arc<Self>) -> Request {
        let mut state = self.connections.state();
        if let Some(ticket) = self.ticket().take()
            && let Some(client) = state.clients.get_mut(&self.client)
        {
            client.idle.remove(&ticket);
        }
        Request(Arc::clone(self))
    }

    fn ticket(&self) -> MutexGuard<'_, Option<u64>> {
        self.ticket.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_closing(&self) -> bool {
        self.closing.is_requested.load(Ordering::Acquire)
    }
}

impl Drop for Request {
    fn drop(&mut self) {
        let Connection { connections, client, closing, .. } = &*self.0;
        let mut state = connections.state();
        if self.0.is_closing() {
            return;
        }
        let ticket = state.next_ticket();
        *self.0.ticket() = Some(ticket);
        if let Some(client) = state.clients.get_mut(client) {
            client.idle.insert(ticket, Arc::clone(closing));
        }
        connections.close_surplus(&mut state, connections.max);
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        let mut state = self.connections.state();
        if self.is_closing() {
            return;
        }
        if let Some(ticket) = self.ticket().take()
            && let Some(client) = state.clients.get_mut(&self.client)
        {
            client.idle.remove(&ticket);
        }
        self.connections.forget(&mut state, self.client);
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use prometheus::Registry;

    use super::*;

    fn address(last: u8) -> SocketAddr {
        SocketAddr::new(IpAddr::from([192, 0, 2, last]), 1)
    }

    fn connections(max: usize) -> Arc<Connections> {
        let metrics = ConnectionMetrics::register(&Registry::new()).unwrap();
        Connections::new(max, metrics)
    }

    /// Indexes of the connections that are to be closed.
    fn closing(connections: &[Arc<Connection>]) -> Vec<usize> {
        let closing =
            connections.iter().enumerate().filter(|(_, connection)| connection.is_closing());
        closing.map(|(index, _)| index).collect()
    }

    #[test]
    fn the_oldest_idle_connection_of_the_largest_client_is_closed() {
        let connections = connections(8);
        let open = |last| connections.open(Some(address(last))).unwrap();
        let mut all = vec![open(1)];
        all.extend([2; 5].map(open));
        all.push(open(1));
        all.push(open(3));
        assert!(closing(&all).is_empty());
        // A request makes the connection the youngest one.
        drop(all[1].serve());
        let _running = all[2].serve();
        all.push(open(1));
        assert_eq!(closing(&all), [3]);
        all.push(open(4));
        assert_eq!(closing(&all), [3, 4]);
        all.push(open(4));
        assert_eq!(closing(&all), [0, 3, 4]);
        assert_eq!(connections.state().open, 8);
        drop(all);
        let state = connections.state();
        assert!(state.open == 1 && state.clients.len() == 1, "{state:?}");
    }

    #[test]
    fn one_client_cannot_take_all_connections() {
        let connections = connections(8);
        let busy: Vec<_> =
            (0..6).map(|_| connections.open(Some(address(1))).unwrap().serve()).collect();
        assert!(connections.open(Some(address(1))).is_none());
        let other = [2, 2].map(|last| connections.open(Some(address(last))).unwrap().serve());
        let third = connections.open(Some(address(3))).unwrap();
        assert_eq!(connections.state().open, 9, "running requests are never cut off");
        drop(busy);
        assert!(closing(&[third]).is_empty());
        drop(other);
        let state = connections.state();
        assert!(state.open == 0 && state.clients.is_empty(), "{state:?}");
    }

    #[test]
    fn a_surplus_is_closed_when_requests_end() {
        let connections = connections(4);
        let all: Vec<_> =
            (1..8).map(|last| connections.open(Some(address(last))).unwrap()).collect();
        assert_eq!(closing(&all), [0, 1, 2]);
        drop(all);
        let all: Vec<_> =
            (1..8).map(|last| connections.open(Some(address(last))).unwrap()).collect();
        let requests: Vec<_> = all.iter().map(Connection::serve).collect();
        drop(requests);
        assert_eq!(closing(&all), [0, 1, 2]);
    }
}
