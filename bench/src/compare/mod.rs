//! One run, side by side: bare processes, containers, other sandboxes, and Enclos in each of its levels.
//!
//! ```text
//! programs × ways ── latency     one client, warm, in turns
//!                 ├─ throughput  by clients; open loop at parts of the limit
//!                 ├─ mixes       scopes, failing jobs
//!                 ├─ scaling     cores and agents
//!                 ├─ cold        beginnings
//!                 ├─ cpu         whose processor time it was
//!                 └─ memory      of what waits
//!        series (times) ── table, plot, JSON ── targets
//! ```
//!
//! Every answer is checked while it is timed; the first wrong one ends the run. What is started belongs to the
//! `stage`, which ends it whatever happens.

mod account;
mod cluster;
mod cold;
mod count;
mod cpu;
mod document;
mod engine;
mod latency;
mod load;
mod memory;
mod mixes;
mod page_cache;
mod plot;
mod profile;
mod programs;
mod quiet;
mod readme;
mod record;
mod report;
mod room;
mod scaling;
mod scopes;
mod series;
mod settings;
mod stage;
mod table;
mod targets;
mod throughput;
mod ways;

use std::path::PathBuf;
use std::sync::OnceLock;
use std::time::Instant;

use clap::{Args, ValueEnum};
use tokio::signal::unix::{SignalKind, signal};

use self::cluster::{AgentPlan, Client, Cluster};
use self::engine::Engine;
use self::report::Report;
use self::room::Room;
use self::settings::{Settings, Size};
use self::stage::Stage;
use self::throughput::Grounds;
use self::ways::Ground;

pub use self::programs::{C, PYTHON, Program};
pub use self::record::{RecordArgs, record};

type Outcome<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// Images of the programs, each with an idle container of its own.
const IMAGES: [&str; 3] = ["gcc", "openjdk", "python"];
/// Sandboxes that are kept ready for each image.
const WARM_EACH: usize = 2;

/// A part that can be measured alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Part {
    Latency,
    Throughput,
    Mixes,
    Scaling,
    Cold,
    Cpu,
    Memory,
    Gvisor,
}

#[derive(Args)]
pub struct CompareArgs {
    /// How much is measured
    #[arg(value_enum, default_value = "full")]
    size: Size,
    /// Parts to measure, with commas [default: all, gVisor where --gvisor is given]
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<Part>,
    /// Programs of the latency tables, with commas [default: all]
    #[arg(long, value_delimiter = ',')]
    programs: Vec<String>,
    /// Also under gVisor, which the engine must have as runtime `runsc`
    #[arg(long)]
    gvisor: bool,
    /// Document whose measured sections are written anew
    #[arg(long)]
    document: Option<PathBuf>,
    /// README whose sentence about speed is written anew, where throughput and mixes were measured
    #[arg(long)]
    readme: Option<PathBuf>,
    /// Directory of the SVG files
    #[arg(long)]
    plots: Option<PathBuf>,
    /// File for all figures and times
    #[arg(long)]
    json: Option<PathBuf>,
    /// A figure that another program measured, by which a target is judged: `master.cpu_us=87`
    #[arg(long = "figure", value_name = "NAME=VALUE", value_parser = figure)]
    figures: Vec<(String, f64)>,
}

fn figure(text: &str) -> Result<(String, f64), String> {
    let (name, value) = text.split_once('=').ok_or("it is NAME=VALUE")?;
    let value: f64 = value.parse().map_err(|_| format!("'{value}' is no number"))?;
    Ok((name.to_owned(), value))
}

impl CompareArgs {
    fn has(&self, part: Part) -> bool {
        if self.only.is_empty() { part != Part::Gvisor || self.gvisor } else { self.only.contains(&part) }
    }

    /// As it can be given again.
    fn command(&self) -> String {
        let mut command = format!("enclos-bench compare {}", self.size.word());
        let names = |parts: &[Part]| {
            let names = parts.iter().filter_map(|part| Some(part.to_possible_value()?.get_name().to_owned()));
            names.collect::<Vec<_>>().join(",")
        };
        if !self.only.is_empty() {
            command += &format!(" --only {}", names(&self.only));
        }
        if !self.programs.is_empty() {
            command += &format!(" --programs '{}'", self.programs.join(","));
        }
        if self.gvisor {
            command += " --gvisor";
        }
        command
    }
}

/// Says on standard error how far it is.
fn progress(what: &str) {
    static BEGUN: OnceLock<Instant> = OnceLock::new();
    let seconds = BEGUN.get_or_init(Instant::now).elapsed().as_secs();
    eprintln!("[{:>2}:{:02}] {what}", seconds / 60, seconds % 60);
}

/// Measures, and leaves nothing behind.
///
/// # Errors
/// An answer was wrong, something cannot be measured here, or something was left.
pub fn run(args: &CompareArgs) -> Outcome<()> {
    progress("begins");
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut report = Report::new(args.document.clone(), args.command());
        let stage = Stage::open()?;
        let measured = tokio::select! {
            measured = measure(&stage, args, &mut report) => measured,
            told = interrupted() => told,
        };
        progress("ends what it started");
        let ended = stage.end().await;
        measured?;
        ended?;
        for (name, value) in &args.figures {
            report.figure(name, Some(*value));
        }
        let judged = format!("{}\n{}", targets::table(&report.figures), quiet::words());
        if args.only.is_empty() && args.programs.is_empty() {
            report.section("targets", &judged)?;
        } else {
            println!("## targets, of what was measured\n\n{judged}");
        }
        if let Some(path) = &args.readme {
            readme::write(path, &report.figures)?;
        }
        if let Some(path) = &args.json {
            std::fs::write(path, serde_json::to_vec_pretty(&report.json())?)?;
        }
        progress("done");
        Ok(())
    })
}

/// Ctrl-C, or what `kill` sends.
async fn interrupted() -> Outcome<()> {
    let mut term = signal(SignalKind::terminate())?;
    tokio::select! {
        told = tokio::signal::ctrl_c() => told?,
        _ = term.recv() => {}
    }
    Err("it was interrupted".into())
}

async fn measure(stage: &Stage, args: &CompareArgs, report: &mut Report) -> Outcome<()> {
    let settings = args.size.settings();
    progress("starts the cluster and the idle containers");
    let warm = WARM_EACH * IMAGES.len();
    let plan = AgentPlan { languages: "c,cpp,java,python", warm, warm_each: WARM_EACH, ..AgentPlan::default() };
    let cluster = Cluster::start(stage, "main", &[plan]).await?;
    if args.has(Part::Memory) {
        progress("memory");
        let body = memory::measure(&cluster, warm, report).await?;
        report.section("memory", &body)?;
    }
    let engine = Engine::connect(&stage.label, &stage.work).await?;
    let mut rooms = Vec::new();
    for image in IMAGES {
        rooms.push(Room::start(stage, image)?);
    }
    let [gcc, openjdk, python] = &rooms[..] else { return Err("a room for each image was made".into()) };
    gcc.prepare(&programs::NULL)?;
    let ground = |room| Ground { stage, room, engine: &engine, cluster: &cluster };
    let grounds = Grounds { gcc: ground(gcc), openjdk: ground(openjdk), python: ground(python) };
    warm_up(&cluster.client).await?;
    if args.has(Part::Latency) {
        latencies(&grounds, args, &settings, report).await?;
    }
    if args.has(Part::Throughput) {
        throughputs(&grounds, args, &settings, report).await?;
    }
    cluster.settle().await?;
    others(stage, &grounds, &cluster, args, &settings, report).await?;
    cluster.end(stage).await
}

/// Every program once, so that files are in memory, sandboxes bound and compile steps remembered.
async fn warm_up(client: &Client) -> Outcome<()> {
    for program in programs::PROGRAMS {
        let job = client.job(&program.submission(false)).await?.job;
        if job["outcome"] != "ok" {
            return Err(format!("{} does not run: {job}", program.name).into());
        }
    }
    Ok(())
}

fn chosen(args: &CompareArgs) -> impl Iterator<Item = &'static programs::Program> {
    let is_asked = |name: &str| args.programs.is_empty() || args.programs.iter().any(|asked| asked == name);
    programs::PROGRAMS.into_iter().filter(move |program| is_asked(program.name))
}

async fn latencies(grounds: &Grounds<'_>, args: &CompareArgs, settings: &Settings, report: &mut Report) -> Outcome<()> {
    let mut text = String::new();
    for program in chosen(args) {
        let measured = latency::measure(grounds.of(program), program, settings).await?;
        text += &latency::table(&measured, report);
        text.push('\n');
    }
    report.section("latency", &text)
}

async fn throughputs(
    grounds: &Grounds<'_>,
    args: &CompareArgs,
    settings: &Settings,
    report: &mut Report,
) -> Outcome<()> {
    let rates = throughput::by_clients(grounds, settings).await?;
    let mut body = throughput::table(&rates, report);
    if let Some(directory) = &args.plots {
        plot::throughput(&directory.join("compare-throughput.svg"), &rates).map_err(|e| e.to_string())?;
        body += "\n![jobs per second by clients](plots/compare-throughput.svg)\n";
    }
    report.section("throughput", &body)?;
    let body = throughput::at_rates(grounds, settings, report).await?;
    report.section("open-loop", &body)
}

async fn others(
    stage: &Stage,
    grounds: &Grounds<'_>,
    cluster: &Cluster,
    args: &CompareArgs,
    settings: &Settings,
    report: &mut Report,
) -> Outcome<()> {
    if args.has(Part::Mixes) {
        let body = mixes::measure(stage, grounds, settings, report).await?;
        report.section("mixes", &body)?;
    }
    if args.has(Part::Cpu) {
        let mut costs = cpu::measure(grounds, cluster, settings).await?;
        cpu::profiles(grounds, cluster, settings, &mut costs).await?;
        let mut body = cpu::table(&costs, report);
        if let Some(directory) = &args.plots {
            plot::processor(&directory.join("compare-cpu.svg"), &costs).map_err(|e| e.to_string())?;
            body += "\n![processor time by whose it was](plots/compare-cpu.svg)\n";
        }
        report.section("cpu", &body)?;
    }
    if args.has(Part::Cold) {
        let mut body = cold::measure(stage, cluster, settings, report).await?;
        body = format!("{body}\n{}", page_cache::measure(grounds, cluster, settings, report).await?);
        report.section("cold", &body)?;
    }
    if args.has(Part::Gvisor) {
        let body = cold::gvisor(stage, cluster, settings, report).await?;
        report.section("gvisor", &body)?;
    }
    if args.has(Part::Scaling) {
        let body = scaling::measure(stage, settings, report).await?;
        report.section("scaling", &body)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_of_another_program_is_a_name_and_a_number() {
        assert_eq!(figure("master.cpu_us=87.5"), Ok(("master.cpu_us".to_owned(), 87.5)));
        assert!(figure("master.cpu_us").is_err() && figure("a=b").is_err());
    }

    #[test]
    fn gvisor_is_measured_where_it_is_asked_for() {
        let args = |only: &[Part], gvisor| CompareArgs {
            size: Size::Quick,
            only: only.to_vec(),
            programs: Vec::new(),
            gvisor,
            document: None,
            readme: None,
            plots: None,
            json: None,
            figures: Vec::new(),
        };
        assert!(args(&[], false).has(Part::Cpu) && !args(&[], false).has(Part::Gvisor));
        assert!(args(&[], true).has(Part::Gvisor));
        assert!(args(&[Part::Memory], true).has(Part::Memory) && !args(&[Part::Memory], true).has(Part::Cpu));
        let command = args(&[Part::Memory, Part::Cold], false).command();
        assert_eq!(command, "enclos-bench compare quick --only memory,cold");
    }
}
