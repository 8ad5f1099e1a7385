//! Which core each job has for itself, where jobs are pinned. Pure, but for the lock.
//!
//! ```text
//!  free: 0 1 2 3 ── take ──▶ CoreSlot(0) … dropped ──▶ free again
//! ```
//!
//! The lowest free core comes first, so that a lightly loaded agent leaves the
//! same cores idle. A slot is owned by its attempt and comes back however that
//! ends. Nobody waits here: an agent that pins has no more slots than cores.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Largest number of a core that is believed.
const CORE_MAX: u32 = 8191;

/// The text is not a list of cores.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("'{0}' is not a list of cores like '0-3,7'")]
pub struct NotACoreList(String);

/// The cores in a list as the kernel writes it (`0-3,7`; "List format" of cpuset(7)).
///
/// # Errors
/// [`NotACoreList`] when it is none, or names cores above any machine's.
pub fn parse_list(text: &str) -> Result<BTreeSet<u32>, NotACoreList> {
    let wrong = || NotACoreList(text.trim().chars().take(100).collect());
    let mut cores = BTreeSet::new();
    for part in text.trim().split(',').filter(|part| !part.is_empty()) {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let number = |text: &str| text.trim().parse::<u32>().ok().filter(|n| *n <= CORE_MAX).ok_or_else(wrong);
        let (first, last) = (number(first)?, number(last)?);
        if first > last {
            return Err(wrong());
        }
        cores.extend(first..=last);
    }
    Ok(cores)
}

/// The cores of an agent's jobs. A cheap handle.
#[derive(Clone, Debug)]
pub struct Cores {
    free: Arc<Mutex<BTreeSet<u32>>>,
}

impl Cores {
    /// All of `cores`, free.
    #[must_use]
    pub fn new(cores: BTreeSet<u32>) -> Self {
        Self { free: Arc::new(Mutex::new(cores)) }
    }

    /// The lowest free core; `None` when each has its job.
    #[must_use]
    pub fn take(&self) -> Option<CoreSlot> {
        let core = self.free().pop_first()?;
        Some(CoreSlot { core, cores: self.clone() })
    }

    fn free(&self) -> MutexGuard<'_, BTreeSet<u32>> {
        // Every change is a single call, so a panic elsewhere leaves it whole.
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A core that nobody else has while this lives.
#[derive(Debug)]
pub struct CoreSlot {
    core: u32,
    cores: Cores,
}

impl CoreSlot {
    /// As a list, for a cpuset.
    #[must_use]
    pub fn list(&self) -> String {
        self.core.to_string()
    }
}

impl Drop for CoreSlot {
    fn drop(&mut self) {
        self.cores.free().insert(self.core);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn list(text: &str) -> Vec<u32> {
        parse_list(text).unwrap().into_iter().collect()
    }

    #[test]
    fn lists_are_read_as_the_kernel_writes_them() {
        assert_eq!(list("0-3,7\n"), [0, 1, 2, 3, 7]);
        assert_eq!(list("5"), [5]);
        assert_eq!(list("\n"), [0; 0]);
    }

    #[test]
    fn what_is_no_list_is_refused() {
        for text in ["a", "3-1", "-1", "1-", "0-4294967295", "1;2", "0x1"] {
            assert!(parse_list(text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_lowest_free_core_comes_first_and_a_dropped_one_is_free() {
        let cores = Cores::new(parse_list("2,5-6").unwrap());
        let (first, second) = (cores.take().unwrap(), cores.take().unwrap());
        assert_eq!((first.list(), second.list()), ("2".to_owned(), "5".to_owned()));
        drop(first);
        assert_eq!(cores.take().unwrap().list(), "2");
    }

    proptest! {
        #[test]
        fn no_core_is_ever_held_twice(takes in prop::collection::vec(any::<(bool, usize)>(), 0..64)) {
            let cores = Cores::new((0..4).collect());
            let mut held: Vec<CoreSlot> = Vec::new();
            for (take, index) in takes {
                if take {
                    let free = (0..4).find(|core| held.iter().all(|slot| slot.core != *core));
                    let slot = cores.take();
                    prop_assert_eq!(slot.as_ref().map(|slot| slot.core), free);
                    held.extend(slot);
                } else if !held.is_empty() {
                    held.swap_remove(index % held.len());
                }
            }
        }
    }
}
