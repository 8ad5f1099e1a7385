//! A scripted engine for tests: each container is a task that speaks the supervisor's protocol.
//!
//! What it does is said beforehand, in order: which calls fail, what each step
//! does, what each job leaves. Without a script everything goes well.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard};

use enclos_protocol::frame::{self, CHUNK_BYTES_MAX, Decoder};
use enclos_protocol::job::Stream;
use enclos_protocol::outcome::{Accounting, Exit, StepFacts, Stop};
use enclos_protocol::supervisor_link::{
    CellKind, Report, Request, SUPERVISOR_VERSION, SandboxFacts, StepRequest, Tree,
};
use futures::StreamExt;
use futures::future::BoxFuture;
use serde_bytes::ByteBuf;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::io::ReaderStream;

use super::{
    Answer, ContainerId, Engine, EngineError, EngineFacts, KIND_SANDBOX, LABEL_AGENT, LABEL_DEADLINE, LABEL_KIND,
    LABEL_NUMBER, Labelled, Piece, SandboxSpec, Wires,
};

const PIPE_BYTES: usize = 64 * 1024;

/// A call that fails once.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Failing {
    NoImage,
    Create,
    Attach,
    Start,
    Remove,
}

/// What a step does.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum OnStep {
    /// Writes this to stdout and exits.
    Print(&'static str, i32),
    /// Is ended by a signal; or for this reason, of which the kernel's want of memory is one.
    Killed(i32, Option<Stop>),
    /// Runs until it is cancelled.
    Hang,
    /// Writes what is on its live standard input, and the numbers of signals, until that ends.
    Echo,
    /// Takes a byte of live standard input that nobody gave.
    Overtake,
    /// The sandbox ends in the middle of it.
    Die,
    /// The supervisor gives up.
    Fault,
    /// The supervisor writes bytes that are no message.
    Garble,
    /// The supervisor reports more than was asked for.
    Flood,
}

#[derive(Default)]
struct Script {
    failing: VecDeque<Failing>,
    steps: VecDeque<OnStep>,
    leftovers: VecDeque<Vec<String>>,
    /// What sandboxes give as a tree.
    trees: Vec<(Tree, &'static [u8])>,
    facts: Option<SandboxFacts>,
    /// Namespaced cells cannot be made.
    without_namespaces: bool,
    /// Sandboxes of this many first starts end right after their setup.
    short_lived: usize,
}

/// The engine.
pub struct FakeEngine {
    script: std::sync::Arc<Mutex<Script>>,
    live: Mutex<BTreeMap<ContainerId, Labelled>>,
    waiting: Mutex<Vec<(ContainerId, DuplexStream)>>,
    tasks: Mutex<JoinSet<()>>,
    made: Mutex<usize>,
    /// Containers whose supervisor has not ended.
    running: std::sync::Arc<Mutex<BTreeSet<ContainerId>>>,
    killed: Mutex<usize>,
    removals_held: watch::Sender<bool>,
    gone: AtomicBool,
    /// Steps that hang now; tests wait for it.
    pub hanging: watch::Sender<usize>,
    /// Step requests so far.
    pub asked: std::sync::Arc<Mutex<Vec<StepRequest>>>,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("no test panics while it holds this")
}

impl Default for FakeEngine {
    fn default() -> Self {
        Self {
            script: std::sync::Arc::default(),
            live: Mutex::default(),
            waiting: Mutex::default(),
            tasks: Mutex::new(JoinSet::new()),
            made: Mutex::new(0),
            running: std::sync::Arc::default(),
            killed: Mutex::new(0),
            removals_held: watch::channel(false).0,
            gone: AtomicBool::new(false),
            hanging: watch::channel(0).0,
            asked: std::sync::Arc::default(),
        }
    }
}

impl FakeEngine {
    pub fn fail(&self, failing: Failing) {
        locked(&self.script).failing.push_back(failing);
    }

    pub fn on_step(&self, step: OnStep) {
        locked(&self.script).steps.push_back(step);
    }

    pub fn leave(&self, leftovers: &[&str]) {
        locked(&self.script).leftovers.push_back(leftovers.iter().map(|l| (*l).to_owned()).collect());
    }

    pub fn give(&self, tree: Tree, archive: &'static [u8]) {
        locked(&self.script).trees.push((tree, archive));
    }

    pub fn find(&self, facts: SandboxFacts) {
        locked(&self.script).facts = Some(facts);
    }

    pub fn refuse_namespaces(&self) {
        locked(&self.script).without_namespaces = true;
    }

    pub fn end_early(&self, sandboxes: usize) {
        locked(&self.script).short_lived = sandboxes;
    }

    /// Whether removals wait, as for a process that the kernel cannot end.
    pub fn hold_removals(&self, held: bool) {
        self.removals_held.send_replace(held);
    }

    /// It goes away: nothing new is made there, and what fails from here on is laid to that.
    pub fn vanish(&self) {
        self.gone.store(true, Ordering::Relaxed);
    }

    /// A container that is there already.
    pub fn adopt(&self, container: Labelled) {
        let old = locked(&self.live).insert(container.id.clone(), container);
        assert_eq!(old, None, "names are unique");
    }

    /// Containers that were made and not removed.
    pub fn live(&self) -> usize {
        locked(&self.live).len()
    }

    /// Containers that were ever made.
    pub fn made(&self) -> usize {
        *locked(&self.made)
    }

    /// Containers that were removed while they ran.
    pub fn killed(&self) -> usize {
        *locked(&self.killed)
    }

    fn fails(&self, failing: Failing) -> bool {
        let mut script = locked(&self.script);
        let first = script.failing.front() == Some(&failing);
        if first {
            script.failing.pop_front();
        }
        first
    }
}

/// Facts of a sandbox as the profile promises it, without cgroups.
pub fn good_facts() -> SandboxFacts {
    SandboxFacts {
        capabilities: 0xc0,
        no_new_privileges: true,
        seccomp_mode: 2,
        root_read_only: true,
        pseudo_terminals: false,
        interfaces: vec!["lo".into()],
        memory_limit_bytes: None,
        pids_limit: None,
    }
}

impl Engine for FakeEngine {
    fn facts(&self) -> Answer<'_, EngineFacts> {
        Box::pin(async {
            let runtimes = vec!["runc".to_owned()];
            Ok(EngineFacts { version: "fake".into(), cgroupfs: true, apparmor: false, userns: false, runtimes })
        })
    }

    fn probe_image(&self) -> Answer<'_, String> {
        Box::pin(async { Ok("probe".to_owned()) })
    }

    fn create<'a>(&'a self, spec: &'a SandboxSpec) -> Answer<'a, ContainerId> {
        Box::pin(async {
            if self.fails(Failing::NoImage) {
                return Err(EngineError::NoImage("scripted".into()));
            }
            if self.fails(Failing::Create) || self.gone.load(Ordering::Relaxed) {
                return Err(EngineError::Create("scripted".into()));
            }
            *locked(&self.made) += 1;
            let id = ContainerId(spec.name.clone());
            let label = |name: &str| spec.labels.get(name).cloned();
            let labelled = Labelled {
                id: id.clone(),
                agent: label(LABEL_AGENT).unwrap_or_default(),
                is_sandbox: label(LABEL_KIND).is_some_and(|kind| kind == KIND_SANDBOX),
                number: label(LABEL_NUMBER).and_then(|text| text.parse().ok()),
                deadline_unix_s: label(LABEL_DEADLINE).and_then(|text| text.parse().ok()),
            };
            self.adopt(labelled);
            Ok(id)
        })
    }

    fn attach<'a>(&'a self, id: &'a ContainerId) -> Answer<'a, Wires> {
        Box::pin(async {
            if self.fails(Failing::Attach) {
                return Err(EngineError::Attach("scripted".into()));
            }
            let (ours, theirs) = tokio::io::duplex(PIPE_BYTES);
            locked(&self.waiting).push((id.clone(), theirs));
            let (output, input) = tokio::io::split(ours);
            let output = ReaderStream::new(output);
            let output = output.map(|b| b.map(Piece::Frames).map_err(|e| EngineError::Output(e.into())));
            Ok(Wires { input: Box::pin(input), output: output.boxed() })
        })
    }

    fn start<'a>(&'a self, id: &'a ContainerId) -> Answer<'a, ()> {
        Box::pin(async move {
            if self.fails(Failing::Start) {
                return Err(EngineError::Start("scripted".into()));
            }
            let mut waiting = locked(&self.waiting);
            let index = waiting.iter().position(|(waits, _)| waits == id).expect("it was attached before");
            let (_, pipe) = waiting.remove(index);
            let supervisor = FakeSupervisor {
                pipe,
                decoder: Decoder::default(),
                script: std::sync::Arc::clone(&self.script),
                hanging: self.hanging.clone(),
                asked: std::sync::Arc::clone(&self.asked),
            };
            locked(&self.running).insert(id.clone());
            let (id, running) = (id.clone(), std::sync::Arc::clone(&self.running));
            locked(&self.tasks).spawn(async move {
                // The end of the pipe is the ordinary end.
                let _ = supervisor.serve().await;
                locked(&running).remove(&id);
            });
            Ok(())
        })
    }

    fn init_pid<'a>(&'a self, _id: &'a ContainerId) -> Answer<'a, u32> {
        Box::pin(async { Ok(1) })
    }

    fn remove<'a>(&'a self, id: &'a ContainerId) -> Answer<'a, ()> {
        Box::pin(async {
            if self.fails(Failing::Remove) {
                return Err(EngineError::Remove("scripted".into()));
            }
            let mut held = self.removals_held.subscribe();
            let _ = held.wait_for(|held| !held).await;
            locked(&self.live).remove(id);
            *locked(&self.killed) += usize::from(locked(&self.running).remove(id));
            Ok(())
        })
    }

    fn containers(&self) -> Answer<'_, Vec<Labelled>> {
        Box::pin(async { Ok(locked(&self.live).values().cloned().collect()) })
    }

    fn ends(&self) -> u64 {
        0
    }

    fn is_gone(&self, _then: u64) -> BoxFuture<'_, bool> {
        Box::pin(async { self.gone.load(Ordering::Relaxed) })
    }
}

struct FakeSupervisor {
    pipe: DuplexStream,
    decoder: Decoder,
    script: std::sync::Arc<Mutex<Script>>,
    hanging: watch::Sender<usize>,
    asked: std::sync::Arc<Mutex<Vec<StepRequest>>>,
}

impl FakeSupervisor {
    async fn send(&mut self, report: Report) -> Option<()> {
        self.pipe.write_all(&frame::encode(&report).ok()?).await.ok()
    }

    async fn receive(&mut self) -> Option<Request> {
        loop {
            if let Some(request) = self.decoder.take::<Request>().ok()? {
                return Some(request);
            }
            let mut bytes = [0; 4096];
            match self.pipe.read(&mut bytes).await {
                Ok(read @ 1..) => self.decoder.feed(&bytes[..read]),
                _ => return None,
            }
        }
    }

    /// `None` is the end.
    async fn serve(mut self) -> Option<()> {
        self.send(Report::Ready { version: SUPERVISOR_VERSION }).await?;
        loop {
            match self.receive().await? {
                Request::Setup(setup) => {
                    if setup.cells == CellKind::Namespaced && locked(&self.script).without_namespaces {
                        return self.send(Report::NoCell { message: "scripted".into() }).await;
                    }
                    let facts = locked(&self.script).facts.clone().unwrap_or_else(good_facts);
                    self.send(Report::SetUp(facts)).await?;
                    let mut script = locked(&self.script);
                    if script.short_lived > 0 {
                        script.short_lived -= 1;
                        return None;
                    }
                }
                Request::RunStep(step) => self.run(*step).await?,
                Request::RunPair(_) => return None,
                Request::TakeTree { tree, .. } => {
                    let given = locked(&self.script).trees.iter().find(|(which, _)| *which == tree).copied();
                    if let Some((_, archive)) = given {
                        self.send(Report::Tree(ByteBuf::from(archive))).await?;
                    }
                    self.send(Report::TreeDone { whole: true }).await?;
                }
                Request::EndJob => {
                    let leftovers = locked(&self.script).leftovers.pop_front().unwrap_or_default();
                    self.send(Report::JobEnded { leftovers }).await?;
                }
                Request::StartForerunner(_)
                | Request::EndForerunner
                | Request::BeginJob { .. }
                | Request::PutFile { .. }
                | Request::PutStdin
                | Request::PutTree(_)
                | Request::PutExtra { .. }
                | Request::Data(_)
                | Request::Stdin { .. }
                | Request::Signal(_)
                | Request::CancelStep => {}
            }
        }
    }

    async fn run(&mut self, step: StepRequest) -> Option<()> {
        let report_bytes = usize::try_from(step.limits.report_bytes).ok()?;
        locked(&self.asked).push(step);
        let on_step = locked(&self.script).steps.pop_front().unwrap_or(OnStep::Print("hello", 0));
        match on_step {
            OnStep::Print(text, code) => {
                for piece in text.as_bytes().chunks(CHUNK_BYTES_MAX) {
                    self.output(piece.to_vec()).await?;
                }
                self.done(Some(Exit::Code(code)), None).await
            }
            OnStep::Killed(signal, stop) => self.done(Some(Exit::Signal(signal)), stop).await,
            OnStep::Hang => {
                self.output(b"before".to_vec()).await?;
                self.hanging.send_modify(|n| *n += 1);
                let request = self.receive().await;
                self.hanging.send_modify(|n| *n -= 1);
                assert_eq!(request?, Request::CancelStep);
                self.done(Some(Exit::Signal(9)), Some(Stop::Cancelled)).await
            }
            OnStep::Echo => self.echo().await,
            OnStep::Overtake => self.send(Report::StdinTaken { taken: 1, closed: false }).await,
            OnStep::Die => None,
            OnStep::Fault => self.send(Report::Fault { message: "scripted".into() }).await,
            OnStep::Garble => self.pipe.write_all(&[0, 0, 0, 2, 0xff, 0xff]).await.ok(),
            OnStep::Flood => self.output(vec![0; report_bytes + 1]).await,
        }
    }

    async fn echo(&mut self) -> Option<()> {
        let mut taken = 0;
        loop {
            self.send(Report::StdinTaken { taken, closed: false }).await?;
            match self.receive().await? {
                Request::Stdin { bytes, last } => {
                    taken += bytes.len() as u64;
                    self.output(bytes.into_vec()).await?;
                    if last {
                        return self.done(Some(Exit::Code(0)), None).await;
                    }
                }
                Request::Signal(signal) => self.output(vec![signal.number()]).await?,
                other => panic!("{other:?}"),
            }
        }
    }

    async fn output(&mut self, bytes: Vec<u8>) -> Option<()> {
        self.send(Report::Output { stream: Stream::Stdout, bytes: ByteBuf::from(bytes) }).await
    }

    async fn done(&mut self, exit: Option<Exit>, stop: Option<Stop>) -> Option<()> {
        let facts = StepFacts {
            exit,
            stop,
            cpu_us: 1000,
            wall_us: 1000,
            memory_peak_bytes: 4096,
            oom_kills: 0,
            pids_refused: 0,
            stdout_bytes: 5,
            stderr_bytes: 0,
            kill_us: None,
            accounting: Accounting::Sampled,
            start_error: None,
            keep_error: None,
        };
        self.send(Report::StepDone(Box::new(facts))).await
    }
}
