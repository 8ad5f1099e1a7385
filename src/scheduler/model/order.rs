//! Order, in the model's world: who is urgent, who waits for long, who was lied about.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use enclos_protocol::agent_link::ReturnReason;
use enclos_protocol::ids::JobId;
use enclos_protocol::outcome::Outcome;
use proptest::prelude::*;

use super::{Op, World, demand, op, step};
use crate::queue::{Demand, Priority};
use crate::scheduler::Event;

impl World {
    /// Which jobs were given to which agents, in order, jobs by their number.
    fn run(&self) -> Vec<(usize, usize)> {
        let numbers: HashMap<JobId, usize> = self.submitted.iter().enumerate().map(|(n, job)| (*job, n)).collect();
        self.given.iter().map(|(attempt, agent)| (numbers[&attempt.job], *agent)).collect()
    }

    /// An agent ends everything that it has, and the store has it.
    fn end_all(&mut self, agent: usize) {
        let Some(session) = self.agents[agent].session else { return };
        for attempt in self.agents[agent].holding.clone() {
            self.handle(Event::Finished { session, attempt, report: Box::new(super::report()) });
            self.recorded();
        }
    }

    fn submit_many(&mut self, count: usize) {
        for _ in 0..count {
            self.submit(of("a"));
        }
    }

    /// A second passes in which everybody is heard.
    fn second(&mut self) {
        self.heartbeats();
        step(self, Op::Wait(1000));
    }
}

fn of(tenant: &str) -> Arc<Demand> {
    Arc::new(Demand { tenant: tenant.into(), ..(*demand(0)).clone() })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn the_same_events_give_the_same_run(ops in prop::collection::vec(op(), 0..120)) {
        let (mut one, mut other) = (World::new(), World::new());
        for op in ops {
            step(&mut one, op.clone());
            step(&mut other, op);
        }
        prop_assert_eq!(one.run(), other.run());
    }

    #[test]
    fn a_queue_that_was_taken_up_by_a_new_master_is_given_out_in_the_same_order(
        jobs in prop::collection::vec((0u8..16, 0usize..3, 0u16..9000), 1..40),
    ) {
        let (mut kept, mut taken_up) = (World::new(), World::new());
        for world in [&mut kept, &mut taken_up] {
            for (n, class, pause) in &jobs {
                world.submit_as(demand(*n), Priority::ALL[*class], None);
                step(world, Op::Wait(*pause));
            }
        }
        taken_up.restart(0);
        for world in [&mut kept, &mut taken_up] {
            world.join(2);
            for _ in 0..60 {
                world.end_all(2);
                world.second();
            }
        }
        prop_assert_eq!(kept.run(), taken_up.run());
    }
}

#[test]
fn the_urgent_go_first_and_the_least_urgent_go_within_two_spans_of_ageing() {
    let mut world = World::new();
    world.join(1);
    for _ in 0..3 {
        world.submit(of("a"));
    }
    let low = world.submit_as(of("a"), Priority::Low, None);
    let normal = world.submit(of("a"));
    let high = world.submit_as(of("a"), Priority::High, None);
    let is_given = |world: &World, job: JobId| world.rows[&job].attempts > 0;
    step(&mut world, Op::Finish(1, 0));
    assert!(is_given(&world, high) && !is_given(&world, normal));
    // More that is urgent comes than leaves.
    for second in 0..200 {
        world.submit_as(of("b"), Priority::High, None);
        world.submit_as(of("c"), Priority::High, None);
        world.second();
        step(&mut world, Op::Finish(1, 0));
        step(&mut world, Op::Recorded);
        if is_given(&world, low) {
            assert!(is_given(&world, normal), "who is more urgent was given before");
            assert!(second > 100, "not before it has risen");
            return;
        }
    }
    panic!("it is starved");
}

#[test]
fn who_floods_leaves_the_others_their_share() {
    let mut world = World::new();
    world.join(1);
    for _ in 0..500 {
        world.submit(of("flood"));
    }
    for _ in 0..10 {
        let quiet = world.submit(of("quiet"));
        for _ in 0..2 {
            world.second();
            world.end_all(1);
        }
        assert!(world.rows[&quiet].attempts > 0, "it waits behind the flood");
    }
}

#[test]
fn a_job_that_waits_for_longer_than_it_may_ends_and_says_so() {
    let mut world = World::new();
    let job = world.submit_as(demand(0), Priority::Normal, Some(Duration::from_secs(3)));
    step(&mut world, Op::Wait(2999));
    assert!(world.finished.is_empty());
    step(&mut world, Op::Wait(1));
    assert_eq!(world.finished.get(&job), Some(&Outcome::Cancelled));
}

#[test]
fn a_job_that_runs_does_not_expire_and_one_that_comes_back_then_does() {
    let mut world = World::new();
    world.join(1);
    let job = world.submit_as(demand(0), Priority::Normal, Some(Duration::from_secs(3)));
    for _ in 0..5 {
        world.second();
    }
    assert!(world.finished.is_empty(), "it runs");
    step(&mut world, Op::Return(1, 0, 2));
    assert_eq!(world.finished.get(&job), Some(&Outcome::Cancelled));
}

#[test]
fn who_fails_what_others_can_run_gets_nothing_then_one_job_to_prove_itself() {
    let mut world = World::new();
    world.join(1);
    world.join(2);
    let fail = |world: &mut World| {
        let Some(session) = world.agents[1].session else { return };
        for attempt in world.agents[1].holding.clone() {
            let reason = ReturnReason::failed("no disk".into());
            world.handle(Event::Returned { session, attempt, reason });
        }
    };
    // Both are kept busy, so that who is dearer gets jobs, too.
    for _ in 0..12 {
        world.submit_many(6);
        fail(&mut world);
        world.end_all(2);
        world.second();
    }
    let is_shut = world.agents[1].holding.is_empty() && world.agents[2].holding.len() == 3;
    assert!(is_shut, "{:?}", world.agents.iter().map(|a| a.holding.len()).collect::<Vec<_>>());
    for _ in 0..320 {
        world.submit_many(3);
        world.end_all(2);
        world.second();
        assert!(world.agents[1].holding.len() <= 1, "it is probed with one");
        if world.agents[1].holding.len() == 1 {
            world.end_all(1);
            world.second();
            assert_eq!(world.agents[1].holding.len(), 3, "it is trusted again");
            return;
        }
    }
    panic!("it was never probed");
}
