//! An agent without an engine: speaks the link as a real one does, and answers by a script.
//!
//! It is included by the tests of the master and may be by load programs; it
//! needs nothing but the protocol and a WebSocket.

use std::collections::VecDeque;

use enclos_protocol::agent_link::{
    Capacity, FromAgent, FromMaster, Hello, ImageState, InputSource, LINK_PATH, LINK_VERSION, LoadReport,
    OfferedLanguage, Welcome,
};
use enclos_protocol::cases::{CaseReport, Verdict};
use enclos_protocol::frame;
use enclos_protocol::ids::AttemptId;
use enclos_protocol::job::{Isolation, JobReport, JobSpec, Reuse, Step, StepReport, Stream};
use enclos_protocol::outcome::{Accounting, Exit, Outcome, StepFacts};
use futures::{SinkExt as _, StreamExt as _};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::{self, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};
use uuid::Uuid;

/// A connected agent.
pub struct FakeAgent {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    /// What the master answered to the hello.
    pub welcome: Welcome,
    /// Messages that came while another was awaited.
    early: VecDeque<FromMaster>,
    sequence: u64,
}

/// A hello of an agent with room for four jobs.
pub fn hello(name: &str) -> Hello {
    Hello {
        version: LINK_VERSION,
        name: name.parse().expect("tests use good names"),
        instance: Uuid::now_v7(),
        build: "fake".to_owned(),
        capacity: Capacity { cpu_millis: 4000, memory_bytes: 8 << 30, pids: 4096, slots: 4 },
        isolation: Isolation::Runc,
        reuse: Reuse::Tenant,
        embedded: false,
        installs: true,
        holding: Vec::new(),
        load: load(),
    }
}

/// An idle agent that has every language.
pub fn load() -> LoadReport {
    let ready = |id: &str| OfferedLanguage {
        id: id.to_owned(),
        version: format!("{id} 1.0"),
        image: ImageState::Ready,
        warm: 1,
    };
    LoadReport { languages: ["c", "cpp", "java", "python"].map(ready).to_vec(), ..LoadReport::default() }
}

/// A run that wrote `stdout_bytes` and came to `outcome`.
pub fn report(outcome: Outcome, stdout_bytes: u64) -> JobReport {
    JobReport {
        outcome,
        message: None,
        compile: None,
        companion: None,
        run: Some(step(outcome, stdout_bytes)),
        files: Vec::new(),
        files_error: None,
        sandbox_us: 10,
        isolation: Isolation::Runc,
        reuse: Reuse::Tenant,
        dependencies: None,
        laps: None,
    }
}

/// A case that wrote `stdout_bytes` and was judged so.
pub fn case(verdict: Verdict, stdout_bytes: u64) -> CaseReport {
    CaseReport { verdict, run: step(Outcome::Ok, stdout_bytes), score_ppm: None, feedback: None }
}

fn step(outcome: Outcome, stdout_bytes: u64) -> StepReport {
    let facts = StepFacts {
        exit: Some(Exit::Code(i32::from(outcome != Outcome::Ok))),
        stop: None,
        cpu_us: 1500,
        wall_us: 2500,
        memory_peak_bytes: 4096,
        oom_kills: 0,
        pids_refused: 0,
        stdout_bytes,
        stderr_bytes: 0,
        kill_us: None,
        accounting: Accounting::Cgroup,
        start_error: None,
        keep_error: None,
    };
    StepReport { outcome, facts, cached: false }
}

impl FakeAgent {
    /// Dials the link at `address` and says hello.
    pub async fn connect(address: &str, token: &str, hello: Hello) -> Result<Self, tungstenite::Error> {
        let hello = frame::encode_body(&FromAgent::Hello(Box::new(hello))).expect("test messages fit a frame");
        Self::connect_with(address, token, hello).await
    }

    /// As [`FakeAgent::connect`], with these bytes for a hello.
    pub async fn connect_with(address: &str, token: &str, hello: Vec<u8>) -> Result<Self, tungstenite::Error> {
        let mut request = format!("ws://{address}{LINK_PATH}").into_client_request()?;
        let bearer = format!("Bearer {token}").parse().expect("tests use good tokens");
        request.headers_mut().insert("authorization", bearer);
        let (socket, _) = tokio_tungstenite::connect_async(request).await?;
        let welcome = Welcome { version: 0, lease_ms: 0, heartbeat_ms: 0, keep: Vec::new() };
        let mut agent = Self { socket, welcome, early: VecDeque::new(), sequence: 0 };
        agent.socket.send(Message::binary(hello)).await?;
        match agent.next().await {
            Some(FromMaster::Welcome(welcome)) => agent.welcome = welcome,
            _ => return Err(tungstenite::Error::ConnectionClosed),
        }
        Ok(agent)
    }

    /// Sends one message.
    pub async fn send(&mut self, message: FromAgent) -> Result<(), tungstenite::Error> {
        let body = frame::encode_body(&message).expect("test messages fit a frame");
        self.socket.send(Message::binary(body)).await
    }

    /// The next message; `None` when the master closed.
    pub async fn next(&mut self) -> Option<FromMaster> {
        if let Some(early) = self.early.pop_front() {
            return Some(early);
        }
        self.receive().await
    }

    async fn receive(&mut self) -> Option<FromMaster> {
        loop {
            match self.socket.next().await?.ok()? {
                Message::Binary(body) => return frame::decode_body(&body).ok(),
                Message::Close(_) => return None,
                _ => {}
            }
        }
    }

    /// The first message that `pick` takes; others are kept for later.
    pub async fn expect<T>(&mut self, what: &str, mut pick: impl FnMut(&FromMaster) -> Option<T>) -> T {
        if let Some((index, found)) = self.early.iter().enumerate().find_map(|(i, m)| Some((i, pick(m)?))) {
            self.early.remove(index);
            return found;
        }
        loop {
            let message = self.receive().await.unwrap_or_else(|| panic!("the master closed instead of sending {what}"));
            match pick(&message) {
                Some(found) => return found,
                None => self.early.push_back(message),
            }
        }
    }

    /// The next job.
    pub async fn job(&mut self) -> (AttemptId, JobSpec, InputSource) {
        self.expect("a job", |message| match message {
            FromMaster::Dispatch { attempt, spec, input } => Some((*attempt, (**spec).clone(), input.clone())),
            _ => None,
        })
        .await
    }

    /// Sends a heartbeat and waits for its renewal.
    pub async fn heartbeat(&mut self) {
        self.heartbeat_with(load()).await;
    }

    /// The same, with this load.
    pub async fn heartbeat_with(&mut self, load: LoadReport) {
        self.sequence += 1;
        let sent = self.sequence;
        let beat = FromAgent::Heartbeat { sequence: sent, load };
        self.send(beat).await.expect("the connection is open");
        self.expect("a renewal", |m| matches!(m, FromMaster::Renew { sequence } if *sequence == sent).then_some(()))
            .await;
    }

    /// Sends what a run wrote to stdout.
    pub async fn output(&mut self, attempt: AttemptId, offset: u64, bytes: &[u8]) {
        self.output_of(attempt, Step::Run, offset, bytes).await;
    }

    /// Sends what a step wrote to stdout.
    pub async fn output_of(&mut self, attempt: AttemptId, step: Step, offset: u64, bytes: &[u8]) {
        let (stream, bytes) = (Stream::Stdout, bytes.to_vec().into());
        let output = FromAgent::Output { attempt, step, stream, offset, bytes };
        self.send(output).await.expect("the connection is open");
    }

    /// Says that the run began.
    pub async fn started(&mut self, attempt: AttemptId) {
        self.send(FromAgent::Started { attempt, step: Step::Run }).await.expect("the connection is open");
    }

    /// Runs one case: says that it began, what it wrote, and how it was judged.
    pub async fn run_case(&mut self, attempt: AttemptId, number: u32, stdout: &[u8], verdict: Verdict) {
        let step = Step::Case(number);
        self.send(FromAgent::Started { attempt, step }).await.expect("the connection is open");
        self.output_of(attempt, step, 0, stdout).await;
        let report = Box::new(case(verdict, stdout.len() as u64));
        self.send(FromAgent::CaseDone { attempt, case: number, report }).await.expect("the connection is open");
    }

    /// Says that the run began, what it wrote, and how the job ended, all in one write.
    pub async fn answer(
        &mut self,
        attempt: AttemptId,
        stdout: &[u8],
        report: JobReport,
    ) -> Result<(), tungstenite::Error> {
        let (step, stream) = (Step::Run, Stream::Stdout);
        let started = FromAgent::Started { attempt, step };
        let output = FromAgent::Output { attempt, step, stream, offset: 0, bytes: stdout.to_vec().into() };
        let finished = FromAgent::Finished { attempt, report: Box::new(report) };
        for message in [Some(started), Some(output).filter(|_| !stdout.is_empty()), Some(finished)] {
            let body = message.map(|message| frame::encode_body(&message).expect("test messages fit a frame"));
            if let Some(body) = body {
                self.socket.feed(Message::binary(body)).await?;
            }
        }
        self.socket.flush().await
    }

    /// Sends a report without waiting for anything.
    pub async fn finish(&mut self, attempt: AttemptId, report: JobReport) {
        let finished = FromAgent::Finished { attempt, report: Box::new(report) };
        self.send(finished).await.expect("the connection is open");
    }

    /// Waits until the attempt is acknowledged (`true`) or abandoned (`false`).
    pub async fn verdict(&mut self, of: AttemptId) -> bool {
        self.expect("a verdict", |message| match message {
            FromMaster::Acknowledge { attempt } if *attempt == of => Some(true),
            FromMaster::Abandon { attempt } if *attempt == of => Some(false),
            _ => None,
        })
        .await
    }

    /// Takes the next job and answers it with this output; its attempt.
    pub async fn answer_one(&mut self, stdout: &[u8]) -> AttemptId {
        let (attempt, _, _) = self.job().await;
        let answered = self.answer(attempt, stdout, report(Outcome::Ok, stdout.len() as u64)).await;
        answered.expect("the connection is open");
        assert!(self.verdict(attempt).await, "the answer is acknowledged");
        attempt
    }
}
