//! Which programs a tenant may run.

use enclos_protocol::cases::Judging;
use enclos_protocol::job::{Isolation, JobSpec};

use crate::access::{Priority, Quota};
use crate::admission::Refusal;
use crate::http::error;

/// Holds a job against its tenant's settings. What it did not ask for is set as they say; what it
/// asked for is refused, never changed.
pub(super) fn check(quota: &Quota, spec: &mut JobSpec, asked: Option<Isolation>) -> Result<(), Refusal> {
    if let Some(allowed) = &quota.languages {
        let companion = spec.cases.as_ref().and_then(|plan| Some((field(&plan.judging), plan.judging.companion()?)));
        let companion = companion.map(|(field, companion)| (field, companion.language.as_str()));
        let named = [Some(("language", spec.language.as_str())), companion];
        if let Some((field, denied)) = named.into_iter().flatten().find(|(_, id)| !allowed.contains(*id)) {
            return Err(error::language_denied(field, denied));
        }
    }
    if spec.dependencies.is_some() && quota.dependencies == Some(false) {
        return Err(error::dependencies_denied());
    }
    let Some(minimum) = quota.isolation.filter(|minimum| spec.isolation < *minimum) else { return Ok(()) };
    if asked.is_some() {
        return Err(error::isolation_denied(minimum.as_str()));
    }
    let is_interactive = spec.cases.as_ref().is_some_and(|plan| matches!(plan.judging, Judging::Interactive(_)));
    if is_interactive && minimum == Isolation::Gvisor {
        let why = "your jobs run under gVisor, where an interactor could not be kept apart from the program";
        return Err(Refusal::invalid("interactor", why));
    }
    spec.isolation = minimum;
    Ok(())
}

/// The class of a job that asks for this one, or leaves it to others.
pub(super) fn priority(quota: &Quota, asked: Option<Priority>) -> Result<Priority, Refusal> {
    let maximum = quota.priority_max.unwrap_or(Priority::High);
    match asked {
        Some(asked) if asked > maximum => Err(error::priority_denied(maximum.as_str())),
        Some(asked) => Ok(asked),
        None => Ok(Priority::default().min(maximum)),
    }
}

fn field(judging: &Judging) -> &'static str {
    if matches!(judging, Judging::Interactive(_)) { "interactor.language" } else { "checker.language" }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;

    fn check_with(quota: &Quota, asked: Option<Isolation>) -> Result<Isolation, &'static str> {
        let mut spec = testing::spec(0, 1);
        spec.isolation = asked.unwrap_or_default();
        check(quota, &mut spec, asked).map(|()| spec.isolation).map_err(|refusal| refusal.code)
    }

    #[test]
    fn a_language_that_is_not_named_is_denied() {
        let only = |id: &str| Quota { languages: Some([id.to_owned()].into()), ..Quota::default() };
        assert_eq!(check_with(&only("c"), None), Ok(Isolation::Runc));
        assert_eq!(check_with(&only("java"), None), Err("language_denied"));
    }

    #[test]
    fn a_class_above_the_tenants_is_denied_and_nothing_asked_is_the_highest_that_is_usual() {
        let at_most = |class| Quota { priority_max: Some(class), ..Quota::default() };
        let denied = |quota, asked| priority(&quota, Some(asked)).map_err(|refusal| refusal.code);
        assert_eq!(denied(at_most(Priority::Normal), Priority::High), Err("priority_denied"));
        assert_eq!(denied(at_most(Priority::Normal), Priority::Low), Ok(Priority::Low));
        assert_eq!(denied(Quota::default(), Priority::High), Ok(Priority::High));
        assert_eq!(priority(&at_most(Priority::Low), None), Ok(Priority::Low));
        assert_eq!(priority(&Quota::default(), None), Ok(Priority::Normal));
    }

    #[test]
    fn isolation_is_set_where_nothing_was_asked_and_refused_where_less_was() {
        let quota = Quota { isolation: Some(Isolation::Userns), ..Quota::default() };
        assert_eq!(check_with(&quota, None), Ok(Isolation::Userns));
        assert_eq!(check_with(&quota, Some(Isolation::Gvisor)), Ok(Isolation::Gvisor));
        assert_eq!(check_with(&quota, Some(Isolation::Runc)), Err("isolation_denied"));
    }
}
