//! Callbacks that were not delivered.

use serde::Serialize;
use utoipa::ToSchema;

/// How far a callback is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum CallbackStateName {
    /// It waits for its next attempt, or is being delivered.
    Waiting,
    /// It is not tried any more, unless it is retried by hand.
    Dead,
}

/// A callback that was not delivered.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct Callback {
    /// The job whose end it tells; its receiver gets it as `webhook-id`, the same with each attempt.
    pub id: String,
    /// Where it goes; without path and query for a key without scope submit.
    pub url: String,
    /// How far it is.
    pub state: CallbackStateName,
    /// Attempts so far, since it was made or retried by hand.
    pub attempts: u32,
    /// When the job ended (RFC 3339).
    pub created_at: String,
    /// When it is tried next, while it waits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_attempt_at: Option<String>,
    /// When the last attempt began.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_attempt_at: Option<String>,
    /// The HTTP status that the last was answered with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_status: Option<u16>,
    /// What was wrong with the last: `not_allowed`, `unresolved`, `unreachable`, `untrusted`, `timed_out`,
    /// `broken_off`, `status`, `no_secret`, `crowded_out` or `internal`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_problem: Option<String>,
    /// Since when it is dead.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dead_at: Option<String>,
}

/// A page of callbacks, newest first.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct CallbackPage {
    /// Those that were not delivered.
    pub callbacks: Vec<Callback>,
    /// `cursor` of the next page, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}
