//! A program that waits for its step: taken by the step that it fits, once; by no other, and seen by nobody.

use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use enclos_protocol::forerunner::{FORERUNNER_BYTES_MAX, FORERUNNER_PIDS_MAX, Forerunner};
use enclos_protocol::outcome::Exit;
use enclos_protocol::supervisor_link::{Keep, Report, Request, StepRequest, Workspace};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::support::{Ran, Sandbox, children, shell};

/// Longest that a process may take to be there, or gone.
const WAIT: Duration = Duration::from_secs(20);
/// Waits for a shell's command line, and does in its own process what that shell would.
const WAITS: &str = "printf . >&0; code=$(tr '\\0' '\\n' | tail -n +3); waited=yes; eval \"$code\"";
const MIB: u64 = 1 << 20;

/// A step for which a forerunner with `code` may have been started.
fn step_after(before: &str, code: &str) -> StepRequest {
    let mut step = StepRequest { forerunner: Some(shell(before).argv), ..shell(code) };
    step.limits.memory_bytes = 256 * MIB;
    step.limits.pids = FORERUNNER_PIDS_MAX + 1;
    step
}

fn step(code: &str) -> StepRequest {
    step_after(WAITS, code)
}

fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + WAIT;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "{what}");
        thread::yield_now();
    }
}

/// Starts the forerunner of `step`; gives its process as soon as `is_there`.
fn start(sandbox: &mut Sandbox, step: &StepRequest, is_there: impl Fn(i32) -> bool) -> i32 {
    let StepRequest { env, limits, forerunner, .. } = step.clone();
    let argv = forerunner.expect("it has one");
    sandbox.ask(&Request::StartForerunner(Box::new(Forerunner { argv, env, limits })));
    until("a forerunner", || {
        let of_cells = sandbox.first_processes().into_iter().flat_map(children);
        of_cells.into_iter().find(|process| is_there(*process))
    })
}

/// The same, when it waits for its command line.
fn ready(sandbox: &mut Sandbox, step: &StepRequest) -> i32 {
    let is_reading = |process: i32| {
        let comm = |pid: &i32| std::fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|comm| comm == "tr\n");
        children(process).iter().flat_map(|sub| children(*sub).into_iter().chain([*sub])).any(|pid| comm(&pid))
    };
    start(sandbox, step, is_reading)
}

fn is_there(process: i32) -> bool {
    Path::new(&format!("/proc/{process}")).exists()
}

fn sandbox() -> Sandbox {
    let mut sandbox = Sandbox::with_cgroups();
    sandbox.begin_job(&[], "");
    assert_eq!(sandbox.end_job(), [""; 0]);
    sandbox
}

fn ordinary(ran: &Ran) {
    assert!(!ran.handed_over && ran.facts.exit == Some(Exit::Code(0)) && ran.stdout == "no\n", "{ran:?}");
}

const TELL: &str = "echo ${waited-no}";

#[test]
fn a_forerunner_takes_one_step_with_its_files_and_what_that_leaves_is_kept() {
    let mut sandbox = sandbox();
    let code = "pwd; cat main.x; echo made > made; echo told >&2; id -u; exit ${waited:+7}";
    ready(&mut sandbox, &step(code));
    sandbox.begin_job(&[("main.x", "source\n")], "");
    let keep = Keep::Files(vec!["made".to_owned().try_into().expect("a pattern")]);
    let ran = sandbox.run(StepRequest { keep, ..step(code) });
    assert!(ran.handed_over, "{ran:?}");
    assert_eq!((ran.stdout.as_str(), ran.stderr.as_str()), ("/job\nsource\n1000\n", "told\n"));
    assert_eq!((ran.facts.exit, ran.facts.keep_error.clone()), (Some(Exit::Code(7)), None), "{ran:?}");
    let kept = sandbox.take_tree(enclos_protocol::supervisor_link::Tree::Files, 1 << 20).expect("it is small");
    assert!(String::from_utf8_lossy(&kept).contains("made"));
    ordinary(&sandbox.run(step(TELL)));
    assert_eq!(sandbox.end_job(), [""; 0]);
}

#[test]
fn what_its_step_leaves_is_what_the_next_finds_and_no_other_job_does() {
    let mut sandbox = sandbox();
    for name in ["first", "second"] {
        let code = format!("ls -A /job /tmp /dev/shm; : > {name}; : > /tmp/{name}");
        ready(&mut sandbox, &step(&code));
        sandbox.begin_job(&[], "");
        let ran = sandbox.run(StepRequest { keep: Keep::Workspace, ..step(&code) });
        assert!(ran.handed_over, "{ran:?}");
        assert_eq!(ran.stdout, "/dev/shm:\n\n/job:\n\n/tmp:\n", "{ran:?}");
        let ran = sandbox.run(StepRequest { workspace: Workspace::Kept, ..step("ls -A /job /tmp") });
        assert_eq!(ran.stdout, format!("/job:\n{name}\n\n/tmp:\n"), "{ran:?}");
        assert_eq!(sandbox.end_job(), [""; 0]);
    }
}

#[test]
fn a_step_that_it_does_not_fit_gets_an_ordinary_cell_and_it_ends() {
    type Change = fn(&mut StepRequest);
    let changes: [(&str, Change); 8] = [
        ("less memory than it may have used", |step| step.limits.memory_bytes = FORERUNNER_BYTES_MAX - 1),
        ("fewer processes", |step| step.limits.pids = FORERUNNER_PIDS_MAX - 1),
        ("another stack", |step| step.limits.stack_bytes += 1),
        ("smaller files", |step| step.limits.file_bytes -= 1),
        ("another environment", |step| step.env.push(("A".to_owned(), "b".to_owned()))),
        ("another program", |step| step.forerunner = Some(vec!["sh".to_owned()])),
        ("no program", |step| step.forerunner = None),
        ("a long command line", |step| step.argv.push("x".repeat(64 * 1024))),
    ];
    let mut sandbox = sandbox();
    for (name, change) in changes {
        let waits = ready(&mut sandbox, &step(TELL));
        sandbox.begin_job(&[], "");
        let mut other = step(TELL);
        change(&mut other);
        let ran = sandbox.run(other);
        ordinary(&ran);
        assert!(!is_there(waits), "{name}");
        assert_eq!(sandbox.end_job(), [""; 0], "{name}");
    }
}

#[test]
fn one_that_died_or_was_killed_or_is_not_ready_is_noticed_by_no_job() {
    let mut sandbox = sandbox();
    let killed = |sandbox: &mut Sandbox| {
        let waits = ready(sandbox, &step(TELL));
        kill(Pid::from_raw(waits), Signal::SIGKILL).unwrap();
        let state = move || std::fs::read_to_string(format!("/proc/{waits}/stat")).unwrap_or_default();
        until("its end", || state().contains(") Z ").then_some(()));
        step(TELL)
    };
    type Before<'a> = &'a dyn Fn(&mut Sandbox) -> StepRequest;
    let cases: [(&str, Before<'_>); 5] = [
        ("it was killed", &killed),
        ("it is not ready", &|sandbox| {
            let step = step_after("exec sleep 100", TELL);
            start(sandbox, &step, is_there);
            step
        }),
        ("it said more than that", &|sandbox| {
            let step = step_after("printf .. >&0; code=$(tr '\\0' '\\n')", TELL);
            ready(sandbox, &step);
            step
        }),
        ("it wrote", &|sandbox| {
            let step = step_after("echo early; printf . >&0; code=$(tr '\\0' '\\n')", TELL);
            ready(sandbox, &step);
            step
        }),
        ("its cell was killed", &|sandbox| {
            ready(sandbox, &step(TELL));
            kill(Pid::from_raw(sandbox.first_process()), Signal::SIGKILL).unwrap();
            step(TELL)
        }),
    ];
    for (name, before) in cases {
        let step = before(&mut sandbox);
        sandbox.begin_job(&[], "");
        ordinary(&sandbox.run(step));
        assert_eq!(sandbox.end_job(), [""; 0], "{name}");
    }
}

#[test]
fn limits_of_the_step_hold_for_a_program_that_started_under_lower_ones() {
    let mut sandbox = sandbox();
    let run = |sandbox: &mut Sandbox, code: &str| {
        ready(sandbox, &step(code));
        sandbox.begin_job(&[], "");
        let ran = sandbox.run(step(code));
        assert!(ran.handed_over, "{ran:?}");
        assert_eq!(sandbox.end_job(), [""; 0]);
        ran
    };
    let ran = run(&mut sandbox, "echo $(($(stat -f -c '%b * %S' /job))); exec tail /dev/zero");
    assert_eq!(ran.stdout, format!("{}\n", 128 * MIB), "{ran:?}");
    let peak = ran.facts.memory_peak_bytes;
    assert!(ran.facts.oom_kills > 0 && (FORERUNNER_BYTES_MAX..=256 * MIB).contains(&peak), "{ran:?}");
    let ran = run(&mut sandbox, "i=0; while [ $i -lt 60 ]; do sleep 10 & i=$((i+1)); done; wait");
    assert!(ran.facts.pids_refused > 0, "{ran:?}");
}

#[test]
fn what_it_used_before_its_step_is_not_the_steps() {
    let work = "i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done";
    let waits = format!("{work}; {WAITS}");
    let mut sandbox = sandbox();
    let step = step_after(&waits, "times");
    ready(&mut sandbox, &step);
    sandbox.begin_job(&[], "");
    let ran = sandbox.run(step);
    assert!(ran.handed_over, "{ran:?}");
    let own = ran.stdout.split_whitespace().next().and_then(|time| time.split_once('m'));
    let own: f64 = own.expect("minutes and seconds").1.trim_end_matches('s').parse().expect("seconds");
    assert!(ran.facts.cpu_us as f64 / 1e6 < own / 2.0, "{own} {ran:?}");
}

#[test]
fn nobody_is_left_who_could_speak_to_the_program_of_the_step() {
    let mut sandbox = sandbox();
    let code = "for n in 3 4 5 6 7 8 9; do [ -e /proc/$$/fd/$n ] && echo $n; done; cat; (printf x >&0) || echo unheard";
    ready(&mut sandbox, &step(code));
    sandbox.begin_job(&[], "");
    let ran = sandbox.run(step(code));
    assert!(ran.handed_over, "{ran:?}");
    assert_eq!(ran.stdout, "unheard\n", "its streams and no more, and nothing comes: {ran:?}");
}

#[test]
fn a_job_without_a_step_and_an_end_that_was_asked_for_leave_nothing() {
    let mut sandbox = sandbox();
    let waits = ready(&mut sandbox, &step(TELL));
    sandbox.begin_job(&[], "");
    assert_eq!(sandbox.end_job(), [""; 0]);
    assert!(!is_there(waits));
    let waits = ready(&mut sandbox, &step(TELL));
    sandbox.ask(&Request::EndForerunner);
    sandbox.begin_job(&[], "");
    ordinary(&sandbox.run(step(TELL)));
    assert!(!is_there(waits));
    assert_eq!(sandbox.end_job(), [""; 0]);
}

#[test]
fn a_sandbox_that_is_destroyed_while_a_forerunner_waits_leaves_nothing() {
    let mut sandbox = sandbox();
    let waits = ready(&mut sandbox, &step(TELL));
    let group = sandbox.destroy().unwrap();
    assert!(!is_there(waits));
    group.remove().expect("nobody is in its cgroups");
}

#[test]
fn none_is_started_in_the_middle_of_a_job() {
    let mut sandbox = sandbox();
    sandbox.begin_job(&[], "");
    let StepRequest { env, limits, argv, .. } = shell(WAITS);
    sandbox.ask(&Request::StartForerunner(Box::new(Forerunner { argv, env, limits })));
    assert!(matches!(sandbox.report(), Report::Fault { .. }));
}
