//! What real use does to the figures of a friendly one: users that must not meet, and jobs that fail.

use serde_json::json;

use super::Outcome;
use super::cluster::Client;
use super::load::sustained;
use super::programs::{C, PYTHON};
use super::report::Report;
use super::room::Room;
use super::scopes;
use super::series::spread;
use super::settings::Settings;
use super::stage::Stage;
use super::table::{Table, ranged, times};
use super::throughput::{CLIENTS, Grounds};
use super::ways::Way;

/// Processor time that a program burns which would never end.
const BURN_MS: u32 = 50;
const EXIT_CODE: i32 = 3;
const FAILS: &str = "print('hello')\nraise SystemExit(3)\n";
const ENDLESS: &str = "while True:\n    pass\n";
/// The same processor time without anybody who stops it.
const BURNS: &str = "import time\nwhile time.process_time() < 0.05:\n    pass\n";
const NOT_C: &str = "int main(void) { return }\n";

/// What becomes of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Ok,
    RuntimeError,
    TimeLimit,
    CompileError,
}

/// Of twenty jobs six fail, half of them by their own exit code.
fn kind(number: usize) -> Kind {
    match number % 20 {
        3 | 10 | 17 => Kind::RuntimeError,
        7 => Kind::TimeLimit,
        1 | 13 => Kind::CompileError,
        _ => Kind::Ok,
    }
}

/// A job of the mix, its end checked.
async fn ours(client: &Client, number: usize) -> Outcome<()> {
    let (submission, outcome) = match kind(number) {
        Kind::Ok => return client.run(Way::Tenant, &PYTHON, None).await.map(drop),
        Kind::RuntimeError => (json!({ "language": "python", "source": FAILS }), "runtime_error"),
        Kind::TimeLimit => {
            let limits = json!({ "run": { "cpu_ms": BURN_MS } });
            (json!({ "language": "python", "source": ENDLESS, "limits": limits }), "time_limit")
        }
        Kind::CompileError => (json!({ "language": "c", "source": NOT_C, "no_cache": true }), "compile_error"),
    };
    let job = client.job(&submission).await?.job;
    if job["outcome"] == outcome { Ok(()) } else { Err(format!("a job of the mix is not {outcome}: {job}").into()) }
}

/// The same commands as bare processes.
async fn bare(grounds: &Grounds<'_>, number: usize, slot: usize) -> Outcome<()> {
    let (room, file, source, code) = match kind(number) {
        Kind::Ok => return grounds.python.once(Way::Bare, &PYTHON, slot).await.map(drop),
        Kind::RuntimeError => (grounds.python.room, PYTHON.file, FAILS, EXIT_CODE),
        Kind::TimeLimit => (grounds.python.room, PYTHON.file, BURNS, 0),
        Kind::CompileError => (grounds.gcc.room, C.file, NOT_C, 1),
    };
    let room = room.clone();
    tokio::task::spawn_blocking(move || ends_with(&room, slot, (file, source), code)).await?
}

fn ends_with(room: &Room, slot: usize, (file, source): (&str, &str), code: i32) -> Outcome<()> {
    std::fs::write(room.work_of(slot).join(file), source)?;
    let step = if file == C.file { C.compile.unwrap_or(C.run) } else { PYTHON.run };
    let mut command = room.command(Way::Bare, slot, step).ok_or("a bare process is always to be had")?;
    let ended = command.stdin(std::process::Stdio::null()).output()?;
    if ended.status.code() == Some(code) { Ok(()) } else { Err(format!("{step:?} ends with {}", ended.status).into()) }
}

/// Measures the mixes, in turns, and shows them.
///
/// # Errors
/// A job did not end as it must.
pub async fn measure(
    stage: &Stage,
    grounds: &Grounds<'_>,
    settings: &Settings,
    report: &mut Report,
) -> Outcome<String> {
    let mut rates: [Vec<f64>; 5] = Default::default();
    let cluster = grounds.python.cluster;
    let client = &cluster.client;
    let number = std::sync::atomic::AtomicUsize::new(0);
    let next = || number.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    for run in 0..settings.runs {
        super::progress(&format!("mixes, run {} of {}", run + 1, settings.runs));
        let time = settings.load;
        let hello = async |slot| grounds.python.once(Way::Bare, &PYTHON, slot).await.map(drop);
        rates[0].push(sustained(cluster, CLIENTS, time, hello).await?);
        let hello = async |_| client.run(Way::Tenant, &PYTHON, None).await.map(drop);
        rates[1].push(sustained(cluster, CLIENTS, time, hello).await?);
        rates[2].push(sustained(cluster, CLIENTS, time, async |slot| bare(grounds, next(), slot).await).await?);
        rates[3].push(sustained(cluster, CLIENTS, time, async |_| ours(client, next()).await).await?);
    }
    let mut scoped = scopes::Seen::default();
    for run in 0..settings.runs {
        super::progress(&format!("1,000 scopes, run {} of {}", run + 1, settings.runs));
        rates[4].push(scopes::measure(stage, run, settings, &mut scoped).await?);
    }
    Ok(format!("{}\n{}", table(&rates, report), scoped.words(report)))
}

fn table(rates: &[Vec<f64>; 5], report: &mut Report) -> String {
    let names = [
        ("bare (chroot), Python hello", "hello.bare"),
        ("**Enclos**, Python hello of one tenant", "hello"),
        ("bare (chroot), 30% fail", "failing.bare"),
        ("**Enclos**, 30% fail", "failing"),
        ("**Enclos**, Python hello of 1,000 scopes in turn", "scopes"),
    ];
    let mut table = Table::new(&["mix", "jobs/s (least to most)", "against the same, bare"]);
    for (at, (name, key)) in names.into_iter().enumerate() {
        let base = match at {
            1 | 4 => Some(&rates[0]),
            3 => Some(&rates[2]),
            _ => None,
        };
        let ratios: Vec<f64> =
            base.into_iter().flat_map(|base| rates[at].iter().zip(base).map(|(ours, bare)| ours / bare)).collect();
        let against = spread(&ratios);
        report.estimate(format!("mix.{key}.rate"), spread(&rates[at]));
        report.estimate(format!("mix.{key}.to_bare"), against);
        let words = if base.is_some() { times(against) } else { String::new() };
        table.row(vec![name.into(), ranged(spread(&rates[at])), words]);
    }
    table.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn six_of_twenty_jobs_fail_and_half_of_them_by_their_own_code() {
        let of = |wanted: Kind| (0..20).filter(|&n| kind(n) == wanted).count();
        assert_eq!([of(Kind::Ok), of(Kind::RuntimeError), of(Kind::TimeLimit), of(Kind::CompileError)], [14, 3, 1, 2]);
    }

    #[test]
    fn each_mix_is_held_against_its_own_bare_one() {
        let rates = [vec![100.0], vec![90.0], vec![80.0], vec![60.0], vec![10.0]];
        let mut report = Report::default();
        table(&rates, &mut report);
        let found = ["hello", "failing", "scopes"].map(|key| report.figures[&format!("mix.{key}.to_bare")].value);
        assert_eq!(found, [0.9, 0.75, 0.1]);
    }
}
