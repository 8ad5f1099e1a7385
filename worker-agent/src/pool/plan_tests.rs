//! The plan against a model that only watches its actions.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

const BOUNDS: Bounds = Bounds {
    first_number: 1,
    sandboxes_max: 4,
    starting_max: 2,
    bound_idle_max: Duration::from_secs(60),
    age_max: Duration::from_secs(3600),
    jobs_max: 5,
    retry_after: Duration::from_secs(10),
};

fn image(name: &str) -> ImageKey {
    ImageKey { name: name.into(), reference: format!("r/{name}") }
}

fn of(tenant: &str) -> Binding {
    Binding { tenant: tenant.into(), scope: String::new() }
}

fn claim(ticket: u64, name: &str, tenant: &str, reuse: Reuse) -> Input {
    Input::Claim { ticket: Ticket(ticket), image: image(name), binding: of(tenant), reuse }
}

fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[test]
fn a_warm_sandbox_is_taken_at_once_and_replaced() {
    let mut plan = Plan::new(BOUNDS);
    assert_eq!(plan.apply(s(0), Input::Stock { image: image("py"), target: 1 }), [Action::Open(1, image("py"))]);
    assert_eq!(plan.apply(s(1), Input::Opened(1)), []);
    assert_eq!(plan.warm(), BTreeMap::from([("py".to_owned(), 1)]));
    let actions = plan.apply(s(2), claim(1, "py", "a", Reuse::Tenant));
    assert_eq!(actions, [Action::Assign(1, Ticket(1)), Action::Open(2, image("py"))]);
}

#[test]
fn a_bound_sandbox_serves_its_binding_again_and_nobody_else() {
    let mut plan = Plan::new(BOUNDS);
    assert_eq!(plan.apply(s(0), claim(1, "py", "a", Reuse::Tenant)), [Action::Open(1, image("py"))]);
    assert_eq!(plan.apply(s(1), Input::Opened(1)), [Action::Assign(1, Ticket(1))]);
    assert_eq!(plan.apply(s(2), Input::Returned(1, After::Clean)), []);
    assert_eq!(plan.apply(s(3), claim(2, "py", "b", Reuse::Tenant)), [Action::Open(2, image("py"))]);
    assert_eq!(plan.apply(s(3), claim(3, "py", "a", Reuse::Tenant)), [Action::Assign(1, Ticket(3))]);
}

#[test]
fn a_single_use_sandbox_is_closed_after_its_job() {
    let mut plan = Plan::new(BOUNDS);
    let _ = plan.apply(s(0), claim(1, "py", "a", Reuse::Never));
    let _ = plan.apply(s(1), Input::Opened(1));
    assert_eq!(plan.apply(s(2), Input::Returned(1, After::Clean)), [Action::Close(1, Reason::SingleUse)]);
}

#[test]
fn a_used_sandbox_is_not_given_to_a_single_use_job() {
    let mut plan = Plan::new(BOUNDS);
    let _ = plan.apply(s(0), claim(1, "py", "a", Reuse::Tenant));
    let _ = plan.apply(s(1), Input::Opened(1));
    let _ = plan.apply(s(2), Input::Returned(1, After::Clean));
    assert_eq!(plan.apply(s(3), claim(2, "py", "a", Reuse::Never)), [Action::Open(2, image("py"))]);
}

#[test]
fn an_unfit_sandbox_is_closed() {
    let mut plan = Plan::new(BOUNDS);
    let _ = plan.apply(s(0), claim(1, "py", "a", Reuse::Tenant));
    let _ = plan.apply(s(1), Input::Opened(1));
    assert_eq!(plan.apply(s(2), Input::Returned(1, After::Unfit)), [Action::Close(1, Reason::Unfit)]);
}

#[test]
fn a_bound_sandbox_goes_when_its_binding_has_no_job_for_long() {
    let mut plan = Plan::new(BOUNDS);
    let _ = plan.apply(s(0), claim(1, "py", "a", Reuse::Tenant));
    let _ = plan.apply(s(1), Input::Opened(1));
    let _ = plan.apply(s(2), Input::Returned(1, After::Clean));
    assert_eq!(plan.next_tick(), Some(s(62)));
    assert_eq!(plan.apply(s(61), Input::Tick), []);
    assert_eq!(plan.apply(s(62), Input::Tick), [Action::Close(1, Reason::Idle)]);
}

#[test]
fn the_longest_waiting_bound_sandbox_makes_room() {
    let mut plan = Plan::new(Bounds { sandboxes_max: 2, ..BOUNDS });
    for (ticket, tenant) in [(1, "a"), (2, "b")] {
        let _ = plan.apply(s(0), claim(ticket, "py", tenant, Reuse::Tenant));
        let _ = plan.apply(s(1), Input::Opened(ticket));
    }
    let _ = plan.apply(s(2), Input::Returned(2, After::Clean));
    let _ = plan.apply(s(3), Input::Returned(1, After::Clean));
    assert_eq!(plan.apply(s(4), claim(3, "py", "c", Reuse::Tenant)), [Action::Close(2, Reason::Evicted)]);
    assert_eq!(plan.apply(s(5), Input::Closed(2)), [Action::Open(3, image("py"))]);
}

#[test]
fn a_failed_start_answers_one_claim_and_pauses_the_stock() {
    let mut plan = Plan::new(BOUNDS);
    let _ = plan.apply(s(0), Input::Stock { image: image("py"), target: 1 });
    assert_eq!(plan.apply(s(1), Input::OpenFailed(1)), []);
    assert_eq!(plan.apply(s(2), Input::Closed(1)), []);
    assert_eq!(plan.next_tick(), Some(s(11)));
    assert_eq!(plan.apply(s(11), Input::Tick), [Action::Open(2, image("py"))]);
    let _ = plan.apply(s(11), claim(1, "py", "a", Reuse::Tenant));
    assert_eq!(plan.apply(s(12), Input::OpenFailed(2)), [Action::Refuse(Ticket(1))]);
}

#[test]
fn shutdown_refuses_claims_and_closes_all() {
    let mut plan = Plan::new(BOUNDS);
    let _ = plan.apply(s(0), claim(1, "py", "a", Reuse::Tenant));
    let _ = plan.apply(s(1), Input::Opened(1));
    let _ = plan.apply(s(1), claim(2, "py", "b", Reuse::Tenant));
    assert_eq!(plan.apply(s(2), Input::Shutdown), [Action::Refuse(Ticket(2))]);
    assert_eq!(plan.apply(s(3), Input::Returned(1, After::Clean)), [Action::Close(1, Reason::Shutdown)]);
    assert_eq!(plan.apply(s(3), Input::Opened(2)), [Action::Close(2, Reason::Shutdown)]);
    assert_eq!(plan.apply(s(3), claim(3, "py", "a", Reuse::Tenant)), [Action::Refuse(Ticket(3))]);
}

#[derive(Clone, Debug)]
enum Op {
    Claim(u8, u8, bool),
    Withdraw(u8),
    Stock(u8, u8),
    OpenDone(u8, bool),
    Return(u8, bool),
    CloseDone(u8),
    Wait(u16),
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        4 => (0..3u8, 0..4u8, any::<bool>()).prop_map(|(i, t, n)| Op::Claim(i, t, n)),
        1 => any::<u8>().prop_map(Op::Withdraw),
        1 => (0..3u8, 0..3u8).prop_map(|(i, n)| Op::Stock(i, n)),
        4 => (any::<u8>(), prop::bool::weighted(0.8)).prop_map(|(i, ok)| Op::OpenDone(i, ok)),
        4 => (any::<u8>(), prop::bool::weighted(0.8)).prop_map(|(i, ok)| Op::Return(i, ok)),
        3 => any::<u8>().prop_map(Op::CloseDone),
        1 => (0..200u16).prop_map(Op::Wait),
    ]
}

/// What an observer knows: only what actions said.
#[derive(Default)]
struct Model {
    starting: Vec<u64>,
    idle: BTreeSet<u64>,
    busy: Vec<u64>,
    closing: Vec<u64>,
    images: BTreeMap<u64, ImageKey>,
    bound: BTreeMap<u64, (Binding, Reuse)>,
    open: BTreeMap<Ticket, (ImageKey, Binding, Reuse)>,
}

impl Model {
    fn take(&mut self, actions: Vec<Action>) {
        for action in actions {
            match action {
                Action::Open(number, image) => {
                    assert!(self.images.insert(number, image).is_none(), "a number is used once");
                    self.starting.push(number);
                }
                Action::Close(number, _) => {
                    assert!(self.idle.remove(&number), "only idle sandboxes are closed");
                    self.closing.push(number);
                }
                Action::Assign(number, ticket) => {
                    assert!(self.idle.remove(&number), "only idle sandboxes are assigned");
                    let (image, binding, reuse) = self.open.remove(&ticket).expect("an open claim is answered");
                    assert_eq!(self.images[&number], image);
                    if let Some((earlier, used)) = self.bound.insert(number, (binding.clone(), reuse)) {
                        assert_eq!(earlier, binding, "a sandbox never serves two bindings");
                        assert!(used == Reuse::Tenant && reuse == Reuse::Tenant, "single use is single");
                    }
                    self.busy.push(number);
                }
                Action::Refuse(ticket) => assert!(self.open.remove(&ticket).is_some(), "a claim is answered once"),
            }
        }
        let all = self.starting.len() + self.idle.len() + self.busy.len() + self.closing.len();
        assert!(all <= BOUNDS.sandboxes_max, "{all} sandboxes");
        assert!(self.starting.len() <= BOUNDS.starting_max);
    }
}

fn picked(list: &mut Vec<u64>, index: u8) -> Option<u64> {
    if list.is_empty() { None } else { Some(list.remove(usize::from(index) % list.len())) }
}

/// Applies one operation to plan and model.
fn step(plan: &mut Plan, model: &mut Model, now: &mut Duration, tickets: &mut u64, op: Op) {
    let input = match op {
        Op::Claim(i, t, never) => {
            *tickets += 1;
            let reuse = if never { Reuse::Never } else { Reuse::Tenant };
            let input = claim(*tickets, &i.to_string(), &t.to_string(), reuse);
            model.open.insert(Ticket(*tickets), (image(&i.to_string()), of(&t.to_string()), reuse));
            input
        }
        Op::Withdraw(i) => {
            let Some(ticket) = model.open.keys().nth(usize::from(i) % model.open.len().max(1)).copied() else { return };
            model.open.remove(&ticket);
            Input::Withdraw(ticket)
        }
        Op::Stock(i, n) => Input::Stock { image: image(&i.to_string()), target: usize::from(n) },
        Op::OpenDone(i, ok) => {
            let Some(number) = picked(&mut model.starting, i) else { return };
            if ok {
                model.idle.insert(number);
                Input::Opened(number)
            } else {
                model.closing.push(number);
                Input::OpenFailed(number)
            }
        }
        Op::Return(i, ok) => {
            let Some(number) = picked(&mut model.busy, i) else { return };
            model.idle.insert(number);
            Input::Returned(number, if ok { After::Clean } else { After::Unfit })
        }
        Op::CloseDone(i) => {
            let Some(number) = picked(&mut model.closing, i) else { return };
            Input::Closed(number)
        }
        Op::Wait(seconds) => {
            *now += s(u64::from(seconds));
            Input::Tick
        }
    };
    let actions = plan.apply(*now, input);
    model.take(actions);
}

proptest! {
    #[test]
    fn the_plan_keeps_its_promises_and_answers_every_claim(ops in prop::collection::vec(op(), 0..80)) {
        let (mut plan, mut model, mut now, mut tickets) = (Plan::new(BOUNDS), Model::default(), s(0), 0);
        for op in ops {
            step(&mut plan, &mut model, &mut now, &mut tickets, op);
        }
        // Everything that was begun ends well: then no claim may be left.
        for _ in 0..200 {
            step(&mut plan, &mut model, &mut now, &mut tickets, Op::OpenDone(0, true));
            step(&mut plan, &mut model, &mut now, &mut tickets, Op::Return(0, true));
            step(&mut plan, &mut model, &mut now, &mut tickets, Op::CloseDone(0));
        }
        prop_assert!(model.open.is_empty(), "{:?}\n{plan:?}", model.open);
        let actions = plan.apply(now, Input::Shutdown);
        model.take(actions);
        for _ in 0..20 {
            step(&mut plan, &mut model, &mut now, &mut tickets, Op::OpenDone(0, true));
            step(&mut plan, &mut model, &mut now, &mut tickets, Op::CloseDone(0));
        }
        prop_assert!(plan.is_empty(), "{plan:?}");
    }
}
