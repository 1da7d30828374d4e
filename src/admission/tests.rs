use std::collections::VecDeque;

use futures_util::{FutureExt as _, future::join_all};
use proptest::prelude::*;
use tokio::time::{advance, sleep};

use super::*;

const SECOND: Duration = Duration::from_secs(1);

/// An event of one of many requests.
#[derive(Debug, Clone, Copy)]
enum Step {
    Enter,
    /// The running request with this number, modulo their number, ends.
    Leave(usize),
    /// The waiting request with this number, modulo their number, hangs up.
    HangUp(usize),
    SetLimit(u32),
    /// Requests that have a ticket notice it.
    Notice,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => Just(Step::Enter),
        3 => any::<usize>().prop_map(Step::Leave),
        2 => any::<usize>().prop_map(Step::HangUp),
        1 => (0..6_u32).prop_map(Step::SetLimit),
        1 => Just(Step::Notice),
    ];
    proptest::collection::vec(step, 0..120)
}

/// Requests and the numbers that places must have.
struct Model {
    places: Arc<Places>,
    running: Vec<Ticket>,
    /// Those that wait, in their order, and whether the place of each is free.
    waiting: VecDeque<(Waiting, bool)>,
}

impl Model {
    /// Number of places that are taken, also by those that have not noticed it.
    fn taken(&self) -> usize {
        self.running.len() + self.waiting.iter().filter(|(_, has_place)| *has_place).count()
    }

    fn queued(&self) -> usize {
        self.waiting.iter().filter(|(_, has_place)| !has_place).count()
    }

    fn limit(&self) -> usize {
        usize::try_from(self.places.limit()).unwrap()
    }

    /// Gives free places to the first of the queue.
    fn admit(&mut self) {
        while self.taken() < self.limit() {
            let Some((_, has_place)) = self.waiting.iter_mut().find(|(_, has_place)| !has_place)
            else {
                return;
            };
            *has_place = true;
        }
    }

    fn run(&mut self, step: Step) {
        match step {
            Step::Enter => {
                let (taken, queued, limit) = (self.taken(), self.queued(), self.limit());
                match self.places.enter() {
                    Entry::Ticket(ticket) => {
                        assert!(taken < limit && queued == 0);
                        self.running.push(ticket);
                    }
                    Entry::Waiting(waiting) => {
                        assert!(taken >= limit && queued < limit);
                        self.waiting.push_back((waiting, false));
                    }
                    Entry::Full => assert!(taken >= limit && queued >= limit),
                }
            }
            Step::Leave(number) if !self.running.is_empty() => {
                drop(self.running.swap_remove(number % self.running.len()));
            }
            Step::HangUp(number) if !self.waiting.is_empty() => {
                drop(self.waiting.remove(number % self.waiting.len()));
            }
            Step::SetLimit(limit) => self.places.set_limit(limit),
            Step::Notice => {
                let mut still_waiting = VecDeque::new();
                for (mut waiting, has_place) in self.waiting.drain(..) {
                    let ticket = waiting.ticket().now_or_never();
                    assert_eq!(ticket.is_some(), has_place, "in the order of the queue");
                    match ticket {
                        Some(ticket) => self.running.push(ticket.unwrap()),
                        None => still_waiting.push_back((waiting, has_place)),
                    }
                }
                self.waiting = still_waiting;
            }
            Step::Leave(_) | Step::HangUp(_) => {}
        }
        self.admit();
        let numbers = [self.places.running(), self.places.waiting()];
        let numbers = numbers.map(|number| usize::try_from(number).unwrap());
        assert_eq!(numbers, [self.taken(), self.queued()], "{step:?}");
    }
}

proptest! {
    #[test]
    fn places_are_counted_and_given_in_order(limit in 0..4_u32, steps in steps()) {
        let mut model = Model {
            places: Places::new(limit),
            running: Vec::new(),
            waiting: VecDeque::new(),
        };
        for step in steps {
            model.run(step);
        }
        let places = Arc::clone(&model.places);
        drop(model);
        prop_assert_eq!((places.running(), places.waiting()), (0, 0));
    }

    /// Requests come, wait, run, panic and hang up at random times, while the limits change.
    #[test]
    fn admission_gives_everything_back(
        requests in proptest::collection::vec((0..3000_u64, 0..3000_u64, 0..4000_u64, 0..8_u8), 0..60),
        limits in proptest::collection::vec((0..3000_u64, 0..5_u32, 0..5_u32), 0..6),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async move {
            let admission = Arc::new(Admission::default());
            admission.set_max_queued(40);
            admission.all.set_limit(3);
            admission.set_modules(&[("m", 2)].into());
            let places = admission.module("m").unwrap();
            let millis = Duration::from_millis;
            let tasks: Vec<_> = requests.into_iter().map(|(start, runs, patience, kind)| {
                let admission = Arc::clone(&admission);
                let request = async move {
                    sleep(millis(start)).await;
                    let module = (kind % 2 == 0).then(|| admission.module("m")).flatten();
                    let (tickets, wait) = admission.admit(module.as_ref(), || SECOND).await;
                    assert!(wait.is_none_or(|wait| wait <= SECOND));
                    let Ok(_tickets) = tickets else { return };
                    sleep(millis(runs)).await;
                    assert_ne!(kind, 7, "a defect");
                };
                let task = tokio::spawn(request);
                let handle = task.abort_handle();
                tokio::spawn(async move {
                    sleep(millis(patience)).await;
                    handle.abort();
                });
                task
            }).collect();
            for (pause, all, module) in limits {
                sleep(millis(pause)).await;
                admission.all.set_limit(all);
                let module = Some(("m", module)).filter(|(_, limit)| *limit > 0);
                admission.set_modules(&module.into_iter().collect());
            }
            join_all(tasks).await;
            assert_eq!((admission.queued(), admission.all.running()), (0, 0));
            assert_eq!((admission.all.waiting(), places.running(), places.waiting()), (0, 0, 0));
        });
    }
}

#[test]
fn threads_never_exceed_the_limit() {
    let places = Places::new(3);
    let (running, most) = (AtomicU32::new(0), AtomicU32::new(0));
    std::thread::scope(|scope| {
        for number in 0..4 {
            let (places, running, most) = (&places, &running, &most);
            scope.spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
                runtime.block_on(async {
                    for round in 0..3000_u32 {
                        if number == 0 && round % 7 == 0 {
                            places.set_limit(1 + round % 3);
                        }
                        let ticket = match places.enter() {
                            Entry::Ticket(ticket) => ticket,
                            // Every third hangs up.
                            Entry::Waiting(waiting) if round % 3 == 0 => {
                                drop(waiting);
                                continue;
                            }
                            Entry::Waiting(mut waiting) => waiting.ticket().await.unwrap(),
                            Entry::Full => continue,
                        };
                        most.fetch_max(running.fetch_add(1, Relaxed) + 1, Relaxed);
                        std::thread::yield_now();
                        running.fetch_sub(1, Relaxed);
                        drop(ticket);
                    }
                });
            });
        }
    });
    assert_eq!((places.running(), places.waiting()), (0, 0));
    assert!((1..=3).contains(&most.into_inner()));
}

fn admission(limit: u32, max_queued: u32) -> Admission {
    let admission = Admission::default();
    admission.set_limit(limit);
    admission.set_max_queued(max_queued);
    admission
}

#[tokio::test(start_paused = true)]
async fn a_request_waits_for_its_place_and_is_told_for_how_long() {
    let admission = admission(1, 10);
    let (first, wait) = admission.admit(None, || SECOND).await;
    assert!(first.is_ok() && wait.is_none());
    let mut second = pin!(admission.admit(None, || SECOND));
    assert!(second.as_mut().now_or_never().is_none());
    assert_eq!((admission.queued(), admission.all.running()), (1, 1));
    advance(SECOND / 2).await;
    drop(first);
    let (second, wait) = second.await;
    assert!(second.is_ok());
    assert_eq!((wait, admission.queued()), (Some(SECOND / 2), 0));
    let (refused, wait) = admission.admit(None, || SECOND).await;
    assert_eq!(refused.unwrap_err(), Missing { scope: Scope::All, running: 1 });
    assert_eq!((wait, admission.queued()), (Some(SECOND), 0));
}

#[tokio::test(start_paused = true)]
async fn a_full_queue_refuses_at_once() {
    let admission = admission(2, 3);
    let _running =
        [admission.admit(None, || SECOND).await.0, admission.admit(None, || SECOND).await.0];
    assert_eq!(admission.full(None), None);
    let mut waiting: Vec<_> = (0..3).map(|_| Box::pin(admission.admit(None, || SECOND))).collect();
    // As many wait as there are places.
    for (waiting, expected) in waiting.iter_mut().zip([true, true, false]) {
        assert_eq!(waiting.now_or_never().is_none(), expected);
    }
    assert_eq!(admission.full(None), Some(Missing { scope: Scope::All, running: 2 }));
    waiting.truncate(1);
    assert_eq!(admission.full(None), None);
    admission.set_max_queued(1);
    assert_eq!(admission.full(None), Some(Missing { scope: Scope::All, running: 2 }));
}

#[tokio::test(start_paused = true)]
async fn without_a_queue_nothing_waits() {
    let admission = admission(1, 0);
    assert_eq!(admission.full(None), None);
    let running = admission.admit(None, || Duration::ZERO).await.0.unwrap();
    assert!(admission.full(None).is_some());
    assert!(admission.admit(None, || SECOND).now_or_never().unwrap().0.is_err());
    drop(running);
    assert_eq!(admission.full(None), None);
}

#[tokio::test(start_paused = true)]
async fn a_module_with_a_limit_leaves_places_to_others() {
    let admission = admission(3, 10);
    admission.set_modules(&[("slow", 1)].into());
    let slow = admission.module("slow");
    let running = admission.admit(slow.as_ref(), || SECOND).await.0.unwrap();
    let refused = admission.admit(slow.as_ref(), || SECOND).await.0.unwrap_err();
    assert_eq!(refused, Missing { scope: Scope::Module, running: 1 });
    assert_eq!(admission.full(slow.as_ref()), None);
    let _other = admission.admit(admission.module("other").as_ref(), || SECOND).await.0.unwrap();
    // The counter outlives a configuration without the limit.
    admission.set_modules(&HashMap::new());
    admission.set_modules(&[("slow", 2)].into());
    let again = admission.module("slow").unwrap();
    assert_eq!((again.running(), again.limit()), (1, 2));
    drop((running, again, slow));
    admission.set_modules(&HashMap::new());
    assert!(admission.module("slow").is_none());
    assert_eq!(admission.all.running(), 1);
}
