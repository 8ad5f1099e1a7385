//! `enclos callbacks`: those that were not delivered, over the API; the secrets that sign them, on the
//! master's machine, as no answer of the API ever holds one.

use std::process::ExitCode;
use std::time::Duration;

use clap::{Subcommand, ValueEnum};
use serde_json::Value;

use super::client::Client;
use super::exit::CliError;
use super::keys::{self, Place};
use super::table::{Cell, lines};
use super::terminal::{Terminal, say, tell};
use super::{Server, service_error};
use crate::access::Tenant;
use crate::callbacks::{CallbackSecret, SealingKey};
use crate::gate::Deed;
use crate::store::UnixTime;

/// What `enclos callbacks` does.
#[derive(Subcommand, Debug)]
pub(super) enum CallbacksCommand {
    /// List callbacks that were not delivered, newest first
    List {
        /// Only those that wait, or that are dead
        #[arg(long, value_name = "STATE")]
        state: Option<StateChoice>,
        /// At most so many
        #[arg(long, default_value_t = 50, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=200))]
        limit: u32,
        /// Print the master's JSON
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        server: Server,
    },
    /// Try the callback of a job at once and as if it were new
    Retry {
        /// The job's id, as `list` shows it
        id: String,
        #[command(flatten)]
        server: Server,
    },
    /// Print the secret by which a tenant's callbacks are signed; it is made where there is none
    Secret {
        /// Whose
        #[arg(long, default_value_t, value_name = "NAME")]
        tenant: Tenant,
        /// Make a new one; what is sent is signed by both for a while
        #[arg(long)]
        rotate: bool,
        /// For how long the old one signs, too, such as 10m, 24h; 0s: not any more
        #[arg(long, default_value = "24h", value_name = "TIME", value_parser = keys::time, requires = "rotate")]
        grace: Duration,
        #[command(flatten)]
        place: Place,
    },
}

/// Which callbacks.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(super) enum StateChoice {
    /// Waiting for their next attempt.
    Waiting,
    /// Not tried any more.
    Dead,
}

/// Runs the command.
///
/// # Errors
/// [`CliError`] says what was not done.
pub(super) async fn run(command: CallbacksCommand, terminal: Terminal) -> Result<ExitCode, CliError> {
    match command {
        CallbacksCommand::List { state, limit, json, server } => {
            list(&server.client()?, state, limit, json, terminal).await?;
        }
        CallbacksCommand::Retry { id, server } => {
            let path = format!("/v1/callbacks/{}/retry", super::client::query_escaped(&id));
            let callback = server.client()?.post(&path, &serde_json::json!({})).await?;
            tell(&format!("{} is tried again", text(&callback["id"])));
        }
        CallbacksCommand::Secret { tenant, rotate, grace, place } => secret(&place, &tenant, rotate, grace)?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn list(
    client: &Client,
    state: Option<StateChoice>,
    limit: u32,
    json: bool,
    terminal: Terminal,
) -> Result<(), CliError> {
    let state = match state {
        None => "",
        Some(StateChoice::Waiting) => "&state=waiting",
        Some(StateChoice::Dead) => "&state=dead",
    };
    let page = client.get(&format!("/v1/callbacks?limit={limit}{state}")).await?;
    if json {
        say(&page.to_string());
        return Ok(());
    }
    let rows: Vec<Vec<Cell>> = page["callbacks"].as_array().into_iter().flatten().map(row).collect();
    for line in lines(&terminal, &["JOB", "STATE", "TRIED", "LAST", "URL"], &rows) {
        say(&line);
    }
    if page["next_cursor"].is_string() {
        tell("there are more; --limit shows up to 200, the API all");
    }
    Ok(())
}

fn row(callback: &Value) -> Vec<Cell> {
    let last = match &callback["last_status"] {
        Value::Number(status) => status.to_string(),
        _ => text(&callback["last_problem"]),
    };
    vec![
        Cell::text(text(&callback["id"])),
        Cell::text(text(&callback["state"])),
        Cell::figure(callback["attempts"].to_string()),
        Cell::text(last),
        Cell::text(text(&callback["url"])),
    ]
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// The newest secret alone on standard output, for a variable or a file.
fn secret(place: &Place, tenant: &Tenant, rotate: bool, grace: Duration) -> Result<(), CliError> {
    let mut desk = keys::open(place)?;
    let key = SealingKey::open(place.dir()).map_err(service_error("secrets cannot be opened"))?;
    let (now, new) = (UnixTime::now(), CallbackSecret::generate());
    let sealed = key.seal(tenant.as_str(), &new).map_err(service_error("no secret was made"))?;
    let secret = if rotate {
        let rotated = desk.rotate_callback_secret(tenant, &sealed, grace, now);
        rotated.map_err(service_error("no secret was made"))?;
        new
    } else {
        let known = desk.callback_secrets(tenant, sealed, now).map_err(service_error("no secret can be read"))?;
        let newest = known.first().and_then(|sealed| key.unseal(tenant.as_str(), sealed));
        newest.ok_or_else(|| {
            let said = "the secret does not open under the key in the data directory: restore `callback-key` from a \
                        backup, or make a new secret with --rotate";
            CliError::Service(said.to_owned())
        })?
    };
    let what = if rotate { "callbacks secret rotate" } else { "callbacks secret" };
    let deed = Deed { what: what.to_owned(), outcome: "done".to_owned(), ..Deed::default() };
    keys::written(place, &deed.by(tenant, None));
    tell(&format!("callbacks of {tenant} are signed by:"));
    say(&secret.expose());
    Ok(())
}
