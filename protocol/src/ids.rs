//! One newtype for each thing that has an identity.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Identity of a job: a UUIDv7 (RFC 9562), so ids sort by time of admission.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct JobId(Uuid);

impl JobId {
    /// A new id stamped with the present time.
    #[must_use]
    pub fn generate() -> Self {
        Self(Uuid::now_v7())
    }

    /// The 16 bytes of the id, as the store keeps them.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 16] {
        self.0.as_bytes()
    }

    /// The id with these 16 bytes.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(Uuid::from_bytes(bytes))
    }
}

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The text is not a UUID.
#[derive(Debug, thiserror::Error)]
#[error("not a job id")]
pub struct NotAJobId;

impl FromStr for JobId {
    type Err = NotAJobId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Uuid::parse_str(text).map(Self).map_err(|_| NotAJobId)
    }
}

/// Name of an agent, unique in the fleet and stable over its restarts.
///
/// One to 63 characters of `a-z 0-9 -`, beginning with a letter or digit:
/// it becomes part of cgroup paths, container names and metrics.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct AgentName(String);

/// The text cannot name an agent.
#[derive(Debug, thiserror::Error)]
#[error("an agent name is 1 to 63 characters of a-z, 0-9 and '-', and begins with a letter or digit")]
pub struct NotAnAgentName;

impl AgentName {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for AgentName {
    type Error = NotAnAgentName;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        let valid = (1..=63).contains(&text.len()) && !text.starts_with('-') && text.chars().all(allowed);
        if valid { Ok(Self(text)) } else { Err(NotAnAgentName) }
    }
}

impl FromStr for AgentName {
    type Err = NotAnAgentName;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::try_from(text.to_owned())
    }
}

impl From<AgentName> for String {
    fn from(name: AgentName) -> Self {
        name.0
    }
}

impl fmt::Display for AgentName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Whose sandbox it is: jobs of two bindings never share one.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct Binding {
    /// The tenant the job belongs to.
    pub tenant: String,
    /// The tenant's own division of its users; empty when it makes none.
    pub scope: String,
}

/// Fencing token of one attempt: a later attempt's token is greater.
///
/// The epoch is written to the store once at each start of the master, so
/// tokens grow over restarts although the counter lives in memory and a
/// dispatch waits for no write (Kleppmann, "How to do distributed locking").
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct FencingToken {
    /// Count of starts of the master that issued the token.
    pub epoch: u64,
    /// Count of tokens issued since that start.
    pub counter: u64,
}

/// For people and logs.
impl fmt::Display for FencingToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.epoch, self.counter)
    }
}

/// One lease of one job to one agent.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct AttemptId {
    /// The job.
    pub job: JobId,
    /// Which of its attempts.
    pub token: FencingToken,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agent_names_that_would_leave_a_path_are_refused() {
        for bad in ["", "..", "a/b", "-a", "A", "a_b", "a\n", &"a".repeat(64)] {
            assert!(bad.parse::<AgentName>().is_err(), "{bad:?}");
        }
        assert!("node-7".parse::<AgentName>().is_ok());
    }

    #[test]
    fn tokens_of_a_later_epoch_are_greater() {
        let old = FencingToken { epoch: 1, counter: u64::MAX };
        let new = FencingToken { epoch: 2, counter: 0 };
        assert!(new > old);
    }
}
