//! What is said over `GET /v1/jobs/{id}/attach`, as types.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;

/// A text frame from an attached client. A binary frame is bytes of standard input.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum AttachRequest {
    /// Standard input, as text.
    Stdin {
        /// At most 65536 bytes.
        text: String,
    },
    /// Standard input ends.
    End {},
    /// A signal for the process group of the program.
    Signal {
        /// HUP, INT, QUIT, KILL, USR1, USR2 or TERM.
        signal: String,
    },
}

/// A text frame to an attached client.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct AttachFrame {
    /// `state`, `output`, `case` and `finished` as the events of those names; `stdin` (AttachStdin)
    /// when that changes; `error` (AttachError).
    pub r#type: &'static str,
    /// Of what has an event: what `after` takes to go on from there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
    /// What there is to tell.
    #[schema(value_type = Object)]
    pub data: Box<RawValue>,
}

/// How far live standard input is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct AttachStdin {
    /// How far.
    pub stage: StdinStage,
}

/// How far live standard input is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum StdinStage {
    /// The program does not run yet; what is sent waits at its sender.
    Waiting,
    /// The program runs.
    Open,
    /// A client ended it.
    Ended,
    /// It was ended because nobody was there for too long.
    Idle,
    /// The program reads no more.
    Closed,
    /// The job is over.
    Over,
}

/// Why what a client sent was not taken.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct AttachError {
    /// Stable name: `not_live`, `stdin_in_use`, `stdin_ended`, `stdin_closed`, `not_running`, `unknown_signal`.
    pub code: &'static str,
    /// For a person.
    pub detail: &'static str,
}
