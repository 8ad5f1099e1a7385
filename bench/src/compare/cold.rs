//! What a job waits for when nothing was made for it yet, and under gVisor.

use std::time::Instant;

use super::Outcome;
use super::cluster::{AgentPlan, Answer, Cluster};
use super::programs::{C, JAVA, PYTHON, Program};
use super::report::Report;
use super::series::Samples;
use super::settings::Settings;
use super::stage::Stage;
use super::table::{Table, maybe};
use super::ways::Way;

/// One kind of beginning, for one program.
struct Series {
    what: &'static str,
    key: &'static str,
    program: &'static Program,
    whole: Samples,
    /// Of it, until the sandbox was there, as the agent measured it.
    sandbox: Samples,
}

impl Series {
    fn new(what: &'static str, key: &'static str, program: &'static Program) -> Self {
        Self { what, key, program, whole: Samples::default(), sandbox: Samples::default() }
    }

    fn push(&mut self, answer: &Answer) {
        self.whole.push(0, answer.elapsed);
        let sandbox_ms = answer.job["timing"]["sandbox_ms"].as_u64().unwrap_or(0);
        self.sandbox.push(0, std::time::Duration::from_millis(sandbox_ms));
    }
}

/// Cold starts of each kind; `main` is the cluster that keeps sandboxes ready.
///
/// # Errors
/// A cluster does not come up or an answer is wrong.
pub async fn measure(stage: &Stage, main: &Cluster, settings: &Settings, report: &mut Report) -> Outcome<String> {
    let mut all = Vec::new();
    for program in [&C, &PYTHON] {
        super::progress(&format!("cold starts of {}", program.name));
        let mut warm = Series::new("the first job of a scope, a warm sandbox waits", "unbound", program);
        for number in 0..settings.cold {
            main.settle().await?;
            let scope = format!("cold-{}-{number}", program.language);
            warm.push(&main.client.run(Way::Tenant, program, Some(scope)).await?);
        }
        all.push(warm);
    }
    all.extend(without(stage, settings).await?);
    all.push(starts(stage, settings).await?);
    Ok(table(&all, report))
}

/// The first job of all in an agent that keeps no sandbox ready: after it, the pool would have one for the next.
async fn without(stage: &Stage, settings: &Settings) -> Outcome<[Series; 2]> {
    let mut all =
        [&C, &PYTHON].map(|program| Series::new("the first job of a scope, no sandbox is there", "no_warm", program));
    for number in 0..settings.cold {
        super::progress(&format!("a cluster without warm sandboxes, {} of {}", number + 1, settings.cold));
        let none = AgentPlan { languages: "c,python", ..AgentPlan::default() };
        let cluster = Cluster::start(stage, &format!("without-warm{number}"), &[none]).await?;
        for series in &mut all {
            cluster.settle().await?;
            series.push(&cluster.client.run(Way::Tenant, series.program, None).await?);
        }
        cluster.end(stage).await?;
    }
    Ok(all)
}

/// A job waits at a master without an agent, and one is started.
async fn starts(stage: &Stage, settings: &Settings) -> Outcome<Series> {
    let mut series = Series::new("a job waits, and the agent is started", "agent_start", &PYTHON);
    for number in 0..settings.agent_starts {
        super::progress(&format!("start of an agent, {} of {}", number + 1, settings.agent_starts));
        let mut cluster = Cluster::master(stage, &format!("starts{number}")).await?;
        let client = cluster.client.clone();
        let plan = AgentPlan { languages: "python", warm_each: 1, ..AgentPlan::default() };
        let begun = Instant::now();
        let (answer, added) = tokio::join!(client.run(Way::Tenant, &PYTHON, None), cluster.add(stage, &plan));
        added?;
        // Ours is the time from the agent's start: the job was there before.
        series.push(&Answer { elapsed: begun.elapsed(), ..answer? });
        cluster.end(stage).await?;
    }
    Ok(series)
}

fn table(all: &[Series], report: &mut Report) -> String {
    let head = ["program", "beginning", "p50 ms", "p95", "p99", "of it until the sandbox was there, p50", "times"];
    let mut table = Table::new(&head);
    for series in all {
        let name = format!("cold.{}.{}", series.program.name, series.key);
        report.figure(format!("{name}.p50_ms"), series.whole.percentile(50));
        report.keep(&name, &series.whole);
        let at = |percent| maybe(series.whole.percentile(percent));
        let sandbox = maybe(series.sandbox.percentile(50));
        let (program, count) = (series.program.name, series.whole.count().to_string());
        table.row(vec![program.into(), series.what.into(), at(50), at(95), at(99), sandbox, count]);
    }
    table.to_string()
}

/// The same hello under gVisor, beside the cluster that has none.
///
/// # Errors
/// An answer is wrong.
pub async fn gvisor(stage: &Stage, main: &Cluster, settings: &Settings, report: &mut Report) -> Outcome<String> {
    super::progress("starts a cluster under gVisor");
    let flags = &["--isolation", "gvisor"];
    let plan = AgentPlan { languages: "c,java,python", warm: 1, warm_each: 1, flags, ..AgentPlan::default() };
    let cluster = match Cluster::start(stage, "gvisor", &[plan]).await {
        Ok(cluster) => cluster,
        Err(error) => {
            // A runtime that the engine lists need not work here; the rest of the run does without.
            super::progress(&format!("not under gVisor: {error}"));
            return Ok("Not measured: no agent under gVisor became ready.\n".to_owned());
        }
    };
    let mut table =
        Table::new(&["program", "gVisor against runc, p50", "gVisor p50 ms", "runc p50 ms", "reuse", "times"]);
    for program in [&C, &JAVA, &PYTHON] {
        super::progress(&format!("{} under gVisor", program.name));
        let (mut inside, mut outside) = (Samples::default(), Samples::default());
        let mut reuse = String::new();
        for number in 0..=settings.gvisor {
            let answer = cluster.client.run(Way::Tenant, program, None).await?;
            if answer.job["isolation"] != "gvisor" {
                return Err(format!("a job did not run under gVisor: {}", answer.job).into());
            }
            answer.job["reuse"].as_str().unwrap_or_default().clone_into(&mut reuse);
            let other = main.client.run(Way::Tenant, program, None).await?;
            // The first of each finds no sandbox of its tenant.
            if number > 0 {
                inside.push(0, answer.elapsed);
                outside.push(0, other.elapsed);
            }
        }
        let against = super::table::times(inside.ratio_to(&outside, 50));
        report.figure(format!("gvisor.{}.p50_ms", program.name), inside.percentile(50));
        let cells = [inside.percentile(50), outside.percentile(50)].map(maybe);
        let [inside_ms, outside_ms] = cells;
        table.row(vec![program.name.into(), against, inside_ms, outside_ms, reuse, inside.count().to_string()]);
    }
    cluster.end(stage).await?;
    Ok(table.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_series_keeps_the_whole_time_and_the_part_until_the_sandbox_was_there() {
        let mut series = Series::new("a beginning", "some", &PYTHON);
        let job = json!({ "timing": { "sandbox_ms": 120 } });
        series.push(&Answer { job, elapsed: std::time::Duration::from_millis(150) });
        let mut report = Report::default();
        let text = table(&[series], &mut report);
        assert!(text.contains("| Python | a beginning | 150 | 150 | 150 | 120 | 1 |"), "{text}");
        assert_eq!(report.figures["cold.Python.some.p50_ms"].value, 150.0);
    }
}
