//! Who may be an agent: the cluster's own authority, one-time tokens, and what was revoked.
//!
//! ```text
//! operator: pki init ─▶ authority, server certificate       agents token ─▶ token (its hash is kept)
//! agent:    token + request ─▶ admit ─▶ certificate ─▶ … ─▶ renew ─▶ certificate
//! operator: pki revoke ─▶ list ─▶ a running master looks every LOOK_EVERY
//! ```
//!
//! All of it is a directory of small files that only its owner may enter, so
//! the commands need no running master, and a master needs no restart. One
//! lock is held by whoever changes it. Which requests need which certificate is
//! for `agents` to say.

mod authority;
mod dir;
mod ledger;
#[cfg(test)]
mod tests;
mod tokens;

use std::collections::HashSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use enclos_protocol::ids::AgentName;
use enclos_protocol::join::{Admitted, JoinRequest, LinkRefusal, RefusalCode, RenewRequest};
use enclos_tls::certificate::{Facts, serial_number};
use enclos_tls::pem::PemError;
use enclos_tls::token::OneTimeToken;
use rustls::pki_types::CertificateDer;
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use self::authority::{Authority, Csr};
use self::dir::{Dir, Stamp};
pub use self::ledger::{Issued, Target};
use self::tokens::Tokens;

/// How often a running master looks whether something was revoked.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// Longest that a one-time token may hold.
pub const TOKEN_TTL_MAX: Duration = Duration::from_secs(7 * 24 * 3600);

/// A certificate that is younger than this part of its life is not renewed; agents come at about half of it.
const RENEWED_AFTER: u32 = 4;
/// Certificates of one agent that may hold at once; several do where answers were lost.
const HELD_MAX: usize = 16;

/// Why something cannot be done with the directory.
#[derive(Debug, thiserror::Error)]
pub enum PkiError {
    /// There is an authority already.
    #[error("{} holds an authority already, and nothing is overwritten", .0.display())]
    Exists(PathBuf),
    /// There is none.
    #[error("{} holds no authority; `enclos pki init --dir` makes one", .0.display())]
    Missing(PathBuf),
    /// A file cannot be read or written.
    #[error("cannot use {}", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file is not what it should be.
    #[error("{} cannot be read as what it should hold; restore it from a backup", .0.display())]
    Damaged(PathBuf),
    /// A certificate or key cannot be read.
    #[error(transparent)]
    Pem(#[from] PemError),
    /// A certificate or key cannot be made.
    #[error("a certificate cannot be made")]
    Sign(#[from] rcgen::Error),
    /// A host name is none.
    #[error("--name: '{0}' is not a host name or address")]
    Host(String),
    /// Nothing was issued so.
    #[error(
        "'{0}' is no agent that has a certificate, and no serial number (hexadecimal, `enclos pki show` lists them)"
    )]
    Unknown(String),
    /// There are too many tokens.
    #[error("there are {0} one-time tokens that wait or were used lately; wait until some have ended")]
    TokensFull(usize),
}

/// Seconds since 1970.
fn seconds(at: SystemTime) -> u64 {
    at.duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs())
}

/// Makes the authority and a server certificate for `hosts`, beside the loopback names.
///
/// # Errors
/// [`PkiError::Exists`] where there is one.
pub fn init(path: &Path, hosts: &[String]) -> Result<(), PkiError> {
    let dir = Dir::make(path)?;
    let _lock = dir.lock()?;
    if dir.authority().exists() {
        return Err(PkiError::Exists(path.to_owned()));
    }
    // What was begun and not ended, nobody has used.
    for file in [dir.authority_key(), dir.server(), dir.server_key()] {
        dir.remove(&file)?;
    }
    let made = Authority::make()?;
    let (chain, key) = made.server(hosts)?;
    // The authority's certificate comes last: what has none is not begun to be used.
    dir.create(&dir.authority_key(), made.key().as_bytes())?;
    dir.create(&dir.server_key(), key.as_bytes())?;
    dir.create(&dir.server(), chain.as_bytes())?;
    dir.create(&dir.authority(), made.text().as_bytes())
}

/// Makes a new server certificate in place of the old one, for the same names and `hosts`.
///
/// # Errors
/// [`PkiError`].
pub fn renew_server(path: &Path, hosts: &[String]) -> Result<(), PkiError> {
    let dir = Dir::open(path)?;
    let _lock = dir.lock()?;
    let authority = Authority::open(&dir)?;
    let mut names = server_facts(&dir)?.hosts;
    names.extend(hosts.iter().cloned());
    let (chain, key) = authority.server(&names)?;
    // A master that reads between the two finds that they do not belong together, and looks again.
    dir.replace(&dir.server_key(), key.as_bytes())?;
    dir.replace(&dir.server(), chain.as_bytes())
}

fn server_facts(dir: &Dir) -> Result<Facts, PkiError> {
    let chain = enclos_tls::pem::certificates(&dir.server())?;
    chain.first().and_then(|c| Facts::of(c).ok()).ok_or_else(|| PkiError::Damaged(dir.server()))
}

/// What the directory holds, for a person.
#[derive(Debug)]
pub struct Overview {
    /// SHA-256 of the authority's certificate, in hexadecimal.
    pub fingerprint: String,
    /// When the authority ends.
    pub authority_ends: SystemTime,
    /// The server's certificate.
    pub server: Facts,
    /// Certificates of agents that have not ended, and whether each was revoked.
    pub agents: Vec<(Issued, bool)>,
}

/// What the directory holds.
///
/// # Errors
/// [`PkiError`].
pub fn overview(path: &Path) -> Result<Overview, PkiError> {
    let dir = Dir::open(path)?;
    let authority = certificate(&dir)?;
    let facts = Facts::of(&authority).map_err(|_| PkiError::Damaged(dir.authority()))?;
    let revoked = ledger::revoked(&dir)?;
    let now = seconds(SystemTime::now());
    let agents = ledger::issued(&dir)?.into_iter().filter(|i| i.not_after > now);
    Ok(Overview {
        fingerprint: hex::encode(enclos_tls::certificate::fingerprint(&authority)),
        authority_ends: facts.not_after,
        server: server_facts(&dir)?,
        agents: agents.map(|i| (i.clone(), revoked.contains(&i.serial))).collect(),
    })
}

fn certificate(dir: &Dir) -> Result<CertificateDer<'static>, PkiError> {
    let mut found = enclos_tls::pem::certificates(&dir.authority())?;
    if found.len() == 1 { Ok(found.remove(0)) } else { Err(PkiError::Damaged(dir.authority())) }
}

/// Revokes what `target` names: every certificate of an agent, or one by its serial number. Those that
/// were revoked now.
///
/// # Errors
/// [`PkiError::Unknown`] where it names nothing.
pub fn revoke(path: &Path, target: &Target) -> Result<Vec<String>, PkiError> {
    // Who brings certificates of their own has a list here, and nothing else.
    let dir = Dir::make(path)?;
    let _lock = dir.lock()?;
    ledger::revoke(&dir, target)
}

/// What an operator means by `text`: an agent that has a certificate, else a serial number.
///
/// # Errors
/// [`PkiError::Unknown`] where it can be neither.
pub fn target(path: &Path, text: &str) -> Result<Target, PkiError> {
    let dir = Dir::make(path)?;
    let issued = ledger::issued(&dir)?;
    if let Some(agent) = text.parse().ok().filter(|agent| issued.iter().any(|i| i.agent == *agent)) {
        return Ok(Target::Agent(agent));
    }
    // An authority of ours has written down every one; of another's any number may be one.
    let ours = dir.authority().exists();
    let serial = serial_number(text).filter(|serial| !ours || issued.iter().any(|i| i.serial == *serial));
    serial.map(Target::Serial).ok_or_else(|| PkiError::Unknown(text.to_owned()))
}

/// Makes a one-time token, for an agent of that name where one is given.
///
/// # Errors
/// [`PkiError`].
pub fn mint(path: &Path, agent: Option<&AgentName>, ttl: Duration) -> Result<OneTimeToken, PkiError> {
    let dir = Dir::open(path)?;
    let _lock = dir.lock()?;
    let token = OneTimeToken::new(&certificate(&dir)?);
    Tokens(&dir).keep(&token, agent, seconds(SystemTime::now()) + ttl.min(TOKEN_TTL_MAX).as_secs())?;
    Ok(token)
}

/// Files of the server certificate and the agents' authority in a directory.
#[must_use]
pub fn link_files(path: &Path) -> (PathBuf, PathBuf, PathBuf) {
    let dir = Dir::at(path);
    (dir.server(), dir.server_key(), dir.authority())
}

/// What a running master knows of its members.
#[derive(Debug)]
pub struct Members {
    dir: Option<Dir>,
    authority: Option<Authority>,
    /// How long a certificate of an agent holds.
    ttl: Duration,
    revoked: watch::Sender<Arc<HashSet<String>>>,
}

impl Members {
    /// The members of the authority in `path`.
    ///
    /// # Errors
    /// [`PkiError`].
    pub fn of_authority(path: &Path, ttl: Duration) -> Result<Self, PkiError> {
        let dir = Dir::open(path)?;
        let revoked = watch::Sender::new(Arc::new(ledger::revoked(&dir)?));
        Ok(Self { authority: Some(Authority::open(&dir)?), dir: Some(dir), ttl, revoked })
    }

    /// Members of an authority that is not ours; `path` is where those are listed that were revoked.
    ///
    /// # Errors
    /// [`PkiError`].
    pub fn of_others(path: Option<&Path>) -> Result<Self, PkiError> {
        let dir = path.map(Dir::make).transpose()?;
        let revoked = dir.as_ref().map(ledger::revoked).transpose()?.unwrap_or_default();
        Ok(Self { dir, authority: None, ttl: Duration::ZERO, revoked: watch::Sender::new(Arc::new(revoked)) })
    }

    /// Serial numbers that were revoked, as they become so.
    pub fn revoked(&self) -> watch::Receiver<Arc<HashSet<String>>> {
        self.revoked.subscribe()
    }

    /// A first certificate for who brings a token. Blocks for the disk.
    ///
    /// # Errors
    /// The refusal to be answered.
    pub fn admit(&self, request: &JoinRequest) -> Result<Admitted, LinkRefusal> {
        let JoinRequest { token, name, request } = request;
        let (dir, authority) = self.signs()?;
        let now = seconds(SystemTime::now());
        let tokens = Tokens(dir);
        // Strangers are told so before anything is reckoned, and never stand before the lock.
        if let Ok(Err(refusal)) = tokens.look(token, name, now) {
            return Err(refusal);
        }
        let csr = csr(request)?;
        let _lock = dir.lock().map_err(internal)?;
        let claim = tokens.look(token, name, now).map_err(internal)??;
        let revoked = ledger::revoked(dir).map_err(internal)?;
        let mut taken = ledger::issued(dir).map_err(internal)?;
        taken.retain(|i| i.agent == *name && i.not_after > now && !revoked.contains(&i.serial));
        if !taken.is_empty() && !claim.names_agent() {
            return Err(refusal(
                RefusalCode::NameTaken,
                format!("an agent '{name}' has a certificate; revoke it, or make a token with --agent {name}"),
            ));
        }
        // From here on the token is spent, whatever becomes of the answer.
        tokens.claim(claim).map_err(internal)?;
        if !taken.is_empty() {
            ledger::revoke(dir, &Target::Agent(name.clone())).map_err(internal)?;
            self.look(dir);
        }
        self.sign(dir, authority, &csr, name)
    }

    /// A new certificate for the agent of that name, which has shown the one with these facts. Blocks for the disk.
    ///
    /// # Errors
    /// The refusal to be answered.
    pub fn renew(&self, name: &AgentName, shown: &Facts, request: &RenewRequest) -> Result<Admitted, LinkRefusal> {
        let (dir, authority) = self.signs()?;
        let now = SystemTime::now();
        let young = now < shown.not_before + shown.life() / RENEWED_AFTER;
        // What was revoked is told so, however young it is.
        if young && !self.revoked.borrow().contains(&shown.serial) {
            let what = "this certificate is young yet, and is renewed at half of its life; is the agent's clock right?";
            return Err(refusal(RefusalCode::RenewedLately, what.to_owned()));
        }
        let csr = csr(&request.request)?;
        // With the lock held nobody revokes: a renewal comes before, and is revoked, too, or after, and is refused.
        let _lock = dir.lock().map_err(internal)?;
        if ledger::revoked(dir).map_err(internal)?.contains(&shown.serial) {
            return Err(refusal(RefusalCode::CertificateRevoked, "this certificate was revoked".to_owned()));
        }
        let holds = |issued: &&Issued| issued.agent == *name && issued.not_after > seconds(now);
        if ledger::issued(dir).map_err(internal)?.iter().filter(holds).count() >= HELD_MAX {
            let what = format!("agent '{name}' has {HELD_MAX} certificates that hold; it uses the newest");
            return Err(refusal(RefusalCode::RenewedLately, what));
        }
        self.sign(dir, authority, &csr, name)
    }

    fn sign(&self, dir: &Dir, authority: &Authority, csr: &Csr, name: &AgentName) -> Result<Admitted, LinkRefusal> {
        let (certificate, facts) = authority.agent(csr, name, self.ttl).map_err(|e| internal(e.into()))?;
        let issued = Issued { serial: facts.serial, agent: name.clone(), not_after: seconds(facts.not_after) };
        // Written down before it is given out: what is not listed could not be revoked by its name.
        ledger::record(dir, issued).map_err(internal)?;
        Ok(Admitted { certificate, authority: authority.text().to_owned() })
    }

    fn signs(&self) -> Result<(&Dir, &Authority), LinkRefusal> {
        self.dir.as_ref().zip(self.authority.as_ref()).ok_or_else(|| {
            refusal(
                RefusalCode::NoAuthority,
                "this master signs no certificates; agents bring theirs (--link-cert, --link-key, --link-ca)"
                    .to_owned(),
            )
        })
    }

    fn look(&self, dir: &Dir) -> bool {
        match ledger::revoked(dir) {
            Ok(revoked) => {
                self.revoked.send_if_modified(|known| {
                    let news = **known != revoked;
                    *known = Arc::new(revoked);
                    news
                });
                true
            }
            Err(error) => {
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "what was revoked cannot be read; what was known before still holds"
                );
                false
            }
        }
    }

    /// Looks for what was revoked, until `stop`.
    pub async fn keep_current(self: Arc<Self>, stop: CancellationToken) {
        let Some(dir) = &self.dir else { return stop.cancelled().await };
        let mut looks = interval(LOOK_EVERY);
        looks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let mut seen: Option<Stamp> = None;
        while stop.run_until_cancelled(looks.tick()).await.is_some() {
            let stamp = Stamp::of(&dir.revoked());
            if seen != Some(stamp) && self.look(dir) {
                seen = Some(stamp);
            }
        }
    }
}

fn csr(text: &str) -> Result<Csr, LinkRefusal> {
    Csr::parse(text).ok_or_else(|| {
        refusal(
            RefusalCode::MalformedRequest,
            "the request for a certificate cannot be read, or proves no key".to_owned(),
        )
    })
}

fn refusal(code: RefusalCode, detail: String) -> LinkRefusal {
    LinkRefusal { code, detail }
}

fn internal(error: PkiError) -> LinkRefusal {
    tracing::error!(error = &error as &dyn std::error::Error, "an agent could not be let in");
    refusal(RefusalCode::Internal, "the master cannot sign now; its log says why".to_owned())
}
