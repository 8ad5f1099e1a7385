//! What happens to the model's world, by chance or in a rule's order.

use std::time::Duration;

use enclos_protocol::agent_link::ReturnReason;
use proptest::prelude::*;

use super::{AGENTS, Agent, World, bounds, demand, name, report};
use crate::queue::Priority;
use crate::scheduler::Event;

#[derive(Clone, Debug)]
pub(super) enum Op {
    Submit(u8),
    Join(usize),
    Leave(usize),
    Crash(usize),
    Finish(usize, usize),
    Late(usize),
    Return(usize, usize, u8),
    Cancel(usize),
    Started(usize),
    Fed(usize),
    Recorded,
    Heartbeats,
    Wait(u16),
    Drain(usize),
    Bound(u64),
    Restart(usize),
    Replace,
}

pub(super) fn op() -> impl Strategy<Value = Op> {
    let agent = 0..AGENTS;
    prop_oneof![
        6 => any::<u8>().prop_map(Op::Submit),
        4 => agent.clone().prop_map(Op::Join),
        1 => agent.clone().prop_map(Op::Leave),
        1 => agent.clone().prop_map(Op::Crash),
        5 => (agent.clone(), any::<usize>()).prop_map(|(a, n)| Op::Finish(a, n)),
        1 => any::<usize>().prop_map(Op::Late),
        2 => (agent.clone(), any::<usize>(), 0u8..4).prop_map(|(a, n, r)| Op::Return(a, n, r)),
        1 => any::<usize>().prop_map(Op::Cancel),
        2 => agent.clone().prop_map(Op::Started),
        2 => agent.clone().prop_map(Op::Fed),
        5 => Just(Op::Recorded),
        3 => Just(Op::Heartbeats),
        3 => (0u16..7000).prop_map(Op::Wait),
        1 => agent.prop_map(Op::Drain),
        1 => (1u64..5).prop_map(Op::Bound),
        1 => (0usize..6).prop_map(Op::Restart),
        1 => Just(Op::Replace),
    ]
}

fn nth<T: Clone>(items: impl Iterator<Item = T>, n: usize) -> Option<T> {
    let items: Vec<T> = items.collect();
    (!items.is_empty()).then(|| items[n % items.len()].clone())
}

pub(super) fn step(world: &mut World, op: Op) {
    match op {
        Op::Submit(n) => {
            let ttl = (n % 32 == 16).then_some(Duration::from_secs(3));
            world.submit_as(demand(n), Priority::ALL[usize::from(n / 64 % 3)], ttl);
        }
        Op::Join(a) => world.join(a),
        Op::Leave(a) => world.leave(a),
        Op::Crash(a) => {
            world.leave(a);
            world.agents[a] = Agent::default();
        }
        Op::Finish(a, n) => {
            let agent = &world.agents[a];
            if let (Some(session), Some(attempt)) = (agent.session, nth(agent.holding.iter().copied(), n)) {
                world.handle(Event::Finished { session, attempt, report: Box::new(report()) });
            }
        }
        Op::Late(n) => {
            let late = nth(world.given.iter().copied(), n);
            if let Some((attempt, a)) = late
                && let Some(session) = world.agents[a].session
            {
                let current = world.core.is_current(attempt);
                let before = world.finished.get(&attempt.job).copied();
                world.handle(Event::Finished { session, attempt, report: Box::new(report()) });
                let unchanged = world.finished.get(&attempt.job).copied() == before;
                assert!(current || unchanged, "a late answer is recorded");
            }
        }
        Op::Return(a, n, reason) => {
            let agent = &world.agents[a];
            if let (Some(session), Some(attempt)) = (agent.session, nth(agent.holding.iter().copied(), n)) {
                let reason = match reason {
                    0 => ReturnReason::Draining,
                    1 => ReturnReason::NoRoom,
                    2 => ReturnReason::failed("sandbox".into()),
                    _ => ReturnReason::Failed { message: "engine".into(), engine_gone: true },
                };
                world.handle(Event::Returned { session, attempt, reason });
            }
        }
        Op::Cancel(n) => {
            if let Some(job) = nth(world.rows.keys().copied(), n) {
                world.cancel(job);
            }
        }
        Op::Started(a) => world.started(a),
        Op::Fed(a) => world.feed(a),
        Op::Recorded => world.recorded(),
        Op::Heartbeats => world.heartbeats(),
        Op::Wait(ms) => {
            world.now += Duration::from_millis(u64::from(ms));
            world.handle(Event::Tick);
        }
        Op::Bound(max) => {
            world.bound = max;
            world.handle(Event::Bounds(bounds(max)));
        }
        Op::Drain(a) => world.handle(Event::Drain(name(a))),
        Op::Restart(forgotten) => world.restart(forgotten),
        Op::Replace => world.replace(),
    }
}
