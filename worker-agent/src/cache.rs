//! What compile steps left, remembered by what went into them.
//!
//! In memory, of this agent's process alone: it does not outlive the processor
//! it was compiled for, and a broken agent spoils nobody else's results. A key
//! covers everything that a compiler sees, and whose job it is; only a step
//! that ended well is remembered. The one that was not used for longest goes
//! first when the bytes are more than the operator allows.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use enclos_images::compile_key::CompileKey;
use enclos_protocol::agent_link::COMPILED_MAX;
use enclos_protocol::job::{StepReport, Stream};
use sha2::{Digest, Sha256};

use crate::pool::ImageKey;

/// Largest tree that is remembered, in bytes: taking it out of its sandbox costs the job time.
pub const TREE_BYTES_MAX: usize = 16 * 1024 * 1024;
/// What an entry costs beside its bytes; generous.
const ENTRY_BYTES: usize = 1024;

/// A compile step on this agent: what the job says, and the image that does it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct CacheKey {
    whole: [u8; 32],
    short: u64,
}

impl CacheKey {
    /// Of `key` in `image`, whose reference names its content.
    #[must_use]
    pub fn new(key: &CompileKey, image: &ImageKey) -> Self {
        let whole = Sha256::new().chain_update(key.0).chain_update(&image.reference).finalize().into();
        Self { whole, short: key.short() }
    }
}

/// What a compile step left.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Compiled {
    /// Its directory, as an archive.
    pub tree: Vec<u8>,
    /// How it ended.
    pub report: StepReport,
    /// What it wrote.
    pub output: Vec<(Stream, Vec<u8>)>,
}

impl Compiled {
    fn size_bytes(&self) -> usize {
        ENTRY_BYTES + self.tree.len() + self.output.iter().map(|(_, bytes)| bytes.len()).sum::<usize>()
    }
}

/// A cheap handle of what is remembered.
#[derive(Clone, Debug)]
pub struct CompileCache {
    bytes_max: usize,
    memory: Arc<Mutex<Memory>>,
}

#[derive(Default, Debug)]
struct Memory {
    entries: HashMap<CacheKey, (u64, Arc<Compiled>)>,
    /// By when they were used last.
    uses: BTreeMap<u64, CacheKey>,
    uses_count: u64,
    bytes: usize,
}

impl CompileCache {
    /// One that holds at most `bytes_max`; with 0 it remembers nothing.
    #[must_use]
    pub fn new(bytes_max: usize) -> Self {
        Self { bytes_max, memory: Arc::default() }
    }

    /// Whether it remembers anything at all.
    #[must_use]
    pub fn is_enabled(&self) -> bool {
        self.bytes_max > 0
    }

    /// What the step left, if it is remembered.
    #[must_use]
    pub fn find(&self, key: &CacheKey) -> Option<Arc<Compiled>> {
        self.lock().touch(key)
    }

    /// Remembers a step that ended well.
    pub fn remember(&self, key: CacheKey, compiled: Compiled) {
        let size = compiled.size_bytes();
        if size > self.bytes_max {
            return;
        }
        let mut memory = self.lock();
        memory.forget(&key);
        memory.uses_count += 1;
        let at = memory.uses_count;
        memory.bytes += size;
        memory.uses.insert(at, key);
        memory.entries.insert(key, (at, Arc::new(compiled)));
        while memory.bytes > self.bytes_max {
            let Some(oldest) = memory.uses.values().next().copied() else { break };
            memory.forget(&oldest);
        }
    }

    /// What is remembered, for the master: the last used first.
    #[must_use]
    pub fn hints(&self) -> Vec<u64> {
        self.lock().uses.values().rev().take(COMPILED_MAX).map(|key| key.short).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Memory> {
        // Every change leaves it whole or a little short, so a panic elsewhere is no harm.
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Memory {
    fn touch(&mut self, key: &CacheKey) -> Option<Arc<Compiled>> {
        let (at, compiled) = self.entries.get_mut(key)?;
        self.uses_count += 1;
        self.uses.remove(at);
        self.uses.insert(self.uses_count, *key);
        *at = self.uses_count;
        Some(Arc::clone(compiled))
    }

    fn forget(&mut self, key: &CacheKey) {
        if let Some((at, compiled)) = self.entries.remove(key) {
            self.uses.remove(&at);
            self.bytes -= compiled.size_bytes();
        }
    }
}

#[cfg(test)]
mod tests {
    use enclos_protocol::outcome::{Accounting, Exit, Outcome, StepFacts};
    use proptest::prelude::*;

    use super::*;

    fn key(number: u8, image: &str) -> CacheKey {
        CacheKey::new(&CompileKey([number; 32]), &ImageKey { name: "i".into(), reference: image.into() })
    }

    fn compiled(bytes: usize) -> Compiled {
        let facts = StepFacts {
            exit: Some(Exit::Code(0)),
            stop: None,
            cpu_us: 0,
            wall_us: 0,
            memory_peak_bytes: 0,
            oom_kills: 0,
            pids_refused: 0,
            stdout_bytes: 0,
            stderr_bytes: 0,
            kill_us: None,
            accounting: Accounting::Cgroup,
            start_error: None,
            keep_error: None,
        };
        let report = StepReport { outcome: Outcome::Ok, facts, cached: false };
        Compiled { tree: vec![0; bytes], report, output: Vec::new() }
    }

    #[test]
    fn another_image_is_another_result() {
        let cache = CompileCache::new(1 << 20);
        cache.remember(key(1, "a"), compiled(1));
        assert!(cache.find(&key(1, "a")).is_some());
        assert!(cache.find(&key(1, "b")).is_none() && cache.find(&key(2, "a")).is_none());
    }

    #[test]
    fn what_was_not_used_for_longest_goes_first() {
        let cache = CompileCache::new(3 * (ENTRY_BYTES + 10));
        for number in 1..=3 {
            cache.remember(key(number, "a"), compiled(10));
        }
        assert!(cache.find(&key(1, "a")).is_some());
        cache.remember(key(4, "a"), compiled(10));
        let known: Vec<bool> = (1..=4).map(|number| cache.find(&key(number, "a")).is_some()).collect();
        assert_eq!(known, [true, false, true, true]);
        assert_eq!(cache.hints()[0], CompileKey([4; 32]).short());
    }

    #[test]
    fn what_is_too_large_drives_nothing_out() {
        let cache = CompileCache::new(ENTRY_BYTES + 100);
        cache.remember(key(1, "a"), compiled(10));
        cache.remember(key(2, "a"), compiled(200));
        assert!(cache.find(&key(1, "a")).is_some() && cache.find(&key(2, "a")).is_none());
        assert!(!CompileCache::new(0).is_enabled());
    }

    proptest! {
        #[test]
        fn it_never_holds_more_than_it_may(steps in prop::collection::vec((any::<bool>(), 0u8..6, 0usize..3000), 0..60)) {
            let cache = CompileCache::new(8192);
            for (remember, number, bytes) in steps {
                if remember {
                    cache.remember(key(number, "a"), compiled(bytes));
                } else {
                    let _ = cache.find(&key(number, "a"));
                }
                let memory = cache.lock();
                let sum: usize = memory.entries.values().map(|(_, c)| c.size_bytes()).sum();
                prop_assert!(memory.bytes == sum && sum <= 8192);
                prop_assert_eq!(memory.uses.len(), memory.entries.len());
            }
        }
    }
}
