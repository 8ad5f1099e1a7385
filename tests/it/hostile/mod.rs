//! Hostile programs: what each promise of safety comes to when somebody tries.
//!
//! `tests/programs/hostile/<group>/<name>` are the programs. `suite` runs them
//! with a canary after each, `canary` looks whether anyone was harmed,
//! `lateness` whether answers come soon, `record` keeps what they came to.
//!
//! `ENCLOS_HOSTILE=processes/fork,files/` runs those whose names begin so, and
//! nothing else, in whichever of these tests is chosen.

mod canary;
mod lateness;
mod record;
mod suite;

use crate::programs::{self, Program, Setting};

/// Prefixes of the names to run.
const CHOICE: &str = "ENCLOS_HOSTILE";
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

fn is_quick(program: &Program) -> bool {
    program.description().quick
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_programs_find_nothing() {
    let programs = load(Setting::Tenant, is_quick);
    suite::run(&programs.iter().collect::<Vec<_>>(), Setting::Tenant).await.assert_right();
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_programs_find_nothing_in_single_use_sandboxes() {
    let programs = load(Setting::Never, is_quick);
    let every = if matches!(Choice::of_environment(), Choice::Usual) { SAMPLED_EVERY } else { 1 };
    suite::run(&programs.iter().step_by(every).collect::<Vec<_>>(), Setting::Never).await.assert_right();
}
