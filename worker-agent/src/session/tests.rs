//! The session against a master of few words on a real local WebSocket.

use enclos_protocol::agent_link::{Capacity, Hello, ImageState, LINK_VERSION};
use enclos_protocol::frame;
use enclos_protocol::job::{JobReport, Step, Stream};
use enclos_protocol::live::Signal;
use enclos_protocol::outcome::Outcome;
use futures::{SinkExt, StreamExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::http::StatusCode;
use tokio_tungstenite::{WebSocketStream, accept_hdr_async};

use super::*;
use crate::config::{Credential, JoinToken};
use crate::engine::fake::{FakeEngine, OnStep};
use crate::machine::OwnCgroup;
use crate::member::Access;
use crate::pool::Pool;
use crate::testing::{BOUNDS, FakeImages, attempt_id, host, job, workshop};

/// Longest that any single thing may take; a bound for failures, never awaited in full.
const PATIENCE: Duration = Duration::from_secs(10);
/// A lease that does not end during a test.
const LONG_MS: u64 = 60_000;

#[path = "recorded_tests.rs"]
mod recorded;

struct Master {
    listener: TcpListener,
}

struct Conversation {
    socket: WebSocketStream<TcpStream>,
    hello: Hello,
}

impl Master {
    async fn new() -> Self {
        Self { listener: TcpListener::bind("127.0.0.1:0").await.expect("loopback has a free port") }
    }

    fn url(&self) -> String {
        format!("http://{}", self.listener.local_addr().expect("it is bound"))
    }

    /// The next connection's socket; `None`: its token was refused.
    async fn accept(&self) -> Option<WebSocketStream<TcpStream>> {
        let (stream, _) = timeout(PATIENCE, self.listener.accept()).await.expect("the agent dials").unwrap();
        #[expect(clippy::result_large_err, reason = "the library's signature")]
        let check = |request: &Request, response: Response| -> Result<Response, ErrorResponse> {
            if request.headers().get("authorization").is_some_and(|v| v == "Bearer secret") {
                return Ok(response);
            }
            let mut refusal = ErrorResponse::new(None);
            *refusal.status_mut() = StatusCode::UNAUTHORIZED;
            Err(refusal)
        };
        accept_hdr_async(stream, check).await.ok()
    }

    /// The next connection, welcomed with `keep` of what it holds.
    async fn welcome(&self, lease_ms: u64, keep: impl Fn(&Hello) -> Vec<AttemptId>) -> Conversation {
        let mut socket = self.accept().await.expect("the token is right");
        let FromAgent::Hello(hello) = receive(&mut socket).await.expect("a hello") else { panic!("hello is first") };
        let keep = keep(&hello);
        let welcome = Welcome { version: LINK_VERSION, lease_ms, heartbeat_ms: 100, keep };
        let mut conversation = Conversation { socket, hello: *hello };
        conversation.send(FromMaster::Welcome(welcome)).await;
        conversation
    }
}

async fn receive(socket: &mut WebSocketStream<TcpStream>) -> Option<FromAgent> {
    loop {
        match timeout(PATIENCE, socket.next()).await.expect("the agent speaks")? {
            Ok(Message::Binary(body)) => return Some(frame::decode_body(&body).expect("it is understood")),
            Ok(Message::Close(_)) | Err(_) => return None,
            Ok(_) => {}
        }
    }
}

impl Conversation {
    async fn send(&mut self, message: FromMaster) {
        let body = frame::encode_body(&message).expect("it fits");
        self.socket.send(Message::Binary(body.into())).await.expect("the agent reads");
    }

    async fn dispatch(&mut self, attempt: AttemptId, language: &str) {
        let (spec, input) = job(language);
        let input = InputSource::Inline(input);
        self.send(FromMaster::Dispatch { attempt, spec: Box::new(spec), input }).await;
    }

    /// The next message that is not a heartbeat; heartbeats are answered.
    async fn next(&mut self) -> FromAgent {
        loop {
            match receive(&mut self.socket).await.expect("the connection is open") {
                FromAgent::Heartbeat { sequence, .. } => self.send(FromMaster::Renew { sequence }).await,
                other => return other,
            }
        }
    }

    /// Everything up to the report of an attempt.
    async fn until_finished(&mut self) -> (Vec<FromAgent>, Box<JobReport>) {
        let mut before = Vec::new();
        loop {
            match self.next().await {
                FromAgent::Finished { report, .. } => return (before, report),
                other => before.push(other),
            }
        }
    }
}

/// An agent whose session runs in a task.
struct Agent {
    engine: Arc<FakeEngine>,
    images: Arc<FakeImages>,
    leave: Leave,
    session: JoinSet<Result<(), LinkError>>,
    pool: Pool,
    pool_task: JoinSet<()>,
}

impl Agent {
    fn start(master: &Master, token: &str) -> Self {
        let engine = Arc::new(FakeEngine::default());
        let images = Arc::new(FakeImages::default());
        let (pool, task) = Pool::new(host(&engine), BOUNDS);
        let mut pool_task = JoinSet::new();
        pool_task.spawn(task);
        let token = JoinToken::parse(token).expect("a token");
        let access = Access::clear(&master.url(), token.clone()).expect("it is an address").fixed();
        let config = Config {
            master: master.url(),
            name: "test".parse().expect("a valid name"),
            credential: Credential::Token(token.clone()),
            capacity: Capacity { cpu_millis: 2000, memory_bytes: 1 << 30, pids: 1024, slots: 2 },
            languages: vec!["c".into(), "python".into()],
            images: Vec::new(),
            reuse: enclos_protocol::job::Reuse::Tenant,
            isolation: enclos_protocol::job::Isolation::Runc,
            cells: crate::config::Cells::Auto,
            pin_cores: None,
            warm: 0,
            places: crate::config::Places { sandboxes: 8, spare: 0 },
            forerunners: 0,
            compile_cache_bytes: 1 << 20,
            allow_sampled: false,
            run_dir: "/run/enclos".into(),
            drain: PATIENCE,
            embedded: false,
            dependencies: None,
        };
        let leave = Leave { drain: CancellationToken::new(), now: CancellationToken::new() };
        let workshop = Arc::new(workshop(pool.clone(), Arc::clone(&images)));
        let sampler = Sampler::new(OwnCgroup::default());
        let mut session = JoinSet::new();
        session.spawn(Session::new(Arc::new(config), workshop, uuid::Uuid::nil(), sampler, access).run(leave.clone()));
        Self { engine, images, leave, session, pool, pool_task }
    }

    async fn hanging(&self, wanted: usize) {
        let mut hanging = self.engine.hanging.subscribe();
        let reached = hanging.wait_for(|n| *n == wanted);
        timeout(PATIENCE, reached).await.expect("the step is reached").expect("the engine lives");
    }

    /// Waits until the session has left, and ends the pool.
    async fn left(mut self) -> Result<(), LinkError> {
        let ended = timeout(PATIENCE, self.session.join_next()).await.expect("it leaves");
        self.pool.shutdown().await;
        self.pool_task.join_next().await;
        assert_eq!(self.engine.live(), 0, "nothing is left");
        ended.expect("there is a session").expect("it does not panic")
    }
}

fn all(hello: &Hello) -> Vec<AttemptId> {
    hello.holding.clone()
}

#[tokio::test]
async fn a_job_is_told_in_order_and_told_again_until_it_is_acknowledged() {
    let master = Master::new().await;
    let agent = Agent::start(&master, "secret");
    let mut first = master.welcome(LONG_MS, all).await;
    assert_eq!(first.hello.load.languages[0].version, "gcc 14");
    assert!(first.hello.holding.is_empty());
    let attempt = attempt_id(1);
    first.dispatch(attempt, "python").await;
    let (told, report) = first.until_finished().await;
    assert_eq!(report.outcome, Outcome::Ok);
    assert_eq!(told[0], FromAgent::Started { attempt, step: Step::Run });
    let FromAgent::Output { stream: Stream::Stdout, offset: 0, bytes, .. } = &told[1] else { panic!("{told:?}") };
    assert_eq!(bytes.as_ref(), b"hello");
    drop(first);

    let mut second = master.welcome(LONG_MS, all).await;
    assert_eq!(second.hello.holding, [attempt]);
    let again = second.until_finished().await;
    assert_eq!(again, (told, report));
    second.send(FromMaster::Acknowledge { attempt }).await;
    second.send(FromMaster::Drain).await;
    while receive(&mut second.socket).await.is_some() {}
    assert!(agent.left().await.is_ok());
}

#[tokio::test]
async fn live_input_goes_on_over_a_new_connection_and_each_byte_reaches_the_program_once() {
    let master = Master::new().await;
    let agent = Agent::start(&master, "secret");
    agent.engine.on_step(OnStep::Echo);
    let mut first = master.welcome(LONG_MS, all).await;
    let attempt = attempt_id(1);
    let (mut spec, input) = job("python");
    spec.live_stdin = true;
    first.send(FromMaster::Dispatch { attempt, spec: Box::new(spec), input: InputSource::Inline(input) }).await;
    let taken = |taken, received| FromAgent::StdinTaken { attempt, taken, received, ended: false, closed: false };
    while first.next().await != taken(0, 0) {}
    let say =
        |offset, text: &str, last| FromMaster::Stdin { attempt, offset, bytes: text.as_bytes().to_vec().into(), last };
    first.send(say(0, "one", false)).await;
    while first.next().await != taken(3, 3) {}
    drop(first);

    let mut second = master.welcome(LONG_MS, all).await;
    assert_eq!(second.next().await, taken(3, 3), "before all else");
    second.send(say(0, "one two", false)).await;
    second.send(FromMaster::Signal { attempt, signal: Signal::Usr1 }).await;
    second.send(say(7, "", true)).await;
    let (told, report) = second.until_finished().await;
    let output = |message: &FromAgent| match message {
        FromAgent::Output { bytes, .. } => bytes.to_vec(),
        _ => Vec::new(),
    };
    // A signal passes bytes by, so only its place is open.
    let mut heard: Vec<u8> = told.iter().flat_map(output).collect();
    heard.retain(|byte| *byte != Signal::Usr1.number());
    assert_eq!((String::from_utf8_lossy(&heard).as_ref(), report.outcome), ("one two", Outcome::Ok), "{told:?}");
    second.send(FromMaster::Acknowledge { attempt }).await;
    second.send(FromMaster::Drain).await;
    while receive(&mut second.socket).await.is_some() {}
    assert!(agent.left().await.is_ok());
}

#[tokio::test]
async fn live_input_that_does_not_fit_ends_its_attempt_and_not_the_connection() {
    let master = Master::new().await;
    let agent = Agent::start(&master, "secret");
    agent.engine.on_step(OnStep::Hang);
    let mut link = master.welcome(LONG_MS, all).await;
    let attempt = attempt_id(1);
    link.dispatch(attempt, "python").await;
    agent.hanging(1).await;
    link.send(FromMaster::Stdin { attempt, offset: 9, bytes: b"gap".to_vec().into(), last: false }).await;
    let reason = loop {
        if let FromAgent::Returned { attempt: returned, reason } = link.next().await {
            assert_eq!(returned, attempt);
            break reason;
        }
    };
    assert!(matches!(&reason, ReturnReason::Failed { message, .. } if message.contains("gap")), "{reason:?}");
    link.send(FromMaster::Acknowledge { attempt }).await;
    link.send(FromMaster::Drain).await;
    while receive(&mut link.socket).await.is_some() {}
    assert!(agent.left().await.is_ok());
}

#[tokio::test]
async fn what_the_master_does_not_keep_is_ended() {
    let master = Master::new().await;
    let agent = Agent::start(&master, "secret");
    agent.engine.on_step(OnStep::Hang);
    let mut first = master.welcome(LONG_MS, all).await;
    first.dispatch(attempt_id(1), "python").await;
    agent.hanging(1).await;
    drop(first);
    let second = master.welcome(LONG_MS, |_| Vec::new()).await;
    agent.hanging(0).await;
    drop(second);
    let third = master.welcome(LONG_MS, all).await;
    assert!(third.hello.holding.is_empty());
    agent.leave.drain.cancel();
    drop(third);
    assert!(agent.left().await.is_ok());
}

#[tokio::test]
async fn a_lease_that_is_not_renewed_kills_what_runs() {
    let master = Master::new().await;
    let agent = Agent::start(&master, "secret");
    agent.engine.on_step(OnStep::Hang);
    let mut silent = master.welcome(500, all).await;
    silent.dispatch(attempt_id(1), "python").await;
    agent.hanging(1).await;
    // No heartbeat is answered.
    agent.hanging(0).await;
    let next = master.welcome(LONG_MS, all).await;
    assert!(next.hello.holding.is_empty(), "nothing is told of it");
    agent.leave.drain.cancel();
    drop((silent, next));
    assert!(agent.left().await.is_ok());
}

#[tokio::test]
async fn a_cancelled_job_is_reported_as_cancelled() {
    let master = Master::new().await;
    let agent = Agent::start(&master, "secret");
    agent.engine.on_step(OnStep::Hang);
    let mut link = master.welcome(LONG_MS, all).await;
    let attempt = attempt_id(1);
    link.dispatch(attempt, "c").await;
    agent.hanging(1).await;
    link.send(FromMaster::Cancel { attempt }).await;
    assert_eq!(link.until_finished().await.1.outcome, Outcome::Cancelled);
    link.send(FromMaster::Acknowledge { attempt }).await;
    agent.leave.drain.cancel();
    while receive(&mut link.socket).await.is_some() {}
    assert!(agent.left().await.is_ok());
}

#[tokio::test]
async fn the_master_hears_that_an_image_failed_before_the_job_comes_back() {
    let master = Master::new().await;
    let agent = Agent::start(&master, "secret");
    agent.images.gate.send_replace(None);
    let mut link = master.welcome(LONG_MS, all).await;
    let attempt = attempt_id(1);
    link.dispatch(attempt, "python").await;
    agent.images.gate.send_replace(Some(false));
    let mut told = None;
    loop {
        match receive(&mut link.socket).await.expect("the connection is open") {
            FromAgent::Heartbeat { load, .. } => told = load.languages.into_iter().find(|l| l.id == "python"),
            FromAgent::Returned { attempt: returned, reason } => {
                assert_eq!((returned, reason), (attempt, ReturnReason::NoRoom));
                break;
            }
            other => panic!("{other:?}"),
        }
    }
    assert!(matches!(told.map(|l| l.image), Some(ImageState::Failed { .. })));
    link.send(FromMaster::Acknowledge { attempt }).await;
    agent.leave.drain.cancel();
    while receive(&mut link.socket).await.is_some() {}
    assert!(agent.left().await.is_ok());
}

#[tokio::test]
async fn jobs_beyond_the_offer_and_unknown_languages_go_back() {
    let master = Master::new().await;
    let agent = Agent::start(&master, "secret");
    let mut link = master.welcome(LONG_MS, all).await;
    for n in 1..=2 {
        agent.engine.on_step(OnStep::Hang);
        link.dispatch(attempt_id(n), "python").await;
    }
    agent.hanging(2).await;
    let third = attempt_id(3);
    link.dispatch(third, "python").await;
    loop {
        match link.next().await {
            FromAgent::Returned { attempt, reason } => {
                assert_eq!((attempt, reason), (third, ReturnReason::NoRoom));
                break;
            }
            FromAgent::Started { .. } | FromAgent::Output { .. } => {}
            other => panic!("{other:?}"),
        }
    }
    link.send(FromMaster::Acknowledge { attempt: third }).await;
    // The second word stops what runs: the jobs go back.
    agent.leave.drain.cancel();
    agent.leave.now.cancel();
    let mut returned = 0;
    while let Some(message) = receive(&mut link.socket).await {
        if let FromAgent::Returned { attempt, reason } = message {
            assert_eq!(reason, ReturnReason::Draining);
            returned += 1;
            link.send(FromMaster::Acknowledge { attempt }).await;
        }
    }
    assert_eq!(returned, 2);
    assert!(agent.left().await.is_ok());
}

#[tokio::test]
async fn a_draining_agent_finishes_and_takes_no_more() {
    let master = Master::new().await;
    let agent = Agent::start(&master, "secret");
    agent.engine.on_step(OnStep::Hang);
    let mut link = master.welcome(LONG_MS, all).await;
    let (running, late) = (attempt_id(1), attempt_id(2));
    link.dispatch(running, "python").await;
    agent.hanging(1).await;
    link.send(FromMaster::Drain).await;
    link.dispatch(late, "python").await;
    let mut ended = Vec::new();
    while let Some(message) = receive(&mut link.socket).await {
        match message {
            FromAgent::Returned { attempt, reason } => {
                assert_eq!((attempt, reason), (late, ReturnReason::Draining));
                link.send(FromMaster::Acknowledge { attempt }).await;
                link.send(FromMaster::Cancel { attempt: running }).await;
                ended.push(attempt);
            }
            FromAgent::Finished { attempt, .. } => {
                link.send(FromMaster::Acknowledge { attempt }).await;
                ended.push(attempt);
            }
            _ => {}
        }
    }
    assert_eq!(ended, [late, running]);
    assert!(agent.left().await.is_ok());
}

#[tokio::test]
async fn a_refused_token_ends_an_agent_that_never_joined() {
    let master = Master::new().await;
    let agent = Agent::start(&master, "wrong");
    assert!(master.accept().await.is_none());
    assert!(matches!(agent.left().await, Err(LinkError::Refused(_))));
}
