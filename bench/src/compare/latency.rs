//! One client: how long it takes from asking to the answer, warm, in every way.
//!
//! The ways take turns (A B C, B C A, …), so that whatever else the machine does meets all of them, and what one
//! leaves behind is not always before the same other.

use super::Outcome;
use super::programs::Program;
use super::quiet;
use super::report::Report;
use super::series::Samples;
use super::settings::Settings;
use super::table::{Table, maybe, times};
use super::ways::{Ground, Way};

/// What one program came to.
pub struct Measured {
    pub program: &'static Program,
    pub series: Vec<(Way, Samples)>,
    /// Peers that could not be had, and why.
    pub missing: Vec<String>,
}

/// Ways of the latency tables; a sandbox for each job is measured apart, as what it leaves to do takes long.
fn ways_of(program: &Program) -> impl Iterator<Item = Way> {
    Way::ALL.into_iter().filter(|way| *way != Way::Never && way.fits(program))
}

/// Times one program in all ways.
///
/// # Errors
/// An answer is wrong, or a way that must be there fails.
pub async fn measure(ground: &Ground<'_>, program: &'static Program, settings: &Settings) -> Outcome<Measured> {
    let (mut series, mut missing) = (Vec::new(), Vec::new());
    for way in ways_of(program) {
        match ground.once(way, program, 0).await {
            Ok(_) => series.push((way, Samples::default())),
            Err(error) if way.is_peer() => missing.push(format!("{}: {error}", way.name())),
            Err(error) => return Err(error),
        }
    }
    let rounds = settings.rounds.div_ceil(program.rounds_divisor);
    for run in 0..settings.runs {
        super::progress(&format!("latency of {}, run {} of {}", program.name, run + 1, settings.runs));
        quiet::wait(ground.cluster).await;
        for round in 0..settings.warm_up + rounds {
            for turn in 0..series.len() {
                let at = (turn + round) % series.len();
                let (way, samples) = &mut series[at];
                let is_due = way.is_quick() || round % settings.slow_every == 0;
                if !is_due {
                    continue;
                }
                let time = ground.once(*way, program, 0).await?;
                if way.makes_containers() {
                    // What the engine still removes would be in the next way's time, which is often ours.
                    quiet::wait(ground.cluster).await;
                }
                // Those that seldom have a turn have one in the warm-up, too, which is their own.
                if round >= settings.warm_up || (!way.is_quick() && run > 0) {
                    samples.push(run, time);
                }
            }
        }
    }
    Ok(Measured { program, series, missing })
}

/// Notes the figures of one program, and shows its table.
pub fn table(measured: &Measured, report: &mut Report) -> String {
    let mut table =
        Table::new(&["way", "against bare, p50 (95%)", "against bare, p95 (95%)", "p50 ms", "p95", "p99", "times"]);
    let empty = Samples::default();
    let base = measured.series.iter().find(|(way, _)| *way == Way::Bare).map_or(&empty, |(_, samples)| samples);
    for (way, samples) in &measured.series {
        let name = format!("{}.{}", measured.program.name, way.key());
        let [middle, late] = [50, 95].map(|percent| samples.ratio_to(base, percent));
        report.estimate(format!("{name}.p50_ratio"), middle);
        report.estimate(format!("{name}.p95_ratio"), late);
        report.estimate(format!("{name}.p50_ms"), samples.estimate(50));
        report.estimate(format!("{name}.p50_beyond_ms"), samples.beyond(base, 50));
        report.keep(&format!("latency.{name}"), samples);
        let at = |percent| maybe(samples.percentile(percent));
        table.row(vec![
            way.name().into(),
            times(middle),
            times(late),
            at(50),
            at(95),
            at(99),
            samples.count().to_string(),
        ]);
    }
    let mut text = format!("**{}**\n\n{table}", measured.program.name);
    for missing in &measured.missing {
        text += &format!("\nNot here: {missing}.\n");
    }
    text
}
