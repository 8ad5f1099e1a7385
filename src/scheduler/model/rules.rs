//! Rules of the scheduler, each shown once in the model's world.

use enclos_protocol::ids::{AttemptId, JobId};
use enclos_protocol::outcome::Outcome;

use super::{Op, World, step};
use crate::scheduler::Event;

fn with_agent(agent: usize) -> World {
    let mut world = World::new();
    world.join(agent);
    world
}

#[test]
fn the_embedded_agent_works_only_when_no_other_has_room() {
    let mut world = with_agent(0);
    world.join(1);
    for _ in 0..4 {
        step(&mut world, Op::Submit(0));
    }
    let on = |w: &World, a: usize| w.agents[a].holding.len();
    assert_eq!((on(&world, 1), on(&world, 0)), (3, 1));
}

#[test]
fn a_job_that_fails_agent_after_agent_is_given_up_with_its_history() {
    let mut world = with_agent(1);
    step(&mut world, Op::Submit(0));
    for _ in 0..3 {
        step(&mut world, Op::Return(1, 0, 2));
        world.heartbeats();
        step(&mut world, Op::Wait(4000));
        world.heartbeats();
    }
    assert_eq!(world.finished.values().collect::<Vec<_>>(), [&Outcome::InternalError]);
}

#[test]
fn handing_back_for_want_of_room_never_counts() {
    let mut world = with_agent(1);
    step(&mut world, Op::Submit(0));
    for _ in 0..10 {
        step(&mut world, Op::Return(1, 0, 1));
        assert!(world.agents[1].holding.is_empty(), "not given back to it at once");
        world.heartbeats();
        step(&mut world, Op::Wait(1100));
    }
    assert!(world.finished.is_empty());
    assert_eq!(world.rows.values().next().unwrap().attempts, 1);
}

#[test]
fn want_of_room_to_install_keeps_back_no_job_without_dependencies() {
    let mut world = with_agent(1);
    step(&mut world, Op::Submit(6));
    step(&mut world, Op::Return(1, 0, 1));
    assert!(world.agents[1].holding.is_empty());
    step(&mut world, Op::Submit(0));
    assert_eq!(world.agents[1].holding.len(), 1, "at once");
    world.heartbeats();
    step(&mut world, Op::Wait(1100));
    assert_eq!(world.agents[1].holding.len(), 2);
    step(&mut world, Op::Return(1, 1, 1));
    step(&mut world, Op::Return(1, 0, 1));
    step(&mut world, Op::Submit(0));
    assert!(world.agents[1].holding.is_empty());
}

#[test]
fn an_agent_that_falls_silent_loses_its_jobs_when_the_lease_ends() {
    let mut world = with_agent(1);
    step(&mut world, Op::Submit(0));
    world.join(2);
    world.leave(1);
    step(&mut world, Op::Wait(4000));
    world.heartbeats();
    assert_eq!(world.agents[2].holding.len(), 0, "not before");
    step(&mut world, Op::Wait(1001));
    world.heartbeats();
    step(&mut world, Op::Wait(1001));
    assert_eq!(world.agents[2].holding.len(), 1);
}

#[test]
fn a_large_job_is_not_passed_for_ever_by_small_ones() {
    let mut world = with_agent(1);
    for _ in 0..3 {
        step(&mut world, Op::Submit(0));
    }
    step(&mut world, Op::Submit(3));
    let large = *world.rows.iter().find(|(_, r)| r.demand.room.memory_bytes == 4).unwrap().0;
    for _ in 0..40 {
        step(&mut world, Op::Submit(0));
        world.heartbeats();
        step(&mut world, Op::Wait(1000));
        step(&mut world, Op::Finish(1, 0));
        step(&mut world, Op::Recorded);
        if world.finished.contains_key(&large) || world.rows[&large].attempts > 0 {
            return;
        }
    }
    panic!("it never got its turn");
}

#[test]
fn an_attempt_that_the_store_never_noted_is_taken_up_after_a_restart() {
    let mut world = with_agent(1);
    step(&mut world, Op::Submit(0));
    let attempt = *world.agents[1].holding.first().unwrap();
    world.restart(1);
    world.join(1);
    assert!(world.core.is_current(attempt), "the agent goes on with it");
    let (own, other) = (super::name(1), super::name(0));
    assert!(world.core.is_current_at(attempt, Some(&own)) && !world.core.is_current_at(attempt, Some(&other)));
    step(&mut world, Op::Finish(1, 0));
    assert_eq!(world.finished.len(), 1);
}

/// The agent's connection breaks, it ends what it holds when its own lease does, and comes back.
fn ends_its_own_leases(world: &mut World, agent: usize) {
    world.leave(agent);
    world.agents[agent].holding.clear();
    world.join(agent);
}

#[test]
fn an_attempt_that_began_counts_when_its_agent_ended_it_by_its_own_lease() {
    let mut world = with_agent(1);
    step(&mut world, Op::Submit(0));
    for attempt in 1..=3 {
        assert_eq!(world.rows.values().next().unwrap().attempts, attempt);
        world.started(1);
        ends_its_own_leases(&mut world, 1);
        assert!(world.agents[1].holding.is_empty(), "not given again at once");
        for _ in 0..5 {
            world.heartbeats();
            step(&mut world, Op::Wait(1000));
        }
    }
    assert_eq!(world.finished.values().collect::<Vec<_>>(), [&Outcome::InternalError]);
}

#[test]
fn an_attempt_that_was_lost_before_it_began_does_not_count() {
    let mut world = with_agent(1);
    step(&mut world, Op::Submit(0));
    for _ in 0..10 {
        ends_its_own_leases(&mut world, 1);
        assert_eq!(world.agents[1].holding.len(), 1, "given again at once");
    }
    assert_eq!(world.rows.values().next().unwrap().attempts, 1);
}

/// The job began on agent 1, and was handed back with its engine.
fn loses_its_engine(world: &mut World) {
    world.started(1);
    step(world, Op::Return(1, 0, 3));
    assert!(world.agents[1].holding.is_empty(), "not given again at once");
    world.heartbeats();
    step(world, Op::Wait(1100));
}

#[test]
fn an_engine_that_goes_away_is_no_failure_of_the_job_that_ran() {
    let mut world = with_agent(1);
    step(&mut world, Op::Submit(0));
    for _ in 0..super::policy(1).engine_losses_max {
        loses_its_engine(&mut world);
        world.restart(0);
        world.join(1);
        assert_eq!(world.rows.values().next().unwrap().attempts, 1, "it runs again, for the first time that counts");
    }
    step(&mut world, Op::Finish(1, 0));
    assert_eq!(world.finished.values().collect::<Vec<_>>(), [&Outcome::Ok]);
}

#[test]
fn a_job_that_takes_engine_after_engine_with_it_ends() {
    let mut world = with_agent(1);
    step(&mut world, Op::Submit(0));
    let mut lost = 0;
    while world.finished.is_empty() {
        loses_its_engine(&mut world);
        lost += 1;
    }
    let policy = super::policy(1);
    assert_eq!(lost, policy.engine_losses_max + policy.attempts_max);
    assert_eq!(world.finished.values().collect::<Vec<_>>(), [&Outcome::InternalError]);
}

#[test]
fn a_job_that_had_not_begun_waits_for_an_engine_as_long_as_it_takes() {
    let mut world = with_agent(1);
    step(&mut world, Op::Submit(0));
    for _ in 0..50 {
        step(&mut world, Op::Return(1, 0, 3));
        assert!(world.agents[1].holding.is_empty(), "not given again at once");
        world.heartbeats();
        step(&mut world, Op::Wait(1100));
    }
    let row = world.rows.values().next().unwrap();
    assert_eq!((row.attempts, row.failures.len()), (1, 0));
}

#[test]
fn an_agent_without_its_engine_is_blamed_for_the_jobs_that_run_elsewhere() {
    let mut world = with_agent(1);
    world.join(2);
    let mut tried = 0;
    for _ in 0..100 {
        step(&mut world, Op::Submit(0));
        while !world.agents[2].holding.is_empty() {
            step(&mut world, Op::Return(2, 0, 3));
            tried += 1;
        }
        // The other is never idle, so what has nothing is the cheaper one.
        while world.agents[1].holding.len() > 1 {
            step(&mut world, Op::Finish(1, 0));
            world.recorded();
        }
        step(&mut world, Op::Wait(1000));
        world.heartbeats();
    }
    assert!((1..10).contains(&tried), "it is shut, and probed: {tried}");
    assert_eq!(world.finished.len(), 99, "its jobs ran elsewhere");
}

#[test]
fn what_ran_when_the_master_ended_and_is_not_held_any_more_counts() {
    let mut world = with_agent(1);
    step(&mut world, Op::Submit(0));
    world.restart(0);
    world.agents[1].holding.clear();
    world.join(1);
    step(&mut world, Op::Wait(1001));
    assert_eq!(world.rows.values().next().unwrap().attempts, 2);
}

#[test]
fn what_no_agent_has_begun_when_the_master_is_replaced_does_not_count() {
    let mut world = with_agent(1);
    step(&mut world, Op::Submit(0));
    world.replace();
    world.agents[1].holding.clear();
    world.join(1);
    step(&mut world, Op::Wait(1));
    assert_eq!(world.agents[1].holding.len(), 1, "it was lost on the way, and given again at once");
    assert_eq!(world.rows.values().next().unwrap().attempts, 1);
}

#[test]
fn what_a_drained_agent_was_given_after_its_last_word_does_not_count() {
    let mut world = with_agent(1);
    step(&mut world, Op::Submit(0));
    let session = world.agents[1].session.take().unwrap();
    world.handle(Event::Drained(session));
    assert_eq!(world.core.totals().running, 0, "it waits, and not for the agent that left");
    world.agents[1] = super::Agent::default();
    world.join(1);
    assert_eq!(world.agents[1].holding.len(), 1);
    assert_eq!(world.rows.values().next().unwrap().attempts, 1);
}

#[test]
fn what_an_agent_has_begun_when_the_master_is_replaced_goes_on() {
    let mut world = with_agent(1);
    step(&mut world, Op::Submit(0));
    world.started(1);
    let attempt = *world.agents[1].holding.first().unwrap();
    world.replace();
    world.join(1);
    assert!(world.core.is_current(attempt));
    assert_eq!(world.rows.values().next().unwrap().attempts, 1);
}

#[test]
fn a_cancel_outlives_the_master_while_the_agent_holds_the_job() {
    let mut world = with_agent(1);
    step(&mut world, Op::Submit(0));
    let attempt = *world.agents[1].holding.first().unwrap();
    world.cancel(attempt.job);
    world.restart(0);
    world.join(1);
    assert!(world.core.is_current(attempt), "its report is still wanted");
    assert_eq!(world.cancels, [attempt, attempt], "asked again after the restart");
}

#[test]
fn a_cancel_outlives_the_master_when_the_agent_is_gone() {
    let mut world = with_agent(1);
    step(&mut world, Op::Submit(0));
    let job = *world.rows.keys().next().unwrap();
    world.cancel(job);
    world.restart(0);
    step(&mut world, Op::Wait(5001));
    assert_eq!(world.finished.get(&job), Some(&Outcome::Cancelled));
}

#[test]
fn a_cancelled_job_that_waits_ends_at_the_next_start() {
    let mut world = with_agent(1);
    step(&mut world, Op::Submit(0));
    let job = *world.rows.keys().next().unwrap();
    world.cancel(job);
    // The store never noted the dispatch, and so has the job waiting.
    world.restart(1);
    world.join(1);
    assert_eq!(world.finished.get(&job), Some(&Outcome::Cancelled));
    assert!(world.agents[1].holding.is_empty(), "its agent drops it");
}

#[test]
fn a_job_whose_live_input_was_given_is_never_run_again() {
    for lost in [Op::Crash(1), Op::Return(1, 0, 0), Op::Return(1, 0, 2), Op::Return(1, 0, 3)] {
        let mut world = with_agent(1);
        step(&mut world, Op::Submit(5));
        step(&mut world, Op::Fed(1));
        step(&mut world, lost);
        step(&mut world, Op::Wait(5001));
        assert_eq!(world.finished.values().collect::<Vec<_>>(), [&Outcome::InternalError]);
    }
}

#[test]
fn a_job_with_live_input_is_run_again_where_none_was_given() {
    let mut world = with_agent(1);
    step(&mut world, Op::Submit(5));
    step(&mut world, Op::Return(1, 0, 2));
    assert!(world.finished.is_empty());
    world.heartbeats();
    step(&mut world, Op::Wait(1100));
    assert_eq!(world.rows.values().next().unwrap().attempts, 2);
}

#[test]
fn a_new_master_does_not_know_what_was_given_and_takes_it_for_given() {
    let mut world = with_agent(1);
    step(&mut world, Op::Submit(5));
    step(&mut world, Op::Restart(0));
    step(&mut world, Op::Wait(5001));
    assert_eq!(world.finished.values().collect::<Vec<_>>(), [&Outcome::InternalError]);
}

#[test]
fn an_agent_that_misses_its_heartbeats_gets_no_job_though_its_connection_stands() {
    let mut world = with_agent(1);
    step(&mut world, Op::Wait(3500));
    step(&mut world, Op::Submit(0));
    assert!(world.agents[1].holding.is_empty(), "it may be cut off");
    world.join(2);
    assert_eq!(world.agents[2].holding.len(), 1, "another gets it at once");
    step(&mut world, Op::Submit(0));
    step(&mut world, Op::Submit(0));
    step(&mut world, Op::Submit(0));
    assert!(world.agents[1].holding.is_empty());
    world.heartbeats();
    assert_eq!(world.agents[1].holding.len(), 1, "it is heard again");
}

#[test]
fn an_agent_that_was_silent_and_joins_anew_gets_what_waited_for_it() {
    let mut world = with_agent(1);
    world.now += std::time::Duration::from_millis(3500);
    step(&mut world, Op::Submit(0));
    assert!(world.agents[1].holding.is_empty(), "it may be cut off");
    world.join(1);
    assert_eq!(world.agents[1].holding.len(), 1, "at once, and not when something else changes");
}

#[test]
fn an_agent_that_comes_back_again_and_again_holds_an_attempt_no_longer_than_one_may_take() {
    let mut world = with_agent(1);
    step(&mut world, Op::Submit(0));
    let attempt = *world.agents[1].holding.first().unwrap();
    for _ in 0..900 {
        world.leave(1);
        world.join(1);
        world.heartbeats();
        assert!(world.core.is_current(attempt), "not before");
        step(&mut world, Op::Wait(4000));
    }
    world.heartbeats();
    step(&mut world, Op::Wait(4000));
    assert!(!world.core.is_current(attempt));
    assert!(!world.agents[1].holding.contains(&attempt), "its agent drops it");
}

#[test]
fn what_cannot_be_so_costs_one_attempt_and_its_job_is_run_elsewhere() {
    let mut world = with_agent(1);
    for _ in 0..2 {
        step(&mut world, Op::Submit(0));
    }
    let holding: Vec<AttemptId> = world.agents[1].holding.iter().copied().collect();
    let [attempt, beside] = holding[..] else { panic!("it has room for both") };
    let session = world.agents[1].session.unwrap();
    world.join(2);
    world.handle(Event::Unfit { session, attempt, why: "wrong".into() });
    assert!(!world.core.is_current(attempt) && world.core.is_current(beside));
    assert_eq!(world.agents[1].holding.iter().collect::<Vec<_>>(), [&beside], "it drops the one");
    world.heartbeats();
    step(&mut world, Op::Wait(1100));
    let elsewhere: Vec<JobId> = world.agents[2].holding.iter().map(|a| a.job).collect();
    assert_eq!((elsewhere, world.rows[&attempt.job].attempts), (vec![attempt.job], 2));
}
