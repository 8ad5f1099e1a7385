//! What is passed over is what does not fit: every pass comes to what a look at every line comes to.
//!
//! That whoever is given a job is who is next by hand is held by the core itself, in every test.

use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;

use super::{AGENTS, Agent, Op, World, demand, step};
use crate::queue::{Demand, Priority, Room};
use crate::scheduler::Event;

#[derive(Clone, Debug)]
enum Happening {
    Submit { tenant: u8, language: bool, memory: u64, priority: usize },
    Other(Op),
}

fn event() -> impl Strategy<Value = Happening> {
    let submit = (0u8..4, any::<bool>(), 1u64..7, 0usize..3);
    let agent = 0..AGENTS;
    prop_oneof![
        8 => submit.prop_map(|(tenant, language, memory, priority)| Happening::Submit { tenant, language, memory, priority }),
        6 => (agent.clone(), any::<usize>()).prop_map(|(agent, n)| Happening::Other(Op::Finish(agent, n))),
        2 => (agent.clone(), any::<usize>(), 0u8..4).prop_map(|(a, n, r)| Happening::Other(Op::Return(a, n, r))),
        4 => Just(Happening::Other(Op::Recorded)),
        2 => Just(Happening::Other(Op::Heartbeats)),
        4 => (0u16..7000).prop_map(|ms| Happening::Other(Op::Wait(ms))),
        2 => agent.clone().prop_map(|agent| Happening::Other(Op::Join(agent))),
        1 => agent.clone().prop_map(|agent| Happening::Other(Op::Leave(agent))),
        1 => agent.prop_map(|agent| Happening::Other(Op::Drain(agent))),
    ]
}

fn of(tenant: u8, language: bool, memory_bytes: u64) -> Arc<Demand> {
    let base = (*demand(0)).clone();
    Arc::new(Demand {
        tenant: format!("tenant-{tenant}").into(),
        language: if language { "c" } else { "java" }.into(),
        room: Room { memory_bytes, ..base.room },
        ..base
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn after_a_pass_nothing_waits_that_could_go(events in prop::collection::vec(event(), 0..150)) {
        let mut world = World::new();
        (0..AGENTS).for_each(|agent| world.join(agent));
        for event in events {
            match event {
                Happening::Submit { tenant, language, memory, priority } => {
                    world.submit_as(of(tenant, language, memory), Priority::ALL[priority], None);
                }
                Happening::Other(op) => step(&mut world, op),
            }
            world.check();
            world.handle(Event::Tick);
            prop_assert!(world.core.is_done(world.moment()), "a job waits that could go");
        }
    }
}

#[test]
fn who_was_silent_and_is_heard_again_is_given_what_found_no_room_while_it_was() {
    let mut world = World::new();
    world.join(1);
    // No tick notices its silence before a job comes, finds no room, and is passed over.
    world.now += Duration::from_secs(4);
    world.submit(demand(0));
    assert!(world.agents[1].holding.is_empty(), "it may be cut off");
    world.heartbeats();
    assert_eq!(world.agents[1].holding.len(), 1, "it is heard again");
}

#[test]
fn an_agent_that_comes_is_given_what_was_passed_over_by_shape() {
    let mut world = World::new();
    world.join(0);
    for n in 0..6 {
        world.submit(of(n, true, 6));
    }
    world.agents[2] = Agent::default();
    world.join(2);
    assert_eq!(world.agents[2].holding.len(), 1, "it alone has the room");
}
