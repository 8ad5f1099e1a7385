//! Attempts of jobs with dependencies, over a fake engine and a fake bench.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use clap::Parser;
use enclos_protocol::agent_link::{InputSource, ReturnReason};
use enclos_protocol::dependencies::{Package, Wanted};
use enclos_protocol::job::JobReport;
use enclos_protocol::outcome::Exit;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::*;
use crate::builder::flags::DependencyFlags;
use crate::builder::{Bench, Derived, Listed};
use crate::engine::fake::{Failing, FakeEngine};
use crate::pool::Pool;
use crate::stop;
use crate::testing::{BOUNDS, FakeImages, attempt_id, host, job, workshop};

/// Installations that come to what was said beforehand; without a word they go well.
#[derive(Default)]
struct FakeBench {
    answers: Mutex<VecDeque<NotInstalled>>,
    orders: Mutex<Vec<Order>>,
}

impl Bench for FakeBench {
    fn list(&self) -> BoxFuture<'_, Result<Vec<Listed>, String>> {
        async { Ok(Vec::new()) }.boxed()
    }

    fn install<'a>(&'a self, order: &'a Order) -> BoxFuture<'a, Result<Derived, NotInstalled>> {
        async {
            self.orders.lock().unwrap().push(order.clone());
            if let Some(error) = self.answers.lock().unwrap().pop_front() {
                return Err(error);
            }
            let packages = vec![Package { name: "numpy".into(), version: "2".into() }];
            let made_unix_s = crate::sandbox::unix_seconds();
            Ok(Derived { id: "derived".into(), packages, size_bytes: 1, made_unix_s })
        }
        .boxed()
    }

    fn tidy(&self) -> BoxFuture<'_, ()> {
        async {}.boxed()
    }

    fn remove<'a>(&'a self, _reference: &'a str) -> BoxFuture<'a, bool> {
        async { true }.boxed()
    }
}

#[derive(Parser)]
struct Line {
    #[command(flatten)]
    flags: DependencyFlags,
}

/// What an attempt came to, what it told, and what was ordered.
struct Ran {
    end: super::super::End,
    told: Vec<Progress>,
    orders: Vec<Order>,
    vanished: usize,
}

impl Ran {
    fn report(&self) -> &JobReport {
        match &self.end {
            super::super::End::Finished(report) => report,
            other => panic!("not finished: {other:?}"),
        }
    }
}

/// Runs the same job `times` times, one after the other; the last.
async fn run(times: usize, installer: &str, answers: Vec<NotInstalled>, engine: FakeEngine) -> Ran {
    let engine = Arc::new(engine);
    let images = Arc::new(FakeImages::default());
    let bench = Arc::new(FakeBench { answers: Mutex::new(answers.into()), ..FakeBench::default() });
    let (pool, task) = Pool::new(host(&engine), BOUNDS);
    let mut pool_task = JoinSet::new();
    pool_task.spawn(task);
    let mut workshop = workshop(pool.clone(), Arc::clone(&images));
    let config = DependencyConfig::check(&Line::parse_from(["x"]).flags, &workshop.catalogue).unwrap().unwrap();
    let dependencies = Dependencies::new(Arc::clone(&bench) as _, "a", config.bounds, 1);
    workshop.installs = Some(Installs { agent: "a".parse().unwrap(), config, dependencies });
    let mut ran = None;
    for counter in 0..times {
        let (_stopper, stop) = stop::pair();
        let (progress, mut heard) = mpsc::channel(64);
        let (mut spec, input) = job("python");
        spec.dependencies = Some(Wanted { installer: installer.into(), requirements: vec!["numpy==2.*".into()] });
        let id = attempt_id(u64::try_from(counter).unwrap());
        let attempt =
            Attempt { id, spec, input: InputSource::Inline(input), intake: crate::live::pair().1, stop, progress };
        let end = attempt.run(&workshop).await;
        let told = std::iter::from_fn(|| heard.try_recv().ok()).map(|(_, progress)| progress).collect();
        let orders = bench.orders.lock().unwrap().clone();
        let vanished = images.vanished.load(std::sync::atomic::Ordering::Relaxed);
        ran = Some(Ran { end, told, orders, vanished });
    }
    pool.shutdown().await;
    pool_task.join_next().await;
    assert_eq!(engine.live(), 0, "nothing is left");
    ran.expect("it ran")
}

#[tokio::test(start_paused = true)]
async fn a_job_starts_from_an_image_with_its_dependencies() {
    let ran = run(1, "python", Vec::new(), FakeEngine::default()).await;
    let installed = ran.report().dependencies.clone().unwrap();
    assert_eq!((ran.report().outcome, installed.cached, installed.packages.len()), (Outcome::Ok, false, 1));
    assert_eq!(ran.told[0], Progress::Installing);
    assert_eq!(ran.orders[0].requirements, ["numpy==2.*"]);
    assert_eq!(ran.orders[0].base.reference, "sandbox-python");
}

#[tokio::test(start_paused = true)]
async fn the_second_job_waits_for_nothing() {
    let ran = run(2, "python", Vec::new(), FakeEngine::default()).await;
    assert!(ran.report().dependencies.as_ref().unwrap().cached);
    assert!(!ran.told.contains(&Progress::Installing));
    assert_eq!(ran.orders.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_job_without_a_turn_goes_back_uncounted() {
    let ran = run(1, "python", vec![NotInstalled::NoRoom], FakeEngine::default()).await;
    assert_eq!(ran.end, super::super::End::Returned(ReturnReason::NoRoom));
}

#[tokio::test(start_paused = true)]
async fn a_refusal_ends_the_job_as_one_that_was_not_compiled() {
    let log = [vec![b'x'; 70_000], b"why".to_vec()].concat();
    let refusal = Refusal {
        problem: "no such package".into(),
        log,
        exit: Some(Exit::Code(1)),
        wall_us: 7,
        cpu_us: 5,
        memory_peak_bytes: 3,
    };
    let ran = run(1, "python", vec![NotInstalled::Refused(Arc::new(refusal))], FakeEngine::default()).await;
    let report = ran.report();
    assert_eq!((report.outcome, report.run.as_ref()), (Outcome::CompileError, None));
    assert_eq!(report.message.as_deref(), Some("the dependencies cannot be installed: no such package"));
    let kept: Vec<u8> = ran
        .told
        .iter()
        .filter_map(|p| match p {
            Progress::Output(Step::Compile, Stream::Stderr, bytes) => Some(bytes.clone()),
            _ => None,
        })
        .flatten()
        .collect();
    assert!(kept.len() == 64 * 1024 && kept.ends_with(b"why"), "the end of the log, within its limit");
    assert_eq!(report.compile.as_ref().unwrap().facts.stderr_bytes, 70_003);
}

#[tokio::test(start_paused = true)]
async fn a_failure_of_ours_returns_the_job() {
    let failed = NotInstalled::Failed("the package index cannot be reached".into());
    let ran = run(1, "python", vec![failed], FakeEngine::default()).await;
    let super::super::End::Returned(ReturnReason::Failed { message, .. }) = &ran.end else { panic!("{:?}", ran.end) };
    assert!(message.contains("cannot be reached"), "{message}");
    let ran = run(1, "pypi", Vec::new(), FakeEngine::default()).await;
    assert!(matches!(ran.end, super::super::End::Returned(ReturnReason::Failed { .. })));
    assert!(ran.orders.is_empty());
}

#[tokio::test(start_paused = true)]
async fn an_image_that_is_gone_is_made_again_within_the_attempt() {
    let engine = FakeEngine::default();
    engine.fail(Failing::NoImage);
    let ran = run(1, "python", Vec::new(), engine).await;
    assert_eq!((ran.report().outcome, ran.orders.len(), ran.vanished), (Outcome::Ok, 2, 0));
    let ran = run(1, "python", vec![NotInstalled::NoBase("python".into())], FakeEngine::default()).await;
    assert_eq!((ran.report().outcome, ran.orders.len(), ran.vanished), (Outcome::Ok, 2, 1), "the base, too");
}
