//! Memory of what waits for jobs: what a process shares with others is divided among them (PSS).

use super::Outcome;
use super::cluster::Cluster;
use super::count::{processes_of, shares_bytes, shims_of};
use super::report::Report;
use super::table::{Table, number};

const MIB: f64 = 1024.0 * 1024.0;

/// Looks at a cluster in which nothing runs, and shows it.
///
/// # Errors
/// The agent's sandboxes are not found.
pub async fn measure(cluster: &Cluster, sandboxes: usize, report: &mut Report) -> Outcome<String> {
    cluster.settle().await?;
    let inside: Vec<u32> = cluster.names.iter().flat_map(|name| processes_of(name)).collect();
    let shims = shims_of(&inside);
    if inside.is_empty() || shims.is_empty() {
        return Err("the processes of the warm sandboxes are not found".into());
    }
    let mib = |pids: &[u32]| shares_bytes(pids) as f64 / MIB;
    let (master, agent) = (mib(&[cluster.master]), mib(&cluster.agents));
    // Each sandbox has a shim; what others keep there meanwhile is none of ours.
    let each = (mib(&inside) + mib(&shims)) / shims.len() as f64;
    report.figure("memory.master_and_agent_mib", Some(master + agent));
    report.figure("memory.sandbox_mib", Some(each));
    let mut table = Table::new(&["idle, PSS", "MiB"]);
    let rows = [
        ("master".to_owned(), master),
        ("agent".to_owned(), agent),
        ("master and agent".to_owned(), master + agent),
        (format!("a warm sandbox with its shim, mean of {} (of {sandboxes} that were asked for)", shims.len()), each),
        ("of it the shim".to_owned(), mib(&shims) / shims.len() as f64),
    ];
    for (name, value) in rows {
        table.row(vec![name, number(value)]);
    }
    Ok(table.to_string())
}
