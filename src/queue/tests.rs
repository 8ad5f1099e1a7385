//! The ready queue against a plain list, and what its order promises.

mod one_by_one;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use enclos_protocol::ids::JobId;
use enclos_protocol::job::Isolation;
use proptest::prelude::*;

use super::{Charge, Cursor, Demand, Order, Priority, ReadyQueue, Room, Rules, Standing, Ticket, Waiting};

const AGEING: Duration = Duration::from_secs(60);
const OVERTAKEN_MAX: Duration = Duration::from_secs(20);
const SECOND_US: u64 = 1_000_000;

fn rules() -> Rules {
    Rules { ageing: AGEING, shortness: 10, overtaken_max: OVERTAKEN_MAX }
}

fn demand(tenant: &str, language: u8) -> Arc<Demand> {
    Arc::new(Demand {
        tenant: Arc::from(tenant),
        language: Arc::from(language.to_string()),
        companion: None,
        interactive: false,
        isolation: Isolation::Runc,
        installs: false,
        live_stdin: false,
        room: Room::default(),
        report_bytes: 0,
    })
}

#[derive(Clone, Debug)]
struct Known {
    job: JobId,
    tenant: String,
    language: u8,
    priority: Priority,
    arrived: Instant,
    cost_us: u64,
    ticket: Ticket,
}

/// A queue, and what is in it.
struct World {
    queue: ReadyQueue,
    now: Instant,
    next: Order,
    jobs: BTreeMap<Order, Known>,
}

impl World {
    fn new(weights: &[(&str, u32)]) -> Self {
        let now = Instant::now();
        let weights = weights.iter().map(|(name, weight)| (Arc::from(*name), *weight)).collect();
        Self { queue: ReadyQueue::new(rules(), weights, now), now, next: 0, jobs: BTreeMap::new() }
    }

    fn submit(&mut self, tenant: &str, language: u8, priority: Priority, cost_us: u64) -> Order {
        let order = self.next;
        self.next += 1;
        self.put(order, tenant, language, priority, (self.now, cost_us));
        order
    }

    fn put(
        &mut self,
        order: Order,
        tenant: &str,
        language: u8,
        priority: Priority,
        (arrived, cost_us): (Instant, u64),
    ) {
        let (job, demand) = (JobId::generate(), demand(tenant, language));
        let ticket = self.queue.insert(Waiting { job, order, arrived, priority, demand, cost_us });
        let known = Known { job, tenant: tenant.into(), language, priority, arrived, cost_us, ticket };
        self.jobs.insert(order, known);
    }

    fn wait(&mut self, time: Duration) {
        self.now += time;
        self.queue.advance(self.now);
    }

    fn order_of(&self, job: JobId) -> Order {
        *self.jobs.iter().find(|(_, known)| known.job == job).expect("it waits").0
    }

    /// Takes who is next; its charge.
    fn take(&mut self) -> Option<(Order, Known, Charge)> {
        let head = self.queue.next(&mut Cursor::default())?;
        let order = self.order_of(head.job);
        let known = self.jobs.remove(&order).expect("it waits");
        let charge = self.queue.take(known.ticket).expect("it was offered");
        Some((order, known, charge))
    }

    fn taken(&mut self) -> Vec<Order> {
        std::iter::from_fn(|| self.take().map(|(order, ..)| order)).collect()
    }

    fn position(&self, order: Order) -> usize {
        let Known { tenant, priority, arrived, cost_us, .. } = &self.jobs[&order];
        let (priority, arrived, cost_us) = (*priority, *arrived, *cost_us);
        let standing = Standing { tenant, priority, order, arrived, cost_us };
        self.queue.ahead(&self.queue.forecast(), standing).jobs
    }

    fn offered(&self) -> Vec<Order> {
        let mut cursor = Cursor::default();
        std::iter::from_fn(|| self.queue.next(&mut cursor).map(|head| self.order_of(head.job))).collect()
    }
}

#[derive(Clone, Debug)]
enum Op {
    Submit(u8, u8, u64),
    Take,
    Remove(usize),
    Back,
    Aside(usize, bool),
    Hold(usize),
    LetGo(u8, usize),
    Settle(u64),
    Wait(u16),
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        6 => (0u8..4, 0u8..9, 0u64..5 * SECOND_US).prop_map(|(tenant, kind, cost)| Op::Submit(tenant, kind, cost)),
        3 => Just(Op::Take),
        1 => any::<usize>().prop_map(Op::Remove),
        1 => Just(Op::Back),
        1 => (any::<usize>(), any::<bool>()).prop_map(|(n, aside)| Op::Aside(n, aside)),
        1 => any::<usize>().prop_map(Op::Hold),
        1 => (0u8..4, 0usize..3).prop_map(|(tenant, lines)| Op::LetGo(tenant, lines)),
        1 => (0u64..100 * SECOND_US).prop_map(Op::Settle),
        1 => (0u16..40_000).prop_map(Op::Wait),
    ]
}

/// A line, as a plain list tells it.
type Line = (Priority, String, u8);

fn line(known: &Known) -> Line {
    (known.priority, known.tenant.clone(), known.language)
}

/// Heads of lines, by line.
fn heads(world: &World) -> BTreeMap<Line, Order> {
    let key = |order: &Order, known: &Known| {
        let later = Duration::from_micros(known.cost_us * 10).min(OVERTAKEN_MAX);
        (known.arrived + later, *order)
    };
    let mut heads: BTreeMap<Line, Order> = BTreeMap::new();
    for (order, known) in &world.jobs {
        let head = heads.entry(line(known)).or_insert(*order);
        if key(order, known) < key(head, &world.jobs[head]) {
            *head = *order;
        }
    }
    heads
}

fn nth(world: &World, n: usize) -> Option<(Order, Known)> {
    let at = n.checked_rem(world.jobs.len())?;
    world.jobs.iter().nth(at).map(|(order, known)| (*order, known.clone()))
}

fn check(world: &World, aside: &BTreeSet<Line>, held: &BTreeSet<Line>) -> Result<(), TestCaseError> {
    prop_assert_eq!(world.queue.len(), world.jobs.len());
    let heads = heads(world);
    let sorted = |those: &dyn Fn(&Line) -> bool| -> BTreeSet<Order> {
        heads.iter().filter(|(line, _)| those(line)).map(|(_, order)| *order).collect()
    };
    let offered = world.offered();
    prop_assert_eq!(offered.len(), offered.iter().collect::<BTreeSet<_>>().len(), "a head is offered twice");
    let offered: BTreeSet<Order> = offered.into_iter().collect();
    prop_assert_eq!(&offered, &sorted(&|line| !aside.contains(line) && !held.contains(line)));
    let (mut by_number, mut after) = (BTreeSet::new(), None);
    while let Some(head) = world.queue.next_line(after) {
        by_number.insert(world.order_of(head.job));
        after = Some(head.line);
    }
    prop_assert_eq!(&by_number, &offered);
    let (mut set_aside, mut after) = (BTreeSet::new(), None);
    while let Some(head) = world.queue.next_aside(after) {
        set_aside.insert(world.order_of(head.job));
        after = Some(head.line);
    }
    prop_assert_eq!(set_aside, sorted(&|line| aside.contains(line)));
    let tenants: BTreeSet<String> = held.iter().map(|line| line.1.clone()).collect();
    prop_assert_eq!(world.queue.held_tenants().map(|t| t.to_string()).collect::<BTreeSet<_>>(), tenants);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn what_is_offered_set_aside_and_held_is_as_in_a_plain_list(operations in prop::collection::vec(op(), 0..120)) {
        let mut world = World::new(&[("1", 3)]);
        let (mut aside, mut held) = (BTreeSet::new(), BTreeSet::new());
        let mut gone: Vec<(Order, Known, Charge)> = Vec::new();
        for operation in operations {
            match operation {
                Op::Submit(tenant, kind, cost) => {
                    let priority = Priority::ALL[usize::from(kind % 3)];
                    world.submit(&tenant.to_string(), kind / 3, priority, cost);
                }
                Op::Take => gone.extend(world.take()),
                Op::Remove(n) => if let Some((order, known)) = nth(&world, n) {
                    prop_assert_eq!(world.queue.remove(known.ticket), Some(known.job));
                    prop_assert_eq!(world.queue.remove(known.ticket), None);
                    world.jobs.remove(&order);
                },
                Op::Back => if let Some((order, known, _)) = gone.pop() {
                    let Known { tenant, language, priority, arrived, cost_us, .. } = known;
                    world.put(order, &tenant, language, priority, (arrived, cost_us));
                },
                Op::Aside(n, is_aside) => if let Some((_, known)) = nth(&world, n) {
                    world.queue.set_aside(known.ticket.line, is_aside);
                    if !is_aside {
                        aside.remove(&line(&known));
                    } else if !held.contains(&line(&known)) {
                        aside.insert(line(&known));
                    }
                },
                Op::Hold(n) => if let Some((_, known)) = nth(&world, n) {
                    world.queue.hold(known.ticket.line);
                    if !aside.contains(&line(&known)) {
                        held.insert(line(&known));
                    }
                },
                Op::LetGo(tenant, lines_max) => {
                    let is_held = world.queue.let_go(&tenant.to_string(), lines_max);
                    // Which of them go first is told by what is held then.
                    let own = |l: &Line| l.1 == tenant.to_string();
                    let before = held.iter().filter(|l| own(l)).count();
                    let offered: BTreeSet<Line> = world.offered().iter().map(|o| line(&world.jobs[o])).collect();
                    held.retain(|l| !own(l) || !offered.contains(l));
                    let after = held.iter().filter(|l| own(l)).count();
                    prop_assert_eq!((before - after, is_held), (before.min(lines_max), after > 0));
                }
                Op::Settle(actual) => if let Some((.., charge)) = gone.pop() {
                    world.queue.settle(charge, actual, true);
                },
                Op::Wait(ms) => world.wait(Duration::from_millis(ms.into())),
            }
            // A line that is empty is forgotten; who comes then begins a new one.
            let lines: BTreeSet<Line> = world.jobs.values().map(line).collect();
            aside.retain(|l| lines.contains(l));
            held.retain(|l| lines.contains(l));
            check(&world, &aside, &held)?;
        }
    }

    #[test]
    fn no_job_waits_behind_what_came_to_its_class_after_its_time(
        arrivals in prop::collection::vec((0u8..9, 0u64..60 * SECOND_US, 0u16..2000), 1..150),
    ) {
        // One tenant: whatever the costs are, who came so much later with the same class goes later.
        let mut world = World::new(&[]);
        for (kind, cost, pause) in arrivals {
            world.submit("t", kind / 3, Priority::ALL[usize::from(kind % 3)], cost);
            world.wait(Duration::from_millis(pause.into()));
        }
        let mut latest = [None::<Instant>; 3];
        while let Some((_, known, _)) = world.take() {
            let latest = &mut latest[known.priority.index()];
            let overtaken = latest.is_some_and(|came| came > known.arrived + OVERTAKEN_MAX);
            prop_assert!(!overtaken, "it was overtaken by what came too long after it");
            *latest = (*latest).max(Some(known.arrived));
        }
    }

    #[test]
    fn no_class_of_a_tenant_waits_longer_for_a_turn_than_two_spans_and_what_others_may_have_first(
        lows in 1usize..20,
        costs in prop::collection::vec(0u64..60 * SECOND_US, 20),
        others in 1usize..6,
    ) {
        let mut world = World::new(&[]);
        for cost in costs.iter().take(lows) {
            world.submit("low", 0, Priority::Low, *cost);
        }
        let turn = Duration::from_secs(1);
        // What is long lets each of the others have so much before it.
        let bound = 2 * AGEING + (OVERTAKEN_MAX + 2 * turn) * u32::try_from(others + 1).unwrap();
        let (mut last, mut left) = (world.now, lows);
        while left > 0 {
            // The others never run out of what is urgent.
            for other in 0..others {
                world.submit(&other.to_string(), 0, Priority::High, SECOND_US);
            }
            let (_, known, charge) = world.take().expect("somebody waits");
            world.wait(turn);
            world.queue.settle(charge, SECOND_US, false);
            if known.tenant == "low" {
                (last, left) = (world.now, left - 1);
            }
            prop_assert!(world.now - last <= bound, "no turn for {:?}", world.now - last);
        }
    }

    #[test]
    fn while_two_tenants_wait_they_get_their_shares_to_within_a_largest_charge_each(
        costs in prop::collection::vec((1u64..30 * SECOND_US, any::<bool>()), 2..300),
        weight in 1u32..5,
    ) {
        let mut world = World::new(&[("a", weight)]);
        let mut count = HashMap::from([("a", 0usize), ("b", 0)]);
        for (cost, a) in costs {
            let tenant = if a { "a" } else { "b" };
            world.submit(tenant, 0, Priority::Normal, cost);
            *count.entry(tenant).or_default() += 1;
        }
        let (mut had, mut largest) = ([0i128; 2], [0i128; 2]);
        while count.values().all(|waiting| *waiting > 0) {
            let (_, known, charge) = world.take().expect("both wait");
            let (who, name, weight) = if known.tenant == "a" { (0, "a", i128::from(weight)) } else { (1, "b", 1) };
            had[who] += i128::from(charge.amount_us()) / weight;
            // What is short goes first by at most what it is shorter, and by no more than the bound.
            let later = i128::from(10 * known.cost_us).min(OVERTAKEN_MAX.as_micros() as i128);
            largest[who] = largest[who].max((i128::from(charge.amount_us()) + later) / weight);
            *count.get_mut(name).unwrap() -= 1;
            let bound = largest[0] + largest[1] + OVERTAKEN_MAX.as_micros() as i128;
            prop_assert!((had[0] - had[1]).abs() <= bound, "{had:?} are further apart than {bound}");
        }
    }

    #[test]
    fn a_tenants_own_position_is_exact_and_others_are_counted_to_half_a_job_each(
        jobs in prop::collection::vec((0u8..5, 0u8..3, 0u16..20_000), 1..120),
        taken in 0usize..20,
    ) {
        let mut world = World::new(&[]);
        for (tenant, class, pause) in jobs {
            world.submit(&tenant.to_string(), 0, Priority::ALL[usize::from(class)], 0);
            world.wait(Duration::from_millis(pause.into()));
        }
        for _ in 0..taken {
            world.take();
        }
        let told: BTreeMap<Order, usize> = world.jobs.keys().map(|order| (*order, world.position(*order))).collect();
        // What of a line rises behind its head is told by its age, and taken by its head's.
        for (index, order) in world.taken().into_iter().enumerate() {
            let error = told[&order].abs_diff(index);
            prop_assert!(error <= 5, "job {order} was told {} and went as {index}", told[&order]);
        }
    }

    #[test]
    fn a_queue_that_is_built_again_gives_the_same_order(
        jobs in prop::collection::vec((0u8..5, 0u8..9, 0u64..5 * SECOND_US, 0u16..30_000), 1..80),
    ) {
        let mut world = World::new(&[("2", 4)]);
        for (tenant, kind, cost, pause) in jobs {
            world.submit(&tenant.to_string(), kind / 3, Priority::ALL[usize::from(kind % 3)], cost);
            world.wait(Duration::from_millis(pause.into()));
        }
        let mut again = World::new(&[("2", 4)]);
        again.now = world.now;
        again.queue.advance(world.now);
        for (order, known) in &world.jobs {
            let waited = world.now - known.arrived;
            let Known { tenant, language, priority, cost_us, .. } = known;
            again.put(*order, tenant, *language, *priority, (again.now - waited, *cost_us));
        }
        prop_assert_eq!(again.taken(), world.taken());
    }
}
