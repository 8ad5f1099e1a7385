//! Sessions at the gate: begun with a key, good for as long as it works, ended by their owner.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio_util::sync::{CancellationToken, DropGuard};

use super::{Caller, Denied, Gate, lock};
use crate::access::{KeyId, SESSION_LASTS, Secret, SessionId, Sessions};
use crate::store::UnixTime;

/// How often those that are over are looked for; whoever shows one is told at once.
const SWEEP_EVERY: Duration = Duration::from_secs(60);

/// By which session a request came; held for as long as something of it goes on.
#[derive(Clone, Debug)]
pub struct BySession {
    /// When it ends at the latest.
    pub ends: UnixTime,
    _presence: Arc<()>,
}

/// What the gate holds for a session; what its requests do ends with it.
#[derive(Debug)]
pub(super) struct Held {
    ended: CancellationToken,
    ends: UnixTime,
    presence: Arc<()>,
    _end: DropGuard,
}

/// The table, and when it was last swept.
#[derive(Debug, Default)]
pub(super) struct Table {
    sessions: Sessions<Held>,
    swept: Option<Instant>,
}

impl Gate {
    /// Begins a session for who shows this key from there. A key that is none is answered and counted as
    /// [`Gate::admit`] does.
    ///
    /// # Errors
    /// [`Denied`].
    pub fn sign_in(
        &self,
        shown: &str,
        from: IpAddr,
        now: Instant,
        time: UnixTime,
    ) -> Result<(SessionId, Caller), Denied> {
        let caller = self.admit(Some(shown), from, now, time)?;
        // The master's own key is for its own process.
        let (Some(key), Some(secret)) = (caller.key.clone(), Secret::parse(shown)) else {
            return Err(Denied::NoSuchKey);
        };
        let (id, ended) = (SessionId::generate(), caller.ended.child_token());
        let (presence, ends) = (Arc::new(()), time.after(SESSION_LASTS));
        let by = BySession { ends, _presence: Arc::clone(&presence) };
        let held = Held { ended: ended.clone(), ends, presence, _end: ended.clone().drop_guard() };
        lock(&self.sessions).sessions.begin(&id, secret.digest(), key, held, now);
        Ok((id, Caller { ended, session: Some(by), ..caller }))
    }

    /// Whose session this is; `None`: it is over, or there never was one.
    #[must_use]
    pub fn admit_session(&self, shown: &str, now: Instant, time: UnixTime) -> Option<Caller> {
        let id = SessionId::parse(shown)?.digest();
        let mut table = lock(&self.sessions);
        let session = table.sessions.find(&id, now)?;
        let (secret, ended, ends) = (session.secret, session.held.ended.clone(), session.held.ends);
        let by = BySession { ends, _presence: Arc::clone(&session.held.presence) };
        // By its secret each time: what was done to its key holds for it at once.
        let Some(caller) = self.entries().find(&secret, time) else {
            table.sessions.end(&id);
            return None;
        };
        Some(Caller { ended, session: Some(by), ..caller })
    }

    /// Ends a session, and what it has going on; whose it was.
    pub fn sign_out(&self, shown: &str) -> Option<KeyId> {
        lock(&self.sessions).sessions.end(&SessionId::parse(shown)?.digest())
    }

    /// Sessions that are held.
    #[must_use]
    pub fn sessions(&self) -> usize {
        lock(&self.sessions).sessions.len()
    }

    /// Ends sessions that are over, now and then.
    pub(super) fn sweep_sessions(&self, now: Instant, time: UnixTime) {
        let mut table = lock(&self.sessions);
        if table.swept.is_some_and(|swept| now.saturating_duration_since(swept) < SWEEP_EVERY) {
            return;
        }
        table.swept = Some(now);
        let entries = self.entries();
        let works = |secret: &_| entries.find(secret, time).is_some();
        table.sessions.sweep(now, works, |held| Arc::strong_count(&held.presence) > 1);
    }
}
