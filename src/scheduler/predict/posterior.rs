//! From what is known at each level to an estimate: the finer level, drawn towards the coarser one by
//! as much as it has too few runs to speak for itself.

use super::Spread;
use super::group::{Group, Pool};
use super::histogram::{BINS, UNIT, bin, log_at};
use super::program::Program;

/// Runs that the language weighs in what is said of a tenant's group.
const POOL_RUNS: f64 = 8.0;
/// Runs that doubt weighs: programs unlike any before.
const DOUBT_RUNS: f64 = 1.0;
/// By how much doubt falls from one bin to the next: by half in six, an octave and a half.
const DOUBT_RATIO: f64 = 0.89;
/// Runs that the group's variance weighs in a program's.
const WITHIN_RUNS: f64 = 4.0;
/// Least variance of a program's runs, in squared octaves: a factor of 1.04.
const WITHIN_MIN: f64 = 0.0025;
/// Least variance between programs, in squared octaves.
const BETWEEN_MIN: f64 = 0.25;
/// Most variance that an average is reckoned with; beyond it the few longest runs would be all of it.
const MEAN_VARIANCE_MAX: f64 = 8.0;
/// How far a program's mean may be drawn, in standard deviations of that mean: a program unlike all
/// others is not made like them (limited translation, Efron and Morris 1972).
const DRAWN_MAX: f64 = 0.75;
/// Where a normal has nine of ten below it, in standard deviations.
const P90: f64 = 1.2816;

/// What is known of one measure.
#[derive(Clone, Copy)]
pub(super) struct Known<'a> {
    pub(super) group: Option<&'a Group>,
    pub(super) pool: Option<&'a Pool>,
    pub(super) program: Option<&'a Program>,
    pub(super) measure: usize,
}

/// The estimate of one measure.
pub(super) fn spread(known: &Known<'_>) -> Spread {
    let Known { measure, .. } = *known;
    let mixture = mixture(known);
    match (known.program, known.group) {
        (Some(program), Some(group)) => of_program(program, group, &mixture, measure),
        _ => of_group(&mixture, measure),
    }
}

/// How programs like this one are spread, in runs.
fn mixture(known: &Known<'_>) -> [f64; BINS] {
    let Known { group, pool, measure, .. } = *known;
    let mut bins = [0.0; BINS];
    if let Some(group) = group {
        let own = &group.histograms[measure].bins;
        bins.iter_mut().zip(own).for_each(|(bin, own)| *bin += f64::from(*own) / f64::from(UNIT));
    }
    if let Some(pool) = pool {
        let all = &pool.histograms[measure];
        let total: f64 = all.iter().map(|bin| f64::from(*bin)).sum();
        let share = POOL_RUNS / total.max(1.0);
        bins.iter_mut().zip(all).for_each(|(bin, all)| *bin += f64::from(*all) * share);
    }
    let (centre, _) = moments(&bins, measure);
    doubt(&mut bins, bin(measure, centre));
    bins
}

/// Adds what falls off to both sides of `centre`.
fn doubt(bins: &mut [f64; BINS], centre: usize) {
    let mut weight = DOUBT_RUNS * (1.0 - DOUBT_RATIO) / (1.0 + DOUBT_RATIO);
    bins[centre] += weight;
    for away in 1..BINS {
        weight *= DOUBT_RATIO;
        for place in [centre.checked_sub(away), centre.checked_add(away)].into_iter().flatten() {
            if let Some(bin) = bins.get_mut(place) {
                *bin += weight;
            }
        }
    }
}

/// Mean and variance of the logarithms.
fn moments(bins: &[f64; BINS], measure: usize) -> (f64, f64) {
    let places = || bins.iter().enumerate().map(|(at, weight)| (log_at(measure, middle(at)), *weight));
    let total: f64 = bins.iter().sum::<f64>().max(f64::MIN_POSITIVE);
    let mean = places().map(|(log, weight)| log * weight).sum::<f64>() / total;
    let variance = places().map(|(log, weight)| (log - mean) * (log - mean) * weight).sum::<f64>() / total;
    (mean, variance)
}

fn middle(bin: usize) -> f64 {
    bin as f64 + 0.5
}

fn of_group(bins: &[f64; BINS], measure: usize) -> Spread {
    let total: f64 = bins.iter().sum();
    let sum: f64 = bins.iter().enumerate().map(|(at, weight)| log_at(measure, middle(at)).exp2() * weight).sum();
    let p50 = quantile(bins, total, 0.5, measure);
    let p90 = quantile(bins, total, 0.9, measure);
    Spread { p50: whole(p50.exp2()), p90: whole(p90.exp2()), mean: whole(sum / total.max(f64::MIN_POSITIVE)) }
}

/// The logarithm below which a part of all lies; within a bin in proportion.
fn quantile(bins: &[f64; BINS], total: f64, part: f64, measure: usize) -> f64 {
    let mut left = total * part;
    for (at, weight) in bins.iter().enumerate() {
        if left <= *weight {
            return log_at(measure, middle(at) - 0.5 + left / weight.max(f64::MIN_POSITIVE));
        }
        left -= weight;
    }
    log_at(measure, middle(BINS))
}

/// A normal of logarithms, both its parameters drawn towards the group's.
fn of_program(program: &Program, group: &Group, mixture: &[f64; BINS], measure: usize) -> Spread {
    let weight = program.weight();
    let own = f64::from(program.variance[measure]) * weight;
    let within = ((WITHIN_RUNS * group.within[measure] + own) / (WITHIN_RUNS + weight - 1.0)).max(WITHIN_MIN);
    let (others, all) = moments(mixture, measure);
    let between = (all - within).max(BETWEEN_MIN);
    let certain = weight / within + 1.0 / between;
    let own_mean = f64::from(program.mean[measure]);
    let drawn_max = DRAWN_MAX * (within / weight).sqrt();
    let mean = own_mean + ((others - own_mean) / between / certain).clamp(-drawn_max, drawn_max);
    let variance = within + 1.0 / certain;
    let average = mean + variance.min(MEAN_VARIANCE_MAX) * std::f64::consts::LN_2 / 2.0;
    Spread { p50: whole(mean.exp2()), p90: whole((mean + P90 * variance.sqrt()).exp2()), mean: whole(average.exp2()) }
}

#[expect(clippy::cast_possible_truncation, reason = "a cast of a float ends at the bounds")]
fn whole(value: f64) -> u64 {
    value.round() as u64
}
