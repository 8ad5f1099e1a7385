//! Who may do what, and how much of it: tenants, keys, scopes, quotas. Values and rules only.
//!
//! Pure: no clock, no disk, no lock. `store` keeps them, `gate` applies them.

mod key;
mod logins;
mod priority;
mod quota;
mod rate;
mod scope;
mod secret;
mod session;
mod tenant;

pub use key::{KEY_LASTS_MAX, KEY_NAME_CHARS_MAX, key_name};
pub use logins::{FAILURES_MAX, Logins, network};
pub use priority::Priority;
pub use quota::{LANGUAGES_MAX, NUMBER_MAX, Quota, QuotaArgs, RATE_MAX, Setting, SettingArgs, Settings, WEIGHT_MAX};
pub use rate::Bucket;
pub use scope::{Scope, Scopes};
pub use secret::{Digest256, PREFIX, Secret};
pub use session::{SESSION_IDLE_MAX, SESSION_LASTS, SESSIONS_MAX, SESSIONS_OF_KEY_MAX, Session, SessionId, Sessions};
pub use tenant::{KeyId, NAME_CHARS_MAX, NotAName, Tenant};
