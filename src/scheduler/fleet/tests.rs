//! What agents count is counted once, and who is placed is found as by looking at all.

use std::collections::BTreeSet;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use enclos_protocol::agent_link::{ClosedSandboxes, ImageState, OfferedLanguage};
use enclos_protocol::job::{Isolation, Reuse};
use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::scheduler::event::Offer;
use crate::scheduler::placement::{self, Ask};

fn rules() -> Rules {
    let silence_max = Duration::from_secs(3);
    Rules { packing: Packing::Spread, cpu_promise_permille: 1000, prediction: false, silence_max }
}

fn load(unclean_jobs: u64, unfit: u64) -> LoadReport {
    let sandboxes_closed = ClosedSandboxes { unfit, ..ClosedSandboxes::default() };
    LoadReport { unclean_jobs, sandboxes_closed, ..LoadReport::default() }
}

fn joining(session: u64, instance: u128, load: LoadReport) -> Joining {
    let offer = Offer {
        capacity: Room::default(),
        isolation: Isolation::Runc,
        reuse: Reuse::Tenant,
        embedded: false,
        installs: false,
        build: String::new(),
    };
    let instance = Uuid::from_u128(instance);
    let name = "a".parse().expect("a valid name");
    let session = SessionId(session);
    Joining { session, name, instance, link_version: 1, offer, holding: Vec::new(), load }
}

fn counted(wear: Option<Wear>) -> (u64, u64) {
    wear.map_or((0, 0), |w| (w.unclean_jobs, w.sandboxes_closed.unfit))
}

#[test]
fn each_unclean_job_is_counted_once_whatever_the_connection_does() {
    let mut fleet = Fleet::new(rules(), Instant::now());
    let report = |fleet: &mut Fleet, session: u64, load: LoadReport| {
        counted(fleet.report(SessionId(session), load).expect("it joined"))
    };
    // The master was restarted: what its predecessor counted is not counted again.
    assert_eq!(counted(fleet.join(&joining(1, 1, load(5, 7))).unwrap().wear), (0, 0));
    assert_eq!(report(&mut fleet, 1, load(6, 9)), (1, 2));
    assert_eq!(report(&mut fleet, 1, load(6, 9)), (0, 0));
    fleet.leave(SessionId(1));
    assert_eq!(counted(fleet.join(&joining(2, 1, load(8, 9))).unwrap().wear), (2, 0));
    fleet.leave(SessionId(2));
    // Another process of the agent begins with none.
    assert_eq!(counted(fleet.join(&joining(3, 2, load(0, 0))).unwrap().wear), (0, 0));
    assert_eq!(report(&mut fleet, 3, load(1, 1)), (1, 1));
    assert_eq!(report(&mut fleet, 3, load(0, 0)), (0, 0), "a count never falls");
}

/// What a test's agent is like.
#[derive(Clone, Debug)]
struct Like {
    isolation: Isolation,
    embedded: bool,
    installs: bool,
    languages: Vec<(u8, u8, u32)>,
    busy: u16,
    compiled: Vec<u64>,
}

fn like() -> impl Strategy<Value = Like> {
    let language = (0u8..4, 0u8..5, 0u32..2);
    let isolation = prop_oneof![3 => Just(Isolation::Runc), 1 => Just(Isolation::Gvisor)];
    let base = (isolation, any::<bool>(), any::<bool>());
    (base, prop::collection::vec(language, 0..4), 0u16..1000, prop::collection::vec(0u64..3, 0..2)).prop_map(
        |((isolation, embedded, installs), languages, busy, compiled)| Like {
            isolation,
            embedded,
            installs,
            languages,
            busy,
            compiled,
        },
    )
}

fn load_of(like: &Like) -> LoadReport {
    let languages = like.languages.iter().map(|(id, image, warm)| OfferedLanguage {
        id: id.to_string(),
        version: String::new(),
        image: match image {
            0 => ImageState::Failed { reason: String::new() },
            1 => ImageState::Absent,
            _ => ImageState::Ready,
        },
        warm: *warm,
    });
    let mut compiled = like.compiled.clone();
    compiled.sort_unstable();
    LoadReport { languages: languages.collect(), cpu_busy_permille: like.busy, compiled, ..LoadReport::default() }
}

fn join(fleet: &mut Fleet, number: u64, like: &Like) {
    // Its size stays when it comes again, or what it still has would be more than it offers.
    let capacity = Room { memory_bytes: 1 + number % 5, cpu_millis: 4000, pids: 100, slots: number % 4 };
    let Like { isolation, embedded, installs, .. } = *like;
    let offer = Offer { capacity, isolation, reuse: Reuse::Tenant, embedded, installs, build: String::new() };
    let base = joining(number, u128::from(number) + 1, load_of(like));
    let name = format!("a-{number}").parse().expect("a valid name");
    fleet.join(&Joining { name, offer, ..base }).expect("there is room");
}

fn demand_of(language: u8, memory_bytes: u64, flags: u8) -> Demand {
    Demand {
        tenant: "t".into(),
        language: language.to_string().into(),
        companion: (flags & 1 != 0).then(|| Arc::from("1")),
        interactive: flags & 2 != 0,
        isolation: if flags & 4 != 0 { Isolation::Gvisor } else { Isolation::Runc },
        installs: flags & 8 != 0,
        live_stdin: false,
        room: Room { memory_bytes, cpu_millis: 1000, pids: 1, slots: 1 },
        report_bytes: 0,
    }
}

#[derive(Clone, Debug)]
enum Op {
    Join(u64, Like),
    Leave(u64),
    Report(u64, Like),
    Pause(u64, u8),
    Fail(u64),
    Blame(u64),
    Ended(u64),
    Drain(u64),
    Place { language: u8, memory: u64, flags: u8, key: Option<u64>, avoid: Option<u64>, kept_free: Option<u64> },
    Free(usize),
    Wait(u64),
}

fn op() -> impl Strategy<Value = Op> {
    let agent = 0u64..12;
    let place = (0u8..5, 1u64..6, 0u8..16, prop::option::of(0u64..3));
    prop_oneof![
        4 => (agent.clone(), like()).prop_map(|(agent, like)| Op::Join(agent, like)),
        1 => agent.clone().prop_map(Op::Leave),
        2 => (agent.clone(), like()).prop_map(|(agent, like)| Op::Report(agent, like)),
        1 => (agent.clone(), 0u8..16).prop_map(|(agent, flags)| Op::Pause(agent, flags)),
        1 => agent.clone().prop_map(Op::Fail),
        1 => agent.clone().prop_map(Op::Blame),
        1 => agent.clone().prop_map(Op::Ended),
        1 => agent.clone().prop_map(Op::Drain),
        9 => (place, prop::option::of(agent.clone()), prop::option::of(agent)).prop_map(
            |((language, memory, flags, key), avoid, kept_free)| {
                // Most jobs need nothing special.
                let flags = if flags < 8 { 0 } else { flags };
                Op::Place { language, memory, flags, key, avoid, kept_free }
            },
        ),
        3 => any::<usize>().prop_map(Op::Free),
        2 => (0u64..4000).prop_map(Op::Wait),
    ]
}

fn name(number: u64) -> AgentName {
    format!("a-{number}").parse().expect("a valid name")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn who_is_chosen_is_the_least_of_all_with_room(
        operations in prop::collection::vec(op(), 1..150),
        is_packing in any::<bool>(),
    ) {
        let mut now = Instant::now();
        let packing = if is_packing { Packing::Pack } else { Packing::Spread };
        let mut fleet = Fleet::new(Rules { packing, ..rules() }, now);
        let (mut sessions, mut placed) = (HashMap::new(), Vec::new());
        for (number, operation) in (100u64..).zip(operations) {
            match operation {
                Op::Join(agent, like) => if let Entry::Vacant(vacant) = sessions.entry(agent) {
                    join(&mut fleet, agent, &like);
                    vacant.insert(SessionId(agent));
                },
                Op::Leave(agent) => if let Some(session) = sessions.remove(&agent) {
                    fleet.leave(session);
                },
                Op::Report(agent, like) => if let Some(session) = sessions.get(&agent) {
                    fleet.report(*session, load_of(&like));
                },
                Op::Pause(agent, flags) => fleet.pause(&name(agent), &demand_of(0, 1, flags)),
                Op::Fail(agent) => fleet.failed(&name(agent)),
                Op::Blame(agent) => fleet.blame(&name(agent)),
                Op::Ended(agent) => fleet.ended(&name(agent)),
                Op::Drain(agent) => drop(fleet.ask_to_drain(&name(agent)).is_some()),
                Op::Free(n) => if !placed.is_empty() {
                    let (agent, demand): (AgentName, Demand) = placed.swap_remove(n % placed.len());
                    fleet.give_back(&agent, &demand, 0);
                },
                Op::Wait(ms) => {
                    now += Duration::from_millis(ms);
                    fleet.advance(now);
                    fleet.silent(Duration::from_secs(3600));
                }
                Op::Place { language, memory, flags, key, avoid, kept_free } => {
                    let demand = demand_of(language, memory, flags);
                    let (avoid, held) = (avoid.map(name), kept_free.map(name).into_iter().collect());
                    let ask = Ask { demand: &demand, avoid: avoid.as_ref(), held: &held, compile_key: key };
                    let chosen = placement::choose(&fleet, ask, now);
                    let least = fleet.iter()
                        .filter(|agent| agent.has_room(&demand, fleet.rules(), now) && !held.contains(&agent.name))
                        .min_by_key(|agent| placement::cost(&fleet, agent, ask));
                    let told = |agent: Option<&Agent>| agent.map(|agent| (placement::cost(&fleet, agent, ask), agent.name.clone()));
                    prop_assert_eq!(told(chosen), told(least));
                    let first = fleet.iter().find(|agent| agent.could_run(&demand)).map(|agent| &agent.name);
                    prop_assert_eq!(placement::hold(&fleet, &demand).map(|agent| &agent.name), first);
                    if let Some(agent) = chosen.map(|agent| agent.name.clone()) {
                        fleet.take(&agent, &demand, number);
                        if let Some(key) = key {
                            fleet.compiles(&agent, key);
                        }
                        placed.push((agent, demand));
                    }
                }
            }
            for agent in fleet.iter() {
                prop_assert!(agent.offer.capacity.holds(agent.promised), "{} is overcommitted", agent.name);
            }
        }
    }
}

#[test]
fn jobs_that_wait_for_images_leave_half_of_the_slots_to_those_that_can_run() {
    let language = |id: String, image| OfferedLanguage { id, image, version: String::new(), warm: 0 };
    let mut languages: Vec<_> = (0..8).map(|n| language(format!("absent-{n}"), ImageState::Absent)).collect();
    languages.push(language("ready".to_owned(), ImageState::Ready));
    let mut joining = joining(1, 1, LoadReport { languages, ..LoadReport::default() });
    joining.offer.capacity = Room { memory_bytes: 1 << 30, cpu_millis: 4000, pids: 100, slots: 4 };
    let mut fleet = Fleet::new(rules(), Instant::now());
    fleet.join(&joining).unwrap();
    let demand = |language: &str| Demand {
        tenant: "a".into(),
        language: language.into(),
        companion: None,
        interactive: false,
        isolation: Isolation::Runc,
        installs: false,
        live_stdin: false,
        room: Room { memory_bytes: 1, cpu_millis: 1, pids: 1, slots: 1 },
        report_bytes: 0,
    };
    let held = BTreeSet::new();
    let mut placed = 0;
    for n in 0..8 {
        let demand = demand(&format!("absent-{n}"));
        let ask = Ask { demand: &demand, avoid: None, held: &held, compile_key: None };
        if let Some(name) = placement::choose(&fleet, ask, Instant::now()).map(|agent| agent.name.clone()) {
            fleet.take(&name, &demand, 0);
            placed += 1;
        }
    }
    assert_eq!(placed, 2);
    let demand = demand("ready");
    let ask = Ask { demand: &demand, avoid: None, held: &held, compile_key: None };
    assert!(placement::choose(&fleet, ask, Instant::now()).is_some());
}
