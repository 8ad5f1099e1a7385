//! How the plan follows demand.

use super::tests::{BOUNDS, claim, image, s};
use super::*;

pub(super) const ADAPTIVE: Bounds = Bounds {
    sandboxes_max: 40,
    starting_max: 2,
    cores: 2,
    stock_max: 20,
    bindings_max: 100,
    jobs_max: 1000,
    bound_idle_max: Duration::from_secs(900),
    ..BOUNDS
};

/// A plan whose starts take half a second and whose ends a tenth, all at once where it may.
pub(super) struct Pool {
    pub(super) plan: Plan,
    pub(super) now: Duration,
    pub(super) tickets: u64,
    pub(super) starting: Vec<u64>,
    pub(super) closing: Vec<u64>,
    pub(super) busy: Vec<(Ticket, u64)>,
    pub(super) closed: Vec<Reason>,
    pub(super) opened: usize,
}

impl Pool {
    pub(super) fn new(bounds: Bounds) -> Self {
        Self {
            plan: Plan::new(bounds),
            now: s(0),
            tickets: 0,
            starting: Vec::new(),
            closing: Vec::new(),
            busy: Vec::new(),
            closed: Vec::new(),
            opened: 0,
        }
    }

    pub(super) fn apply(&mut self, input: Input) {
        for action in self.plan.apply(self.now, input) {
            match action {
                Action::Open(number, _) => {
                    self.opened += 1;
                    self.starting.push(number);
                }
                Action::Close(number, reason) => {
                    self.closed.push(reason);
                    self.closing.push(number);
                }
                Action::Assign(number, ticket) => self.busy.push((ticket, number)),
                Action::SendAhead(..) | Action::Recall(_) => panic!("no image has a forerunner"),
                Action::Refuse(ticket) => panic!("{ticket:?} is refused"),
            }
        }
    }

    /// A claim; `true` when it had not to wait.
    pub(super) fn claim(&mut self, name: &str, tenant: &str) -> bool {
        self.tickets += 1;
        self.apply(claim(self.tickets, name, tenant, Reuse::Tenant));
        self.busy.last().is_some_and(|(ticket, _)| *ticket == Ticket(self.tickets))
    }

    /// Starts and ends that are under way are over, and what follows from them.
    pub(super) fn settle(&mut self) {
        while !(self.starting.is_empty() && self.closing.is_empty()) {
            self.now += Duration::from_millis(500);
            for number in std::mem::take(&mut self.starting) {
                self.apply(Input::Opened(number));
            }
            for number in std::mem::take(&mut self.closing) {
                self.apply(Input::Closed(number));
            }
        }
    }

    pub(super) fn end_jobs(&mut self) {
        for (_, number) in std::mem::take(&mut self.busy) {
            self.apply(Input::Returned(number, After::Clean));
        }
    }

    /// A job from claim to end.
    pub(super) fn job(&mut self, name: &str, tenant: &str) -> bool {
        let at_once = self.claim(name, tenant);
        self.settle();
        self.end_jobs();
        self.settle();
        at_once
    }

    pub(super) fn warm(&self) -> usize {
        self.plan.warm().values().map(|count| *count as usize).sum()
    }
}

#[test]
fn a_claim_that_had_to_wait_has_the_next_one_ready() {
    let mut pool = Pool::new(ADAPTIVE);
    assert!(!pool.job("py", "a"));
    assert_eq!(pool.warm(), 1);
    assert!(pool.job("py", "b"), "another tenant's first job finds it");
}

#[test]
fn an_image_that_cannot_be_started_is_not_tried_for_stock() {
    let mut pool = Pool::new(ADAPTIVE);
    pool.job("py", "a");
    pool.claim("py", "b");
    let number = pool.starting.pop().expect("its place in the stock is filled");
    pool.apply(Input::OpenFailed(number));
    pool.apply(Input::Closed(number));
    pool.now += s(20);
    pool.apply(Input::Tick);
    assert!(pool.starting.is_empty());
    assert!(!pool.claim("py", "c"));
    assert_eq!(pool.starting.len(), 1, "for who asks it is");
}

#[test]
fn nothing_is_kept_of_an_image_that_only_one_binding_has() {
    let mut pool = Pool::new(ADAPTIVE);
    for _ in 0..5 {
        pool.tickets += 1;
        pool.apply(claim(pool.tickets, "py+1f", "a", Reuse::Never));
        pool.settle();
        pool.end_jobs();
        pool.settle();
    }
    assert!(pool.plan.is_empty(), "{:?}", pool.plan);
}

#[test]
fn each_burst_finds_more_than_the_one_before_had() {
    let mut pool = Pool::new(ADAPTIVE);
    let mut waited = Vec::new();
    for burst in 0..4 {
        let at_once = (0..8).filter(|n| pool.claim("py", &format!("{burst} {n}"))).count();
        waited.push(8 - at_once);
        while !pool.busy.is_empty() || !pool.starting.is_empty() {
            pool.settle();
            pool.end_jobs();
        }
        pool.now += s(30);
        pool.apply(Input::Tick);
        pool.settle();
    }
    assert_eq!(waited, [8, 0, 0, 0]);
}

#[test]
fn stock_is_started_when_a_core_is_idle_and_not_before() {
    let mut pool = Pool::new(ADAPTIVE);
    pool.claim("py", "a");
    pool.settle();
    pool.claim("py", "b");
    pool.claim("py", "c");
    pool.settle();
    assert_eq!((pool.busy.len(), pool.warm()), (3, 0), "three jobs on two cores");
    let opened = pool.opened;
    pool.end_jobs();
    assert!(pool.opened > opened, "they are over");
}

#[test]
fn only_one_is_started_at_once_while_jobs_have_all_cores() {
    let mut pool = Pool::new(ADAPTIVE);
    pool.claim("py", "a");
    pool.claim("py", "b");
    assert_eq!(pool.starting.len(), 2, "a core each");
    pool.settle();
    for tenant in ["c", "d", "e"] {
        pool.claim("py", tenant);
    }
    assert_eq!(pool.starting.len(), 1);
}

#[test]
fn who_comes_often_keeps_a_sandbox_and_who_comes_seldom_does_not() {
    let mut pool = Pool::new(Bounds { stock_max: 0, ..ADAPTIVE });
    for _ in 0..5 {
        pool.job("py", "often");
        pool.now += s(20);
        pool.apply(Input::Tick);
    }
    assert_eq!(pool.opened, 1);
    assert_eq!(pool.plan.len(), 1);
    // Its next job is an hour away, as far as anybody knows.
    let mut pool = Pool::new(Bounds { stock_max: 0, ..ADAPTIVE });
    for _ in 0..2 {
        pool.job("py", "seldom");
        pool.now += s(1700);
        pool.apply(Input::Tick);
        pool.settle();
    }
    assert_eq!((pool.opened, pool.plan.len()), (2, 0), "the second is not even kept for a moment");
}

#[test]
fn a_place_is_taken_from_whom_it_saves_least() {
    let mut pool = Pool::new(Bounds { sandboxes_max: 2, stock_max: 0, ..ADAPTIVE });
    for seconds in [0, 300, 600] {
        pool.now = s(seconds);
        pool.job("py", "rare");
    }
    for seconds in [605, 610, 615, 620] {
        pool.now = s(seconds);
        pool.job("py", "usual");
    }
    pool.now = s(625);
    pool.job("py", "rare");
    // `usual` waits for longer by now, and is expected sooner.
    pool.now = s(626);
    assert!(!pool.claim("py", "new"));
    pool.settle();
    assert_eq!(pool.closed, [Reason::Evicted]);
    assert!(pool.claim("py", "usual"), "its sandbox is still there");
}

#[test]
fn stock_that_is_asked_for_takes_the_place_of_what_is_hardly_used() {
    let mut pool = Pool::new(Bounds { sandboxes_max: 4, stock_max: 4, ..ADAPTIVE });
    for n in 0..40 {
        pool.job("py", &format!("scope {n}"));
        pool.now += s(2);
        pool.apply(Input::Tick);
        pool.settle();
    }
    assert!(pool.job("py", "scope 40"), "all places are bound, and yet there is one");
    assert!(pool.plan.len() <= 4);
}

#[test]
fn what_an_operator_asks_for_is_there_and_comes_back() {
    let mut pool = Pool::new(Bounds { sandboxes_max: 4, ..ADAPTIVE });
    pool.apply(Input::Stock { image: image("py"), target: 2 });
    pool.settle();
    assert_eq!(pool.warm(), 2);
    for n in 0..8 {
        assert!(pool.claim("py", &format!("t{n}")));
        pool.end_jobs();
        pool.settle();
    }
    assert!(pool.warm() >= 2);
    pool.now += s(7200);
    for _ in 0..10 {
        pool.apply(Input::Tick);
        pool.settle();
        pool.now += s(60);
    }
    assert_eq!(pool.warm(), 2, "demand is over");
    let stock = pool.plan.stock(pool.now)["py"];
    assert_eq!((stock.warm, stock.wanted), (2, 2));
}
