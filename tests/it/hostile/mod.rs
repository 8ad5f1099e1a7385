//! Hostile programs: what each promise of safety comes to when somebody tries.
//!
//! `tests/programs/hostile/<group>/<name>` are the programs. `suite` runs them
//! with a canary after each, `canary` looks whether anyone was harmed,
//! `lateness` whether answers come soon, `record` keeps what they came to, `page`
//! publishes it, and `catalogue` says which promise is shown by which of them.
//!
//! `ENCLOS_HOSTILE=processes/fork,files/` runs those whose names begin so, and
//! nothing else, in whichever of these tests is chosen.

mod canary;
mod catalogue;
mod lateness;
mod page;
mod record;
mod suite;

use rand::SeedableRng as _;
use rand::rngs::StdRng;
use rand::seq::SliceRandom as _;

use self::record::Record;
use crate::programs::{self, Program, Setting};

/// Prefixes of the names to run.
const CHOICE: &str = "ENCLOS_HOSTILE";
/// The number that a shuffled order is made from, to see the same order again.
const SEED: &str = "ENCLOS_HOSTILE_SEED";
/// Times in a row that all programs must find nothing where a sandbox serves many.
const ROUNDS: u32 = 3;
/// Every so many of the quick programs are also run in a sandbox of their own.
const SAMPLED_EVERY: usize = 5;

/// What is asked for: by name in the environment, else a part of all.
enum Choice {
    /// Those whose names begin with one of these.
    Named(Vec<String>),
    /// What the test is for.
    Usual,
}

impl Choice {
    fn of_environment() -> Self {
        let prefixes = std::env::var(CHOICE).ok().filter(|text| !text.is_empty());
        let split = |text: String| text.split(',').map(|prefix| prefix.trim().to_owned()).collect();
        prefixes.map_or(Self::Usual, |text| Self::Named(split(text)))
    }

    fn holds(&self, name: &str) -> bool {
        match self {
            Self::Named(prefixes) => prefixes.iter().any(|prefix| name.starts_with(prefix)),
            Self::Usual => true,
        }
    }
}

/// The programs that are run under `setting`; of all when none is named, those for which `usual` holds.
fn load(setting: Setting, usual: impl Fn(&Program) -> bool) -> Vec<Program> {
    let choice = Choice::of_environment();
    let mut programs = programs::load_for("hostile", setting, |name| choice.holds(name));
    programs.retain(|p| p.deviation().is_none_or(|deviation| !deviation.skip));
    programs.retain(|p| matches!(choice, Choice::Named(_)) || usual(p));
    programs
}

#[test]
fn every_hostile_program_says_which_promise_it_tests() {
    let programs = programs::load_for("hostile", Setting::Tenant, |_| true);
    let silent = programs.iter().filter(|p| p.description().promise.is_none()).map(Program::name);
    assert_eq!(silent.collect::<Vec<_>>(), Vec::<&str>::new());
}

fn is_quick(program: &Program) -> bool {
    program.description().quick
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_programs_find_nothing() {
    let programs = load(Setting::Tenant, is_quick);
    suite::run(&programs.iter().collect::<Vec<_>>(), Setting::Tenant).await.assert_right(Setting::Tenant);
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_programs_find_nothing_in_single_use_sandboxes() {
    let programs = load(Setting::Never, is_quick);
    let every = if matches!(Choice::of_environment(), Choice::Usual) { SAMPLED_EVERY } else { 1 };
    suite::run(&programs.iter().step_by(every).collect::<Vec<_>>(), Setting::Never).await.assert_right(Setting::Never);
}

/// All programs so many times, each round in another order; what came of them is kept.
async fn every_program(setting: Setting, rounds: u32) {
    let programs = load(setting, |_| true);
    let seed = std::env::var(SEED).ok().and_then(|text| text.parse().ok()).unwrap_or_else(rand::random);
    println!("order: {SEED}={seed}");
    let mut order = StdRng::seed_from_u64(seed);
    let mut all = Vec::new();
    for _ in 0..rounds {
        let mut round: Vec<&Program> = programs.iter().collect();
        round.shuffle(&mut order);
        all.extend(round);
    }
    let outcome = suite::run(&all, setting).await;
    outcome.assert_right(setting);
    if matches!(Choice::of_environment(), Choice::Usual) {
        Record::new(rounds, seed, &outcome).await.keep(setting);
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "every program three times: minutes"]
async fn every_hostile_program_finds_nothing_three_times() {
    every_program(Setting::Tenant, ROUNDS).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "two containers for every program: minutes"]
async fn every_hostile_program_finds_nothing_in_single_use_sandboxes() {
    every_program(Setting::Never, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs gVisor ('make gvisor'), and many minutes"]
async fn every_hostile_program_finds_nothing_under_gvisor() {
    every_program(Setting::Gvisor, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "two containers for every program: minutes"]
async fn every_hostile_program_finds_nothing_in_plain_cells() {
    every_program(Setting::Plain, 1).await;
}
