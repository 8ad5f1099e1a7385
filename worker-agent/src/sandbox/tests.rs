//! One sandbox over the fake engine.

use enclos_images::bounds;
use enclos_protocol::job::{Step, Stream};
use enclos_protocol::limits::StepLimits;
use enclos_protocol::outcome::{Outcome, StepFacts, decide};
use enclos_protocol::supervisor_link::StepRequest;

use super::*;
use crate::engine::fake::{FakeEngine, OnStep};
use crate::{stop, testing};

struct Deaf;

impl Listener for Deaf {
    async fn output(&mut self, _stream: Stream, _bytes: Vec<u8>) {}
}

fn limits() -> StepLimits {
    bounds::RUN.defaults()
}

fn request() -> StepRequest {
    StepRequest::plain(vec!["program".into()], Vec::new(), limits())
}

/// A step whose supervisor never answers, under `isolation`.
async fn unanswered_step(isolation: Isolation) -> (Result<StepFacts, SandboxError>, Result<Vec<String>, SandboxError>) {
    let engine = Arc::new(FakeEngine::default());
    engine.on_step(OnStep::Hang);
    let mut host = Arc::into_inner(testing::host(&engine)).expect("nobody else has it");
    host.isolation = isolation;
    let mut sandbox = host.open(1, "image").await.map_err(|(error, _)| error).expect("it opens");
    let room = JobRoom { memory_bytes: 1 << 20, cpus: None };
    sandbox.begin_job(&testing::job("python").1.files, room).await.expect("a job begins");
    let (_stopper, stop) = stop::pair();
    let ran = sandbox.run_step(request(), &stop, &mut Deaf).await;
    (ran, sandbox.end_job().await)
}

#[tokio::test(start_paused = true)]
async fn a_kernel_that_a_program_keeps_busy_is_its_time_limit() {
    let (ran, ended) = unanswered_step(Isolation::Gvisor).await;
    let facts = ran.expect("the step is decided");
    assert!(facts.wall_us > limits().wall_ms * 1000, "{facts:?}");
    assert_eq!(decide(Step::Run, &facts, &limits()), Outcome::TimeLimit);
    assert!(matches!(ended, Err(SandboxError::Late { .. })), "and the sandbox serves nobody any more");
}

#[tokio::test(start_paused = true)]
async fn on_the_hosts_kernel_a_silent_supervisor_is_our_fault() {
    let (ran, _) = unanswered_step(Isolation::Runc).await;
    assert!(matches!(ran, Err(SandboxError::Late { .. })));
}
