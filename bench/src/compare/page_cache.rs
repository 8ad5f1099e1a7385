//! The first job after its toolchain's files have left the memory: bare and ours, beside the same with all in memory.
//!
//! The kernel is told for each file of the language's image that its pages are not needed (`posix_fadvise`), which takes the
//! clean ones that nobody has mapped; the C library of an idle container stays. Other files of the host, as those of the
//! engine, stay as well: the machine has run for long, and only this language has not been asked for.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::fcntl::{PosixFadviseAdvice, posix_fadvise};

use super::Outcome;
use super::cluster::Cluster;
use super::programs::{C, JAVA, PYTHON, Program};
use super::report::Report;
use super::series::Samples;
use super::settings::Settings;
use super::table::{Table, maybe, number, times};
use super::throughput::Grounds;
use super::ways::Way;

/// Files that an image may have.
const FILES_MAX: usize = 200_000;
const MIB: f64 = 1024.0 * 1024.0;
/// The ways, each once with its files in memory and once without.
const TURNS: [(Way, bool); 4] = [(Way::Bare, true), (Way::Tenant, true), (Way::Bare, false), (Way::Tenant, false)];

/// What one of [`TURNS`] came to.
#[derive(Default)]
struct Turn {
    times: Samples,
    /// Bytes that the machine read from its disks meanwhile, of each.
    read: Vec<u64>,
}

/// Measures all programs, and shows them.
///
/// # Errors
/// An answer is wrong, or the pool does not fill again.
pub async fn measure(
    grounds: &Grounds<'_>,
    cluster: &Cluster,
    settings: &Settings,
    report: &mut Report,
) -> Outcome<String> {
    let head = [
        "program",
        "its files",
        "bare p50 ms",
        "**Enclos** p50 ms",
        "against bare",
        "read from disk, bare MiB",
        "Enclos MiB",
        "times",
    ];
    if let Err(error) = grounds.gcc.room.layers() {
        return Ok(format!("Not here, first jobs without their files in memory: {error}.\n"));
    }
    let mut table = Table::new(&head);
    for program in [&C, &PYTHON, &JAVA] {
        super::progress(&format!("page cache of {}", program.name));
        let files = files_of(&grounds.of(program).room.layers()?)?;
        // What was written lately is not taken before it is on the disk.
        nix::unistd::sync();
        let mut turns: [Turn; TURNS.len()] = Default::default();
        for number in 0..settings.uncached {
            // The two ways do not read the same files, and what one has not read is not in memory for the other.
            for way in [Way::Bare, Way::Tenant] {
                grounds.of(program).once(way, program, 0).await?;
            }
            for ((way, is_cached), turn) in TURNS.into_iter().zip(&mut turns) {
                cluster.settle().await?;
                if !is_cached {
                    forget(&files);
                }
                let before = read_bytes();
                turn.times.push(0, once(grounds, (program, way), number, is_cached).await?);
                turn.read.push(read_bytes().saturating_sub(before));
            }
        }
        let [bare, ours, cold_bare, cold_ours] = &turns;
        row(&mut table, (program, "in memory", "cached"), [bare, ours], report);
        row(&mut table, (program, "on the disk alone", "uncached"), [cold_bare, cold_ours], report);
    }
    Ok(table.to_string())
}

/// One job; ours is the first of its scope, for which a warm sandbox waits.
async fn once(
    grounds: &Grounds<'_>,
    (program, way): (&'static Program, Way),
    number: usize,
    is_cached: bool,
) -> Outcome<Duration> {
    let ground = grounds.of(program);
    if way != Way::Tenant {
        return ground.once(way, program, 0).await;
    }
    let scope = format!("pages-{}-{number}-{is_cached}", program.language);
    Ok(ground.cluster.client.run(way, program, Some(scope)).await?.elapsed)
}

fn row(table: &mut Table, (program, what, key): (&Program, &str, &str), [bare, ours]: [&Turn; 2], report: &mut Report) {
    let against = ours.times.ratio_to(&bare.times, 50);
    report.estimate(format!("cold.{}.{key}.p50_ratio", program.name), against);
    for (turn, way) in [(bare, Way::Bare), (ours, Way::Tenant)] {
        let name = format!("cold.{}.{key}.{}", program.name, way.key());
        report.figure(format!("{name}.p50_ms"), turn.times.percentile(50));
        report.keep(&name, &turn.times);
    }
    let [first, second] = [bare, ours].map(|turn| maybe(turn.times.percentile(50)));
    let [less, more] = [bare, ours].map(|turn| number(mean(&turn.read) / MIB));
    let count = ours.times.count().to_string();
    table.row(vec![program.name.into(), what.into(), first, second, times(against), less, more, count]);
}

fn mean(values: &[u64]) -> f64 {
    values.iter().sum::<u64>() as f64 / values.len().max(1) as f64
}

/// Regular files of these directories and all below them.
fn files_of(directories: &[PathBuf]) -> Outcome<Vec<PathBuf>> {
    let (mut found, mut left) = (Vec::new(), directories.to_vec());
    while let Some(directory) = left.pop() {
        for entry in std::fs::read_dir(&directory).map_err(|e| format!("{}: {e}", directory.display()))? {
            let entry = entry?;
            // Of the entry itself: a link is not followed out of the image.
            let kind = entry.file_type()?;
            if kind.is_dir() {
                left.push(entry.path());
            } else if kind.is_file() {
                found.push(entry.path());
            }
        }
        if found.len() > FILES_MAX {
            return Err(format!("an image with more than {FILES_MAX} files").into());
        }
    }
    if found.is_empty() { Err("the image has no files".into()) } else { Ok(found) }
}

/// Takes their pages out of the page cache, as far as nobody has them mapped.
fn forget(files: &[PathBuf]) {
    for file in files {
        // One that cannot be opened or advised stays where it is, and the bytes that are read show it.
        if let Ok(file) = File::open(file) {
            let _ = posix_fadvise(&file, 0, 0, PosixFadviseAdvice::POSIX_FADV_DONTNEED);
        }
    }
}

/// What the machine has read from its disks since its start.
fn read_bytes() -> u64 {
    paged_in(&std::fs::read_to_string(Path::new("/proc/vmstat")).unwrap_or_default())
}

/// The kernel counts it in KiB.
fn paged_in(vmstat: &str) -> u64 {
    let line = vmstat.lines().find_map(|line| line.strip_prefix("pgpgin "));
    line.and_then(|kib| kib.trim().parse::<u64>().ok()).unwrap_or(0) * 1024
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_files_of_a_tree_are_found_and_no_link_is_followed() {
        let root = std::env::temp_dir().join(format!("enclos-page-cache-{}", std::process::id()));
        std::fs::create_dir_all(root.join("layer/usr/bin")).unwrap();
        std::fs::write(root.join("layer/usr/bin/gcc"), "x").unwrap();
        std::fs::write(root.join("outside"), "x").unwrap();
        std::os::unix::fs::symlink(root.join("outside"), root.join("layer/link")).unwrap();
        std::os::unix::fs::symlink(&root, root.join("layer/above")).unwrap();
        let found = files_of(&[root.join("layer")]);
        let gone = files_of(&[root.join("none")]);
        std::fs::remove_dir_all(&root).unwrap();
        assert_eq!(found.unwrap(), [root.join("layer/usr/bin/gcc")]);
        assert!(gone.is_err());
    }

    #[test]
    fn a_recorded_vmstat_says_what_was_read() {
        assert_eq!(paged_in("nr_free_pages 12\npgpgin 4096\npgpgout 9\n"), 4096 * 1024);
        assert_eq!(paged_in("nr_free_pages 12\n"), 0);
    }

    #[test]
    fn each_state_of_the_files_is_held_against_bare_in_the_same_state() {
        let turn = |ms, read| {
            let mut turn = Turn { read: vec![read], ..Turn::default() };
            turn.times.push(0, Duration::from_millis(ms));
            turn
        };
        let (mut table, mut report) = (Table::new(&["a"; 8]), Report::default());
        row(&mut table, (&C, "on the disk alone", "uncached"), [&turn(100, 2 << 20), &turn(150, 4 << 20)], &mut report);
        let row = "| C | on the disk alone | 100 | 150 | **1.50x** (1.50 to 1.50) | 2.00 | 4.00 | 1 |";
        assert!(table.to_string().contains(row), "{table}");
        assert_eq!(report.figures["cold.C.uncached.p50_ratio"].value, 1.5);
    }
}
