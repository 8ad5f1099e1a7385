//! Neighbouring versions understand each other.

use super::*;
use crate::frame::{decode_body, encode_body};
use crate::measured::{ImageStock, Lap, Laps};
use crate::outcome::Outcome;

/// What an agent of the version before reports.
#[derive(Serialize)]
struct OlderLoad {
    cpu_busy_permille: u16,
    memory_busy_permille: u16,
    memory_promised_bytes: u64,
    running: u32,
    sandboxes: u32,
    languages: Vec<OfferedLanguage>,
    draining: bool,
}

#[test]
fn a_load_report_of_an_older_agent_counts_nothing() {
    let older = OlderLoad {
        cpu_busy_permille: 1,
        memory_busy_permille: 2,
        memory_promised_bytes: 3,
        running: 4,
        sandboxes: 5,
        languages: Vec::new(),
        draining: true,
    };
    let load: LoadReport = decode_body(&encode_body(&older).unwrap()).unwrap();
    assert_eq!((load.sandboxes, load.unclean_jobs, load.sandboxes_closed), (5, 0, ClosedSandboxes::default()));
}

#[test]
fn an_older_master_reads_past_the_counts() {
    #[derive(Deserialize)]
    struct OlderLoad {
        sandboxes: u32,
    }
    let load = LoadReport {
        cpu_busy_permille: 0,
        memory_busy_permille: 0,
        memory_promised_bytes: 0,
        running: 0,
        sandboxes: 5,
        languages: Vec::new(),
        draining: false,
        unclean_jobs: 7,
        sandboxes_closed: ClosedSandboxes { unfit: 7, ..ClosedSandboxes::default() },
        compiled: vec![1],
        derived_images: 1,
        derived_bytes: 2,
        engine: Box::default(),
        stock: vec![ImageStock { image: "gcc".into(), warm: 1, wanted: 2, fresh_per_hour: 30 }],
    };
    let older: OlderLoad = decode_body(&encode_body(&load).unwrap()).unwrap();
    assert_eq!(older.sandboxes, 5);
    assert_eq!(decode_body::<LoadReport>(&encode_body(&load).unwrap()).unwrap(), load);
}

#[test]
fn an_older_master_reads_past_the_laps_of_a_report() {
    #[derive(Deserialize)]
    struct OlderReport {
        outcome: Outcome,
        sandbox_us: u64,
    }
    let report = JobReport {
        outcome: Outcome::Ok,
        message: None,
        compile: None,
        companion: None,
        run: None,
        files: Vec::new(),
        files_error: None,
        sandbox_us: 7,
        isolation: Isolation::Runc,
        reuse: Reuse::Tenant,
        dependencies: None,
        laps: Some(Box::new(Laps { whole_us: 9, cases: vec![Lap::default(); 3], ..Laps::default() })),
    };
    let body = encode_body(&report).unwrap();
    let older: OlderReport = decode_body(&body).unwrap();
    assert_eq!((older.outcome, older.sandbox_us), (Outcome::Ok, 7));
    assert_eq!(decode_body::<JobReport>(&body).unwrap(), report);
    let kept = encode_body(&JobReport { laps: None, ..report }).unwrap();
    assert!(!kept.windows(4).any(|bytes| bytes == b"laps"), "what is kept with a job has none of it");
}
