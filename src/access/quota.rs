//! How much a tenant may take, and which programs it may run.

use std::collections::BTreeSet;

use enclos_protocol::job::Isolation;
use serde::{Deserialize, Serialize};

use super::Priority;

/// Most languages that one setting names.
pub const LANGUAGES_MAX: usize = 256;
/// Largest number of any setting; JSON carries it exactly.
const NUMBER_MAX: u64 = 1 << 53;
/// Largest weight of a tenant.
pub const WEIGHT_MAX: u32 = 100;
/// Most requests a second.
const RATE_MAX: u64 = 1_000_000;

/// What holds for a tenant; `None`: nothing beyond the bounds of the service itself.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Quota {
    /// Requests in a second, and as many at once.
    pub requests_per_second: Option<u64>,
    /// Jobs at agents at once.
    pub running_jobs: Option<u64>,
    /// Jobs that wait at once.
    pub queued_jobs: Option<u64>,
    /// CPU time of jobs that end on one day (UTC), in seconds.
    pub cpu_seconds_per_day: Option<u64>,
    /// Bytes of blobs.
    pub blob_bytes: Option<u64>,
    /// Ids of the languages that jobs may use.
    pub languages: Option<BTreeSet<String>>,
    /// The weakest isolation of jobs.
    pub isolation: Option<Isolation>,
    /// Whether jobs may bring dependencies.
    pub dependencies: Option<bool>,
    /// The most urgent class of jobs.
    pub priority_max: Option<Priority>,
    /// Its part of the fleet against a tenant of weight 1, where both have jobs that wait; `None`: 1.
    pub weight: Option<u32>,
}

/// One of a tenant's settings.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Setting<T> {
    /// What the master's flags say for all.
    #[default]
    Default,
    /// Nothing, whatever the flags say.
    Unlimited,
    /// This.
    At(T),
}

impl<T: Clone> Setting<T> {
    fn over(&self, default: &Option<T>) -> Option<T> {
        match self {
            Self::Default => default.clone(),
            Self::Unlimited => None,
            Self::At(value) => Some(value.clone()),
        }
    }
}

/// A tenant's settings, as they are kept.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
#[expect(missing_docs, reason = "as the members of a quota")]
pub struct Settings {
    pub requests_per_second: Setting<u64>,
    pub running_jobs: Setting<u64>,
    pub queued_jobs: Setting<u64>,
    pub cpu_seconds_per_day: Setting<u64>,
    pub blob_bytes: Setting<u64>,
    pub languages: Setting<BTreeSet<String>>,
    pub isolation: Setting<Isolation>,
    pub dependencies: Setting<bool>,
    pub priority_max: Setting<Priority>,
    pub weight: Setting<u32>,
}

impl Settings {
    /// What holds by them where `default` holds for all.
    #[must_use]
    pub fn over(&self, default: &Quota) -> Quota {
        Quota {
            requests_per_second: self.requests_per_second.over(&default.requests_per_second),
            running_jobs: self.running_jobs.over(&default.running_jobs),
            queued_jobs: self.queued_jobs.over(&default.queued_jobs),
            cpu_seconds_per_day: self.cpu_seconds_per_day.over(&default.cpu_seconds_per_day),
            blob_bytes: self.blob_bytes.over(&default.blob_bytes),
            languages: self.languages.over(&default.languages),
            isolation: self.isolation.over(&default.isolation),
            dependencies: self.dependencies.over(&default.dependencies),
            priority_max: self.priority_max.over(&default.priority_max),
            weight: self.weight.over(&default.weight),
        }
    }
}

/// Flags of the master: what holds for every tenant that has no setting of its own.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(next_help_heading = "Quotas of each tenant, unless `enclos tenants set` says otherwise [default: unlimited]")]
pub struct QuotaArgs {
    /// Requests a second, and as many at once
    #[arg(long, env = "ENCLOS_TENANT_REQUESTS_PER_SECOND", value_name = "N",
          value_parser = clap::value_parser!(u64).range(1..=RATE_MAX))]
    pub tenant_requests_per_second: Option<u64>,
    /// Jobs at agents at once
    #[arg(long, env = "ENCLOS_TENANT_RUNNING_JOBS", value_name = "N",
          value_parser = clap::value_parser!(u64).range(1..=NUMBER_MAX))]
    pub tenant_running_jobs: Option<u64>,
    /// Jobs that wait at once
    #[arg(long, env = "ENCLOS_TENANT_QUEUED_JOBS", value_name = "N",
          value_parser = clap::value_parser!(u64).range(1..=NUMBER_MAX))]
    pub tenant_queued_jobs: Option<u64>,
    /// CPU seconds of jobs that end on one day (UTC)
    #[arg(long, env = "ENCLOS_TENANT_CPU_SECONDS_PER_DAY", value_name = "SECONDS",
          value_parser = clap::value_parser!(u64).range(1..=NUMBER_MAX))]
    pub tenant_cpu_seconds_per_day: Option<u64>,
    /// Bytes of blobs
    #[arg(long, env = "ENCLOS_TENANT_BLOB_BYTES", value_name = "BYTES",
          value_parser = clap::value_parser!(u64).range(1..=NUMBER_MAX))]
    pub tenant_blob_bytes: Option<u64>,
    /// The most urgent priority of jobs; the default tenant has none such bound while no key was made
    #[arg(long, env = "ENCLOS_TENANT_PRIORITY_MAX", default_value = "normal", value_name = "low|normal|high",
          value_parser = class)]
    pub tenant_priority_max: Priority,
}

impl From<&QuotaArgs> for Quota {
    fn from(args: &QuotaArgs) -> Self {
        Self {
            requests_per_second: args.tenant_requests_per_second,
            running_jobs: args.tenant_running_jobs,
            queued_jobs: args.tenant_queued_jobs,
            cpu_seconds_per_day: args.tenant_cpu_seconds_per_day,
            blob_bytes: args.tenant_blob_bytes,
            priority_max: Some(args.tenant_priority_max),
            ..Self::default()
        }
    }
}

/// Flags that change one tenant's settings; what is not given stays.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(next_help_heading = "Quotas of the tenant (a value, 'unlimited', or 'default': as the master's flags say)")]
pub struct SettingArgs {
    /// Requests a second, and as many at once
    #[arg(long, value_name = "N", value_parser = rate)]
    requests_per_second: Option<Setting<u64>>,
    /// Jobs at agents at once
    #[arg(long, value_name = "N", value_parser = number)]
    running_jobs: Option<Setting<u64>>,
    /// Jobs that wait at once
    #[arg(long, value_name = "N", value_parser = number)]
    queued_jobs: Option<Setting<u64>>,
    /// CPU seconds of jobs that end on one day (UTC)
    #[arg(long, value_name = "SECONDS", value_parser = number)]
    cpu_seconds_per_day: Option<Setting<u64>>,
    /// Bytes of blobs
    #[arg(long, value_name = "BYTES", value_parser = number)]
    blob_bytes: Option<Setting<u64>>,
    /// Languages that jobs may use, by id, with commas
    #[arg(long, value_name = "IDS", value_parser = languages)]
    languages: Option<Setting<BTreeSet<String>>>,
    /// The weakest isolation of jobs: runc, userns or gvisor
    #[arg(long, value_name = "LEVEL", value_parser = isolation)]
    isolation: Option<Setting<Isolation>>,
    /// Whether jobs may bring dependencies: allow or deny
    #[arg(long, value_name = "allow|deny", value_parser = dependencies)]
    dependencies: Option<Setting<bool>>,
    /// The most urgent priority of jobs: low, normal or high
    #[arg(long, value_name = "CLASS", value_parser = priority)]
    priority_max: Option<Setting<Priority>>,
    /// Its part of the fleet while others wait, against a tenant of weight 1: 1 to 100
    #[arg(long, value_name = "N", value_parser = weight)]
    weight: Option<Setting<u32>>,
}

impl SettingArgs {
    /// Whether any is given.
    #[must_use]
    pub fn is_empty(&self) -> bool {
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
        [requests_per_second, running_jobs, queued_jobs, cpu_seconds_per_day, blob_bytes].iter().all(|n| n.is_none())
            && languages.is_none()
            && isolation.is_none()
            && dependencies.is_none()
            && priority_max.is_none()
            && weight.is_none()
    }

    /// Changes what is given.
    pub fn apply(&self, settings: &mut Settings) {
        fn set<T: Clone>(setting: &mut Setting<T>, given: &Option<Setting<T>>) {
            if let Some(given) = given {
                *setting = given.clone();
            }
        }
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
        set(&mut settings.requests_per_second, requests_per_second);
        set(&mut settings.running_jobs, running_jobs);
        set(&mut settings.queued_jobs, queued_jobs);
        set(&mut settings.cpu_seconds_per_day, cpu_seconds_per_day);
        set(&mut settings.blob_bytes, blob_bytes);
        set(&mut settings.languages, languages);
        set(&mut settings.isolation, isolation);
        set(&mut settings.dependencies, dependencies);
        set(&mut settings.priority_max, priority_max);
        set(&mut settings.weight, weight);
    }
}

fn setting<T>(text: &str, value: impl FnOnce(&str) -> Result<T, String>) -> Result<Setting<T>, String> {
    match text {
        "default" => Ok(Setting::Default),
        "unlimited" => Ok(Setting::Unlimited),
        text => value(text).map(Setting::At),
    }
}

/// 0 never means unlimited, and there is no use for a tenant that may nothing: its keys are revoked.
fn within(text: &str, max: u64) -> Result<u64, String> {
    let number = text.parse::<u64>().ok().filter(|n| (1..=max).contains(n));
    number.ok_or_else(|| format!("needs a whole number from 1 to {max}, 'unlimited' or 'default'"))
}

fn number(text: &str) -> Result<Setting<u64>, String> {
    setting(text, |text| within(text, NUMBER_MAX))
}

fn rate(text: &str) -> Result<Setting<u64>, String> {
    setting(text, |text| within(text, RATE_MAX))
}

fn languages(text: &str) -> Result<Setting<BTreeSet<String>>, String> {
    setting(text, |text| {
        let ids: BTreeSet<String> = text.split(',').map(str::to_owned).collect();
        let is_id = |id: &String| {
            (1..=64).contains(&id.len())
                && id.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        };
        let fit = ids.len() <= LANGUAGES_MAX && ids.iter().all(is_id);
        if fit { Ok(ids) } else { Err("needs ids of languages with commas between (`enclos languages`)".to_owned()) }
    })
}

fn isolation(text: &str) -> Result<Setting<Isolation>, String> {
    setting(text, |text| {
        let levels = [Isolation::Runc, Isolation::Userns, Isolation::Gvisor];
        levels.into_iter().find(|level| level.as_str() == text).ok_or_else(|| "is runc, userns or gvisor".to_owned())
    })
}

fn dependencies(text: &str) -> Result<Setting<bool>, String> {
    setting(text, |text| match text {
        "allow" => Ok(true),
        "deny" => Ok(false),
        _ => Err("is allow or deny".to_owned()),
    })
}

fn class(text: &str) -> Result<Priority, String> {
    Priority::named(text).ok_or_else(|| "is low, normal or high".to_owned())
}

fn priority(text: &str) -> Result<Setting<Priority>, String> {
    setting(text, class)
}

/// A part has a size: 'unlimited' would be everything, which is no share.
fn weight(text: &str) -> Result<Setting<u32>, String> {
    let number = text.parse::<u32>().ok().filter(|n| (1..=WEIGHT_MAX).contains(n));
    match text {
        "default" => Ok(Setting::Default),
        _ => {
            number.map(Setting::At).ok_or_else(|| format!("needs a whole number from 1 to {WEIGHT_MAX}, or 'default'"))
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    #[derive(clap::Parser)]
    struct Line {
        #[command(flatten)]
        args: SettingArgs,
    }

    fn args(line: &str) -> Option<SettingArgs> {
        Line::try_parse_from(["x"].into_iter().chain(line.split(' ').filter(|w| !w.is_empty()))).ok().map(|l| l.args)
    }

    #[test]
    fn a_setting_is_a_value_unlimited_or_the_default_and_never_zero() {
        let default = Quota { running_jobs: Some(5), queued_jobs: Some(7), ..Quota::default() };
        let mut settings = Settings::default();
        assert_eq!(settings.over(&default), default);
        args("--running-jobs 2 --queued-jobs unlimited --languages c,python").unwrap().apply(&mut settings);
        let quota = settings.over(&default);
        assert_eq!((quota.running_jobs, quota.queued_jobs, quota.blob_bytes), (Some(2), None, None));
        assert_eq!(quota.languages.unwrap().len(), 2);
        args("--running-jobs default").unwrap().apply(&mut settings);
        assert_eq!(settings.over(&default).running_jobs, Some(5));
        for bad in [
            "--running-jobs 0",
            "--running-jobs -1",
            "--blob-bytes x",
            "--isolation kata",
            "--languages c,,d",
            "--weight 0",
            "--weight 101",
            "--weight unlimited",
            "--priority-max urgent",
        ] {
            assert!(args(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn settings_come_back_as_they_were_kept() {
        let mut settings = Settings::default();
        args("--running-jobs 2 --isolation gvisor --dependencies deny --blob-bytes unlimited --priority-max high --weight 7")
            .unwrap()
            .apply(&mut settings);
        let text = serde_json::to_string(&settings).unwrap();
        assert_eq!(serde_json::from_str::<Settings>(&text).unwrap(), settings);
        assert_eq!(serde_json::from_str::<Settings>("{}").unwrap(), Settings::default());
    }

    #[test]
    fn whether_a_flag_is_given_is_seen() {
        assert!(args("").unwrap().is_empty());
        for given in ["--running-jobs default", "--requests-per-second default", "--languages c", "--dependencies deny"]
        {
            assert!(!args(given).unwrap().is_empty(), "{given}");
        }
    }
}
