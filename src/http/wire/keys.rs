//! Keys and tenants, as operators see and change them.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::PriorityName;
use crate::access::{LANGUAGES_MAX, Priority, Scope, Scopes, Setting, Settings, Tenant as TenantName};
use crate::admission::{IsolationChoice, few_there};

/// What a key may do.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ScopeName {
    /// Submit, speak with, cancel and erase jobs; upload and delete blobs; retry callbacks.
    Submit,
    /// See jobs, what they wrote, blobs, callbacks and languages.
    Read,
    /// See and drain agents, metrics and the usage of all tenants; make and end keys of every tenant.
    Operate,
}

impl From<ScopeName> for Scope {
    fn from(name: ScopeName) -> Self {
        match name {
            ScopeName::Submit => Self::Submit,
            ScopeName::Read => Self::Read,
            ScopeName::Operate => Self::Operate,
        }
    }
}

/// Scopes that a list may have, each twice.
pub const SCOPES_MAX: usize = 2 * Scope::ALL.len();

/// The scopes of a list; `None`: there are none.
#[must_use]
pub fn scopes(names: &[ScopeName]) -> Option<Scopes> {
    let names: Vec<&str> = names.iter().map(|name| Scope::from(*name).as_str()).collect();
    names.join(",").parse().ok()
}

/// As a list.
#[must_use]
pub fn scope_names(scopes: Scopes) -> Vec<ScopeName> {
    let all = [ScopeName::Submit, ScopeName::Read, ScopeName::Operate];
    all.into_iter().filter(|name| scopes.has((*name).into())).collect()
}

/// A key to make.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewKey)]
pub struct NewKey {
    /// Whose: jobs, blobs and quotas are a tenant's, apart from those of all others.
    #[schema(example = "acme")]
    pub tenant: String,
    /// What it may do.
    #[serde(deserialize_with = "few_there::<_, _, SCOPES_MAX>")]
    pub scopes: Vec<ScopeName>,
    /// A name for people.
    pub name: Option<String>,
    /// For how long it works; absent: until it is revoked.
    pub lasts_ms: Option<u64>,
}

/// How a key is rotated.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Rotation {
    /// For how long the old secret works; default a day, 0: not any more.
    pub grace_ms: Option<u64>,
}

/// Whether a key works.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum KeyState {
    /// It does.
    Works,
    /// Its time is over.
    Expired,
    /// It was ended.
    Revoked,
}

/// A key, without its secret.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct Key {
    /// By what it is named; it opens nothing.
    pub id: String,
    /// Whose.
    pub tenant: String,
    /// A name for people.
    pub name: String,
    /// What it may do.
    pub scopes: Vec<ScopeName>,
    /// Whether it works.
    pub state: KeyState,
    /// When it was made (RFC 3339).
    pub created_at: String,
    /// When it ends by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<String>,
    /// When it was ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revoked_at: Option<String>,
}

/// A key with its secret, which is told once.
#[derive(Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct KeyWithSecret {
    /// The key.
    #[serde(flatten)]
    pub key: Key,
    /// What its owner shows.
    pub secret: String,
}

/// Every key.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct KeyList {
    /// The oldest first.
    pub keys: Vec<Key>,
}

/// What stands for no number.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SettingWord {
    /// What the master's flags say for all.
    Default,
    /// No bound but the service's, whatever the flags say.
    Unlimited,
}

impl SettingWord {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::Unlimited => "unlimited",
        }
    }

    fn of<T>(setting: &Setting<T>) -> Self {
        if matches!(setting, Setting::Unlimited) { Self::Unlimited } else { Self::Default }
    }
}

/// A number, `default` or `unlimited`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
pub enum Amount {
    /// So much.
    Number(u64),
    /// No number.
    Word(SettingWord),
}

/// Ids of languages, `default` or `unlimited`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
pub enum Languages {
    /// These.
    Ids(#[serde(deserialize_with = "few_there::<_, _, LANGUAGES_MAX>")] Vec<String>),
    /// No list.
    Word(SettingWord),
}

/// The weakest isolation, `default` or `unlimited`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
pub enum Isolation {
    /// This.
    Level(IsolationChoice),
    /// None.
    Word(SettingWord),
}

/// Yes or no, `default` or `unlimited`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
pub enum Permission {
    /// This.
    Is(bool),
    /// No word about it.
    Word(SettingWord),
}

/// The most urgent priority, `default` or `unlimited`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
pub enum PriorityMax {
    /// This.
    Class(PriorityName),
    /// None.
    Word(SettingWord),
}

/// What a tenant may use; a setting that is absent stays as it is.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TenantSettings {
    /// Requests a second, and as many at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requests_per_second: Option<Amount>,
    /// Jobs at agents at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub running_jobs: Option<Amount>,
    /// Jobs that wait at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub queued_jobs: Option<Amount>,
    /// CPU seconds of jobs that end on one day (UTC).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_seconds_per_day: Option<Amount>,
    /// Bytes of blobs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub blob_bytes: Option<Amount>,
    /// Languages that jobs may use, by id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub languages: Option<Languages>,
    /// The weakest isolation of jobs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub isolation: Option<Isolation>,
    /// Whether jobs may bring dependencies.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dependencies: Option<Permission>,
    /// The most urgent priority of jobs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub priority_max: Option<PriorityMax>,
    /// Its part of the fleet while others wait, against a tenant of weight 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weight: Option<Amount>,
}

impl TenantSettings {
    /// What is given, as the flags of `enclos tenants set` take it.
    pub fn texts(&self) -> Vec<(&'static str, String)> {
        let amount = |amount: Amount| match amount {
            Amount::Number(number) => number.to_string(),
            Amount::Word(word) => word.as_str().to_owned(),
        };
        let Self {
            requests_per_second,
            running_jobs,
            queued_jobs,
            cpu_seconds_per_day,
            blob_bytes,
            languages,
            isolation,
            dependencies,
            priority_max,
            weight,
        } = self;
        let languages = languages.as_ref().map(|languages| match languages {
            Languages::Ids(ids) => ids.join(","),
            Languages::Word(word) => word.as_str().to_owned(),
        });
        let isolation = isolation.map(|isolation| match isolation {
            Isolation::Level(level) => enclos_protocol::job::Isolation::from(level).as_str().to_owned(),
            Isolation::Word(word) => word.as_str().to_owned(),
        });
        let dependencies = dependencies.map(|permission| match permission {
            Permission::Is(true) => "allow".to_owned(),
            Permission::Is(false) => "deny".to_owned(),
            Permission::Word(word) => word.as_str().to_owned(),
        });
        let priority_max = priority_max.map(|class| match class {
            PriorityMax::Class(class) => Priority::from(class).as_str().to_owned(),
            PriorityMax::Word(word) => word.as_str().to_owned(),
        });
        let all = [
            ("requests_per_second", requests_per_second.map(amount)),
            ("running_jobs", running_jobs.map(amount)),
            ("queued_jobs", queued_jobs.map(amount)),
            ("cpu_seconds_per_day", cpu_seconds_per_day.map(amount)),
            ("blob_bytes", blob_bytes.map(amount)),
            ("languages", languages),
            ("isolation", isolation),
            ("dependencies", dependencies),
            ("priority_max", priority_max),
            ("weight", weight.map(amount)),
        ];
        all.into_iter().filter_map(|(name, text)| Some((name, text?))).collect()
    }

    fn of(settings: &Settings) -> Self {
        let amount = |setting: &Setting<u64>| match setting {
            Setting::At(number) => Some(Amount::Number(*number)),
            other => Some(Amount::Word(SettingWord::of(other))),
        };
        let isolation = |level: enclos_protocol::job::Isolation| {
            let all = [IsolationChoice::Runc, IsolationChoice::Userns, IsolationChoice::Gvisor];
            all.into_iter().find(|choice| enclos_protocol::job::Isolation::from(*choice) == level)
        };
        Self {
            requests_per_second: amount(&settings.requests_per_second),
            running_jobs: amount(&settings.running_jobs),
            queued_jobs: amount(&settings.queued_jobs),
            cpu_seconds_per_day: amount(&settings.cpu_seconds_per_day),
            blob_bytes: amount(&settings.blob_bytes),
            languages: Some(match &settings.languages {
                Setting::At(ids) => Languages::Ids(ids.iter().cloned().collect()),
                other => Languages::Word(SettingWord::of(other)),
            }),
            isolation: match &settings.isolation {
                Setting::At(level) => isolation(*level).map(Isolation::Level),
                other => Some(Isolation::Word(SettingWord::of(other))),
            },
            dependencies: Some(match &settings.dependencies {
                Setting::At(allowed) => Permission::Is(*allowed),
                other => Permission::Word(SettingWord::of(other)),
            }),
            priority_max: Some(match &settings.priority_max {
                Setting::At(class) => PriorityMax::Class((*class).into()),
                other => PriorityMax::Word(SettingWord::of(other)),
            }),
            weight: Some(match &settings.weight {
                Setting::At(weight) => Amount::Number(u64::from(*weight)),
                other => Amount::Word(SettingWord::of(other)),
            }),
        }
    }
}

/// A tenant and its settings.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct Tenant {
    /// Who.
    pub tenant: String,
    /// What it may use.
    pub settings: TenantSettings,
}

impl Tenant {
    /// With all settings, those that are the default among them.
    #[must_use]
    pub fn of(tenant: &TenantName, settings: &Settings) -> Self {
        Self { tenant: tenant.to_string(), settings: TenantSettings::of(settings) }
    }
}

/// Tenants that have settings.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct TenantList {
    /// By name.
    pub tenants: Vec<Tenant>,
}
