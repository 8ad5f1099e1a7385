//! Who asks for the same thing waits for one installation; others take turns.

use std::sync::atomic::{AtomicUsize, Ordering};

use enclos_images::Catalogue;
use enclos_protocol::ids::{AgentName, Binding};
use futures::FutureExt as _;
use futures::future::BoxFuture;

use super::super::refusals::REMEMBERED;
use super::super::{Listed, Refusal};
use super::*;
use crate::pool::ImageKey;

/// Installs when the gate opens.
struct FakeBench {
    gate: watch::Sender<bool>,
    installs: watch::Sender<usize>,
    /// What was asked for, in the order of turns.
    turns: Mutex<Vec<String>>,
    tidied: watch::Sender<usize>,
    at_once: AtomicUsize,
    at_once_max: AtomicUsize,
    refuses: bool,
    listed: Vec<Listed>,
    removed: Mutex<Vec<String>>,
    in_use: Mutex<Vec<String>>,
}

impl Default for FakeBench {
    fn default() -> Self {
        Self {
            gate: watch::Sender::new(true),
            installs: watch::Sender::new(0),
            turns: Mutex::default(),
            tidied: watch::Sender::new(0),
            at_once: AtomicUsize::new(0),
            at_once_max: AtomicUsize::new(0),
            refuses: false,
            listed: Vec::new(),
            removed: Mutex::default(),
            in_use: Mutex::default(),
        }
    }
}

impl Bench for FakeBench {
    fn list(&self) -> BoxFuture<'_, Result<Vec<Listed>, String>> {
        async { Ok(self.listed.clone()) }.boxed()
    }

    fn install<'a>(&'a self, order: &'a Order) -> BoxFuture<'a, Result<Derived, NotInstalled>> {
        async {
            self.turns.lock().unwrap().push(order.requirements[0].clone());
            let mut number = 0;
            self.installs.send_modify(|count| {
                *count += 1;
                number = *count;
            });
            let now = self.at_once.fetch_add(1, Ordering::SeqCst) + 1;
            self.at_once_max.fetch_max(now, Ordering::SeqCst);
            let _ = self.gate.subscribe().wait_for(|open| *open).await;
            if self.refuses {
                let problem = "no such package".to_owned();
                let refusal =
                    Refusal { problem, log: Vec::new(), exit: None, wall_us: 0, cpu_us: 0, memory_peak_bytes: 0 };
                return Err(NotInstalled::Refused(Arc::new(refusal)));
            }
            Ok(image(&format!("{}-{number}", order.requirements[0]), 1, unix_seconds()))
        }
        .boxed()
    }

    fn tidy(&self) -> BoxFuture<'_, ()> {
        async {
            self.tidied.send_modify(|count| *count += 1);
            self.at_once.fetch_sub(1, Ordering::SeqCst);
        }
        .boxed()
    }

    fn remove<'a>(&'a self, id: &'a str) -> BoxFuture<'a, bool> {
        async move {
            let in_use = self.in_use.lock().unwrap().iter().any(|used| used == id);
            if !in_use {
                self.removed.lock().unwrap().push(id.to_owned());
            }
            !in_use
        }
        .boxed()
    }
}

fn image(id: &str, size_bytes: u64, made_unix_s: u64) -> Derived {
    Derived { id: id.to_owned(), packages: Vec::new(), size_bytes, made_unix_s }
}

fn order(requirement: &str) -> Order {
    order_of("t", requirement)
}

fn order_of(tenant: &str, requirement: &str) -> Order {
    let installer = Catalogue::embedded().unwrap().by_id("python").unwrap().installer.clone().unwrap();
    let base = ImageKey { name: "python".into(), reference: "r".into() };
    let binding = Binding { tenant: tenant.into(), scope: String::new() };
    let agent: AgentName = "a".parse().unwrap();
    let requirements = vec![requirement.to_owned()];
    let key = Key::of(&agent, &binding, &base, &installer, &requirements);
    Order { key, tenant: tenant.to_owned(), installer, requirements, base }
}

/// Where five callers may wait.
fn store(bench: FakeBench) -> (Dependencies, Arc<FakeBench>) {
    let bench = Arc::new(bench);
    let bounds = ShelfBounds { images_max: 2, bytes_max: 1000 };
    (Dependencies::new(Arc::clone(&bench) as _, "a", bounds, 10), bench)
}

#[tokio::test]
async fn callers_of_one_order_share_one_installation_and_the_next_finds_it() {
    let (store, bench) = store(FakeBench::default());
    let (one, other) = (order("numpy"), order("numpy"));
    let (one, other) = tokio::join!(store.ensure(&one), store.ensure(&other));
    assert!(!one.unwrap().cached && !other.unwrap().cached);
    assert!(store.ensure(&order("numpy")).await.unwrap().cached);
    assert_eq!(*bench.installs.borrow(), 1);
    store.vanished(&order("numpy").key);
    assert!(!store.ensure(&order("numpy")).await.unwrap().cached);
    assert_eq!(*bench.installs.borrow(), 2);
}

#[tokio::test]
async fn different_orders_take_turns() {
    let (store, bench) = store(FakeBench::default());
    let orders = ["a", "b", "c"].map(order);
    let made = futures::future::join_all(orders.iter().map(|o| store.ensure(o))).await;
    assert!(made.iter().all(Result::is_ok));
    assert_eq!(bench.at_once_max.load(Ordering::SeqCst), 1);
    assert_eq!(*bench.tidied.borrow(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_is_told_to_all_who_ask_for_a_minute_and_then_sought_anew() {
    let (store, bench) = store(FakeBench { refuses: true, ..FakeBench::default() });
    for installs in [1, 1, 2] {
        let refused = store.ensure(&order("nope")).await;
        assert!(matches!(refused, Err(NotInstalled::Refused(r)) if r.problem == "no such package"));
        assert_eq!(*bench.installs.borrow(), installs);
        tokio::time::advance(REMEMBERED * 3 / 5).await;
    }
}

#[tokio::test(start_paused = true)]
async fn who_has_no_turn_in_time_goes_back_and_who_has_one_keeps_it() {
    let (store, bench) = store(FakeBench { gate: watch::Sender::new(false), ..FakeBench::default() });
    let (first, second) = (order("first"), order("second"));
    let mut first = std::pin::pin!(store.ensure(&first));
    assert!(futures::poll!(&mut first).is_pending());
    bench.installs.subscribe().wait_for(|count| *count == 1).await.unwrap();
    let asked = Instant::now();
    assert!(matches!(store.ensure(&second).await, Err(NotInstalled::NoRoom)));
    assert_eq!(asked.elapsed().as_secs(), TURN_WAIT_MAX.as_secs());
    bench.gate.send_replace(true);
    assert!(first.await.is_ok());
    assert!(store.ensure(&second).await.is_ok());
    assert_eq!(*bench.turns.lock().unwrap(), ["first", "second"]);
}

#[tokio::test]
async fn half_of_the_slots_may_wait_and_what_is_there_is_not_waited_for() {
    let (store, bench) = store(FakeBench::default());
    store.ensure(&order("there")).await.unwrap();
    bench.gate.send_replace(false);
    let orders = ["a", "b", "c", "d", "a"].map(order);
    let mut waiting: Vec<_> = orders.iter().map(|order| Box::pin(store.ensure(order))).collect();
    for one in &mut waiting {
        assert!(futures::poll!(one).is_pending());
    }
    assert!(store.is_full());
    for name in ["e", "a"] {
        assert!(matches!(store.ensure(&order(name)).await, Err(NotInstalled::NoRoom)), "{name}");
    }
    assert!(store.ensure(&order("there")).await.unwrap().cached);
    drop(waiting);
    bench.gate.send_replace(true);
    assert!(store.ensure(&order("e")).await.is_ok());
}

#[tokio::test]
async fn tenants_take_turns_however_much_one_of_them_asks_for() {
    let (store, bench) = store(FakeBench { gate: watch::Sender::new(false), ..FakeBench::default() });
    let orders = [("t", "t1"), ("t", "t2"), ("t", "t3"), ("u", "u1")].map(|(t, r)| order_of(t, r));
    let mut waiting = Vec::new();
    for order in &orders {
        waiting.push(Box::pin(store.ensure(order)));
        assert!(futures::poll!(waiting.last_mut().unwrap()).is_pending());
        // Its task comes into its queue before the next one asks.
        tokio::task::yield_now().await;
    }
    bench.installs.subscribe().wait_for(|count| *count == 1).await.unwrap();
    bench.gate.send_replace(true);
    for made in futures::future::join_all(waiting).await {
        made.unwrap();
    }
    assert_eq!(*bench.turns.lock().unwrap(), ["t1", "u1", "t2", "t3"]);
}

#[tokio::test]
async fn an_installation_that_nobody_waits_for_is_given_up_and_tidied() {
    let (store, bench) = store(FakeBench { gate: watch::Sender::new(false), ..FakeBench::default() });
    let numpy = order("numpy");
    {
        let mut first = std::pin::pin!(store.ensure(&numpy));
        let mut second = std::pin::pin!(store.ensure(&numpy));
        assert!(futures::poll!(&mut first).is_pending() && futures::poll!(&mut second).is_pending());
        bench.installs.subscribe().wait_for(|count| *count == 1).await.unwrap();
    }
    bench.tidied.subscribe().wait_for(|count| *count == 1).await.unwrap();
    bench.gate.send_replace(true);
    assert!(!store.ensure(&order("other")).await.unwrap().cached);
    assert_eq!(*bench.tidied.borrow(), 2);
    assert_eq!(store.stock().images, 1);
}

#[tokio::test]
async fn a_shutdown_ends_what_is_under_way() {
    let (store, bench) = store(FakeBench { gate: watch::Sender::new(false), ..FakeBench::default() });
    let numpy = order("numpy");
    let (ended, ()) = tokio::join!(store.ensure(&numpy), async {
        bench.installs.subscribe().wait_for(|count| *count == 1).await.unwrap();
        store.shutdown().await;
    });
    assert!(matches!(ended, Err(NotInstalled::ShuttingDown)));
    assert_eq!(*bench.tidied.borrow(), 1);
}

#[tokio::test]
async fn images_above_the_bound_are_removed_when_nobody_uses_them() {
    let (store, bench) = store(FakeBench::default());
    bench.in_use.lock().unwrap().push("a-1".to_owned());
    for name in ["a", "b", "c"] {
        store.ensure(&order(name)).await.unwrap();
    }
    store.ensure(&order("d")).await.unwrap();
    store.shutdown().await;
    assert_eq!(*bench.removed.lock().unwrap(), ["b-2"]);
    assert_eq!(store.stock().images, 2);
}

#[tokio::test]
async fn an_image_made_again_is_not_removed_as_the_older_one_that_was_in_use() {
    let (store, bench) = store(FakeBench::default());
    bench.in_use.lock().unwrap().push("a-1".to_owned());
    for name in ["a", "b", "c"] {
        store.ensure(&order(name)).await.unwrap();
    }
    let again = store.ensure(&order("a")).await.unwrap();
    assert_eq!((again.image.id.as_str(), again.cached), ("a-4", false));
    bench.in_use.lock().unwrap().clear();
    store.ensure(&order("d")).await.unwrap();
    store.shutdown().await;
    let removed = std::mem::take(&mut *bench.removed.lock().unwrap());
    assert_eq!(removed.iter().filter(|id| id.starts_with("a-")).collect::<Vec<_>>(), ["a-1"]);
    assert!(store.ensure(&order("a")).await.unwrap().cached);
}

#[tokio::test]
async fn a_new_start_takes_up_its_own_images_and_removes_what_is_too_old_or_lost_its_name() {
    let now = unix_seconds();
    let listed = |agent: &str, name: &str, age: u64| {
        let key = order(name).key;
        let reference = Some(key.reference("python"));
        Listed { agent: agent.into(), key, reference, image: image(name, 1, now - age) }
    };
    let nameless = |agent: &str, name: &str| {
        let mut one = listed(agent, "mine", 6);
        (one.reference, one.image.id) = (None, name.to_owned());
        one
    };
    let old = AGE_MAX.as_secs() + 10;
    let listed = vec![
        listed("a", "mine", 5),
        listed("a", "mine-old", old),
        listed("b", "theirs", old),
        listed("b", "abandoned", 2 * old),
        nameless("a", "mine-before"),
        nameless("b", "theirs-before"),
    ];
    let (store, bench) = store(FakeBench { listed, ..FakeBench::default() });
    store.survey().await;
    assert!(store.ensure(&order("mine")).await.unwrap().cached);
    assert!(!store.ensure(&order("theirs")).await.unwrap().cached);
    assert_eq!(*bench.removed.lock().unwrap(), ["abandoned", "mine-old", "mine-before"], "oldest first");
}
