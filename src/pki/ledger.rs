//! What was given out, and what was revoked: two files of JSON lines, rewritten whole under the lock.
//!
//! Lines of certificates that have ended go with the next rewrite, so neither
//! grows beyond what the living agents have.

use std::collections::HashSet;
use std::io;
use std::path::Path;
use std::time::SystemTime;

use enclos_protocol::ids::AgentName;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::dir::{Dir, io_error};
use super::{PkiError, seconds};

/// A certificate of an agent.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Issued {
    /// Serial number, in lower-case hexadecimal.
    pub serial: String,
    /// Whose it is.
    pub agent: AgentName,
    /// When it ends, in seconds since 1970.
    pub not_after: u64,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Revoked {
    serial: String,
    /// When its certificate ends, where that is known: after that the line is of no use.
    not_after: Option<u64>,
}

/// What is revoked.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Target {
    /// Every certificate of an agent.
    Agent(AgentName),
    /// One certificate, by its serial number as `Facts` have it.
    Serial(String),
}

fn lines<T: DeserializeOwned>(path: &Path) -> Result<Vec<T>, PkiError> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(io_error(path)(error)),
    };
    let read = text.lines().map(serde_json::from_str).collect::<Result<_, _>>();
    read.map_err(|_| PkiError::Damaged(path.to_owned()))
}

fn rewrite<T: Serialize>(dir: &Dir, path: &Path, lines: &[T]) -> Result<(), PkiError> {
    let mut text = String::new();
    for line in lines {
        text.push_str(&serde_json::to_string(line).map_err(|e| io_error(path)(e.into()))?);
        text.push('\n');
    }
    dir.replace(path, text.as_bytes())
}

/// Everything that was given out and may not have ended.
pub(super) fn issued(dir: &Dir) -> Result<Vec<Issued>, PkiError> {
    lines(&dir.issued())
}

/// Writes down that a certificate is given out.
pub(super) fn record(dir: &Dir, new: Issued) -> Result<(), PkiError> {
    let now = seconds(SystemTime::now());
    let mut all = issued(dir)?;
    all.retain(|i| i.not_after > now);
    all.push(new);
    rewrite(dir, &dir.issued(), &all)
}

/// Serial numbers that were revoked.
pub(super) fn revoked(dir: &Dir) -> Result<HashSet<String>, PkiError> {
    Ok(lines::<Revoked>(&dir.revoked())?.into_iter().map(|r| r.serial).collect())
}

/// Revokes; those that were not revoked before.
pub(super) fn revoke(dir: &Dir, target: &Target) -> Result<Vec<String>, PkiError> {
    let now = seconds(SystemTime::now());
    let given = issued(dir)?;
    let named: Vec<Revoked> = match target {
        Target::Agent(name) => {
            let of_agent = given.iter().filter(|i| i.agent == *name && i.not_after > now);
            of_agent.map(|i| Revoked { serial: i.serial.clone(), not_after: Some(i.not_after) }).collect()
        }
        Target::Serial(serial) => {
            let not_after = given.iter().find(|i| i.serial == *serial).map(|i| i.not_after);
            vec![Revoked { serial: serial.clone(), not_after }]
        }
    };
    if named.is_empty() {
        let Target::Agent(name) = target else { return Ok(Vec::new()) };
        return Err(PkiError::Unknown(name.to_string()));
    }
    let mut all: Vec<Revoked> = lines(&dir.revoked())?;
    all.retain(|r| r.not_after.is_none_or(|end| end > now));
    let known: HashSet<String> = all.iter().map(|r| r.serial.clone()).collect();
    let new: Vec<Revoked> = named.into_iter().filter(|r| !known.contains(&r.serial)).collect();
    let serials = new.iter().map(|r| r.serial.clone()).collect();
    all.extend(new);
    rewrite(dir, &dir.revoked(), &all)?;
    Ok(serials)
}
