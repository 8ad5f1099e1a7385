//! What the first process of a cell is told to run: one packet, with every descriptor that this takes.
//!
//! A cell holds what came with its task and nothing else of the supervisor's, so it may have been made
//! at any time before.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::vec;

use enclos_protocol::frame::{self, FRAME_BYTES_MAX};
use enclos_protocol::supervisor_link::StepRequest;

use super::control::Control;
use super::held::Held;
use crate::sys;

/// Before the request: what else comes, how many groups are to be joined, and how many archives laid out.
const HEAD_BYTES: usize = 3;
const WITH_SIGNALS: u8 = 1;
const WITH_KEEP: u8 = 2;
const PAIRED: u8 = 4;
const REHEARSAL: u8 = 8;
const FORERUNNER: u8 = 16;

/// A task as it is given.
pub struct Given<'a> {
    pub request: &'a StepRequest,
    /// Standard input, output and error.
    pub streams: [BorrowedFd<'a>; 3],
    pub signals: Option<&'a File>,
    pub keep: Option<&'a File>,
    pub members: &'a [File],
    pub files: &'a [File],
    pub paired: bool,
    pub rehearsal: bool,
    pub forerunner: bool,
}

/// A task as it is taken.
pub struct Task {
    pub request: StepRequest,
    pub stdin: OwnedFd,
    pub stdout: OwnedFd,
    pub stderr: OwnedFd,
    /// Where signals for the program are heard, if its standard input is live.
    pub signals: Option<File>,
    /// Where an archive of what it leaves goes.
    pub keep: Option<File>,
    /// Of the cell's cgroup; writing `0` joins it.
    pub members: Vec<File>,
    /// Archives of the files that the program finds.
    pub files: Vec<File>,
    /// Standard input and output are another program's.
    pub paired: bool,
    /// End well instead of executing the program: the sandbox is being proven.
    pub rehearsal: bool,
    /// Its program starts at once, and waits for the task of its step.
    pub forerunner: bool,
}

impl Given<'_> {
    /// Sends it to the first process.
    pub fn send(&self, to: &Control) -> io::Result<()> {
        let flag = |is: bool, bit: u8| if is { bit } else { 0 };
        let flags = flag(self.signals.is_some(), WITH_SIGNALS)
            | flag(self.keep.is_some(), WITH_KEEP)
            | flag(self.paired, PAIRED)
            | flag(self.rehearsal, REHEARSAL)
            | flag(self.forerunner, FORERUNNER);
        let count = |files: &[File]| u8::try_from(files.len()).map_err(io::Error::other);
        let mut packet = vec![flags, count(self.members)?, count(self.files)?];
        packet.extend(frame::encode_body(self.request).map_err(io::Error::other)?);
        let files = self.signals.into_iter().chain(self.keep).chain(self.members).chain(self.files);
        let descriptors: Vec<_> = self.streams.into_iter().chain(files.map(File::as_fd)).collect();
        sys::send_with_descriptors(to.fd(), &packet, &descriptors)
    }
}

impl Task {
    /// Waits in the first process for its task; `None`: the supervisor has none, or is gone.
    pub fn receive(from: &Control) -> io::Result<Option<Self>> {
        let mut packet = vec![0; HEAD_BYTES + FRAME_BYTES_MAX];
        let (count, descriptors) = sys::receive_with_descriptors(from.fd(), &mut packet)?;
        let Some(([flags, members, files], body)) = packet[..count].split_first_chunk::<HEAD_BYTES>() else {
            return Ok(None);
        };
        let (flags, members, files) = (*flags, usize::from(*members), usize::from(*files));
        let mut descriptors = descriptors.into_iter();
        let task = Self {
            request: frame::decode_body(body).map_err(io::Error::other)?,
            stdin: next(&mut descriptors)?,
            stdout: next(&mut descriptors)?,
            stderr: next(&mut descriptors)?,
            signals: some(flags & WITH_SIGNALS != 0, &mut descriptors)?,
            keep: some(flags & WITH_KEEP != 0, &mut descriptors)?,
            members: several(members, &mut descriptors)?,
            files: several(files, &mut descriptors)?,
            paired: flags & PAIRED != 0,
            rehearsal: flags & REHEARSAL != 0,
            forerunner: flags & FORERUNNER != 0,
        };
        Ok(Some(task))
    }

    /// Lets go all but what is held of a pair.
    pub fn into_held(self) -> Held {
        let Self { stdin, stdout, paired, .. } = self;
        Held::new(if paired { vec![stdin, stdout] } else { Vec::new() })
    }
}

type Descriptors = vec::IntoIter<OwnedFd>;

fn next(descriptors: &mut Descriptors) -> io::Result<OwnedFd> {
    descriptors.next().ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
}

fn some(is: bool, descriptors: &mut Descriptors) -> io::Result<Option<File>> {
    is.then(|| next(descriptors).map(File::from)).transpose()
}

fn several(count: usize, descriptors: &mut Descriptors) -> io::Result<Vec<File>> {
    (0..count).map(|_| next(descriptors).map(File::from)).collect()
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Seek as _, Write as _};

    use super::*;
    use crate::server::rehearsal_step;

    fn file(content: &str) -> File {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(content.as_bytes()).unwrap();
        file.rewind().unwrap();
        file
    }

    fn text(mut file: File) -> String {
        let mut text = String::new();
        file.read_to_string(&mut text).unwrap();
        text
    }

    #[test]
    fn every_descriptor_arrives_where_it_belongs() {
        let (ours, theirs) = Control::pair().unwrap();
        let mut request = rehearsal_step();
        // As large as a request can be.
        request.argv.push("x".repeat(FRAME_BYTES_MAX - 1024));
        let streams = ["in", "out", "err"].map(file);
        let (signals, keep) = (file("signals"), file("keep"));
        let (members, files) = (["a", "b"].map(file), ["c"].map(file));
        let given = Given {
            request: &request,
            streams: streams.each_ref().map(File::as_fd),
            signals: Some(&signals),
            keep: Some(&keep),
            members: &members,
            files: &files,
            paired: true,
            rehearsal: false,
            forerunner: true,
        };
        given.send(&ours).unwrap();
        let task = Task::receive(&theirs).unwrap().unwrap();
        assert_eq!((&task.request, task.paired, task.rehearsal, task.forerunner), (&request, true, false, true));
        assert_eq!([task.stdin, task.stdout, task.stderr].map(|fd| text(fd.into())), ["in", "out", "err"]);
        assert_eq!((text(task.signals.unwrap()), text(task.keep.unwrap())), ("signals".into(), "keep".into()));
        let texts = |files: Vec<File>| files.into_iter().map(text).collect::<Vec<_>>();
        assert_eq!((texts(task.members), texts(task.files)), (vec!["a".into(), "b".into()], vec!["c".into()]));
    }

    #[test]
    fn a_cell_for_which_there_is_no_task_is_told_so_by_the_end() {
        let (ours, theirs) = Control::pair().unwrap();
        drop(ours);
        assert!(Task::receive(&theirs).unwrap().is_none());
    }
}
