//! What the kernel and the master say of what it took: CPU time, bytes written, commits.

use std::collections::BTreeMap;
use std::fs;

use super::Outcome;
use crate::processes::Master;

/// Microseconds of one tick of `/proc` (`USER_HZ` is 100 on every architecture that we build for).
const TICK_US: f64 = 10_000.0;

/// Counts of one moment; only their differences mean something.
#[derive(Clone, Default, Debug)]
pub struct Seen {
    /// CPU time of the whole process, in microseconds.
    pub cpu_us: f64,
    /// The same of each thread's name; of threads that ended nothing is known.
    threads_us: BTreeMap<String, f64>,
    /// Bytes that it had written to the disk.
    pub written_bytes: f64,
    /// Transactions of its store, and the writes in them.
    pub commits: f64,
    pub writes: f64,
}

impl Seen {
    pub async fn of(master: &Master) -> Outcome<Self> {
        let pid = master.pid()?;
        let mut threads_us = BTreeMap::new();
        for task in fs::read_dir(format!("/proc/{pid}/task"))? {
            let task = task?.path();
            // A thread may have ended since the directory was read.
            let (Ok(name), Ok(spent)) =
                (fs::read_to_string(task.join("comm")), fs::read_to_string(task.join("schedstat")))
            else {
                continue;
            };
            let ns: f64 = spent.split(' ').next().unwrap_or_default().parse()?;
            *threads_us.entry(name.trim().to_owned()).or_default() += ns / 1000.0;
        }
        let io = fs::read_to_string(format!("/proc/{pid}/io"))?;
        let metrics = master.text("/metrics").await?;
        Ok(Self {
            cpu_us: cpu_us(&fs::read_to_string(format!("/proc/{pid}/stat"))?)?,
            threads_us,
            written_bytes: number(&io, "write_bytes:")?,
            commits: number(&metrics, "enclos_store_commit_seconds_count")?,
            writes: number(&metrics, "enclos_store_writes_total")?,
        })
    }

    /// What came since `before`.
    pub fn since(&self, before: &Self) -> Self {
        let thread = |(name, us): (&String, &f64)| (name.clone(), us - before.threads_us.get(name).unwrap_or(&0.0));
        Self {
            cpu_us: self.cpu_us - before.cpu_us,
            threads_us: self.threads_us.iter().map(thread).collect(),
            written_bytes: self.written_bytes - before.written_bytes,
            commits: self.commits - before.commits,
            writes: self.writes - before.writes,
        }
    }

    /// Each thread's CPU time for one of `jobs`, the busiest first.
    pub fn threads(&self, jobs: f64) -> String {
        let mut threads: Vec<_> = self.threads_us.iter().map(|(name, us)| (us / jobs, name)).collect();
        threads.sort_by(|a, b| b.0.total_cmp(&a.0));
        let shown = threads.iter().filter(|(us, _)| *us >= 0.5).map(|(us, name)| format!("{name} {us:.0}"));
        shown.collect::<Vec<_>>().join(", ")
    }
}

/// User and system time in a process's `stat`, in microseconds.
fn cpu_us(stat: &str) -> Outcome<f64> {
    // Behind the name, which may hold anything: the state is the third field, and these are the 14th and 15th.
    let (_, fields) = stat.rsplit_once(')').ok_or("no stat")?;
    let ticks: Vec<f64> = fields.split_whitespace().skip(11).take(2).map(str::parse).collect::<Result<_, _>>()?;
    Ok(ticks.iter().sum::<f64>() * TICK_US)
}

/// The number behind a name that begins a line.
fn number(text: &str, name: &str) -> Outcome<f64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name)).ok_or_else(|| format!("no {name}"))?;
    Ok(line.trim().parse()?)
}
