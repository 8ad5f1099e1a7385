//! Jobs of 1,000 users in turn: a sandbox is its first scope's for life, so hardly any job finds one of its own.
//!
//! All of them are served by the same agent's places. That is measured as it goes on for ever: each series has a cluster of its own, and
//! begins when every place is taken and one had to go for another. Before that, the pool gives away what it made
//! while nothing was asked of it, and removes nothing. What a series leaves is removed with its cluster: in a cluster that is
//! used for others, it would be removed in theirs.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use super::Outcome;
use super::WARM_EACH;
use super::cluster::{AgentPlan, Cluster};
use super::load::closed;
use super::programs::PYTHON;
use super::report::Report;
use super::settings::Settings;
use super::stage::Stage;
use super::table::number;
use super::throughput::CLIENTS;
use super::ways::Way;

/// Scopes that jobs come from in turn.
const SCOPES: usize = 1000;
/// The pool is looked at so often while its places fill.
const FILL_LOOK: Duration = Duration::from_millis(500);
/// Longest until they are full.
const FILL_WAIT: Duration = Duration::from_secs(60);

/// What all series came to.
#[derive(Debug, Default)]
pub struct Seen {
    jobs: usize,
    sandboxes: u64,
    /// Series that began before the places were full.
    early: usize,
}

impl Seen {
    /// Notes the figure, and says it.
    pub fn words(&self, report: &mut Report) -> String {
        let each = self.sandboxes as f64 / self.jobs.max(1) as f64;
        report.figure("mix.scopes.sandboxes_a_job", (self.jobs > 0).then_some(each));
        let early = match self.early {
            0 => String::new(),
            early => format!(" {early} of the series began before the places were full."),
        };
        let (jobs, sandboxes) = (self.jobs, self.sandboxes);
        format!("{jobs} jobs of scopes in turn had {sandboxes} new sandboxes, {} a job.{early}\n", number(each))
    }
}

/// Jobs a second with users in turn.
///
/// # Errors
/// A cluster does not come up, or an answer is wrong.
pub async fn measure(stage: &Stage, run: usize, settings: &Settings, seen: &mut Seen) -> Outcome<f64> {
    let plan = AgentPlan { languages: "python", warm: WARM_EACH, warm_each: WARM_EACH, ..AgentPlan::default() };
    let cluster = Cluster::start(stage, &format!("scopes{run}"), &[plan]).await?;
    let jobs = AtomicUsize::new(0);
    let once = async |_| {
        let scope = format!("user-{}", jobs.fetch_add(1, Ordering::Relaxed) % SCOPES);
        cluster.client.run(Way::Tenant, &PYTHON, Some(scope)).await.map(drop)
    };
    let begun = Instant::now();
    while settings.fills_places && cluster.sandboxes().await?.evicted == 0 {
        if begun.elapsed() >= FILL_WAIT {
            seen.early += 1;
            break;
        }
        closed(CLIENTS, FILL_LOOK, once).await?;
    }
    let rate = closed(CLIENTS, settings.load, once).await?;
    // Agents say what they have once a second.
    cluster.settle().await?;
    let sandboxes = cluster.sandboxes().await?;
    seen.jobs += jobs.load(Ordering::Relaxed);
    seen.sandboxes += sandboxes.made.saturating_sub(sandboxes.unused);
    cluster.end(stage).await?;
    Ok(rate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_made_for_all_jobs_is_said_of_each() {
        let mut report = Report::default();
        let words = Seen { jobs: 80, sandboxes: 84, early: 0 }.words(&mut report);
        assert_eq!(words, "80 jobs of scopes in turn had 84 new sandboxes, 1.05 a job.\n");
        assert_eq!(report.figures["mix.scopes.sandboxes_a_job"].value, 1.05);
        let early = Seen { jobs: 10, sandboxes: 10, early: 1 }.words(&mut report);
        assert!(early.ends_with("a job. 1 of the series began before the places were full.\n"), "{early}");
    }
}
