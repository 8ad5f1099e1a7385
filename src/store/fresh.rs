//! What agents need of the jobs that have just come: most are given out at once, and need not be read again.
//!
//! Bounded, and a copy of what is durable: whatever is not here is read from the database.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use enclos_protocol::agent_link::INLINE_INPUT_BYTES_MAX;
use enclos_protocol::ids::JobId;
use tokio_util::bytes::Bytes;

/// Bytes of all of them together; the oldest go first.
const BYTES_MAX: usize = 8 << 20;
/// What keeping one takes beside its bytes, near enough.
const ENTRY_BYTES: usize = 256;

/// A job as it was written.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FreshWork {
    /// What is to be done, as CBOR.
    pub spec: Bytes,
    /// Its bytes, as CBOR.
    pub input: Bytes,
}

impl FreshWork {
    fn size_bytes(&self) -> usize {
        self.spec.len() + self.input.len() + ENTRY_BYTES
    }
}

/// `bytes` in hardly more memory than they need: what is counted is their length, and what has grown may have twice
/// as much.
pub(super) fn tight(mut bytes: Vec<u8>) -> Bytes {
    if bytes.capacity() > bytes.len() + bytes.len() / 4 {
        bytes.shrink_to_fit();
    }
    bytes.into()
}

#[derive(Debug, Default)]
struct Works {
    /// By ids, which begin with the time: the first is the oldest.
    works: BTreeMap<JobId, FreshWork>,
    bytes: usize,
}

/// The jobs that are kept. All clones are one.
#[derive(Clone, Debug, Default)]
pub(super) struct Fresh(Arc<Mutex<Works>>);

impl Fresh {
    /// Keeps a job that is durable now; one that is too large for a message is not kept.
    pub(super) fn keep(&self, job: JobId, work: FreshWork) {
        if work.input.len() > INLINE_INPUT_BYTES_MAX {
            return;
        }
        let mut kept = self.lock();
        kept.bytes += work.size_bytes();
        kept.works.insert(job, work);
        while kept.bytes > BYTES_MAX {
            let Some((_, oldest)) = kept.works.pop_first() else { break };
            kept.bytes -= oldest.size_bytes();
        }
    }

    /// The job, which is kept no longer: it is hardly ever given out twice.
    pub(super) fn take(&self, job: JobId) -> Option<FreshWork> {
        let mut kept = self.lock();
        let work = kept.works.remove(&job)?;
        kept.bytes -= work.size_bytes();
        Some(work)
    }

    fn lock(&self) -> MutexGuard<'_, Works> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn work(bytes: usize) -> FreshWork {
        FreshWork { spec: Bytes::from_static(b"s"), input: vec![0; bytes].into() }
    }

    fn job(number: u16) -> JobId {
        let [high, low] = number.to_be_bytes();
        JobId::from_bytes([high, low, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0])
    }

    #[test]
    fn jobs_that_come_without_end_take_no_more_than_their_memory_and_the_newest_are_kept() {
        let (fresh, large) = (Fresh::default(), INLINE_INPUT_BYTES_MAX);
        for number in 0..1000 {
            fresh.keep(job(number), work(large));
        }
        let kept = (0..1000).filter(|number| fresh.take(job(*number)).is_some()).collect::<Vec<_>>();
        assert_eq!(kept.last(), Some(&999));
        assert!(kept.len() * large <= BYTES_MAX && kept.len() > 100, "{}", kept.len());
        assert!(kept.is_sorted_by(|a, b| a + 1 == *b), "the oldest went");
        assert_eq!(fresh.lock().bytes, 0, "all was counted back");
    }

    #[test]
    fn what_is_kept_takes_little_more_than_is_counted() {
        for capacity in [1000, 1200, 2000] {
            let mut bytes = Vec::with_capacity(capacity);
            bytes.resize(1000, 7);
            let taken = tight(bytes).try_into_mut().expect("nobody shares it");
            assert!(taken.capacity() <= 1250 && taken[..] == [7; 1000], "{} of {capacity}", taken.capacity());
        }
    }

    #[test]
    fn a_job_that_is_fetched_is_not_kept_and_one_that_is_taken_is_gone() {
        let fresh = Fresh::default();
        fresh.keep(job(1), work(INLINE_INPUT_BYTES_MAX + 1));
        fresh.keep(job(2), work(0));
        assert_eq!(fresh.take(job(1)), None);
        assert_eq!(fresh.take(job(2)), Some(work(0)));
        assert_eq!(fresh.take(job(2)), None);
    }
}
