//! Steps: cells made for them, watched together, and what they wrote passed on.

use std::fs::File;
use std::os::fd::OwnedFd;
use std::time::Duration;

use enclos_protocol::frame::CHUNK_BYTES_MAX;
use enclos_protocol::job::Stream;
use enclos_protocol::outcome::Stop;
use enclos_protocol::supervisor_link::{
    CellKind, PairFacts, PairRequest, Report, Request, Side, StdinSource, StepRequest, Workspace,
};
use nix::poll::PollFlags;
use serde_bytes::ByteBuf;

use super::ahead::{self, Sandbox};
use super::{Fault, IDLE, Server, poll_those};
use crate::capture::Capture;
use crate::cell::live::{Live, LiveEnds};
use crate::cell::{Beginning, Cell, Finished, pipe_between};
use crate::link::Link;

/// No limit can be reached before: several times what making a cell takes.
const FAR: Duration = Duration::from_millis(10);
/// How long programs that began have to say nothing until the next cell is made beside them: whoever writes or
/// ends at once is attended to first.
const QUIET: Duration = Duration::from_micros(500);

/// Standard input and output of one of a pair.
struct Ends {
    stdin: OwnedFd,
    stdout: OwnedFd,
}

impl Server {
    /// Runs a step, and reports it.
    pub(super) fn run_step(&mut self, step: &StepRequest) -> Result<(), Fault> {
        let Finished { facts, stdout, stderr, .. } = self.run_one(step, false)?;
        self.pass_on(&mut [(Stream::Stdout, stdout), (Stream::Stderr, stderr)])?;
        self.report(&Report::StepDone(Box::new(facts)))
    }

    /// Reports what came of a step, and ends the job with it where that was asked for.
    fn report(&mut self, done: &Report) -> Result<(), Fault> {
        self.link.send(done)?;
        if self.ends { self.end_job() } else { Ok(()) }
    }

    /// Runs a program and an interactor, and reports both.
    pub(super) fn run_pair(&mut self, pair: &PairRequest) -> Result<(), Fault> {
        let PairRequest { program, judge } = pair;
        let surroundings = &self.sandbox.as_ref().ok_or(Fault::Unexpected("a pair before setup"))?.surroundings;
        if surroundings.kind == CellKind::Plain {
            return Err(Fault::Unexpected("a pair where nothing hides one from the other"));
        }
        let (program_uid, judge_uid) = (surroundings.host_uid, surroundings.judge_uid);
        let (from_judge, to_program) = pipe_between()?;
        let (from_program, to_judge) = pipe_between()?;
        ahead::clear(&mut self.remains);
        let ends = Ends { stdin: from_judge, stdout: to_judge };
        let first = self.spawn(program, program_uid, Some(ends), false)?;
        // Its words are not the program's.
        let mut judge = judge.clone();
        judge.limits.report_bytes = 0;
        let ends = Ends { stdin: from_program, stdout: to_program };
        let second = self.spawn(&judge, judge_uid, Some(ends), false)?;
        let mut cells = [first, second];
        self.watch(&mut cells)?;
        let [program, judge] = cells.map(Cell::finish);
        let (program, judge) = (program?, judge?);
        let first = if program.at <= judge.at { Side::Program } else { Side::Judge };
        self.remains.extend([program.remains, judge.remains].into_iter().flatten());
        self.pass_on(&mut [(Stream::Stderr, program.stderr)])?;
        let facts = PairFacts { program: program.facts, judge: judge.facts, first };
        self.report(&Report::PairDone(Box::new(facts)))
    }

    /// Runs a step to its end; its output goes on its way meanwhile. What is left of an earlier one is cleared
    /// before: its memory is the same allowance.
    pub(super) fn run_one(&mut self, step: &StepRequest, rehearsal: bool) -> Result<Finished, Fault> {
        let sandbox = self.sandbox.as_ref().ok_or(Fault::Unexpected("a step before setup"))?;
        let uid = sandbox.surroundings.host_uid;
        ahead::clear(&mut self.remains);
        if let Some(finished) = self.hand_over(step)? {
            return Ok(finished);
        }
        let mut cells = [self.spawn(step, uid, None, rehearsal)?];
        self.watch(&mut cells)?;
        let [cell] = cells;
        let mut finished = cell.finish()?;
        self.remains.extend(finished.remains.take());
        Ok(finished)
    }

    /// Has the forerunner take a step that it fits, to its end; `None`: the step has not begun, and there is none any more.
    fn hand_over(&mut self, step: &StepRequest) -> Result<Option<Finished>, Fault> {
        let job = self.job.as_mut().ok_or(Fault::Unexpected("a step without a job"))?;
        let sandbox = self.sandbox.as_mut().ok_or(Fault::Unexpected("a step before setup"))?;
        let Some(forerunner) = sandbox.forerunner(step) else { return Ok(None) };
        if job.cpus.is_some() {
            // A program of many threads is not moved to other cores.
            forerunner.discard();
            return Ok(None);
        }
        job.seal()?;
        let files: Vec<File> = job.workspace(step.workspace)?.into_iter().collect();
        let keep = job.keep_for(&step.keep)?;
        let Ok(cell) = forerunner.take_over(&sandbox.surroundings, step, &files, keep.as_ref()) else {
            return Ok(None);
        };
        let mut cells = [cell];
        self.watch(&mut cells)?;
        let [cell] = cells;
        if cell.is_unused() {
            cell.discard();
            return Ok(None);
        }
        let mut finished = cell.finish()?;
        self.remains.extend(finished.remains.take());
        self.link.send(&Report::HandedOver)?;
        Ok(Some(finished))
    }

    fn spawn(&mut self, step: &StepRequest, uid: u32, ends: Option<Ends>, rehearsal: bool) -> Result<Cell, Fault> {
        let job = self.job.as_mut().ok_or(Fault::Unexpected("a step without a job"))?;
        let sandbox = self.sandbox.as_mut().ok_or(Fault::Unexpected("a step before setup"))?;
        job.seal()?;
        let plain = sandbox.surroundings.kind == CellKind::Plain;
        // A plain cell's directory is the sandbox's own: what a step left is simply there.
        let is_there = plain && step.workspace == Workspace::Kept && !job.was_brought();
        let files = if is_there { None } else { job.workspace(step.workspace)? };
        let extras = if step.extras { job.take_extras()? } else { None };
        let mut live = None;
        let (stdin, stdout) = match ends {
            Some(Ends { stdin, stdout }) => (stdin, Some(stdout)),
            None if step.stdin == StdinSource::Live => {
                let (ours, LiveEnds { stdin, signals }) = Live::open(uid)?;
                live = Some((ours, signals));
                (stdin, None)
            }
            None => (job.open_stdin(step.stdin)?, None),
        };
        let mut cell = sandbox.cell(uid)?;
        cell.limit(&step.limits, job.cpus.as_deref())?;
        let beginning = Beginning {
            request: step,
            stdin,
            live,
            stdout,
            files: files.into_iter().chain(extras).collect(),
            keep: job.keep_for(&step.keep)?,
            rehearsal,
        };
        Ok(Cell::begin(&sandbox.surroundings, cell, beginning)?)
    }

    /// Watches cells to the end of all. The programs of more than one start together, or none does.
    fn watch(&mut self, cells: &mut [Cell]) -> Result<(), Fault> {
        while !cells.iter().all(Cell::is_over) {
            let mut wait = IDLE;
            for cell in cells.iter_mut().filter(|cell| !cell.is_over()) {
                wait = wait.min(cell.look()?);
            }
            let wants_cell = self.sandbox.as_ref().is_some_and(Sandbox::wants_cell);
            let has_time = wants_cell && wait >= FAR && cells.iter().all(Cell::is_running);
            if !self.wait_for_cells(cells, if has_time { QUIET } else { wait })? && has_time {
                self.sandbox.iter_mut().for_each(Sandbox::make_ahead);
            }
            while let Some(request) = self.link.next()? {
                match request {
                    Request::CancelStep => cells.iter_mut().for_each(|cell| cell.end(Stop::Cancelled)),
                    Request::Stdin { bytes, last } => {
                        if !cells.iter_mut().filter_map(Cell::live).all(|live| live.add(&bytes, last)) {
                            return Err(Fault::Unexpected("more standard input than has room"));
                        }
                    }
                    Request::EndJob if !self.ends => self.ends = true,
                    Request::Signal(signal) => cells.iter_mut().filter_map(Cell::live).for_each(|l| l.signal(signal)),
                    _ => return Err(Fault::Unexpected("a request during a step")),
                }
            }
            if cells.iter().any(Cell::has_failed) {
                cells.iter_mut().filter(|cell| !cell.has_failed()).for_each(|cell| cell.end(Stop::Cancelled));
            } else if cells.iter().all(Cell::is_waiting) {
                cells.iter_mut().try_for_each(Cell::go)?;
            }
            for cell in cells.iter_mut() {
                pump(&mut self.link, cell.captures())?;
                let news = cell.live().filter(|_| self.link.has_room()).and_then(Live::news);
                news.map_or(Ok(()), |news| self.link.send(&news))?;
            }
        }
        Ok(())
    }

    /// Waits for the cells and the link together, and takes what came; gives whether anything did.
    fn wait_for_cells(&mut self, cells: &mut [Cell], timeout: Duration) -> Result<bool, Fault> {
        let output = self.link.has_pending().then(|| self.link.output());
        let of_link = [(Some(self.link.input()), PollFlags::POLLIN), (output, PollFlags::POLLOUT)];
        let of_cells = cells.iter().flat_map(Cell::descriptors);
        let ready = poll_those(of_link.into_iter().chain(of_cells), timeout)?;
        let (link, of_cells) = ready.split_at(2);
        if link[0] && !self.link.read()? {
            return Err(Fault::AgentGone);
        }
        if link[1] {
            self.link.flush()?;
        }
        for (cell, ready) in cells.iter_mut().zip(of_cells.chunks(4)) {
            if ready[1] {
                cell.take_output(Stream::Stdout)?;
            }
            if ready[2] {
                cell.take_output(Stream::Stderr)?;
            }
            if let Some(live) = cell.live().filter(|_| ready[3]) {
                live.write()?;
            }
            if ready[0] {
                cell.take_message()?;
            }
        }
        Ok(ready.contains(&true))
    }

    /// Waits until the agent took all that a step wrote.
    fn pass_on(&mut self, captures: &mut [(Stream, Capture)]) -> Result<(), Fault> {
        loop {
            pump(&mut self.link, captures.iter_mut().map(|(stream, capture)| (*stream, capture)))?;
            if !self.link.has_pending() {
                return Ok(());
            }
            self.wait_for_link(IDLE)?;
        }
    }
}

/// Puts captured output on its way while the link has room.
fn pump<'a>(link: &mut Link, captures: impl IntoIterator<Item = (Stream, &'a mut Capture)>) -> Result<(), Fault> {
    for (stream, capture) in captures {
        while link.has_room() {
            let bytes = capture.drain(CHUNK_BYTES_MAX);
            if bytes.is_empty() {
                break;
            }
            link.send(&Report::Output { stream, bytes: ByteBuf::from(bytes) })?;
        }
    }
    Ok(())
}
