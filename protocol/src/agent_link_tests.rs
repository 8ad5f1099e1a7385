//! Neighbouring versions understand each other.

use super::*;
use crate::frame::{decode_body, encode_body};

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
    };
    let older: OlderLoad = decode_body(&encode_body(&load).unwrap()).unwrap();
    assert_eq!(older.sandboxes, 5);
    assert_eq!(decode_body::<LoadReport>(&encode_body(&load).unwrap()).unwrap(), load);
}
