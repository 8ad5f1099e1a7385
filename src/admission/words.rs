//! Words of a submission that travel on as they are: arguments, labels, scope.
//!
//! Their sizes are bounded so that a job's description always fits one message
//! of either link beside the largest inline input; a test here holds that.

use std::collections::BTreeMap;
use std::time::Duration;

use super::refusal::Refusal;
use super::submission::Whole;
use crate::config::QUEUE_TTL_MS_MAX;

/// Arguments of one step.
pub const ARGS_MAX: usize = 256;
/// Bytes of one step's arguments together.
pub(super) const ARGS_BYTES_MAX: usize = 16 * 1024;
/// Labels of one job.
pub const LABELS_MAX: usize = 16;
/// Bytes of a label's name.
pub const LABEL_NAME_BYTES_MAX: usize = 63;
/// Bytes of a label's value.
pub const LABEL_VALUE_BYTES_MAX: usize = 256;
/// Bytes of a scope.
pub const SCOPE_BYTES_MAX: usize = 128;

/// The arguments of one step.
pub(super) fn arguments(field: &str, args: Option<Vec<String>>) -> Result<Vec<String>, Refusal> {
    let args = args.unwrap_or_default();
    if let Some(index) = args.iter().position(|arg| arg.contains('\0')) {
        return Err(Refusal::invalid(format!("{field}[{index}]"), "an argument cannot hold a NUL character"));
    }
    if args.iter().map(String::len).sum::<usize>() > ARGS_BYTES_MAX {
        let detail = format!("the arguments of a step may have {ARGS_BYTES_MAX} bytes together");
        return Err(Refusal::above(field, detail, ARGS_BYTES_MAX));
    }
    Ok(args)
}

/// The labels of a job.
pub(super) fn labels(labels: Option<BTreeMap<String, String>>) -> Result<BTreeMap<String, String>, Refusal> {
    let labels = labels.unwrap_or_default();
    for (name, value) in &labels {
        if !is_label_name(name) {
            let detail = format!(
                "a label's name is 1 to {LABEL_NAME_BYTES_MAX} of A-Z a-z 0-9 . _ - / and begins with a letter or digit"
            );
            return Err(Refusal::invalid("labels", detail));
        }
        if value.len() > LABEL_VALUE_BYTES_MAX {
            let detail = format!("a label's value may have {LABEL_VALUE_BYTES_MAX} bytes");
            return Err(Refusal::above(format!("labels.{name}"), detail, LABEL_VALUE_BYTES_MAX));
        }
        if value.chars().any(char::is_control) {
            return Err(Refusal::invalid(format!("labels.{name}"), "a label's value has no control characters"));
        }
    }
    Ok(labels)
}

fn is_label_name(name: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "._-/".contains(c);
    (1..=LABEL_NAME_BYTES_MAX).contains(&name.len())
        && name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.chars().all(allowed)
}

/// The scope of a job; empty when none is given.
pub(super) fn scope(scope: Option<String>) -> Result<String, Refusal> {
    let Some(scope) = scope else { return Ok(String::new()) };
    // An empty scope would be the scope of all jobs without one, which is never what its sender meant.
    let valid = (1..=SCOPE_BYTES_MAX).contains(&scope.len()) && scope.chars().all(|c| c.is_ascii_graphic());
    if valid {
        Ok(scope)
    } else {
        let detail = format!("a scope is 1 to {SCOPE_BYTES_MAX} visible ASCII characters without spaces");
        Err(Refusal::invalid("scope", detail).with("maximum", SCOPE_BYTES_MAX))
    }
}

/// How long a job may wait.
pub(super) fn queue_ttl(asked: Option<Whole>) -> Result<Option<Duration>, Refusal> {
    match asked {
        None => Ok(None),
        Some(Whole(ms)) if (1..=QUEUE_TTL_MS_MAX).contains(&ms) => Ok(Some(Duration::from_millis(ms))),
        Some(_) => {
            let detail = format!("a job may wait from 1 to {QUEUE_TTL_MS_MAX} milliseconds");
            Err(Refusal::invalid("queue_ttl_ms", detail).with("minimum", 1).with("maximum", QUEUE_TTL_MS_MAX))
        }
    }
}
