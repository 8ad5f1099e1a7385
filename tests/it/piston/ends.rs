//! How programs end, as Piston tells it.

use serde_json::{Value, json};

use super::{LANGUAGES, PUBLIC, cluster, execute, program};

#[tokio::test(flavor = "multi_thread")]
async fn every_language_greets_echoes_fails_to_compile_and_runs_out_of_time() {
    let cluster = cluster(&[]).await;
    for each in LANGUAGES.iter() {
        let (language, compiles) = (each["language"].as_str().expect("a name"), each["compiles"] == true);
        let source = |name: &str| program(language, each[name].as_str().expect("a source"));
        let answer = execute(&cluster, &source("hello")).await;
        assert_eq!(answer["run"]["stdout"], "hello, piston\n", "{answer:#}");
        assert_eq!((&answer["run"]["output"], &answer["run"]["stderr"]), (&json!("hello, piston\n"), &json!("")));
        assert_eq!(answer["compile"].is_object(), compiles, "{answer:#}");
        assert_eq!((&answer["run"]["code"], &answer["run"]["status"]), (&json!(0), &Value::Null), "{answer:#}");
        assert!(answer["run"]["memory"].as_u64() > Some(0) && answer["run"]["wall_time"].as_u64() > Some(0));

        let mut body = source("echo");
        (body["stdin"], body["args"]) = (json!("zwölf"), json!(["a b", "c"]));
        let answer = execute(&cluster, &body).await;
        assert_eq!(answer["run"]["stdout"], "a b:zwölf\n", "{answer:#}");
        assert_eq!(answer["run"]["message"], "Exited with error status 3", "{answer:#}");
        assert_eq!((&answer["run"]["code"], &answer["run"]["status"]), (&json!(3), &json!("RE")), "{answer:#}");

        let answer = execute(&cluster, &source("broken")).await;
        assert_eq!((&answer["run"]["code"], &answer["run"]["status"]), (&json!(1), &json!("RE")), "{answer:#}");
        assert!(!answer["run"]["stderr"].as_str().unwrap().is_empty(), "{answer:#}");
        if compiles {
            assert_eq!(answer["run"], answer["compile"], "{answer:#}");
        }

        let mut body = source("endless");
        body["run_timeout"] = json!(1000);
        let answer = execute(&cluster, &body).await;
        assert_eq!(
            (&answer["run"]["status"], &answer["run"]["signal"]),
            (&json!("TO"), &json!("SIGKILL")),
            "{answer:#}"
        );
        assert!(answer["run"]["code"].is_null() && answer["run"]["wall_time"].as_u64() >= Some(1000), "{answer:#}");
    }
    let listed = cluster.get(&format!("{PUBLIC}/runtimes")).await;
    let listed = listed.as_array().expect("a list");
    assert_eq!(listed.len(), LANGUAGES.len(), "{listed:#?}");
    let cpp = listed.iter().find(|runtime| runtime["language"] == "cpp").expect("it is there");
    assert_eq!(cpp["runtime"], "gcc", "{cpp:#}");
    assert!(cpp["aliases"].as_array().unwrap().contains(&json!("c++")), "{cpp:#}");
    cluster.shutdown().await;
}

/// Writes `n` bytes to a stream, in pieces.
fn writer(stream: &str, n: usize) -> String {
    format!("import sys\nfor _ in range({n} // 1000): sys.{stream}.write('x' * 1000)\n")
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_and_signals_are_told_by_status_and_message() {
    let cluster = cluster(&[]).await;
    let run = async |body: Value| execute(&cluster, &body).await["run"].clone();
    let hungry =
        "#include <stdlib.h>\n#include <string.h>\nint main(void) { for (;;) memset(malloc(1 << 20), 1, 1 << 20); }\n";
    let mut body = program("c", hungry);
    body["run_memory_limit"] = json!(50_000_000);
    let told = run(body).await;
    assert_eq!((&told["status"], &told["signal"]), (&json!("SG"), &json!("SIGKILL")), "{told:#}");
    assert_eq!(told["message"], "Caught fatal signal 9 (memory limit exceeded)");
    assert!(told["memory"].as_u64() <= Some(50_000_000), "{told:#}");

    for (stream, status, message) in
        [("stdout", "OL", "stdout length exceeded"), ("stderr", "EL", "stderr length exceeded")]
    {
        let told = run(program("python", &writer(stream, 1 << 20))).await;
        assert_eq!((&told["status"], &told["message"]), (&json!(status), &json!(message)), "{told:#}");
        assert_eq!((&told["signal"], told[stream].as_str().map(str::len)), (&json!("SIGKILL"), Some(64 << 10)));
        let told = run(program("python", &writer(stream, 60_000))).await;
        assert_eq!((&told["status"], told[stream].as_str().map(str::len)), (&Value::Null, Some(60_000)), "all of it");
    }
    let told = run(program("c", "#include <stdlib.h>\nint main(void) { abort(); }\n")).await;
    assert_eq!((&told["status"], &told["signal"], &told["code"]), (&json!("SG"), &json!("SIGABRT"), &Value::Null));
    assert_eq!(told["message"], "Caught fatal signal 6");

    let mut body = program("python", "import time\ntime.sleep(100)\n");
    body["run_timeout"] = json!(500);
    let told = run(body).await;
    assert_eq!(told["message"], "Time limit exceeded (wall clock)", "{told:#}");
    let mut body = program("python", "while True: pass\n");
    (body["run_timeout"], body["run_cpu_time"]) = (json!(60_000), json!(500));
    let told = run(body).await;
    assert_eq!((&told["status"], &told["message"]), (&json!("TO"), &json!("Time limit exceeded")), "{told:#}");
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn both_streams_stand_in_the_order_in_which_they_came_and_files_where_they_belong() {
    let cluster = cluster(&[]).await;
    let turns = "import sys, time\nfor n in range(4):\n  print(n, file=[sys.stdout, sys.stderr][n % 2], flush=True)\n  time.sleep(0.3)\n";
    let told = execute(&cluster, &program("python", turns)).await;
    assert_eq!(told["run"]["output"], "0\n1\n2\n3\n", "{told:#}");
    assert_eq!((&told["run"]["stdout"], &told["run"]["stderr"]), (&json!("0\n2\n"), &json!("1\n3\n")));
    // What is no text is replaced, as with Piston.
    let told = execute(&cluster, &program("python", "import os\nos.write(1, b'a\\xffb')\n")).await;
    assert_eq!(told["run"]["stdout"], "a\u{fffd}b", "{told:#}");

    let main = "#include <stdio.h>\n#include \"twice.h\"\nint main(void) { FILE *f = fopen(\"data/n\", \"r\"); int n = fgetc(f); printf(\"%d\\n\", twice(n)); }\n";
    let body = json!({ "language": "c", "version": "*", "files": [
        { "name": "data/n", "content": "ff", "encoding": "hex" },
        { "name": "prog.c", "content": main },
        { "name": "twice.h", "content": "int twice(int);\n" },
        { "content": "int twice(int n) { return 2 * n; }\n" },
    ] });
    let told = execute(&cluster, &body).await;
    assert_eq!(told["run"]["stdout"], "510\n", "{told:#}");
    cluster.shutdown().await;
}
