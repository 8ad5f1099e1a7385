//! What a start finds that a crash left: dispatches of which the store does not know.

use std::sync::Arc;
use std::time::Duration;

use enclos_protocol::ids::JobId;
use enclos_protocol::outcome::Outcome;

use super::parts::demand;
use super::{LEASE, Op, World, step};
use crate::queue::Priority;
use crate::scheduler::Event;

const TTL: Duration = Duration::from_millis(500);

/// A job that was given out near the end of its time to wait, and a crash that took the note of it.
fn crashed_after_a_dispatch() -> (World, JobId) {
    let mut world = World::new();
    let job = world.submit_as(demand(0), Priority::Normal, Some(TTL));
    world.now += Duration::from_millis(450);
    world.join(1);
    assert_eq!(world.agents[1].holding.len(), 1);
    (world, job)
}

#[test]
fn a_job_that_an_agent_runs_does_not_expire_before_its_agent_could_speak() {
    for down in [Duration::from_millis(20), Duration::from_secs(60)] {
        let (mut world, job) = crashed_after_a_dispatch();
        world.now += down;
        world.restart(1);
        world.now += LEASE / 2;
        world.handle(Event::Tick);
        assert!(!world.finished.contains_key(&job), "down for {down:?}");
        world.join(2);
        assert!(world.agents[2].holding.is_empty(), "nobody else is given what has expired");
        world.join(1);
        step(&mut world, Op::Finish(1, 0));
        assert_eq!(world.finished.get(&job), Some(&Outcome::Ok), "down for {down:?}");
    }
}

#[test]
fn a_job_of_before_that_has_expired_and_is_at_no_agent_ends_after_a_lease() {
    let (mut world, job) = crashed_after_a_dispatch();
    world.now += TTL;
    world.restart(1);
    world.handle(Event::Tick);
    assert!(!world.finished.contains_key(&job));
    world.now += LEASE;
    world.join(2);
    assert!(world.agents[2].holding.is_empty(), "it is not given out for its last moment");
    assert_eq!(world.finished.get(&job), Some(&Outcome::Cancelled));
    // What comes after the start waits for nobody.
    let all = Arc::new(crate::queue::Demand {
        room: crate::queue::Room { memory_bytes: u64::MAX >> 20, ..demand(0).room },
        ..(*demand(0)).clone()
    });
    let next = world.submit_as(all, Priority::Normal, Some(TTL));
    world.now += TTL;
    world.handle(Event::Tick);
    assert_eq!(world.finished.get(&next), Some(&Outcome::Cancelled));
}

#[test]
fn a_job_of_before_that_was_given_out_again_and_has_come_back_ends_when_it_expires() {
    let mut world = World::new();
    let job = world.submit_as(demand(0), Priority::Normal, Some(TTL));
    world.restart(0);
    world.join(1);
    step(&mut world, Op::Return(1, 0, 2));
    assert!(world.agents[1].holding.is_empty() && !world.finished.contains_key(&job));
    world.now += TTL;
    world.handle(Event::Tick);
    assert_eq!(world.finished.get(&job), Some(&Outcome::Cancelled), "no agent of before can have it any more");
}

#[test]
fn a_place_is_told_by_no_forecast_that_was_made_for_a_job_which_does_not_wait() {
    let mut world = World::new();
    world.join(1);
    let first = world.submit(demand(0));
    for _ in 0..300 {
        world.submit(demand(0));
    }
    assert_eq!(world.core.ahead(first, world.now), None, "it runs");
    let last = world.submit(demand(0));
    let ahead = world.core.ahead(last, world.now + Duration::from_millis(100)).map(|ahead| ahead.jobs + 1);
    assert_eq!(ahead, world.core.position(last));
}
