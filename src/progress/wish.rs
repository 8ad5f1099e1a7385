//! Who wants to be told a job's end with its end, not to read it in the store.

use std::sync::Arc;

use super::holder::Holder;
use super::live::Live;
use crate::store::Finish;

/// The wish of who waits. Nothing is kept for it longer than it lasts, and nothing where nobody has it.
#[derive(Debug)]
pub struct EndWish(Arc<Live>);

impl EndWish {
    pub(super) fn of(live: Arc<Live>) -> Self {
        live.wish_end(true);
        Self(live)
    }

    /// How it ended, and who had it, where that was told; the store has it in any case.
    #[must_use]
    pub fn take(self) -> Option<(Arc<Finish>, Arc<Holder>)> {
        self.0.take_end()
    }
}

impl Drop for EndWish {
    fn drop(&mut self) {
        self.0.wish_end(false);
    }
}
