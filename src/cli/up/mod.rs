//! `enclos up`: a whole cluster on this machine, from nothing to the first jobs.
//!
//! ```text
//! doctor ─▶ master (in this process) ─▶ agent (child) ─▶ images ─▶ hello jobs ─▶ URL ─▶ serves
//!                                                              Ctrl-C, SIGTERM at any point ─▶ agent ends ─▶ master ends
//! ```
//!
//! The master never gets the engine's socket: the agent is a process of its
//! own, over loopback, on the same code path as a remote one.

mod child;
mod hello;
mod waiting;

use std::future::pending;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{ExitCode, Stdio};
use std::time::Duration;

use tokio::process::Command;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::{JoinError, JoinSet};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::client::{Clear, Client, URL_DEFAULT};
use super::exit::CliError;
use super::terminal::{Spinner, Terminal, say, tell};
use super::{service_error, sibling};
use crate::config::{Config, Dependencies, LogFormat, MasterArgs, Security};
use crate::master::Master;

/// Longest that the master may take to end.
const MASTER_END_WAIT: Duration = Duration::from_secs(30);
/// Port of an unchanged installation; its agent has the plain name.
const PORT_DEFAULT: u16 = 7300;

/// Flags of `enclos up`.
#[derive(Clone, Debug, clap::Args)]
pub struct UpArgs {
    #[command(flatten)]
    master: MasterArgs,
    /// Run no hello jobs at the start
    #[arg(long)]
    no_demo: bool,
    #[command(flatten)]
    agent: AgentFlags,
}

impl UpArgs {
    pub(super) fn log_format(&self) -> LogFormat {
        self.master.observe.log_format
    }
}

/// What is handed on to the agent; it checks the values.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Agent")]
pub struct AgentFlags {
    /// Name of the agent [default: local, or local-PORT beside another cluster]
    #[arg(long, env = "ENCLOS_AGENT_NAME", value_name = "NAME")]
    agent_name: Option<String>,
    /// Jobs at once [default: twice the cores]
    #[arg(long, env = "ENCLOS_SLOTS", value_name = "N")]
    slots: Option<String>,
    /// Cores for jobs, as a decimal [default: all]
    #[arg(long, env = "ENCLOS_CPUS", value_name = "F")]
    cpus: Option<String>,
    /// Memory for jobs, in bytes [default: three quarters of what may be used]
    #[arg(long, env = "ENCLOS_MEMORY_BYTES", value_name = "BYTES")]
    memory_bytes: Option<String>,
    /// Languages to offer, by id, with commas [default: all]
    #[arg(long, env = "ENCLOS_LANGUAGES", value_name = "IDS")]
    languages: Option<String>,
    /// Images to make at the start, by name, with commas, or none; others are made on first use [default: the core]
    #[arg(long, env = "ENCLOS_IMAGES", value_name = "NAMES")]
    images: Option<String>,
    /// How many jobs a sandbox may serve [default: tenant]
    #[arg(long, env = "ENCLOS_REUSE", value_name = "tenant|never")]
    reuse: Option<String>,
    /// What keeps sandboxes from this host [default: runc]
    #[arg(long, env = "ENCLOS_ISOLATION", value_name = "runc|userns|gvisor")]
    isolation: Option<String>,
    /// How each step is kept from its sandbox [default: auto]
    #[arg(long, env = "ENCLOS_CELLS", value_name = "auto|namespaced|plain")]
    cells: Option<String>,
    /// Give each job a core of its own while it runs
    #[arg(long, env = "ENCLOS_PIN_CORES")]
    pin_cores: bool,
    /// Sandboxes to keep ready per language image [default: 2]
    #[arg(long, env = "ENCLOS_WARM", value_name = "N")]
    warm: Option<String>,
    /// Package index for dependencies of jobs instead of the public one
    #[arg(long, env = "ENCLOS_PACKAGE_INDEX", value_name = "INSTALLER=URL")]
    package_index: Option<String>,
    /// Certificate authorities (PEM) that installers of dependencies trust [default: this host's]
    #[arg(long, env = "ENCLOS_PACKAGE_CA", value_name = "FILE")]
    package_ca: Option<String>,
}

/// Starts everything, serves until a signal, ends everything.
///
/// # Errors
/// [`CliError`] says what could not be started or did not stay.
pub async fn run(args: UpArgs, terminal: Terminal) -> Result<ExitCode, CliError> {
    let mut signals = Signals::new()?;
    let program = sibling::agent_program()?;
    doctor(&program, args.master.images_dir.as_deref()).await?;
    let config = Config::from_args(&args.master).map_err(service_error("the master cannot be configured"))?;
    if config.security != Security::loopback() || !config.bind.ip().is_loopback() {
        let what = "`enclos up` is a cluster of this one machine, in clear on loopback; \
                    for other machines start `enclos master` and `enclos-agent` (docs/tls.md)";
        return Err(CliError::Service(what.into()));
    }
    let (token, log) = (config.join_token.clone(), config.data_dir.join("agent.log"));
    let master = Master::bind(config).await.map_err(service_error("the master cannot start"))?;
    let (http, link) = (master.http_addr(), master.link_addr());
    let client = Client::new(&format!("http://{http}"), Some(&master.own_key()), None, Clear::Loopback)?;
    let is_open = master.is_open();
    let name = args.agent.agent_name.clone().unwrap_or_else(|| default_name(http));

    let (stop_master, stop_agent) = (CancellationToken::new(), CancellationToken::new());
    let mut masters = JoinSet::new();
    masters.spawn(master.run(stop_master.clone()));
    let launch = child::Launch { program, args: agent_args(&args, &name, link), token, log };
    let mut agents = JoinSet::new();
    agents.spawn(child::supervise(launch, stop_agent.clone()));

    let welcome = async {
        let languages = waiting::until_ready(&client, &name, terminal).await?;
        if !args.no_demo {
            say("");
            hello::table(&client, &languages, terminal).await?;
        }
        invite(&client, &args, is_open);
        pending::<Result<(), CliError>>().await
    };
    // Cancel-safe: each arm ends the cluster, nothing is resumed.
    let served = tokio::select! {
        () = signals.next() => Ok(()),
        ended = masters.join_next() => Err(ended_early(ended)),
        ended = agents.join_next() => match ended {
            Some(Ok(Err(error))) => Err(error),
            _ => Err(CliError::Service("the agent has ended".into())),
        },
        failed = welcome => failed,
    };
    Spinner::new(terminal.stderr).clear();
    let ended = end(&mut signals, (stop_agent, &mut agents), (stop_master, &mut masters)).await;
    served.and(ended).map(|()| ExitCode::SUCCESS)
}

/// The agent first: it hands back what it runs while the master still listens.
async fn end<M: 'static>(
    signals: &mut Signals,
    (stop_agent, agents): (CancellationToken, &mut JoinSet<Result<(), CliError>>),
    (stop_master, masters): (CancellationToken, &mut JoinSet<M>),
) -> Result<(), CliError> {
    tell("ending: the agent finishes or hands back its jobs and removes its containers (Ctrl-C again: at once)");
    stop_agent.cancel();
    // Cancel-safe: a task that is not joined here is ended below.
    let agent = tokio::select! {
        joined = agents.join_next() => match joined {
            Some(Ok(ended)) => ended,
            Some(Err(error)) => Err(CliError::Service(format!("the agent's keeper failed: {error}"))),
            None => Ok(()),
        },
        () = signals.next() => {
            agents.shutdown().await;
            Err(CliError::Service("ended at once; the agent removes what it left at its next start".into()))
        }
    };
    stop_master.cancel();
    if timeout(MASTER_END_WAIT, masters.join_next()).await.is_err() {
        masters.shutdown().await;
        return agent.and(Err(CliError::Service("the master took too long to end".into())));
    }
    agent
}

fn ended_early<E>(ended: Option<Result<Result<(), E>, JoinError>>) -> CliError
where
    E: std::error::Error + Send + Sync + 'static,
{
    let what = "the master has ended";
    match ended {
        Some(Ok(Err(source))) => service_error(what)(source),
        Some(Err(source)) => service_error(what)(source),
        Some(Ok(Ok(()))) | None => CliError::Service(what.to_owned()),
    }
}

/// Lets the agent's program judge this host; it prints its verdicts.
async fn doctor(program: &Path, images_dir: Option<&Path>) -> Result<(), CliError> {
    let mut command = Command::new(program);
    command.args(["doctor", "--brief"]).stdin(Stdio::null()).kill_on_drop(true);
    if let Some(dir) = images_dir {
        command.arg("--images-dir").arg(dir);
    }
    let status = command.status().await.map_err(|source| CliError::Sibling { path: program.to_owned(), source })?;
    if status.success() {
        Ok(())
    } else {
        Err(CliError::Service("this host cannot run sandboxes yet; what to do stands above (`enclos doctor`)".into()))
    }
}

fn default_name(http: SocketAddr) -> String {
    // Two agents of one engine must not have one name: each removes what "it" left at its start.
    if http.port() == PORT_DEFAULT { "local".to_owned() } else { format!("local-{}", http.port()) }
}

fn agent_args(args: &UpArgs, name: &str, link: SocketAddr) -> Vec<String> {
    let AgentFlags {
        agent_name: _,
        slots,
        cpus,
        memory_bytes,
        languages,
        images,
        reuse,
        isolation,
        cells,
        pin_cores,
        warm,
        package_index,
        package_ca,
    } = &args.agent;
    // One command must start everywhere: where this machine gives its agent no cgroups, accounting is
    // sampled, which doctor says before and every answer after. Who runs agents apart chooses aloud.
    let mut list = vec!["--embedded".to_owned(), "--allow-sampled".to_owned()];
    list.extend([format!("--master=http://{link}"), format!("--name={name}")]);
    let flags = [
        ("slots", slots),
        ("cpus", cpus),
        ("memory-bytes", memory_bytes),
        ("languages", languages),
        ("images", images),
        ("reuse", reuse),
        ("isolation", isolation),
        ("cells", cells),
        ("warm", warm),
        ("package-index", package_index),
        ("package-ca", package_ca),
    ];
    list.extend(flags.iter().filter_map(|(flag, value)| value.as_ref().map(|value| format!("--{flag}={value}"))));
    if args.master.dependencies == Dependencies::Deny {
        list.push("--dependencies=deny".to_owned());
    }
    list.extend(pin_cores.then(|| "--pin-cores".to_owned()));
    if args.log_format() == LogFormat::Json {
        list.push("--log-format=json".to_owned());
    }
    if let Some(dir) = &args.master.images_dir {
        list.push(format!("--images-dir={}", dir.display()));
    }
    list
}

fn invite(client: &Client, args: &UpArgs, is_open: bool) {
    let url = client.url();
    let own = std::env::args().next().unwrap_or_else(|| "enclos".to_owned());
    let flag = if url == URL_DEFAULT { String::new() } else { format!(" --url {url}") };
    // As the command line takes it; the shell puts it in.
    let shown = if is_open { "" } else { " -H \"authorization: Bearer $ENCLOS_API_KEY\"" };
    say(&format!(
        "
Enclos is ready at {url}

Try:
  curl -s '{url}/v1/jobs?wait_ms=10000' -H 'content-type: application/json'{shown} \\
       -d '{{\"language\":\"python\",\"source\":\"print(6 * 7)\"}}'
  echo 'int main(void) {{ return 42; }}' > answer.c && {own} run{flag} answer.c; echo $?
  {own} agents{flag}

The API, with examples: {url}/docs
Logs of the agent: {}
Ctrl-C ends everything.",
        args.master.data_dir.join("agent.log").display()
    ));
}

/// SIGINT and SIGTERM as they come.
pub(super) struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

impl Signals {
    pub(super) fn new() -> Result<Self, CliError> {
        let hear = |kind| signal(kind).map_err(service_error("signals cannot be heard"));
        Ok(Self { interrupt: hear(SignalKind::interrupt())?, terminate: hear(SignalKind::terminate())? })
    }

    /// The next of either. Cancel-safe: a signal stays pending in its own stream.
    pub(super) async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    #[derive(clap::Parser)]
    struct Line {
        #[command(flatten)]
        args: UpArgs,
    }

    #[test]
    fn the_agent_gets_what_it_needs_and_never_the_token() {
        let line = "up --slots 2 --languages c,python --cells plain --pin-cores --images-dir /i --join-token-file /t --log-format json";
        let args = Line::parse_from(line.split(' ')).args;
        let list = agent_args(&args, "local", "127.0.0.1:7301".parse().unwrap());
        insta::assert_snapshot!(list.join(" "), @"--embedded --allow-sampled --master=http://127.0.0.1:7301 --name=local --slots=2 --languages=c,python --cells=plain --pin-cores --log-format=json --images-dir=/i");
    }

    #[test]
    fn a_second_cluster_has_an_agent_of_another_name() {
        assert_eq!(default_name("127.0.0.1:7300".parse().unwrap()), "local");
        assert_eq!(default_name("127.0.0.1:9000".parse().unwrap()), "local-9000");
    }
}
