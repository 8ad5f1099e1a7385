//! That nobody shares a network namespace: asked of the kernel and the engine, not of a program.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::cluster::{Cluster, source};
use crate::engine;
use crate::watch::first_output;

/// Whose namespace the process is in, as the kernel names it.
fn network_of(process: &str) -> PathBuf {
    let link = Path::new("/proc").join(process).join("ns/net");
    std::fs::read_link(&link).unwrap_or_else(|e| panic!("{}: {e}", link.display()))
}

/// A job that stays, in a sandbox of its own.
fn sleeper(scope: &str) -> Value {
    let mut submission = source("python", "import time\nprint('here', flush=True)\ntime.sleep(100)\n");
    submission["scope"] = json!(scope);
    submission
}

/// An engine makes a namespace by starting itself anew, twice, which costs as much as all the rest of a container; the
/// runtime makes one by a flag of a call that it makes anyway.
#[tokio::test(flavor = "multi_thread")]
async fn every_sandbox_and_every_cell_has_a_network_namespace_of_its_own_and_no_engine_made_it() {
    let cluster = Cluster::with_agents(&[&["--slots", "2", "--languages", "python", "--reuse", "tenant"]]).await;
    let agent = cluster.agents[0].name.clone();
    let jobs = [cluster.submit(&sleeper("one")).await, cluster.submit(&sleeper("two")).await];
    for job in &jobs {
        first_output(&cluster, job).await;
    }
    let mut networks = BTreeMap::from([(network_of("self"), "the host".to_owned())]);
    let mut meets = Vec::new();
    let mut enter = |network: PathBuf, whose: String| {
        if let Some(other) = networks.insert(network, whose.clone()) {
            meets.push(format!("{whose} is where {other} is"));
        }
    };
    for container in engine::containers_of(&agent).await {
        let (process, made) = engine::process_and_network_of(&container).await;
        assert_eq!(made, "", "the engine made a network for {container}");
        enter(network_of(&process.to_string()), format!("the supervisor of {container}"));
    }
    // Each cell is in several hierarchies of version 1, under one name.
    let (_, groups) = engine::sandbox_and_cell_groups_of(&agent);
    let programs = groups.into_iter().filter_map(|group| {
        let first = engine::processes_of(&group).into_iter().next()?;
        Some((container_and_cell(&group), first))
    });
    let cells: BTreeMap<_, _> = programs.collect();
    assert_eq!(cells.len(), jobs.len(), "each job has a cell: {cells:?}");
    for (cell, program) in cells {
        enter(network_of(&program), format!("cell {cell:?}"));
    }
    assert!(meets.is_empty(), "{meets:?}");
    for job in &jobs {
        cluster.cancel(job).await;
        assert_eq!(cluster.finished(job).await["outcome"], "cancelled");
    }
    cluster.shutdown().await;
}

fn container_and_cell(group: &Path) -> (String, String) {
    let name = |path: Option<&Path>| path.and_then(Path::file_name).unwrap_or_default().to_string_lossy().into_owned();
    (name(group.parent()), name(Some(group)))
}
