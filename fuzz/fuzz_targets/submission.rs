//! Admission, from bytes to a job: refused with a rule, or within every bound.
#![no_main]

use std::sync::LazyLock;

use enclos::admission::{Admitted, admit};
use enclos::http::error::problem;
use enclos_images::Catalogue;
use enclos_images::bounds::LimitBounds;
use enclos_protocol::limits::StepLimits;
use enclos_protocol::supervisor_link::INPUT_BYTES_MAX;
use libfuzzer_sys::fuzz_target;

static CATALOGUE: LazyLock<Catalogue> = LazyLock::new(|| Catalogue::embedded().unwrap());
/// Longest refusal, in bytes: it may repeat a little of what was sent.
const PROBLEM_BYTES_MAX: usize = 4096;

fn check_limits(limits: StepLimits, bounds: &LimitBounds) {
    let limits = serde_json::to_value(limits).unwrap();
    for (name, bound) in bounds.fields() {
        let value = limits[name].as_u64().unwrap();
        assert!((bound.min..=bound.max).contains(&value), "{name} is {value}");
    }
}

fn check(admitted: &Admitted) {
    let spec = &admitted.spec;
    let language = CATALOGUE.by_id(&spec.language).expect("an admitted job has a language");
    check_limits(spec.run_limits, &language.run_bounds);
    if language.compile.is_some() {
        check_limits(spec.compile_limits, &language.compile_bounds);
    } else {
        assert!(spec.compile_args.is_empty());
    }
    assert!(admitted.input.size_bytes() <= INPUT_BYTES_MAX);
    assert!(admitted.input.files.iter().any(|file| file.path == spec.entry), "the entry is a file");
    let words = spec.compile_args.iter().chain(&spec.run_args);
    let pairs = spec.env.iter().flat_map(|(name, value)| [name, value]);
    assert!(words.chain(pairs).all(|word| !word.contains('\0')));
    assert!(admitted.labels.len() <= 16 && spec.env.len() <= 64);
}

fuzz_target!(|data: &[u8]| {
    match admit(&CATALOGUE, "tenant", data) {
        Ok(admitted) => {
            check(&admitted);
            // Written another way, it is the same job.
            let again = serde_json::to_vec(&serde_json::from_slice::<serde_json::Value>(data).unwrap()).unwrap();
            assert_eq!(admit(&CATALOGUE, "tenant", &again).unwrap(), admitted);
        }
        Err(refusal) => {
            assert!(matches!(refusal.status, 400 | 413 | 422));
            let body = serde_json::to_vec(&problem(refusal)).unwrap();
            assert!(body.len() <= PROBLEM_BYTES_MAX, "{} bytes", body.len());
        }
    }
});
