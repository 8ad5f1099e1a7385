//! What of demand, of pauses and of work at once has an end.

use super::adaptive_tests::{ADAPTIVE, Pool};
use super::tests::{claim, image, of, s};
use super::*;

/// Nothing is kept for who might come.
const NO_STOCK: Bounds = Bounds { stock_max: 0, ..ADAPTIVE };

impl Pool {
    fn rest(&mut self, seconds: u64) {
        self.now += s(seconds);
        self.apply(Input::Tick);
        self.settle();
    }

    /// A sandbox for each of so many tenants, and all idle.
    fn fill(&mut self, count: usize) {
        for n in 0..count {
            self.job("py", &format!("tenant {n}"));
        }
        assert_eq!(self.plan.len(), count);
    }

    fn single_use(&mut self, name: &str) {
        self.tickets += 1;
        self.apply(claim(self.tickets, name, "a", Reuse::Never));
    }
}

#[test]
fn a_long_pause_does_not_spoil_a_habit() {
    let mut pool = Pool::new(NO_STOCK);
    for pause in [86_400, 0] {
        for _ in 0..20 {
            pool.job("py", "a");
            pool.rest(20);
        }
        pool.rest(pause);
    }
    assert!(pool.opened <= 3, "{} containers", pool.opened);
}

#[test]
fn a_rush_that_stock_served_is_no_backlog_for_ever() {
    let mut pool = Pool::new(Bounds { sandboxes_max: 60, starting_max: 8, cores: 8, stock_max: 40, ..ADAPTIVE });
    for _ in 0..1200 {
        (0..10).for_each(|_| pool.single_use("py"));
        pool.settle();
        pool.end_jobs();
        pool.settle();
    }
    pool.rest(1200);
    pool.single_use("py");
    let wanted = pool.plan.stock(pool.now)["py"].wanted;
    assert!(wanted <= 4, "{wanted} for who come one by one");
}

#[test]
fn what_is_worth_more_takes_the_stock_of_another_image() {
    let mut pool = Pool::new(Bounds { stock_max: 4, ..ADAPTIVE });
    (0..8).for_each(|_| pool.single_use("old"));
    while !pool.busy.is_empty() || !pool.starting.is_empty() {
        pool.settle();
        pool.end_jobs();
    }
    pool.settle();
    assert_eq!(pool.plan.warm(), BTreeMap::from([("old".into(), 4)]));
    for _ in 0..10 {
        pool.single_use("new");
        pool.settle();
        pool.end_jobs();
        pool.settle();
    }
    assert!(pool.claim("new", "b"), "{:?}", pool.plan.warm());
    pool.settle();
    assert_eq!(pool.warm(), 4, "and no more than may be");
}

#[test]
fn what_an_operator_asks_for_is_kept_though_jobs_hold_all_cores() {
    let mut pool = Pool::new(ADAPTIVE);
    pool.apply(Input::Stock { image: image("py"), target: 2 });
    pool.settle();
    for n in 0..6 {
        assert!(pool.claim("py", &format!("sleeps {n}")), "the job of {n}");
        assert!(pool.starting.len() <= 1 || n == 0, "one start at a time");
        pool.settle();
    }
    assert_eq!((pool.busy.len(), pool.warm()), (6, 2));
}

#[test]
fn who_waited_for_the_longest_time_goes_though_jobs_hold_all_cores() {
    let mut pool = Pool::new(NO_STOCK);
    pool.job("py+1f", "a");
    pool.fill_and_hold();
    let next = pool.plan.next_tick().expect("it does not stay");
    assert!(next <= pool.now + s(60), "{next:?}");
    pool.rest(61);
    assert_eq!(pool.closed, [Reason::Idle], "its image may be removed");
    pool.rest(900);
    assert_eq!(pool.closed, [Reason::Idle; 2]);
    assert_eq!(pool.plan.len(), 2);
}

impl Pool {
    /// One idle sandbox, and two jobs that do not end.
    fn fill_and_hold(&mut self) {
        self.job("py", "idle");
        self.claim("py", "b");
        self.claim("py", "c");
        self.settle();
        assert_eq!(self.busy.len(), 2);
    }
}

#[test]
fn no_more_end_at_once_than_cores_are_idle() {
    let mut pool = Pool::new(NO_STOCK);
    pool.fill(10);
    pool.now += s(1000);
    pool.apply(Input::Tick);
    assert_eq!(pool.closing.len(), 2);
    pool.settle();
    assert!(pool.plan.is_empty(), "each that ends lets the next one");
}

#[test]
fn claims_close_no_more_than_may_start_after_it() {
    let mut pool = Pool::new(Bounds { sandboxes_max: 8, ..NO_STOCK });
    pool.fill(8);
    for n in 0..6 {
        pool.claim("py", &format!("new {n}"));
    }
    assert_eq!(pool.closing.len(), 2);
    pool.settle();
    assert_eq!(pool.busy.len(), 6);
}

#[test]
fn a_removal_that_hangs_is_no_place_on_its_way() {
    let mut pool = Pool::new(Bounds { sandboxes_max: 3, ..NO_STOCK });
    pool.fill(3);
    pool.claim("py", "new");
    assert_eq!(std::mem::take(&mut pool.closing).len(), 1);
    let next = pool.plan.next_tick().expect("the claim is not left to it");
    assert!(next <= pool.now + s(15), "{next:?}");
    pool.now = next;
    pool.apply(Input::Tick);
    assert_eq!(pool.closing.len(), 1, "another place is found");
    pool.settle();
    assert_eq!(pool.busy.len(), 1);
}

#[test]
fn pauses_of_images_that_nobody_asks_for_again_are_forgotten() {
    let mut plan = Plan::new(ADAPTIVE);
    for n in 0..100 {
        let name = n.to_string();
        let actions = plan.apply(s(11 * n), claim(n, &name, "a", Reuse::Tenant));
        let [Action::Open(number, _)] = actions[..] else { panic!("{actions:?}") };
        let _ = plan.apply(s(11 * n), Input::OpenFailed(number));
        let _ = plan.apply(s(11 * n), Input::Closed(number));
    }
    assert!(plan.retry_at.len() <= 1, "{:?}", plan.retry_at);
}

#[test]
fn the_third_sandbox_of_one_binding_is_not_used_at_each_of_its_claims() {
    let mut pool = Pool::new(Bounds { sandboxes_max: 4, ..NO_STOCK });
    for round in 0..13 {
        pool.now = s(30 * round);
        pool.claim("py", "one");
        if round % 2 == 0 {
            (0..3).for_each(|_| _ = pool.claim("py", "many"));
        }
        while !pool.starting.is_empty() {
            pool.settle();
        }
        pool.end_jobs();
    }
    assert_eq!(pool.plan.len(), 4);
    pool.now += s(25);
    pool.claim("py", "new");
    let left = pool.plan.sandboxes.values().filter(|e| e.phase == Phase::Idle);
    assert!(left.filter(|e| e.binding == Some(of("one"))).count() == 1, "{:?}", pool.plan);
}
