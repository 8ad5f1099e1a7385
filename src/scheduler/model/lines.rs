//! Lines of the queue against each other: whatever is queued, who has room is given what it can run.

use std::sync::Arc;

use enclos_protocol::ids::JobId;
use enclos_protocol::job::Isolation;
use proptest::prelude::*;

use super::super::core::placing::{ASIDE_LOOKED_AT, HELD_MAX, LINES_MAX, SET_ASIDE_MAX};
use super::{Op, World, capacity, demand, step};
use crate::queue::{Demand, Room};
use crate::scheduler::Event;

impl World {
    fn is_given(&self, job: JobId) -> bool {
        self.rows[&job].attempts > 0
    }

    /// Passes until a job is given out; `None` if that takes more than `passes_max`.
    fn passes_until(&mut self, job: JobId, passes_max: usize) -> Option<usize> {
        (0..=passes_max).find(|passes| {
            if *passes > 0 {
                self.handle(Event::Tick);
            }
            self.is_given(job)
        })
    }
}

/// What no agent here could run, each with a demand of its own.
fn impossible(n: u64) -> Arc<Demand> {
    let base = (*demand(0)).clone();
    Arc::new(match n % 3 {
        0 => Demand { language: Arc::from(format!("unknown-{n}")), ..base },
        1 => Demand { isolation: Isolation::Gvisor, report_bytes: n, ..base },
        _ => Demand { room: Room { memory_bytes: 1000 + n, ..base.room }, ..base },
    })
}

/// What only agent 2 could run, each with a demand of its own: it needs all of its memory.
fn only_on_the_largest(n: u64) -> Arc<Demand> {
    let base = (*demand(0)).clone();
    let room = Room { memory_bytes: capacity(2).memory_bytes, ..base.room };
    Arc::new(Demand { room, report_bytes: n, ..base })
}

#[test]
fn jobs_that_no_agent_can_run_do_not_stop_the_queue() {
    let mut world = World::new();
    world.join(1);
    for n in 0..LINES_MAX as u64 {
        world.submit(impossible(n));
    }
    let job = world.submit(demand(0));
    assert!(world.passes_until(job, 2).is_some(), "it waits behind what nobody can run");
}

#[test]
fn a_large_job_behind_many_impossible_ones_has_an_agent_kept_free() {
    let mut world = World::new();
    world.join(1);
    for _ in 0..3 {
        step(&mut world, Op::Submit(0));
    }
    for n in 0..3 * LINES_MAX as u64 {
        world.submit(impossible(n));
    }
    let large = world.submit(demand(3));
    for _ in 0..40 {
        step(&mut world, Op::Submit(0));
        world.heartbeats();
        step(&mut world, Op::Wait(1000));
        step(&mut world, Op::Finish(1, 0));
        step(&mut world, Op::Recorded);
        if world.is_given(large) {
            return;
        }
    }
    panic!("it never got its turn");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]

    #[test]
    fn what_some_agent_can_run_and_has_room_for_is_placed_within_bounded_passes(
        kinds in prop::collection::vec(any::<bool>(), 0..900),
        late in any::<bool>(),
    ) {
        let mut world = World::new();
        // The largest is full, so that what only it could run is stuck.
        world.join(2);
        let filler = world.submit(only_on_the_largest(u64::MAX >> 40));
        prop_assert!(world.is_given(filler));
        if !late {
            world.join(1);
        }
        for (n, possible) in (0u64..).zip(&kinds) {
            world.submit(if *possible { only_on_the_largest(n) } else { impossible(n) });
        }
        let job = world.submit(demand(0));
        if late {
            world.join(1);
        }
        let lines = kinds.len();
        let passes_max = lines / ASIDE_LOOKED_AT + lines / SET_ASIDE_MAX + lines / LINES_MAX + 3;
        let passes = world.passes_until(job, passes_max);
        prop_assert!(passes.is_some(), "not placed in {passes_max} passes behind {lines} lines");
        world.check();
    }
}

/// A tenant at its bound, with more lines than a pass looks at: another's job is placed at once, and
/// its own go on as its jobs end.
#[test]
fn lines_of_a_tenant_at_its_bound_stand_in_nobodys_way_and_go_on_when_it_has_fewer() {
    let mut world = World::new();
    step(&mut world, Op::Bound(1));
    world.join(1);
    let own = |n: u64| Arc::new(Demand { report_bytes: n, ..(*demand(0)).clone() });
    let jobs: Vec<JobId> = (0..4 * HELD_MAX as u64).map(|n| world.submit(own(n))).collect();
    let other = world.submit(demand(4));
    let passes = 4 * HELD_MAX / HELD_MAX + 1;
    assert!(world.passes_until(other, passes).is_some(), "it waits behind a tenant that is at its bound");
    for job in &jobs {
        assert!(world.passes_until(*job, passes).is_some(), "in their order");
        let attempt = *world.agents[1].holding.iter().find(|a| a.job == *job).unwrap();
        let session = world.agents[1].session.unwrap();
        world.handle(Event::Finished { session, attempt, report: Box::new(super::report()) });
        world.recorded();
        world.check();
    }
}
