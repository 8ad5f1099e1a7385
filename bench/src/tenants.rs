//! A quiet tenant beside one that takes all it may.
//!
//! One client of the quiet tenant sends its next job when the last is answered. The other tenant's clients
//! send without a pause, and are refused most of the time: it is at the bound of its rate, its queue and its running
//! jobs. What the quiet one loses to that could be processor time, which two tenants on one machine share, or
//! something that they should not share; so there are states beside the flood that tell which:
//!
//! | state | the other tenant | takes processor time |
//! |---|---|---|
//! | alone | sends nothing | no |
//! | flood | sends the same jobs | yes |
//! | sleepers | sends jobs that sleep: the same queue, pool, store | hardly |
//! | core taken | sends nothing; a process outside of Enclos keeps one core busy | yes |
//!
//! The states take turns, so that whatever else the machine does meets all of them.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use clap::Args;
use reqwest::StatusCode;
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::compare::{C, PYTHON, Program};
use crate::stats::{Series, ms, ratio};

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

/// Clients of the tenant that floods.
const FLOODERS: usize = 4;
/// Pause of such a client that was refused: it takes no notice of when it is told to come back.
const REFUSED_PAUSE: Duration = Duration::from_millis(20);
/// Jobs of the flood that may wait; what is left of them runs before the next state.
const FLOOD_QUEUED: usize = 16;
/// How long a sleeper sleeps.
const SLEEP: &str = "import time\ntime.sleep(0.2)\nprint('hello')\n";
/// Turns that each state has.
const ROUNDS: usize = 4;
/// Jobs before the first that is timed.
const WARM_UP: usize = 5;
/// Longest until the flood fills its queue, and until its last jobs have ended.
const LOOK_WAIT: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// Name of the tenant that floods.
const GREEDY: &str = "greedy";
/// The figures are of these.
const HELLOS: [&Program; 2] = [&C, &PYTHON];

#[derive(Args)]
pub struct TenantsArgs {
    /// The master
    #[arg(long, env = "ENCLOS_URL", default_value = "http://127.0.0.1:7300")]
    url: String,
    /// Its data directory: keys are made there, and from then on it takes no request without one
    #[arg(long)]
    data_dir: PathBuf,
    /// Timed jobs per language and state
    #[arg(long, default_value_t = 100)]
    count: usize,
    /// Jobs of the flood that may run at once
    #[arg(long, default_value_t = 1)]
    running: usize,
    /// Requests of the flood that are let in, a second
    #[arg(long, default_value_t = 100)]
    rate: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Alone,
    Flood,
    Sleepers,
    CoreTaken,
}

const STATES: [State; 4] = [State::Alone, State::Flood, State::Sleepers, State::CoreTaken];

impl State {
    fn name(self) -> &'static str {
        match self {
            Self::Alone => "alone",
            Self::Flood => "flood",
            Self::Sleepers => "sleepers",
            Self::CoreTaken => "core taken",
        }
    }
}

pub fn run(args: &TenantsArgs) -> Outcome<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(measure(args))
}

struct Client<'a> {
    args: &'a TenantsArgs,
    http: reqwest::Client,
    quiet: String,
    greedy: String,
    operator: String,
    accepted: AtomicUsize,
    refused: AtomicUsize,
}

async fn measure(args: &TenantsArgs) -> Outcome<()> {
    let bound = |name: &str, value: usize| [format!("--{name}"), value.to_string()];
    let bounds = [
        bound("running-jobs", args.running),
        bound("requests-per-second", args.rate),
        bound("queued-jobs", FLOOD_QUEUED),
    ];
    let client = Client {
        args,
        http: enclos_tls::client::http(None).build()?,
        quiet: key(args, "quiet", "submit,read", &[])?,
        greedy: key(args, GREEDY, "submit,read", &bounds.concat())?,
        operator: key(args, "operator", "operate", &[])?,
        accepted: AtomicUsize::new(0),
        refused: AtomicUsize::new(0),
    };
    println!(
        "| a quiet tenant's hello beside | p50 to alone | p95 to alone | p50 ms | p95 ms | other's jobs/s | refused/s |"
    );
    println!("|---|---|---|---|---|---|---|");
    for hello in HELLOS {
        client.language(hello).await?;
    }
    Ok(())
}

/// A new key of a tenant, as an operator makes it.
fn key(args: &TenantsArgs, tenant: &str, scope: &str, bounds: &[String]) -> Outcome<String> {
    let program = std::env::current_exe()?.with_file_name("enclos");
    let mut command = Command::new(program);
    command.arg("keys").arg("--data-dir").arg(&args.data_dir);
    let made = command.args(["create", "--tenant", tenant, "--scope", scope]).args(bounds).output()?;
    if made.status.success() {
        return Ok(String::from_utf8(made.stdout)?.trim().to_owned());
    }
    Err(format!("no key was made: {}", String::from_utf8_lossy(&made.stderr).trim()).into())
}

/// What one state came to, over all its turns.
#[derive(Default)]
struct Seen {
    times: Vec<Duration>,
    accepted: usize,
    refused: usize,
    elapsed: Duration,
}

impl Client<'_> {
    async fn language(&self, hello: &Program) -> Outcome<()> {
        for _ in 0..WARM_UP {
            self.quiet_job(hello).await?;
        }
        let mut seen: [Seen; STATES.len()] = std::array::from_fn(|_| Seen::default());
        for _ in 0..ROUNDS {
            for (state, seen) in STATES.into_iter().zip(&mut seen) {
                self.turn(state, hello, seen).await?;
            }
        }
        let series = seen.each_ref().map(|seen| Series::of(seen.times.clone()));
        let of = |series: &Series| [50, 95].map(|percent| series.percentile(percent));
        let [base, tail] = of(&series[0]);
        for ((state, seen), series) in STATES.into_iter().zip(&seen).zip(&series) {
            let ([middle, late], seconds) = (of(series), seen.elapsed.as_secs_f64());
            println!(
                "| {}, {} | **{}** | {} | {} | {} | {:.1} | {:.0} |",
                hello.language,
                state.name(),
                ratio(middle, base),
                ratio(late, tail),
                ms(middle),
                ms(late),
                seen.accepted as f64 / seconds,
                seen.refused as f64 / seconds,
            );
        }
        Ok(())
    }

    /// One turn of a state.
    async fn turn(&self, state: State, hello: &Program, seen: &mut Seen) -> Outcome<()> {
        let _core = (state == State::CoreTaken).then(Core::take).transpose()?;
        let ends = AtomicBool::new(false);
        let submission = match state {
            State::Flood => Some(hello.submission(true)),
            State::Sleepers => Some(json!({ "language": "python", "source": SLEEP })),
            State::Alone | State::CoreTaken => None,
        };
        let flood = async {
            let Some(submission) = &submission else { return Ok(()) };
            let flooders = (0..FLOODERS).map(|_| self.flood(submission, &ends));
            futures::future::try_join_all(flooders).await.map(drop)
        };
        let quiet = async {
            let timed = self.timed(hello, state, seen).await;
            ends.store(true, Ordering::Relaxed);
            timed
        };
        let (timed, flooded) = tokio::join!(quiet, flood);
        timed?;
        flooded?;
        // What is left of the flood is not the next state's.
        self.until(|waiting, running| waiting + running == 0).await
    }

    async fn timed(&self, hello: &Program, state: State, seen: &mut Seen) -> Outcome<()> {
        if matches!(state, State::Flood | State::Sleepers) {
            self.until(|waiting, running| waiting >= FLOOD_QUEUED / 2 && running > 0).await?;
        }
        let before = self.counts();
        let begun = Instant::now();
        for _ in 0..self.args.count.div_ceil(ROUNDS) {
            let begun = Instant::now();
            self.quiet_job(hello).await?;
            seen.times.push(begun.elapsed());
        }
        seen.elapsed += begun.elapsed();
        let after = self.counts();
        seen.accepted += after.0 - before.0;
        seen.refused += after.1 - before.1;
        Ok(())
    }

    /// Jobs of the flood that were accepted, and those that were refused.
    fn counts(&self) -> (usize, usize) {
        (self.accepted.load(Ordering::Relaxed), self.refused.load(Ordering::Relaxed))
    }

    /// Sends without a pause until it ends.
    async fn flood(&self, submission: &Value, ends: &AtomicBool) -> Outcome<()> {
        while !ends.load(Ordering::Relaxed) {
            let sent = self.http.post(format!("{}/v1/jobs", self.args.url)).bearer_auth(&self.greedy).json(submission);
            match sent.send().await?.status() {
                StatusCode::CREATED => {
                    self.accepted.fetch_add(1, Ordering::Relaxed);
                }
                StatusCode::TOO_MANY_REQUESTS => {
                    self.refused.fetch_add(1, Ordering::Relaxed);
                    sleep(REFUSED_PAUSE).await;
                }
                status => return Err(format!("the flood is answered {status}").into()),
            }
        }
        Ok(())
    }

    async fn quiet_job(&self, hello: &Program) -> Outcome<()> {
        let url = format!("{}/v1/jobs?wait_ms=60000", self.args.url);
        let sent = self.http.post(url).bearer_auth(&self.quiet).json(&hello.submission(true)).send().await?;
        let job: Value = sent.json().await?;
        match job["run"]["stdout"].as_str() {
            Some(said) => Ok(hello.check("Enclos", said.as_bytes())?),
            None => Err(format!("{}: {job}", hello.language).into()),
        }
    }

    /// Waits until the flood's waiting and running jobs are so many.
    async fn until(&self, are: impl Fn(usize, usize) -> bool) -> Outcome<()> {
        let deadline = Instant::now() + LOOK_WAIT;
        while Instant::now() < deadline {
            let url = format!("{}/v1/usage", self.args.url);
            let usage: Value = self.http.get(url).bearer_auth(&self.operator).send().await?.json().await?;
            let tenants = usage["tenants"].as_array().ok_or("no list of tenants")?;
            let greedy = tenants.iter().find(|one| one["tenant"] == GREEDY).unwrap_or(&Value::Null);
            let used = |what: &str| greedy[what]["used"].as_u64().and_then(|n| usize::try_from(n).ok()).unwrap_or(0);
            if are(used("queued_jobs"), used("running_jobs")) {
                return Ok(());
            }
            sleep(LOOK_EVERY).await;
        }
        Err(format!("the other tenant's jobs are not as expected within {LOOK_WAIT:?}").into())
    }
}

/// A core that is kept busy by a process outside of Enclos.
struct Core(std::process::Child);

impl Core {
    fn take() -> Outcome<Self> {
        let mut command = Command::new("sh");
        command.args(["-c", "while :; do :; done"]).stdin(Stdio::null());
        Ok(Self(command.spawn()?))
    }
}

impl Drop for Core {
    fn drop(&mut self) {
        // One that has ended already needs no end.
        let _ = (self.0.kill(), self.0.wait());
    }
}
