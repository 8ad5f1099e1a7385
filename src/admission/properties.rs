//! Whatever comes in is admitted within its bounds, or refused; nothing else happens.

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::admit;
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

proptest! {
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
