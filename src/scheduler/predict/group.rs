//! The runs of a tenant in a language, and those of all tenants in it.

use std::collections::HashMap;

use super::MEASURES;
use super::histogram::{self, BINS, Histogram, UNIT};
use super::program::Program;
use super::usage::Usage;

/// Variance of one program's runs before any was seen twice: a factor of about 1.6.
const WITHIN_AT_FIRST: f64 = 0.5;
/// Runs that the first guess of it weighs.
const WITHIN_GUESS: f64 = 8.0;
/// Runs after which an older one counts less in it.
const WITHIN_RUNS_MAX: u32 = 256;
/// Largest distance from what was expected that counts, squared (in octaves): 256 times as much.
const RESIDUAL_MAX: f64 = 64.0;

/// What is known of a tenant's runs in a language.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Group {
    /// How its programs are spread.
    pub(super) histograms: [Histogram; MEASURES],
    /// Variance of one program's runs, in squared octaves.
    pub(super) within: [f64; MEASURES],
    /// Runs of programs that were known before, to at most [`WITHIN_RUNS_MAX`].
    pub(super) again: u32,
    /// Runs in all.
    pub(super) runs: u64,
    /// When it last ran.
    pub(super) seen: u64,
    /// By the digest of what they bring.
    pub(super) programs: HashMap<u64, Program>,
}

impl Default for Group {
    fn default() -> Self {
        Self {
            histograms: Default::default(),
            within: [WITHIN_AT_FIRST; MEASURES],
            again: 0,
            runs: 0,
            seen: 0,
            programs: HashMap::new(),
        }
    }
}

impl Group {
    /// Learns from a run of a program (0: of one that is not known). When it ran before, if it did.
    pub(super) fn learn(&mut self, source: u64, usage: &Usage, now: u64) -> Option<u64> {
        self.runs += 1;
        let mut logs = usage.logs();
        let before = self.programs.get(&source).copied();
        if let Some(before) = before.filter(|_| usage.is_cut) {
            // At least as much says nothing against more.
            logs.iter_mut().zip(before.mean).for_each(|(log, mean)| *log = log.max(f64::from(mean)));
        }
        let runs_before = before.map_or(0, |program| program.runs);
        if let Some(before) = before.filter(|_| !usage.is_cut) {
            self.learn_within(&before, &logs);
        }
        // The thousandth run of one program says little of a program that was never run.
        let weight = UNIT / runs_before.saturating_add(1);
        for (measure, histogram) in self.histograms.iter_mut().enumerate() {
            histogram.add(histogram::bin(measure, logs[measure]), weight);
        }
        if source != 0 {
            self.programs.entry(source).or_default().learn(logs, now);
        }
        before.map(|program| program.seen)
    }

    fn learn_within(&mut self, before: &Program, logs: &[f64; MEASURES]) {
        let step = 1.0 / (f64::from(self.again) + WITHIN_GUESS);
        for (measure, log) in logs.iter().enumerate() {
            let away = log - f64::from(before.mean[measure]);
            // The mean itself is off by its share.
            let squared = (away * away * before.weight() / (before.weight() + 1.0)).min(RESIDUAL_MAX);
            self.within[measure] += step * (squared - self.within[measure]);
        }
        self.again = (self.again + 1).min(WITHIN_RUNS_MAX);
    }
}

/// What is known of all tenants' runs in a language: the sum of what each of them may weigh.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Pool {
    pub(super) histograms: [[u32; BINS]; MEASURES],
    /// Tenants that are in it.
    pub(super) tenants: usize,
    /// Runs in all.
    pub(super) runs: u64,
}

impl Default for Pool {
    fn default() -> Self {
        Self { histograms: [[0; BINS]; MEASURES], tenants: 0, runs: 0 }
    }
}

impl Pool {
    /// Takes out what a group weighs, which is what it was put in with.
    pub(super) fn take_out(&mut self, group: &Group, runs: u32) {
        if group.runs == 0 {
            return;
        }
        self.tenants -= 1;
        self.each(group, runs, |sum, part| *sum -= part);
    }

    /// Puts it in.
    pub(super) fn put_in(&mut self, group: &Group, runs: u32) {
        if group.runs == 0 {
            return;
        }
        self.tenants += 1;
        self.each(group, runs, |sum, part| *sum += part);
    }

    fn each(&mut self, group: &Group, runs: u32, change: impl Fn(&mut u32, u32)) {
        for (sums, histogram) in self.histograms.iter_mut().zip(&group.histograms) {
            let parts = histogram.within(runs);
            sums.iter_mut().zip(parts.bins).for_each(|(sum, part)| change(sum, u32::from(part)));
        }
    }
}
