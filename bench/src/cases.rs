//! One job with many cases beside the bare program run as often, two programs that speak with each
//! other beside the same two joined by pipes of a shell, large outputs, and packages from an index.

use std::time::{Duration, Instant};

use clap::Args;
use serde_json::{Value, json};

use crate::bare::{Rootfs, image_named};
use crate::stats::{Series, ms, ratio};

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

#[derive(Args)]
pub struct CasesArgs {
    /// The master
    #[arg(long, env = "ENCLOS_URL", default_value = "http://127.0.0.1:7300")]
    url: String,
    /// Cases of the job, and runs of the bare program
    #[arg(long, default_value_t = 500)]
    count: usize,
    /// Exchanges of the two programs
    #[arg(long, default_value_t = 10_000)]
    exchanges: u32,
    /// Cases that write 10 MiB each
    #[arg(long, default_value_t = 50)]
    outputs: usize,
    /// Packages to import, from the index that the agent has; empty: none
    #[arg(long, default_value = "numpy,markupsafe", value_delimiter = ',')]
    packages: Vec<String>,
}

/// Adds the numbers on its standard input.
const SUM: &str = "#include <iostream>\nint main() { long long sum = 0, value; while (std::cin >> value) sum += value; \
                   std::cout << sum << '\\n'; }\n";
/// Answers each number with the next one.
const ANSWERS: &str = "#include <stdio.h>\nint main(void) { int n; while (scanf(\"%d\", &n) == 1) { printf(\"%d\\n\", n + 1); \
                       fflush(stdout); } return 0; }\n";
/// Asks as often as the file that its first argument names says.
const ASKS: &str = "#include <stdio.h>\nint main(int c, char **a) { int n, m; FILE *f = fopen(a[1], \"r\"); \
                    if (c < 2 || !f || fscanf(f, \"%d\", &n) != 1) return 1; \
                    for (int i = 0; i < n; i++) { printf(\"%d\\n\", i); fflush(stdout); \
                    if (scanf(\"%d\", &m) != 1 || m != i + 1) return 43; } return 42; }\n";

/// Writes 10 MiB in lines.
const WRITES: &str = "#include <stdio.h>\n#include <string.h>\nint main(void) { static char b[65536]; memset(b, 'x', sizeof b); \
                      for (int i = 63; i < 65536; i += 64) b[i] = '\\n'; \
                      for (int i = 0; i < 160; i++) fwrite(b, 1, sizeof b, stdout); }\n";

pub fn run(args: &CasesArgs) -> Outcome<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let rootfs = Rootfs::start(&image_named("gcc")?)?;
        many(args, &rootfs).await?;
        exchanges(args, &rootfs).await?;
        outputs(args).await?;
        packages(args).await
    })
}

fn words(command: &str) -> Vec<String> {
    command.split(' ').map(str::to_owned).collect()
}

async fn many(args: &CasesArgs, rootfs: &Rootfs) -> Outcome<()> {
    let input = |n: usize| format!("{n} {n}\n");
    rootfs.compile("main.cpp", SUM, &words("g++ -std=gnu++20 -O2 -pipe -o main main.cpp"))?;
    let mut bare = Vec::new();
    for n in 0..args.count {
        let (said, time) = rootfs.timed_outside("main", input(n).as_bytes())?;
        check(said == format!("{}\n", 2 * n).as_bytes(), &"the bare program is wrong")?;
        bare.push(time);
    }
    let cases: Vec<Value> =
        (0..args.count).map(|n| json!({ "stdin": input(n), "expected_stdout": format!("{}\n", 2 * n) })).collect();
    let submission = json!({ "language": "cpp", "source": SUM, "cases": cases, "no_cache": true });
    let begun = Instant::now();
    let job = finished(&args.url, &submission).await?;
    let elapsed = begun.elapsed();
    check(job["passed"] == args.count, &job["verdict"])?;
    let compile = Duration::from_millis(job["compile"]["wall_ms"].as_u64().unwrap_or(0));
    let each = elapsed.saturating_sub(compile) / u32::try_from(args.count)?;
    let bare = Series::of(bare).percentile(50);
    println!("| {} cases of C++ | bare p50 ms | Enclos, all but the compile step, each | difference |", args.count);
    println!("|---|---|---|---|");
    println!("| sum | {} | {} | **{}** |", ms(bare), ms(each), ms(each.saturating_sub(bare)));
    Ok(())
}

async fn exchanges(args: &CasesArgs, rootfs: &Rootfs) -> Outcome<()> {
    rootfs.compile("answers.c", ANSWERS, &words("gcc -O2 -o answers answers.c"))?;
    rootfs.compile("asks.c", ASKS, &words("gcc -O2 -o asks asks.c"))?;
    let script = format!(
        "rm -f a b; mkfifo a b; echo {} > count; ./answers <a >b & ./asks count >a <b; test $? = 42",
        args.exchanges
    );
    let (_, bare) = rootfs.timed(&["sh".to_owned(), "-c".to_owned(), script], b"")?;
    let submission = json!({ "language": "c", "source": ANSWERS, "interactor": { "language": "c", "source": ASKS },
        "cases": [{ "stdin": args.exchanges.to_string() }] });
    let job = finished(&args.url, &submission).await?;
    check(job["verdict"] == "accepted", &job["verdict"])?;
    let ours = Duration::from_millis(job["cases"][0]["wall_ms"].as_u64().unwrap_or(0));
    println!("\n| {} exchanges of two programs | pipes of a shell ms | Enclos | against pipes |", args.exchanges);
    println!("|---|---|---|---|");
    println!("| C | {} | {} | **{}** |", ms(bare), ms(ours), ratio(ours, bare));
    Ok(())
}

async fn outputs(args: &CasesArgs) -> Outcome<()> {
    let expected = ["x".repeat(63), "\n".to_owned()].concat().repeat(10 * 1024 * 1024 / 64);
    let blob: Value = enclos_tls::client::http(None)
        .build()?
        .post(format!("{}/v1/blobs", args.url))
        .header("content-type", "application/octet-stream")
        .body(expected)
        .send()
        .await?
        .json()
        .await?;
    let case = json!({ "expected_stdout_blob": blob["sha256"] });
    let submission = json!({ "language": "c", "source": WRITES, "checker": "exact", "cases": vec![case; args.outputs],
        "limits": { "run": { "output_bytes": 16 * 1024 * 1024 } } });
    let job = finished(&args.url, &submission).await?;
    check(job["passed"] == args.outputs, &job["verdict"])?;
    let run = Duration::from_millis(job["timing"]["run_ms"].as_u64().unwrap_or(0));
    let answered = job["cases"][0]["stdout"].as_str().map_or(0, str::len);
    println!("\n| outputs of 10 MiB, compared while they stream | each ms | of each answered |");
    println!("|---|---|---|");
    println!("| {} cases | {} | {answered} bytes |", args.outputs, ms(run / u32::try_from(args.outputs.max(1))?));
    for name in ["enclos", "enclos-agent"] {
        for (pid, peak) in peaks(name)? {
            println!("| most memory of {name} ({pid}) so far | | {peak} |");
        }
    }
    Ok(())
}

/// The most memory that each process of this name ever had, as proc(5) says it.
fn peaks(name: &str) -> Outcome<Vec<(u32, String)>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc")? {
        let Some(pid) = entry?.file_name().to_str().and_then(|pid| pid.parse().ok()) else { continue };
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let field = |key: &str| status.lines().find_map(|line| line.strip_prefix(key)).map(str::trim);
        if field("Name:") == Some(name) {
            found.push((pid, field("VmHWM:").unwrap_or("unknown").to_owned()));
        }
    }
    Ok(found)
}

async fn packages(args: &CasesArgs) -> Outcome<()> {
    if args.packages.is_empty() {
        return Ok(());
    }
    println!("\n| a Python job that imports a package | installed ms | first job ms | second job ms | of it the run |");
    println!("|---|---|---|---|---|");
    for package in &args.packages {
        // A scope of its own, in which nothing is installed yet.
        let scope = format!("bench-{}", std::process::id());
        let submission = json!({ "language": "python", "source": format!("import {package}"), "scope": scope,
            "dependencies": { "python": [package] } });
        let first = finished(&args.url, &submission).await?;
        let second = finished(&args.url, &submission).await?;
        for job in [&first, &second] {
            check(job["outcome"] == "ok", job)?;
        }
        println!(
            "| {package} | {} | {} | **{}** | {} |",
            first["dependencies"]["install_ms"],
            first["timing"]["total_ms"],
            second["timing"]["total_ms"],
            second["timing"]["run_ms"]
        );
    }
    Ok(())
}

fn check(right: bool, what: &dyn std::fmt::Display) -> Outcome<()> {
    if right { Ok(()) } else { Err(format!("wrong answer: {what}").into()) }
}

async fn finished(url: &str, submission: &Value) -> Outcome<Value> {
    let http = enclos_tls::client::http(None).build()?;
    let mut job: Value =
        http.post(format!("{url}/v1/jobs?wait_ms=60000")).json(submission).send().await?.json().await?;
    while job["state"] != "finished" {
        let id = job["id"].as_str().ok_or_else(|| format!("no job: {job}"))?.to_owned();
        job = http.get(format!("{url}/v1/jobs/{id}?wait_ms=60000")).send().await?.json().await?;
    }
    Ok(job)
}
