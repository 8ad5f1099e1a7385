//! How the agent reaches its master, and what it shows there.
//!
//! ```text
//! http, loopback: the shared token ─────────────────────────────▶ Access
//! https: kept certificate? ─ no, or another's ─ token ─▶ join ─▶ Access ◀─ keeper: a new one at half of its life
//! ```
//!
//! Everybody who dials takes the newest [`Access`] from a watch, so nothing
//! else knows of certificates.

mod exchange;
mod keeper;
mod kept;
#[cfg(test)]
mod tests;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use enclos_protocol::agent_link::LINK_PATH;
use enclos_protocol::ids::AgentName;
use enclos_protocol::join::{JOIN_PATH, JoinRequest};
use enclos_tls::client::{self, Dialled, Identity};
use enclos_tls::pem::{self, PemError};
use enclos_tls::request::{Request, RequestError};
use enclos_tls::rustls::{self, ClientConfig, RootCertStore};
use enclos_tls::token::OneTimeToken;
use enclos_tls::{certificate, first_contact};
use reqwest::{Method, RequestBuilder, Url};
use tokio::sync::watch;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::config::{Config, Credential, JoinToken};
use crate::sandbox::chain;
use crate::session::backoff::Backoff;
pub use exchange::ExchangeError;
use exchange::exchange;
pub use keeper::Keeper;
use kept::Kept;

/// Why an agent is no member.
#[derive(Debug, thiserror::Error)]
pub enum MemberError {
    /// The address of the master.
    #[error("the master's address is not one")]
    Address,
    /// A file is of no use.
    #[error(transparent)]
    Pem(#[from] PemError),
    /// What is kept cannot be read or written.
    #[error("cannot use {}", path.display())]
    Kept {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Nothing usable is kept, and there is no token.
    #[error(
        "{why}; make a one-time token at the master (`enclos agents token`) and set ENCLOS_JOIN_TOKEN or --join-token-file"
    )]
    NoToken {
        /// Why what is kept is of no use.
        why: String,
    },
    /// Key and certificate do not fit.
    #[error("key and certificate cannot be used together")]
    Pair(#[source] rustls::Error),
    /// There is no key.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// There is no HTTP client.
    #[error("an HTTP client cannot be made")]
    Http(#[source] reqwest::Error),
    /// The master gave no certificate.
    #[error(transparent)]
    Exchange(#[from] ExchangeError),
}

/// How the master is reached at this moment.
#[derive(Clone, Debug)]
pub struct Access {
    base: Url,
    bearer: Option<JoinToken>,
    tls: Option<Arc<ClientConfig>>,
    http: reqwest::Client,
}

impl Access {
    /// In clear, with the shared token.
    ///
    /// # Errors
    /// [`MemberError::Address`], [`MemberError::Http`].
    pub fn clear(base: &str, token: JoinToken) -> Result<Self, MemberError> {
        Self::new(base, Some(token), None)
    }

    /// By TLS; what is shown stands in `tls`.
    fn secured(base: &str, tls: ClientConfig) -> Result<Self, MemberError> {
        Self::new(base, None, Some(Arc::new(tls)))
    }

    fn new(base: &str, bearer: Option<JoinToken>, tls: Option<Arc<ClientConfig>>) -> Result<Self, MemberError> {
        let base = Url::parse(base).map_err(|_| MemberError::Address)?;
        // A proxy of the environment has no business with the link.
        let http = client::http(tls.as_deref()).no_proxy().build().map_err(MemberError::Http)?;
        Ok(Self { base, bearer, tls, http })
    }

    /// One that never changes.
    #[must_use]
    pub fn fixed(self) -> watch::Receiver<Self> {
        watch::channel(self).1
    }

    /// Address of the master's WebSocket.
    #[must_use]
    pub fn link_url(&self) -> String {
        self.url(LINK_PATH).replacen("http", "ws", 1)
    }

    /// Address of `path` at the master.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base.as_str().trim_end_matches('/'))
    }

    /// The shared token, where there is one.
    #[must_use]
    pub fn bearer(&self) -> Option<&JoinToken> {
        self.bearer.as_ref()
    }

    /// A connection to the master.
    ///
    /// # Errors
    /// Of the connection, or of TLS inside.
    pub async fn dial(&self) -> io::Result<Dialled> {
        let host = self.base.host_str().unwrap_or_default();
        client::dial(host, self.base.port_or_known_default().unwrap_or_default(), self.tls.clone()).await
    }

    /// A request to the master.
    pub fn request(&self, method: Method, url: Url) -> RequestBuilder {
        let request = self.http.request(method, url);
        match &self.bearer {
            Some(token) => request.bearer_auth(token.reveal()),
            None => request,
        }
    }
}

/// A member.
#[derive(Debug)]
pub struct Joined {
    /// How the master is reached.
    pub access: watch::Receiver<Access>,
    /// Renews what is shown, where that is ours to renew.
    pub keeper: Option<Keeper>,
}

/// Makes the agent a member, if it is none; `None`: it was asked to leave before it could.
///
/// # Errors
/// [`MemberError`] says what is missing or who refused.
pub async fn join(config: &Config, leave: &CancellationToken) -> Result<Option<Joined>, MemberError> {
    let fixed = |access: Access| Ok(Some(Joined { access: access.fixed(), keeper: None }));
    let (dir, token) = match &config.credential {
        Credential::Token(token) => return fixed(Access::clear(&config.master, token.clone())?),
        Credential::Given { certificate, key, authority } => {
            let shown = Identity { chain: pem::certificates(certificate)?, key: pem::private_key(key)? };
            let tls = client::config(pem::authorities(authority)?, Some(shown)).map_err(MemberError::Pair)?;
            return fixed(Access::secured(&config.master, tls)?);
        }
        Credential::Joined { dir, token } => (dir, token.as_ref()),
    };
    let kept = match (usable(Kept::read(dir)?, &config.name, token), token) {
        (Ok(kept), _) => kept,
        (Err(why), None) => return Err(MemberError::NoToken { why }),
        (Err(why), Some(token)) => {
            tracing::info!(why, "joining with the one-time token");
            let joining = first(config, token);
            let Some(kept) = leave.run_until_cancelled(joining).await.transpose()? else { return Ok(None) };
            kept.write(dir)?;
            kept
        }
    };
    tracing::info!(serial = kept.facts().serial, "this agent has a certificate");
    let (sender, access) = watch::channel(kept.access(&config.master)?);
    let keeper = Keeper::new(config, dir.clone(), kept, sender);
    Ok(Some(Joined { access, keeper: Some(keeper) }))
}

/// What is kept, where it still lets this agent in at the master that the token is of.
fn usable(kept: Option<Kept>, name: &AgentName, token: Option<&OneTimeToken>) -> Result<Kept, String> {
    let kept = kept.ok_or("this agent has no certificate yet")?;
    let facts = kept.facts();
    if facts.not_after <= SystemTime::now() {
        return Err("certificate_expired: this agent's certificate has ended".to_owned());
    }
    if facts.agent().as_ref() != Some(name) {
        let whose = facts.name.as_deref().unwrap_or_default();
        return Err(format!("certificate_of_another: the kept certificate is of agent '{whose}', not of '{name}'"));
    }
    let authority = certificate::fingerprint(kept.authority());
    if token.is_some_and(|token| token.fingerprint() != authority) {
        return Err("the kept certificate is of another cluster than the token".to_owned());
    }
    Ok(kept)
}

/// The first certificate. A master that is not there yet is waited for; one that refuses is not asked again.
async fn first(config: &Config, token: &OneTimeToken) -> Result<Kept, MemberError> {
    let tls = first_contact::config(token.fingerprint()).map_err(MemberError::Pair)?;
    let access = Access::secured(&config.master, tls)?;
    let mut backoff = Backoff::default();
    loop {
        let request = Request::new(config.name.as_str())?;
        let body = JoinRequest { token: token.secret(), name: config.name.clone(), request: request.text().to_owned() };
        match exchange(&access, JOIN_PATH, &body).await {
            Ok(admitted) => {
                let kept = Kept::of(&request, &admitted)?;
                // Trusted at first contact by this digest, and by nothing else from here on.
                if certificate::fingerprint(kept.authority()) != token.fingerprint() {
                    return Err(ExchangeError::Authority.into());
                }
                return Ok(kept);
            }
            Err(error @ (ExchangeError::Unreachable(_) | ExchangeError::Busy)) => {
                let pause = backoff.next(rand::random_range(0.0..1.0));
                tracing::warn!(error = chain(&error), pause_ms = pause.as_millis(), "not joined yet");
                sleep(pause).await;
            }
            Err(error) => return Err(error.into()),
        }
    }
}

fn roots(authority: &rustls::pki_types::CertificateDer<'static>) -> Result<RootCertStore, rustls::Error> {
    let mut roots = RootCertStore::empty();
    roots.add(authority.clone())?;
    Ok(roots)
}
