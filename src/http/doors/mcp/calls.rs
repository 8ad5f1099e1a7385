//! The calls that run, by the session that may cancel them. It decides nothing of their jobs.
//!
//! A session is a name of 128 random bits and nothing else. It opens no door (that is the key's),
//! and its calls are found by tenant and name together: one of another tenant, or one that was
//! never given out, is a session without calls.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rmcp::model::RequestId;
use tokio_util::sync::CancellationToken;

use crate::access::Tenant;

/// Hexadecimal digits of a session's name.
const NAME_DIGITS: usize = 32;

/// Which session.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct Session(Arc<str>);

impl Session {
    pub(super) fn generate() -> Self {
        Self(format!("{:032x}", rand::random::<u128>()).into())
    }

    pub(super) fn parse(text: &str) -> Option<Self> {
        let digit = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
        (text.len() == NAME_DIGITS && text.bytes().all(digit)).then(|| Self(text.into()))
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

/// Every call that runs in a session. Each is a request in progress, of which there is a bound.
#[derive(Default, Debug)]
pub(super) struct Calls {
    running: Mutex<HashMap<(Tenant, Session), Vec<Running>>>,
}

#[derive(Debug)]
struct Running {
    id: RequestId,
    left: CancellationToken,
}

/// A call until it is dropped.
pub(super) struct Begun {
    calls: Arc<Calls>,
    place: Option<(Tenant, Session)>,
    id: RequestId,
    left: CancellationToken,
}

impl Begun {
    /// Cancelled when the client does not want the call any more: it said so, ended its session, or is gone.
    pub(super) fn left(&self) -> &CancellationToken {
        &self.left
    }
}

impl Drop for Begun {
    fn drop(&mut self) {
        self.left.cancel();
        let Some(place) = self.place.take() else { return };
        let mut running = self.calls.lock();
        if let Some(calls) = running.get_mut(&place) {
            // Of two with one id, which no client may have, only those that are over go.
            calls.retain(|call| call.id != self.id || !call.left.is_cancelled());
            if calls.is_empty() {
                running.remove(&place);
            }
        }
    }
}

impl Calls {
    /// A call begins; without a session nobody can name it.
    pub(super) fn begin(self: &Arc<Self>, tenant: &Tenant, session: Option<&Session>, id: RequestId) -> Begun {
        let left = CancellationToken::new();
        let place = session.map(|session| (tenant.clone(), session.clone()));
        if let Some(place) = &place {
            let call = Running { id: id.clone(), left: left.clone() };
            self.lock().entry(place.clone()).or_default().push(call);
        }
        Begun { calls: Arc::clone(self), place, id, left }
    }

    /// The client of a session does not want this call any more.
    pub(super) fn cancel(&self, tenant: &Tenant, session: &Session, id: &RequestId) {
        self.leave(tenant, session, |call| call.id == *id);
    }

    /// The client of a session wants none of its calls any more.
    pub(super) fn end(&self, tenant: &Tenant, session: &Session) {
        self.leave(tenant, session, |_| true);
    }

    fn leave(&self, tenant: &Tenant, session: &Session, which: impl Fn(&Running) -> bool) {
        let running = self.lock();
        let calls = running.get(&(tenant.clone(), session.clone())).into_iter().flatten();
        calls.filter(|call| which(call)).for_each(|call| call.left.cancel());
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<(Tenant, Session), Vec<Running>>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tenant(name: &str) -> Tenant {
        name.parse().unwrap()
    }

    #[test]
    fn a_call_is_cancelled_by_its_own_session_and_tenant_alone() {
        let calls = Arc::<Calls>::default();
        let (mine, other) = (Session::generate(), Session::generate());
        let call = calls.begin(&tenant("a"), Some(&mine), RequestId::Number(1));
        let neighbour = calls.begin(&tenant("a"), Some(&mine), RequestId::Number(2));
        calls.cancel(&tenant("b"), &mine, &RequestId::Number(1));
        calls.cancel(&tenant("a"), &other, &RequestId::Number(1));
        calls.cancel(&tenant("a"), &mine, &RequestId::String("1".into()));
        calls.end(&tenant("b"), &mine);
        assert!(!call.left().is_cancelled());
        calls.cancel(&tenant("a"), &mine, &RequestId::Number(1));
        assert!(call.left().is_cancelled() && !neighbour.left().is_cancelled());
        calls.end(&tenant("a"), &mine);
        assert!(neighbour.left().is_cancelled());
    }

    #[test]
    fn a_call_that_is_over_leaves_nothing() {
        let calls = Arc::<Calls>::default();
        let session = Session::generate();
        let (one, same) = (
            calls.begin(&tenant("a"), Some(&session), RequestId::Number(1)),
            calls.begin(&tenant("a"), Some(&session), RequestId::Number(1)),
        );
        let unnamed = calls.begin(&tenant("a"), None, RequestId::Number(1));
        drop(one);
        assert!(!same.left().is_cancelled() && !unnamed.left().is_cancelled());
        drop((same, unnamed));
        assert!(calls.lock().is_empty());
    }

    #[test]
    fn a_session_has_one_shape_and_no_two_are_alike() {
        let session = Session::generate();
        assert_eq!(Session::parse(session.as_str()), Some(session.clone()));
        assert_ne!(session, Session::generate());
        for bad in ["", "0", &"0".repeat(33), &"G".repeat(32), &"A".repeat(32), "é23456789012345678901234567890"] {
            assert_eq!(Session::parse(bad), None, "{bad}");
        }
    }
}
