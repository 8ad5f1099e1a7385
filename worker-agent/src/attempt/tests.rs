//! Every way through an attempt, over the fake engine.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use enclos_protocol::agent_link::{InputSource, ReturnReason};
use enclos_protocol::measured::{Claims, Lap, Laps};
use enclos_protocol::supervisor_link::{Keep, StdinSource, Workspace};
use tokio::task::JoinSet;

use super::seat::REMAKES_MAX;
use super::*;
use crate::engine::fake::{Failing, FakeEngine, OnStep};
use crate::live;
use crate::pool::Condition;
use crate::stop::{self, Stopper};
use crate::testing::{BOUNDS, FakeImages, attempt_id, host, job, workshop};

/// A workshop, and one attempt in it.
struct Bench {
    engine: Arc<FakeEngine>,
    images: Arc<FakeImages>,
    workshop: Workshop,
    pool_task: JoinSet<()>,
    stopper: Stopper,
    attempt: Option<Attempt>,
    heard: mpsc::Receiver<(AttemptId, Progress)>,
}

impl Bench {
    fn new(language: &str) -> Self {
        let engine = Arc::new(FakeEngine::default());
        let images = Arc::new(FakeImages::default());
        let (pool, task) = Pool::new(host(&engine), BOUNDS);
        let mut pool_task = JoinSet::new();
        pool_task.spawn(task);
        let (stopper, stop) = stop::pair();
        let (progress, heard) = mpsc::channel(64);
        let (spec, input) = job(language);
        let attempt = Attempt {
            id: attempt_id(1),
            spec,
            input: InputSource::Inline(input),
            intake: live::pair().1,
            stop,
            progress,
        };
        let workshop = workshop(pool, Arc::clone(&images));
        Self { engine, images, workshop, pool_task, stopper, attempt: Some(attempt), heard }
    }

    async fn run(&mut self) -> End {
        self.attempt.take().expect("it runs once").run(&self.workshop).await
    }

    /// Stops the attempt for `cause` once `reached` is.
    async fn run_stopped<F: Future<Output = ()>>(&mut self, cause: Cause, reached: F) -> End {
        let attempt = self.attempt.take().expect("it runs once");
        let stop = async {
            reached.await;
            self.stopper.stop(cause);
        };
        tokio::join!(attempt.run(&self.workshop), stop).0
    }

    fn heard(&mut self) -> Vec<Progress> {
        std::iter::from_fn(|| self.heard.try_recv().ok()).map(|(_, progress)| progress).collect()
    }

    /// Ends the pool; nothing may be left.
    async fn finish(mut self) -> usize {
        self.workshop.pool.shutdown().await;
        self.pool_task.join_next().await;
        assert_eq!(self.engine.live(), 0, "nothing is left");
        self.engine.made()
    }
}

fn report(end: End) -> JobReport {
    match end {
        End::Finished(report) => *report,
        other => panic!("not finished: {other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn a_compiled_job_compiles_then_runs_what_was_kept() {
    let mut bench = Bench::new("c");
    bench.engine.on_step(OnStep::Print("warning", 0));
    let report = report(bench.run().await);
    assert_eq!(report.outcome, Outcome::Ok);
    assert!(report.compile.is_some() && report.run.is_some());
    let heard = bench.heard();
    let output = |step, text: &str| Progress::Output(step, Stream::Stdout, text.as_bytes().to_vec());
    let expected = [
        Progress::Started(Step::Compile),
        output(Step::Compile, "warning"),
        Progress::Started(Step::Run),
        output(Step::Run, "hello"),
    ];
    assert_eq!(heard, expected);
    let asked = bench.engine.asked.lock().unwrap().clone();
    assert_eq!((asked[0].workspace, asked[0].keep.clone()), (Workspace::Inputs, Keep::Workspace));
    assert_eq!((asked[0].stdin, asked[1].stdin), (StdinSource::Empty, StdinSource::Staged));
    assert_eq!((asked[1].workspace, asked[1].keep.clone()), (Workspace::Kept, Keep::Nothing));
    assert_eq!(asked[1].argv, ["./main", "a b"]);
    let value = |name: &str| asked[1].env.iter().filter(|(n, _)| n == name).map(|(_, v)| v.clone()).collect::<Vec<_>>();
    assert_eq!((value("NAME"), value("LANG")), (vec!["v".to_owned()], vec!["C".to_owned()]));
    assert!(!asked[0].env.iter().any(|(n, _)| n == "NAME"), "the compiler does not see the program's environment");
    bench.finish().await;
}

#[tokio::test(start_paused = true)]
async fn the_laps_of_an_attempt_follow_one_another() {
    let mut bench = Bench::new("c");
    let laps = *report(bench.run().await).laps.expect("they are told");
    let Laps { whole_us, input, image, sandbox, compile, run, cases, leave, files, claims } = laps;
    let mut at = 0;
    for lap in [input, image, sandbox, compile, run, leave] {
        let Lap { from_us, to_us } = lap.expect("a job that compiles and runs has it");
        assert!(at <= from_us && from_us <= to_us, "{lap:?} comes after {at}");
        at = to_us;
    }
    assert!(at <= whole_us && cases.is_empty() && files.is_none());
    assert_eq!(claims, Claims { waited: 1, ..Claims::default() });
    bench.finish().await;
}

#[tokio::test(start_paused = true)]
async fn a_compile_error_ends_the_job() {
    let mut bench = Bench::new("c");
    bench.engine.on_step(OnStep::Print("error", 1));
    let report = report(bench.run().await);
    assert_eq!(report.outcome, Outcome::CompileError);
    assert!(report.run.is_none());
    bench.finish().await;
}

#[tokio::test(start_paused = true)]
async fn a_failing_program_costs_no_sandbox() {
    let killed = |stop| OnStep::Killed(9, Some(stop));
    let failures = [
        (OnStep::Print("", 3), Outcome::RuntimeError),
        (OnStep::Killed(11, None), Outcome::RuntimeError),
        (killed(outcome::Stop::WallLimit), Outcome::TimeLimit),
        (killed(outcome::Stop::CpuLimit), Outcome::TimeLimit),
        (killed(outcome::Stop::MemoryLimit), Outcome::MemoryLimit),
        (killed(outcome::Stop::OutputLimit), Outcome::OutputLimit),
        (killed(outcome::Stop::ProcessLimit), Outcome::ProcessLimit),
    ];
    let in_compile = [(OnStep::Print("", 1), Outcome::CompileError), failures[2].clone(), failures[4].clone()];
    let in_run = failures.iter().map(|failure| ("python", failure));
    for (language, (on_step, expected)) in in_run.chain(in_compile.iter().map(|failure| ("c", failure))) {
        let mut bench = Bench::new(language);
        bench.engine.on_step(on_step.clone());
        assert_eq!(report(bench.run().await).outcome, *expected, "{on_step:?}");
        let binding = job(language).0.binding;
        let image = if language == "c" { "gcc" } else { language };
        let key = crate::pool::ImageKey { name: image.into(), reference: format!("sandbox-{image}") };
        bench.workshop.pool.claim(key, binding, Reuse::Tenant).await.unwrap().give_back(Condition::Clean);
        assert_eq!(bench.finish().await, 1, "{on_step:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_sandbox_that_fails_mid_step_returns_the_job() {
    for on_step in [OnStep::Die, OnStep::Fault, OnStep::Garble, OnStep::Flood] {
        let mut bench = Bench::new("python");
        bench.engine.on_step(on_step.clone());
        let end = bench.run().await;
        assert!(matches!(&end, End::Returned(ReturnReason::Failed { .. })), "{on_step:?}: {end:?}");
        bench.finish().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_supervisor_that_takes_more_input_than_there_was_costs_its_sandbox_and_tells_nobody() {
    let mut bench = Bench::new("python");
    bench.engine.on_step(OnStep::Overtake);
    let end = bench.run().await;
    let End::Returned(ReturnReason::Failed { message, .. }) = &end else { panic!("{end:?}") };
    assert!(message.contains("more live input than it was given"), "{message}");
    assert_eq!(bench.heard(), [Progress::Started(Step::Run)]);
    let binding = job("python").0.binding;
    let key = crate::pool::ImageKey { name: "python".into(), reference: "sandbox-python".into() };
    bench.workshop.pool.claim(key, binding, Reuse::Tenant).await.unwrap().give_back(Condition::Clean);
    assert_eq!(bench.finish().await, 2, "it serves no other");
}

#[tokio::test(start_paused = true)]
async fn a_failed_start_returns_the_job() {
    for failing in [Failing::Create, Failing::Attach, Failing::Start] {
        let mut bench = Bench::new("python");
        bench.engine.fail(failing);
        assert!(matches!(bench.run().await, End::Returned(ReturnReason::Failed { .. })));
        bench.finish().await;
    }
}

#[tokio::test(start_paused = true)]
async fn what_an_engine_takes_with_it_is_laid_to_the_engine() {
    for vanishes in [true, false] {
        let mut bench = Bench::new("python");
        let key = crate::pool::ImageKey { name: "python".into(), reference: "sandbox-python".into() };
        bench.workshop.pool.stock(key, 1).await;
        while bench.workshop.pool.view().warm.is_empty() {
            tokio::task::yield_now().await;
        }
        if vanishes {
            bench.engine.vanish();
        }
        bench.engine.on_step(OnStep::Die);
        let end = bench.run().await;
        let End::Returned(ReturnReason::Failed { engine_gone, .. }) = end else { panic!("{end:?}") };
        assert_eq!(engine_gone, vanishes);
        bench.finish().await;
    }
}

#[tokio::test(start_paused = true)]
async fn no_sandbox_for_want_of_an_engine_is_laid_to_the_engine() {
    let mut bench = Bench::new("python");
    bench.engine.vanish();
    let end = bench.run().await;
    assert!(matches!(end, End::Returned(ReturnReason::Failed { engine_gone: true, .. })), "{end:?}");
    assert_eq!(bench.finish().await, 0);
}

#[tokio::test(start_paused = true)]
async fn an_image_that_cannot_be_made_costs_the_job_no_attempt() {
    let mut bench = Bench::new("python");
    bench.images.gate.send_replace(Some(false));
    assert_eq!(bench.run().await, End::Returned(ReturnReason::NoRoom));
    assert_eq!(bench.finish().await, 0);
}

#[tokio::test(start_paused = true)]
async fn an_image_that_was_removed_is_made_anew_within_the_attempt() {
    let mut bench = Bench::new("python");
    bench.engine.fail(Failing::NoImage);
    assert_eq!(report(bench.run().await).outcome, Outcome::Ok);
    assert_eq!(bench.images.vanished.load(Ordering::Relaxed), 1);
    bench.finish().await;
}

#[tokio::test(start_paused = true)]
async fn an_image_that_is_always_gone_ends_the_attempt() {
    let mut bench = Bench::new("python");
    for _ in 0..=REMAKES_MAX {
        bench.engine.fail(Failing::NoImage);
    }
    assert!(matches!(bench.run().await, End::Returned(ReturnReason::Failed { .. })));
    assert_eq!(bench.images.vanished.load(Ordering::Relaxed), 2);
    assert_eq!(bench.finish().await, 0);
}

#[tokio::test(start_paused = true)]
async fn what_this_agent_cannot_do_returns_the_job() {
    let changes: [fn(&mut JobSpec); 3] = [
        |spec| spec.language = "klingon".into(),
        |spec| spec.isolation = Isolation::Gvisor,
        |spec| spec.entry = enclos_protocol::job::JobPath::try_from("other.py".to_owned()).unwrap(),
    ];
    for change in changes {
        let mut bench = Bench::new("python");
        change(&mut bench.attempt.as_mut().unwrap().spec);
        assert!(matches!(bench.run().await, End::Returned(ReturnReason::Failed { .. })));
        assert_eq!(bench.finish().await, 0);
    }
}

const CAUSES: [Cause; 4] = [Cause::Cancelled, Cause::Draining, Cause::Abandoned, Cause::OutOfWindow];

fn expected(cause: Cause, end: &End) -> bool {
    match cause {
        Cause::Cancelled => matches!(end, End::Finished(report) if report.outcome == Outcome::Cancelled),
        Cause::Draining => *end == End::Returned(ReturnReason::Draining),
        Cause::Abandoned => *end == End::Nothing,
        Cause::OutOfWindow => {
            matches!(end, End::Returned(ReturnReason::Failed { message, .. }) if message.contains("gap"))
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_stop_before_any_sandbox_makes_none() {
    for cause in CAUSES {
        let mut bench = Bench::new("c");
        let end = bench.run_stopped(cause, std::future::ready(())).await;
        assert!(expected(cause, &end), "{cause:?}: {end:?}");
        bench.finish().await;

        let mut bench = Bench::new("c");
        bench.images.gate.send_replace(None);
        let end = bench.run_stopped(cause, tokio::task::yield_now()).await;
        assert!(expected(cause, &end), "{cause:?}: {end:?}");
        assert_eq!(bench.finish().await, 0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_stop_in_a_step_ends_it_and_keeps_the_sandbox() {
    for cause in CAUSES {
        for compiles in [true, false] {
            let mut bench = Bench::new("c");
            if !compiles {
                bench.engine.on_step(OnStep::Print("", 0));
            }
            bench.engine.on_step(OnStep::Hang);
            let mut hanging = bench.engine.hanging.subscribe();
            let reached = async move {
                hanging.wait_for(|n| *n > 0).await.expect("the engine lives");
            };
            let end = bench.run_stopped(cause, reached).await;
            assert!(expected(cause, &end), "{cause:?}: {end:?}");
            if let End::Finished(report) = &end {
                let stopped = if compiles { &report.compile } else { &report.run };
                assert_eq!(stopped.as_ref().map(|s| s.outcome), Some(Outcome::Cancelled));
            }
            let (spec, _) = job("c");
            let key = crate::pool::ImageKey { name: "gcc".into(), reference: "sandbox-gcc".into() };
            bench.workshop.pool.claim(key, spec.binding, Reuse::Tenant).await.unwrap().give_back(Condition::Clean);
            assert_eq!(bench.finish().await, 1, "the sandbox served on");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_cancel_answered_by_silence_still_ends_as_cancelled() {
    let mut bench = Bench::new("python");
    bench.engine.on_step(OnStep::Die);
    let end = bench.run_stopped(Cause::Cancelled, tokio::task::yield_now()).await;
    assert!(expected(Cause::Cancelled, &end), "{end:?}");
    bench.finish().await;
}

#[tokio::test(start_paused = true)]
async fn a_job_that_left_something_is_answered_and_its_sandbox_destroyed() {
    let mut bench = Bench::new("python");
    bench.engine.leave(&["process 7"]);
    assert_eq!(report(bench.run().await).outcome, Outcome::Ok);
    // The pool hears of it a moment later.
    while bench.workshop.pool.view().unclean_jobs == 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(bench.finish().await, 1);
}
