//! The one word that ends an attempt early, and why.

use tokio::sync::watch;

/// Why an attempt ends before its time. The first cause stays.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Cause {
    /// Someone asked for it: it is reported as cancelled.
    Cancelled,
    /// It is not the master's any more, or its lease ended: nothing is reported.
    Abandoned,
    /// The agent leaves: the job goes back.
    Draining,
    /// The master's live input does not fit what came before: the attempt failed.
    OutOfWindow,
}

/// Says the word.
#[derive(Debug)]
pub struct Stopper(watch::Sender<Option<Cause>>);

/// Hears it.
#[derive(Clone, Debug)]
pub struct Stop(watch::Receiver<Option<Cause>>);

/// A stopper and who hears it.
#[must_use]
pub fn pair() -> (Stopper, Stop) {
    let (sender, receiver) = watch::channel(None);
    (Stopper(sender), Stop(receiver))
}

impl Stopper {
    /// Ends the attempt for `cause`, unless it was ended before; abandonment outdoes the others,
    /// because after it nothing may be reported.
    pub fn stop(&self, cause: Cause) {
        self.0.send_if_modified(|current| {
            let changes = current.is_none() || (cause == Cause::Abandoned && *current != Some(cause));
            if changes {
                *current = Some(cause);
            }
            changes
        });
    }
}

impl Stop {
    /// The cause, once there is one; a stopper that is gone abandons.
    pub async fn wait(&self) -> Cause {
        let mut receiver = self.0.clone();
        match receiver.wait_for(Option::is_some).await {
            Ok(cause) => cause.unwrap_or(Cause::Abandoned),
            Err(_) => Cause::Abandoned,
        }
    }

    /// The cause so far.
    #[must_use]
    pub fn cause(&self) -> Option<Cause> {
        let cause = *self.0.borrow();
        cause.or_else(|| self.0.has_changed().is_err().then_some(Cause::Abandoned))
    }

    /// What `work` comes to, unless the word is said first.
    ///
    /// # Errors
    /// The cause; `work` was dropped where it stood.
    pub async fn or<T>(&self, work: impl Future<Output = T>) -> Result<T, Cause> {
        tokio::select! {
            biased;
            cause = self.wait() => Err(cause),
            done = work => Ok(done),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_first_cause_stays_but_abandonment_outdoes_it() {
        let (stopper, stop) = pair();
        assert_eq!(stop.cause(), None);
        stopper.stop(Cause::Cancelled);
        stopper.stop(Cause::Draining);
        assert_eq!(stop.wait().await, Cause::Cancelled);
        stopper.stop(Cause::Abandoned);
        stopper.stop(Cause::Cancelled);
        assert_eq!(stop.cause(), Some(Cause::Abandoned));
    }

    #[tokio::test]
    async fn a_lost_stopper_abandons() {
        let (stopper, stop) = pair();
        drop(stopper);
        assert_eq!(stop.or(std::future::pending::<()>()).await, Err(Cause::Abandoned));
        assert_eq!(stop.cause(), Some(Cause::Abandoned));
    }
}
