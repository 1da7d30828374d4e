//! Admission of probes: limits on how many run at once, and the queues of those that wait.
//!
//! A probe needs a place of its module, if the module has a limit, and one of the exporter. It waits
//! for both in this order, each first come, first served. The texts and causes of refusals are the
//! caller's.

mod cpu_limit;
mod places;
#[cfg(test)]
mod tests;

use std::{
    collections::HashMap,
    pin::pin,
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
    time::Duration,
};

use futures_util::future::{Either, select};
use tokio::time::{Instant, sleep_until};

use self::cpu_limit::{CpuLimit, Load};
pub use self::places::{Entry, Places, Ticket, Waiting};

/// The number of places if there is no limit.
pub const UNLIMITED: u32 = u32::MAX;

/// The places of all probes, and of the modules that have a limit.
#[derive(Debug)]
pub struct Admission {
    /// The configured limit of `all`.
    limit: AtomicU32,
    cpu: CpuLimit,
    all: Arc<Places>,
    modules: RwLock<HashMap<String, Arc<Places>>>,
    /// Number of probes that wait, for whichever place.
    queued: AtomicU32,
    max_queued: AtomicU32,
}

/// The places of a running probe.
#[derive(Debug)]
pub struct Tickets {
    _module: Option<Ticket>,
    _all: Ticket,
}

/// The wait of a probe.
#[derive(Debug, Clone, Copy)]
struct Wait {
    start: Instant,
    end: Instant,
}

/// The places that a refused probe did not get.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Missing {
    /// Whose they are.
    pub scope: Scope,
    /// Number of probes that had one.
    pub running: u32,
}

/// The owner of places.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// The exporter.
    All,
    /// The exporter, whose CPU time is not enough for more.
    Cpu,
    /// A module.
    Module,
}

impl Default for Admission {
    /// No limits, and no queue.
    fn default() -> Self {
        Self {
            limit: AtomicU32::new(UNLIMITED),
            cpu: CpuLimit::default(),
            all: Places::new(UNLIMITED),
            modules: RwLock::default(),
            queued: AtomicU32::new(0),
            max_queued: AtomicU32::new(0),
        }
    }
}

impl Admission {
    /// Sets the number of probes that may run at once.
    pub fn set_limit(&self, limit: u32) {
        self.limit.store(limit, Relaxed);
        self.all.set_limit(limit.min(self.cpu.limit()));
    }

    /// Sets the CPU time per second, from which the limit by CPU time is estimated until it is measured.
    pub fn set_cpu(&self, per_second: Duration) {
        self.cpu.set_cpu(per_second);
    }

    /// Adapts the number of places to the delay with which a thread that serves probes has run.
    pub fn observe_delay(&self, delay: Duration) {
        let load = Load { running: self.all.running(), waiting: self.all.waiting() };
        let limit = self.cpu.observe(delay, load).min(self.limit());
        if limit != self.all.limit() {
            self.all.set_limit(limit);
        }
    }

    /// Returns whether no probe runs or waits.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.all.running() == 0 && self.queued() == 0
    }

    /// Returns the number of probes that may run at once, as it was set.
    #[must_use]
    pub fn limit(&self) -> u32 {
        self.limit.load(Relaxed)
    }

    /// Returns the places of all probes.
    #[must_use]
    pub const fn all(&self) -> &Arc<Places> {
        &self.all
    }

    /// Returns the places of a module, if it has a limit.
    #[must_use]
    pub fn module(&self, name: &str) -> Option<Arc<Places>> {
        self.modules.read().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }

    /// Sets the limits of modules. Probes that run or wait stay counted: also if their module has no
    /// limit for a while.
    pub fn set_modules(&self, limits: &HashMap<&str, u32>) {
        let mut modules = self.modules.write().unwrap_or_else(PoisonError::into_inner);
        for (name, places) in &*modules {
            places.set_limit(limits.get(name.as_str()).copied().unwrap_or(UNLIMITED));
        }
        modules.retain(|name, places| {
            limits.contains_key(name.as_str()) || Arc::strong_count(places) > 1
        });
        for (name, limit) in limits {
            modules.entry((*name).to_owned()).or_insert_with(|| Places::new(*limit));
        }
    }

    /// Sets the maximum number of probes that wait.
    pub fn set_max_queued(&self, max: u32) {
        self.max_queued.store(max, Relaxed);
    }

    /// Returns the number of probes that wait.
    #[must_use]
    pub fn queued(&self) -> u32 {
        self.queued.load(Relaxed)
    }

    /// Returns the places without which a probe would be refused at once. Costs almost nothing.
    #[must_use]
    pub fn full(&self, module: Option<&Arc<Places>>) -> Option<Missing> {
        let no_queue = self.queued.load(Relaxed) >= self.max_queued.load(Relaxed);
        let is_full = |places: &Places| places.is_full() || no_queue && !places.has_room();
        let module = module.filter(|places| is_full(places));
        let module = module.map(|places| Missing::new(Scope::Module, places));
        module.or_else(|| is_full(&self.all).then(|| self.missing(Scope::All, &self.all)))
    }

    /// Waits for the places of a probe, at most for `max_wait`. Returns also the time for which it
    /// waited, if it had to.
    ///
    /// # Errors
    /// The places that it did not get in time, or for which too many wait, and the time.
    pub async fn admit(
        &self,
        module: Option<&Arc<Places>>,
        max_wait: impl Fn() -> Duration,
    ) -> (Result<Tickets, Missing>, Option<Duration>) {
        let mut wait = None;
        let tickets = self.enter_all(module, max_wait, &mut wait).await;
        (tickets, wait.map(|wait: Wait| wait.start.elapsed()))
    }

    async fn enter_all(
        &self,
        module: Option<&Arc<Places>>,
        max_wait: impl Fn() -> Duration,
        wait: &mut Option<Wait>,
    ) -> Result<Tickets, Missing> {
        let module = match module {
            Some(places) => Some(self.enter(Scope::Module, places, &max_wait, wait).await?),
            None => None,
        };
        let all = self.enter(Scope::All, &self.all, &max_wait, wait).await?;
        Ok(Tickets { _module: module, _all: all })
    }

    async fn enter(
        &self,
        scope: Scope,
        places: &Arc<Places>,
        max_wait: &impl Fn() -> Duration,
        wait: &mut Option<Wait>,
    ) -> Result<Ticket, Missing> {
        let ticket = match places.enter() {
            Entry::Ticket(ticket) => return Ok(ticket),
            Entry::Full => None,
            Entry::Waiting(waiting) => {
                let start = Instant::now();
                let Wait { end, .. } =
                    *wait.get_or_insert_with(|| Wait { start, end: start + max_wait() });
                // Boxed, so that a request that does not wait needs no memory for it.
                Box::pin(self.wait(waiting, end)).await
            }
        };
        ticket.ok_or_else(|| self.missing(scope, places))
    }

    fn missing(&self, scope: Scope, places: &Places) -> Missing {
        let is_cpu = scope == Scope::All && places.limit() < self.limit();
        Missing::new(if is_cpu { Scope::Cpu } else { scope }, places)
    }

    async fn wait(&self, mut waiting: Waiting, end: Instant) -> Option<Ticket> {
        let _queued = self.queue()?;
        match select(pin!(waiting.ticket()), pin!(sleep_until(end))).await {
            Either::Left((ticket, _)) => ticket,
            Either::Right(_) => None,
        }
    }

    /// Counts a probe that waits, unless there are too many.
    fn queue(&self) -> Option<Queued<'_>> {
        let max = self.max_queued.load(Relaxed);
        let one_more = |queued: u32| (queued < max).then_some(queued + 1);
        self.queued.fetch_update(Relaxed, Relaxed, one_more).ok()?;
        Some(Queued(&self.queued))
    }
}

impl Missing {
    fn new(scope: Scope, places: &Places) -> Self {
        Self { scope, running: places.running() }
    }
}

/// A probe that waits, until it is dropped.
struct Queued<'a>(&'a AtomicU32);

impl Drop for Queued<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}
