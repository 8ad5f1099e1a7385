//! Cases over the fake engine, and a master of few words that gives them by pages.

use std::sync::Arc;

use enclos_protocol::agent_link::{InputSource, ReturnReason};
use enclos_protocol::cases::{Case, CasePage, CasePlan, CaseReport, Checker, Companion, Judging, Verdict};
use enclos_protocol::job::{JobFile, JobPath};
use enclos_protocol::supervisor_link::{Tree, Workspace};
use serde_bytes::ByteBuf;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::super::*;
use crate::engine::fake::{FakeEngine, OnStep};
use crate::stop::{self, Stopper};
use crate::testing::{BOUNDS, FakeImages, attempt_id, host, job, workshop};

/// Cases of one page.
const PAGE: usize = 2;

/// A workshop and a master with cases.
struct Court {
    engine: Arc<FakeEngine>,
    workshop: Workshop,
    /// The pool's task, and the master's.
    tasks: JoinSet<()>,
    spec: JobSpec,
    input: JobInput,
    heard: Vec<Progress>,
    stopper: Stopper,
    stop: Stop,
}

impl Court {
    async fn new(language: &str, cases: Vec<Case>, judging: Judging) -> Self {
        let engine = Arc::new(FakeEngine::default());
        let (pool, task) = Pool::new(host(&engine), BOUNDS);
        let mut tasks = JoinSet::new();
        tasks.spawn(task);
        let (mut spec, mut input) = job(language);
        input.stdin = ByteBuf::new();
        let count = u32::try_from(cases.len()).expect("few");
        spec.cases = Some(CasePlan { count, judging, stop_on_first_failure: false, largest: spec.run_limits });
        let mut workshop = workshop(pool, Arc::new(FakeImages::default()));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback has a free port");
        let base = format!("http://{}", listener.local_addr().expect("it is bound"));
        tasks.spawn(serve(listener, cases));
        workshop.inputs = crate::testing::inputs(&base);
        let (stopper, stop) = stop::pair();
        Self { engine, workshop, tasks, spec, input, heard: Vec::new(), stopper, stop }
    }

    fn plan(&mut self) -> &mut CasePlan {
        self.spec.cases.as_mut().expect("it has cases")
    }

    async fn run(&mut self) -> End {
        let (progress, mut heard) = mpsc::channel(1024);
        let (id, spec, stop) = (attempt_id(1), self.spec.clone(), self.stop.clone());
        let attempt = Attempt {
            id,
            spec,
            input: InputSource::Inline(self.input.clone()),
            intake: crate::live::pair().1,
            stop,
            progress,
        };
        let end = attempt.run(&self.workshop).await;
        self.heard = std::iter::from_fn(|| heard.try_recv().ok()).map(|(_, progress)| progress).collect();
        end
    }

    async fn report(&mut self) -> (JobReport, Vec<CaseReport>) {
        let End::Finished(report) = self.run().await else { panic!("not finished") };
        let cases = self.heard.iter().filter_map(|progress| match progress {
            Progress::Case(_, report) => Some((**report).clone()),
            _ => None,
        });
        (*report, cases.collect())
    }

    async fn verdicts(&mut self) -> Vec<Verdict> {
        self.report().await.1.iter().map(|case| case.verdict).collect()
    }

    /// Ends the pool; nothing may be left. Gives how many sandboxes there were.
    async fn finish(mut self) -> usize {
        self.workshop.pool.shutdown().await;
        // The pool's task ends; the master's never does.
        self.tasks.join_next().await;
        assert_eq!(self.engine.live(), 0, "nothing is left");
        self.engine.made()
    }
}

/// Answers every request with the page that it asks for.
async fn serve(listener: TcpListener, cases: Vec<Case>) {
    while let Ok((mut stream, _)) = listener.accept().await {
        let mut request = Vec::new();
        while !request.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            let Ok(1) = stream.read(&mut byte).await else { break };
            request.push(byte[0]);
        }
        let text = String::from_utf8_lossy(&request);
        let from = text.split("from=").nth(1).and_then(|rest| rest.split(' ').next()?.parse::<usize>().ok());
        let from = from.expect("a number is asked for");
        let page: Vec<Case> = cases.iter().skip(from).take(PAGE).cloned().collect();
        let after = from + page.len();
        let next = (after < cases.len()).then(|| u32::try_from(after).expect("few"));
        let mut body = Vec::new();
        ciborium::into_writer(&CasePage { cases: page, next }, &mut body).expect("it can be written");
        let head = format!("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {}\r\n\r\n", body.len());
        let _ = stream.write_all(&[head.as_bytes(), &body].concat()).await;
        let _ = stream.shutdown().await;
    }
}

fn case(expected: &str) -> Case {
    Case { expected: Some(expected.as_bytes().to_vec().into()), ..Case::default() }
}

const TOKENS: Judging = Judging::Output(Checker::Tokens { ignore_case: false });

fn companion() -> Box<Companion> {
    let (spec, _) = job("c");
    Box::new(Companion {
        language: "c".into(),
        entry: spec.entry,
        compile_args: Vec::new(),
        args: vec!["extra".into()],
        compile_limits: spec.compile_limits,
        run_limits: spec.run_limits,
    })
}

fn companion_files() -> Vec<JobFile> {
    vec![JobFile { path: JobPath::try_from("main.c".to_owned()).unwrap(), content: b"judge".to_vec().into() }]
}

#[tokio::test]
async fn one_compile_step_serves_all_cases_and_each_is_judged() {
    let mut court = Court::new("c", vec![case("hello"), case("other"), case(" hello\n")], TOKENS).await;
    court.engine.on_step(OnStep::Print("", 0));
    let (report, cases) = court.report().await;
    assert_eq!((report.outcome, report.run), (Outcome::Ok, None));
    let verdicts: Vec<Verdict> = cases.iter().map(|case| case.verdict).collect();
    assert_eq!(verdicts, [Verdict::Accepted, Verdict::WrongAnswer, Verdict::Accepted]);
    assert_eq!(cases[1].feedback.as_deref(), Some("the output is wrong in line 1"));
    let order: Vec<String> = court
        .heard
        .iter()
        .map(|progress| match progress {
            Progress::Installing | Progress::Stdin { .. } => format!("{progress:?}"),
            Progress::Started(step) => format!("{step:?}"),
            Progress::Output(step, ..) => format!("{step:?} wrote"),
            Progress::Case(number, _) => format!("{number} ended"),
        })
        .collect();
    let of_case = |n: u32| [format!("Case({n})"), format!("Case({n}) wrote"), format!("{n} ended")];
    let expected: Vec<String> = ["Compile".to_owned()].into_iter().chain((0..3).flat_map(of_case)).collect();
    assert_eq!(order, expected);
    let asked = court.engine.asked.lock().unwrap().clone();
    assert_eq!(asked.len(), 4);
    assert!(asked[1..].iter().all(|step| step.workspace == Workspace::Kept && !step.extras && step.whole_stdout));
    assert_eq!(court.finish().await, 1);
}

#[tokio::test]
async fn how_a_program_ends_counts_before_what_it_wrote() {
    let mut court = Court::new("python", vec![case("hello"), Case::default()], TOKENS).await;
    court.engine.on_step(OnStep::Print("hello", 3));
    court.engine.on_step(OnStep::Print("anything", 0));
    assert_eq!(court.verdicts().await, [Verdict::Ended(Outcome::RuntimeError), Verdict::Accepted]);
    court.finish().await;
}

#[tokio::test]
async fn nothing_is_run_after_a_failure_where_that_is_asked_for() {
    let mut court = Court::new("python", vec![case("hello"), case("no"), case("hello"), case("hello")], TOKENS).await;
    court.plan().stop_on_first_failure = true;
    assert_eq!(court.verdicts().await, [Verdict::Accepted, Verdict::WrongAnswer]);
    assert_eq!(court.engine.asked.lock().unwrap().len(), 2);
    court.finish().await;
}

#[tokio::test]
async fn cases_that_the_plan_does_not_cover_are_not_run() {
    let mut larger = job("python").0.run_limits;
    larger.memory_bytes += 1;
    let mut court = Court::new("python", vec![Case { limits: Some(larger), ..Case::default() }], TOKENS).await;
    assert!(matches!(court.run().await, End::Returned(ReturnReason::Failed { .. })));
    assert!(court.engine.asked.lock().unwrap().is_empty());
    court.finish().await;
    for count in [1, 3] {
        let mut court = Court::new("python", vec![case("hello"), case("hello")], TOKENS).await;
        court.plan().count = count;
        assert!(matches!(court.run().await, End::Returned(ReturnReason::Failed { .. })), "{count}");
        court.finish().await;
    }
}

#[tokio::test]
async fn a_cancelled_case_ends_the_job_as_cancelled() {
    let mut court = Court::new("python", vec![case("hello"), case("hello"), case("hello")], TOKENS).await;
    court.engine.on_step(OnStep::Print("hello", 0));
    court.engine.on_step(OnStep::Hang);
    let mut hanging = court.engine.hanging.subscribe();
    let (stopper, _other) = stop::pair();
    let stopper = std::mem::replace(&mut court.stopper, stopper);
    let reached = async move {
        hanging.wait_for(|n| *n > 0).await.expect("the engine lives");
        stopper.stop(Cause::Cancelled);
        stopper
    };
    let ((report, cases), _stopper) = tokio::join!(court.report(), reached);
    assert_eq!(report.outcome, Outcome::Cancelled);
    let verdicts: Vec<Verdict> = cases.iter().map(|case| case.verdict).collect();
    assert_eq!(verdicts, [Verdict::Accepted, Verdict::Ended(Outcome::Cancelled)]);
    court.finish().await;
}

#[tokio::test]
async fn what_is_kept_of_all_output_together_is_bounded() {
    const LINE: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcde\n";
    let long: &'static str = Box::leak(LINE.repeat(1024).into_boxed_str());
    let mut court = Court::new("python", vec![case(long); 3], TOKENS).await;
    court.spec.run_limits.report_bytes = 40_000;
    for _ in 0..3 {
        court.engine.on_step(OnStep::Print(long, 0));
    }
    assert_eq!(court.verdicts().await, [Verdict::Accepted; 3], "all of it is judged");
    let told: usize =
        court.heard.iter().filter_map(|p| if let Progress::Output(_, _, b) = p { Some(b.len()) } else { None }).sum();
    assert_eq!(told, 3 * 40_000);
    court.finish().await;
}

#[tokio::test]
async fn a_second_compile_of_the_same_is_remembered_unless_it_is_refused() {
    let mut court = Court::new("c", vec![Case::default()], TOKENS).await;
    court.engine.on_step(OnStep::Print("warning", 0));
    court.engine.give(Tree::Kept, b"tree");
    assert!(!court.report().await.0.compile.unwrap().cached);
    let first = std::mem::take(&mut court.heard);
    let (report, _) = court.report().await;
    assert!(report.compile.unwrap().cached);
    assert_eq!(court.heard[..2], first[..2], "what the compiler wrote is told again");
    assert_eq!(court.engine.asked.lock().unwrap().len(), 3, "it did not run again");
    assert_eq!(court.workshop.cache.hints().len(), 1);
    court.spec.no_cache = true;
    assert!(!court.report().await.0.compile.unwrap().cached);
    court.spec.no_cache = false;
    court.spec.binding.scope = "other".into();
    assert!(!court.report().await.0.compile.unwrap().cached);
    court.finish().await;
}

#[tokio::test]
async fn a_failed_compile_is_not_remembered() {
    let mut court = Court::new("c", vec![Case::default()], TOKENS).await;
    for _ in 0..2 {
        court.engine.on_step(OnStep::Print("error", 1));
        assert_eq!(court.report().await.0.outcome, Outcome::CompileError);
    }
    assert!(court.workshop.cache.hints().is_empty());
    court.finish().await;
}

#[tokio::test]
async fn a_submitted_checker_judges_in_a_sandbox_of_its_own() {
    let judging = Judging::Output(Checker::Program(companion()));
    let mut court = Court::new("c", vec![case("answer"), case("answer"), case("answer")], judging).await;
    court.input.companion = companion_files();
    let (right, wrong, broken) = (OnStep::Print("", 42), OnStep::Print("", 43), OnStep::Print("", 1));
    for step in [OnStep::Print("", 0), OnStep::Print("", 0)] {
        court.engine.on_step(step);
    }
    for verdict in [right, wrong, broken] {
        court.engine.on_step(OnStep::Print("out", 0));
        court.engine.on_step(verdict);
    }
    let (report, cases) = court.report().await;
    assert!(report.companion.is_some_and(|report| report.outcome == Outcome::Ok));
    let verdicts: Vec<Verdict> = cases.iter().map(|case| case.verdict).collect();
    assert_eq!(verdicts, [Verdict::Accepted, Verdict::WrongAnswer, Verdict::CheckerError]);
    let asked = court.engine.asked.lock().unwrap().clone();
    let judges: Vec<bool> = asked.iter().map(|step| step.extras).collect();
    assert_eq!(judges, [false, false, false, true, false, true, false, true]);
    assert_eq!(asked[3].argv[1..], ["/job/.judge/input", "/job/.judge/answer", "/job/.judge/feedback/", "extra"]);
    assert_eq!(court.finish().await, 2, "it shares none with the program");
}

#[tokio::test]
async fn a_checker_that_does_not_compile_ends_the_job_with_its_own_report() {
    let judging = Judging::Output(Checker::Program(companion()));
    let mut court = Court::new("python", vec![case("answer")], judging).await;
    court.input.companion = companion_files();
    court.engine.on_step(OnStep::Print("error", 1));
    let (report, cases) = court.report().await;
    assert_eq!((report.outcome, cases.len()), (Outcome::CompileError, 0));
    assert!(report.message.unwrap().starts_with("the checker or interactor did not compile"));
    assert_eq!(court.heard[1], Progress::Output(Step::Companion, Stream::Stdout, b"error".to_vec()));
    court.finish().await;
}
