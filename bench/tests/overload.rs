//! The overload run in small: a real master, offered more than it can take for some seconds.

use std::process::Command;

#[test]
fn an_overloaded_master_keeps_its_word_and_says_why_it_refuses() {
    let flags = ["overload", "--seconds", "5", "--rate", "200", "--agents", "2", "--slots", "2", "--job-ms", "100"];
    // Forty jobs a second can be run of two hundred, and twenty may wait.
    let bench = Command::new(env!("CARGO_BIN_EXE_enclos-bench")).args(flags).args(["--queue", "20"]).output().unwrap();
    let (said, wrong) = (String::from_utf8_lossy(&bench.stdout), String::from_utf8_lossy(&bench.stderr));
    assert!(bench.status.success(), "{said}\n{wrong}");
    assert!(said.contains("503 overloaded: "), "it was not overloaded: {said}");
    assert!(said.contains("Every accepted job ended once"), "{said}");
}
