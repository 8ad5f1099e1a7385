//! What an operator may set, parsed into values that cannot be wrong.
//!
//! Flags and `ENCLOS_…` variables become a [`Config`] once, at start; nothing
//! later reads the environment. The join token never stands on a command line,
//! where every user of the host could read it.

mod audit;
mod blobs;
mod callbacks;
mod doors;
mod join_token;
mod observe;
mod retention;
mod scheduling;
mod tls;

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

pub use audit::{AuditArgs, AuditBounds};
pub use blobs::{BlobArgs, BlobBounds};
pub use callbacks::{CallbackArgs, Callbacks, CallbacksChoice};
pub use doors::{DoorArgs, Doors};
pub use join_token::{JOIN_TOKEN_VARIABLE, JoinToken};
pub use observe::{LogFormat, OTLP_HEADERS_VARIABLE, Observe, ObserveArgs, TraceTarget};
pub use retention::{Retention, RetentionArgs};
pub use scheduling::{Permille, Placement, Prediction, QUEUE_TTL_MS_MAX, Scheduling, SchedulingArgs};
pub use tls::{Membership, Pair, Security, TlsArgs};

use crate::access::{Quota, QuotaArgs};
use crate::outbound::ALLOWED_MAX;
use join_token::{JOIN_TOKEN_CHARS_MAX, JOIN_TOKEN_CHARS_MIN, join_token};

/// An attempt not renewed for this long is given to another agent.
pub const LEASE: Duration = Duration::from_secs(5);
/// How often an agent sends a heartbeat.
pub const HEARTBEAT: Duration = Duration::from_secs(1);
/// Most submissions in one batch that an operator may allow.
pub const BATCH_JOBS_MAX: usize = 1000;
/// Most hosts that may be allowed.
const HOSTS_MAX: usize = 64;
/// Connections of agents at once, those for large inputs among them.
const AGENT_CONNECTIONS_MAX: usize = 16_384;

/// Flags of the master, for `enclos master` and `enclos up`.
#[derive(Clone, Debug, clap::Args)]
pub struct MasterArgs {
    /// Address for clients (beyond loopback: with keys, and --tls-cert or --insecure-http)
    #[arg(long, env = "ENCLOS_BIND", default_value = "127.0.0.1:7300", value_name = "ADDR")]
    pub bind: SocketAddr,
    /// Address for agents (loopback only without --pki or --link-cert)
    #[arg(long, env = "ENCLOS_LINK_BIND", default_value = "127.0.0.1:7301", value_name = "ADDR")]
    pub link_bind: SocketAddr,
    /// Directory of the database and the join token
    #[arg(long, env = "ENCLOS_DATA_DIR", default_value = "enclos-data", value_name = "DIR")]
    pub data_dir: PathBuf,
    /// Image folders to use instead of those built in
    #[arg(long, env = "ENCLOS_IMAGES_DIR", value_name = "DIR")]
    pub images_dir: Option<PathBuf>,
    /// File with the agents' join token (else ENCLOS_JOIN_TOKEN, else one is made in the data directory)
    #[arg(long, env = "ENCLOS_JOIN_TOKEN_FILE", value_name = "FILE")]
    pub join_token_file: Option<PathBuf>,
    /// Jobs that may wait at once
    #[arg(long, env = "ENCLOS_QUEUE_JOBS_MAX", default_value_t = 10_000, value_name = "N",
          value_parser = clap::value_parser!(u32).range(1..))]
    pub queue_jobs_max: u32,
    /// Bytes of sources and inputs that may wait at once
    #[arg(long, env = "ENCLOS_QUEUE_BYTES_MAX", default_value_t = 1 << 30, value_name = "BYTES",
          value_parser = clap::value_parser!(u64).range(1..))]
    pub queue_bytes_max: u64,
    /// Submissions in one batch
    #[arg(long, env = "ENCLOS_BATCH_JOBS_MAX", default_value_t = 100, value_name = "N",
          value_parser = clap::value_parser!(u32).range(1..=BATCH_JOBS_MAX as i64))]
    pub batch_jobs_max: u32,
    /// Bounds of blobs
    #[command(flatten)]
    pub blobs: BlobArgs,
    /// Callbacks
    #[command(flatten)]
    pub callbacks: CallbackArgs,
    /// Bounds of the audit log
    #[command(flatten)]
    pub audit: AuditArgs,
    /// Quotas of tenants
    #[command(flatten)]
    pub quota: QuotaArgs,
    /// How long jobs are kept
    #[command(flatten)]
    pub retention: RetentionArgs,
    /// The order of jobs and where they go
    #[command(flatten)]
    pub scheduling: SchedulingArgs,
    /// Connections of clients that may be open at once
    #[arg(long, env = "ENCLOS_CONNECTIONS_MAX", default_value_t = 2048, value_name = "N",
          value_parser = clap::value_parser!(u32).range(8..=1_000_000))]
    pub connections_max: u32,
    /// Connections that one address may have open at once (default: seven in eight of all)
    #[arg(long, env = "ENCLOS_CONNECTIONS_PER_ADDRESS_MAX", value_name = "N",
          value_parser = clap::value_parser!(u32).range(1..))]
    pub connections_per_address_max: Option<u32>,
    /// Longest that a client may keep the master waiting: for the head of a request, for its body to
    /// begin or to catch up, for the next piece of an answer to be read
    #[arg(long, env = "ENCLOS_CLIENT_WAIT_MS", default_value_t = 30_000, value_name = "MS",
          value_parser = clap::value_parser!(u32).range(100..=600_000))]
    pub client_wait_ms: u32,
    /// Live standard input of a job ends when no client was attached and nothing was written or read for so long
    #[arg(long, env = "ENCLOS_ATTACH_IDLE_MS", default_value_t = 60_000, value_name = "MS",
          value_parser = clap::value_parser!(u32).range(100..=3_600_000))]
    pub attach_idle_ms: u32,
    /// Host name under which browsers may reach the master, beside localhost (may be repeated)
    #[arg(long = "allow-host", env = "ENCLOS_ALLOW_HOSTS", value_delimiter = ',', value_name = "HOST")]
    pub allow_hosts: Vec<String>,
    /// Whether jobs may have packages installed; agents have the same flag
    #[arg(long, env = "ENCLOS_DEPENDENCIES", value_enum, default_value = "allow", value_name = "allow|deny")]
    pub dependencies: Dependencies,
    /// APIs of others
    #[command(flatten)]
    pub doors: DoorArgs,
    /// TLS of both ports
    #[command(flatten)]
    pub tls: TlsArgs,
    /// Metrics, traces and logs
    #[command(flatten)]
    pub observe: ObserveArgs,
}

/// Whether jobs may bring dependencies.
#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
pub enum Dependencies {
    /// They may, where an agent installs them.
    Allow,
    /// They may not.
    Deny,
}

/// What may wait at once.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct QueueBounds {
    /// Jobs.
    pub jobs_max: usize,
    /// Bytes of their inputs.
    pub bytes_max: u64,
}

/// What the connections of one port may take.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Connections {
    /// Open at once.
    pub max: usize,
    /// Open at once from one address.
    pub per_address_max: usize,
    /// How long the other side may keep us waiting.
    pub client_wait: Duration,
}

impl Connections {
    /// At most `max`, and seven in eight of them from one address: it is mostly a proxy, and must
    /// not be able to shut out all others.
    #[must_use]
    pub fn new(max: usize, client_wait: Duration) -> Self {
        Self { max, per_address_max: max - max / 8, client_wait }
    }

    /// The same for at most `part` in `whole` of the connections, at least for one.
    #[must_use]
    pub fn scaled(self, part: usize, whole: usize) -> Self {
        let scaled = |count: usize| (count.saturating_mul(part) / whole.max(1)).max(1);
        Self { max: scaled(self.max), per_address_max: scaled(self.per_address_max), ..self }
    }
}

/// The master's configuration.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where clients connect.
    pub bind: SocketAddr,
    /// Where agents connect.
    pub link_bind: SocketAddr,
    /// Where the database is; it exists and only its owner may enter it.
    pub data_dir: PathBuf,
    /// Image folders; `None`: those of this build.
    pub images_dir: Option<PathBuf>,
    /// What agents must show where the link is not TLS.
    pub join_token: JoinToken,
    /// What protects the two ports.
    pub security: Security,
    /// What may wait at once.
    pub queue: QueueBounds,
    /// Submissions in one batch.
    pub batch_jobs_max: usize,
    /// What blobs may take.
    pub blobs: BlobBounds,
    /// Where ends of jobs may be told.
    pub callbacks: Callbacks,
    /// What is kept of jobs that have ended.
    pub retention: Retention,
    /// In which order jobs get their turn, and where they go.
    pub scheduling: Scheduling,
    /// What clients' connections may take.
    pub clients: Connections,
    /// What agents' connections may take.
    pub agents: Connections,
    /// Host names that are served beside the loopback ones, in lower case, without port.
    pub hosts: Vec<String>,
    /// Jobs may bring dependencies.
    pub installs: bool,
    /// APIs of others that are served.
    pub doors: Doors,
    /// Live standard input at which nobody is ends after so long.
    pub attach_idle: Duration,
    /// What the audit log may take.
    pub audit: AuditBounds,
    /// What holds for tenants without settings.
    pub quota: Quota,
    /// Where metrics and traces go.
    pub observe: Observe,
    /// How long an attempt lives without renewal.
    pub lease: Duration,
    /// How often agents send a heartbeat.
    pub heartbeat: Duration,
}

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The API would speak in clear to other machines.
    #[error(
        "--bind {0} can be reached from other machines, and programs, outputs and keys would cross the network in \
         clear: give --tls-cert and --tls-key (docs/tls.md), or say --insecure-http if that is meant"
    )]
    ClearApi(SocketAddr),
    /// The link would speak in clear to other machines.
    #[error(
        "--link-bind {0} can be reached from other machines, and the agents' link goes beyond loopback with TLS \
         only: give --pki (`enclos pki init` makes it; docs/tls.md), or --link-cert, --link-key and --link-ca"
    )]
    ClearLink(SocketAddr),
    /// The data directory cannot be made or entered.
    #[error("cannot use the data directory {}", path.display())]
    DataDir {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The token's file cannot be read.
    #[error("cannot read the join token in {}", path.display())]
    TokenRead {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A new token cannot be kept.
    #[error("cannot keep a new join token in {}", path.display())]
    TokenWrite {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The token could be guessed, or does not fit a header.
    #[error("the join token of {from} needs {JOIN_TOKEN_CHARS_MIN} to {JOIN_TOKEN_CHARS_MAX} visible ASCII characters")]
    TokenForm {
        /// Where it came from.
        from: String,
    },
    /// An allowed host is not a host name.
    #[error("'{0}' is not a host name; give names without scheme and port, at most {HOSTS_MAX}")]
    Host(String),
    /// The collector's URL cannot be.
    #[error("--otlp-endpoint {0} is not an http or https URL without user, query and fragment")]
    OtlpEndpoint(String),
    /// Another protocol of OTLP.
    #[error("OTEL_EXPORTER_OTLP_PROTOCOL is '{0}', and traces are sent as http/protobuf only (mostly port 4318)")]
    OtlpProtocol(String),
    /// Headers for the collector cannot be.
    #[error("{OTLP_HEADERS_VARIABLE} is not a list of NAME=VALUE with commas")]
    OtlpHeaders,
    /// What the collector is shown would be seen by others.
    #[error("the headers in {OTLP_HEADERS_VARIABLE} would cross the network in clear: give an https URL, not {0}")]
    ClearOtlp(String),
    /// Too many entries of `--callback-allow`.
    #[error("--callback-allow takes at most {ALLOWED_MAX} entries; a network is one")]
    CallbackAllow,
}

impl Config {
    /// The configuration that `args` and the environment say; makes the data directory and, where
    /// none is given, the join token.
    ///
    /// # Errors
    /// [`ConfigError`] says which flag and what to do.
    pub fn from_args(args: &MasterArgs) -> Result<Self, ConfigError> {
        let security = Security::of(&args.tls, args.bind, args.link_bind)?;
        let hosts = allowed_hosts(&args.allow_hosts)?;
        make_private_dir(&args.data_dir)
            .map_err(|source| ConfigError::DataDir { path: args.data_dir.clone(), source })?;
        let client_wait = Duration::from_millis(args.client_wait_ms.into());
        let mut clients = Connections::new(as_usize(args.connections_max), client_wait);
        if let Some(max) = args.connections_per_address_max {
            clients.per_address_max = as_usize(max);
        }
        let from_environment = std::env::var(JOIN_TOKEN_VARIABLE).ok();
        Ok(Self {
            bind: args.bind,
            link_bind: args.link_bind,
            data_dir: args.data_dir.clone(),
            images_dir: args.images_dir.clone(),
            join_token: join_token(args.join_token_file.as_deref(), from_environment, &args.data_dir)?,
            security,
            queue: QueueBounds { jobs_max: as_usize(args.queue_jobs_max), bytes_max: args.queue_bytes_max },
            batch_jobs_max: as_usize(args.batch_jobs_max),
            blobs: BlobBounds::from(&args.blobs),
            callbacks: Callbacks::of(&args.callbacks)?,
            retention: Retention::from(&args.retention),
            scheduling: Scheduling::from(&args.scheduling),
            clients,
            agents: Connections::new(AGENT_CONNECTIONS_MAX, client_wait),
            hosts,
            installs: args.dependencies == Dependencies::Allow,
            doors: Doors::from(&args.doors),
            attach_idle: Duration::from_millis(args.attach_idle_ms.into()),
            audit: AuditBounds::from(&args.audit),
            quota: Quota::from(&args.quota),
            observe: Observe::of(&args.observe, std::env::var(OTLP_HEADERS_VARIABLE).ok().as_deref())?,
            lease: LEASE,
            heartbeat: HEARTBEAT,
        })
    }
}

fn as_usize(value: u32) -> usize {
    usize::try_from(value).unwrap_or(usize::MAX)
}

fn allowed_hosts(given: &[String]) -> Result<Vec<String>, ConfigError> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || ".-_[]:".contains(c);
    let is_host = |h: &String| !h.is_empty() && h.len() <= 253 && h.chars().all(allowed);
    if let Some(bad) = given.iter().enumerate().find(|(i, h)| *i >= HOSTS_MAX || !is_host(h)) {
        return Err(ConfigError::Host(bad.1.clone()));
    }
    Ok(given.iter().map(|h| h.to_ascii_lowercase()).collect())
}

/// Makes a directory that only its owner enters, unless it is there.
///
/// # Errors
/// Where it cannot be made.
pub fn make_private_dir(path: &Path) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fewer_connections_keep_their_proportions() {
        let (clients, agents) = (Connections::new(2000, LEASE), Connections::new(4000, LEASE));
        let (clients, agents) = (clients.scaled(600, 6000), agents.scaled(600, 6000));
        assert_eq!((clients.max, clients.per_address_max, agents.max), (200, 175, 400));
        assert_eq!(clients.scaled(1, usize::MAX).max, 1);
    }

    #[test]
    fn an_allowed_host_has_no_scheme() {
        assert!(allowed_hosts(&["http://a".into()]).is_err());
        assert_eq!(allowed_hosts(&["Code.Example".into()]).unwrap(), ["code.example"]);
    }
}
