//! The connections of the server, and their number per client.
//!
//! Each connection needs a file descriptor, and so does each probe. If connections become too many,
//! idle ones are closed: the oldest one of the client that has the most. A connection on which a
//! request is being served is never closed; instead, the more connections are busy, the fewer can one
//! client open. A client without a connection can always open one. In a burst, connections wait for a
//! moment until requests on others have ended, and new ones are not closed before they could send one.

mod capacity;
mod client;
mod expiry;
mod metrics;
mod status;
#[cfg(test)]
mod tests;

use std::{
    cmp::Reverse,
    collections::{BTreeMap, HashMap},
    net::SocketAddr,
    pin::pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use futures_util::future::select;
use tokio::{
    sync::Notify,
    time::{Instant, sleep},
};

use self::status::{BUSY, CLOSED, Status};
pub(super) use self::{
    capacity::Capacity,
    client::ClientNetwork,
    expiry::Expiry,
    metrics::{ClientError, ConnectionMetrics},
};
use crate::server::shutdown::Shutdown;

/// All connections of the server.
#[derive(Debug)]
pub(super) struct Connections {
    /// Number of connections above which idle ones are closed.
    max: usize,
    /// Maximum number of connections of one client.
    max_per_client: usize,
    /// Time in which a new connection is not closed; not 0 only if others wait meanwhile.
    grace: Duration,
    /// Time in which the only connection of a client is not closed before its first request.
    first_grace: Duration,
    /// Maximum time for which a new connection waits for room.
    max_wait: Duration,
    /// Number of new connections that wait for room, and what wakes them.
    waiting: AtomicUsize,
    room: Notify,
    /// Age above which a connection ends with its next response.
    max_age: Option<Duration>,
    shutdown: Arc<Shutdown>,
    /// Number of the latest ticket.
    latest: AtomicU64,
    /// Number of connections that are not closed. Changes with `clients`.
    open: AtomicUsize,
    clients: Mutex<HashMap<ClientNetwork, Client>>,
    pub(super) metrics: ConnectionMetrics,
}

/// The connections of one client.
#[derive(Debug, Default)]
struct Client {
    idle: Arc<AtomicUsize>,
    /// All connections, the one that has been idle for the longest time first. Connections do not
    /// move when they become busy or idle again, but when they are found in the wrong place.
    by_age: BTreeMap<u64, Arc<Status>>,
}

impl Client {
    /// Returns whether the first request of the client may be on its way, on its only connection.
    fn is_new(&self, grace: Duration) -> bool {
        self.by_age.len() == 1 && self.by_age.values().all(|status| status.is_new(grace))
    }
}

/// Maximum number of connections of a client that are looked at for one to close, so that many busy
/// ones delay nobody. The next search looks at others.
const MAX_LOOKED_AT: usize = 256;

/// Time in which a new connection is not closed, since its first request is on its way.
const GRACE: Duration = Duration::from_millis(100);

/// Maximum time for which a new connection waits for room, if clients always have connections whose
/// requests end soon. Otherwise it does not wait, since connections that wait delay those of others.
const MAX_WAIT: Duration = Duration::from_secs(5);

/// Interval in which a new connection that waits looks for room that became free without waking it.
const RETRY_INTERVAL: Duration = Duration::from_millis(10);

/// A connection, until it is dropped.
#[derive(Debug)]
pub(super) struct Connection {
    connections: Arc<Connections>,
    client: ClientNetwork,
    /// Number of idle connections of the client.
    idle: Arc<AtomicUsize>,
    status: Arc<Status>,
    pub(in crate::server) expiry: Option<Expiry>,
}

impl Connections {
    pub(super) fn new(
        capacity: Capacity,
        metrics: ConnectionMetrics,
        shutdown: Arc<Shutdown>,
        max_age: Option<Duration>,
    ) -> Arc<Self> {
        Arc::new(Self {
            max: capacity.connections,
            max_per_client: capacity.per_client(),
            grace: if capacity.has_turnover { GRACE } else { Duration::ZERO },
            first_grace: GRACE,
            max_wait: if capacity.has_turnover { MAX_WAIT } else { Duration::ZERO },
            waiting: AtomicUsize::default(),
            room: Notify::default(),
            max_age,
            shutdown,
            latest: AtomicU64::new(BUSY),
            open: AtomicUsize::default(),
            clients: Mutex::default(),
            metrics,
        })
    }

    /// Stops the server: idle connections end.
    pub(super) fn shut_down(&self) {
        self.shutdown.begin();
        for client in self.clients().values() {
            client.by_age.values().for_each(|status| status.task.wake());
        }
    }

    /// Adds a connection, which waits for room if requests are about to end. Returns `None` if its
    /// client has too many, all with running requests.
    pub(super) async fn open(self: &Arc<Self>, address: Option<SocketAddr>) -> Option<Connection> {
        if let Some(connection) = self.try_open(address) {
            return Some(connection);
        }
        let _waiting = Waiting::new(&self.waiting);
        let start = Instant::now();
        while start.elapsed() < self.max_wait {
            let (room, retry) = (pin!(self.room.notified()), pin!(sleep(RETRY_INTERVAL)));
            select(room, retry).await;
            if let Some(connection) = self.try_open(address) {
                return Some(connection);
            }
        }
        self.metrics.count_refused();
        None
    }

    /// Adds a connection if there is room.
    pub(super) fn try_open(self: &Arc<Self>, address: Option<SocketAddr>) -> Option<Connection> {
        let client = ClientNetwork::of(address);
        let mut clients = self.clients();
        if !self.has_room(&clients, client) {
            self.close_oldest(&mut clients, client);
        }
        if !self.has_room(&clients, client) {
            return None;
        }
        let ticket = self.next_ticket();
        let status = Arc::new(Status::new(ticket));
        let idle = self.add(&mut clients, client, ticket, &status);
        idle.fetch_add(1, Ordering::Relaxed);
        drop(clients);
        let expiry = self.max_age.and_then(Expiry::after);
        Some(Connection { connections: Arc::clone(self), client, idle, status, expiry })
    }

    /// Adds a connection in a place, and closes another one if there are too many. Returns the number
    /// of idle connections of its client.
    fn add(
        &self,
        clients: &mut Clients,
        client: ClientNetwork,
        place: u64,
        status: &Arc<Status>,
    ) -> Arc<AtomicUsize> {
        // Before the connection is added, which itself may be idle.
        self.close_surplus(clients, self.max.saturating_sub(1));
        self.set_open(self.open.load(Ordering::Relaxed) + 1);
        let entry = clients.entry(client).or_default();
        entry.by_age.insert(place, Arc::clone(status));
        Arc::clone(&entry.idle)
    }

    /// Returns whether a client can open another connection: while it has fewer than three times as
    /// many as are not busy. A single client can thus take three quarters, and several clients leave
    /// room for the next one.
    fn has_room(&self, clients: &Clients, client: ClientNetwork) -> bool {
        let Some(client) = clients.get(&client) else { return true };
        let open = client.by_age.len();
        // Most connections are opened while there are few.
        let all = self.open.load(Ordering::Relaxed);
        let busy = if all > self.max / 4 { self.busy(clients) } else { all };
        let free = self.max.saturating_sub(busy);
        open < self.max_per_client.min(free.saturating_mul(3))
    }

    /// Number of connections on which a request is being served.
    fn busy(&self, clients: &Clients) -> usize {
        let idle = clients.values().map(|client| client.idle.load(Ordering::Relaxed)).sum();
        self.open.load(Ordering::Relaxed).saturating_sub(idle)
    }

    /// Closes idle connections until at most `max` are open: those of the clients with the most
    /// connections.
    fn close_surplus(&self, clients: &mut Clients, max: usize) {
        while self.open.load(Ordering::Relaxed) > max {
            let with_idle = clients.iter().filter(|(_, client)| {
                client.idle.load(Ordering::Relaxed) > 0 && !client.is_new(self.first_grace)
            });
            let oldest = |client: &Client| client.by_age.keys().next().copied();
            let largest =
                with_idle.max_by_key(|(_, client)| (client.by_age.len(), Reverse(oldest(client))));
            let Some(largest) = largest.map(|(client, _)| *client) else { return };
            if !self.close_oldest(clients, largest) {
                return;
            }
        }
    }

    /// Closes the connection of a client that has been idle for the longest time. Returns false if
    /// no idle one was found.
    fn close_oldest(&self, clients: &mut Clients, client: ClientNetwork) -> bool {
        let Some(entry) = clients.get_mut(&client) else { return false };
        // Each can be found twice: in the wrong place, and then in its own.
        for _ in 0..(2 * entry.by_age.len()).min(MAX_LOOKED_AT) {
            let Some((place, status)) = entry.by_age.pop_first() else { return false };
            if status.is_new(self.grace) {
                let ticket = self.next_ticket();
                let place = status.renew(place, ticket);
                entry.by_age.insert(place, status);
                continue;
            }
            if status.close(place) {
                entry.idle.fetch_sub(1, Ordering::Relaxed);
                self.metrics.count_closed();
                self.forget(clients, client);
                return true;
            }
            let since = status.idle_since.load(Ordering::Relaxed);
            let place = if since == BUSY { self.next_ticket() } else { since };
            status.place.store(place, Ordering::Relaxed);
            entry.by_age.insert(place, status);
        }
        false
    }

    /// Subtracts a connection that was removed from those of its client.
    fn forget(&self, clients: &mut Clients, client: ClientNetwork) {
        self.set_open(self.open.load(Ordering::Relaxed).saturating_sub(1));
        if clients.get(&client).is_some_and(|client| client.by_age.is_empty()) {
            clients.remove(&client);
        }
    }

    fn set_open(&self, open: usize) {
        self.open.store(open, Ordering::Relaxed);
        self.metrics.set_open(open);
    }

    /// Wakes a new connection that waits for room.
    fn wake_waiting(&self) {
        if self.waiting.load(Ordering::Relaxed) > 0 {
            self.room.notify_one();
        }
    }

    fn next_ticket(&self) -> u64 {
        self.latest.fetch_add(1, Ordering::Relaxed) + 1
    }

    fn clients(&self) -> MutexGuard<'_, Clients> {
        self.clients.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

type Clients = HashMap<ClientNetwork, Client>;

impl Connection {
    /// Ready when the connection is to be closed. Wakes the task that called it last.
    pub(super) fn poll_closing(&self, context: &mut Context<'_>) -> Poll<()> {
        self.status.task.register(context.waker());
        if self.status.is_closed() { Poll::Ready(()) } else { Poll::Pending }
    }

    /// Returns true if the server stops and the connection is idle. Called after
    /// [`Self::poll_closing`], so that its task is woken when the stop begins.
    pub(super) fn ends(&self) -> bool {
        self.connections.shutdown.has_begun()
            && self.status.idle_since.load(Ordering::Acquire) != BUSY
    }

    /// Returns true if the server closes the connection with its next response.
    pub(super) fn ends_after_response(&self) -> bool {
        self.connections.shutdown.is_requested() || self.expiry.is_some_and(Expiry::is_over)
    }

    /// Marks the connection as busy: a request has arrived. Returns false if the connection is to be
    /// closed, and its client has too many.
    pub(super) fn set_busy(&mut self) -> bool {
        let become_busy = |since| (since != BUSY && since != CLOSED).then_some(BUSY);
        self.status.set_used();
        let status = &self.status.idle_since;
        match status.fetch_update(Ordering::AcqRel, Ordering::Relaxed, become_busy) {
            Ok(_) => {
                self.idle.fetch_sub(1, Ordering::Relaxed);
                true
            }
            Err(CLOSED) => self.reopen(),
            Err(_) => true,
        }
    }

    /// Adds the connection again, which was to be closed as idle while its request was on its way. If
    /// requests end soon, it takes the place of the next one that ends.
    fn reopen(&mut self) -> bool {
        let connections = &*self.connections;
        let mut clients = connections.clients();
        let ends_soon = !connections.max_wait.is_zero();
        if !ends_soon && !connections.has_room(&clients, self.client) {
            connections.metrics.count_refused();
            return false;
        }
        let place = connections.next_ticket();
        self.status.place.store(place, Ordering::Relaxed);
        self.status.idle_since.store(BUSY, Ordering::Release);
        self.idle = connections.add(&mut clients, self.client, place, &self.status);
        true
    }

    /// Marks the connection as idle: the response was sent. Returns false if it was idle already.
    pub(super) fn set_idle(&self) -> bool {
        if self.status.idle_since.load(Ordering::Relaxed) != BUSY {
            return false;
        }
        let connections = &*self.connections;
        self.idle.fetch_add(1, Ordering::Relaxed);
        self.status.idle_since.store(connections.next_ticket(), Ordering::Release);
        if connections.open.load(Ordering::Relaxed) > connections.max {
            connections.close_surplus(&mut connections.clients(), connections.max);
        }
        connections.wake_waiting();
        true
    }
}

/// A new connection that waits for room, until it is dropped.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn new(waiting: &'a AtomicUsize) -> Self {
        waiting.fetch_add(1, Ordering::Relaxed);
        Self(waiting)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        let Self { connections, client, idle, status, .. } = self;
        let mut clients = connections.clients();
        let since = status.idle_since.swap(CLOSED, Ordering::AcqRel);
        if since == CLOSED {
            return;
        }
        if since != BUSY {
            idle.fetch_sub(1, Ordering::Relaxed);
        }
        if let Some(client) = clients.get_mut(client) {
            client.by_age.remove(&status.place.load(Ordering::Relaxed));
        }
        connections.forget(&mut clients, *client);
        drop(clients);
        connections.wake_waiting();
    }
}
