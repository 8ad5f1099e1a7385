//! Trees and files that go between an agent and the steps of a job: no engine, no agent.

use crate::support::{Sandbox, shell};
use enclos_protocol::archive::{pack, records};
use enclos_protocol::glob::Glob;
use enclos_protocol::job::{JobFile, JobPath};
use enclos_protocol::outcome::Exit;
use enclos_protocol::supervisor_link::{
    HELD_BYTES_MAX, Keep, Report, Request, StdinSource, StepRequest, Tree, Workspace,
};

fn path(text: &str) -> JobPath {
    JobPath::try_from(text.to_owned()).expect("a path")
}

fn globs(patterns: &[&str]) -> Keep {
    Keep::Files(patterns.iter().map(|p| Glob::try_from((*p).to_owned()).expect("a pattern")).collect())
}

#[test]
fn what_one_run_leaves_no_other_finds() {
    let mut sandbox = Sandbox::with_job(&[("source", "s")], "");
    let ran = sandbox.run(StepRequest { keep: Keep::Workspace, ..shell("cp source made; echo $((6 * 7)) > made") });
    assert_eq!(ran.facts.exit, Some(Exit::Code(0)), "{ran:?}");
    let case = |code: &str| StepRequest { workspace: Workspace::Kept, ..shell(code) };
    let dirty =
        "cat made; echo x > left; echo x > made; echo x > /tmp/left; echo x > /dev/shm/left; setsid sleep 100 &";
    assert_eq!(sandbox.run(case(dirty)).stdout, "42\n");
    let ran = sandbox.run(case("cat made; ls -A . /tmp /dev/shm; ps ax 2>/dev/null | grep -c sleep; true"));
    assert!(ran.stdout.starts_with("42\n") && !ran.stdout.contains("left"), "{ran:?}");
}

#[test]
fn each_run_has_the_input_that_was_brought_for_it() {
    let mut sandbox = Sandbox::with_job(&[], "first");
    let step = || StepRequest { stdin: StdinSource::Staged, ..shell("cat") };
    assert_eq!(sandbox.run(step()).stdout, "first");
    sandbox.put_stdin("2");
    assert_eq!(sandbox.run(step()).stdout, "2");
    sandbox.put_stdin("");
    assert_eq!(sandbox.run(step()).stdout, "");
}

#[test]
fn files_for_one_step_are_found_by_that_step_alone() {
    let mut sandbox = Sandbox::with_job(&[("a", "1")], "");
    sandbox.put_extra(".judge/input", "in");
    let step = || StepRequest { extras: true, directories: vec![path(".judge/feedback")], ..shell("find . | sort") };
    let ran = sandbox.run(step());
    assert_eq!(ran.stdout, ".\n./.judge\n./.judge/feedback\n./.judge/input\n./a\n", "{ran:?}");
    let ran = sandbox.run(step());
    assert_eq!(ran.stdout, ".\n./.judge\n./.judge/feedback\n./a\n", "{ran:?}");
}

#[test]
fn a_tree_can_be_taken_and_brought_to_another_sandbox() {
    let mut first = Sandbox::with_job(&[("run", "echo hello")], "");
    first.run(StepRequest { keep: Keep::Workspace, ..shell("mkdir d; chmod +x run; mv run d") });
    assert_eq!(first.take_tree(Tree::Kept, 10), None, "it is larger than that");
    let tree = first.take_tree(Tree::Kept, 1000).unwrap();
    let mut second = Sandbox::with_job(&[], "");
    assert_eq!(second.take_tree(Tree::Kept, 1000), Some(Vec::new()));
    second.put_tree(Tree::Kept, &tree);
    let ran = second.run(StepRequest { workspace: Workspace::Kept, ..shell("test -x d/run && sh d/run") });
    assert_eq!(ran.stdout, "hello\n", "{ran:?}");
    let archive = pack(&[JobFile { path: path("other"), content: b"o".to_vec().into() }]);
    second.put_tree(Tree::Kept, &archive);
    assert_eq!(second.run(StepRequest { workspace: Workspace::Kept, ..shell("ls") }).stdout, "other\n");
}

#[test]
fn files_are_given_back_whatever_the_exit_code_and_links_are_not() {
    let mut sandbox = Sandbox::with_job(&[], "");
    let code = "mkdir -p d/e; echo 1 > d/e/x.txt; echo 2 > y.txt; echo 3 > z.bin; ln -s /etc/passwd l.txt; \
                mkfifo p.txt; ln y.txt hard.txt; exit 3";
    let ran = sandbox.run(StepRequest { keep: globs(&["**/*.txt"]), ..shell(code) });
    assert_eq!((ran.facts.exit, ran.facts.keep_error.as_deref()), (Some(Exit::Code(3)), None), "{ran:?}");
    let archive = sandbox.take_tree(Tree::Files, 1 << 20).unwrap();
    let mut found: Vec<_> = records(&archive).unwrap().iter().map(|r| (r.path.to_vec(), r.content.to_vec())).collect();
    found.sort();
    let expected = [("d/e/x.txt", "1\n"), ("hard.txt", "2\n"), ("y.txt", "2\n")];
    assert_eq!(found, expected.map(|(path, content)| (path.as_bytes().to_vec(), content.as_bytes().to_vec())));
    let ran = sandbox
        .run(StepRequest { keep: globs(&["*"]), ..shell("i=0; while [ $i -lt 120 ]; do : > f$i; i=$((i+1)); done") });
    assert!(ran.facts.keep_error.is_some_and(|why| why.contains("more than 100 files")));
    let archive = sandbox.take_tree(Tree::Files, 1 << 20).unwrap();
    assert_eq!(records(&archive).unwrap().len(), 100);
}

#[test]
fn output_that_is_passed_on_whole_is_all_of_it() {
    let mut sandbox = Sandbox::with_job(&[], "");
    let mut step = StepRequest { whole_stdout: true, ..shell("yes 0123456789 | head -c 6000000") };
    step.limits.output_bytes = 6_000_000;
    let ran = sandbox.run(step);
    assert_eq!((ran.stdout.len(), ran.facts.stop), (6_000_000, None));
    assert!(ran.stdout.as_bytes().chunks(11).all(|line| b"0123456789\n".starts_with(line)));
}

#[test]
fn a_tree_that_stays_is_there_for_the_next_jobs_until_another_does() {
    let mut sandbox = Sandbox::with_cgroups();
    let mut archives = Vec::new();
    for content in ["one", "two"] {
        sandbox.begin_job(&[], "");
        let ran = sandbox.run(StepRequest { keep: Keep::Workspace, ..shell(&format!("echo {content} > left")) });
        assert_eq!(ran.facts.keep_error, None);
        archives.push(sandbox.take_tree(Tree::Kept, 1 << 20).expect("it is small"));
        assert_eq!(sandbox.end_job(), [""; 0]);
    }
    let look = || StepRequest { workspace: Workspace::Kept, ..shell("cat left; echo more >> left") };
    for (archive, content) in archives.iter().zip(["one\n", "two\n"]) {
        sandbox.begin_job(&[], "");
        sandbox.put_tree(Tree::Kept, archive);
        sandbox.ask(&Request::HoldTree);
        assert_eq!(sandbox.run(look()).stdout, content);
        assert_eq!(sandbox.end_job(), [""; 0]);
        // One that wants nothing of it, and those that do: none finds what another made of it.
        sandbox.begin_job(&[], "");
        assert_eq!(sandbox.run(look()).stdout, "");
        assert_eq!(sandbox.end_job(), [""; 0]);
        for _ in 0..2 {
            sandbox.begin_job(&[], "");
            sandbox.ask(&Request::UseHeldTree);
            assert_eq!(sandbox.run(look()).stdout, content);
            assert_eq!(sandbox.end_job(), [""; 0]);
        }
    }
}

#[test]
fn no_tree_stays_that_is_too_large_or_not_there() {
    let asks: [&dyn Fn(&mut Sandbox); 3] =
        [&|sandbox| sandbox.ask(&Request::HoldTree), &|sandbox| sandbox.ask(&Request::UseHeldTree), &|sandbox| {
            sandbox.put_tree(Tree::Kept, &vec![0; HELD_BYTES_MAX + 1]);
            sandbox.ask(&Request::HoldTree);
        }];
    for ask in asks {
        let mut sandbox = Sandbox::with_job(&[], "");
        ask(&mut sandbox);
        assert!(matches!(sandbox.report(), Report::Fault { .. }));
    }
}
