//! Submissions at a given rate, whatever becomes of those before (open loop): a client that waited for
//! its answers would slow down with the master and hide what it does to others.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::StreamExt as _;
use reqwest::StatusCode;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep_until};

use super::Outcome;
use crate::stats::Series;

/// Requests that are on their way at once. A request that would be beyond it goes out late, and its
/// time counts from when it was due.
const IN_FLIGHT_MAX: usize = 512;
/// Longest that one request may take.
const REQUEST_WAIT: Duration = Duration::from_secs(60);
/// Wrong answers that are shown.
const SHOWN_MAX: usize = 5;

/// How one submission was answered.
enum Answer {
    Accepted(String),
    /// By which rule.
    Refused(String),
    Wrong(String),
}

/// What came of them.
#[derive(Default)]
pub struct Answers {
    /// Ids of accepted jobs.
    pub accepted: Vec<String>,
    /// From when each was due to its answer.
    pub accepted_times: Vec<Duration>,
    pub refused_times: Vec<Duration>,
    /// Refusals by status and code.
    pub refused: BTreeMap<String, u64>,
    /// Neither accepted nor refused with a reason; the first of them.
    pub wrong: (u64, Vec<String>),
    /// How long all of it took.
    pub took: Duration,
}

impl Answers {
    fn take(&mut self, answer: Answer, time: Duration) {
        match answer {
            Answer::Accepted(id) => {
                self.accepted.push(id);
                self.accepted_times.push(time);
            }
            Answer::Refused(rule) => {
                *self.refused.entry(rule).or_default() += 1;
                self.refused_times.push(time);
            }
            Answer::Wrong(what) => {
                self.wrong.0 += 1;
                if self.wrong.1.len() < SHOWN_MAX {
                    self.wrong.1.push(what);
                }
            }
        }
    }

    /// Their times, sorted: of accepted and of refused ones.
    pub fn series(&mut self) -> (Series, Series) {
        let times = |times: &mut Vec<Duration>| Series::of(std::mem::take(times));
        (times(&mut self.accepted_times), times(&mut self.refused_times))
    }
}

/// Offers `count` jobs, `rate` in a second, of so many programs.
pub async fn offer(url: &str, rate: u32, count: u32, programs: Option<u32>) -> Outcome<Answers> {
    let http = enclos_tls::client::http(None).timeout(REQUEST_WAIT).build()?;
    let url = format!("{url}/v1/jobs");
    let begun = Instant::now();
    let due = |n: u32| begun + Duration::from_secs_f64(f64::from(n) / f64::from(rate));
    let requests = futures::stream::iter(0..count).map(|n| {
        let (http, url) = (&http, &url);
        async move {
            sleep_until(due(n)).await;
            let answer = submit(http, url, programs.map_or(n, |programs| n % programs))
                .await
                .unwrap_or_else(|error| Answer::Wrong(error.to_string()));
            (answer, due(n).elapsed())
        }
    });
    let mut requests = requests.buffer_unordered(IN_FLIGHT_MAX);
    let mut answers = Answers::default();
    while let Some((answer, time)) = requests.next().await {
        answers.take(answer, time);
    }
    answers.took = begun.elapsed();
    Ok(answers)
}

async fn submit(http: &reqwest::Client, url: &str, n: u32) -> Outcome<Answer> {
    let submission = json!({ "language": "python", "source": format!("print({n})") });
    let response = http.post(url).json(&submission).send().await?;
    let status = response.status();
    let come_back = response.headers().get("retry-after").and_then(|wait| wait.to_str().ok()?.parse::<u64>().ok());
    let body: Value = response.json().await?;
    if status == StatusCode::CREATED {
        let id = body["id"].as_str().ok_or("a job without an id")?;
        return Ok(Answer::Accepted(id.to_owned()));
    }
    let told = |field: &str| body[field].as_str().filter(|text| !text.is_empty());
    let is_refusal = matches!(status, StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS);
    Ok(match (told("code"), told("detail"), come_back) {
        (Some(code), Some(_), Some(1..)) if is_refusal => Answer::Refused(format!("{} {code}", status.as_u16())),
        _ => Answer::Wrong(format!("answered {status}, retry-after {come_back:?}: {body}")),
    })
}
