//! Processor time of a job in every way, and whose it was.

use std::collections::BTreeMap;
use std::time::Duration;

use super::Outcome;
use super::account::{Split, Whose, split};
use super::cluster::Cluster;
use super::count;
use super::profile::Profile;
use super::programs::{C, PYTHON, Program};
use super::report::Report;
use super::series::{Samples, spread};
use super::settings::Settings;
use super::table::{Table, maybe, number, times};
use super::throughput::Grounds;
use super::ways::Way;

const WAYS: [Way; 6] = [Way::Bare, Way::DockerRun, Way::Container, Way::Exec, Way::Tenant, Way::Never];
/// What the machine does by itself is looked at for so long.
const IDLE: Duration = Duration::from_secs(2);

/// What one way came to.
#[derive(Default)]
pub struct Cost {
    /// One for each run.
    pub splits: Vec<Split>,
    pub latency: Samples,
    pub profile: Option<Profile>,
}

/// By program and way.
pub type Costs = BTreeMap<(&'static str, Way), Cost>;

fn whose(way: Way) -> Whose {
    match way {
        Way::DockerRun | Way::Container | Way::Exec => Whose::Containers,
        Way::Tenant | Way::Cached => Whose::Kept,
        Way::Never => Whose::Ended,
        _ => Whose::Bare,
    }
}

/// Runs the same jobs in each way, one after the other.
///
/// # Errors
/// An answer is wrong.
pub async fn measure(grounds: &Grounds<'_>, cluster: &Cluster, settings: &Settings) -> Outcome<Costs> {
    let mut costs = Costs::new();
    let jobs = settings.accounted.div_ceil(settings.accounted_runs);
    for run in 0..settings.accounted_runs {
        for program in [&C, &PYTHON] {
            super::progress(&format!(
                "processor time of {}, run {} of {}",
                program.name,
                run + 1,
                settings.accounted_runs
            ));
            cluster.settle().await?;
            let idle = idle(cluster).await;
            for way in WAYS {
                let cost = costs.entry((program.name, way)).or_default();
                one(grounds, cluster, (program, way), (run, jobs, idle), cost).await?;
            }
        }
    }
    Ok(costs)
}

/// The part of one processor that is busy when nothing is measured.
async fn idle(cluster: &Cluster) -> f64 {
    let before = count::read(Some(cluster));
    tokio::time::sleep(IDLE).await;
    let after = count::read(Some(cluster));
    after.busy.saturating_sub(before.busy) as f64 / after.at_us.saturating_sub(before.at_us).max(1) as f64
}

async fn one(
    grounds: &Grounds<'_>,
    cluster: &Cluster,
    (program, way): (&'static Program, Way),
    (run, jobs, idle): (usize, usize, f64),
    cost: &mut Cost,
) -> Outcome<()> {
    let ground = grounds.of(program);
    cluster.settle().await?;
    let before = count::read(Some(cluster));
    let mut steps = 0;
    for _ in 0..jobs {
        let time = match way {
            Way::Tenant | Way::Never => {
                let answer = ground.cluster.client.run(way, program, None).await?;
                steps += answer.steps_us();
                answer.elapsed
            }
            _ => ground.once(way, program, 0).await?,
        };
        cost.latency.push(run, time);
    }
    // What goes on after a job's answer is a part of what it costs: containers go away, sandboxes are made anew.
    cluster.settle().await?;
    let after = count::read(Some(cluster));
    cost.splits.push(split(&before, &after, jobs as u64, whose(way), steps, idle));
    Ok(())
}

/// Which programs by name it was, where this host can sample. It costs a little itself, so these jobs are not counted.
///
/// # Errors
/// An answer is wrong.
pub async fn profiles(grounds: &Grounds<'_>, cluster: &Cluster, settings: &Settings, costs: &mut Costs) -> Outcome<()> {
    for way in [Way::Container, Way::Never, Way::Tenant] {
        cluster.settle().await?;
        super::progress(&format!("profile of {}", way.key()));
        let Some(recording) = super::profile::Recording::start(grounds.python.stage).await? else { return Ok(()) };
        let jobs = settings.accounted.div_ceil(2);
        for _ in 0..jobs {
            grounds.python.once(way, &PYTHON, 0).await?;
        }
        cluster.settle().await?;
        costs.entry((PYTHON.name, way)).or_default().profile = Some(recording.end(jobs).await?);
    }
    Ok(())
}

fn mean(splits: &[Split], of: impl Fn(&Split) -> f64) -> f64 {
    splits.iter().map(of).sum::<f64>() / splits.len().max(1) as f64 / 1000.0
}

/// Notes the figures, and shows the tables.
pub fn table(costs: &Costs, report: &mut Report) -> String {
    let parts = Split::default().parts().map(|(name, _)| name);
    let mut head = vec!["program", "way", "against container per job", "CPU ms a job", "of it in the kernel"];
    head.extend(parts);
    head.push("latency p50 ms");
    let mut table = Table::new(&head);
    for ((program, way), cost) in costs {
        let base = costs.get(&(*program, Way::Container)).map(|cost| cost.splits.as_slice()).unwrap_or_default();
        let ratios: Vec<f64> = cost.splits.iter().zip(base).map(|(split, base)| split.all / base.all).collect();
        let name = format!("cpu.{program}.{}", way.key());
        report.estimate(format!("{name}.to_container"), spread(&ratios));
        report.figure(format!("{name}.ms"), (!cost.splits.is_empty()).then(|| mean(&cost.splits, |split| split.all)));
        let mut row = vec![(*program).to_owned(), way.name().to_owned(), times(spread(&ratios))];
        row.push(number(mean(&cost.splits, |split| split.all)));
        row.push(format!("{:.0}%", mean(&cost.splits, |split| split.kernel) * 100_000.0));
        for (at, part) in parts.iter().enumerate() {
            let time = mean(&cost.splits, |split| split.parts()[at].1);
            report.figure(format!("{name}.{part}_ms"), Some(time));
            row.push(number(time));
        }
        row.push(maybe(cost.latency.percentile(50)));
        table.row(row);
    }
    let profiled: Vec<(&str, &Profile)> =
        costs.iter().filter_map(|((_, way), cost)| Some((way.name(), cost.profile.as_ref()?))).collect();
    if profiled.is_empty() {
        return format!("{table}\nNot here: a profile by name, as `perf` is not installed or may not sample.\n");
    }
    format!("{table}\n{}", super::profile::table(&profiled))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_way_is_held_against_a_container_for_each_job_of_the_same_program() {
        let cost = |all| Cost { splits: vec![Split { all, kernel: 0.5, ..Split::default() }], ..Cost::default() };
        let costs = Costs::from([
            (("C", Way::Container), cost(400_000.0)),
            (("C", Way::Never), cost(100_000.0)),
            (("Python", Way::Never), cost(50_000.0)),
        ]);
        let mut report = Report::default();
        let text = table(&costs, &mut report);
        assert_eq!(report.figures["cpu.C.never.to_container"].value, 0.25);
        assert_eq!(report.figures["cpu.C.never.ms"].value, 100.0);
        assert!(!report.figures.contains_key("cpu.Python.never.to_container"));
        assert!(text.contains("| 100 | 50% |"), "{text}");
    }
}
