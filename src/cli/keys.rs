//! `enclos keys` and `enclos tenants`: who may use the service, and how much of it.
//!
//! They open the database below the data directory, beside the master where one runs: whoever may
//! read that directory is its operator, and no key has to be there to make the first one.

use std::fs::File;
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Subcommand};
use nix::fcntl::OFlag;
use serde_json::{Value, json};

use super::exit::CliError;
use super::service_error;
use super::table::{Cell, lines};
use super::terminal::{Terminal, say, tell};
use crate::access::{KEY_LASTS_MAX, Scopes, Secret, SettingArgs, Tenant, key_name};
use crate::gate::{Deed, append_to_audit};
use crate::store::{Desk, KeyRecord, NewKey, Told, UnixTime};

/// Where the database is.
#[derive(Args, Clone, Debug)]
pub struct Place {
    /// Data directory of the master, which may be running
    #[arg(long, env = "ENCLOS_DATA_DIR", default_value = "enclos-data", value_name = "DIR")]
    data_dir: PathBuf,
}

impl Place {
    /// The directory.
    pub(super) fn dir(&self) -> &Path {
        &self.data_dir
    }
}

/// What `enclos keys` does.
#[derive(Subcommand, Clone, Debug)]
pub enum KeysCommand {
    /// Make a key; it is printed once, and kept as a digest only
    Create {
        /// Whose key it is: jobs, blobs and quotas are a tenant's, apart from those of all others
        #[arg(long, value_name = "NAME")]
        tenant: Tenant,
        /// What it may do: submit, read, operate, with commas
        #[arg(long, value_name = "SCOPES")]
        scope: Scopes,
        /// For how long it works, such as 12h, 30d, 52w [default: until it is revoked]
        #[arg(long, value_name = "TIME", value_parser = lasting)]
        expires: Option<Duration>,
        /// A name for people
        #[arg(long, default_value = "", value_name = "TEXT", value_parser = key_name)]
        name: String,
        /// Write the secret to this new file instead of printing it; where the file is there already, no key is
        /// made: for what runs at every start
        #[arg(long, value_name = "FILE")]
        into: Option<PathBuf>,
        #[command(flatten)]
        quota: SettingArgs,
    },
    /// List the keys, without their secrets
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// End a key for good; running streams of it end, too
    Revoke {
        /// Its id, as `list` shows it
        id: String,
    },
    /// Make a new secret for a key; the old one works for a while
    Rotate {
        /// Its id, as `list` shows it
        id: String,
        /// For how long the old one works, such as 10m, 24h; 0s: not any more
        #[arg(long, default_value = "24h", value_name = "TIME", value_parser = time)]
        grace: Duration,
    },
}

/// What `enclos tenants` does.
#[derive(Subcommand, Clone, Debug)]
pub enum TenantsCommand {
    /// Change what a tenant may use; what is not given stays
    Set {
        /// Which tenant
        tenant: Tenant,
        #[command(flatten)]
        quota: SettingArgs,
    },
    /// Show the settings of every tenant that has any, as JSON
    List,
}

/// A count and a unit: s, m, h, d or w.
pub(super) fn time(text: &str) -> Result<Duration, String> {
    let units = [('s', 1), ('m', 60), ('h', 3600), ('d', 24 * 3600), ('w', 7 * 24 * 3600)];
    let parsed = text.chars().last().and_then(|last| {
        let (_, seconds) = units.into_iter().find(|(unit, _)| *unit == last)?;
        let count: u64 = text[..text.len() - 1].parse().ok()?;
        count.checked_mul(seconds).map(Duration::from_secs)
    });
    let fits = parsed.filter(|time| *time <= KEY_LASTS_MAX);
    fits.ok_or_else(|| "needs a count and a unit, such as 90s, 10m, 24h, 30d or 52w, at most ten years".to_owned())
}

/// As [`time`], but longer than nothing.
pub(super) fn lasting(text: &str) -> Result<Duration, String> {
    time(text)
        .and_then(|time| if time.is_zero() { Err("needs to be longer than nothing".to_owned()) } else { Ok(time) })
}

/// Runs `enclos keys`.
///
/// # Errors
/// [`CliError`] says what was not done.
pub async fn keys(place: &Place, command: KeysCommand, terminal: Terminal) -> Result<ExitCode, CliError> {
    // Before the database is looked through, which takes as long as it is large: each start of a pod asks.
    let file = match &command {
        KeysCommand::Create { into: Some(path), .. } => match secret_file(path)? {
            Some(file) => Some(file),
            None => {
                tell("the file of the secret is there, no key was made");
                return Ok(ExitCode::SUCCESS);
            }
        },
        _ => None,
    };
    let mut desk = open(place)?;
    let now = UnixTime::now();
    match command {
        KeysCommand::Create { tenant, scope, expires, name, into: _, quota } => {
            let new = NewKey { tenant: tenant.clone(), name, scopes: scope, lasts: expires };
            // The quota first: the key must not work without it.
            if !quota.is_empty() {
                desk.set(&tenant, |settings| quota.apply(settings)).map_err(service_error("the quota was not set"))?;
                settings_changed(place, &tenant);
            }
            let (key, secret, change) = desk.create(new, now).map_err(service_error("no key was made"))?;
            note(place, "keys create", &key, scope.to_string());
            match file {
                Some(mut file) => {
                    let written = writeln!(file, "{}", secret.expose()).and_then(|()| file.sync_all());
                    written
                        .map_err(|e| CliError::Service(format!("{} was made, its secret not written: {e}", key.id)))?;
                }
                None => shown_once(&key, &secret),
            }
            told(&desk, change).await?;
        }
        KeysCommand::List { json } => {
            let keys = desk.keys().map_err(service_error("the keys cannot be read"))?;
            if json {
                say(&json!({ "keys": keys.iter().map(|key| as_json(key, now)).collect::<Vec<_>>() }).to_string());
            } else {
                list(&keys, now, terminal);
            }
        }
        KeysCommand::Revoke { id } => {
            let (key, change) = desk.revoke(&id, now).map_err(service_error("no key was revoked"))?;
            note(place, "keys revoke", &key, String::new());
            told(&desk, change).await?;
            tell(&format!("{} of {} is revoked", key.id, key.tenant));
        }
        KeysCommand::Rotate { id, grace } => {
            let (key, secret, change) = desk.rotate(&id, grace, now).map_err(service_error("no key was rotated"))?;
            note(place, "keys rotate", &key, String::new());
            shown_once(&key, &secret);
            told(&desk, change).await?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Runs `enclos tenants`.
///
/// # Errors
/// [`CliError`] says what was not done.
pub async fn tenants(place: &Place, command: TenantsCommand) -> Result<ExitCode, CliError> {
    let mut desk = open(place)?;
    match command {
        TenantsCommand::Set { tenant, quota } => {
            if quota.is_empty() {
                return Err(CliError::Input("give at least one quota to set (`enclos tenants set --help`)".to_owned()));
            }
            let set = desk.set(&tenant, |settings| quota.apply(settings));
            let (settings, change) = set.map_err(service_error("nothing was set"))?;
            settings_changed(place, &tenant);
            told(&desk, change).await?;
            say(&json!({ "tenant": tenant.as_str(), "settings": settings }).to_string());
        }
        TenantsCommand::List => {
            let settings = desk.settings().map_err(service_error("the settings cannot be read"))?;
            let all = settings.iter().map(|(tenant, s)| json!({ "tenant": tenant.as_str(), "settings": s }));
            say(&json!({ "tenants": all.collect::<Vec<_>>() }).to_string());
        }
    }
    Ok(ExitCode::SUCCESS)
}

pub(super) fn open(place: &Place) -> Result<Desk, CliError> {
    if !place.data_dir.is_dir() {
        crate::config::make_private_dir(&place.data_dir).map_err(service_error("the data directory cannot be made"))?;
    }
    Desk::open(&place.data_dir).map_err(service_error("the keys cannot be opened"))
}

/// A file for a secret, its owner's alone; `None` where there is one. One without a secret is what an attempt
/// that came to nothing has left.
fn secret_file(path: &Path) -> Result<Option<File>, CliError> {
    let cannot = |e| CliError::Input(format!("{} cannot be made: {e}", path.display()));
    match File::options().write(true).create_new(true).mode(0o600).open(path) {
        Ok(file) => Ok(Some(file)),
        Err(e) if e.kind() == ErrorKind::AlreadyExists => {
            if path.symlink_metadata().map_err(cannot)?.len() > 0 {
                return Ok(None);
            }
            File::options().write(true).custom_flags(OFlag::O_NOFOLLOW.bits()).open(path).map(Some).map_err(cannot)
        }
        Err(e) => Err(cannot(e)),
    }
}

/// The secret alone on standard output, for a variable or a file; what a person reads beside it.
fn shown_once(key: &KeyRecord, secret: &Secret) {
    tell(&format!("{} of {} may {}; its secret is shown this once:", key.id, key.tenant, key.scopes));
    say(secret.expose());
}

/// Says so where a running master has not heard of it.
async fn told(desk: &Desk, change: u64) -> Result<(), CliError> {
    match desk.told(change).await.map_err(service_error("the master was not heard of"))? {
        Told::Seen | Told::NoMaster => Ok(()),
        Told::NotYet => Err(CliError::Service("it is kept, but the running master has not taken it up yet".to_owned())),
    }
}

fn note(place: &Place, what: &str, key: &KeyRecord, target: String) {
    let deed = Deed { what: what.to_owned(), outcome: "done".to_owned(), ..Deed::default() };
    written(place, &deed.by(&key.tenant, Some(&key.id)).about(&target));
}

fn settings_changed(place: &Place, tenant: &Tenant) {
    let deed = Deed { what: "tenants set".to_owned(), outcome: "done".to_owned(), ..Deed::default() };
    written(place, &deed.by(tenant, None));
}

pub(super) fn written(place: &Place, deed: &Deed) {
    if let Err(error) = append_to_audit(&place.data_dir, deed) {
        tell(&format!("enclos: the audit log was not written: {error}"));
    }
}

fn state(key: &KeyRecord, now: UnixTime) -> &'static str {
    match key {
        KeyRecord { revoked: Some(_), .. } => "revoked",
        key if key.works(now) => "works",
        _ => "expired",
    }
}

fn time_of(time: UnixTime) -> String {
    jiff::Timestamp::from_microsecond(time.0).map(|t| format!("{t:.0}")).unwrap_or_default()
}

fn as_json(key: &KeyRecord, now: UnixTime) -> Value {
    json!({
        "id": key.id.as_str(),
        "tenant": key.tenant.as_str(),
        "name": key.name,
        "scopes": key.scopes.to_string(),
        "state": state(key, now),
        "created_at": time_of(key.created),
        "expires_at": key.expires.map(time_of),
        "revoked_at": key.revoked.map(time_of),
    })
}

fn row(key: &KeyRecord, now: UnixTime) -> Vec<Cell> {
    let expires = key.expires.map_or_else(|| "never".to_owned(), time_of);
    let texts = [key.id.as_str(), key.tenant.as_str(), &key.scopes.to_string(), state(key, now), &expires, &key.name];
    texts.into_iter().map(Cell::text).collect()
}

fn list(keys: &[KeyRecord], now: UnixTime, terminal: Terminal) {
    let rows: Vec<Vec<Cell>> = keys.iter().map(|key| row(key, now)).collect();
    for line in lines(&terminal, &["ID", "TENANT", "SCOPES", "STATE", "EXPIRES", "NAME"], &rows) {
        say(&line);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_a_count_and_a_unit() {
        assert_eq!(time("30d").unwrap(), Duration::from_secs(30 * 86400));
        assert_eq!((time("0s").unwrap(), time("90m").unwrap()), (Duration::ZERO, Duration::from_secs(5400)));
        for bad in ["", "30", "d", "-1d", "1y", "99999999999999999999w", "600w", "1é", "é"] {
            assert!(time(bad).is_err(), "{bad}");
        }
        assert!(lasting("0s").is_err());
    }

    #[test]
    fn a_file_of_a_secret_is_made_once_and_one_without_a_secret_is_used() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        drop(secret_file(&path).unwrap().unwrap());
        let mut left_over = secret_file(&path).unwrap().expect("an attempt came to nothing");
        left_over.write_all(b"secret").unwrap();
        assert!(secret_file(&path).unwrap().is_none());
        let elsewhere = dir.path().join("link");
        std::fs::write(dir.path().join("target"), "").unwrap();
        std::os::unix::fs::symlink(dir.path().join("target"), &elsewhere).unwrap();
        assert!(secret_file(&elsewhere).is_ok_and(|file| file.is_none()), "a link is not followed");
    }
}
