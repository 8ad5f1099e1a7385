//! Jobs and reports as tests of several modules need them.

use enclos_protocol::cases::{CasePlan, CaseReport, Checker, Judging, Verdict};
use enclos_protocol::ids::Binding;
use enclos_protocol::job::{Isolation, JobPath, JobReport, JobSpec, Reuse, StepReport};
use enclos_protocol::limits::{OnOutputLimit, StepLimits};
use enclos_protocol::outcome::{Accounting, Exit, Outcome, StepFacts};

/// The smallest limits, and so many bytes to report.
pub fn limits(report_bytes: u64) -> StepLimits {
    StepLimits {
        cpu_ms: 1,
        wall_ms: 1,
        memory_bytes: 1,
        pids: 1,
        output_bytes: 1,
        report_bytes,
        file_bytes: 1,
        stack_bytes: 1,
        cpu_millis: 1,
    }
}

/// A path that is one.
pub fn path(text: &str) -> JobPath {
    JobPath::try_from(text.to_owned()).expect("tests use good paths")
}

/// A job of tenant `t`; with 0 cases it is run once.
pub fn spec(cases: u32, report_bytes: u64) -> JobSpec {
    let limits = limits(report_bytes);
    let judging = Judging::Output(Checker::Trim);
    let plan = CasePlan { count: cases, judging, stop_on_first_failure: false, largest: limits };
    JobSpec {
        binding: Binding { tenant: "t".into(), scope: String::new() },
        language: "c".into(),
        entry: path("main.c"),
        compile_args: vec![],
        run_args: vec!["é".into()],
        env: vec![],
        compile_limits: limits,
        run_limits: limits,
        on_output_limit: OnOutputLimit::Kill,
        merge_stderr: false,
        reuse: Reuse::Tenant,
        isolation: Isolation::Runc,
        cases: (cases > 0).then_some(plan),
        keep_files: vec![],
        no_cache: false,
        live_stdin: false,
        dependencies: None,
    }
}

/// A step that ended well and used nothing.
pub fn step() -> StepReport {
    let facts = StepFacts {
        exit: Some(Exit::Code(0)),
        stop: None,
        cpu_us: 0,
        wall_us: 0,
        memory_peak_bytes: 0,
        oom_kills: 0,
        pids_refused: 0,
        stdout_bytes: 0,
        stderr_bytes: 0,
        kill_us: None,
        accounting: Accounting::Cgroup,
        start_error: None,
        keep_error: None,
    };
    StepReport { outcome: Outcome::Ok, facts, cached: false }
}

/// A case that came to this.
pub fn case(verdict: Verdict) -> CaseReport {
    CaseReport { verdict, run: step(), score_ppm: None, feedback: None }
}

/// A job that came to this, without steps.
pub fn report(outcome: Outcome) -> JobReport {
    JobReport {
        outcome,
        message: None,
        compile: None,
        companion: None,
        run: None,
        files: vec![],
        files_error: None,
        sandbox_us: 0,
        isolation: Isolation::Runc,
        reuse: Reuse::Tenant,
        dependencies: None,
        laps: None,
    }
}
