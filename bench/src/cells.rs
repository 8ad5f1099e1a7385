//! Cells of a real sandbox: how fast they come and go, how exact their limits are.
//!
//! One sandbox of the agent's own making, spoken to as the agent does, so that
//! neither master nor scheduler are in the figures. Times of the kills are the
//! supervisor's own stamps.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::Args;
use enclos_agent::cgroup::{CgroupTree, Layout, TreeLimits};
use enclos_agent::engine::docker::DockerEngine;
use enclos_agent::engine::{Engine, SandboxLimits};
use enclos_agent::sandbox::wire::WireDir;
use enclos_agent::sandbox::{Host, JobRoom, Listener, Sandbox, UidRange};
use enclos_agent::stop::{self, Stop};
use enclos_protocol::ids::AgentName;
use enclos_protocol::job::{Isolation, JobFile, JobPath, Stream};
use enclos_protocol::limits::StepLimits;
use enclos_protocol::outcome::{Exit, StepFacts, Stop as Ended};
use enclos_protocol::supervisor_link::{CellKind, Keep, StepRequest, Workspace};
use serde_bytes::ByteBuf;

use crate::bare::image_named;
use crate::stats::{Series, ms};

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

const MIB: u64 = 1024 * 1024;
/// As an agent has it by default.
const RUN_DIR: &str = "/run/enclos";
/// Jobs here are held by the limits of their cells alone.
pub const ROOM: JobRoom = JobRoom { memory_bytes: 2048 * MIB, cpus: None };

/// Burns processor time until its own counter has reached the milliseconds of its first argument,
/// with as many children as the second says, which burn for ever.
const BURNER: &str = r#"
#include <stdlib.h>
#include <time.h>
#include <unistd.h>
int main(int n, char **a) {
    long want = atol(a[1]) * 1000000L;
    for (int i = n > 2 ? atoi(a[2]) : 0; i > 0; i--)
        if (fork() == 0) for (;;) ;
    struct timespec t;
    do clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    while (t.tv_sec * 1000000000L + t.tv_nsec < want);
    return 0;
}
"#;

#[derive(Args)]
pub struct CellsArgs {
    /// Cells for the rate
    #[arg(long, default_value_t = 300)]
    count: usize,
    /// Runs for each figure about limits
    #[arg(long, default_value_t = 50)]
    runs: usize,
    /// Cells in a row for the base state, which is looked at after each hundred
    #[arg(long, default_value_t = 1000)]
    row: usize,
}

pub fn run(args: &CellsArgs) -> Outcome<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(measure(args))
}

struct Bench {
    host: Host,
    tree: CgroupTree,
    image: String,
}

async fn measure(args: &CellsArgs) -> Outcome<()> {
    let bench = Bench::open().await?;
    let measured = bench.all(args).await;
    bench.host.wires.as_ref().inspect(|dir| dir.remove());
    bench.tree.remove_agent().await?;
    measured
}

/// Where the sockets of a measurement stand; whoever asks removes it.
pub fn wires(agent: &AgentName) -> Option<WireDir> {
    WireDir::make(Path::new(RUN_DIR), agent, uuid::Uuid::now_v7()).ok()
}

/// What the sandboxes of a measurement are made of, without sockets.
pub fn host(engine: Arc<dyn Engine>, tree: &CgroupTree, agent: &AgentName, apparmor: bool) -> Host {
    Host {
        engine,
        cgroups: Some(tree.clone()),
        wires: None,
        uids: UidRange::of(agent, Isolation::Runc),
        agent: agent.clone(),
        instance: uuid::Uuid::now_v7(),
        isolation: Isolation::Runc,
        cells: CellKind::Namespaced,
        proof_cpus: None,
        apparmor,
        limits: SandboxLimits { memory_bytes: 2048 * MIB, cpu_millis: 1500, pids: 520 },
        lifetime: Duration::from_secs(3600),
    }
}

impl Bench {
    async fn open() -> Outcome<Self> {
        let engine = DockerEngine::connect().await?;
        let apparmor = engine.facts().await?.apparmor;
        let agent: AgentName = "bench".parse()?;
        let tree = CgroupTree::new(Layout::of_host()?, &agent);
        tree.make_agent(&TreeLimits { cpu_millis: 64_000, memory_bytes: 8192 * MIB, pids: 8192 })?;
        let host = Host { wires: wires(&agent), ..host(Arc::new(engine), &tree, &agent, apparmor) };
        Ok(Self { host, tree, image: image_named("sandbox-gcc")? })
    }

    async fn all(&self, args: &CellsArgs) -> Outcome<()> {
        let mut boxes = Vec::new();
        for number in 1..=3 {
            boxes.push(self.host.open(number, &self.image).await.map_err(|(error, _)| error)?);
        }
        let measured = self.with(&mut boxes, args).await;
        for sandbox in boxes {
            let remains = sandbox.remains();
            drop(sandbox);
            self.host.destroy(&remains).await;
        }
        measured
    }

    async fn with(&self, boxes: &mut [Sandbox], args: &CellsArgs) -> Outcome<()> {
        let [first, second, third] = boxes else { return Err("three sandboxes were made".into()) };
        println!("| measured | figure |\n|---|---|");
        rate(first, args.count).await?;
        row(first, args.row).await?;
        prepare(first).await?;
        overshoot(first, args.runs).await?;
        first.end_job().await?;
        // Both other sandboxes keep the cores busy meanwhile.
        for sandbox in [&mut *first, &mut *second, &mut *third] {
            prepare(sandbox).await?;
        }
        let (_stopper, never) = stop::pair();
        let busy = async {
            let (one, two) = (step(&["./main", "600000"], 600_000), step(&["./main", "600000"], 600_000));
            let (mut quiet_one, mut quiet_two) = (Quiet, Quiet);
            tokio::join!(second.run_step(one, &never, &mut quiet_one), third.run_step(two, &never, &mut quiet_two))
        };
        tokio::select! {
            result = exactness(first, args.runs) => result?,
            _ = busy => return Err("the load ended too early".into()),
        }
        Ok(())
    }
}

/// Output is not looked at.
struct Quiet;

impl Listener for Quiet {
    async fn output(&mut self, _stream: Stream, _bytes: Vec<u8>) {}
}

pub fn step(argv: &[&str], cpu_ms: u64) -> StepRequest {
    let limits = StepLimits {
        cpu_ms,
        wall_ms: 600_000,
        memory_bytes: 512 * MIB,
        pids: 128,
        output_bytes: MIB,
        report_bytes: 64 * 1024,
        file_bytes: 64 * MIB,
        stack_bytes: 64 * MIB,
        cpu_millis: 1000,
    };
    StepRequest {
        workspace: Workspace::Kept,
        ..StepRequest::plain(
            argv.iter().map(|&a| a.to_owned()).collect(),
            vec![("PATH".to_owned(), "/usr/bin:/bin".to_owned())],
            limits,
        )
    }
}

pub async fn take(sandbox: &mut Sandbox, request: StepRequest) -> Outcome<StepFacts> {
    let (_stopper, never): (_, Stop) = stop::pair();
    Ok(sandbox.run_step(request, &never, &mut Quiet).await?)
}

/// Begins a job and compiles the burner.
async fn prepare(sandbox: &mut Sandbox) -> Outcome<()> {
    let path = JobPath::try_from("main.c".to_owned())?;
    let files = vec![JobFile { path, content: ByteBuf::from(BURNER.as_bytes()) }];
    sandbox.begin_job(&files, ROOM).await?;
    let mut compile = step(&["gcc", "-O1", "-o", "main", "main.c"], 30_000);
    compile.workspace = Workspace::Inputs;
    compile.keep = Keep::Workspace;
    let facts = take(sandbox, compile).await?;
    if facts.exit == Some(Exit::Code(0)) { Ok(()) } else { Err(format!("the burner: {facts:?}").into()) }
}

async fn rate(sandbox: &mut Sandbox, count: usize) -> Outcome<()> {
    sandbox.begin_job(&[], ROOM).await?;
    let mut times = Vec::with_capacity(count);
    let begun = Instant::now();
    for _ in 0..count {
        let at = Instant::now();
        let facts = take(sandbox, step(&["/bin/true"], 1000)).await?;
        if facts.exit != Some(Exit::Code(0)) {
            return Err(format!("true: {facts:?}").into());
        }
        times.push(at.elapsed());
    }
    let per_second = count as f64 / begun.elapsed().as_secs_f64();
    sandbox.end_job().await?;
    let series = Series::of(times);
    println!(
        "| a cell that runs `true`, as the agent sees it: p50, p99 | {} ms, {} ms |",
        ms(series.percentile(50)),
        ms(series.percentile(99))
    );
    println!("| cells per second, one sandbox, one after the other | {per_second:.0} |");
    Ok(())
}

/// Many cells in one sandbox; whatever is not back at base would be told at the end of a job.
async fn row(sandbox: &mut Sandbox, count: usize) -> Outcome<()> {
    const PER_JOB: usize = 100;
    for _ in 0..count.div_ceil(PER_JOB) {
        sandbox.begin_job(&[], ROOM).await?;
        for _ in 0..PER_JOB {
            take(sandbox, step(&["/bin/true"], 1000)).await?;
        }
        let left = sandbox.end_job().await?;
        if !left.is_empty() {
            return Err(format!("left behind: {left:?}").into());
        }
    }
    println!("| cells in a row in one sandbox, base state back after each hundred | {count} |");
    Ok(())
}

/// How late a tree of sixty busy processes is stopped.
async fn overshoot(sandbox: &mut Sandbox, runs: usize) -> Outcome<()> {
    const LIMIT_MS: u64 = 300;
    let (mut late, mut kill) = (Vec::new(), Vec::new());
    for _ in 0..runs {
        let facts = take(sandbox, step(&["./main", "600000", "60"], LIMIT_MS)).await?;
        if facts.stop != Some(Ended::CpuLimit) {
            return Err(format!("the tree of burners: {facts:?}").into());
        }
        late.push(Duration::from_micros(facts.cpu_us.saturating_sub(LIMIT_MS * 1000)));
        kill.push(Duration::from_micros(facts.kill_us.unwrap_or_default()));
    }
    let (late, kill) = (Series::of(late), Series::of(kill));
    println!(
        "| CPU time beyond a limit of {LIMIT_MS} ms, 60 busy children: p50, p99 | {} ms, {} ms |",
        ms(late.percentile(50)),
        ms(late.percentile(99))
    );
    println!(
        "| from the decision to kill until all are gone: p50, p99 | {} ms, {} ms |",
        ms(kill.percentile(50)),
        ms(kill.percentile(99))
    );
    Ok(())
}

/// Runs just below and just above a limit of one second, while both cores are busy.
async fn exactness(sandbox: &mut Sandbox, runs: usize) -> Outcome<()> {
    let (mut below_ok, mut above_stopped) = (0, 0);
    for _ in 0..runs {
        let below = take(sandbox, step(&["./main", "990"], 1000)).await?;
        below_ok += usize::from(below.exit == Some(Exit::Code(0)) && below.cpu_us <= 1_000_000);
        let above = take(sandbox, step(&["./main", "1020"], 1000)).await?;
        above_stopped += usize::from(above.cpu_us > 1_000_000);
    }
    println!("| limit 1,000 ms, burning 990 ms, both cores loaded: within | {below_ok} of {runs} |");
    println!("| limit 1,000 ms, burning 1,020 ms, both cores loaded: time limit | {above_stopped} of {runs} |");
    Ok(())
}
