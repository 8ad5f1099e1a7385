//! What a model is told where a tool refuses: which rule, which argument, and what to do. Pure.

use std::time::Duration;

use crate::admission::Refusal;

/// Fields of a submission, and the arguments that they came from; the first that fits.
const ARGUMENTS: [(&str, &str); 5] = [
    ("source", "code"),
    ("run.args", "args"),
    ("compile.args", "compile_args"),
    ("limits.run", "limits"),
    ("checker.float", "tolerance"),
];

/// Advice of the API, and the same for who has tools.
const ADVICE: [(&str, &str); 6] = [
    ("GET /v1/languages lists what there is", "the tool list_languages lists what there is"),
    ("'source'", "'code'"),
    ("'run.args'", "'args'"),
    ("'compile.args'", "'compile_args'"),
    ("; ask without 'wait_ms'", ""),
    ("POST /v1/jobs", "run_code"),
];

/// How details say that coming back helps.
const COME_BACK: [&str; 2] = ["come back after 'retry-after'", "come back later"];

/// The refusal as a text.
pub(super) fn text(refusal: &Refusal) -> String {
    let Refusal { code, detail, field, retry_after, .. } = refusal;
    let mut said = detail.clone();
    for (theirs, ours) in ADVICE {
        said = said.replace(theirs, ours);
    }
    let wait = retry_after.map(|wait| format!("come back in {} s", whole_seconds(wait)));
    if let Some(wait) = wait {
        said = match COME_BACK.into_iter().find(|words| said.contains(words)) {
            Some(words) => said.replace(words, &wait),
            None => format!("{said}; {wait}"),
        };
    }
    match field.as_deref().map(argument) {
        Some(argument) => format!("{code} (argument '{argument}'): {said}"),
        None => format!("{code}: {said}"),
    }
}

/// The argument that a field of a submission came from.
fn argument(field: &str) -> String {
    let renamed = ARGUMENTS.iter().find_map(|(theirs, ours)| {
        let rest = field.strip_prefix(theirs)?;
        rest.is_empty().then(|| (*ours).to_owned()).or_else(|| {
            // A longer name that only begins like it is another field.
            rest.starts_with(['.', '[']).then(|| format!("{ours}{rest}"))
        })
    });
    renamed.unwrap_or_else(|| field.to_owned())
}

/// Rounded up, so nobody comes back too early.
fn whole_seconds(wait: Duration) -> u64 {
    wait.as_secs() + u64::from(wait.subsec_nanos() > 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::error;
    use crate::queue::{Overloaded, Shed};

    #[test]
    fn a_field_of_a_submission_is_told_as_the_argument_it_came_from() {
        for (field, expected) in [
            ("source", "code"),
            ("source_blob", "source_blob"),
            ("run.args", "args"),
            ("run.args[3]", "args[3]"),
            ("compile.args", "compile_args"),
            ("limits.run.cpu_ms", "limits.cpu_ms"),
            ("limits.cpu_ms", "limits.cpu_ms"),
            ("files[2].path", "files[2].path"),
            ("cases[1].args[0]", "cases[1].args[0]"),
            ("language", "language"),
        ] {
            assert_eq!(argument(field), expected);
        }
    }

    #[test]
    fn a_refusal_tells_a_model_what_to_do() {
        let high = Refusal::new(422, "limit_too_high", "9 is above the maximum of 5 for C").at("limits.run.cpu_ms");
        for (refusal, expected) in [
            (
                Refusal::unknown_language("pyton", &["python", "python3"]),
                "unknown_language (argument 'language'): there is no language 'pyton'; did you mean python, python3?",
            ),
            (
                Refusal::unknown_language("x", &[]),
                "unknown_language (argument 'language'): there is no language 'x'; \
                 the tool list_languages lists what there is",
            ),
            (high, "limit_too_high (argument 'limits.cpu_ms'): 9 is above the maximum of 5 for C"),
            (
                error::no_place(&Overloaded {
                    rule: Shed::Full,
                    length: 7,
                    bound: 7,
                    retry_after: Duration::from_millis(1200),
                }),
                "overloaded: the queue holds 7 jobs, of 7 at most; come back in 2 s",
            ),
            (
                error::unavailable("the service is ending; come back", Duration::from_secs(5)),
                "unavailable: the service is ending; come back; come back in 5 s",
            ),
            (error::not_found(), "not_found: there is nothing here under this name"),
        ] {
            assert_eq!(text(&refusal), expected);
        }
    }
}
