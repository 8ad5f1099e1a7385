//! Turns of who wants a certificate: reading a request, the lock, and the disk are a thread's work.
//!
//! That thread is of the same pool as every read of the store, and what was handed to it cannot be
//! taken back, whoever leaves meanwhile. So few are handed over at once, and a turn ends with the
//! work and not with the request. Who waits holds nothing but its place. Strangers and members
//! wait apart: nobody who has no certificate keeps one from being renewed.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

/// Requests that are worked on at once.
const TURNS_MAX: usize = 2;
/// Requests that may wait for that.
const PLACES_MAX: usize = 64;
/// Longest that one waits; far below what an agent gives the exchange.
const WAIT_MAX: Duration = Duration::from_secs(10);

/// Who waits and whose turn it is.
#[derive(Clone, Debug)]
pub(super) struct Turns {
    places: Arc<Semaphore>,
    turns: Arc<Semaphore>,
}

impl Default for Turns {
    fn default() -> Self {
        Self { places: Arc::new(Semaphore::new(PLACES_MAX)), turns: Arc::new(Semaphore::new(TURNS_MAX)) }
    }
}

impl Turns {
    /// Has `work` done by a thread when it is its turn; `None`: there was no place, or no turn in time.
    pub(super) async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
        let _place = Arc::clone(&self.places).try_acquire_owned().ok()?;
        let turn: OwnedSemaphorePermit = timeout(WAIT_MAX, Arc::clone(&self.turns).acquire_owned()).await.ok()?.ok()?;
        let worked = tokio::task::spawn_blocking(move || {
            // Held until the work is done, also when nobody waits for it any more.
            let _turn = turn;
            work()
        });
        worked.await.ok()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc;

    use futures::FutureExt as _;
    use futures::future::join_all;

    use super::*;

    /// Work that lasts until the sender is gone, and counts itself meanwhile.
    fn held(begun: &Arc<AtomicUsize>, until: &Arc<Mutex<mpsc::Receiver<()>>>) -> impl FnOnce() + Send + 'static {
        let (begun, until) = (Arc::clone(begun), Arc::clone(until));
        move || {
            begun.fetch_add(1, Ordering::SeqCst);
            let _ = until.lock().unwrap().recv();
        }
    }

    #[tokio::test]
    async fn who_leaves_takes_nobody_elses_thread() {
        let (turns, begun) = (Turns::default(), Arc::new(AtomicUsize::new(0)));
        let (sender, receiver) = mpsc::channel();
        let until = Arc::new(Mutex::new(receiver));
        for _ in 0..1000 {
            // It asks, and has left before it could be answered.
            assert!(turns.run(held(&begun, &until)).now_or_never().is_none_or(|answer| answer.is_none()));
        }
        while begun.load(Ordering::SeqCst) < TURNS_MAX {
            tokio::task::yield_now().await;
        }
        assert_eq!(turns.turns.available_permits(), 0, "those two are still worked on");
        drop(sender);
        assert_eq!(turns.run(|| 7).await, Some(7));
        assert_eq!(begun.load(Ordering::SeqCst), TURNS_MAX, "nothing of the others was handed over");
    }

    #[tokio::test]
    async fn so_many_wait_and_others_are_told_to_come_again() {
        let (turns, begun) = (Turns::default(), Arc::new(AtomicUsize::new(0)));
        let (sender, receiver) = mpsc::channel();
        let until = Arc::new(Mutex::new(receiver));
        let all = join_all((0..PLACES_MAX + 5).map(|_| turns.run(held(&begun, &until))));
        let told = async {
            while begun.load(Ordering::SeqCst) < TURNS_MAX {
                tokio::task::yield_now().await;
            }
            drop(sender);
        };
        let (answers, ()) = tokio::join!(all, told);
        assert_eq!(answers.iter().filter(|answer| answer.is_none()).count(), 5);
    }
}
