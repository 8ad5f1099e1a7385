//! Which programs of the machine were busy, by their names: samples of all processors by the clock (`perf`).
//!
//! Counters of processes cannot tell a shim from the runc that it called once both are gone; samples can. Where
//! `perf` is not installed, or may not look at other processes, there is no profile, and the table says so.

use std::collections::BTreeMap;
use std::path::PathBuf;

use tokio::process::{Child, Command};

use super::Outcome;
use super::stage::{Stage, in_path};
use super::table::{Table, number};
use crate::processes::{LOOK_EVERY, signal};

/// Samples a second of each processor; no divisor of the kernel's clock, so that it does not meet it always.
const RATE: u32 = 499;
/// Names of the table; the others are added up.
const SHOWN: usize = 14;

/// Processor time of a job in milliseconds, by the name of the process.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Profile(BTreeMap<String, f64>);

/// A running `perf`.
pub struct Recording {
    child: Child,
    file: PathBuf,
}

impl Recording {
    /// Begins; `None` where it cannot be had.
    ///
    /// # Errors
    /// It cannot be started.
    pub async fn start(stage: &Stage) -> Outcome<Option<Self>> {
        let Some(perf) = in_path("perf") else { return Ok(None) };
        let file = stage.work.join("perf.data");
        let mut command = Command::new(perf);
        command.args(["record", "--quiet", "-a", "-e", "cpu-clock", "-F", &RATE.to_string(), "-o"]).arg(&file);
        command.stdin(std::process::Stdio::null()).stdout(std::process::Stdio::null());
        let mut child = command.stderr(std::process::Stdio::null()).kill_on_drop(true).spawn()?;
        // It may find that it may not; that takes a moment.
        tokio::time::sleep(LOOK_EVERY * 3).await;
        Ok(child.try_wait()?.is_none().then_some(Self { child, file }))
    }

    /// Ends, and tells what each of `jobs` took.
    ///
    /// # Errors
    /// What was sampled cannot be read.
    pub async fn end(mut self, jobs: usize) -> Outcome<Profile> {
        if let Some(pid) = self.child.id() {
            signal(pid, "-INT").await?;
        }
        self.child.wait().await?;
        let mut command = Command::new("perf");
        command.arg("report").arg("-i").arg(&self.file).args(["--stdio", "--sort", "comm", "-F", "sample,comm"]);
        let ended = command.output().await?;
        let samples = samples_of(&String::from_utf8_lossy(&ended.stdout));
        if samples.is_empty() {
            return Err("perf has no samples".into());
        }
        let each = |samples: u64| samples as f64 * 1000.0 / f64::from(RATE) / jobs.max(1) as f64;
        Ok(Profile(samples.into_iter().map(|(name, samples)| (name, each(samples))).collect()))
    }
}

/// Lines of samples and a name; whatever is idle or numbered (threads of the kernel) is brought together.
fn samples_of(report: &str) -> BTreeMap<String, u64> {
    let mut found = BTreeMap::new();
    for line in report.lines().filter(|line| !line.starts_with('#')) {
        let Some((samples, name)) = line.trim().split_once(char::is_whitespace) else { continue };
        let Ok(samples) = samples.parse::<u64>() else { continue };
        let name = match name.trim() {
            "swapper" => continue,
            name if name.starts_with("kworker") || name.starts_with("ksoftirqd") || name.starts_with("rcu_") => {
                "kernel threads"
            }
            name if name.starts_with("runc:") => "runc",
            name => name,
        };
        *found.entry(name.to_owned()).or_insert(0) += samples;
    }
    found
}

/// The profiles side by side, the dearest names first.
pub fn table(profiles: &[(&str, &Profile)]) -> String {
    let mut sums: BTreeMap<&str, f64> = BTreeMap::new();
    for (name, time) in profiles.iter().flat_map(|(_, profile)| &profile.0) {
        *sums.entry(name).or_default() += time;
    }
    let mut names: Vec<(&str, f64)> = sums.into_iter().collect();
    names.sort_unstable_by(|one, other| other.1.total_cmp(&one.1));
    let mut head = vec!["by name of process, CPU ms a job (Python)"];
    head.extend(profiles.iter().map(|(way, _)| *way));
    let mut table = Table::new(&head);
    let time = |profile: &Profile, name: &str| profile.0.get(name).copied().unwrap_or(0.0);
    for (name, _) in names.iter().take(SHOWN) {
        let cells = profiles.iter().map(|(_, profile)| number(time(profile, name)));
        table.row(std::iter::once(format!("`{name}`")).chain(cells).collect());
    }
    let rest =
        profiles.iter().map(|(_, profile)| number(names.iter().skip(SHOWN).map(|(name, _)| time(profile, name)).sum()));
    table.row(std::iter::once("all others".to_owned()).chain(rest).collect());
    table.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    const RECORDED: &str = "# Total Lost Samples: 0\n#\n#      Samples  Command        \n           200  swapper        \n            \
        90  runc           \n            10  runc:[1:CHILD] \n             7  kworker/u8:0-ex\n             3  rcu_preempt\n             \
        5  my program\n\n# (Tip: none)\n";

    #[test]
    fn a_recorded_report_is_read_by_name_without_what_is_idle() {
        let samples = samples_of(RECORDED);
        let expected = [("kernel threads", 10), ("my program", 5), ("runc", 100)];
        assert_eq!(samples, expected.map(|(name, count)| (name.to_owned(), count)).into());
    }

    #[test]
    fn profiles_stand_side_by_side_the_dearest_first() {
        let one = Profile(BTreeMap::from([("runc".to_owned(), 80.0), ("dockerd".to_owned(), 30.0)]));
        let other = Profile(BTreeMap::from([("dockerd".to_owned(), 2.0)]));
        let text = table(&[("a", &one), ("b", &other)]);
        let lines: Vec<&str> = text.lines().skip(2).collect();
        assert_eq!(
            lines,
            ["| `runc` | 80.00 | 0.00 |", "| `dockerd` | 30.00 | 2.00 |", "| all others | 0.00 | 0.00 |"]
        );
    }
}
