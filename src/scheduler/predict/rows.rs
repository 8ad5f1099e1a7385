//! What was learnt as rows, one for each group and each program, and back.
//!
//! ```text
//! group:   version · runs · seen · again · within ×3 · (bins · (bin · weight)*) ×3 · check
//! program: version · runs · seen · mean ×3 · variance ×3 · check
//! ```
//!
//! Numbers are little-endian. The check (FNV-1a) covers the key, too, so a row is good only where it
//! was written. A row that is not as it was written is left out: it is a hint that is lost, no more.

use std::sync::Arc;

use super::group::Group;
use super::histogram::{BINS, Histogram, UNIT};
use super::program::Program;
use super::table::{Key, Tenant};
use super::{MEASURES, Predictor, Row, Subject};

/// Of what is written.
const VERSION: u8 = 1;
/// Bytes of the check.
const CHECK_BYTES: usize = 8;
/// No row was learnt later: recency only counts.
const SEEN_MAX: u64 = 1 << 56;
/// No histogram holds more, in units of a run.
const TOTAL_MAX: u32 = 256 * UNIT;

/// What became of rows.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Restored {
    /// Taken.
    pub taken: usize,
    /// Not as they were written, of another version, or without their group.
    pub ignored: usize,
}

impl Predictor {
    /// Takes the rows of before; from here on what changes is kept for [`Self::changes`]. Rows that
    /// are of no use are among the first changes, so that they go.
    ///
    /// Rows come in any order.
    pub fn restore(&mut self, rows: impl IntoIterator<Item = Row>) -> Restored {
        self.changed.get_or_insert_default();
        let mut restored = Restored::default();
        let (mut groups, mut programs) = (Vec::new(), Vec::new());
        for row in rows {
            match read(&row) {
                Some(Read::Group(group)) => groups.push((group.seen, row, *group)),
                Some(Read::Program(program)) => programs.push((program.seen, row, program)),
                None => self.ignore(&row, &mut restored),
            }
        }
        groups.sort_by_key(|(seen, ..)| *seen);
        programs.sort_by_key(|(seen, ..)| *seen);
        for (seen, row, group) in groups {
            self.take_group(seen, &row, group);
            restored.taken += 1;
        }
        for (seen, row, program) in programs {
            if self.take_program(seen, &row, program) {
                restored.taken += 1;
            } else {
                self.ignore(&row, &mut restored);
            }
        }
        restored
    }

    /// Rows of what has changed since they were last taken, at most so many; nothing where nobody has
    /// restored any.
    pub fn changes(&mut self, rows_max: usize) -> Vec<Row> {
        let mut rows = Vec::new();
        while rows.len() < rows_max
            && let Some(key) = self.changed.as_mut().and_then(std::collections::BTreeSet::pop_first)
        {
            let state = self.state(&key);
            let Key { tenant, language, source } = key;
            rows.push(Row { tenant, language, source, state });
        }
        rows
    }

    /// Rows that could not be written: they are changes again.
    pub fn not_written(&mut self, rows: Vec<Row>) {
        for Row { tenant, language, source, .. } in rows {
            self.note(Key { tenant, language, source });
        }
    }

    fn ignore(&mut self, row: &Row, restored: &mut Restored) {
        restored.ignored += 1;
        let Row { tenant, language, source, .. } = row;
        self.note(Key { tenant: Arc::clone(tenant), language: Arc::clone(language), source: *source });
    }

    fn take_group(&mut self, seen: u64, row: &Row, group: Group) {
        let (tenant, language) = self.make_group(Subject { tenant: &row.tenant, language: &row.language, source: 0 });
        self.now = seen.max(self.now + 1);
        let pool = self.languages.entry(Arc::clone(&language)).or_default();
        pool.runs += group.runs;
        pool.put_in(&group, self.bounds.tenant_weight);
        let owner = self.tenants.get_mut(&tenant).expect("it was just made");
        owner.groups.insert(Arc::clone(&language), Group { seen: self.now, ..group });
        self.recent.insert(self.now, (tenant, language));
    }

    fn take_program(&mut self, seen: u64, row: &Row, program: Program) -> bool {
        let Some(tenant) = self.tenants.get_key_value(&row.tenant).map(|(name, _)| Arc::clone(name)) else {
            return false;
        };
        let owner: &mut Tenant = self.tenants.get_mut(&tenant).expect("it was just found");
        let Some((language, _)) = owner.groups.get_key_value(&row.language) else { return false };
        let language = Arc::clone(language);
        let last = owner.recent.last_key_value().map_or(0, |(last, _)| *last);
        let seen = seen.max(last + 1);
        let programs = &mut owner.groups.get_mut(&language).expect("it was just found").programs;
        if programs.insert(row.source, Program { seen, ..program }).is_some() {
            return false;
        }
        owner.recent.insert(seen, (language, row.source));
        self.now = self.now.max(seen);
        self.count(&tenant, 1);
        self.forget_above();
        true
    }

    fn state(&self, key: &Key) -> Option<Vec<u8>> {
        let group = self.tenants.get(&key.tenant)?.groups.get(&key.language)?;
        let mut bytes = vec![VERSION];
        if key.source == 0 {
            write_group(&mut bytes, group);
        } else {
            write_program(&mut bytes, group.programs.get(&key.source)?);
        }
        let check = check(&key.tenant, &key.language, key.source, &bytes);
        bytes.extend(check.to_le_bytes());
        Some(bytes)
    }
}

fn write_group(bytes: &mut Vec<u8>, group: &Group) {
    let Group { histograms, within, again, runs, seen, programs: _ } = group;
    bytes.extend(runs.to_le_bytes());
    bytes.extend(seen.to_le_bytes());
    bytes.extend(again.to_le_bytes());
    within.iter().for_each(|variance| bytes.extend(variance.to_le_bytes()));
    for Histogram { bins } in histograms {
        let filled = || (0u8..).zip(bins).filter(|(_, weight)| **weight > 0);
        bytes.push(u8::try_from(filled().count()).expect("there are fewer bins"));
        for (bin, weight) in filled() {
            bytes.push(bin);
            bytes.extend(weight.to_le_bytes());
        }
    }
}

fn write_program(bytes: &mut Vec<u8>, program: &Program) {
    let Program { mean, variance, runs, seen } = program;
    bytes.extend(runs.to_le_bytes());
    bytes.extend(seen.to_le_bytes());
    mean.iter().chain(variance).for_each(|value| bytes.extend(value.to_le_bytes()));
}

enum Read {
    Group(Box<Group>),
    Program(Program),
}

fn read(row: &Row) -> Option<Read> {
    let state = row.state.as_deref()?;
    let (bytes, written) = state.split_at_checked(state.len().checked_sub(CHECK_BYTES)?)?;
    if check(&row.tenant, &row.language, row.source, bytes).to_le_bytes() != *written {
        return None;
    }
    let mut left = Left(bytes);
    if left.take()? != [VERSION] {
        return None;
    }
    let read = if row.source == 0 {
        Read::Group(Box::new(read_group(&mut left)?))
    } else {
        Read::Program(read_program(&mut left)?)
    };
    left.0.is_empty().then_some(read)
}

fn read_group(left: &mut Left<'_>) -> Option<Group> {
    let runs = u64::from_le_bytes(left.take()?);
    let seen = seen(left)?;
    let again = u32::from_le_bytes(left.take()?);
    let mut within = [0.0; MEASURES];
    for variance in &mut within {
        *variance = f64::from_le_bytes(left.take()?);
    }
    let mut histograms: [Histogram; MEASURES] = Default::default();
    for histogram in &mut histograms {
        let [filled] = left.take()?;
        for _ in 0..filled {
            let [bin] = left.take()?;
            *histogram.bins.get_mut(usize::from(bin)).filter(|_| usize::from(bin) < BINS)? =
                u16::from_le_bytes(left.take()?);
        }
        if histogram.total() > TOTAL_MAX {
            return None;
        }
    }
    let is_sound = runs > 0 && again <= 256 && within.iter().all(|variance| (0.0..=64.0).contains(variance));
    is_sound.then_some(Group { histograms, within, again, runs, seen, programs: std::collections::HashMap::new() })
}

fn read_program(left: &mut Left<'_>) -> Option<Program> {
    let runs = u32::from_le_bytes(left.take()?);
    let seen = seen(left)?;
    let mut values = [[0.0; MEASURES]; 2];
    for value in values.iter_mut().flatten() {
        *value = f32::from_le_bytes(left.take()?);
    }
    let [mean, variance] = values;
    // 64 octaves are all that a number of 64 bits has.
    let is_sound = runs > 0
        && mean.iter().all(|mean| (0.0..=64.0).contains(mean))
        && variance.iter().all(|variance| (0.0..=4096.0).contains(variance));
    is_sound.then_some(Program { mean, variance, runs, seen })
}

fn seen(left: &mut Left<'_>) -> Option<u64> {
    Some(u64::from_le_bytes(left.take()?)).filter(|seen| *seen < SEEN_MAX)
}

struct Left<'a>(&'a [u8]);

impl Left<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (first, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*first)
    }
}

/// FNV-1a: a change of any one byte changes it.
fn check(tenant: &str, language: &str, source: u64, bytes: &[u8]) -> u64 {
    let key = tenant.bytes().chain([0]).chain(language.bytes()).chain([0]).chain(source.to_le_bytes());
    key.chain(bytes.iter().copied())
        .fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}
