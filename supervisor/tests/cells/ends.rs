//! How a job ends with its step, and a sandbox with its agent; what of the way to the agent is to be seen.

use enclos_protocol::outcome::{Exit, Stop};
use enclos_protocol::supervisor_link::{Report, Request};

use crate::support::{Sandbox, shell};

/// What comes until the job is over, by its step's facts and what was left.
fn last_step(sandbox: &mut Sandbox, code: &str, also: &[Request]) -> (Option<Exit>, Option<Stop>, Vec<String>) {
    sandbox.begin_job(&[], "");
    sandbox.ask(&Request::RunStep(Box::new(shell(code))));
    sandbox.ask(&Request::EndJob);
    also.iter().for_each(|request| sandbox.ask(request));
    let facts = loop {
        match sandbox.report() {
            Report::Output { .. } => {}
            Report::StepDone(facts) => break facts,
            other => panic!("{other:?}"),
        }
    };
    match sandbox.report() {
        Report::JobEnded { leftovers } => (facts.exit, facts.stop, leftovers),
        other => panic!("{other:?}"),
    }
}

const CLEAN: [&str; 0] = [];

#[test]
fn a_job_ends_with_its_step_where_that_is_asked_for() {
    let mut sandbox = Sandbox::with_cgroups();
    for code in ["true", "echo words", "sleep 0.1; echo late"] {
        assert_eq!(last_step(&mut sandbox, code, &[]), (Some(Exit::Code(0)), None, CLEAN.map(str::to_owned).into()));
    }
    let (_, stop, left) = last_step(&mut sandbox, "sleep 60", &[Request::CancelStep]);
    assert_eq!((stop, left.len()), (Some(Stop::Cancelled), 0), "it can still be cancelled");
    let (exit, _, left) = last_step(&mut sandbox, "true", &[Request::CancelStep]);
    assert!(exit == Some(Exit::Code(0)) || exit.is_none());
    assert_eq!(left, CLEAN);
    // And one that is ended as ever.
    sandbox.begin_job(&[], "");
    assert_eq!(sandbox.run(shell("true")).facts.exit, Some(Exit::Code(0)));
    assert_eq!(sandbox.end_job(), CLEAN);
}

#[test]
fn after_the_end_nothing_more_may_be_asked_of_a_job() {
    let mut sandbox = Sandbox::with_cgroups();
    sandbox.begin_job(&[], "");
    sandbox.ask(&Request::RunStep(Box::new(shell("sleep 60"))));
    sandbox.ask(&Request::EndJob);
    sandbox.ask(&Request::EndJob);
    assert!(matches!(sandbox.report(), Report::Fault { .. }));
}

#[test]
fn over_its_socket_a_sandbox_serves_as_over_its_streams() {
    let mut sandbox = Sandbox::over_socket();
    let large = "x".repeat(300_000);
    for _ in 0..3 {
        sandbox.begin_job(&[("large", &large)], "");
        let ran = sandbox.run(shell("wc -c < large; head -c 60000 large"));
        assert_eq!(ran.stdout.len(), "300000\n".len() + 60_000, "{:?}", ran.facts);
        assert_eq!(sandbox.end_job(), CLEAN);
        let (exit, _, left) = last_step(&mut sandbox, "true", &[]);
        assert_eq!((exit, left.len()), (Some(Exit::Code(0)), 0));
    }
    assert!(sandbox.hang_up(), "it ends with the socket");
}

#[test]
fn no_program_reaches_the_socket_of_its_sandbox() {
    let mut sandbox = Sandbox::over_socket();
    sandbox.begin_job(&[], "");
    let ran = sandbox.run(shell("ls -A /enclos; ls -l /proc/self/fd /proc/1/fd | grep -c socket"));
    assert_eq!(ran.stdout, "0\n", "{ran:?}");
    // Its namespace is none in which the agent's has a name.
    let ran = sandbox.run(shell("cat /proc/net/unix | tail -n +2 | wc -l"));
    assert_eq!(ran.stdout, "0\n", "{ran:?}");
}
