//! The command line, and the configuration that it comes to.
//!
//! Arguments are parsed into [`RunArgs`] and checked once into [`Config`],
//! which cannot be wrong. Every flag has an `ENCLOS_…` variable. The join token
//! never stands on the command line, where every user of the host reads it.

mod capacity;
mod choice;
mod link;
mod places;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use enclos_images::Catalogue;
use enclos_protocol::agent_link::Capacity;
use enclos_protocol::ids::{AgentName, NotAnAgentName};
use enclos_protocol::job::{Isolation, Reuse};
use enclos_protocol::supervisor_link::CellKind;

use crate::builder::flags::{DependencyConfig, DependencyFlagError, DependencyFlags};
use crate::machine::Machine;
use crate::pod::PodFlags;
use link::TOKEN_BYTES_MAX;
pub use link::{Credential, JoinToken, LinkFlags};
pub use places::Places;

/// Most warm sandboxes per image.
const WARM_MAX: u32 = 64;

/// Worker agent of Enclos: runs jobs in the sandboxes of one container engine.
#[derive(Parser, Debug)]
#[command(name = "enclos-agent", version, args_conflicts_with_subcommands = true)]
pub struct Cli {
    /// What to do; `run` when nothing is said.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// Arguments of `run`.
    #[command(flatten)]
    pub run: RunArgs,
}

/// What the program can do.
#[derive(Subcommand, Debug)]
pub enum Command {
    /// Connect to a master and run jobs (the default).
    Run(Box<RunArgs>),
    /// Build, list, pull or verify the language images.
    Images(crate::images::ImagesArgs),
    /// Say what this host can do, and what to do about what it cannot.
    Doctor(crate::doctor::DoctorArgs),
}

/// Isolation as it is written on the command line.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum IsolationArg {
    /// The host's kernel behind namespaces, cgroups, seccomp and no capabilities.
    Runc,
    /// As runc, in an engine with userns-remap.
    Userns,
    /// gVisor: a kernel in user space for each sandbox.
    Gvisor,
}

impl From<IsolationArg> for Isolation {
    fn from(written: IsolationArg) -> Self {
        match written {
            IsolationArg::Runc => Self::Runc,
            IsolationArg::Userns => Self::Userns,
            IsolationArg::Gvisor => Self::Gvisor,
        }
    }
}

/// Reuse as it is written on the command line.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum ReuseArg {
    /// A sandbox serves many jobs of one tenant and scope.
    Tenant,
    /// A sandbox serves one job.
    Never,
}

/// How cells are made, as it is written on the command line.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum CellsArg {
    /// In namespaces of their own; plain where the host refuses those.
    Auto,
    /// In namespaces of their own, or the agent does not start.
    Namespaced,
    /// As another user in the sandbox's own namespaces; each sandbox then serves one job.
    Plain,
}

/// How the log is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One object a line.
    Json,
}

/// Arguments of `run`.
#[derive(Args, Debug, Clone)]
pub struct RunArgs {
    /// Link address of the master: https, or http on this machine.
    #[arg(long, env = "ENCLOS_MASTER", default_value = "http://127.0.0.1:7301")]
    pub master: String,
    /// Name of this agent, unique in the fleet [default: the host's name].
    #[arg(long, env = "ENCLOS_AGENT_NAME")]
    pub name: Option<String>,
    /// File with the join token (of https: a one-time token, for the first start); otherwise ENCLOS_JOIN_TOKEN holds it.
    #[arg(long, env = "ENCLOS_JOIN_TOKEN_FILE")]
    pub join_token_file: Option<PathBuf>,
    /// Jobs at once [default: twice the cores].
    #[arg(long, env = "ENCLOS_SLOTS")]
    pub slots: Option<u32>,
    /// Cores for jobs, as a decimal [default: all that may be used].
    #[arg(long, env = "ENCLOS_CPUS")]
    pub cpus: Option<f64>,
    /// Memory for jobs, in bytes [default: three quarters of what may be used].
    #[arg(long, env = "ENCLOS_MEMORY_BYTES")]
    pub memory_bytes: Option<u64>,
    /// Processes and threads for jobs [default: 512 per slot].
    #[arg(long, env = "ENCLOS_PIDS")]
    pub pids: Option<u32>,
    /// Languages to offer, by id; `*` stands for anything [default: all].
    #[arg(long, env = "ENCLOS_LANGUAGES", value_delimiter = ',')]
    pub languages: Vec<String>,
    /// Images to make at the start, by name, `*` as above, or `none`; the others are made on first use
    /// [default: those of --languages, else the core].
    #[arg(long, env = "ENCLOS_IMAGES", value_delimiter = ',')]
    pub images: Vec<String>,
    /// How many jobs a sandbox may serve.
    #[arg(long, env = "ENCLOS_REUSE", value_enum, default_value = "tenant")]
    pub reuse: ReuseArg,
    /// What keeps sandboxes from this host.
    #[arg(long, env = "ENCLOS_ISOLATION", value_enum, default_value = "runc")]
    pub isolation: IsolationArg,
    /// How each step is kept from its sandbox; `auto` takes namespaces where the host gives them.
    #[arg(long, env = "ENCLOS_CELLS", value_enum, default_value = "auto")]
    pub cells: CellsArg,
    /// Give each job a core of its own while it runs; there are then no more slots than cores.
    #[arg(long, env = "ENCLOS_PIN_CORES")]
    pub pin_cores: bool,
    /// Sandboxes to keep ready per image that is made at the start, at least: demand adds to them for as long as it
    /// lasts, of any image; 0 makes every image on first use.
    #[arg(long, env = "ENCLOS_WARM", default_value_t = 2)]
    pub warm: u32,
    /// Sandboxes at once, of any kind [default: three for each slot, those of --warm, and up to 64 more, one for
    /// each 512 MiB of memory for jobs].
    #[arg(long, env = "ENCLOS_SANDBOXES")]
    pub sandboxes: Option<u32>,
    /// Compilers that have done their start-up in idle sandboxes and wait for a job, at most; 128 MiB each beside what
    /// jobs have [default: one for each core, within a quarter of the memory that jobs leave; none in a pod].
    #[arg(long, env = "ENCLOS_FORERUNNERS")]
    pub forerunners: Option<u32>,
    /// Memory for results of compile steps, in bytes; 0 remembers none.
    #[arg(long, env = "ENCLOS_COMPILE_CACHE_BYTES", default_value_t = 256 * 1024 * 1024)]
    pub compile_cache_bytes: usize,
    /// Folder of image folders [default: those that this build carries].
    #[arg(long, env = "ENCLOS_IMAGES_DIR")]
    pub images_dir: Option<PathBuf>,
    /// Directory for sockets to sandboxes, which the engine must see under the same path; without one, what is said
    /// to sandboxes goes by way of the engine, which costs a job a millisecond.
    #[arg(long, env = "ENCLOS_RUN_DIR", default_value = "/run/enclos")]
    pub run_dir: PathBuf,
    /// Run without cgroups of our own: CPU time and memory are then only sampled.
    #[arg(long, env = "ENCLOS_ALLOW_SAMPLED")]
    pub allow_sampled: bool,
    /// Longest that running jobs may take to end when the agent is asked to leave, in milliseconds.
    #[arg(long, env = "ENCLOS_DRAIN_MS", default_value_t = 20_000)]
    pub drain_ms: u64,
    /// How the log is written: lines for people, or one JSON object a line.
    #[arg(long, env = "ENCLOS_LOG_FORMAT", value_enum, default_value = "text")]
    pub log_format: LogFormat,
    /// The master's own agent: the end of standard input ends it, and jobs come to it last.
    #[arg(long)]
    pub embedded: bool,
    /// The engine's pod.
    #[command(flatten)]
    pub pod: PodFlags,
    /// Where images come from.
    #[command(flatten)]
    pub sources: crate::images::SourceFlags,
    /// Dependencies of jobs.
    #[command(flatten)]
    pub dependencies: DependencyFlags,
    /// What it shows to the master.
    #[command(flatten)]
    pub link: LinkFlags,
}

/// How cells are to be made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Cells {
    /// Namespaced where the host allows it, else plain.
    Auto,
    /// So and not otherwise.
    Only(CellKind),
}

/// What an agent runs with.
#[derive(Clone, Debug)]
pub struct Config {
    /// `http://host:port` or `https://host:port` of the master's link.
    pub master: String,
    /// Its name.
    pub name: AgentName,
    /// What it shows.
    pub credential: Credential,
    /// What it offers.
    pub capacity: Capacity,
    /// Ids of the languages that it offers, sorted.
    pub languages: Vec<String>,
    /// Names of the images that it makes at its start, sorted; each is of a language that it offers.
    pub images: Vec<String>,
    /// The weakest reuse that is allowed.
    pub reuse: Reuse,
    /// What keeps sandboxes from the host.
    pub isolation: Isolation,
    /// How cells are made.
    pub cells: Cells,
    /// Cores that jobs are pinned to, at least one per slot; `None`: they are not pinned.
    pub pin_cores: Option<BTreeSet<u32>>,
    /// Sandboxes to keep ready per image that is made at the start, at least.
    pub warm: u32,
    /// Sandboxes at once.
    pub places: Places,
    /// Forerunners that may wait.
    pub forerunners: u32,
    /// Memory for results of compile steps, in bytes.
    pub compile_cache_bytes: usize,
    /// Directory for sockets to sandboxes.
    pub run_dir: PathBuf,
    /// May run without cgroups.
    pub allow_sampled: bool,
    /// Longest drain.
    pub drain: Duration,
    /// Ends with its standard input.
    pub embedded: bool,
    /// How dependencies are installed; `None`: they are not.
    pub dependencies: Option<DependencyConfig>,
}

/// Why an agent cannot be configured so.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The master's address.
    #[error("--master must be https://HOST:PORT, or http:// on this machine, without a path, not '{0}'")]
    Master(String),
    /// It is elsewhere, and in clear.
    #[error("--master '{0}' is not on this machine, and the link leaves it with TLS only: dial https:// (docs/tls.md)")]
    ClearMaster(String),
    /// Not such a token.
    #[error("the join token for an https:// master is what `enclos agents token` shows there (enclos1.….…)")]
    NotOneTime,
    /// The name.
    #[error("--name: {0}")]
    Name(#[from] NotAnAgentName),
    /// No token.
    #[error("no join token: set ENCLOS_JOIN_TOKEN or --join-token-file (the master keeps it in DATA_DIR/join-token)")]
    NoToken,
    /// The token's file.
    #[error("the join token cannot be read from {}", path.display())]
    TokenFile {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The token.
    #[error("the join token is 1 to {TOKEN_BYTES_MAX} printable characters without spaces")]
    Token,
    /// A number outside its range.
    #[error("{flag} must be {range}, not {value}")]
    Range {
        /// Which flag.
        flag: &'static str,
        /// What it may be.
        range: String,
        /// What it is.
        value: String,
    },
    /// Two flags that exclude each other.
    #[error("{flag} cannot be had with {other}: {why}")]
    Exclusive {
        /// Which flag.
        flag: &'static str,
        /// Which other.
        other: &'static str,
        /// Why not.
        why: &'static str,
    },
    /// The pod is too small.
    #[error(
        "the memory of the machine, or the pod's limit, leaves nothing for jobs: engine, supervisors of {slots} slots and \
         idle sandboxes need it; raise it, or lower --slots or --sandboxes"
    )]
    NoRoom {
        /// Jobs at once.
        slots: u32,
    },
    /// How dependencies are to be installed.
    #[error(transparent)]
    Dependencies(#[from] DependencyFlagError),
    /// A language that no image has, or an image of no language that is offered.
    #[error("{flag}: '{name}' is unknown; known are {known}")]
    Unknown {
        /// Which flag.
        flag: &'static str,
        /// What was asked for.
        name: String,
        /// What there is.
        known: String,
    },
}

impl Config {
    /// The configuration that `args` come to on `machine`.
    ///
    /// # Errors
    /// [`ConfigError`] says what to write instead.
    pub fn check(
        args: &RunArgs,
        token: Option<&str>,
        machine: &Machine,
        catalogue: &Catalogue,
    ) -> Result<Self, ConfigError> {
        let url = link::master(&args.master)?;
        let credential = link::credential(&args.link, args.join_token_file.as_deref(), token, &url)?;
        if args.warm > WARM_MAX {
            return Err(range("--warm", format!("0 to {WARM_MAX}"), args.warm));
        }
        let cells = cells(args)?;
        let dependencies = DependencyConfig::check(&args.dependencies, catalogue)?;
        let languages = choice::languages(&args.languages, catalogue)?;
        let images = choice::images(&args.images, &languages, !args.languages.is_empty(), catalogue)?;
        let stock = u32::try_from(images.len()).unwrap_or(u32::MAX).saturating_mul(args.warm);
        let (capacity, places) = capacity::of(args, machine, dependencies.as_ref(), stock)?;
        Ok(Self {
            master: url.as_str().trim_end_matches('/').to_owned(),
            name: match &args.name {
                Some(name) => name.parse()?,
                None => machine.agent_name(),
            },
            credential,
            capacity,
            languages,
            images,
            reuse: match args.reuse {
                // Nothing stands between two jobs in plain cells, so such sandboxes serve one.
                ReuseArg::Tenant if cells != Cells::Only(CellKind::Plain) => Reuse::Tenant,
                ReuseArg::Tenant | ReuseArg::Never => Reuse::Never,
            },
            isolation: args.isolation.into(),
            cells,
            pin_cores: args.pin_cores.then(|| machine.cores.clone()),
            warm: args.warm,
            places,
            forerunners: capacity::forerunners(args, machine, &capacity, places),
            compile_cache_bytes: args.compile_cache_bytes,
            run_dir: args.run_dir.clone(),
            allow_sampled: args.allow_sampled,
            drain: Duration::from_millis(args.drain_ms),
            embedded: args.embedded,
            dependencies,
        })
    }

    /// Whether it offers the language.
    #[must_use]
    pub fn offers(&self, language: &str) -> bool {
        self.languages.iter().any(|id| id == language)
    }
}

fn range(flag: &'static str, range: String, value: impl ToString) -> ConfigError {
    ConfigError::Range { flag, range, value: value.to_string() }
}

fn cells(args: &RunArgs) -> Result<Cells, ConfigError> {
    match (args.isolation, args.cells) {
        (IsolationArg::Gvisor, CellsArg::Namespaced) => Err(ConfigError::Exclusive {
            flag: "--cells namespaced",
            other: "--isolation gvisor",
            why: "gVisor's namespaces are not the kernel's, so its cells are plain",
        }),
        (IsolationArg::Gvisor, CellsArg::Auto | CellsArg::Plain) | (_, CellsArg::Plain) => {
            Ok(Cells::Only(CellKind::Plain))
        }
        (_, CellsArg::Namespaced) => Ok(Cells::Only(CellKind::Namespaced)),
        (_, CellsArg::Auto) => Ok(Cells::Auto),
    }
}

#[cfg(test)]
#[path = "config_tests.rs"]
mod tests;
