//! The comparison in its smallest size against a real engine: every part of it works, and nothing is left.

use std::path::Path;
use std::process::Command;

/// Parts that take seconds; the others start clusters of their own by the same code.
const PARTS: &str = "memory,latency,throughput,mixes,cpu";

#[test]
fn engine_to_document_the_whole_comparison_works_and_leaves_nothing() {
    let place = Path::new(env!("CARGO_TARGET_TMPDIR")).join("compare");
    std::fs::create_dir_all(&place).unwrap();
    let (document, json) = (place.join("BENCHMARKS.md"), place.join("compare.json"));
    std::fs::copy(Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/BENCHMARKS.md"), &document).unwrap();
    let before = std::fs::read_to_string(&document).unwrap();
    let child = Command::new(env!("CARGO_BIN_EXE_enclos-bench"))
        .args(["compare", "smallest", "--only", PARTS, "--programs", "null,C,Python", "--document"])
        .arg(&document)
        .arg("--plots")
        .arg(&place)
        .arg("--json")
        .arg(&json)
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let label = format!("label=enclos-bench={}", child.id());
    let ended = child.wait_with_output().unwrap();
    let (said, told) = (String::from_utf8_lossy(&ended.stdout), String::from_utf8_lossy(&ended.stderr));
    assert!(ended.status.success(), "{said}\n{told}");

    let written = std::fs::read_to_string(&document).unwrap();
    for section in ["memory", "latency", "throughput", "open-loop", "mixes", "cpu"] {
        let part = |text: &str| {
            let (_, rest) = text.split_once(&format!("<!-- begin {section} -->")).unwrap();
            rest.split_once(&format!("<!-- end {section} -->")).unwrap().0.to_owned()
        };
        assert_ne!(part(&written), part(&before), "{section} is as it was");
        assert!(part(&written).contains("Measured by `enclos-bench compare smallest --only"), "{section}");
    }
    let figures: serde_json::Value = serde_json::from_slice(&std::fs::read(&json).unwrap()).unwrap();
    for name in ["C.tenant.p50_ratio", "null.cached.p50_ms", "Python.limit_to_bare", "memory.sandbox_mib"] {
        assert!(figures["figures"][name].as_f64().is_some_and(|value| value > 0.0), "{name}: {figures}");
    }
    for plot in ["compare-throughput.svg", "compare-cpu.svg"] {
        assert!(std::fs::read_to_string(place.join(plot)).unwrap().ends_with("</svg>\n"), "{plot}");
    }

    let left = Command::new("docker").args(["ps", "--all", "--quiet", "--filter", &label]).output().unwrap();
    assert!(left.status.success() && left.stdout.is_empty(), "{}", String::from_utf8_lossy(&left.stdout));
}
