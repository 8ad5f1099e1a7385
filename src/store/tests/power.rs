//! The power is lost at any moment: after the next start, what was told holds.
//!
//! One run of a busy store is recorded by a VFS, with a note wherever a caller
//! was told something. From the record, disks are made as they could be after
//! a loss of power at any operation: unsynced writes gone, kept or torn, in any
//! order. Each is opened by a store like any other.

mod disk;
mod vfs;

use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::config::Retention;
use crate::store::Erasure;
use disk::{Chance, Disk};
use vfs::Op;

/// Jobs of the recorded run.
const JOBS: usize = 240;
/// Jobs that are admitted at once, so that some share a commit.
const AT_ONCE: usize = 4;
/// Losses of power, in a quick run and in a whole one.
const POINTS_QUICK: usize = 100;
const POINTS_FULL: usize = 1000;
const SEED: u64 = 7;

/// What a caller asked or was told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Note {
    Opened(u64),
    AdmitAsked(usize),
    Admitted(usize),
    EndAsked(usize),
    Ended(usize),
    EraseAsked(usize),
    Erased(usize),
    /// Jobs that ended before this time may go.
    PruneAsked(i64),
}

/// The recorded run: jobs by number, and what was noted.
struct Run {
    jobs: Vec<JobId>,
    notes: Vec<Note>,
    ops: Vec<Op>,
}

fn key_of(number: usize) -> Idempotency {
    Idempotency { key: format!("key-{number}"), digest: [1; 32] }
}

fn bytes_of(number: usize) -> Vec<u8> {
    vec![u8::try_from(number % 251).expect("it is below a byte's end"); 200 + number * 97 % 9000]
}

struct Recording {
    notes: std::cell::RefCell<Vec<Note>>,
    store: Store,
    jobs: Vec<JobId>,
}

impl Recording {
    fn note(&self, note: Note) {
        let mut notes = self.notes.borrow_mut();
        vfs::note(notes.len());
        notes.push(note);
    }

    async fn admit(&self, number: usize) {
        let mut job = NewJob { id: self.jobs[number], idempotency: Some(key_of(number)), ..new_job() };
        job.input.stdin = bytes_of(number).into();
        self.note(Note::AdmitAsked(number));
        assert_eq!(self.store.admit(job).await.unwrap(), Admission::New);
        self.note(Note::Admitted(number));
    }

    async fn go_on(&self, number: usize) {
        let id = self.jobs[number];
        let attempt = |counter| AttemptFacts { token: FencingToken { epoch: 1, counter }, ..facts(1) };
        let counter = 2 * number as u64;
        if number % 8 == 7 {
            return;
        }
        let started = Started { job: id, attempt: attempt(counter), attempts: 1, prediction: None };
        let unnoted = (number % 3 == 1).then(|| started.clone());
        // The end of a job may come before the note of its attempt, and then says what that would have said.
        if unnoted.is_none() {
            self.store.started(vec![started]).await.unwrap();
        }
        if number.is_multiple_of(5) {
            let token = attempt(counter).token;
            self.store.requeued(Requeued { job: id, token, attempts: 1, failures: vec![] }).await.unwrap();
        }
        if number % 6 == 5 {
            return;
        }
        let mut end = Arc::unwrap_or_clone(finish(id, Some(attempt(counter + 1))));
        end.finished = UnixTime(number as i64);
        end.unnoted = unnoted;
        end.outputs.0[2] = bytes_of(number);
        self.note(Note::EndAsked(number));
        assert_eq!(self.store.finish(Arc::new(end)).await.unwrap(), Recorded::Now);
        self.note(Note::Ended(number));
        if number % 16 == 3 {
            self.note(Note::EraseAsked(number));
            assert_eq!(self.store.erase("t".into(), id).await.unwrap(), Erasure::Done);
            self.note(Note::Erased(number));
        }
    }
}

/// Runs a store and records it.
async fn record() -> Run {
    let dir = tempfile::tempdir().unwrap();
    vfs::record(dir.path());
    let opened = open(dir.path());
    let jobs = std::iter::repeat_with(JobId::generate).take(JOBS).collect();
    let recording = Recording { notes: Default::default(), store: opened.store, jobs };
    recording.note(Note::Opened(opened.epoch));
    for first in (0..JOBS).step_by(AT_ONCE) {
        let admitted = (first..first + AT_ONCE).map(|n| recording.admit(n));
        futures::future::join_all(admitted).await;
        let before = first.saturating_sub(2 * AT_ONCE);
        futures::future::join_all((before..before + AT_ONCE).filter(|_| first > AT_ONCE).map(|n| recording.go_on(n)))
            .await;
        if first % 40 == 36 {
            let kept_from = first as i64 - 30;
            let age = std::time::Duration::from_micros(30);
            recording.note(Note::PruneAsked(kept_from));
            recording.store.prune(UnixTime(first as i64), Retention { age, bytes_max: u64::MAX }).await.unwrap();
        }
    }
    recording.store.close();
    Run { ops: vfs::recorded(), notes: recording.notes.into_inner(), jobs: recording.jobs }
}

/// What had been told at a moment.
#[derive(Default)]
struct Told {
    epoch: u64,
    asked: BTreeSet<usize>,
    admitted: BTreeSet<usize>,
    end_asked: BTreeSet<usize>,
    ended: BTreeSet<usize>,
    erase_asked: BTreeSet<usize>,
    erased: BTreeSet<usize>,
    kept_from: i64,
}

impl Told {
    fn take(&mut self, note: Note) {
        match note {
            Note::Opened(epoch) => self.epoch = epoch,
            Note::AdmitAsked(n) => drop(self.asked.insert(n)),
            Note::Admitted(n) => drop(self.admitted.insert(n)),
            Note::EndAsked(n) => drop(self.end_asked.insert(n)),
            Note::Ended(n) => drop(self.ended.insert(n)),
            Note::EraseAsked(n) => drop(self.erase_asked.insert(n)),
            Note::Erased(n) => drop(self.erased.insert(n)),
            Note::PruneAsked(kept_from) => self.kept_from = kept_from,
        }
    }

    /// It may be gone: somebody asked for that.
    fn may_be_gone(&self, n: usize) -> bool {
        self.erase_asked.contains(&n) || (self.end_asked.contains(&n) && (n as i64) < self.kept_from)
    }

    /// Whether the store that was opened on what the disk held says the same.
    async fn holds(&self, run: &Run, opened: Opened) {
        assert!(opened.epoch > self.epoch, "no token of before is made again: {} after {}", opened.epoch, self.epoch);
        let store = opened.store;
        let unfinished: BTreeSet<JobId> = opened.unfinished.iter().map(|u| u.record.id).collect();
        let listed = store.list(all(9999)).await.unwrap().jobs;
        let states: BTreeMap<JobId, StoredState> = listed.iter().map(|job| (job.id, job.state)).collect();
        assert_eq!(states.len(), listed.len(), "no job is there twice");
        let numbers: BTreeMap<JobId, usize> = run.jobs.iter().enumerate().map(|(n, id)| (*id, n)).collect();
        for (id, state) in &states {
            assert!(self.asked.contains(&numbers[id]), "no job is there that nobody brought");
            assert_eq!(*state != StoredState::Finished, unfinished.contains(id), "what has not ended is taken up");
        }
        for (n, id) in run.jobs.iter().enumerate() {
            let there = states.get(id);
            assert!(there.is_some() || !self.admitted.contains(&n) || self.may_be_gone(n), "job {n} was accepted");
            assert!(there.is_none() || !self.erased.contains(&n), "job {n} was erased");
            let key = store.admitted_before("t".into(), key_of(n)).await.unwrap();
            assert_eq!(key, there.map(|_| Admission::Existing(*id)), "the key of job {n} agrees");
            match there {
                Some(StoredState::Finished) => {
                    assert!(self.end_asked.contains(&n), "job {n} did not end");
                    let (record, detail) = store.job_in_detail("t".into(), *id).await.unwrap().unwrap();
                    assert_eq!(record.ending.unwrap().outcome, Outcome::Ok);
                    assert_eq!(detail.outputs.part(Step::Run, Stream::Stdout), bytes_of(n), "all of job {n}");
                }
                Some(_) => {
                    assert!(!self.ended.contains(&n), "job {n} had ended");
                    let input = store.input(*id).await.unwrap().unwrap();
                    let input: JobInput = ciborium::from_reader(input.as_slice()).unwrap();
                    assert_eq!(*input.stdin, bytes_of(n), "all of what job {n} brought");
                }
                None => {}
            }
        }
    }
}

/// Loses the power at this many moments of one run.
async fn lose_power(points: usize) {
    let run = record().await;
    let mut chance = Chance(SEED);
    let mut moments: Vec<usize> = (0..points).map(|_| chance.below(run.ops.len() + 1)).collect();
    moments.sort_unstable();
    let memory = std::path::Path::new("/dev/shm");
    let beside = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
    let (mut disk, mut told, mut at, mut undone) = (Disk::default(), Told::default(), 0, 0);
    for moment in moments {
        for op in &run.ops[at..moment] {
            disk.take(op);
            if let Op::Note(number) = op {
                told.take(run.notes[*number]);
            }
        }
        at = moment;
        undone += usize::from(disk.unsynced() > 0);
        let dir = tempfile::tempdir_in(&beside).unwrap();
        disk.lose_power(&mut chance, dir.path());
        let opened = Store::open(dir.path(), Arc::default());
        let opened = opened.unwrap_or_else(|e| panic!("at operation {moment} of {}: {e}", run.ops.len()));
        println!("operation {moment} of {}, seed {SEED}: {} jobs told", run.ops.len(), told.admitted.len());
        told.holds(&run, opened).await;
    }
    assert!(undone * 2 > points, "most moments had something to lose: {undone}");
    assert!(told.ended.len() > JOBS / 3 && !told.erased.is_empty() && told.kept_from > 0, "the run did all of it");
}

#[tokio::test]
async fn what_was_told_holds_after_the_power_was_lost() {
    lose_power(POINTS_QUICK).await;
}

#[tokio::test]
#[ignore = "takes a while"]
async fn what_was_told_holds_after_the_power_was_lost_at_a_thousand_moments() {
    lose_power(POINTS_FULL).await;
}
