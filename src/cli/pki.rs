//! `enclos pki` and `enclos agents token`: the authority's directory, from the shell of its owner.
//!
//! No request to a master: who may write the directory may let agents in, and
//! nobody else. A running master sees what changes.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, SystemTime};

use clap::{Args, Subcommand};
use enclos_protocol::ids::AgentName;

use super::exit::CliError;
use super::service_error;
use super::terminal::{harmless_line, say, tell};
use crate::pki::{self, Overview, TOKEN_TTL_MAX, Target};

/// Where the authority is.
#[derive(Args, Debug)]
pub struct Dir {
    /// Directory of the authority
    #[arg(long, env = "ENCLOS_PKI_DIR", value_name = "DIR")]
    dir: PathBuf,
}

/// What `enclos pki` does.
#[derive(Subcommand, Debug)]
pub enum PkiCommand {
    /// Make an authority and the master's certificate; nothing is ever overwritten
    Init {
        #[command(flatten)]
        dir: Dir,
        /// Host name or address under which agents and clients reach the master (may be repeated)
        #[arg(long = "name", value_name = "HOST")]
        names: Vec<String>,
        /// Succeed, and change nothing, where there is an authority already: for what runs at every start
        #[arg(long)]
        if_missing: bool,
    },
    /// Show the authority, the master's certificate, and those of agents
    Show {
        #[command(flatten)]
        dir: Dir,
    },
    /// Make a new certificate for the master; a running one takes it by itself
    Renew {
        #[command(flatten)]
        dir: Dir,
        /// Host name or address to add (may be repeated)
        #[arg(long = "name", value_name = "HOST")]
        names: Vec<String>,
    },
    /// Revoke the certificates of an agent, or one by its serial number; a running master cuts its link at once
    Revoke {
        #[command(flatten)]
        dir: Dir,
        /// Name of the agent, or serial number
        #[arg(value_name = "AGENT|SERIAL")]
        target: String,
    },
}

/// What `enclos agents` does beside listing them.
#[derive(Subcommand, Debug)]
pub enum AgentsCommand {
    /// Make a token that lets one agent in, once; it is shown this one time
    Token {
        #[command(flatten)]
        dir: Dir,
        /// How long it holds: a number with s, m, h or d, at most 7d
        #[arg(long, default_value = "1h", value_name = "TIME", value_parser = ttl)]
        ttl: Duration,
        /// For an agent of this name only, even where that name has a certificate: the old one is then revoked
        #[arg(long, value_name = "NAME")]
        agent: Option<AgentName>,
    },
}

/// Runs `enclos pki`.
///
/// # Errors
/// [`CliError`] says which file or name.
pub fn pki(command: &PkiCommand) -> Result<ExitCode, CliError> {
    match command {
        PkiCommand::Init { dir: Dir { dir }, names, if_missing } => {
            let is_new = match pki::init(dir, names) {
                Err(pki::PkiError::Exists(_)) if *if_missing => false,
                made => made.map_err(service_error("no authority was made")).map(|()| true)?,
            };
            // One that cannot be read must not be taken for one that is there.
            show(&pki::overview(dir).map_err(service_error("the authority cannot be read"))?);
            if !is_new {
                return Ok(ExitCode::SUCCESS);
            }
            let dir = dir.display();
            say(&format!(
                "\nStart the master with --pki {dir}, then let agents in with `enclos agents token --dir {dir}`.\n\
                 Clients trust {dir}/ca.crt (--ca). Keep {dir}/ca.key secret, and a backup of it."
            ));
        }
        PkiCommand::Show { dir: Dir { dir } } => {
            show(&pki::overview(dir).map_err(service_error("the authority cannot be read"))?);
        }
        PkiCommand::Renew { dir: Dir { dir }, names } => {
            pki::renew_server(dir, names).map_err(service_error("the certificate was not renewed"))?;
            show(&pki::overview(dir).map_err(service_error("the authority cannot be read"))?);
        }
        PkiCommand::Revoke { dir: Dir { dir }, target } => {
            let failed = service_error("nothing was revoked");
            let target = pki::target(dir, target).map_err(&failed)?;
            let serials = pki::revoke(dir, &target).map_err(failed)?;
            let whose = match &target {
                Target::Agent(agent) => format!("of agent {agent} "),
                Target::Serial(_) => String::new(),
            };
            for serial in &serials {
                say(&format!("revoked: certificate {whose}{serial}"));
            }
            if serials.is_empty() {
                say("it was revoked before");
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Runs `enclos agents token`.
///
/// # Errors
/// [`CliError`] when there is no authority.
pub fn agents(command: &AgentsCommand) -> Result<ExitCode, CliError> {
    let AgentsCommand::Token { dir: Dir { dir }, ttl, agent } = command;
    let token = pki::mint(dir, agent.as_ref(), *ttl).map_err(service_error("no token was made"))?;
    say(&token.reveal());
    tell(
        "it lets one agent in, once, and is not shown again; at the agent:\n  \
          ENCLOS_JOIN_TOKEN=… enclos-agent --master https://HOST:7301 --data-dir DIR",
    );
    Ok(ExitCode::SUCCESS)
}

fn ttl(text: &str) -> Result<Duration, String> {
    let wrong = || "give a number with s, m, h or d, such as 30m; at most 7d".to_owned();
    let unit = match text.chars().last() {
        Some('s') => 1,
        Some('m') => 60,
        Some('h') => 3600,
        Some('d') => 24 * 3600,
        _ => return Err(wrong()),
    };
    let count: u64 = text[..text.len() - 1].parse().map_err(|_| wrong())?;
    let ttl = count.checked_mul(unit).map(Duration::from_secs).ok_or_else(wrong)?;
    if ttl.is_zero() || ttl > TOKEN_TTL_MAX { Err(wrong()) } else { Ok(ttl) }
}

fn show(overview: &Overview) {
    let Overview { fingerprint, authority_ends, server, agents } = overview;
    say(&format!("authority  {fingerprint}  until {}", day(*authority_ends)));
    let hosts = harmless_line(&server.hosts.join(", "));
    say(&format!("master     {}  until {}  for {hosts}", server.serial, day(server.not_after)));
    for (issued, revoked) in agents {
        let ends = SystemTime::UNIX_EPOCH + Duration::from_secs(issued.not_after);
        let state = if *revoked { "revoked" } else { "holds" };
        say(&format!("agent      {}  until {}  {state}  {}", issued.serial, day(ends), issued.agent));
    }
}

fn day(at: SystemTime) -> String {
    jiff::Timestamp::try_from(at).map_or_else(|_| "?".to_owned(), |at| at.strftime("%Y-%m-%d %H:%M UTC").to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_has_a_unit_and_a_bound() {
        assert_eq!(ttl("90s").unwrap(), Duration::from_secs(90));
        assert_eq!(ttl("7d").unwrap(), TOKEN_TTL_MAX);
        for bad in ["", "h", "1", "0s", "8d", "-1h", "1é", "99999999999999999999d"] {
            assert!(ttl(bad).is_err(), "{bad}");
        }
    }
}
