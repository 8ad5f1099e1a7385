//! A supervisor as first process of a small system of its own, without an engine: in mount and pid
//! namespaces, on a root of its own in which it finds what a container would give it. Needs root, as
//! the tests with an engine do.

mod group;

use std::io::{Read, Write};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use enclos_protocol::frame::{self, CHUNK_BYTES_MAX, Decoder};
use enclos_protocol::job::{JobPath, Stream};
use enclos_protocol::limits::StepLimits;
use enclos_protocol::outcome::StepFacts;
use enclos_protocol::supervisor_link::{
    CellKind, PairFacts, PairRequest, Report, Request, SUPERVISOR_VERSION, Setup, StepRequest, Tree,
};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_bytes::ByteBuf;

pub use group::Group;

/// Makes the root below `$1` and replaces itself by the supervisor `$2`, which finds the socket `$3`, if that is said.
const SYSTEM: &str = include_str!("system.sh");

/// Who programs are outside of their cells; nobody else is.
const PROGRAM_HOST_UID: u32 = 1_999_000_000;
/// Who interactors are.
const JUDGE_HOST_UID: u32 = 1_999_000_001;

/// A sandbox.
pub struct Sandbox {
    child: Child,
    input: Box<dyn Write>,
    output: Box<dyn Read>,
    decoder: Decoder,
    _root: tempfile::TempDir,
    group: Option<Group>,
}

/// What a step came to.
#[derive(Debug)]
pub struct Ran {
    pub facts: StepFacts,
    /// The forerunner took it.
    pub handed_over: bool,
    pub stdout: String,
    pub stderr: String,
}

/// A shell that runs `code`, with limits that it does not meet.
pub fn shell(code: &str) -> StepRequest {
    let limits = StepLimits {
        cpu_ms: 10_000,
        wall_ms: 20_000,
        memory_bytes: 64 << 20,
        pids: 16,
        output_bytes: 1 << 16,
        report_bytes: 1 << 16,
        file_bytes: 1 << 20,
        stack_bytes: 8 << 20,
        cpu_millis: 1000,
    };
    let argv = ["sh", "-c", code].map(str::to_owned).to_vec();
    StepRequest::plain(argv, vec![("PATH".to_owned(), "/usr/bin:/bin".to_owned())], limits)
}

impl Sandbox {
    /// One that was set up, in the middle of a job that brought `files` and `stdin`. Its cells have no cgroups.
    pub fn with_job(files: &[(&str, &str)], stdin: &str) -> Self {
        let mut sandbox = Self::set_up(None, None);
        sandbox.begin_job(files, stdin);
        sandbox
    }

    /// One that was set up and whose cells have cgroups, idle.
    pub fn with_cgroups() -> Self {
        Self::set_up(Some(Group::make()), None)
    }

    /// The same, spoken to over a socket; at its path nobody listens any more.
    pub fn over_socket() -> Self {
        let directory = tempfile::tempdir().expect("a directory can be made");
        Self::set_up(Some(Group::make()), Some(&directory.path().join("wire")))
    }

    fn set_up(group: Option<Group>, socket: Option<&Path>) -> Self {
        assert!(nix::unistd::geteuid().is_root(), "cells of other users are made by root only");
        let root = tempfile::tempdir().expect("a directory can be made");
        let listener = socket.map(|path| UnixListener::bind(path).expect("a socket can be made"));
        let mut child = Command::new("unshare")
            .args(["--mount", "--pid", "--fork", "--kill-child", "sh", "-c", SYSTEM, "sh"])
            .args([root.path().as_os_str(), env!("CARGO_BIN_EXE_enclos-supervisor").as_ref()])
            .arg(socket.unwrap_or(Path::new("")))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("unshare(1) is installed");
        let input = child.stdin.take().expect("it is a pipe");
        let output = child.stdout.take().expect("it is a pipe");
        let place = group.as_ref().map(Group::place);
        let (input, output) = (Box::new(input), Box::new(output));
        let mut sandbox = Self { child, input, output, decoder: Decoder::default(), _root: root, group };
        assert_eq!(sandbox.report(), Report::Ready { version: SUPERVISOR_VERSION });
        sandbox.ask(&Request::Setup(Setup {
            version: SUPERVISOR_VERSION,
            host_uid: PROGRAM_HOST_UID,
            judge_uid: JUDGE_HOST_UID,
            cells: CellKind::Namespaced,
            cgroup: place,
            container_cpu: None,
            cpus: None,
            wire: listener.is_some(),
        }));
        let set_up = sandbox.report();
        let Report::SetUp(facts) = set_up else { panic!("{set_up:?}") };
        assert_eq!(facts.wire, listener.is_some());
        if let Some(listener) = listener {
            let (socket, _) = listener.accept().expect("the supervisor is connected");
            sandbox.input = Box::new(socket.try_clone().expect("a socket has many descriptors"));
            sandbox.output = Box::new(socket);
        }
        sandbox
    }

    /// Begins a job.
    pub fn begin_job(&mut self, files: &[(&str, &str)], stdin: &str) {
        self.ask(&Request::BeginJob { cpus: None });
        for (path, content) in files {
            self.ask(&Request::PutFile { path: JobPath::try_from((*path).to_owned()).expect("a path") });
            self.bring(content);
        }
        self.put_stdin(stdin);
    }

    /// Ends it; gives what was not back at base.
    pub fn end_job(&mut self) -> Vec<String> {
        self.ask(&Request::EndJob);
        match self.report() {
            Report::JobEnded { leftovers } => leftovers,
            other => panic!("{other:?}"),
        }
    }

    fn bring(&mut self, content: &str) {
        for chunk in content.as_bytes().chunks(CHUNK_BYTES_MAX) {
            self.ask(&Request::Data(ByteBuf::from(chunk)));
        }
    }

    /// Sends a request.
    pub fn ask(&mut self, request: &Request) {
        let bytes = frame::encode(request).expect("requests can be written");
        self.input.write_all(&bytes).expect("the supervisor takes requests");
    }

    /// The next report.
    pub fn report(&mut self) -> Report {
        let mut buffer = [0; 4096];
        loop {
            if let Some(report) = self.decoder.take().expect("reports can be read") {
                return report;
            }
            let count = self.output.read(&mut buffer).expect("the supervisor can be heard");
            assert!(count > 0, "the supervisor ended");
            self.decoder.feed(&buffer[..count]);
        }
    }

    /// Runs a program and an interactor to their ends; gives what the program wrote to standard error, too.
    pub fn run_pair(&mut self, program: StepRequest, judge: StepRequest) -> (PairFacts, String) {
        self.ask(&Request::RunPair(Box::new(PairRequest { program, judge })));
        let mut stderr = Vec::new();
        loop {
            match self.report() {
                Report::Output { stream: Stream::Stderr, bytes } => stderr.extend_from_slice(&bytes),
                Report::PairDone(facts) => return (*facts, String::from_utf8(stderr).expect("it is text")),
                other => panic!("{other:?}"),
            }
        }
    }

    /// Nothing is said to it any more; gives whether it then ends well.
    pub fn hang_up(mut self) -> bool {
        (self.input, self.output) = (Box::new(std::io::sink()), Box::new(std::io::empty()));
        self.child.wait().is_ok_and(|status| status.success())
    }

    /// A tree as the agent gets it.
    pub fn take_tree(&mut self, tree: Tree, bytes_max: u64) -> Option<Vec<u8>> {
        self.ask(&Request::TakeTree { tree, bytes_max });
        let mut archive = Vec::new();
        loop {
            match self.report() {
                Report::Tree(bytes) => archive.extend_from_slice(&bytes),
                Report::TreeDone { whole } => return whole.then_some(archive),
                other => panic!("{other:?}"),
            }
        }
    }

    /// Brings a file for the next step.
    pub fn put_extra(&mut self, path: &str, content: &str) {
        self.ask(&Request::PutExtra { path: JobPath::try_from(path.to_owned()).expect("a path") });
        self.bring(content);
    }

    /// Brings standard input anew.
    pub fn put_stdin(&mut self, content: &str) {
        self.ask(&Request::PutStdin);
        self.bring(content);
    }

    /// Brings a tree.
    pub fn put_tree(&mut self, tree: Tree, archive: &[u8]) {
        self.ask(&Request::PutTree(tree));
        for chunk in archive.chunks(CHUNK_BYTES_MAX) {
            self.ask(&Request::Data(ByteBuf::from(chunk)));
        }
    }

    /// Runs a step to its end.
    pub fn run(&mut self, step: StepRequest) -> Ran {
        self.ask(&Request::RunStep(Box::new(step)));
        let (mut stdout, mut stderr, mut handed_over) = (Vec::new(), Vec::new(), false);
        let facts = loop {
            match self.report() {
                Report::Output { stream: Stream::Stdout, bytes } => stdout.extend_from_slice(&bytes),
                Report::Output { stream: Stream::Stderr, bytes } => stderr.extend_from_slice(&bytes),
                Report::HandedOver => handed_over = true,
                Report::StepDone(facts) => break *facts,
                other => panic!("{other:?}"),
            }
        };
        let text = |bytes| String::from_utf8(bytes).expect("it is text");
        Ran { facts, handed_over, stdout: text(stdout), stderr: text(stderr) }
    }

    /// As the host counts: the first process of the cell that runs, where none waits, or of the one that
    /// waits, where none runs.
    pub fn first_process(&self) -> i32 {
        let processes = self.first_processes();
        let [one] = processes[..] else { panic!("there is one cell: {processes:?}") };
        one
    }

    /// The first processes of all its cells.
    pub fn first_processes(&self) -> Vec<i32> {
        children(self.supervisor())
    }

    fn supervisor(&self) -> i32 {
        children(i32::try_from(self.child.id()).expect("ids are small"))[0]
    }

    /// Ends it as an engine does, and waits until all of it is gone; gives its cgroup.
    pub fn destroy(mut self) -> Option<Group> {
        self.end();
        self.group.take()
    }

    /// Who was the first process's parent ends when that did, and it when all others did.
    fn end(&mut self) {
        let of_unshare = i32::try_from(self.child.id()).map(children).unwrap_or_default();
        for first in of_unshare {
            let _ = kill(Pid::from_raw(first), Signal::SIGKILL);
        }
        let _ = self.child.wait();
    }
}

/// Processes that it started and has not reaped, as the host counts.
pub fn children(pid: i32) -> Vec<i32> {
    let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    children.split_whitespace().map(|child| child.parse().expect("a number")).collect()
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        self.end();
    }
}
