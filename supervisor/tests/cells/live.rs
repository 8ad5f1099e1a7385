//! A step whose standard input is live: bytes, their end, signals; no engine, no agent.

use enclos_protocol::job::Stream;
use enclos_protocol::live::{STDIN_WINDOW_BYTES, Signal};
use enclos_protocol::outcome::{Exit, StepFacts, Stop};
use enclos_protocol::supervisor_link::{Report, Request, StdinSource, StepRequest};
use serde_bytes::ByteBuf;

use crate::support::{Sandbox, shell};

/// A live step that runs.
struct Live {
    sandbox: Sandbox,
    stdout: Vec<u8>,
    taken: u64,
    closed: bool,
    facts: Option<StepFacts>,
}

impl Live {
    fn begin(code: &str) -> Self {
        Self::begin_step(shell(code))
    }

    fn begin_step(step: StepRequest) -> Self {
        let mut sandbox = Sandbox::with_job(&[], "");
        sandbox.ask(&Request::RunStep(Box::new(StepRequest { stdin: StdinSource::Live, ..step })));
        let mut live = Self { sandbox, stdout: Vec::new(), taken: u64::MAX, closed: false, facts: None };
        live.hear_until(|live| live.taken == 0);
        live
    }

    fn say(&mut self, bytes: &[u8], last: bool) {
        self.sandbox.ask(&Request::Stdin { bytes: ByteBuf::from(bytes), last });
    }

    fn signal(&mut self, signal: Signal) {
        self.sandbox.ask(&Request::Signal(signal));
    }

    fn hear_until(&mut self, enough: impl Fn(&Self) -> bool) {
        while !enough(self) {
            match self.sandbox.report() {
                Report::Output { stream: Stream::Stdout, bytes } => self.stdout.extend_from_slice(&bytes),
                // A shell tells of a child that a signal ended.
                Report::Output { stream: Stream::Stderr, .. } => {}
                Report::StdinTaken { taken, closed } => (self.taken, self.closed) = (taken, closed),
                Report::StepDone(facts) => self.facts = Some(*facts),
                other => panic!("{other:?}"),
            }
        }
    }

    fn heard(&mut self, text: &str) {
        self.hear_until(|live| live.stdout == text.as_bytes());
    }

    fn end(mut self) -> (StepFacts, Vec<u8>) {
        self.hear_until(|live| live.facts.is_some());
        (self.facts.expect("it was just heard"), self.stdout)
    }
}

#[test]
fn a_program_answers_each_line_and_ends_with_its_input() {
    let mut live = Live::begin("while read x; do echo got $x; done; echo end");
    live.say(b"a\n", false);
    live.heard("got a\n");
    live.say(b"b\nc", false);
    live.heard("got a\ngot b\n");
    live.say(b"\n", true);
    let (facts, stdout) = live.end();
    assert_eq!((stdout.as_slice(), facts.exit), (&b"got a\ngot b\ngot c\nend\n"[..], Some(Exit::Code(0))), "{facts:?}");
}

#[test]
fn any_bytes_pass_window_after_window() {
    let mut step = shell("cat");
    (step.limits.output_bytes, step.limits.report_bytes) = (1 << 20, 1 << 20);
    let mut live = Live::begin_step(step);
    let said: Vec<u8> = (0..3 * STDIN_WINDOW_BYTES).map(|n| u8::try_from(n * 7 % 251).unwrap()).collect();
    for window in said.chunks(STDIN_WINDOW_BYTES) {
        live.say(window, false);
        let all = live.taken + window.len() as u64;
        live.hear_until(|live| live.taken == all);
    }
    live.say(b"", true);
    let (facts, stdout) = live.end();
    assert!(stdout == said && facts.exit == Some(Exit::Code(0)), "{facts:?}");
}

#[test]
fn a_program_that_does_not_read_stops_only_its_own_input() {
    let mut live = Live::begin("echo here; exec sleep 100");
    live.heard("here\n");
    // The pipe takes its part, and what it does not take is the window's.
    live.say(&vec![b'x'; STDIN_WINDOW_BYTES], false);
    let pipe = STDIN_WINDOW_BYTES as u64;
    live.hear_until(|live| live.taken == pipe);
    live.say(&vec![b'y'; STDIN_WINDOW_BYTES], false);
    live.signal(Signal::Term);
    let (facts, _) = live.end();
    assert_eq!(facts.exit, Some(Exit::Signal(15)), "signals pass what is not read: {facts:?}");
}

#[test]
fn who_sends_more_than_has_room_is_out_of_order() {
    let mut live = Live::begin("exec sleep 100");
    for _ in 0..3 {
        live.say(&vec![b'x'; STDIN_WINDOW_BYTES], false);
    }
    let fault = std::iter::from_fn(|| Some(live.sandbox.report())).find(|r| !matches!(r, Report::StdinTaken { .. }));
    assert!(matches!(&fault, Some(Report::Fault { message }) if message.contains("standard input")), "{fault:?}");
}

#[test]
fn a_program_that_closes_its_input_is_told_of() {
    let mut live = Live::begin("exec <&-; echo closed; exec sleep 100");
    live.hear_until(|live| live.closed);
    live.say(b"nobody reads this", true);
    live.heard("closed\n");
    live.sandbox.ask(&Request::CancelStep);
    let (facts, _) = live.end();
    assert_eq!(facts.stop, Some(Stop::Cancelled), "{facts:?}");
}

#[test]
fn a_signal_reaches_the_group_of_the_program_as_from_a_terminal() {
    let code = "trap 'echo caught' INT; sh -c 'trap \"echo child; exit\" INT; echo ready; while :; do sleep 1; done'; echo over";
    let mut live = Live::begin(code);
    live.heard("ready\n");
    live.signal(Signal::Int);
    let (facts, stdout) = live.end();
    let text = String::from_utf8(stdout).unwrap();
    assert!(text.contains("caught") && text.contains("child") && text.ends_with("over\n"), "{text}");
    assert_eq!(facts.exit, Some(Exit::Code(0)), "{facts:?}");
}

#[test]
fn every_signal_of_the_list_arrives_and_kill_ends() {
    let names = "HUP INT QUIT USR1 USR2 TERM";
    let code = format!("for s in {names}; do trap \"echo $s\" $s; done; echo ready; while :; do sleep 0.01; done");
    let mut live = Live::begin(&code);
    live.heard("ready\n");
    for (signal, name) in [
        (Signal::Hup, "HUP"),
        (Signal::Int, "INT"),
        (Signal::Quit, "QUIT"),
        (Signal::Usr1, "USR1"),
        (Signal::Usr2, "USR2"),
        (Signal::Term, "TERM"),
    ] {
        live.signal(signal);
        live.hear_until(|live| live.stdout.ends_with(format!("{name}\n").as_bytes()));
    }
    live.signal(Signal::Kill);
    assert_eq!(live.end().0.exit, Some(Exit::Signal(9)));
}

#[test]
fn orphans_are_reaped_while_it_runs_and_gone_after_it() {
    let mut step =
        shell("i=0; while [ $i -lt 20 ]; do (: &); sleep 0.05; i=$((i+1)); done; read x; (sleep 100 &); exit 3");
    step.limits.pids = 8;
    let mut live = Live::begin_step(step);
    live.say(b"go\n", false);
    let (facts, _) = live.end();
    assert_eq!(facts.exit, Some(Exit::Code(3)), "{facts:?}");
}

#[test]
fn a_later_step_of_the_sandbox_has_nothing_of_it() {
    let mut live = Live::begin("read x; echo $x");
    live.say(b"one\ntwo\n", false);
    live.hear_until(|live| live.facts.is_some());
    // On their way when it ended.
    live.say(b"late", true);
    live.signal(Signal::Kill);
    let ran = live.sandbox.run(shell("cat; echo whole"));
    assert_eq!((ran.stdout.as_str(), ran.facts.exit), ("whole\n", Some(Exit::Code(0))), "{ran:?}");
}
