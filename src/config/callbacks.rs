//! Whether the ends of jobs are told to URLs of their clients, and which of those may be reached.

use std::path::PathBuf;

use super::ConfigError;
use crate::outbound::{ALLOWED_MAX, Allowed, Policy};

/// Flags of callbacks.
#[derive(Clone, Debug, clap::Args)]
pub struct CallbackArgs {
    /// Whether jobs may name a URL to which their end is told
    #[arg(long, env = "ENCLOS_CALLBACKS", value_enum, default_value = "on", value_name = "on|off")]
    pub callbacks: CallbacksChoice,
    /// Host, address or network, with a port or without, that callbacks may reach though it is not on the
    /// public Internet, and by plain http (may be repeated): hooks.internal, 10.1.0.0/16:8080
    #[arg(
        long = "callback-allow",
        env = "ENCLOS_CALLBACK_ALLOW",
        value_delimiter = ',',
        value_name = "HOST-or-CIDR[:PORT]"
    )]
    pub callback_allow: Vec<Allowed>,
    /// Authorities (PEM) of receivers' certificates, beside those that this host trusts
    #[arg(long, env = "ENCLOS_CALLBACK_CA", value_name = "FILE")]
    pub callback_ca: Option<PathBuf>,
}

/// Whether there are callbacks.
#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
pub enum CallbacksChoice {
    /// There are.
    On,
    /// Who asks for one is refused, and none is sent.
    Off,
}

/// What callbacks may reach.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Callbacks {
    /// Whether there are any.
    pub is_on: bool,
    /// Where they may go.
    pub policy: Policy,
    /// Authorities beside those of this host.
    pub ca: Option<PathBuf>,
}

impl Callbacks {
    /// What `args` say.
    ///
    /// # Errors
    /// [`ConfigError::CallbackAllow`].
    pub fn of(args: &CallbackArgs) -> Result<Self, ConfigError> {
        let CallbackArgs { callbacks, callback_allow, callback_ca } = args.clone();
        if callback_allow.len() > ALLOWED_MAX {
            return Err(ConfigError::CallbackAllow);
        }
        let policy = Policy { allow: callback_allow };
        Ok(Self { is_on: callbacks == CallbacksChoice::On, policy, ca: callback_ca })
    }
}
