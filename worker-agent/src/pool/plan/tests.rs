//! What the plan does, step by step, where demand asks for nothing beyond what is said.

use super::*;

/// Nothing beyond what is asked for, and always an idle core.
pub(super) const BOUNDS: Bounds = Bounds {
    first_number: 1,
    sandboxes_max: 4,
    starting_max: 2,
    cores: 8,
    stock_max: 0,
    bindings_max: 10,
    bound_idle_max: Duration::from_secs(60),
    age_max: Duration::from_secs(3600),
    jobs_max: 5,
    retry_after: Duration::from_secs(10),
};

pub(super) fn image(name: &str) -> ImageKey {
    ImageKey { name: name.into(), reference: format!("r/{name}") }
}

pub(super) fn of(tenant: &str) -> Binding {
    Binding { tenant: tenant.into(), scope: String::new() }
}

pub(super) fn claim(ticket: u64, name: &str, tenant: &str, reuse: Reuse) -> Input {
    Input::Claim { ticket: Ticket(ticket), image: image(name), binding: of(tenant), reuse }
}

pub(super) fn s(seconds: u64) -> Duration {
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
