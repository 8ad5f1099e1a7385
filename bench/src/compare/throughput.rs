//! How many jobs a second: by concurrency, under mixes of jobs, by cores and agents; and how late each is at a given rate.

use std::collections::BTreeMap;
use std::time::Duration;

use super::Outcome;
use super::load::{arrivals, open, sustained};
use super::programs::{C, NULL, PYTHON, Program};
use super::quiet;
use super::report::Report;
use super::series::{Samples, spread};
use super::settings::Settings;
use super::table::{Table, maybe, number, ranged, times};
use super::ways::{Ground, Way};

/// Clients of the ways that are measured at one concurrency alone.
pub const CLIENTS: usize = 4;
/// Parts of the limit that the open loop offers, in percent.
const OFFERED: [u32; 2] = [50, 80];

/// Jobs a second of every run, by program, way and clients.
pub type Rates = BTreeMap<(&'static str, Way, usize), Vec<f64>>;

/// The grounds of the three images, each for its programs.
pub struct Grounds<'a> {
    pub gcc: Ground<'a>,
    pub openjdk: Ground<'a>,
    pub python: Ground<'a>,
}

impl<'a> Grounds<'a> {
    /// The one on which a program is run.
    pub fn of(&self, program: &Program) -> &Ground<'a> {
        match program.image {
            "python" => &self.python,
            "openjdk" => &self.openjdk,
            _ => &self.gcc,
        }
    }
}

/// Measures all of it: programs, ways and clients take turns in every run.
///
/// # Errors
/// An answer is wrong.
pub async fn by_clients(grounds: &Grounds<'_>, settings: &Settings) -> Outcome<Rates> {
    let mut rates = Rates::new();
    for run in 0..settings.runs {
        for program in [&PYTHON, &C, &NULL] {
            super::progress(&format!("throughput of {}, run {} of {}", program.name, run + 1, settings.runs));
            let ours = if program.is_prepared() { Way::Cached } else { Way::Tenant };
            for &clients in settings.clients {
                for way in [Way::Bare, ours] {
                    let rate = rate_of(grounds, program, way, clients, settings.load).await?;
                    rates.entry((program.name, way, clients)).or_default().push(rate);
                }
            }
            for way in [Way::Exec, Way::Container] {
                let rate = rate_of(grounds, program, way, CLIENTS, settings.load).await?;
                rates.entry((program.name, way, CLIENTS)).or_default().push(rate);
            }
        }
        for &clients in settings.clients {
            quiet::wait(grounds.gcc.cluster).await;
            let rate = floor(clients, settings.load).await?;
            rates.entry((NULL.name, Way::Outside, clients)).or_default().push(rate);
        }
    }
    Ok(rates)
}

async fn rate_of(
    grounds: &Grounds<'_>,
    program: &'static Program,
    way: Way,
    clients: usize,
    time: Duration,
) -> Outcome<f64> {
    let ground = grounds.of(program);
    sustained(ground.cluster, clients, time, async |slot| ground.once(way, program, slot).await.map(drop)).await
}

/// Processes a second in all namespaces of a cell that the kernel gives so many workers: programs of their own, as a
/// fork of this one would have its threads' locks.
async fn floor(workers: usize, time: Duration) -> Outcome<f64> {
    let worker = async || {
        let mut command = tokio::process::Command::new(std::env::current_exe()?);
        command.args(["floor", "--cell-ms", &time.as_millis().to_string()]).kill_on_drop(true);
        let ended = command.output().await?;
        let text = String::from_utf8_lossy(&ended.stdout).trim().to_owned();
        text.parse::<f64>().map_err(|_| format!("the floor: {}", String::from_utf8_lossy(&ended.stderr)).into())
    };
    let rates: Vec<f64> = futures::future::try_join_all((0..workers).map(|_| worker()))
        .await
        .map_err(|e: Box<dyn std::error::Error + Send + Sync>| e)?;
    Ok(rates.iter().sum())
}

/// The best of all concurrencies, run by run.
fn best(rates: &Rates, program: &str, way: Way) -> Vec<f64> {
    let mut best: Vec<f64> = Vec::new();
    for (_, series) in rates.iter().filter(|((p, w, _), _)| *p == program && *w == way) {
        for (run, &rate) in series.iter().enumerate() {
            match best.get_mut(run) {
                Some(highest) => *highest = highest.max(rate),
                None => best.push(rate),
            }
        }
    }
    best
}

fn ratios(ours: &[f64], base: &[f64]) -> Vec<f64> {
    ours.iter().zip(base).map(|(ours, base)| ours / base).collect()
}

/// Notes the figures, and shows the tables.
pub fn table(rates: &Rates, report: &mut Report) -> String {
    let mut table = Table::new(&["program", "way", "clients", "jobs/s (least to most)", "against bare, same clients"]);
    for ((program, way, clients), series) in rates {
        let name = if *way == Way::Outside { "floor: fork, exec, a cell's namespaces" } else { way.name() };
        let bare = rates.get(&(*program, Way::Bare, *clients)).map(Vec::as_slice).unwrap_or_default();
        let against = if *way == Way::Bare { String::new() } else { times(spread(&ratios(series, bare))) };
        table.row(vec![(*program).into(), name.into(), clients.to_string(), ranged(spread(series)), against]);
        let figure = format!("{program}.{}.best", way.key());
        let known = report.figures.get(&figure).map_or(0.0, |known| known.value);
        report.estimate(figure, spread(series).filter(|rate| rate.value > known));
        report.keep_value(&format!("throughput.{program}.{}.{clients}", way.key()), series.as_slice().into());
    }
    let mut limits = Table::new(&["best of all clients", "jobs/s", "against bare, run by run"]);
    for program in [&PYTHON, &C, &NULL] {
        let ours = if program.is_prepared() { Way::Cached } else { Way::Tenant };
        let [mine, bare, container, floor] =
            [ours, Way::Bare, Way::Container, Way::Outside].map(|way| best(rates, program.name, way));
        let against = spread(&ratios(&mine, &bare));
        limits.row(vec![program.name.into(), ranged(spread(&mine)), times(against)]);
        report.estimate(format!("{}.limit", program.name), spread(&mine));
        report.estimate(format!("{}.limit_to_bare", program.name), against);
        report.estimate(format!("{}.limit_to_container", program.name), spread(&ratios(&mine, &container)));
        report.estimate(format!("{}.limit_to_floor", program.name), spread(&ratios(&mine, &floor)));
    }
    format!("{table}\n{limits}")
}

/// Ours and bare at parts of our limit, by a clock.
///
/// # Errors
/// An answer is wrong, or no limit was measured.
pub async fn at_rates(grounds: &Grounds<'_>, settings: &Settings, report: &mut Report) -> Outcome<String> {
    let mut table = Table::new(&["program", "offered", "jobs/s", "way", "p50 ms", "p95", "p99", "jobs"]);
    for program in [&PYTHON, &C] {
        let limit = report.figures.get(&format!("{}.limit", program.name)).ok_or("no limit was measured")?.value;
        for percent in OFFERED {
            let rate = limit * f64::from(percent) / 100.0;
            super::progress(&format!("open loop of {} at {percent}%", program.name));
            for way in [Way::Bare, Way::Tenant] {
                let due = arrivals(rate, settings.open, u64::from(percent));
                let ground = grounds.of(program);
                quiet::wait(ground.cluster).await;
                let samples = open(&due, 0, async |slot| ground.once(way, program, slot).await.map(drop)).await?;
                row(&mut table, (program, percent, rate, way), &samples);
                let name = format!("open.{}.{}.{percent}", program.name, way.key());
                report.figure(format!("{name}.p99_ms"), samples.percentile(99));
                report.keep(&name, &samples);
            }
        }
    }
    Ok(table.to_string())
}

fn row(table: &mut Table, (program, percent, rate, way): (&Program, u32, f64, Way), samples: &Samples) {
    let at = |percent| maybe(samples.percentile(percent));
    let offered = format!("{percent}% of our limit");
    let cells = [program.name, &offered, &number(rate), way.name(), &at(50), &at(95), &at(99)];
    table.row(cells.iter().map(|&cell| cell.to_owned()).chain([samples.count().to_string()]).collect());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_of_all_concurrencies_is_taken_run_by_run() {
        let rates = Rates::from([
            (("C", Way::Bare, 1), vec![10.0, 30.0]),
            (("C", Way::Bare, 2), vec![20.0, 25.0]),
            (("C", Way::Tenant, 2), vec![15.0, 15.0]),
            (("Python", Way::Bare, 2), vec![90.0, 90.0]),
        ]);
        assert_eq!(best(&rates, "C", Way::Bare), [20.0, 30.0]);
        assert_eq!(ratios(&best(&rates, "C", Way::Tenant), &best(&rates, "C", Way::Bare)), [0.75, 0.5]);
        let mut report = Report::default();
        let text = table(&rates, &mut report);
        assert_eq!(report.figures["C.limit_to_bare"].value, 0.5);
        assert!(!report.figures.contains_key("null.limit"), "what was not measured is no figure");
        assert!(text.contains("| C | bare (chroot) | 1 |"), "{text}");
    }
}
