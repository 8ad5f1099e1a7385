//! `POST execute`: a program from its request to its end, in one answer.

use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::body::Bytes;
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use enclos_protocol::job::Step;
use enclos_protocol::supervisor_link::INPUT_BYTES_MAX;
use tokio::time::timeout;

use super::super::claim::Claim;
use super::answer::{self, Orders};
use super::follow::{self, Follow, News};
use super::submission::{self, Input};
use super::{check_kind, request, runtimes};
use crate::admission::Refusal;
use crate::gate::Caller;
use crate::http::{Api, error, submit};

/// Largest body, in bytes: the largest input of a job in hex, and the JSON around it.
const BODY_BYTES_MAX: usize = 2 * INPUT_BYTES_MAX + 1024 * 1024;
/// Longest that a program is waited for, its time in the queue included. No limit of a job makes it as long.
const WAIT_MAX: Duration = Duration::from_secs(300);
/// When to come back where that was not enough.
const RETRY: Duration = Duration::from_secs(30);

/// A program that was asked for, as the submission that says the same.
pub(super) struct Translated {
    pub(super) submission: Bytes,
    pub(super) language: String,
    pub(super) version: String,
}

pub(super) async fn execute(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
    request: Request,
) -> Result<Response, Refusal> {
    check_kind(request.headers(), &caller)?;
    let place = api.room.wait(&caller).map_err(|_| error::unavailable("too many programs are waited for", RETRY))?;
    let body = api.bodies.read(request, BODY_BYTES_MAX).await?;
    let translated = translate(&api, body.bytes.clone(), Input::Given).await?;
    // What was made of the body is in memory beside it.
    let memory = api.bodies.room(&caller, translated.submission.len()).await?;
    let claim = Claim::take(&api, &caller, translated.submission, (body, memory)).await?;
    let live = follow::live(&api, &caller, &claim);
    let ended = timeout(WAIT_MAX, orders(Follow::new(live.as_ref())));
    // What has not ended is cancelled when its claim is dropped.
    let orders = match api.shutdown.run_until_cancelled(ended).await {
        Some(Ok(orders)) => orders,
        Some(Err(_)) => {
            let detail = format!("the program did not end within {} s; the queue is long", WAIT_MAX.as_secs());
            return Err(error::unavailable(detail, RETRY));
        }
        None => return Err(error::unavailable("the service is ending; come back", RETRY)),
    };
    drop(place);
    let _turn = api.room.reading().await?;
    let (record, detail) = follow::ended(&api, &caller, claim.job).await?;
    let location = format!("/v1/jobs/{}", claim.job);
    claim.release();
    let version = version(&api, &translated.language, translated.version).await?;
    let answer = answer::of(version, &record, &detail, &orders);
    let answer = answer.and_then(|answer| api.room.json(&caller, StatusCode::OK, &answer));
    Ok(([(header::LOCATION, location)], answer).into_response())
}

/// The submission that says what `body` does.
pub(super) async fn translate(api: &Arc<Api>, body: Bytes, input: Input) -> Result<Translated, Refusal> {
    let agents = api.scheduler.agents().await?;
    let catalogue = Arc::clone(&api.catalogue);
    let is_large = body.len() > submit::PARSE_HERE_MAX;
    let translating = move || {
        let asked = request::parse(&body)?;
        let runtimes = runtimes::all(&catalogue, &runtimes::offered(&agents));
        let runtime = runtimes::choose(&runtimes, &asked.language, &asked.version)?;
        let submission = submission::of(asked, runtime.language, input)?;
        Ok(Translated {
            submission: submission::encoded(&submission)?,
            language: runtime.language.id.clone(),
            version: runtime.version.to_string(),
        })
    };
    submit::perhaps_elsewhere(is_large, translating).await
}

/// Follows a job to its end; in which order its output came.
async fn orders(mut follow: Follow) -> Orders {
    let mut orders = Orders::default();
    loop {
        match follow.next().await {
            News::Output(chunk) => match chunk.part.step {
                Step::Compile => orders.compile.add(chunk.part.stream, chunk.bytes.len()),
                Step::Run => orders.run.add(chunk.part.stream, chunk.bytes.len()),
                Step::Companion | Step::Case(_) => {}
            },
            News::State { is_anew: true, .. } => orders = Orders::default(),
            News::State { .. } => {}
            News::Ended => return orders,
        }
    }
}

/// The version of a language: where none was known, the first job may have had its image made.
async fn version(api: &Api, language: &str, known: String) -> Result<String, Refusal> {
    if !runtimes::is_unknown(&known) {
        return Ok(known);
    }
    let agents = api.scheduler.agents().await?;
    let offered = runtimes::offered(&agents);
    let now = runtimes::all(&api.catalogue, &offered).into_iter().find(|runtime| runtime.language.id == language);
    Ok(now.map_or(known, |runtime| runtime.version.to_string()))
}
