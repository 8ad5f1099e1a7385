//! Where the master may connect to for others: what a callback's URL has to be, and which addresses
//! its host may have. Pure: who resolves a name brings its addresses here before connecting.
//!
//! ```text
//! text ─▶ Target (shape) ─▶ Policy::permits (scheme, port, literal address) ─ admission, and each delivery
//!                           Policy::permits_address (every address of its name) ─ each delivery
//! ```

mod addresses;
mod allow;
mod ports;
mod target;

#[cfg(test)]
mod tests;

use std::net::IpAddr;

pub use addresses::special;
pub use allow::{Allowed, NotAllowed};
pub use ports::is_refused as is_refused_port;
pub use target::{NotATarget, Target, URL_BYTES_MAX};

/// Entries of an operator's allow-list.
pub const ALLOWED_MAX: usize = 256;

/// Why nothing is sent there.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Refused {
    /// It is `http`, and its host is not on the operator's list.
    #[error("plain http goes only to hosts that the operator allows by name; use https")]
    Clear,
    /// Another protocol is at home on its port.
    #[error("port {0} is that of another protocol; use another")]
    Port(u16),
    /// An address that is not on the public Internet.
    #[error("{address} is not an address of the public Internet ({what}), and the operator does not allow it")]
    Address {
        /// Which.
        address: IpAddr,
        /// What it is instead.
        what: &'static str,
    },
}

/// What an operator lets callbacks reach.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Policy {
    /// What may be reached beside the public Internet.
    pub allow: Vec<Allowed>,
}

impl Policy {
    /// Whether something may be sent there, as far as that is known without resolving its name.
    ///
    /// # Errors
    /// [`Refused`].
    pub fn permits(&self, target: &Target) -> Result<(), Refused> {
        let (host, port) = (target.host(), target.port());
        let is_named = self.allow.iter().any(|allowed| allowed.names(&host, port));
        if target.is_clear() && !is_named {
            return Err(Refused::Clear);
        }
        // Who allows a host on any port has not thought of this one.
        let is_port_named = self.allow.iter().any(|allowed| allowed.has_port() && allowed.names(&host, port));
        if ports::is_refused(port) && !is_port_named {
            return Err(Refused::Port(port));
        }
        target.literal().map_or(Ok(()), |address| self.permits_address(target, address))
    }

    /// Whether a connection for `target` may go to `address`, which its name has.
    ///
    /// # Errors
    /// [`Refused::Address`].
    pub fn permits_address(&self, target: &Target, address: IpAddr) -> Result<(), Refused> {
        let Some(what) = special(address) else { return Ok(()) };
        let (host, port) = (target.host(), target.port());
        let is_allowed = self.allow.iter().any(|allowed| allowed.names(&host, port) || allowed.holds(address, port));
        if is_allowed { Ok(()) } else { Err(Refused::Address { address, what }) }
    }
}
