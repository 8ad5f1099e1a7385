//! What a disk holds after the power was lost: all that was synced, and of the rest what chance left.

use std::collections::BTreeMap;
use std::path::Path;

use super::vfs::Op;

/// What a disk writes as a whole, in bytes.
const SECTOR_BYTES: usize = 512;

/// Chance, the same for the same seed (splitmix64).
pub struct Chance(pub u64);

impl Chance {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % bound as u64).expect("it is below a usize")
    }

    fn coin(&mut self) -> bool {
        self.next() & 1 == 0
    }
}

/// A change that was not synced.
#[derive(Clone)]
enum Change {
    Write(usize, Vec<u8>),
    Truncate(usize),
    Delete,
}

type Files = BTreeMap<String, Vec<u8>>;

/// A disk with its cache.
#[derive(Default)]
pub struct Disk {
    durable: Files,
    pending: BTreeMap<String, Vec<Change>>,
}

impl Disk {
    /// Takes what was done to it.
    pub fn take(&mut self, op: &Op) {
        let mut later = |name: &String, change| self.pending.entry(name.clone()).or_default().push(change);
        match op {
            Op::Write(name, at, bytes) => later(name, Change::Write(*at, bytes.clone())),
            Op::Truncate(name, to) => later(name, Change::Truncate(*to)),
            Op::Delete(name, false) => later(name, Change::Delete),
            Op::Delete(name, true) => {
                self.durable.remove(name);
                self.pending.remove(name);
            }
            Op::Sync(name) => {
                self.durable.entry(name.clone()).or_default();
                for change in self.pending.remove(name).unwrap_or_default() {
                    make(&mut self.durable, name, change);
                }
            }
            Op::Note(_) => {}
        }
    }

    /// How many changes a loss of power could undo now.
    pub fn unsynced(&self) -> usize {
        self.pending.values().map(Vec::len).sum()
    }

    /// Writes into `dir` what is there after a loss of power.
    pub fn lose_power(&self, chance: &mut Chance, dir: &Path) {
        let mut files = self.durable.clone();
        // Sometimes nothing of the cache is left, sometimes any of it, in no order.
        let nothing = chance.below(3) == 0;
        for (name, changes) in self.pending.iter().filter(|_| !nothing) {
            for change in changes {
                for kept in kept_of(chance, change) {
                    make(&mut files, name, kept);
                }
            }
        }
        for (name, bytes) in files {
            std::fs::write(dir.join(name), bytes).expect("the directory can be written");
        }
    }
}

/// What chance leaves of a change: all, nothing, or some sectors.
fn kept_of(chance: &mut Chance, change: &Change) -> Vec<Change> {
    match (change, chance.below(3)) {
        (_, 0) => vec![],
        (Change::Write(at, bytes), 1) => {
            let mut pieces = Vec::new();
            let mut from = 0;
            while from < bytes.len() {
                let to = ((at + from) / SECTOR_BYTES + 1) * SECTOR_BYTES - at;
                let to = to.min(bytes.len());
                if chance.coin() {
                    pieces.push(Change::Write(at + from, bytes[from..to].to_vec()));
                }
                from = to;
            }
            pieces
        }
        (change, _) => vec![change.clone()],
    }
}

fn make(files: &mut Files, name: &str, change: Change) {
    match change {
        Change::Delete => drop(files.remove(name)),
        Change::Truncate(to) => files.entry(name.to_owned()).or_default().resize(to, 0),
        Change::Write(at, bytes) => {
            let file = files.entry(name.to_owned()).or_default();
            file.resize(file.len().max(at + bytes.len()), 0);
            file[at..at + bytes.len()].copy_from_slice(&bytes);
        }
    }
}
