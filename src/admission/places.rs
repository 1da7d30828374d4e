//! A limit on what runs at once, first come, first served.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU32, AtomicU64, Ordering::SeqCst},
    },
};

use tokio::sync::oneshot;

/// Places for what runs at once.
///
/// The limit can change at any time: what runs keeps its place, and a lower limit takes effect as
/// places are left. Entering and leaving take no lock while nothing waits.
#[derive(Debug)]
pub struct Places {
    limit: AtomicU32,
    /// The [`Occupancy`]. The number of those that wait changes only with the queue.
    occupancy: AtomicU64,
    queue: Mutex<Queue>,
}

/// Those that wait for a place, in their order.
#[derive(Debug, Default)]
struct Queue {
    waiting: BTreeMap<u64, oneshot::Sender<()>>,
    latest: u64,
}

/// The numbers of those that run and that wait.
#[derive(Debug, Clone, Copy)]
struct Occupancy {
    running: u32,
    waiting: u32,
}

/// A place, until it is dropped.
#[derive(Debug)]
pub struct Ticket(Arc<Places>);

/// The result of asking for a place.
#[derive(Debug)]
pub enum Entry {
    /// A place was free.
    Ticket(Ticket),
    /// All places are taken; one will be free later.
    Waiting(Waiting),
    /// All places are taken, and as many others wait as there are places.
    Full,
}

/// A position in the queue, until it is dropped.
#[derive(Debug)]
pub struct Waiting {
    /// None once the ticket was taken.
    places: Option<Arc<Places>>,
    number: u64,
    receiver: oneshot::Receiver<()>,
}

impl Places {
    /// Creates `limit` places.
    #[must_use]
    pub fn new(limit: u32) -> Arc<Self> {
        Arc::new(Self {
            limit: AtomicU32::new(limit),
            occupancy: AtomicU64::new(0),
            queue: Mutex::default(),
        })
    }

    /// Sets the number of places, and gives new ones to those that wait. A queue that is longer than
    /// a new one could become stays.
    pub fn set_limit(&self, limit: u32) {
        // Locked, so that nobody begins to wait because of the previous limit.
        let queue = self.queue();
        self.limit.store(limit, SeqCst);
        self.admit_waiting(queue);
    }

    /// Returns the number of places.
    #[must_use]
    pub fn limit(&self) -> u32 {
        self.limit.load(SeqCst)
    }

    /// Returns the number of places that are taken.
    #[must_use]
    pub fn running(&self) -> u32 {
        self.occupancy().running
    }

    /// Returns the number of those that wait for a place.
    #[must_use]
    pub fn waiting(&self) -> u32 {
        self.occupancy().waiting
    }

    /// Returns whether a place is free that nobody waits for.
    #[must_use]
    pub fn has_room(&self) -> bool {
        self.occupancy().has_room(self.limit())
    }

    /// Returns whether there is neither a free place nor one in the queue.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.occupancy().is_full(self.limit())
    }

    /// Takes a place, or begins to wait for one.
    #[must_use]
    pub fn enter(self: &Arc<Self>) -> Entry {
        let limit = self.limit();
        if self.update(|now| now.has_room(limit).then(|| now.with_running())) {
            return Entry::Ticket(Ticket(Arc::clone(self)));
        }
        let mut queue = self.queue();
        let (limit, mut has_entered) = (self.limit(), false);
        // A place may have become free; one that becomes free later is given to the queue.
        let is_admitted = self.update(|now| {
            has_entered = now.has_room(limit);
            let next = if has_entered { now.with_running() } else { now.with_waiting() };
            (!now.is_full(limit)).then_some(next)
        });
        if !is_admitted {
            return Entry::Full;
        }
        if has_entered {
            return Entry::Ticket(Ticket(Arc::clone(self)));
        }
        queue.latest += 1;
        let number = queue.latest;
        let (sender, receiver) = oneshot::channel();
        queue.waiting.insert(number, sender);
        Entry::Waiting(Waiting { places: Some(Arc::clone(self)), number, receiver })
    }

    /// Gives a place back.
    fn leave(&self) {
        // Without a lock unless somebody waits.
        if self.update(|now| (now.waiting == 0).then(|| now.without_running())) {
            return;
        }
        let queue = self.queue();
        self.update(|now| Some(now.without_running()));
        self.admit_waiting(queue);
    }

    /// Gives free places to those that have waited for the longest time.
    fn admit_waiting(&self, mut queue: MutexGuard<'_, Queue>) {
        let limit = self.limit();
        while self.update(|now| {
            (now.waiting > 0 && now.running < limit).then(|| now.without_waiting().with_running())
        }) {
            if let Some((_, next)) = queue.waiting.pop_first() {
                // One that does not wait any more gives the place back as soon as it has the lock.
                next.send(()).ok();
            }
        }
    }

    fn update(&self, mut change: impl FnMut(Occupancy) -> Option<Occupancy>) -> bool {
        let change = |packed| change(Occupancy::unpack(packed)).map(Occupancy::pack);
        self.occupancy.fetch_update(SeqCst, SeqCst, change).is_ok()
    }

    fn occupancy(&self) -> Occupancy {
        Occupancy::unpack(self.occupancy.load(SeqCst))
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Occupancy {
    fn pack(self) -> u64 {
        u64::from(self.waiting) << 32 | u64::from(self.running)
    }

    fn unpack(packed: u64) -> Self {
        let half = |bits: u64| u32::try_from(bits & u64::from(u32::MAX)).unwrap_or(u32::MAX);
        Self { running: half(packed), waiting: half(packed >> 32) }
    }

    const fn has_room(self, limit: u32) -> bool {
        self.waiting == 0 && self.running < limit
    }

    const fn is_full(self, limit: u32) -> bool {
        !self.has_room(limit) && self.waiting >= limit
    }

    const fn with_running(self) -> Self {
        Self { running: self.running + 1, ..self }
    }

    const fn without_running(self) -> Self {
        Self { running: self.running - 1, ..self }
    }

    const fn with_waiting(self) -> Self {
        Self { waiting: self.waiting + 1, ..self }
    }

    const fn without_waiting(self) -> Self {
        Self { waiting: self.waiting - 1, ..self }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.0.leave();
    }
}

impl Waiting {
    /// Waits for the ticket. May be dropped before its end and called again.
    pub async fn ticket(&mut self) -> Option<Ticket> {
        // The sender is only dropped after it has sent.
        (&mut self.receiver).await.ok()?;
        self.places.take().map(Ticket)
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let Some(places) = self.places.take() else { return };
        let mut queue = places.queue();
        if queue.waiting.remove(&self.number).is_some() {
            places.update(|now| Some(now.without_waiting()));
        } else {
            // The ticket is on its way.
            drop(queue);
            places.leave();
        }
    }
}
