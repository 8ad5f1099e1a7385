//! What agents say, brought within bounds. Pure.
//!
//! An agent is trusted with the jobs it is given and with nothing else: its
//! numbers must not overflow a sum, and its texts must not fill the memory, the
//! log or an operator's screen.

use enclos_protocol::agent_link::{
    COMPILED_MAX, Capacity, FromAgent, Hello, ImageState, LINK_VERSION, LINK_VERSION_MIN, LoadReport, OfferedLanguage,
    ReturnReason, STOCK_MAX,
};
use enclos_protocol::cases::{CaseReport, FEEDBACK_BYTES_MAX};
use enclos_protocol::dependencies::{Installed, PACKAGES_MAX};
use enclos_protocol::glob::KEEP_FILES_MAX;
use enclos_protocol::job::{JobReport, StepReport};
use enclos_protocol::measured::{EngineReport, ImageStock};
use enclos_protocol::outcome::Exit;

use crate::queue::Room;
use crate::scheduler::{Joining, Offer, SessionId};

/// Cores of one agent, in thousandths.
const CPU_MILLIS_MAX: u32 = 4096 * 1000;
/// Memory of one agent, in bytes: 1 PiB.
const MEMORY_BYTES_MAX: u64 = 1 << 50;
/// Processes of one agent: the kernel's own maximum.
const PIDS_MAX: u32 = 1 << 22;
/// Jobs at once on one agent; below what a session's queue takes.
pub(super) const SLOTS_MAX: u32 = 1024;
/// Languages of one agent.
const LANGUAGES_MAX: usize = 256;
/// Attempts that one agent may hold.
const HOLDING_MAX: usize = 2 * SLOTS_MAX as usize;
/// Characters of ids and versions.
const NAME_CHARS_MAX: usize = 100;
/// Characters of what is for people.
const TEXT_CHARS_MAX: usize = 500;
/// Largest count that is believed: thousands of agents together stay far below what a counter holds.
const COUNT_MAX: u64 = 1 << 40;
/// Largest sum of durations, in microseconds: 35 years.
const SUM_US_MAX: u64 = 1 << 50;
/// Largest exit code and signal that Linux has.
const EXIT_CODE_MAX: i32 = 255;
const SIGNAL_MAX: i32 = 64;
/// Longest time that is believed, in microseconds: a day.
const TIME_US_MAX: u64 = 24 * 3600 * 1_000_000;

/// Why a hello is not answered.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub(super) enum HelloError {
    #[error("this master speaks newer versions of the link only; update the agent")]
    TooOld,
    #[error("the agent holds more attempts than an agent may have")]
    HoldsTooMuch,
}

/// A message of an agent within bounds: every one passes here before anything else looks at it.
#[must_use]
pub fn message(message: FromAgent) -> FromAgent {
    match message {
        FromAgent::Hello(mut hello) => {
            hello.build = text(&hello.build, NAME_CHARS_MAX);
            hello.capacity = capacity(hello.capacity);
            hello.load = load(hello.load);
            FromAgent::Hello(hello)
        }
        FromAgent::Heartbeat { sequence, load } => FromAgent::Heartbeat { sequence, load: self::load(load) },
        FromAgent::Finished { attempt, report } => {
            FromAgent::Finished { attempt, report: Box::new(self::report(*report)) }
        }
        FromAgent::CaseDone { attempt, case, report } => {
            FromAgent::CaseDone { attempt, case, report: Box::new(self::case(*report)) }
        }
        FromAgent::Returned { attempt, reason } => FromAgent::Returned { attempt, reason: self::reason(reason) },
        // Output is bounded by the job's own limits where it is kept.
        FromAgent::Installing { .. }
        | FromAgent::Started { .. }
        | FromAgent::Output { .. }
        | FromAgent::StdinTaken { .. } => message,
    }
}

/// The agent as the scheduler sees it.
pub(super) fn joining(hello: Hello, session: SessionId) -> Result<Joining, HelloError> {
    let Hello { version, name, instance, build, capacity, isolation, reuse, embedded, installs, holding, load } = hello;
    if version < LINK_VERSION_MIN {
        return Err(HelloError::TooOld);
    }
    if holding.len() > HOLDING_MAX {
        return Err(HelloError::HoldsTooMuch);
    }
    let offer = Offer { capacity: room(capacity), isolation, reuse, embedded, installs, build };
    // An older agent would not go on with a version that it does not know, nor would we.
    let link_version = version.min(LINK_VERSION);
    Ok(Joining { session, name, instance, link_version, offer, holding, load })
}

fn capacity(capacity: Capacity) -> Capacity {
    let Capacity { cpu_millis, memory_bytes, pids, slots } = capacity;
    Capacity {
        cpu_millis: cpu_millis.min(CPU_MILLIS_MAX),
        memory_bytes: memory_bytes.min(MEMORY_BYTES_MAX),
        pids: pids.min(PIDS_MAX),
        slots: slots.min(SLOTS_MAX),
    }
}

fn room(capacity: Capacity) -> Room {
    let Capacity { cpu_millis, memory_bytes, pids, slots } = capacity;
    Room { memory_bytes, cpu_millis: cpu_millis.into(), pids: pids.into(), slots: slots.into() }
}

/// A load report within bounds.
fn load(load: LoadReport) -> LoadReport {
    let LoadReport {
        cpu_busy_permille,
        memory_busy_permille,
        memory_promised_bytes,
        running,
        sandboxes,
        mut languages,
        draining,
        unclean_jobs,
        sandboxes_closed,
        mut compiled,
        derived_images,
        derived_bytes,
        engine,
        mut stock,
    } = load;
    languages.truncate(LANGUAGES_MAX);
    stock.truncate(STOCK_MAX);
    compiled.truncate(COMPILED_MAX);
    // Looked up for every placement.
    compiled.sort_unstable();
    LoadReport {
        cpu_busy_permille: cpu_busy_permille.min(1000),
        memory_busy_permille: memory_busy_permille.min(1000),
        memory_promised_bytes: memory_promised_bytes.min(MEMORY_BYTES_MAX),
        running,
        sandboxes,
        languages: languages.into_iter().map(language).collect(),
        draining,
        unclean_jobs: unclean_jobs.min(COUNT_MAX),
        sandboxes_closed: sandboxes_closed.zip(&sandboxes_closed, |count, _| count.min(COUNT_MAX)),
        compiled,
        derived_images,
        derived_bytes: derived_bytes.min(MEMORY_BYTES_MAX),
        engine: Box::new(self::engine(*engine)),
        stock: stock.into_iter().map(image_stock).collect(),
    }
}

fn image_stock(of: ImageStock) -> ImageStock {
    let ImageStock { image, warm, wanted, fresh_per_hour } = of;
    ImageStock { image: text(&image, NAME_CHARS_MAX), warm, wanted, fresh_per_hour }
}

fn engine(report: EngineReport) -> EngineReport {
    let EngineReport { starts, stops, errors } = report;
    let errors = errors.zip(&errors, |count, _| count.min(COUNT_MAX));
    EngineReport { starts: starts.bounded(COUNT_MAX, SUM_US_MAX), stops: stops.bounded(COUNT_MAX, SUM_US_MAX), errors }
}

fn language(offered: OfferedLanguage) -> OfferedLanguage {
    let OfferedLanguage { id, version, image, warm } = offered;
    let image = match image {
        ImageState::Preparing { progress } => ImageState::Preparing { progress: text(&progress, TEXT_CHARS_MAX) },
        ImageState::Failed { reason } => ImageState::Failed { reason: text(&reason, TEXT_CHARS_MAX) },
        ImageState::Absent | ImageState::Ready => image,
    };
    OfferedLanguage { id: text(&id, NAME_CHARS_MAX), version: text(&version, NAME_CHARS_MAX), image, warm }
}

/// A report within bounds.
fn report(mut report: JobReport) -> JobReport {
    report.message = report.message.map(|message| text(&message, TEXT_CHARS_MAX));
    report.sandbox_us = report.sandbox_us.min(TIME_US_MAX);
    report.dependencies.iter_mut().for_each(dependencies);
    report.files_error = report.files_error.map(|why| text(&why, TEXT_CHARS_MAX));
    report.files.truncate(KEEP_FILES_MAX);
    report.laps = report.laps.map(|laps| Box::new(laps.bounded(TIME_US_MAX)));
    let JobReport { compile, companion, run, .. } = &mut report;
    compile.iter_mut().chain(companion).chain(run).for_each(step);
    report
}

/// A case's report within bounds.
fn case(mut report: CaseReport) -> CaseReport {
    step(&mut report.run);
    report.feedback = report.feedback.map(|feedback| lines(&feedback, FEEDBACK_BYTES_MAX));
    report
}

fn dependencies(installed: &mut Installed) {
    let Installed { installer, packages, cached: _, install_us } = installed;
    *installer = text(installer, NAME_CHARS_MAX);
    packages.truncate(PACKAGES_MAX);
    for package in packages {
        package.name = text(&package.name, NAME_CHARS_MAX);
        package.version = text(&package.version, NAME_CHARS_MAX);
    }
    *install_us = (*install_us).min(TIME_US_MAX);
}

fn step(step: &mut StepReport) {
    let facts = &mut step.facts;
    facts.cpu_us = facts.cpu_us.min(TIME_US_MAX);
    facts.wall_us = facts.wall_us.min(TIME_US_MAX);
    facts.kill_us = facts.kill_us.map(|us| us.min(TIME_US_MAX));
    facts.memory_peak_bytes = facts.memory_peak_bytes.min(MEMORY_BYTES_MAX);
    for count in [&mut facts.oom_kills, &mut facts.pids_refused, &mut facts.stdout_bytes, &mut facts.stderr_bytes] {
        *count = (*count).min(COUNT_MAX);
    }
    facts.exit = facts.exit.map(|exit| match exit {
        Exit::Code(code) => Exit::Code(code.clamp(0, EXIT_CODE_MAX)),
        Exit::Signal(number) => Exit::Signal(number.clamp(1, SIGNAL_MAX)),
    });
    facts.start_error = facts.start_error.take().map(|why| text(&why, TEXT_CHARS_MAX));
    facts.keep_error = facts.keep_error.take().map(|why| text(&why, TEXT_CHARS_MAX));
}

/// A reason within bounds.
fn reason(reason: ReturnReason) -> ReturnReason {
    match reason {
        ReturnReason::Failed { message, engine_gone } => {
            ReturnReason::Failed { message: text(&message, TEXT_CHARS_MAX), engine_gone }
        }
        ReturnReason::Draining | ReturnReason::NoRoom => reason,
    }
}

/// The first bytes of `text` up to a whole character, its lines kept.
fn lines(text: &str, bytes_max: usize) -> String {
    let kept = text.floor_char_boundary(bytes_max);
    text[..kept].chars().map(|c| if c.is_control() && c != '\n' { ' ' } else { c }).collect()
}

/// The first characters of `text`, controls made blanks: it may end up on a terminal.
fn text(text: &str, chars_max: usize) -> String {
    text.chars().take(chars_max).map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use enclos_protocol::agent_link::ClosedSandboxes;
    use enclos_protocol::measured::{Durations, EngineErrors};

    use super::*;

    #[test]
    fn numbers_of_an_agent_never_overflow_a_sum() {
        let huge = Capacity { cpu_millis: u32::MAX, memory_bytes: u64::MAX, pids: u32::MAX, slots: u32::MAX };
        let room = room(capacity(huge));
        let many = (0..2048).fold(Room::default(), |sum, _| sum.plus(room));
        assert_eq!(many.memory_bytes, 2048 * MEMORY_BYTES_MAX);
        assert_eq!(many.slots, 2048 * u64::from(SLOTS_MAX));
    }

    #[test]
    fn texts_of_an_agent_are_short_and_without_controls() {
        assert_eq!(text("a\x1b[31mb\nc", 100), "a [31mb c");
        assert_eq!(text(&"é".repeat(1000), 10).chars().count(), 10);
    }

    #[test]
    fn a_load_says_at_most_that_all_is_busy() {
        let wild = LoadReport {
            cpu_busy_permille: u16::MAX,
            memory_busy_permille: 1001,
            memory_promised_bytes: u64::MAX,
            running: u32::MAX,
            sandboxes: 0,
            languages: vec![],
            draining: false,
            unclean_jobs: u64::MAX,
            sandboxes_closed: ClosedSandboxes { lost: u64::MAX, ..ClosedSandboxes::default() },
            compiled: (0..5000).rev().collect(),
            derived_images: 0,
            derived_bytes: u64::MAX,
            engine: Box::new(EngineReport {
                stops: Durations { counts: vec![u64::MAX; 99], sum_us: u64::MAX },
                errors: EngineErrors { create: u64::MAX, ..EngineErrors::default() },
                ..EngineReport::default()
            }),
            stock: vec![ImageStock { image: "x".repeat(1000), ..ImageStock::default() }; 1000],
        };
        let load = load(wild);
        assert!(load.compiled.len() == COMPILED_MAX && load.compiled.is_sorted());
        assert!(load.stock.len() == STOCK_MAX && load.stock[0].image.len() == NAME_CHARS_MAX);
        assert_eq!((load.unclean_jobs, load.sandboxes_closed.lost), (COUNT_MAX, COUNT_MAX));
        assert_eq!((load.engine.stops.sum_us, load.engine.errors.create), (SUM_US_MAX, COUNT_MAX));
        assert!(load.engine.stops.counts.len() < 20);
        assert_eq!((load.cpu_busy_permille, load.memory_busy_permille), (1000, 1000));
    }
}
