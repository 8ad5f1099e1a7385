//! The faults, one after the other: each kind once in a round, in an order that the seed decides.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::time::{Duration, Instant};

use tokio::process::Command;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::fleet::{AGENTS, Fleet};
use super::line::Weather;
use super::load::JOB_WAIT;
use super::{Chance, FaultsArgs, Outcome};

/// A cut and a stop shorter than a lease.
const SHORT: Duration = Duration::from_secs(1);
/// How long packets are late and lost, and the disk is full.
const WEATHER: Duration = Duration::from_secs(5);
/// Each piece is so late then.
const DELAY: Duration = Duration::from_millis(150);
/// So many of a hundred packets are lost then.
const LOSS_PERCENT: u32 = 5;
/// Longest pause between two faults.
const CALM_MS_MAX: u64 = 2_000;
/// Until a killed process is started again.
const DOWN_MS_MAX: u64 = 1_500;

/// What can go wrong.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Fault {
    KillMaster,
    KillAgent,
    Cut(bool),
    Weather,
    Stop(bool),
    FillDisk,
    KillEngine,
    RestartEngine,
}

const ALL: [Fault; 10] = [
    Fault::KillMaster,
    Fault::KillAgent,
    Fault::Cut(false),
    Fault::Cut(true),
    Fault::Weather,
    Fault::Stop(false),
    Fault::Stop(true),
    Fault::FillDisk,
    Fault::KillEngine,
    Fault::RestartEngine,
];

impl Fault {
    fn name(self) -> &'static str {
        match self {
            Self::KillMaster => "master killed",
            Self::KillAgent => "agent killed",
            Self::Cut(false) => "agent cut off shortly",
            Self::Cut(true) => "agent cut off for long",
            Self::Weather => "packets late and lost",
            Self::Stop(false) => "agent stopped shortly",
            Self::Stop(true) => "agent stopped for long",
            Self::FillDisk => "disk full",
            Self::KillEngine => "engine killed",
            Self::RestartEngine => "engine restarted",
        }
    }
}

/// How often one struck, and the slowest recovery that was waited for.
#[derive(Default)]
struct Struck {
    count: usize,
    slowest: Option<Duration>,
}

/// Strikes until `over`; what was done, in words. The last fault has healed when it returns.
///
/// Half of the faults strike on the heels of the one before; before the others it is waited until that
/// one is recovered from: every agent is connected, and a job has ended that was submitted since.
pub async fn strike(
    args: &FaultsArgs,
    fleet: &mut Fleet,
    mut newest: watch::Receiver<Option<Instant>>,
    over: &CancellationToken,
) -> Outcome<String> {
    let mut chance = Chance(args.seed);
    let mut struck: BTreeMap<Fault, Struck> = BTreeMap::new();
    let mut round: Vec<Fault> = Vec::new();
    while !over.is_cancelled() {
        if round.is_empty() {
            round = next_round(args, &mut chance, struck.is_empty());
        }
        let calm = Duration::from_millis(200 + chance.below(CALM_MS_MAX));
        // Cancel-safe: the end stays with its token.
        tokio::select! {
            () = over.cancelled() => break,
            () = sleep(calm) => {}
        }
        let Some(fault) = round.pop() else { continue };
        let victim = usize::try_from(chance.below(AGENTS as u64))?;
        println!("{}, agent {}", fault.name(), victim + 1);
        fleet.revive()?;
        let one = One { args, fleet: &mut *fleet, victim, down: Duration::from_millis(chance.below(DOWN_MS_MAX)) };
        one.strike(fault).await.map_err(|error| format!("{}: {error}", fault.name()))?;
        let healed = Instant::now();
        let entry = struck.entry(fault).or_default();
        entry.count += 1;
        if chance.below(2) == 0 {
            continue;
        }
        // Cancel-safe: who looks only looks, and the end stays with its token.
        tokio::select! {
            () = over.cancelled() => break,
            recovered = recovered(fleet, &mut newest, healed) => recovered.map_err(|error| format!("{}: {error}", fault.name()))?,
        }
        entry.slowest = entry.slowest.max(Some(healed.elapsed()));
    }
    fleet.connected().await?;
    Ok(told(&struck))
}

/// Each kind once. The engine dies first of all, so that no run is too short for it.
fn next_round(args: &FaultsArgs, chance: &mut Chance, first: bool) -> Vec<Fault> {
    let can = |fault: &Fault| match fault {
        Fault::FillDisk => args.small_disk,
        Fault::KillEngine | Fault::RestartEngine => args.engine.is_some(),
        _ => true,
    };
    let mut round: Vec<Fault> = ALL.into_iter().filter(can).collect();
    chance.shuffle(&mut round);
    if let Some(at) = round.iter().position(|fault| first && *fault == Fault::KillEngine) {
        let last = round.len() - 1;
        round.swap(at, last);
    }
    round
}

async fn recovered(fleet: &mut Fleet, newest: &mut watch::Receiver<Option<Instant>>, healed: Instant) -> Outcome<()> {
    fleet.connected().await?;
    let served = newest.wait_for(|newest| *newest > Some(healed));
    timeout(JOB_WAIT, served).await.map_err(|_| format!("no job within {JOB_WAIT:?} of its end"))??;
    Ok(())
}

fn told(struck: &BTreeMap<Fault, Struck>) -> String {
    let each = struck.iter().map(|(fault, Struck { count, slowest })| match slowest {
        Some(slowest) => format!("{} {count} ({:.1} s)", fault.name(), slowest.as_secs_f64()),
        None => format!("{} {count}", fault.name()),
    });
    format!("{}; in parentheses the slowest recovery", each.collect::<Vec<_>>().join(", "))
}

struct One<'a> {
    args: &'a FaultsArgs,
    fleet: &'a mut Fleet,
    victim: usize,
    down: Duration,
}

impl One<'_> {
    async fn strike(self, fault: Fault) -> Outcome<()> {
        let Self { args, fleet, victim, down } = self;
        let lasts = |long: bool| if long { Duration::from_secs(args.long) } else { SHORT };
        match fault {
            Fault::KillMaster => {
                fleet.kill_master().await?;
                sleep(down).await;
                fleet.start_master().await
            }
            Fault::KillAgent => {
                fleet.kill_agent(victim).await?;
                sleep(down).await;
                fleet.start_agent(victim)
            }
            Fault::Cut(long) => {
                cut(args, fleet, victim, true).await?;
                sleep(lasts(long)).await;
                cut(args, fleet, victim, false).await
            }
            Fault::Stop(long) => {
                fleet.signal_agent(victim, "-STOP").await?;
                sleep(lasts(long)).await;
                fleet.signal_agent(victim, "-CONT").await
            }
            Fault::Weather => {
                fleet.lines[victim].set(Weather { delay: DELAY, cut: false });
                lose(args, victim, true).await?;
                sleep(WEATHER).await;
                lose(args, victim, false).await?;
                fleet.lines[victim].set(Weather::default());
                Ok(())
            }
            Fault::KillEngine | Fault::RestartEngine => {
                fleet.take_engine(fault == Fault::RestartEngine).await?;
                sleep(down).await;
                fleet.give_engine().await
            }
            Fault::FillDisk => {
                let filler = fleet.filler();
                fill(&filler)?;
                sleep(WEATHER).await;
                Ok(std::fs::remove_file(filler)?)
            }
        }
    }
}

async fn done(command: &[&str]) -> Outcome<()> {
    let ended = Command::new(command[0]).args(&command[1..]).output().await?;
    if ended.status.success() {
        return Ok(());
    }
    Err(format!("{}: {}", command.join(" "), String::from_utf8_lossy(&ended.stderr).trim()).into())
}

/// Takes our end of the agent's cable, or has its line carry nothing.
async fn cut(args: &FaultsArgs, fleet: &Fleet, victim: usize, cut: bool) -> Outcome<()> {
    if args.namespaces.is_empty() {
        fleet.lines[victim].set(Weather { cut, ..Weather::default() });
        return Ok(());
    }
    let state = if cut { "down" } else { "up" };
    done(&["ip", "link", "set", &format!("agent{}", victim + 1), state]).await
}

/// Packets that come from the agent are lost, some of them; the kernel is told by `iptables`.
async fn lose(args: &FaultsArgs, victim: usize, begin: bool) -> Outcome<()> {
    if args.namespaces.is_empty() {
        return Ok(());
    }
    let (interface, chance) = (format!("agent{}", victim + 1), format!("0.{LOSS_PERCENT:02}"));
    let what = if begin { "-A" } else { "-D" };
    let rule = ["-i", &interface, "-m", "statistic", "--mode", "random", "--probability", &chance, "-j", "DROP"];
    let command: Vec<&str> = ["iptables", "-w", what, "INPUT"].into_iter().chain(rule).collect();
    done(&command).await
}

/// Leaves no space.
fn fill(path: &std::path::Path) -> Outcome<()> {
    let mut file = std::fs::File::create(path)?;
    for size in [1 << 20, 4096, 1] {
        let piece = vec![0; size];
        while file.write_all(&piece).is_ok() {}
    }
    Ok(())
}
