//! `enclos jobs`, `show`, `cancel`, `languages`, `agents`: what the master knows, for a person or as JSON.

use std::process::ExitCode;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::Value;

use super::client::{Client, query_escaped};
use super::exit::{self, CliError};
use super::table::{self, Cell};
use super::terminal::{Terminal, colour_of, harmless, harmless_line, say};
use super::verdicts;

/// Last digits of an id that a table shows: the random part of a UUIDv7.
const SHORT_ID_DIGITS: usize = 12;
/// Fewest last digits by which a job is found.
const SHORT_ID_DIGITS_MIN: usize = 4;
/// Pages of the list that are searched for a short id.
const PAGES_MAX: usize = 20;

/// Which jobs `enclos jobs` lists.
#[derive(Clone, Debug, clap::Args)]
pub struct JobsArgs {
    /// Only jobs in this state
    #[arg(long, value_name = "queued|running|finished")]
    pub state: Option<String>,
    /// Only jobs in this language
    #[arg(long, value_name = "ID")]
    pub language: Option<String>,
    /// Only jobs with this label
    #[arg(long, value_name = "NAME=VALUE")]
    pub label: Option<String>,
    /// Print the master's JSON
    #[arg(long)]
    pub json: bool,
}

/// Lists the newest jobs.
///
/// # Errors
/// [`CliError`] of the connection or a refusal.
pub async fn jobs(client: &Client, args: &JobsArgs, terminal: Terminal) -> Result<ExitCode, CliError> {
    let filters = [("state", &args.state), ("language", &args.language), ("label", &args.label)];
    let query: Vec<String> = filters
        .iter()
        .filter_map(|(name, value)| value.as_ref().map(|v| format!("{name}={}", query_escaped(v))))
        .collect();
    let answer = client.get(&format!("/v1/jobs?{}", query.join("&"))).await?;
    if args.json {
        print_json(&answer, terminal);
        return Ok(ExitCode::SUCCESS);
    }
    let rows: Vec<Vec<Cell>> = list(&answer["jobs"]).map(job_row).collect();
    print_table(terminal, &["job", "state", "outcome", "language", "total", "agent", "created"], &rows, "no jobs");
    if answer["next_cursor"].is_string() {
        say("older jobs are not shown; --json has the cursor");
    }
    Ok(ExitCode::SUCCESS)
}

fn job_row(job: &Value) -> Vec<Cell> {
    // What its cases came to tells more than that they were run.
    let outcome = job["verdict"].as_str().map_or_else(|| text(&job["outcome"]), str::to_owned);
    let state = text(&job["state"]);
    let total = job["timing"]["total_ms"].as_u64().map(duration).unwrap_or_default();
    let created = text(&job["created_at"]);
    vec![
        Cell::text(short_id(&text(&job["id"]))),
        Cell::text(&state).in_colour(colour_of(&state)),
        Cell::text(&outcome).in_colour(colour_of(&outcome)),
        Cell::text(text(&job["language"])),
        Cell::figure(total),
        Cell::text(text(&job["agent"])),
        Cell::text(created.get(..19).unwrap_or(&created).replace('T', " ")),
    ]
}

fn short_id(id: &str) -> String {
    id.rsplit('-').next().filter(|tail| tail.len() == SHORT_ID_DIGITS).unwrap_or(id).to_owned()
}

/// The whole id that `given` means: itself, or the one job among the newest that ends so.
pub(super) async fn whole_id(client: &Client, given: &str) -> Result<String, CliError> {
    let given = given.trim_start_matches('…').to_ascii_lowercase();
    let hex = given.chars().all(|c| c.is_ascii_hexdigit());
    if !hex || !(SHORT_ID_DIGITS_MIN..32).contains(&given.len()) {
        // The path takes the word as it is, so nothing but an id may go there.
        let id = given.parse::<enclos_protocol::ids::JobId>();
        return id.map(|id| id.to_string()).map_err(|_| {
            let wanted = format!(
                "'{}' is no job id; give it whole, or its last digits as `enclos jobs` shows",
                harmless_line(&given)
            );
            CliError::Input(wanted)
        });
    }
    let mut cursor = String::new();
    for _ in 0..PAGES_MAX {
        let page = client.get(&format!("/v1/jobs?{cursor}")).await?;
        let ids = list(&page["jobs"]).filter_map(|job| job["id"].as_str());
        let found: Vec<&str> = ids.filter(|id| id.replace('-', "").ends_with(&given)).collect();
        match (found.as_slice(), page["next_cursor"].as_str()) {
            ([id], _) => return Ok((*id).to_owned()),
            ([], Some(next)) => cursor = format!("cursor={}", query_escaped(next)),
            ([], None) => break,
            _ => return Err(CliError::Input(format!("several jobs end in {given}; give more digits"))),
        }
    }
    Err(CliError::Input(format!("no job among the newest ends in {given}")))
}

/// Shows one job with its output; exits as `run` does when it has finished.
///
/// # Errors
/// As [`jobs`].
pub async fn show(client: &Client, id: &str, json: bool, terminal: Terminal) -> Result<ExitCode, CliError> {
    let id = whole_id(client, id).await?;
    let job = client.get(&format!("/v1/jobs/{id}")).await?;
    if json {
        print_json(&job, terminal);
    } else {
        job_lines(&job, terminal).iter().for_each(|line| say(line));
    }
    let finished = job["state"] == "finished";
    Ok(if finished { exit::code(exit::of_job(&job)) } else { ExitCode::SUCCESS })
}

fn job_lines(job: &Value, terminal: Terminal) -> Vec<String> {
    let mut lines = Vec::new();
    let mut fact = |name: &str, value: String| {
        if !value.is_empty() {
            lines.push(format!("{name:<9} {value}"));
        }
    };
    let painted = |word: String| terminal.paint(colour_of(&word), &harmless_line(&word));
    fact("job", harmless_line(&text(&job["id"])));
    fact("state", painted(text(&job["state"])));
    fact("outcome", painted(text(&job["outcome"])));
    fact("verdict", verdicts::summary(job, terminal).unwrap_or_default());
    fact("message", harmless_line(&text(&job["message"])));
    fact("language", harmless_line(&text(&job["language"])));
    fact("agent", harmless_line(&text(&job["agent"])));
    fact("isolation", harmless_line(&text(&job["isolation"])));
    fact("packages", packages(&job["dependencies"]));
    fact("priority", harmless_line(&text(&job["priority"])));
    fact("expires", harmless_line(&text(&job["expires_at"])));
    fact("expected", expected(&job["prediction"]));
    fact("position", job["queue"]["position"].as_u64().map(|n| n.to_string()).unwrap_or_default());
    let timing = ["queued", "dispatch", "install", "sandbox", "compile", "run", "total"];
    let parts = timing
        .iter()
        .filter_map(|part| job["timing"][format!("{part}_ms")].as_u64().map(|ms| format!("{part} {}", duration(ms))));
    fact("timing", parts.collect::<Vec<_>>().join(", "));
    for step in ["compile", "judge_compile", "run"] {
        lines.extend(step_lines(step, &job[step], terminal));
    }
    lines.extend(verdicts::job_lines(job, terminal));
    lines
}

/// What it was expected to use, in the order in which its steps say what they used.
fn expected(prediction: &Value) -> String {
    let number = |field: &str| prediction[field].as_u64();
    let (Some(cpu), Some(wall), Some(memory)) = (number("cpu_ms"), number("wall_ms"), number("memory_bytes")) else {
        return String::new();
    };
    let (level, runs) = (harmless_line(&text(&prediction["level"])), number("observations").unwrap_or_default());
    let (cpu, wall, memory) = (duration(cpu), duration(wall), size(memory));
    format!("cpu {cpu}, wall {wall}, memory {memory} (from {runs} of the same {level})")
}

fn packages(dependencies: &Value) -> String {
    let lists = dependencies.as_object().into_iter().flatten().filter_map(|(_, list)| list.as_array());
    let one = |package: &Value| format!("{} {}", text(&package["name"]), text(&package["version"]));
    let mut words: Vec<String> = lists.flatten().map(one).collect();
    if dependencies["cached"] == true {
        words.push("(cached)".to_owned());
    }
    harmless_line(&words.join(", ")).replace(", (", " (")
}

fn step_lines(name: &str, step: &Value, terminal: Terminal) -> Vec<String> {
    if step.is_null() {
        return Vec::new();
    }
    let outcome = text(&step["outcome"]);
    let end = match (step["exit_code"].as_u64(), step["signal"].as_str()) {
        (Some(code), _) => format!("exit code {code}"),
        (None, Some(signal)) => harmless_line(signal),
        (None, None) => String::new(),
    };
    let number = |field: &str| step[field].as_u64().unwrap_or_default();
    let mut parts = vec![terminal.paint(colour_of(&outcome), &harmless_line(&outcome)), end];
    parts.push(format!("cpu {}", duration(number("cpu_ms"))));
    parts.push(format!("wall {}", duration(number("wall_ms"))));
    parts.push(format!("memory {}", size(number("memory_peak_bytes"))));
    parts.retain(|part| !part.is_empty());
    if step["cached"] == true {
        parts.push("from the cache".to_owned());
    }
    let mut lines = vec![format!("{name:<9} {}", parts.join(", "))];
    for stream in ["stdout", "stderr"] {
        let bytes = output_bytes(step, stream);
        if !bytes.is_empty() {
            lines.push(terminal.paint(super::terminal::Colour::Faint, &format!("--- {name} {stream}")));
            let shown = String::from_utf8_lossy(&bytes).into_owned();
            let shown = if terminal.stdout { harmless(&shown) } else { shown };
            lines.push(shown.trim_end_matches('\n').to_owned());
        }
    }
    if step["truncated"] == true {
        lines.push("--- cut: the program wrote more than report_bytes".to_owned());
    }
    lines
}

fn output_bytes(step: &Value, stream: &str) -> Vec<u8> {
    match (step[stream].as_str(), step[format!("{stream}_base64")].as_str()) {
        (Some(text), _) => text.as_bytes().to_vec(),
        (None, Some(encoded)) => BASE64.decode(encoded).unwrap_or_default(),
        (None, None) => Vec::new(),
    }
}

/// Cancels one job.
///
/// # Errors
/// As [`jobs`].
pub async fn cancel(client: &Client, id: &str, json: bool, terminal: Terminal) -> Result<ExitCode, CliError> {
    let id = whole_id(client, id).await?;
    let job = client.cancel(&id).await?;
    if json {
        print_json(&job, terminal);
    } else if job["state"] == "finished" {
        say(&format!("{id} has finished: {}", harmless_line(&text(&job["outcome"]))));
    } else {
        say(&format!("{id} will end as cancelled"));
    }
    Ok(ExitCode::SUCCESS)
}

/// Erases one job.
///
/// # Errors
/// As [`jobs`].
pub async fn erase(client: &Client, id: &str) -> Result<ExitCode, CliError> {
    let id = whole_id(client, id).await?;
    client.erase(&id).await?;
    say(&format!("{id} is erased"));
    Ok(ExitCode::SUCCESS)
}

/// Lists the languages.
///
/// # Errors
/// As [`jobs`].
pub async fn languages(client: &Client, json: bool, terminal: Terminal) -> Result<ExitCode, CliError> {
    let answer = client.get("/v1/languages").await?;
    if json {
        print_json(&answer, terminal);
        return Ok(ExitCode::SUCCESS);
    }
    let joined = |value: &Value| list(value).map(text).collect::<Vec<_>>().join(" ");
    let rows: Vec<Vec<Cell>> = list(&answer["languages"])
        .map(|language| {
            let image = &language["image"];
            let ready = if image["ready"] == true { "ready" } else { "absent" };
            vec![
                Cell::text(text(&language["id"])),
                Cell::text(text(&language["name"])),
                Cell::text(joined(&language["aliases"])),
                Cell::text(joined(&language["extensions"])),
                Cell::text(ready).in_colour(colour_of(ready)),
                Cell::figure(image["agents"].as_u64().unwrap_or_default().to_string()),
                Cell::text(text(&language["version"])),
            ]
        })
        .collect();
    let headings = ["language", "name", "aliases", "extensions", "image", "agents", "version"];
    print_table(terminal, &headings, &rows, "no languages");
    Ok(ExitCode::SUCCESS)
}

/// Lists the agents.
///
/// # Errors
/// As [`jobs`].
pub async fn agents(client: &Client, json: bool, terminal: Terminal) -> Result<ExitCode, CliError> {
    let answer = client.get("/v1/agents").await?;
    if json {
        print_json(&answer, terminal);
        return Ok(ExitCode::SUCCESS);
    }
    let rows: Vec<Vec<Cell>> = list(&answer["agents"]).map(agent_row).collect();
    let headings = ["agent", "state", "isolation", "running", "cpu", "memory", "sandboxes", "warm", "images"];
    print_table(terminal, &headings, &rows, "no agents; enclos-agent --master URL joins one");
    Ok(ExitCode::SUCCESS)
}

fn agent_row(agent: &Value) -> Vec<Cell> {
    let number = |value: &Value| value.as_u64().unwrap_or_default();
    let percent = |value: &Value| format!("{:.0}%", value.as_f64().unwrap_or_default().clamp(0.0, 1.0) * 100.0);
    let state = text(&agent["state"]);
    let languages = || list(&agent["languages"]);
    let ready: Vec<String> = languages().filter(|l| l["image"] == "ready").map(|l| text(&l["id"])).collect();
    let warm: u64 = languages().map(|l| number(&l["warm"])).sum();
    vec![
        Cell::text(text(&agent["name"])),
        Cell::text(&state).in_colour(colour_of(&state)),
        Cell::text(text(&agent["isolation"])),
        Cell::figure(format!("{}/{}", number(&agent["running"]), number(&agent["capacity"]["slots"]))),
        Cell::figure(percent(&agent["load"]["cpu_busy"])),
        Cell::figure(percent(&agent["load"]["memory_busy"])),
        Cell::figure(number(&agent["sandboxes"]).to_string()),
        Cell::figure(warm.to_string()),
        Cell::text(ready.join(" ")),
    ]
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn print_table(terminal: Terminal, headings: &[&str], rows: &[Vec<Cell>], none: &str) {
    if rows.is_empty() {
        say(none);
    } else {
        table::lines(&terminal, headings, rows).iter().for_each(|line| say(line));
    }
}

/// Prints JSON, harmless where a terminal reads it.
pub(super) fn print_json(value: &Value, terminal: Terminal) {
    let text = serde_json::to_string_pretty(value).unwrap_or_default();
    say(&if terminal.stdout { harmless(&text) } else { text });
}

/// Milliseconds as a person reads them.
pub(super) fn duration(ms: u64) -> String {
    match ms {
        0..1000 => format!("{ms} ms"),
        1000..60_000 => format!("{}.{} s", ms / 1000, ms % 1000 / 100),
        _ => format!("{} min {} s", ms / 60_000, ms % 60_000 / 1000),
    }
}

pub(super) fn size(bytes: u64) -> String {
    const MIB: u64 = 1024 * 1024;
    if bytes < MIB { format!("{} KiB", bytes.div_ceil(1024)) } else { format!("{} MiB", bytes.div_ceil(MIB)) }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const PLAIN: Terminal = Terminal { stdout: true, stderr: false, colours: false };

    #[test]
    fn a_job_reads_well() {
        let job = json!({ "id": "0198-x", "state": "finished", "outcome": "runtime_error", "language": "c", "agent": "local", "priority": "high",
            "prediction": { "cpu_ms": 40, "wall_ms": 1500, "memory_bytes": 9_000_000, "level": "source", "observations": 12 },
            "timing": { "queued_ms": 1, "install_ms": 3000, "compile_ms": 1250, "total_ms": 61_000 },
            "dependencies": { "python": [{ "name": "numpy", "version": "2.3.1" }, { "name": "six", "version": "1" }], "cached": true, "install_ms": 3000 },
            "compile": { "outcome": "ok", "exit_code": 0, "cpu_ms": 40, "wall_ms": 41, "memory_peak_bytes": 9_000_000 },
            "run": { "outcome": "runtime_error", "signal": "SIGSEGV", "stdout": "hi\u{1b}[2J\n", "truncated": true } });
        insta::assert_snapshot!(job_lines(&job, PLAIN).join("\n"), @r#"
        job       0198-x
        state     finished
        outcome   runtime_error
        language  c
        agent     local
        packages  numpy 2.3.1, six 1 (cached)
        priority  high
        expected  cpu 40 ms, wall 1.5 s, memory 9 MiB (from 12 of the same source)
        timing    queued 1 ms, install 3.0 s, compile 1.2 s, total 1 min 1 s
        compile   ok, exit code 0, cpu 40 ms, wall 41 ms, memory 9 MiB
        run       runtime_error, SIGSEGV, cpu 0 ms, wall 0 ms, memory 0 KiB
        --- run stdout
        hi␛[2J
        --- cut: the program wrote more than report_bytes
        "#);
    }

    #[test]
    fn tables_hold_what_the_master_says() {
        let job = json!({ "id": "0198c0de-0000-7000-8000-00000000abcd", "state": "running", "language": "c",
            "created_at": "2026-01-02T03:04:05.678Z" });
        let agent = json!({ "name": "local", "state": "connected", "isolation": "runc", "running": 1,
            "capacity": { "slots": 2 }, "load": { "cpu_busy": 0.5, "memory_busy": 7 }, "sandboxes": 3,
            "languages": [{ "id": "c", "image": "ready", "warm": 2 }, { "id": "java", "image": "absent", "warm": 0 }] });
        let jobs = table::lines(
            &PLAIN,
            &["job", "state", "outcome", "language", "total", "agent", "created"],
            &[job_row(&job)],
        );
        let agents = table::lines(
            &PLAIN,
            &["agent", "state", "isolation", "running", "cpu", "memory", "sandboxes", "warm", "images"],
            &[agent_row(&agent)],
        );
        insta::assert_snapshot!([jobs, agents].concat().join("\n"), @r#"
        job           state    outcome  language  total  agent  created
        00000000abcd  running           c                       2026-01-02 03:04:05
        agent  state      isolation  running  cpu  memory  sandboxes  warm  images
        local  connected  runc           1/2  50%    100%          3     2  c
        "#);
    }

    #[test]
    fn an_id_is_shown_by_its_random_end() {
        assert_eq!(short_id("0198c0de-0000-7000-8000-00000000abcd"), "00000000abcd");
        assert_eq!(short_id("odd"), "odd");
    }
}
