//! What a job that waits takes in the master: a million of them, counted by what the process grows.

use std::fs;
use std::sync::Arc;
use std::time::{Duration, Instant};

use enclos_protocol::ids::JobId;

use super::parts::policy;
use crate::progress::Progress;
use crate::queue::{Demand, Priority};
use crate::scheduler::{Core, Event, Moment, RunningBounds, Submitted, Traits};
use crate::scoring::Scoring;
use crate::store::UnixTime;

const JOBS: u64 = 1_000_000;
/// Bytes that one job may take beside what is on disk.
const JOB_BYTES_MAX: u64 = 1024;

/// Resident bytes of this process.
fn resident() -> u64 {
    let status = fs::read_to_string("/proc/self/status").expect("Linux has it");
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("Linux tells it");
    let kib = line.split_whitespace().nth(1).expect("a number follows");
    kib.parse::<u64>().expect("a number follows") * 1024
}

#[test]
#[ignore = "takes a minute and a gibibyte; `make bench` documents its figure"]
fn a_million_jobs_wait_in_less_than_a_kibibyte_each() {
    let now = Moment { instant: Instant::now(), unix: UnixTime(0) };
    let mut core = Core::new(policy(1), RunningBounds::default(), Vec::new(), now);
    let progress = Progress::default();
    let base = (*super::demand(0)).clone();
    let before = resident();
    for n in 0..JOBS {
        let job = JobId::from_bytes(u128::from(n).to_be_bytes());
        // As over HTTP: nobody shares a demand before it is queued.
        let (tenant, language) = (format!("tenant-{}", n % 1000).into(), format!("language-{}", n % 20).into());
        let demand = Arc::new(Demand { tenant, language, ..base.clone() });
        progress.register(job, &crate::testing::spec(0, 1 << 16), Scoring::default());
        core.handle(
            Event::Submitted(Submitted {
                job,
                demand,
                input_bytes: 1000,
                compile_key: Some(n),
                cases_time: Duration::ZERO,
                priority: Priority::Normal,
                expires: n.is_multiple_of(2).then(|| now.instant + Duration::from_secs(3600)),
                traits: Traits { source: n },
                waited: Duration::ZERO,
            }),
            now,
        );
        if n == JOBS / 2 {
            let each = (resident() - before) / (n + 1);
            assert!(each < 2 * JOB_BYTES_MAX, "{each} bytes each");
        }
    }
    let each = (resident() - before) / JOBS;
    assert_eq!(core.totals().queued as u64, JOBS);
    assert!(each < JOB_BYTES_MAX, "{each} bytes each");
    println!("{each} bytes for each of {JOBS} jobs that wait");
}
