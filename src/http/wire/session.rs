//! Sessions, as a browser begins and sees them.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::keys::ScopeName;

/// A key, to begin a session with.
#[derive(Clone, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SignIn {
    /// The key's secret.
    #[schema(example = "enclos_…")]
    pub key: String,
}

/// Who you are.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, ToSchema)]
pub struct SessionView {
    /// Nobody needs a key here: none was made yet, and only this machine can connect.
    pub open: bool,
    /// A key or a session that works was shown.
    pub signed_in: bool,
    /// Whose jobs you see; absent where you are nobody.
    pub tenant: Option<String>,
    /// By which key.
    pub key: Option<SessionKey>,
    /// When the session or its key ends at the latest.
    pub expires_at: Option<String>,
}

/// A key, to who shows it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct SessionKey {
    /// By what it is named.
    pub id: String,
    /// A name for people.
    pub name: String,
    /// What it may do.
    pub scopes: Vec<ScopeName>,
    /// When it ends by itself; absent: not before it is revoked.
    pub expires_at: Option<String>,
}
