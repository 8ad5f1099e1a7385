//! Waits until what came before is over: a series that begins while an engine still removes containers measures that.
//!
//! Two things must be seen. The engine, its shims, the cluster and its sandboxes use no processor time to speak of, twice
//! on end; and the agents say that nothing runs and that their pools have what they want. An agent
//! says so once a second, and one whose places are all taken may never have what it wants: so a longer silence counts, too.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::time::sleep;

use super::account::Counters;
use super::cluster::Cluster;
use super::count;

/// One look: the kernel counts in steps of 10 ms.
const LOOK: Duration = Duration::from_millis(200);
/// Processor time of a look that is none: one such step, and what idle sandboxes take.
const SILENT_US: u64 = 12_000;
/// Silent looks on end after which a pool that has what it wants is quiet.
const SILENT_LOOKS: usize = 2;
/// Silent looks on end after which nothing more is expected of any pool.
const SILENT_LOOKS_LONG: usize = 10;
/// Longest wait for it.
const WAIT_MAX: Duration = Duration::from_secs(15);
/// The same where the last wait was in vain: others use the engine, which no waiting ends.
const WAIT_MAX_AFTER_FAILURE: Duration = Duration::from_millis(600);

static WAITS: AtomicUsize = AtomicUsize::new(0);
static IN_VAIN: AtomicUsize = AtomicUsize::new(0);
static WAITED_MS: AtomicU64 = AtomicU64::new(0);
static WAS_IN_VAIN: AtomicBool = AtomicBool::new(false);

/// Waits until the machine does nothing more for the series before; a run goes on where that takes too long, and says so.
pub async fn wait(cluster: &Cluster) {
    let longest = if WAS_IN_VAIN.load(Ordering::Relaxed) { WAIT_MAX_AFTER_FAILURE } else { WAIT_MAX };
    let begun = Instant::now();
    let mut silent = 0;
    let mut before = count::read(Some(cluster));
    let is_quiet = loop {
        sleep(LOOK).await;
        let after = count::read(Some(cluster));
        silent = if used_us(&before, &after) <= SILENT_US { silent + 1 } else { 0 };
        before = after;
        if silent >= SILENT_LOOKS_LONG || (silent >= SILENT_LOOKS && cluster.is_stocked().await) {
            break true;
        }
        if begun.elapsed() >= longest {
            break false;
        }
    };
    WAITS.fetch_add(1, Ordering::Relaxed);
    WAITED_MS.fetch_add(u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX), Ordering::Relaxed);
    WAS_IN_VAIN.store(!is_quiet, Ordering::Relaxed);
    if !is_quiet {
        IN_VAIN.fetch_add(1, Ordering::Relaxed);
        super::progress(&format!("not quiet within {longest:?}: goes on"));
    }
}

/// How many waits there were, and after how many of them the machine was quiet.
pub fn words() -> String {
    let (waits, in_vain) = (WAITS.load(Ordering::Relaxed), IN_VAIN.load(Ordering::Relaxed));
    let seconds = WAITED_MS.load(Ordering::Relaxed) / 1000;
    format!("{} of {waits} waits for a quiet engine ended with one; {seconds} s in all.\n", waits - in_vain)
}

/// Processor time of all that a job may leave at work.
fn used_us(before: &Counters, after: &Counters) -> u64 {
    let all = |c: &Counters| c.engine + c.reaped + c.master + c.agents + c.sandboxes + c.shims.values().sum::<u64>();
    // A shim that ends takes what it had from one sum to another; what is not waited for yet is less, not work.
    all(after).saturating_sub(all(before))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn a_shim_that_ends_is_no_work_but_its_end_and_containers_that_start_are() {
        let before = Counters { reaped: 50, shims: BTreeMap::from([(7, 300_000)]), ..Counters::default() };
        let ended = Counters { reaped: 300_050, ..Counters::default() };
        assert_eq!(used_us(&before, &ended), 0);
        let works = Counters { engine: 40_000, sandboxes: 1000, ..ended.clone() };
        assert_eq!(used_us(&ended, &works), 41_000);
        let gone = Counters::default();
        assert_eq!(used_us(&before, &gone), 0, "less is no work");
    }
}
