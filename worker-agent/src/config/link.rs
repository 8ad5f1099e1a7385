//! Where the master is, and what the agent shows it.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use clap::Args;
use enclos_tls::token::OneTimeToken;
use reqwest::Url;

use super::ConfigError;

/// Longest join token, in bytes.
pub(super) const TOKEN_BYTES_MAX: usize = 4096;

/// Flags of the link.
#[derive(Args, Debug, Clone, Default)]
pub struct LinkFlags {
    /// Directory of this agent's key and certificate, where the master is https.
    #[arg(long, env = "ENCLOS_AGENT_DATA_DIR", default_value = "enclos-agent-data", value_name = "DIR")]
    pub data_dir: PathBuf,
    /// Certificate to show instead of one from the master, as PEM; its common name is the agent's name.
    #[arg(long, env = "ENCLOS_LINK_CERT", value_name = "FILE", requires_all = ["link_key", "link_ca"])]
    pub link_cert: Option<PathBuf>,
    /// Its key, as PEM.
    #[arg(long, env = "ENCLOS_LINK_KEY", value_name = "FILE", requires = "link_cert")]
    pub link_key: Option<PathBuf>,
    /// Authority of the master's certificate, as PEM.
    #[arg(long, env = "ENCLOS_LINK_CA", value_name = "FILE", requires = "link_cert")]
    pub link_ca: Option<PathBuf>,
}

/// The secret that lets an agent join over loopback. Never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct JoinToken(String);

impl JoinToken {
    /// The token in `text`, without the white space around it.
    ///
    /// # Errors
    /// [`ConfigError::Token`] when it cannot be one.
    pub fn parse(text: &str) -> Result<Self, ConfigError> {
        let token = text.trim();
        let printable = token.bytes().all(|b| b.is_ascii_graphic());
        if token.is_empty() || token.len() > TOKEN_BYTES_MAX || !printable {
            return Err(ConfigError::Token);
        }
        Ok(Self(token.to_owned()))
    }

    /// The secret itself, for a header.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for JoinToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JoinToken(…)")
    }
}

/// What the agent shows.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Credential {
    /// The shared join token, over loopback.
    Token(JoinToken),
    /// A certificate of the master's own authority, kept in `dir`; the token is for the first one.
    Joined {
        /// Where it is kept.
        dir: PathBuf,
        /// What lets the agent in, where it has none.
        token: Option<OneTimeToken>,
    },
    /// A certificate of another authority.
    Given {
        /// The certificate.
        certificate: PathBuf,
        /// Its key.
        key: PathBuf,
        /// The master's authority.
        authority: PathBuf,
    },
}

/// The master's address, without a path.
pub(super) fn master(text: &str) -> Result<Url, ConfigError> {
    let wrong = || ConfigError::Master(text.to_owned());
    let url = Url::parse(text).map_err(|_| wrong())?;
    let bare = matches!(url.scheme(), "http" | "https")
        && url.host().is_some()
        && url.path() == "/"
        && url.query().is_none()
        && url.username().is_empty();
    if !bare {
        return Err(wrong());
    }
    let loopback = enclos_tls::client::is_loopback(url.host_str().unwrap_or_default());
    // The token and every program would cross the network in clear.
    if url.scheme() == "http" && !loopback { Err(ConfigError::ClearMaster(text.to_owned())) } else { Ok(url) }
}

/// What to show to the master at `url`; `variable` is the token of the environment.
pub(super) fn credential(
    flags: &LinkFlags,
    file: Option<&Path>,
    variable: Option<&str>,
    url: &Url,
) -> Result<Credential, ConfigError> {
    let LinkFlags { data_dir, link_cert, link_key, link_ca } = flags;
    if url.scheme() == "http" {
        return match (file, variable) {
            (Some(path), _) => Ok(Credential::Token(JoinToken::parse(&read(path)?)?)),
            (None, Some(text)) => Ok(Credential::Token(JoinToken::parse(text)?)),
            (None, None) => Err(ConfigError::NoToken),
        };
    }
    if let (Some(certificate), Some(key), Some(authority)) = (link_cert, link_key, link_ca) {
        let (certificate, key, authority) = (certificate.clone(), key.clone(), authority.clone());
        return Ok(Credential::Given { certificate, key, authority });
    }
    let text = match file {
        // A token is of no use once it was used, so its file may be gone.
        Some(path) if !path.exists() => None,
        Some(path) => Some(read(path)?),
        None => variable.map(str::to_owned),
    };
    let token = text.map(|text| OneTimeToken::parse(&text).ok_or(ConfigError::NotOneTime)).transpose()?;
    Ok(Credential::Joined { dir: data_dir.clone(), token })
}

fn read(path: &Path) -> Result<String, ConfigError> {
    let fail = |source: io::Error| ConfigError::TokenFile { path: path.to_owned(), source };
    std::fs::read_to_string(path).map_err(fail)
}
