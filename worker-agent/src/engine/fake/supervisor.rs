//! The other end of a scripted container's wires.

use std::sync::Mutex;

use enclos_protocol::frame::{self, CHUNK_BYTES_MAX, Decoder};
use enclos_protocol::job::Stream;
use enclos_protocol::outcome::{Accounting, Exit, StepFacts, Stop};
use enclos_protocol::supervisor_link::{CellKind, Report, Request, SUPERVISOR_VERSION, StepRequest};
use serde_bytes::ByteBuf;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::sync::watch;

use super::{OnStep, Script, good_facts, locked};

pub(super) struct FakeSupervisor {
    pub(super) pipe: DuplexStream,
    pub(super) decoder: Decoder,
    pub(super) script: std::sync::Arc<Mutex<Script>>,
    pub(super) hanging: watch::Sender<usize>,
    pub(super) asked: std::sync::Arc<Mutex<Vec<StepRequest>>>,
    /// A tree stays in it.
    pub(super) holds: bool,
    /// The job ends with the step that runs.
    pub(super) ends: bool,
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
    pub(super) async fn serve(mut self) -> Option<()> {
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
                Request::RunStep(step) => {
                    self.run(*step).await?;
                    if std::mem::take(&mut self.ends) {
                        self.end_job().await?;
                    }
                }
                Request::RunPair(_) => return None,
                Request::TakeTree { tree, .. } => {
                    let given = locked(&self.script).trees.iter().find(|(which, _)| *which == tree).copied();
                    if let Some((_, archive)) = given {
                        self.send(Report::Tree(ByteBuf::from(archive))).await?;
                    }
                    self.send(Report::TreeDone { whole: true }).await?;
                }
                Request::HoldTree => self.holds = true,
                Request::UseHeldTree => assert!(self.holds, "what nobody brought is not there"),
                Request::EndJob => self.end_job().await?,
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

    async fn end_job(&mut self) -> Option<()> {
        let leftovers = locked(&self.script).leftovers.pop_front().unwrap_or_default();
        self.send(Report::JobEnded { leftovers }).await
    }

    /// The next request while a step runs; that the job ends with it is noted.
    async fn meanwhile(&mut self) -> Option<Request> {
        match self.receive().await? {
            Request::EndJob if !self.ends => {
                self.ends = true;
                self.receive().await
            }
            other => Some(other),
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
                let request = self.meanwhile().await;
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
            match self.meanwhile().await? {
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
