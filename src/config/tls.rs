//! What protects the two ports: certificates for the API, membership on the link.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::ConfigError;

/// Flags of TLS.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(next_help_heading = "TLS")]
pub struct TlsArgs {
    /// Certificate of the API, as PEM with what leads to its authority; taken anew when the file changes
    #[arg(long, env = "ENCLOS_TLS_CERT", value_name = "FILE", requires = "tls_key")]
    pub tls_cert: Option<PathBuf>,
    /// Its key, as PEM
    #[arg(long, env = "ENCLOS_TLS_KEY", value_name = "FILE", requires = "tls_cert")]
    pub tls_key: Option<PathBuf>,
    /// Let the API be reached from other machines without TLS: whoever is on the way reads and changes
    /// programs, outputs and keys
    #[arg(long, env = "ENCLOS_INSECURE_HTTP", conflicts_with = "tls_cert")]
    pub insecure_http: bool,
    /// Directory that `enclos pki init` made: the link then is TLS, and agents join with one-time tokens.
    /// With --link-cert, where revoked certificates are listed
    #[arg(long, env = "ENCLOS_PKI_DIR", value_name = "DIR")]
    pub pki: Option<PathBuf>,
    /// Certificate of the link instead of that of --pki, as PEM
    #[arg(long, env = "ENCLOS_LINK_CERT", value_name = "FILE", requires_all = ["link_key", "link_ca"])]
    pub link_cert: Option<PathBuf>,
    /// Its key, as PEM
    #[arg(long, env = "ENCLOS_LINK_KEY", value_name = "FILE", requires = "link_cert")]
    pub link_key: Option<PathBuf>,
    /// Authority of agents' certificates, as PEM; the common name of each is its agent's name
    #[arg(long, env = "ENCLOS_LINK_CA", value_name = "FILE", requires = "link_cert")]
    pub link_ca: Option<PathBuf>,
    /// Seconds that a certificate of an agent holds; agents renew theirs at half of it
    #[arg(long, env = "ENCLOS_AGENT_CERT_TTL", default_value_t = AGENT_TTL_DEFAULT, value_name = "SECONDS",
          value_parser = clap::value_parser!(u32).range(5..=AGENT_TTL_MAX))]
    pub agent_cert_ttl: u32,
}

/// Thirty days.
const AGENT_TTL_DEFAULT: u32 = 30 * 24 * 3600;
/// A year and a month.
const AGENT_TTL_MAX: i64 = 397 * 24 * 3600;

/// A certificate and its key.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Pair {
    /// The certificate.
    pub certificate: PathBuf,
    /// The key.
    pub key: PathBuf,
}

/// What lets an agent in.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Membership {
    /// The shared join token, on loopback only.
    Token,
    /// A certificate of our own authority.
    Authority {
        /// Directory of the authority.
        pki: PathBuf,
        /// How long a certificate of an agent holds.
        ttl: Duration,
    },
    /// A certificate of another authority.
    Given {
        /// The link's own certificate.
        pair: Pair,
        /// The agents' authority.
        clients: PathBuf,
        /// Where revoked certificates are listed.
        pki: Option<PathBuf>,
    },
}

/// What protects the two ports.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Security {
    /// Certificate of the API; `None`: it speaks in clear.
    pub api: Option<Pair>,
    /// What lets an agent in.
    pub membership: Membership,
}

impl Security {
    /// What `args` say, where it suffices for these addresses.
    ///
    /// # Errors
    /// [`ConfigError::ClearApi`] and [`ConfigError::ClearLink`].
    pub fn of(args: &TlsArgs, bind: SocketAddr, link_bind: SocketAddr) -> Result<Self, ConfigError> {
        let pair = |certificate: &Option<PathBuf>, key: &Option<PathBuf>| {
            let (certificate, key) = certificate.clone().zip(key.clone())?;
            Some(Pair { certificate, key })
        };
        let api = pair(&args.tls_cert, &args.tls_key);
        let ttl = Duration::from_secs(args.agent_cert_ttl.into());
        let given = pair(&args.link_cert, &args.link_key).zip(args.link_ca.clone());
        let membership = match (given, args.pki.clone()) {
            (Some((pair, clients)), pki) => Membership::Given { pair, clients, pki },
            (None, Some(pki)) => Membership::Authority { pki, ttl },
            (None, None) => Membership::Token,
        };
        if membership == Membership::Token && !link_bind.ip().is_loopback() {
            return Err(ConfigError::ClearLink(link_bind));
        }
        let public = !bind.ip().is_loopback() && api.is_none();
        if public && !args.insecure_http {
            return Err(ConfigError::ClearApi(bind));
        }
        if public {
            tracing::warn!(
                address = %bind,
                "--insecure-http: programs, outputs and keys cross the network in clear, \
                 and whoever is on the way reads and changes them"
            );
        }
        Ok(Self { api, membership })
    }

    /// In clear on loopback, as `enclos up` is.
    #[must_use]
    pub fn loopback() -> Self {
        Self { api: None, membership: Membership::Token }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(args: &TlsArgs, bind: &str, link: &str) -> Result<Security, ConfigError> {
        Security::of(args, bind.parse().unwrap(), link.parse().unwrap())
    }

    #[test]
    fn nothing_leaves_the_machine_in_clear_unless_that_was_said() {
        let (local, public) = ("127.0.0.1:1", "0.0.0.0:1");
        let args = TlsArgs::default();
        assert_eq!(of(&args, local, "[::1]:1").unwrap(), Security::loopback());
        let error = of(&args, public, local).unwrap_err().to_string();
        assert!(error.contains("--tls-cert") && error.contains("--insecure-http"), "{error}");
        let error = of(&args, local, public).unwrap_err().to_string();
        assert!(error.contains("--pki") && error.contains("pki init"), "{error}");
        let said = TlsArgs { insecure_http: true, ..TlsArgs::default() };
        assert!(of(&said, public, local).is_ok());
        assert!(matches!(of(&said, public, public), Err(ConfigError::ClearLink(_))), "it is for the API alone");
        let tls = TlsArgs { tls_cert: Some("c".into()), tls_key: Some("k".into()), pki: Some("p".into()), ..said };
        assert!(of(&TlsArgs { insecure_http: false, ..tls }, public, public).is_ok());
    }
}
