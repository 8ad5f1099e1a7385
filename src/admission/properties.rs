//! Whatever comes in is admitted within its bounds, or refused; nothing else happens.

use proptest::prelude::*;
use serde_json::{Map, Value, json};

#[path = "../../tests/support/hostile_json.rs"]
mod hostile_json;

use enclos_images::bounds::LimitBounds;
use enclos_protocol::limits::StepLimits;

use self::hostile_json::{Mutated, mutated, valid};
use super::admit;
use super::files::FILES_MAX;
use super::tests::{admit_json, catalogue};

fn any_json() -> impl Strategy<Value = Value> {
    let names = prop::sample::select(vec![
        "language",
        "files",
        "source",
        "entry",
        "run",
        "args",
        "env",
        "limits",
        "compile",
        "cpus",
        "pids",
        "memory_bytes",
        "path",
        "content",
        "content_base64",
        "stdin",
        "labels",
        "cases",
        "checker",
        "float",
        "tokens",
        "program",
        "interactor",
        "groups",
        "weight",
        "keep_files",
        "expected_stdout",
        "scope",
        "reuse",
        "never",
        "c",
        "main.c",
        "PATH",
        "x",
    ]);
    let names = names.prop_map(str::to_owned).boxed();
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        names.clone().prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 48, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::btree_map(names.clone(), inner, 0..6)
                .prop_map(|m| Value::Object(m.into_iter().collect())),
        ]
    })
}

/// Whether every limit lies within the bounds of its language.
fn are_within(limits: StepLimits, bounds: &LimitBounds) -> bool {
    let limits = serde_json::to_value(limits).unwrap();
    bounds.fields().iter().all(|(name, b)| limits[*name].as_u64().is_some_and(|v| (b.min..=b.max).contains(&v)))
}

#[test]
fn the_submission_that_is_changed_is_right() {
    admit_json(&valid()).unwrap();
}

proptest! {
    #[test]
    fn a_submission_changed_in_one_place_is_refused_or_within_all_bounds(mutation in mutated()) {
        let Mutated { at, misshapen, body } = mutation;
        match admit(catalogue(), "t", body.as_bytes()) {
            Ok(job) => {
                prop_assert!(!misshapen, "{at} takes anything");
                let language = catalogue().by_id(&job.spec.language).unwrap();
                prop_assert!(are_within(job.spec.run_limits, &language.run_bounds));
                prop_assert!(are_within(job.spec.compile_limits, &language.compile_bounds));
                prop_assert!(job.input.files.len() <= FILES_MAX);
                prop_assert!(job.input.files.iter().any(|file| file.path == job.spec.entry));
            }
            Err(refusal) => {
                prop_assert!(matches!(refusal.status, 400 | 413 | 422), "{}", refusal.status);
                prop_assert!(refusal.detail.len() < 2000 && !refusal.detail.is_empty());
                if let Some(field) = refusal.field.filter(|_| misshapen) {
                    prop_assert!(field.starts_with(&at) || at.starts_with(&field), "{at} is called {field}");
                }
            }
        }
    }

    #[test]
    fn arbitrary_json_is_admitted_or_refused_and_never_panics(body in any_json()) {
        if let Err(refusal) = admit_json(&body) {
            prop_assert!((400..=422).contains(&refusal.status));
        }
    }

    #[test]
    fn arbitrary_bytes_never_panic(body in prop::collection::vec(any::<u8>(), 0..256)) {
        let _ = admit(catalogue(), "t", &body);
    }

    #[test]
    fn admitted_limits_are_within_their_bounds(
        language in prop::sample::select(vec!["c", "cpp", "java", "python"]),
        values in prop::collection::vec(prop_oneof![0u64..2000, any::<u64>(), (0u32..40).prop_map(|n| 1u64 << n)], 8),
        cpus in 0.0f64..3.0,
    ) {
        let names = ["cpu_ms", "wall_ms", "memory_bytes", "pids", "output_bytes", "report_bytes", "file_bytes", "stack_bytes"];
        for (name, value) in names.iter().zip(&values) {
            let mut run = Map::new();
            run.insert((*name).to_owned(), json!(value));
            run.insert("cpus".to_owned(), json!((cpus * 1000.0).round() / 1000.0));
            let body = json!({ "language": language, "source": "", "limits": { "run": run } });
            let bounds = &catalogue().by_id(language).unwrap().run_bounds;
            let bound = bounds.fields().into_iter().find(|(n, _)| n == name).unwrap().1;
            match admit_json(&body) {
                Ok(job) => {
                    let limits = serde_json::to_value(job.spec.run_limits).unwrap();
                    prop_assert_eq!(&limits[*name], &json!(value), "never clamped");
                    prop_assert!((bound.min..=bound.max).contains(value));
                    prop_assert!((100..=1000).contains(&job.spec.run_limits.cpu_millis));
                }
                Err(refusal) => prop_assert!(refusal.code.starts_with("limit_too_"), "{}", refusal.detail),
            }
        }
    }
}
