//! The load: jobs with known answers, submitted and awaited through every fault.

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use futures::StreamExt as _;
use reqwest::StatusCode;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::{sleep, sleep_until};

use super::{Chance, FaultsArgs, Outcome, fleet};

/// Jobs in flight at once.
const CLIENTS: usize = 256;
/// Longest from the first submission of a job to its end.
pub const JOB_WAIT: Duration = Duration::from_secs(240);
/// Longest that one request may take.
const REQUEST_WAIT: Duration = Duration::from_secs(20);
/// Pause before a request that broke is sent again.
const AGAIN_AFTER: Duration = Duration::from_millis(200);
/// Longest that a job sleeps.
const SLEEP_MS_MAX: u64 = 4_000;
/// Attempts that a job has.
const ATTEMPTS_MAX: usize = 3;

/// What came of it.
#[derive(Default)]
pub struct Loaded {
    jobs: usize,
    attempts: [usize; ATTEMPTS_MAX],
    resubmitted: usize,
    unavailable: usize,
    broken: usize,
    longest: Duration,
}

impl Loaded {
    pub fn row(&self) -> String {
        let Self { jobs, attempts: [one, two, three], resubmitted, unavailable, broken, longest } = self;
        let right = one + two + three;
        let longest = longest.as_secs_f64();
        format!(
            "| {jobs} | {right} | {one}, {two}, {three} | {resubmitted} | {unavailable} | {broken} | {longest:.1} s"
        )
    }
}

pub struct Load {
    http: reqwest::Client,
    url: String,
    seed: u64,
    jobs: usize,
    sleep_ms: u64,
    seen: Mutex<Loaded>,
    accepted: Mutex<BTreeSet<String>>,
    /// When the newest of the jobs that have ended was submitted.
    newest: watch::Sender<Option<Instant>>,
}

impl Load {
    pub fn new(url: String, args: &FaultsArgs) -> Outcome<Self> {
        // Half of all places are taken, on the average.
        let places = (fleet::AGENTS * fleet::SLOTS) as u64;
        let sleep_ms = (places * args.seconds * 1000 / args.jobs as u64).min(SLEEP_MS_MAX);
        let (seed, jobs) = (args.seed, args.jobs);
        Ok(Self {
            http: enclos_tls::client::http(None).build()?,
            url,
            seed,
            jobs,
            sleep_ms,
            seen: Mutex::default(),
            accepted: Mutex::default(),
            newest: watch::Sender::new(None),
        })
    }

    /// When the newest of the jobs that have ended was submitted.
    pub fn newest(&self) -> watch::Receiver<Option<Instant>> {
        self.newest.subscribe()
    }

    fn seen(&self) -> std::sync::MutexGuard<'_, Loaded> {
        self.seen.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn accepted(&self) -> std::sync::MutexGuard<'_, BTreeSet<String>> {
        self.accepted.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Submits all jobs, spread over `time`, and waits for their ends.
    pub async fn run(&self, time: Duration) -> Outcome<Loaded> {
        let begun = tokio::time::Instant::now();
        let between = time / u32::try_from(self.jobs)?;
        let jobs = futures::stream::iter(0..self.jobs).map(|n| async move {
            sleep_until(begun + between * u32::try_from(n)?).await;
            self.job(n).await.map_err(|error| format!("job {n}: {error}"))?;
            Outcome::Ok(())
        });
        let mut ended = jobs.buffered(CLIENTS);
        while let Some(end) = ended.next().await {
            end?;
        }
        Ok(std::mem::take(&mut *self.seen()))
    }

    async fn job(&self, n: usize) -> Outcome<()> {
        let mut chance = Chance(self.seed ^ (n as u64) << 20);
        let slept_ms = chance.below(self.sleep_ms + 1);
        let source = format!("import time\ntime.sleep({slept_ms} / 1000)\nprint({n} * {n})");
        let submission = json!({ "language": "python", "source": source, "labels": { "n": n.to_string() } });
        let begun = Instant::now();
        let id = self.submit(n, &submission, begun).await?;
        if !self.accepted().insert(id.clone()) {
            return Err(format!("{id} is another job's, too").into());
        }
        if chance.below(4) == 0 {
            self.same_again(n, &submission, &id).await?;
        }
        let job = self.ended(&id, begun).await?;
        if job["outcome"] != "ok" || job["run"]["stdout"] != format!("{}\n", n * n) {
            return Err(format!("it ended wrong: {job:#}").into());
        }
        self.newest.send_if_modified(|newest| {
            let newer = *newest < Some(begun);
            *newest = Some(begun).max(*newest);
            newer
        });
        if chance.below(4) == 0 {
            self.same_again(n, &submission, &id).await?;
        }
        let attempts = usize::try_from(job["attempts"].as_u64().unwrap_or(0))?;
        let mut seen = self.seen();
        seen.jobs += 1;
        seen.longest = seen.longest.max(begun.elapsed());
        *seen.attempts.get_mut(attempts.wrapping_sub(1)).ok_or("it has no attempts, or too many")? += 1;
        Ok(())
    }

    /// Submits until it is accepted.
    async fn submit(&self, n: usize, submission: &Value, begun: Instant) -> Outcome<String> {
        let key = format!("faults-{}-{n}", self.seed);
        let post = || self.http.post(format!("{}/v1/jobs", self.url)).header("idempotency-key", &key).json(submission);
        let job = self.asked(post, begun).await?;
        Ok(job["id"].as_str().ok_or("a job without an id")?.to_owned())
    }

    async fn same_again(&self, n: usize, submission: &Value, id: &str) -> Outcome<()> {
        let again = self.submit(n, submission, Instant::now()).await?;
        self.seen().resubmitted += 1;
        if again == id { Ok(()) } else { Err(format!("submitted again, {id} is {again}").into()) }
    }

    async fn ended(&self, id: &str, begun: Instant) -> Outcome<Value> {
        loop {
            let get = || self.http.get(format!("{}/v1/jobs/{id}?wait_ms=5000", self.url));
            let job = self.asked(get, begun).await?;
            if job["state"] == "finished" {
                return Ok(job);
            }
        }
    }

    /// Asks until there is an answer; only broken connections and 503 are asked again.
    async fn asked(&self, request: impl Fn() -> reqwest::RequestBuilder, begun: Instant) -> Outcome<Value> {
        loop {
            match request().timeout(REQUEST_WAIT).send().await {
                Ok(response) if response.status().is_success() => {
                    if let Ok(value) = response.json().await {
                        return Ok(value);
                    }
                    self.seen().broken += 1;
                }
                Ok(response) if response.status() == StatusCode::SERVICE_UNAVAILABLE => self.seen().unavailable += 1,
                Ok(response) => {
                    let status = response.status();
                    return Err(format!("answered {status}: {}", response.text().await.unwrap_or_default()).into());
                }
                Err(_) => self.seen().broken += 1,
            }
            if begun.elapsed() > JOB_WAIT {
                return Err(format!("not within {JOB_WAIT:?}").into());
            }
            sleep(AGAIN_AFTER).await;
        }
    }

    /// The master lists what it accepted, each once, ended, and nothing else.
    pub async fn check_lists(&self) -> Outcome<()> {
        let mut accepted = self.accepted().clone();
        let mut path = "/v1/jobs".to_owned();
        loop {
            let page: Value = self.http.get(format!("{}{path}", self.url)).send().await?.json().await?;
            for job in page["jobs"].as_array().ok_or("a page has jobs")? {
                let id = job["id"].as_str().unwrap_or_default();
                if !accepted.remove(id) || job["state"] != "finished" {
                    return Err(format!("nobody's, listed twice, or not ended: {job:#}").into());
                }
            }
            let Some(cursor) = page["next_cursor"].as_str() else { break };
            path = format!("/v1/jobs?cursor={cursor}");
        }
        let stats: Value = self.http.get(format!("{}/v1/stats", self.url)).send().await?.json().await?;
        let counts = ["queued", "running", "finished"].map(|name| stats[name].as_u64());
        if !accepted.is_empty() || counts != [Some(0), Some(0), Some(self.jobs as u64)] {
            return Err(format!("accepted and not listed: {accepted:?}; {stats}").into());
        }
        Ok(())
    }
}
