//! The command line: what was asked for, done by the module of that name.
//!
//! Commands of a client speak only HTTP; `keys` and `tenants` open the master's database. `up` and `master` are the service;
//! `doctor` and `images` are the agent's and become its program. A secret is
//! never an argument: every user of the host reads those.

mod attach;
mod backup;
mod blobs;
mod callbacks;
mod client;
mod compose;
mod events;
mod exit;
mod fetch;
mod judge;
mod keys;
mod package;
mod pki;
mod run;
mod serve;
mod show;
mod sibling;
mod table;
mod terminal;
mod top;
mod up;
mod upload;
mod verdicts;

use std::ffi::OsString;
use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, CommandFactory as _, Parser, Subcommand};
use nix::sys::resource::{Resource, setrlimit};
use tracing_subscriber::EnvFilter;

use crate::config::LogFormat;
use client::{Client, URL_DEFAULT};
use exit::CliError;
use terminal::{Terminal, harmless, tell};

/// Variable that says what is logged, as `tracing` filters are written.
const LOG_VARIABLE: &str = "ENCLOS_LOG";

/// Enclos compiles and runs untrusted programs in sandboxes.
#[derive(Parser, Debug)]
#[command(name = "enclos", version, after_help = exit::HELP, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Start a whole cluster on this machine: master, agent, images, first jobs
    #[command(after_help = "Examples:\n  enclos up\n  enclos up --bind 127.0.0.1:8000 --slots 4 --no-demo")]
    Up(Box<up::UpArgs>),
    /// Start a master alone; agents join it with `enclos-agent --master URL`
    #[command(after_help = "Examples:\n  enclos master --data-dir /var/lib/enclos\n  \
        ENCLOS_JOIN_TOKEN=\"$(cat /var/lib/enclos/join-token)\" enclos-agent --master http://127.0.0.1:7301\n\n\
        Agents on other machines join over TLS:\n  enclos pki init --dir /var/lib/enclos/pki --name master.example\n  \
        enclos master --data-dir /var/lib/enclos --pki /var/lib/enclos/pki --link-bind 0.0.0.0:7301\n  \
        enclos agents token --dir /var/lib/enclos/pki")]
    Master(Box<crate::config::MasterArgs>),
    /// Copy a master's data directory into one archive, while the master runs
    #[command(after_help = "Example:\n  enclos backup --data-dir /var/lib/enclos --to enclos-$(date +%F).tar\n\n\
        To use it:\n  mkdir DIR && tar -xf FILE -C DIR && enclos master --data-dir DIR")]
    Backup(backup::BackupArgs),
    /// Run a program and show its output as it comes
    #[command(after_help = format!("Examples:\n  enclos run hello.c\n  enclos run main.py data.csv --arg data.csv\n  \
        enclos run -i game.py\n  \
        enclos run com/acme/Main.java com/acme/Util.java < input.txt\n  \
        enclos run prog.cpp --compile-arg=-O3 --limit run.memory_bytes=134217728 --limit run.cpus=0.5\n\n{}", exit::HELP))]
    Run {
        #[command(flatten)]
        args: Box<compose::RunArgs>,
        #[command(flatten)]
        server: Server,
    },
    /// Judge a program by a problem package (Kattis format), case by case
    #[command(after_help = format!("Examples:\n  enclos judge problems/sum main.cpp\n  \
        enclos judge problems/sum solution.py --all --time-limit 2.5\n\n{}", exit::HELP))]
    Judge {
        #[command(flatten)]
        args: Box<judge::JudgeArgs>,
        #[command(flatten)]
        server: Server,
    },
    /// List the newest jobs
    #[command(
        after_help = "Examples:\n  enclos jobs\n  enclos jobs --state running --language java\n  enclos jobs --label course=cs101 --json"
    )]
    Jobs {
        #[command(flatten)]
        args: show::JobsArgs,
        #[command(flatten)]
        server: Server,
    },
    /// Show one job with its output; exits as `run` would
    #[command(
        after_help = "Examples:\n  enclos show 3f2a90c1d4e5      (the last digits, as `enclos jobs` shows them)\n  enclos show 0198c0de-1f6e-7c3a-9b1d-3f2a90c1d4e5 --json"
    )]
    Show {
        /// Its id, or the last digits of it
        id: String,
        #[command(flatten)]
        output: Output,
        #[command(flatten)]
        server: Server,
    },
    /// Watch a job, and speak with its program where it was submitted with `run --interactive`; exits as `run` would
    #[command(after_help = "Example:\n  enclos attach 3f2a90c1d4e5\n\n\
        Ctrl-D ends the program's input. Ctrl-C sends it SIGINT; twice within two seconds, it cancels the job;\n\
        a job whose input is not live is only left.")]
    Attach {
        /// Its id, or the last digits of it
        id: String,
        #[command(flatten)]
        server: Server,
    },
    /// Cancel a job, whether it waits or runs
    #[command(after_help = "Example:\n  enclos cancel 3f2a90c1d4e5")]
    Cancel {
        /// Its id, or the last digits of it
        id: String,
        #[command(flatten)]
        output: Output,
        #[command(flatten)]
        server: Server,
    },
    /// Save the files that a job gives back
    #[command(
        after_help = "Examples:\n  enclos run plot.py --keep 'out/*.png'\n  enclos fetch 3f2a90c1d4e5 --into results"
    )]
    Fetch {
        #[command(flatten)]
        args: fetch::FetchArgs,
        #[command(flatten)]
        server: Server,
    },
    /// Erase a job: its sources, output and files; one that has not ended is cancelled
    #[command(after_help = "Example:\n  enclos erase 3f2a90c1d4e5")]
    Erase {
        /// Its id, or the last digits of it
        id: String,
        #[command(flatten)]
        server: Server,
    },
    /// Upload inputs once for many jobs, get them back, delete them
    #[command(
        after_help = "Examples:\n  enclos blobs put big.in\n  enclos blobs get DIGEST -o big.in\n  enclos blobs rm DIGEST"
    )]
    Blobs {
        #[command(subcommand)]
        command: blobs::BlobsCommand,
        #[command(flatten)]
        server: Server,
    },
    /// List the languages and whether their images are ready
    #[command(
        after_help = "Examples:\n  enclos languages\n  enclos languages --json    (with every limit's default, minimum and maximum)"
    )]
    Languages {
        #[command(flatten)]
        output: Output,
        #[command(flatten)]
        server: Server,
    },
    /// List the agents and how loaded they are; `agents token` lets a new one in
    #[command(
        args_conflicts_with_subcommands = true,
        after_help = "Examples:\n  enclos agents\n  enclos agents --json --url http://127.0.0.1:8000\n  \
            enclos agents token --dir /var/lib/enclos/pki --ttl 10m"
    )]
    Agents {
        #[command(subcommand)]
        command: Option<pki::AgentsCommand>,
        #[command(flatten)]
        output: Output,
        #[command(flatten)]
        server: Server,
    },
    /// Watch the cluster: agents, queue, rates, the last hour; drain an agent
    #[command(
        after_help = "Examples:\n  enclos top\n  enclos top --once\n  ENCLOS_API_KEY=enclos_… enclos top --url https://master.example:7300\n\n\
        A key with the scope `operate` sees all; another key its tenant's jobs."
    )]
    Top {
        #[command(flatten)]
        args: top::TopArgs,
        #[command(flatten)]
        server: Server,
    },
    /// Make, show, renew and revoke certificates of a cluster whose agents are on other machines
    #[command(after_help = "Examples:\n  enclos pki init --dir /var/lib/enclos/pki --name master.example\n  \
        enclos pki show --dir /var/lib/enclos/pki\n  enclos pki revoke --dir /var/lib/enclos/pki node-7\n\n\
        These commands work on the directory itself, on the master's machine, as the master's user.")]
    Pki {
        #[command(subcommand)]
        command: pki::PkiCommand,
    },
    /// Make, list, revoke and rotate the keys of the API, beside a running master
    #[command(
        after_help = "Examples:\n  enclos keys create --tenant acme --scope submit,read --expires 30d > acme.key\n  \
        enclos keys list\n  enclos keys rotate key-0123456789ab --grace 1h\n  enclos keys revoke key-0123456789ab"
    )]
    Keys {
        #[command(subcommand)]
        command: keys::KeysCommand,
        #[command(flatten)]
        place: keys::Place,
    },
    /// Say how much a tenant may use, beside a running master
    #[command(after_help = "Examples:\n  enclos tenants set acme --running-jobs 20 --cpu-seconds-per-day 36000\n  \
        enclos tenants set acme --languages c,python --running-jobs unlimited\n  enclos tenants list")]
    Tenants {
        #[command(subcommand)]
        command: keys::TenantsCommand,
        #[command(flatten)]
        place: keys::Place,
    },
    /// See to callbacks that were not delivered, and to the secrets that sign them
    #[command(after_help = "Examples:\n  enclos callbacks list --state dead\n  \
        enclos callbacks retry 0198c0de-1f6e-7c3a-9b1d-3f2a90c1d4e5\n  \
        enclos callbacks secret --tenant acme > acme.whsec\n  \
        enclos callbacks secret --tenant acme --rotate --grace 1h\n\n\
        `secret` opens the master's data directory, on its machine, beside a running master.")]
    Callbacks {
        #[command(subcommand)]
        command: callbacks::CallbacksCommand,
    },
    /// Print what a shell needs to complete commands of `enclos`
    #[command(after_help = "Examples:\n  enclos completions bash > /etc/bash_completion.d/enclos\n  \
        enclos completions fish > ~/.config/fish/completions/enclos.fish")]
    Completions {
        /// Which shell
        shell: clap_complete::Shell,
    },
    /// Say what this host can do, and what to do about what it cannot (`enclos-agent doctor`)
    #[command(disable_help_flag = true)]
    Doctor(HandedOn),
    /// Build, list, pull or verify the language images (`enclos-agent images`)
    #[command(disable_help_flag = true)]
    Images(HandedOn),
}

#[derive(Args, Debug)]
struct Server {
    /// Address of the master
    #[arg(long, env = "ENCLOS_URL", default_value = URL_DEFAULT, value_name = "URL")]
    url: String,
    /// Authorities (PEM) that an https master's certificate may come from [default: this host's]
    #[arg(long, env = "ENCLOS_CA", value_name = "FILE")]
    ca: Option<PathBuf>,
    /// File with the key for the API [default: the variable ENCLOS_API_KEY, where it is set]
    #[arg(long, env = "ENCLOS_API_KEY_FILE", value_name = "FILE")]
    api_key_file: Option<PathBuf>,
    /// Show the key in clear to a master on another machine, too
    #[arg(long, env = "ENCLOS_INSECURE_HTTP")]
    insecure_http: bool,
}

impl Server {
    fn client(&self) -> Result<Client, CliError> {
        let clear = if self.insecure_http { client::Clear::Anywhere } else { client::Clear::Loopback };
        let key = client::api_key(self.api_key_file.as_deref())?;
        Client::new(&self.url, key.as_ref(), self.ca.as_deref(), clear)
    }
}

#[derive(Args, Debug)]
struct Output {
    /// Print the master's JSON
    #[arg(long)]
    json: bool,
}

#[derive(Args, Debug)]
struct HandedOn {
    /// As `enclos-agent` takes them
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    args: Vec<OsString>,
}

/// Does what the command line says; its exit code.
#[must_use]
pub fn main() -> ExitCode {
    // A core file would hold keys and programs.
    let _ = setrlimit(Resource::RLIMIT_CORE, 0, 0);
    let command = Cli::parse().command;
    match dispatch(command) {
        Ok(code) => code,
        Err(error) => {
            tell(&format!("enclos: {}", harmless(&error.chain())));
            exit::code(error.exit_code())
        }
    }
}

fn dispatch(command: Command) -> Result<ExitCode, CliError> {
    let mut runtime = match &command {
        Command::Up(_) | Command::Master(_) => tokio::runtime::Builder::new_multi_thread(),
        _ => tokio::runtime::Builder::new_current_thread(),
    };
    let runtime = runtime.enable_all().build().map_err(service_error("the runtime cannot start"))?;
    let terminal = Terminal::detect();
    match command {
        Command::Up(args) => {
            log_to_stderr("warn", args.log_format());
            runtime.block_on(up::run(*args, terminal))
        }
        Command::Master(args) => {
            log_to_stderr("info", args.observe.log_format);
            runtime.block_on(serve::run(*args))
        }
        Command::Backup(args) => backup::run(&args),
        Command::Run { args, server } => runtime.block_on(run::run(&server.client()?, &args, terminal)),
        Command::Judge { args, server } => runtime.block_on(judge::judge(&server.client()?, &args, terminal)),
        Command::Fetch { args, server } => runtime.block_on(fetch::fetch(&server.client()?, &args)),
        Command::Blobs { command, server } => runtime.block_on(blobs::run(&server.client()?, &command, terminal)),
        Command::Erase { id, server } => runtime.block_on(show::erase(&server.client()?, &id)),
        Command::Completions { shell } => {
            // To memory first: the generator panics where its reader is gone.
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "enclos", &mut script);
            terminal::say(String::from_utf8_lossy(&script).trim_end());
            Ok(ExitCode::SUCCESS)
        }
        Command::Jobs { args, server } => runtime.block_on(show::jobs(&server.client()?, &args, terminal)),
        Command::Show { id, output, server } => {
            runtime.block_on(show::show(&server.client()?, &id, output.json, terminal))
        }
        Command::Attach { id, server } => runtime.block_on(attach::attach(&server.client()?, &id, terminal)),
        Command::Cancel { id, output, server } => {
            runtime.block_on(show::cancel(&server.client()?, &id, output.json, terminal))
        }
        Command::Languages { output, server } => {
            runtime.block_on(show::languages(&server.client()?, output.json, terminal))
        }
        Command::Top { args, server } => runtime.block_on(top::run(&server.client()?, &args, terminal)),
        Command::Pki { command } => pki::pki(&command),
        Command::Agents { command: Some(command), .. } => pki::agents(&command),
        Command::Agents { command: None, output, server } => {
            runtime.block_on(show::agents(&server.client()?, output.json, terminal))
        }
        Command::Keys { command, place } => runtime.block_on(keys::keys(&place, command, terminal)),
        Command::Tenants { command, place } => runtime.block_on(keys::tenants(&place, command)),
        Command::Callbacks { command } => runtime.block_on(callbacks::run(command, terminal)),
        Command::Doctor(HandedOn { args }) => match sibling::become_agent("doctor", &args)? {},
        Command::Images(HandedOn { args }) => match sibling::become_agent("images", &args)? {},
    }
}

/// A closure that says `what` failed with the error as its cause.
fn service_error<E>(what: &'static str) -> impl Fn(E) -> CliError
where
    E: std::error::Error + Send + Sync + 'static,
{
    move |source| CliError::ServiceCause { what: what.to_owned(), source: Box::new(source) }
}

fn log_to_stderr(level: &str, format: LogFormat) {
    let filter = EnvFilter::try_from_env(LOG_VARIABLE).unwrap_or_else(|_| EnvFilter::new(level));
    // It logs whole messages: the code of clients and what their programs write.
    let filter = filter.add_directive("rmcp=off".parse().expect("it is a directive"));
    let colours = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty());
    let logging = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // It fails only when a subscriber is set already, which then serves as well.
    let _ = match format {
        LogFormat::Text => logging.with_ansi(colours).try_init(),
        LogFormat::Json => logging.json().flatten_event(true).with_span_list(false).try_init(),
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shell_gets_its_completions() {
        for shell in [clap_complete::Shell::Bash, clap_complete::Shell::Zsh, clap_complete::Shell::Fish] {
            let mut text = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "enclos", &mut text);
            assert!(String::from_utf8(text).unwrap().contains("judge"), "{shell}");
        }
    }

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_shows_an_example() {
        for command in Cli::command().get_subcommands() {
            let handed_on = matches!(command.get_name(), "doctor" | "images");
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(handed_on || help.contains("enclos "), "{}", command.get_name());
        }
    }

    #[test]
    fn arguments_of_the_program_may_look_like_flags() {
        let line = ["enclos", "run", "a.c", "--arg", "-x", "--arg=--json", "--env", "A=b=c", "--limit", "run.cpus=0.5"];
        let Command::Run { args, .. } = Cli::try_parse_from(line).unwrap().command else { panic!("run") };
        assert_eq!(args.args, ["-x", "--json"]);
        assert_eq!(args.env, [("A".to_owned(), "b=c".to_owned())]);
        assert!(!args.json);
    }
}
