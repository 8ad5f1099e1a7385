//! The task that keeps the gate by the store's roll: several times a second it looks whether the
//! command line has changed something, which is one number in the database.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use super::Gate;
use crate::scheduler::{Event, Scheduler};
use crate::store::{Store, StoreError, UnixTime};

/// How often it looks. The command line waits until a change was seen, so what is revoked does not
/// work any more when it returns.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// The keeper, before it runs.
#[derive(Debug)]
pub struct Keeper {
    /// Where the roll is.
    pub store: Arc<Store>,
    /// Who goes by it.
    pub gate: Arc<Gate>,
    /// Who is told how many jobs tenants may have at agents.
    pub scheduler: Scheduler,
}

impl Keeper {
    /// Keeps until `stop`.
    pub async fn run(self, stop: CancellationToken) {
        let mut looks = interval(LOOK_EVERY);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        // Whoever waits since before the start must hear that their change was read.
        let mut told = None;
        loop {
            // Cancel-safe: a stop stays with its token, a tick that is not taken comes, and who asked is seen by any look.
            tokio::select! {
                () = stop.cancelled() => return,
                _ = looks.tick() => {}
                () = self.gate.asked() => {}
            }
            self.gate.expire(UnixTime::now());
            if let Err(error) = self.look(&mut told).await {
                if matches!(error, StoreError::Closed) {
                    return;
                }
                // What is known goes on to hold: nobody is let in who was not before.
                tracing::error!(error = &error as &dyn std::error::Error, "the keys could not be read");
            }
        }
    }

    async fn look(&self, told: &mut Option<u64>) -> Result<(), StoreError> {
        let known = self.gate.generation();
        if let Some(roll) = self.store.roll(Some(known)).await? {
            self.gate.replace(roll, UnixTime::now());
            if self.scheduler.tell(Event::Bounds(self.gate.running_bounds())).await.is_err() {
                return Err(StoreError::Closed);
            }
            tracing::info!(generation = self.gate.generation(), "keys or quotas have changed");
        }
        let now = self.gate.generation();
        if *told != Some(now) {
            self.store.roll_seen(now).await?;
            *told = Some(now);
        }
        Ok(())
    }
}
