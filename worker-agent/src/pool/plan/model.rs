//! The plan against an observer that knows only what its actions said, for any order of events.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::tests::{BOUNDS, claim, image, of, s};
use super::*;

/// Images of the operations.
const IMAGES: u8 = 3;
/// Forerunners at once, of the first two images.
const FORERUNNERS_MAX: usize = 2;
/// Demand asks for more, and jobs take all cores.
const ADAPTIVE: Bounds =
    Bounds { sandboxes_max: 6, starting_max: 3, cores: 2, stock_max: 3, bindings_max: 3, ..BOUNDS };
/// Ticks of an idle pool in [`IDLE_TIME`] that nobody would call a loop.
const IDLE_TICKS_MAX: usize = 400;
/// After so long nothing of any demand is left.
const IDLE_TIME: Duration = Duration::from_secs(3 * 3600);

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
        4 => (0..IMAGES, 0..4u8, any::<bool>()).prop_map(|(i, t, n)| Op::Claim(i, t, n)),
        1 => any::<u8>().prop_map(Op::Withdraw),
        1 => (0..IMAGES, 0..3u8).prop_map(|(i, n)| Op::Stock(i, n)),
        4 => (any::<u8>(), prop::bool::weighted(0.8)).prop_map(|(i, ok)| Op::OpenDone(i, ok)),
        4 => (any::<u8>(), prop::bool::weighted(0.8)).prop_map(|(i, ok)| Op::Return(i, ok)),
        3 => any::<u8>().prop_map(Op::CloseDone),
        1 => (0..200u16).prop_map(Op::Wait),
    ]
}

/// What an observer knows.
struct Model {
    bounds: Bounds,
    starting: Vec<u64>,
    idle: BTreeSet<u64>,
    busy: Vec<u64>,
    closing: Vec<u64>,
    /// In which a forerunner waits.
    ahead: BTreeSet<u64>,
    images: BTreeMap<u64, ImageKey>,
    bound: BTreeMap<u64, (Binding, Reuse)>,
    open: BTreeMap<Ticket, (ImageKey, Binding, Reuse)>,
    asked: BTreeMap<ImageKey, usize>,
}

impl Model {
    fn new(bounds: Bounds) -> Self {
        Self {
            bounds,
            starting: Vec::new(),
            idle: BTreeSet::new(),
            busy: Vec::new(),
            closing: Vec::new(),
            ahead: BTreeSet::new(),
            images: BTreeMap::new(),
            bound: BTreeMap::new(),
            open: BTreeMap::new(),
            asked: BTreeMap::new(),
        }
    }

    fn take(&mut self, actions: &[Action]) {
        for action in actions {
            match action {
                Action::Open(number, image) => self.opens(*number, image),
                Action::Close(number, _) => {
                    assert!(self.idle.remove(number), "only idle sandboxes are closed");
                    self.ahead.remove(number);
                    self.closing.push(*number);
                }
                Action::Assign(number, ticket) => self.assigns(*number, *ticket),
                Action::SendAhead(number, _) => {
                    assert!(self.idle.contains(number) && self.open.is_empty(), "in an idle one, and nobody waits");
                    assert!(self.busy.len() < self.bounds.cores, "never against running jobs");
                    assert!(self.ahead.insert(*number) && self.ahead.len() <= FORERUNNERS_MAX, "one each, and so many");
                }
                Action::Recall(number) => assert!(self.ahead.remove(number), "only one that waits is ended"),
                Action::Refuse(ticket) => assert!(self.open.remove(ticket).is_some(), "a claim is answered once"),
            }
        }
        let Bounds { sandboxes_max, starting_max, .. } = self.bounds;
        let all = self.starting.len() + self.idle.len() + self.busy.len() + self.closing.len();
        assert!(all <= sandboxes_max, "{all} sandboxes");
        assert!(self.starting.len() <= starting_max);
        let comes = !self.starting.is_empty() || !self.closing.is_empty() || self.busy.len() == sandboxes_max;
        assert!(self.open.is_empty() || comes, "a claim waits for what is under way: {:?}", self.open);
    }

    fn opens(&mut self, number: u64, image: &ImageKey) {
        assert!(self.images.insert(number, image.clone()).is_none(), "a number is used once");
        self.starting.push(number);
        let is_claimed = self.open.values().any(|(wanted, ..)| wanted == image);
        let working = self.busy.len() + self.starting.len();
        let unbound = self.starting.iter().chain(&self.idle).filter(|n| !self.bound.contains_key(n));
        let is_asked =
            unbound.filter(|n| self.images[n] == *image).count() <= self.asked.get(image).copied().unwrap_or(0);
        assert!(
            is_claimed || is_asked || working <= self.bounds.cores,
            "demand's stock is started on idle cores alone"
        );
        assert!(working <= self.bounds.cores || self.starting.len() == 1, "one start while jobs have all cores");
    }

    fn assigns(&mut self, number: u64, ticket: Ticket) {
        assert!(self.idle.remove(&number), "only idle sandboxes are assigned");
        self.ahead.remove(&number);
        let (image, binding, reuse) = self.open.remove(&ticket).expect("an open claim is answered");
        assert_eq!(self.images[&number], image);
        if let Some((earlier, used)) = self.bound.insert(number, (binding.clone(), reuse)) {
            assert_eq!(earlier, binding, "a sandbox never serves two bindings");
            assert!(used == Reuse::Tenant && reuse == Reuse::Tenant, "single use is single");
        }
        self.busy.push(number);
    }
}

fn picked(list: &mut Vec<u64>, index: u8) -> Option<u64> {
    if list.is_empty() { None } else { Some(list.remove(usize::from(index) % list.len())) }
}

/// A plan and who observes it.
struct Pair {
    plan: Plan,
    model: Model,
    now: Duration,
    tickets: u64,
    done: Vec<Action>,
}

impl Pair {
    fn new(bounds: Bounds) -> Self {
        let plan =
            Plan::new(bounds).with_forerunners(BTreeSet::from(["0".to_owned(), "1".to_owned()]), FORERUNNERS_MAX);
        Self { plan, model: Model::new(bounds), now: s(0), tickets: 0, done: Vec::new() }
    }

    fn apply(&mut self, input: Input) {
        let actions = self.plan.apply(self.now, input);
        self.model.take(&actions);
        self.done.extend(actions);
    }

    fn step(&mut self, op: &Op) {
        if let Some(input) = self.input(op) {
            self.apply(input);
        }
    }

    /// What the operation is for the plan; `None`: there is nothing that it could be done to.
    fn input(&mut self, op: &Op) -> Option<Input> {
        let model = &mut self.model;
        Some(match *op {
            Op::Claim(i, t, never) => {
                self.tickets += 1;
                let reuse = if never { Reuse::Never } else { Reuse::Tenant };
                model.open.insert(Ticket(self.tickets), (image(&i.to_string()), of(&t.to_string()), reuse));
                claim(self.tickets, &i.to_string(), &t.to_string(), reuse)
            }
            Op::Withdraw(i) => {
                let ticket = model.open.keys().nth(usize::from(i) % model.open.len().max(1)).copied()?;
                model.open.remove(&ticket);
                Input::Withdraw(ticket)
            }
            Op::Stock(i, n) => {
                model.asked.insert(image(&i.to_string()), usize::from(n));
                Input::Stock { image: image(&i.to_string()), target: usize::from(n) }
            }
            Op::OpenDone(i, ok) => {
                let number = picked(&mut model.starting, i)?;
                if ok {
                    model.idle.insert(number);
                    Input::Opened(number)
                } else {
                    model.closing.push(number);
                    Input::OpenFailed(number)
                }
            }
            Op::Return(i, ok) => {
                let number = picked(&mut model.busy, i)?;
                model.idle.insert(number);
                Input::Returned(number, if ok { After::Clean } else { After::Unfit })
            }
            Op::CloseDone(i) => Input::Closed(picked(&mut model.closing, i)?),
            Op::Wait(seconds) => {
                self.now += s(u64::from(seconds));
                Input::Tick
            }
        })
    }

    /// Whatever is under way ends well.
    fn settle(&mut self) {
        for _ in 0..200 {
            [Op::OpenDone(0, true), Op::Return(0, true), Op::CloseDone(0)].iter().for_each(|op| self.step(op));
        }
    }

    /// Time passes, from tick to tick; gives how many there were.
    fn rest(&mut self, time: Duration) -> usize {
        let end = self.now + time;
        let mut ticks = 0;
        while let Some(next) = self.plan.next_tick().filter(|next| *next <= end) {
            assert!(next > self.now, "a tick is ahead");
            self.now = next;
            ticks += 1;
            self.apply(Input::Tick);
            self.settle();
        }
        self.now = end;
        ticks
    }
}

fn keeps_promises(bounds: Bounds, ops: &[Op]) -> Result<(), TestCaseError> {
    let (mut pair, mut again) = (Pair::new(bounds), Pair::new(bounds));
    ops.iter().for_each(|op| pair.step(op));
    ops.iter().for_each(|op| again.step(op));
    prop_assert_eq!(&pair.done, &again.done, "the same events come to the same");
    pair.settle();
    prop_assert!(pair.model.open.is_empty(), "{:?}\n{:?}", pair.model.open, pair.plan);

    let ticks = pair.rest(IDLE_TIME);
    prop_assert!(ticks <= IDLE_TICKS_MAX, "{} ticks", ticks);
    prop_assert!(
        pair.plan.sandboxes.values().all(|e| e.binding.is_none() && e.phase == Phase::Idle),
        "{:?}",
        pair.plan
    );
    for (name, wanted) in pair.plan.stock(pair.now) {
        let asked = pair.plan.stock.get(&name).map_or(0, |(_, asked)| *asked);
        prop_assert_eq!(wanted.wanted, asked, "demand is over");
        prop_assert!(wanted.warm <= asked, "{} of {} are left", wanted.warm, asked);
    }

    pair.apply(Input::Shutdown);
    pair.settle();
    prop_assert!(pair.plan.is_empty(), "{:?}", pair.plan);
    Ok(())
}

proptest! {
    #[test]
    fn the_plan_keeps_its_promises_and_answers_every_claim(ops in prop::collection::vec(op(), 0..80)) {
        keeps_promises(BOUNDS, &ops)?;
    }

    #[test]
    fn a_plan_that_follows_demand_keeps_the_same_promises(ops in prop::collection::vec(op(), 0..80)) {
        keeps_promises(ADAPTIVE, &ops)?;
    }
}
