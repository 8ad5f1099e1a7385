//! From the verdicts of cases to the verdict and the score of their job. Pure.

use enclos_protocol::cases::{CaseReport, SCORE_PPM_FULL, Verdict};
use enclos_protocol::outcome::Outcome;
use serde::{Deserialize, Serialize};

/// Cases that earn points together: as many as the worst of them.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Group {
    /// Its name, unique in the job.
    pub name: String,
    /// Points where every case has the full score.
    pub weight: u32,
    /// Numbers of its cases.
    pub cases: Vec<u32>,
}

/// How the score of a job is reckoned.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Scoring {
    /// Without any, the score is the mean over all cases.
    pub groups: Vec<Group>,
}

/// What all cases of a job come to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Judged {
    /// Accepted if every case is; else that of the first that is not.
    pub verdict: Verdict,
    /// Accepted cases.
    pub passed: u32,
    /// In millionths of a point.
    pub score_ppm: u64,
    /// Time on the clock of all their runs together, in microseconds.
    pub wall_us: u64,
}

/// What one group comes to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct GroupJudged {
    /// As for a job.
    pub verdict: Verdict,
    /// In millionths of a point.
    pub score_ppm: u64,
}

/// The verdict on a case; one that was not run was skipped.
#[must_use]
pub fn verdict(report: Option<&CaseReport>) -> Verdict {
    report.map_or(Verdict::Skipped, |r| r.verdict)
}

fn score_ppm(report: Option<&CaseReport>) -> u64 {
    match report {
        Some(CaseReport { verdict: Verdict::Accepted, score_ppm, .. }) => {
            u64::from(score_ppm.unwrap_or(SCORE_PPM_FULL))
        }
        _ => 0,
    }
}

/// The first verdict that says no. What was skipped says nothing, unless nothing else does.
fn first_failing<'a>(reports: impl Iterator<Item = Option<&'a CaseReport>>) -> Verdict {
    let mut skipped = false;
    for verdict in reports.map(verdict) {
        match verdict {
            Verdict::Accepted => {}
            Verdict::Skipped => skipped = true,
            failing => return failing,
        }
    }
    if skipped { Verdict::Skipped } else { Verdict::Accepted }
}

impl Scoring {
    /// What these reports, one for each case, come to in a job that ended with `outcome`.
    #[must_use]
    pub fn judge(&self, outcome: Outcome, reports: &[Option<&CaseReport>]) -> Judged {
        let verdict = match (first_failing(reports.iter().copied()), outcome) {
            // Nobody failed: what kept the rest from being run is why it is not accepted.
            (Verdict::Accepted | Verdict::Skipped, outcome) if outcome != Outcome::Ok => Verdict::Ended(outcome),
            (verdict, _) => verdict,
        };
        let passed = reports.iter().filter(|r| self::verdict(**r) == Verdict::Accepted).count();
        let score_ppm = if self.groups.is_empty() {
            let sum: u64 = reports.iter().map(|r| score_ppm(*r)).sum();
            sum / (reports.len() as u64).max(1)
        } else {
            self.groups.iter().map(|group| group.judge(reports).score_ppm).sum()
        };
        let wall_us = reports.iter().flatten().fold(0u64, |sum, r| sum.saturating_add(r.run.facts.wall_us));
        Judged { verdict, passed: u32::try_from(passed).unwrap_or(u32::MAX), score_ppm, wall_us }
    }
}

impl Group {
    /// What the group comes to.
    #[must_use]
    pub fn judge(&self, reports: &[Option<&CaseReport>]) -> GroupJudged {
        let of = |case: &u32| reports.get(*case as usize).copied().flatten();
        let worst = self.cases.iter().map(|case| score_ppm(of(case))).min().unwrap_or(0);
        let verdict = first_failing(self.cases.iter().map(of));
        GroupJudged { verdict, score_ppm: worst.saturating_mul(u64::from(self.weight)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POINT: u64 = SCORE_PPM_FULL as u64;

    fn report(verdict: Verdict, score_ppm: Option<u32>) -> CaseReport {
        CaseReport { score_ppm, ..crate::testing::case(verdict) }
    }

    fn judge(scoring: &Scoring, outcome: Outcome, verdicts: &[Option<Verdict>]) -> Judged {
        let reports: Vec<Option<CaseReport>> = verdicts.iter().map(|v| v.map(|v| report(v, None))).collect();
        scoring.judge(outcome, &reports.iter().map(Option::as_ref).collect::<Vec<_>>())
    }

    #[test]
    fn the_first_case_that_fails_decides() {
        use Verdict::{Accepted, Ended, Skipped, WrongAnswer};
        let late = Some(Ended(Outcome::TimeLimit));
        for (verdicts, outcome, verdict, passed) in [
            (vec![Some(Accepted), Some(Accepted)], Outcome::Ok, Accepted, 2),
            (vec![Some(Accepted), late, Some(WrongAnswer)], Outcome::Ok, Ended(Outcome::TimeLimit), 1),
            (vec![Some(WrongAnswer), None, None], Outcome::Ok, WrongAnswer, 0),
            (vec![Some(Accepted), None], Outcome::Cancelled, Ended(Outcome::Cancelled), 1),
            (vec![None, None], Outcome::CompileError, Ended(Outcome::CompileError), 0),
            (vec![Some(Skipped), Some(WrongAnswer)], Outcome::Ok, WrongAnswer, 0),
            (vec![Some(Accepted), None], Outcome::Ok, Skipped, 1),
        ] {
            let judged = judge(&Scoring::default(), outcome, &verdicts);
            assert_eq!((judged.verdict, judged.passed), (verdict, passed), "{verdicts:?}");
        }
    }

    #[test]
    fn without_groups_the_score_is_the_mean() {
        let verdicts = [Some(Verdict::Accepted), Some(Verdict::WrongAnswer), None, Some(Verdict::Accepted)];
        assert_eq!(judge(&Scoring::default(), Outcome::Ok, &verdicts).score_ppm, POINT / 2);
        let part = [report(Verdict::Accepted, Some(300_000)), report(Verdict::WrongAnswer, Some(900_000))];
        let judged = Scoring::default().judge(Outcome::Ok, &[Some(&part[0]), Some(&part[1])]);
        assert_eq!(judged.score_ppm, 150_000, "a wrong answer has no score");
    }

    #[test]
    fn a_group_is_worth_its_worst_case_and_cases_in_none_are_worth_nothing() {
        let group = |weight, cases: &[u32]| Group { name: String::new(), weight, cases: cases.to_vec() };
        let scoring = Scoring { groups: vec![group(30, &[1]), group(70, &[1, 2]), group(5, &[9])] };
        let verdicts = [Some(Verdict::WrongAnswer), Some(Verdict::Accepted), Some(Verdict::WrongAnswer)];
        assert_eq!(judge(&scoring, Outcome::Ok, &verdicts).score_ppm, 30 * POINT);
        let all = [Some(Verdict::WrongAnswer), Some(Verdict::Accepted), Some(Verdict::Accepted)];
        assert_eq!(judge(&scoring, Outcome::Ok, &all).score_ppm, 100 * POINT);
    }
}
