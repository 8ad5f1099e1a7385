//! Sessions of browsers: what stands for a key in a cookie, so that the key does not.
//!
//! A session is as good as the secret that began it, and never better: what it may is looked up by that
//! secret each time. Of a session's id only the SHA-256 is kept, in memory alone.

use std::collections::HashMap;
use std::fmt;
use std::time::{Duration, Instant};

use sha2::{Digest as _, Sha256};

use super::secret::is_hex;
use super::{Digest256, KeyId};

/// Random bytes of an id.
const RANDOM_BYTES: usize = 32;
/// Sessions of one key; of more, the one that was used least lately ends.
pub const SESSIONS_OF_KEY_MAX: usize = 32;
/// Sessions in all; of more, the one that was used least lately ends.
pub const SESSIONS_MAX: usize = 16_384;
/// A session that is not used for so long ends.
pub const SESSION_IDLE_MAX: Duration = Duration::from_secs(12 * 3600);
/// A session ends so long after it began, however it is used.
pub const SESSION_LASTS: Duration = Duration::from_secs(7 * 24 * 3600);

/// What a cookie holds; never printed by `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct SessionId(String);

impl SessionId {
    /// A new one: 256 random bits in hex digits.
    #[must_use]
    pub fn generate() -> Self {
        Self(hex::encode(rand::random::<[u8; RANDOM_BYTES]>()))
    }

    /// The id that `text` is; `None` where its form is wrong.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        (text.len() == 2 * RANDOM_BYTES && is_hex(text)).then(|| Self(text.to_owned()))
    }

    /// By what it is found.
    #[must_use]
    pub fn digest(&self) -> Digest256 {
        Sha256::digest(&self.0).into()
    }

    /// The id itself, for its owner's cookie.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionId(…)")
    }
}

/// A session, with what is held for it: dropped when it ends.
#[derive(Debug)]
pub struct Session<H> {
    /// Of the secret with which it began.
    pub secret: Digest256,
    /// Whose secret that is.
    pub key: KeyId,
    /// When it began.
    pub begun: Instant,
    /// When it was last used.
    used: Instant,
    /// What is held for it.
    pub held: H,
}

impl<H> Session<H> {
    fn is_over(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.used) >= SESSION_IDLE_MAX
            || now.saturating_duration_since(self.begun) >= SESSION_LASTS
    }
}

/// The sessions that there are.
#[derive(Debug)]
pub struct Sessions<H> {
    by_id: HashMap<Digest256, Session<H>>,
}

impl<H> Default for Sessions<H> {
    fn default() -> Self {
        Self { by_id: HashMap::new() }
    }
}

impl<H> Sessions<H> {
    /// Begins one, perhaps in the place of another.
    pub fn begin(&mut self, id: &SessionId, secret: Digest256, key: KeyId, held: H, now: Instant) {
        let of_key = |session: &Session<H>| session.key == key;
        if self.by_id.values().filter(|session| of_key(session)).count() >= SESSIONS_OF_KEY_MAX {
            self.end_oldest(of_key);
        }
        if self.by_id.len() >= SESSIONS_MAX {
            self.end_oldest(|_| true);
        }
        self.by_id.insert(id.digest(), Session { secret, key, begun: now, used: now, held });
    }

    /// The session with this id, which is used now.
    pub fn find(&mut self, id: &Digest256, now: Instant) -> Option<&Session<H>> {
        if self.by_id.get(id)?.is_over(now) {
            self.by_id.remove(id);
        }
        let session = self.by_id.get_mut(id)?;
        session.used = now;
        Some(session)
    }

    /// Ends one; whose it was.
    pub fn end(&mut self, id: &Digest256) -> Option<KeyId> {
        self.by_id.remove(id).map(|session| session.key)
    }

    /// Ends those that are over or whose secret does not work any more. Those of which something is going
    /// on are in use.
    pub fn sweep(&mut self, now: Instant, works: impl Fn(&Digest256) -> bool, is_in_use: impl Fn(&H) -> bool) {
        self.by_id.retain(|_, session| {
            if is_in_use(&session.held) {
                session.used = now;
            }
            !session.is_over(now) && works(&session.secret)
        });
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.by_id.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }

    fn end_oldest(&mut self, among: impl Fn(&Session<H>) -> bool) {
        let oldest = self.by_id.iter().filter(|(_, session)| among(session)).min_by_key(|(_, session)| session.used);
        if let Some(id) = oldest.map(|(id, _)| *id) {
            self.by_id.remove(&id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn begun(sessions: &mut Sessions<()>, key: &KeyId, now: Instant) -> SessionId {
        let id = SessionId::generate();
        sessions.begin(&id, [1; 32], key.clone(), (), now);
        id
    }

    #[test]
    fn an_id_is_long_and_never_shown() {
        let id = SessionId::generate();
        assert_eq!((id.expose().len(), format!("{id:?}").as_str()), (64, "SessionId(…)"));
        assert_eq!(SessionId::parse(id.expose()), Some(id.clone()));
        for bad in ["", "0", &id.expose().to_uppercase().replace(|c: char| c.is_ascii_digit(), "A"), &id.expose()[1..]]
        {
            assert!(SessionId::parse(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn a_session_ends_when_it_is_idle_or_old_and_what_goes_on_is_use() {
        let (mut sessions, now, key) = (Sessions::default(), Instant::now(), KeyId::generate());
        let id = begun(&mut sessions, &key, now).digest();
        let half = SESSION_IDLE_MAX / 2;
        for n in 1..=13 {
            assert!(sessions.find(&id, now + half * n).is_some(), "used again and again");
        }
        assert!(sessions.find(&id, now + SESSION_LASTS).is_none(), "and over all the same");
        let idle = begun(&mut sessions, &key, now).digest();
        sessions.sweep(now + half, |_| true, |()| true);
        assert!(sessions.find(&idle, now + SESSION_IDLE_MAX).is_some());
        assert!(sessions.find(&idle, now + SESSION_IDLE_MAX * 2).is_none());
        assert!(sessions.is_empty());
    }

    #[test]
    fn a_session_ends_with_its_secret_and_by_its_owners_word() {
        let (mut sessions, now, key) = (Sessions::default(), Instant::now(), KeyId::generate());
        let id = begun(&mut sessions, &key, now).digest();
        sessions.sweep(now, |secret| *secret != [1; 32], |()| true);
        assert!(sessions.find(&id, now).is_none());
        let id = begun(&mut sessions, &key, now).digest();
        assert_eq!((sessions.end(&id), sessions.end(&id)), (Some(key), None));
    }

    #[test]
    fn one_keys_sessions_are_bounded_and_take_no_place_of_another() {
        let (mut sessions, now) = (Sessions::default(), Instant::now());
        let (other, many) = (KeyId::generate(), KeyId::generate());
        let others = begun(&mut sessions, &other, now);
        let second = Duration::from_secs(1);
        let first = begun(&mut sessions, &many, now + second);
        let ids: Vec<_> = (1..=SESSIONS_OF_KEY_MAX).map(|_| begun(&mut sessions, &many, now + 2 * second)).collect();
        assert_eq!(sessions.len(), SESSIONS_OF_KEY_MAX + 1);
        assert!(sessions.find(&first.digest(), now + 2 * second).is_none(), "the one used least lately gave way");
        assert!(sessions.find(&ids[0].digest(), now + 2 * second).is_some());
        assert!(sessions.find(&others.digest(), now + 2 * second).is_some());
    }

    #[test]
    fn all_sessions_are_bounded() {
        let (mut sessions, now) = (Sessions::default(), Instant::now());
        for n in 0..SESSIONS_MAX {
            let session = Session { secret: [1; 32], key: KeyId::generate(), begun: now, used: now, held: () };
            let mut id = [0; 32];
            id[..8].copy_from_slice(&n.to_le_bytes());
            sessions.by_id.insert(id, session);
        }
        begun(&mut sessions, &KeyId::generate(), now);
        assert_eq!(sessions.len(), SESSIONS_MAX);
    }
}
