//! What a program meets in a cell, and what its end is told as: no engine, no agent.

#[path = "cells/ends.rs"]
mod ends;
#[path = "cells/forerunners.rs"]
mod forerunners;
#[path = "cells/live.rs"]
mod live;
#[path = "cells/pairs.rs"]
mod pairs;
#[path = "cells/prepared.rs"]
mod prepared;
mod support;
#[path = "cells/trees.rs"]
mod trees;

use std::path::Path;

use enclos_protocol::outcome::{Exit, Stop};
use enclos_protocol::supervisor_link::{Keep, MASKED_PATHS, Report, Request, StdinSource, StepRequest, Workspace};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use support::{Sandbox, shell};

const SIGXFSZ: i32 = 25;

#[test]
fn a_file_limit_bounds_what_a_program_writes_and_not_what_it_was_given() {
    let content = "x".repeat(100_000);
    let mut sandbox = Sandbox::with_job(&[("large", &content)], "");
    let limited = |code: &str| {
        let mut step = StepRequest { keep: Keep::Workspace, ..shell(code) };
        step.limits.file_bytes = 1000;
        step
    };
    let ran = sandbox.run(limited("wc -c < large"));
    assert_eq!((ran.stdout.as_str(), ran.facts.exit), ("100000\n", Some(Exit::Code(0))), "{ran:?}");
    let ran = sandbox.run(StepRequest { workspace: Workspace::Kept, ..limited("wc -c < large") });
    assert_eq!((ran.stdout.as_str(), ran.facts.keep_error.as_deref()), ("100000\n", None), "{ran:?}");
    let ran = sandbox.run(limited("exec cat large large > larger"));
    assert_eq!(ran.facts.exit, Some(Exit::Signal(SIGXFSZ)), "{ran:?}");
}

#[test]
fn standard_streams_can_be_opened_anew_for_what_they_are() {
    let mut sandbox = Sandbox::with_job(&[], "brought");
    let code = "cat /dev/stdin > /dev/stdout && echo told > /dev/stderr && cat < /proc/self/fd/1";
    let ran = sandbox.run(StepRequest { stdin: StdinSource::Staged, ..shell(code) });
    assert_eq!(ran.stdout, "brought", "{ran:?}");
    assert!(ran.stderr.starts_with("told\n"), "{ran:?}");
    assert!(ran.stderr.contains("Permission denied"), "nobody reads what is for the supervisor: {ran:?}");
    let ran = sandbox.run(StepRequest { stdin: StdinSource::Staged, ..shell("echo x >> /dev/stdin; cat") });
    assert!(ran.stderr.contains("Permission denied") && ran.stdout == "brought", "{ran:?}");
}

#[test]
fn every_signal_is_told_by_its_number() {
    let mut sandbox = Sandbox::with_job(&[], "");
    for number in [6, 9, 34, 37, 64] {
        let ran = sandbox.run(shell(&format!("kill -{number} $$")));
        assert_eq!(ran.facts.exit, Some(Exit::Signal(number)), "{ran:?}");
        assert_eq!(ran.facts.start_error, None, "{ran:?}");
    }
}

#[test]
fn what_the_host_killed_is_no_end_of_a_program() {
    let mut sandbox = Sandbox::with_job(&[], "");
    sandbox.ask(&Request::RunStep(Box::new(shell("echo runs; exec sleep 100"))));
    assert!(matches!(sandbox.report(), Report::Output { .. }));
    kill(Pid::from_raw(sandbox.first_process()), Signal::SIGKILL).unwrap();
    let report = sandbox.report();
    assert!(matches!(&report, Report::Fault { message } if message.contains("killed from outside")), "{report:?}");
}

#[test]
fn who_is_ended_for_its_processor_time_used_more_than_its_limit() {
    let mut sandbox = Sandbox::with_job(&[], "");
    let mut step = shell("while :; do :; done");
    step.limits.cpu_ms = 100;
    for _ in 0..3 {
        let facts = sandbox.run(step.clone()).facts;
        assert_eq!(facts.stop, Some(Stop::CpuLimit), "{facts:?}");
        assert!(facts.cpu_us > 100_000, "{facts:?}");
    }
}

#[test]
fn no_crash_reaches_a_handler_of_the_host() {
    let mut sandbox = Sandbox::with_job(&[], "");
    let code = "ulimit -c 0; ulimit -Hc 0; grep core /proc/self/limits | tr -s ' '; kill -11 $$";
    let ran = sandbox.run(shell(code));
    assert_eq!(
        (ran.stdout.trim(), ran.facts.exit),
        ("Max core file size 1 1 bytes", Some(Exit::Signal(11))),
        "{ran:?}"
    );
}

#[test]
fn a_cell_shows_nothing_of_how_its_host_is_made() {
    let mut sandbox = Sandbox::with_job(&[], "");
    let paths: Vec<_> = MASKED_PATHS.into_iter().filter(|path| Path::new(path).exists()).collect();
    assert!(paths.contains(&"/proc/cmdline"));
    let look = |path: &str| format!("{} {path}\n", if Path::new(path).is_dir() { "ls -A" } else { "cat" });
    let ran = sandbox.run(shell(&paths.into_iter().map(look).collect::<String>()));
    assert_eq!(ran.stdout, "", "{ran:?}");
}
