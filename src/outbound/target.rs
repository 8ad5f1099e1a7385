//! A URL to which something may be sent, by its shape.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use url::{Host, Url};

/// Longest URL, in bytes.
pub const URL_BYTES_MAX: usize = 2048;

/// Why a text is none.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum NotATarget {
    /// More than [`URL_BYTES_MAX`].
    #[error("it may have {URL_BYTES_MAX} bytes")]
    Long,
    /// Something that parsers read differently, or leave out.
    #[error(
        "it has visible ASCII characters only, and no backslash; others are written percent-encoded, a host in punycode"
    )]
    Characters,
    /// No URL at all.
    #[error("it is not a URL such as https://host/path")]
    Url,
    /// Another scheme.
    #[error("its scheme is https, or http where the operator allows the host")]
    Scheme,
    /// A user or a password.
    #[error("it has no user and no password: what is sent is signed")]
    UserInfo,
    /// A fragment, which is never sent.
    #[error("it has no fragment")]
    Fragment,
    /// A host that is written so that two readers see two of them.
    #[error("its host does not end with a dot")]
    Dot,
}

/// A URL of the right shape, written in one way only.
#[derive(Clone, PartialEq, Eq)]
pub struct Target(Url);

impl FromStr for Target {
    type Err = NotATarget;

    fn from_str(text: &str) -> Result<Self, NotATarget> {
        if text.len() > URL_BYTES_MAX {
            return Err(NotATarget::Long);
        }
        // The parser passes over white space and takes a backslash for a slash: others do not.
        if !text.bytes().all(|b| b.is_ascii_graphic() && b != b'\\') {
            return Err(NotATarget::Characters);
        }
        let url = Url::parse(text).map_err(|_| NotATarget::Url)?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(NotATarget::Scheme);
        }
        let authority = text.split_once("://").map(|(_, rest)| rest).ok_or(NotATarget::Url)?;
        let authority = authority.split(['/', '?', '#']).next().unwrap_or_default();
        // The parser passes over more slashes than two, and finds a user where others find a path.
        if authority.is_empty() {
            return Err(NotATarget::Url);
        }
        // An empty user is none to the parser.
        if authority.contains('@') {
            return Err(NotATarget::UserInfo);
        }
        if url.fragment().is_some() {
            return Err(NotATarget::Fragment);
        }
        if url.host_str().is_none_or(|host| host.is_empty() || host.ends_with('.')) {
            return Err(NotATarget::Dot);
        }
        Ok(Self(url))
    }
}

impl Target {
    /// The URL as it is sent to.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// Scheme, host and port: what of it is no receiver's secret.
    #[must_use]
    pub fn origin(&self) -> String {
        self.0.origin().ascii_serialization()
    }

    /// Its host: a name in lower case, or an address whichever way it was written.
    #[must_use]
    pub fn host(&self) -> Host<&str> {
        self.0.host().expect("a target has a host")
    }

    /// The same as text.
    #[must_use]
    pub fn host_text(&self) -> &str {
        self.0.host_str().expect("a target has a host")
    }

    /// Its port, or that of its scheme.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.0.port_or_known_default().expect("http and https have a port")
    }

    /// Whether what is sent crosses the network in clear.
    #[must_use]
    pub fn is_clear(&self) -> bool {
        self.0.scheme() == "http"
    }

    /// The address that stands in it instead of a name.
    #[must_use]
    pub fn literal(&self) -> Option<IpAddr> {
        match self.host() {
            Host::Domain(_) => None,
            Host::Ipv4(address) => Some(address.into()),
            Host::Ipv6(address) => Some(address.into()),
        }
    }
}

/// Its path and query may hold a receiver's own secret: only where it goes is shown.
impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Target({}:{})", self.host_text(), self.port())
    }
}
