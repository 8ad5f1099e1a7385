//! The pool's task over the fake engine.

use enclos_protocol::supervisor_link::SandboxFacts;

use super::*;
use crate::engine::fake::{Failing, FakeEngine, good_facts};
use crate::testing::{BOUNDS, host};

fn key() -> ImageKey {
    ImageKey { name: "gcc".into(), reference: "sandbox-gcc".into() }
}

fn binding(tenant: &str) -> Binding {
    Binding { tenant: tenant.into(), scope: String::new() }
}

/// Runs `test` with a pool, then ends the pool and checks that nothing is left.
async fn with_pool<F: Future<Output = ()>>(engine: &Arc<FakeEngine>, test: impl FnOnce(Pool) -> F) {
    let (pool, task) = Pool::new(host(engine), BOUNDS);
    let mut tasks = JoinSet::new();
    tasks.spawn(task);
    test(pool.clone()).await;
    pool.shutdown().await;
    tasks.join_next().await;
    assert_eq!(engine.live(), 0, "nothing is left");
}

#[tokio::test(start_paused = true)]
async fn a_sandbox_serves_its_binding_again() {
    let engine = Arc::new(FakeEngine::default());
    with_pool(&engine, |pool| async move {
        for _ in 0..3 {
            let claimed = pool.claim(key(), binding("a"), Reuse::Tenant).await.unwrap();
            claimed.give_back(Condition::Clean);
        }
    })
    .await;
    assert_eq!(engine.made(), 1);
}

#[tokio::test(start_paused = true)]
async fn where_a_sandbox_comes_from_is_told_and_starts_and_ends_are_counted() {
    let engine = Arc::new(FakeEngine::default());
    with_pool(&engine, |pool| async move {
        let mut sources = Vec::new();
        let mut claim = async |tenant| {
            let claimed = pool.claim(key(), binding(tenant), Reuse::Tenant).await.unwrap();
            sources.push(claimed.claims());
            claimed.give_back(Condition::Clean);
        };
        claim("a").await;
        claim("a").await;
        pool.stock(key(), 1).await;
        let mut view = pool.view.clone();
        view.wait_for(|view| !view.warm.is_empty()).await.unwrap();
        claim("b").await;
        let none = Claims::default();
        let expected = [Claims { waited: 1, ..none }, Claims { bound: 1, ..none }, Claims { warm: 1, ..none }];
        assert_eq!(sources, expected);
        pool.claim(key(), binding("b"), Reuse::Tenant).await.unwrap().sandbox();
        view.wait_for(|view| view.stops != Durations::default()).await.unwrap();
        let total = |durations: &Durations| durations.counts.iter().sum::<u64>();
        assert!(total(&pool.view().starts) >= 2 && total(&pool.view().stops) == 1);
    })
    .await;
}

/// Killing costs an engine a process more.
#[tokio::test(start_paused = true)]
async fn no_sandbox_has_to_be_killed_that_ends_with_its_standard_input() {
    let engine = Arc::new(FakeEngine::default());
    with_pool(&engine, |pool| async move {
        pool.claim(key(), binding("a"), Reuse::Never).await.unwrap().give_back(Condition::Clean);
        pool.claim(key(), binding("a"), Reuse::Tenant).await.unwrap().sandbox();
        pool.claim(key(), binding("a"), Reuse::Tenant).await.unwrap().give_back(Condition::Clean);
    })
    .await;
    assert_eq!((engine.made(), engine.killed()), (3, 0));
}

#[tokio::test(start_paused = true)]
async fn single_use_and_unclean_sandboxes_are_replaced_and_counted() {
    let engine = Arc::new(FakeEngine::default());
    with_pool(&engine, |pool| async move {
        pool.claim(key(), binding("a"), Reuse::Never).await.unwrap().give_back(Condition::Clean);
        let left = Condition::Leftovers(vec!["process 7".into()]);
        pool.claim(key(), binding("a"), Reuse::Tenant).await.unwrap().give_back(left);
        pool.claim(key(), binding("a"), Reuse::Tenant).await.unwrap().sandbox();
        pool.claim(key(), binding("a"), Reuse::Tenant).await.unwrap().give_back(Condition::Clean);
        let view = pool.view();
        assert_eq!(view.unclean_jobs, 1);
        assert_eq!(view.closed, ClosedSandboxes { single_use: 1, unfit: 2, ..ClosedSandboxes::default() });
    })
    .await;
    assert_eq!(engine.made(), 4);
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_destroyed_at_once_is_destroyed_later() {
    let engine = Arc::new(FakeEngine::default());
    engine.fail(Failing::Remove);
    engine.fail(Failing::Remove);
    with_pool(&engine, |pool| async move {
        pool.claim(key(), binding("a"), Reuse::Never).await.unwrap().give_back(Condition::Clean);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn every_failed_start_is_told_and_cleaned_up() {
    for failing in [Failing::Create, Failing::Attach, Failing::Start] {
        let engine = Arc::new(FakeEngine::default());
        engine.fail(failing);
        with_pool(&engine, |pool| async move {
            let error = pool.claim(key(), binding("a"), Reuse::Tenant).await.err().expect("the start fails");
            assert!(error.to_string().contains("scripted"), "{error}");
            assert!(pool.claim(key(), binding("a"), Reuse::Tenant).await.is_ok(), "the next one works");
        })
        .await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_sandbox_that_breaks_a_promise_is_never_handed_out() {
    let engine = Arc::new(FakeEngine::default());
    engine.find(SandboxFacts { no_new_privileges: false, ..good_facts() });
    with_pool(&engine, |pool| async move {
        let error = pool.claim(key(), binding("a"), Reuse::Tenant).await.err().expect("it is refused");
        assert!(error.to_string().contains("no_new_privs"), "{error}");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn stock_is_kept_and_seen() {
    let engine = Arc::new(FakeEngine::default());
    with_pool(&engine, |pool| async move {
        pool.stock(key(), 2).await;
        let mut view = pool.view.clone();
        view.wait_for(|v| v.warm.get("gcc") == Some(&2)).await.unwrap();
    })
    .await;
    assert_eq!(engine.made(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_withdrawn_claim_takes_no_sandbox_with_it() {
    let engine = Arc::new(FakeEngine::default());
    with_pool(&engine, |pool| async move {
        {
            let claim = pool.claim(key(), binding("a"), Reuse::Tenant);
            let mut claim = std::pin::pin!(claim);
            assert!(futures::poll!(&mut claim).is_pending());
        }
        assert!(pool.claim(key(), binding("b"), Reuse::Tenant).await.is_ok());
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn who_goes_away_before_anything_was_asked_of_a_sandbox_costs_none() {
    let engine = Arc::new(FakeEngine::default());
    with_pool(&engine, |pool| async move {
        for _ in 0..3 {
            drop(pool.claim(key(), binding("a"), Reuse::Tenant).await.unwrap());
        }
        assert_eq!(pool.view().closed, ClosedSandboxes::default());
    })
    .await;
    assert_eq!(engine.made(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_claim_that_waited_has_the_next_tenants_ready() {
    let engine = Arc::new(FakeEngine::default());
    let (pool, task) = Pool::new(host(&engine), Bounds { stock_max: 4, ..BOUNDS });
    let mut tasks = JoinSet::new();
    tasks.spawn(task);
    pool.claim(key(), binding("a"), Reuse::Tenant).await.unwrap().give_back(Condition::Clean);
    let mut view = pool.view.clone();
    let seen = view.wait_for(|view| view.warm.get("gcc") == Some(&1)).await.unwrap().stock["gcc"];
    assert_eq!((seen.warm, seen.wanted), (1, 1));
    assert!(seen.fresh_rate > 0.0);
    let claimed = pool.claim(key(), binding("b"), Reuse::Tenant).await.unwrap();
    assert_eq!(claimed.claims(), Claims { warm: 1, ..Claims::default() });
    claimed.give_back(Condition::Clean);
    pool.shutdown().await;
    tasks.join_next().await;
    assert_eq!(engine.live(), 0, "nothing is left");
}

#[tokio::test(start_paused = true)]
async fn an_idle_sandbox_that_ended_is_not_handed_out() {
    let engine = Arc::new(FakeEngine::default());
    engine.end_early(1);
    with_pool(&engine, |pool| async move {
        pool.stock(key(), 1).await;
        let mut view = pool.view.clone();
        view.wait_for(|v| v.warm.get("gcc") == Some(&1)).await.unwrap();
        tokio::task::yield_now().await;
        let mut claimed = pool.claim(key(), binding("a"), Reuse::Tenant).await.unwrap();
        assert_ne!(claimed.sandbox().number(), 1);
        claimed.give_back(Condition::Clean);
    })
    .await;
}
