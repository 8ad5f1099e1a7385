//! Refusals of the gate and of quotas.

use std::time::Duration;

use crate::access::Scope;
use crate::admission::Refusal;
use crate::queue::{Overloaded, Shed};

/// 401: no key, or none that works; which of both is not told apart by more than the detail.
#[must_use]
pub fn unauthorized(detail: &str) -> Refusal {
    Refusal::new(401, "unauthorized", detail)
}

/// 401: no key was shown.
#[must_use]
pub fn no_key() -> Refusal {
    unauthorized("this service wants a key: send 'authorization: Bearer <key>'")
}

/// 401: what was shown does not work.
#[must_use]
pub fn no_such_key() -> Refusal {
    unauthorized("this key is unknown, revoked or expired; ask the operator for another")
}

/// 401: the session is none that works.
#[must_use]
pub fn session_over() -> Refusal {
    unauthorized("this session has ended; sign in again, or send 'authorization: Bearer <key>'")
}

/// 403: the key may not do this.
#[must_use]
pub fn missing_scope(scope: Scope) -> Refusal {
    let scope = scope.as_str();
    Refusal::new(403, "missing_scope", format!("this needs a key with the scope '{scope}'")).with("scope", scope)
}

/// 429: more requests than a tenant may make.
#[must_use]
pub fn rate_limited(maximum: u64, retry_after: Duration) -> Refusal {
    let detail = format!("you may make {maximum} requests a second; come back after 'retry-after'");
    let refusal = Refusal::new(429, "rate_limited", detail).with("quota", "requests_per_second");
    Refusal { retry_after: Some(retry_after), ..refusal.with("maximum", maximum) }
}

/// 429: too many keys that were none from one address.
#[must_use]
pub fn logins_shut(retry_after: Duration) -> Refusal {
    let detail = "too many keys from this address were none; come back after 'retry-after'";
    Refusal { retry_after: Some(retry_after), ..Refusal::new(429, "rate_limited", detail).with("quota", "logins") }
}

/// 429: a quota of the tenant's is used up.
#[must_use]
pub fn quota_exceeded(quota: &str, maximum: u64, retry_after: Duration) -> Refusal {
    let what = match quota {
        "cpu_seconds_per_day" => "CPU seconds a day (UTC) are yours, and they are used up; come back tomorrow",
        _ => "bytes of blobs may be yours; delete some, or wait until they expire",
    };
    let refusal = Refusal::new(429, "quota_exceeded", format!("{maximum} {what}")).with("quota", quota);
    Refusal { retry_after: Some(retry_after), ..refusal.with("maximum", maximum) }
}

/// 403: the operator has none.
#[must_use]
pub fn callbacks_denied() -> Refusal {
    let detail = "the ends of jobs are not told to URLs here: the operator denies it";
    Refusal::new(403, "callbacks_denied", detail).at("callback_url")
}

/// 503 `overloaded`, or 429 where the rule is the tenant's own quota: there is no place in the queue.
#[must_use]
pub fn no_place(refused: &Overloaded) -> Refusal {
    let Overloaded { rule, length, bound, retry_after } = *refused;
    let refusal = match rule {
        Shed::Tenant => {
            let detail = format!("{bound} of your jobs may wait at once; come back when some have begun");
            Refusal::new(429, "quota_exceeded", detail).with("quota", "queued_jobs").with("maximum", bound)
        }
        Shed::Full => {
            let detail = format!("the queue holds {length} jobs, of {bound} at most; come back later");
            Refusal::new(503, "overloaded", detail)
        }
        Shed::Normal => {
            let detail = format!("{length} jobs wait: from {bound} on only those of priority 'high' are taken");
            Refusal::new(503, "overloaded", detail)
        }
        Shed::Low => {
            let detail = format!("{length} jobs wait: from {bound} on none of priority 'low' are taken");
            Refusal::new(503, "overloaded", detail)
        }
        Shed::Share => {
            let detail = format!("the queue fills, and {length} of your jobs wait, while {bound} are your part of it");
            Refusal::new(503, "overloaded", detail)
        }
    };
    let told = refusal.with("reason", rule.as_str()).with("queue_length", length).with("queue_bound", bound);
    Refusal { retry_after: Some(retry_after), ..told }
}

/// 403: the tenant may not use this language.
#[must_use]
pub fn language_denied(field: &str, language: &str) -> Refusal {
    let detail = format!("your keys may not run '{language}'; the operator decides");
    Refusal::new(403, "language_denied", detail).at(field)
}

/// 403: the tenant's jobs have to be isolated better.
#[must_use]
pub fn isolation_denied(minimum: &str) -> Refusal {
    let detail = format!("your jobs run with isolation '{minimum}' or better; leave it out, or ask for that");
    Refusal::new(403, "isolation_denied", detail).at("isolation").with("minimum", minimum)
}

/// 403: the tenant's jobs are not so urgent.
#[must_use]
pub fn priority_denied(maximum: &str) -> Refusal {
    let detail = format!("your jobs have priority '{maximum}' at most; leave it out, or ask for that");
    Refusal::new(403, "priority_denied", detail).at("priority").with("maximum", maximum)
}
