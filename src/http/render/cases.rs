//! Cases, groups and files as clients see them. Pure.

use enclos_protocol::cases::{CaseReport, SCORE_PPM_FULL, Verdict};
use enclos_protocol::job::{JobReport, JobSpec, Stream};
use enclos_protocol::outcome::Outcome;

use super::super::wire::{Case, CaseEvent, Group, KeptFile, VerdictName};
use super::Kept;
use crate::scoring::{self, Judged};
use crate::store::{CaseRecord, Detail};

/// Points as a decimal number.
#[expect(clippy::cast_precision_loss, reason = "points are far below where that begins")]
pub(super) fn points(ppm: u64) -> f64 {
    ppm as f64 / f64::from(SCORE_PPM_FULL)
}

pub(super) fn verdict(verdict: Verdict) -> VerdictName {
    match verdict {
        Verdict::Accepted => VerdictName::Accepted,
        Verdict::WrongAnswer => VerdictName::WrongAnswer,
        Verdict::CheckerError => VerdictName::CheckerError,
        Verdict::Skipped => VerdictName::Skipped,
        Verdict::Ended(Outcome::InternalError) => VerdictName::InternalError,
        Verdict::Ended(Outcome::Cancelled) => VerdictName::Cancelled,
        Verdict::Ended(Outcome::CompileError) => VerdictName::CompileError,
        Verdict::Ended(Outcome::OutputLimit) => VerdictName::OutputLimit,
        Verdict::Ended(Outcome::MemoryLimit) => VerdictName::MemoryLimit,
        Verdict::Ended(Outcome::TimeLimit) => VerdictName::TimeLimit,
        Verdict::Ended(Outcome::FileLimit) => VerdictName::FileLimit,
        Verdict::Ended(Outcome::ProcessLimit) => VerdictName::ProcessLimit,
        // A program that ends well is judged: nobody says `ok` of a case.
        Verdict::Ended(Outcome::RuntimeError | Outcome::Ok) => VerdictName::RuntimeError,
    }
}

/// `verdict`, `passed`, `total`, `score` of a job.
pub(super) fn summary(spec: &JobSpec, judged: Option<&Judged>) -> Option<(VerdictName, u32, u32, f64)> {
    let (plan, judged) = (spec.cases.as_ref()?, judged?);
    Some((verdict(judged.verdict), judged.passed, plan.count, points(judged.score_ppm)))
}

/// All cases of a job that has ended.
pub(super) fn all(spec: &JobSpec, detail: &Detail) -> Option<Vec<Case>> {
    spec.cases.as_ref()?;
    let case = |record: &CaseRecord| {
        let result = &record.result;
        case(spec, record, result.report.as_ref(), Some((&result.stdout, &result.stderr)))
    };
    Some(detail.cases.iter().map(case).collect())
}

fn case(spec: &JobSpec, head: &CaseRecord, report: Option<&CaseReport>, written: Option<(&[u8], &[u8])>) -> Case {
    let limits = head.limits.as_ref().unwrap_or(&spec.run_limits);
    let kept = |stream| match (written, stream) {
        (Some((stdout, _)), Stream::Stdout) => Kept::Bytes(stdout),
        (Some((_, stderr)), Stream::Stderr) => Kept::Bytes(stderr),
        (None, _) => Kept::LeftOut,
    };
    let score = report.and_then(|r| r.score_ppm).filter(|_| scoring::verdict(report) == Verdict::Accepted);
    Case {
        name: head.name.clone(),
        verdict: verdict(scoring::verdict(report)),
        score: score.map(|ppm| points(ppm.into())),
        feedback: report.and_then(|r| r.feedback.clone()),
        run: report.map(|r| super::step(&r.run, limits, kept)),
    }
}

/// Data of an event `case`.
#[must_use]
pub fn case_event(spec: &JobSpec, heads: &[CaseRecord], index: u32, report: &CaseReport) -> Option<CaseEvent> {
    let head = heads.get(index as usize)?;
    Some(CaseEvent { index, case: case(spec, head, Some(report), None) })
}

pub(super) fn groups(detail: &Detail) -> Vec<Group> {
    let reports: Vec<Option<&CaseReport>> = detail.cases.iter().map(|c| c.result.report.as_ref()).collect();
    let group = |group: &scoring::Group| {
        let judged = group.judge(&reports);
        let (name, weight) = (group.name.clone(), group.weight);
        Group { name, weight, verdict: verdict(judged.verdict), score: points(judged.score_ppm) }
    };
    detail.scoring.groups.iter().map(group).collect()
}

/// The files that a job gives back; `None` where it was not asked for any.
pub(super) fn files(spec: &JobSpec, report: Option<&JobReport>) -> Option<Vec<KeptFile>> {
    let asked = !spec.keep_files.is_empty();
    let file = |f: &enclos_protocol::job::KeptFile| KeptFile { path: f.path.to_string(), size_bytes: f.size_bytes };
    report.filter(|_| asked).map(|r| r.files.iter().map(file).collect())
}
