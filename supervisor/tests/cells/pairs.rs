//! A program and an interactor, joined by pipes: no engine, no agent.

use crate::support::{Sandbox, shell};
use enclos_protocol::archive::pack;
use enclos_protocol::job::{JobFile, JobPath};
use enclos_protocol::outcome::{Exit, Stop};
use enclos_protocol::supervisor_link::{PairFacts, Side, StepRequest, Tree, Workspace};

const SIGPIPE: i32 = 13;

fn judge(code: &str) -> StepRequest {
    StepRequest { workspace: Workspace::Judge, extras: true, ..shell(code) }
}

fn sandbox() -> Sandbox {
    let mut sandbox = Sandbox::with_job(&[("program", "p")], "");
    let path = JobPath::try_from("judge".to_owned()).expect("a path");
    sandbox.put_tree(Tree::Judge, &pack(&[JobFile { path, content: b"j".to_vec().into() }]));
    sandbox
}

fn exits(facts: &PairFacts) -> (Option<Exit>, Option<Exit>) {
    (facts.program.exit, facts.judge.exit)
}

#[test]
fn each_reads_what_the_other_writes_and_finds_its_own_files_only() {
    let mut sandbox = sandbox();
    sandbox.put_extra("secret", "42");
    let program = shell("ls >&2; read x; echo got $x; id -u >&2");
    let asks = judge("cat secret; echo; read got; ls; [ \"$got\" = 'got 42' ] && exit 42; exit 43");
    let (facts, stderr) = sandbox.run_pair(program, asks);
    assert_eq!(exits(&facts), (Some(Exit::Code(0)), Some(Exit::Code(42))), "{facts:?}");
    assert_eq!(stderr, "program\n1000\n");
    assert_eq!((facts.program.stdout_bytes, facts.judge.stderr_bytes), (0, 0));
}

#[test]
fn one_cannot_reach_the_other() {
    let mut sandbox = sandbox();
    sandbox.put_extra("secret", "42");
    let look = "for way in root/job cwd; do cat /proc/*/$way/secret; done 2>/dev/null; cat secret; kill -9 -1; ls -d /proc/[0-9]* >&2";
    let (facts, stderr) =
        sandbox.run_pair(shell(&format!("{look}; echo done")), judge("read x; test \"$x\" = done && exit 42"));
    assert_eq!(exits(&facts).1, Some(Exit::Code(42)), "{facts:?}");
    assert!(!stderr.contains("42"), "{stderr}");
}

#[test]
fn the_end_that_was_first_is_told_as_the_first() {
    let mut sandbox = sandbox();
    for _ in 0..30 {
        // The end of either is what ends the other.
        let (facts, _) = sandbox.run_pair(shell("exit 1"), judge("cat; exit 43"));
        assert_eq!((exits(&facts), facts.first), ((Some(Exit::Code(1)), Some(Exit::Code(43))), Side::Program));
        let (facts, _) = sandbox.run_pair(shell("cat; exit 1"), judge("exit 43"));
        assert_eq!((exits(&facts), facts.first), ((Some(Exit::Code(1)), Some(Exit::Code(43))), Side::Judge));
        let (facts, _) = sandbox.run_pair(shell("exec yes"), judge("read x; exit 43"));
        let ends = (Some(Exit::Signal(SIGPIPE)), Some(Exit::Code(43)));
        assert_eq!((exits(&facts), facts.first), (ends, Side::Judge));
    }
}

#[test]
fn a_pipe_that_one_closes_ends_for_the_other_although_it_lives_on() {
    let mut sandbox = sandbox();
    let (facts, _) =
        sandbox.run_pair(shell("cat | wc -c"), judge("echo 12345; exec >&-; read n; test $n = 6 && exit 42; exit 43"));
    assert_eq!(exits(&facts), (Some(Exit::Code(0)), Some(Exit::Code(42))), "{facts:?}");
    let (facts, _) =
        sandbox.run_pair(shell("echo 1; exec >&-; cat > got; test -s got"), judge("cat > all; echo 2; exit 42"));
    assert_eq!(exits(&facts), (Some(Exit::Code(0)), Some(Exit::Code(42))), "{facts:?}");
}

#[test]
fn limits_hold_each_by_itself() {
    let mut sandbox = sandbox();
    let mut program = shell("sleep 100");
    program.limits.wall_ms = 300;
    let (facts, _) = sandbox.run_pair(program, judge("cat; exit 43"));
    assert_eq!((facts.program.stop, exits(&facts).1), (Some(Stop::WallLimit), Some(Exit::Code(43))), "{facts:?}");
    assert_eq!(facts.first, Side::Program);
    let mut slow = judge("while :; do :; done");
    slow.limits.wall_ms = 1000;
    let (facts, _) = sandbox.run_pair(shell("cat"), slow);
    assert_eq!((facts.judge.stop, exits(&facts).0), (Some(Stop::WallLimit), Some(Exit::Code(0))), "{facts:?}");
    assert!(facts.judge.cpu_us > facts.program.cpu_us, "each has its own: {facts:?}");
}

#[test]
fn both_start_or_none_does() {
    let mut sandbox = sandbox();
    let ran = |program: StepRequest, judge: StepRequest, sandbox: &mut Sandbox| sandbox.run_pair(program, judge).0;
    let mut large = judge("exit 42");
    large.argv = vec!["no\0program".into()];
    let facts = ran(shell("echo ran >&2; cat"), large, &mut sandbox);
    assert!(facts.judge.start_error.is_some(), "{facts:?}");
    assert_eq!((facts.program.stop, facts.program.wall_us), (Some(Stop::Cancelled), 0), "{facts:?}");
}
