//! Jobs with cases, and files that jobs leave: from the submission to the answer, with an agent that has no engine.

use enclos_protocol::agent_link::{FromAgent, FromMaster};
use enclos_protocol::cases::{CasePage, Verdict};
use enclos_protocol::ids::AttemptId;
use enclos_protocol::job::{KeptFile, Step};
use enclos_protocol::outcome::Outcome;
use reqwest::{Method, Response};
use serde_json::{Value, json};

use super::fake_agent::{FakeAgent, hello, report};
use super::watching::{ended, events};
use super::{Running, TOKEN, config, python};
use crate::testing;

/// Three cases; the last two are worth points.
fn three() -> Value {
    json!({ "language": "python", "source": "print(1)", "checker": "tokens",
        "groups": [{ "name": "g", "weight": 30, "cases": ["2", "last"] }],
        "cases": [{ "stdin": "a", "expected_stdout": "1" }, { "expected_stdout": "2", "args": ["x"] },
                  { "name": "last", "expected_stdout": "3", "limits": { "cpu_ms": 77 } }] })
}

pub(super) async fn at_link(
    master: &Running,
    method: Method,
    path: &str,
    attempt: AttemptId,
    more: &str,
    body: Vec<u8>,
) -> Response {
    let AttemptId { job, token } = attempt;
    let url = format!("http://{}{path}/{job}?epoch={}&counter={}{more}", master.link, token.epoch, token.counter);
    master.http.request(method, url).bearer_auth(TOKEN).body(body).send().await.unwrap()
}

async fn pages(master: &Running, attempt: AttemptId, from: u32) -> Response {
    at_link(master, Method::GET, "/v1/cases", attempt, &format!("&from={from}"), vec![]).await
}

/// A report without a run of its own, as jobs with cases have it.
fn of_cases(outcome: Outcome) -> enclos_protocol::job::JobReport {
    enclos_protocol::job::JobReport { run: None, ..report(outcome, 0) }
}

#[tokio::test]
async fn cases_are_fetched_run_and_scored() {
    let (master, _dir) = Running::new().await;
    let mut agent = master.agent("one").await;
    let id = master.submit(&three()).await;
    let (attempt, spec, _) = agent.job().await;
    assert_eq!(spec.cases.map(|plan| (plan.count, plan.largest.cpu_ms)), Some((3, 10_000)));
    let page: CasePage = {
        let bytes = pages(&master, attempt, 1).await.bytes().await.unwrap();
        ciborium::from_reader(bytes.as_ref()).unwrap()
    };
    assert_eq!((page.cases.len(), page.next), (2, None));
    assert_eq!(page.cases[0].args.as_deref(), Some(&["x".to_owned()][..]));
    assert_eq!(page.cases[1].limits.map(|l| l.cpu_ms), Some(77));
    agent.run_case(attempt, 0, b"no\n", Verdict::WrongAnswer).await;
    agent.run_case(attempt, 1, b"2\n", Verdict::Accepted).await;
    agent.run_case(attempt, 2, b"\xff", Verdict::Accepted).await;
    agent.finish(attempt, of_cases(Outcome::Ok)).await;
    assert!(agent.verdict(attempt).await);
    let job = master.finished(&id).await;
    let facts = [&job["outcome"], &job["verdict"], &job["passed"], &job["total"], &job["score"]];
    assert_eq!(facts, [&json!("ok"), &json!("wrong_answer"), &json!(2), &json!(3), &json!(30.0)], "{job:#}");
    assert!(job["run"].is_null(), "{job:#}");
    let case = json!({ "name": "1", "verdict": "wrong_answer", "outcome": "ok", "exit_code": 0, "stdout": "no\n",
        "stderr": "", "truncated": false, "stdout_bytes": 3, "stderr_bytes": 0, "cpu_ms": 2, "wall_ms": 3,
        "memory_peak_bytes": 4096, "accounting": "cgroup" });
    assert_eq!(job["cases"][0], case);
    assert_eq!((&job["cases"][2]["name"], &job["cases"][2]["stdout_base64"]), (&json!("last"), &json!("/w==")));
    let group = json!({ "name": "g", "weight": 30, "verdict": "accepted", "score": 30.0 });
    assert_eq!(job["groups"], json!([group]));
    assert_eq!(job["timing"]["run_ms"], 8, "{job:#}");
    let listed = &master.get("/v1/jobs").await["jobs"][0];
    assert_eq!((&listed["verdict"], &listed["timing"]["run_ms"]), (&json!("wrong_answer"), &json!(8)));
    assert!(listed["cases"].is_null() && listed["groups"].is_null(), "{listed:#}");
    assert_eq!(pages(&master, attempt, 0).await.status(), 410, "the attempt is over");
    master.end().await;
}

#[tokio::test]
async fn a_watcher_of_cases_resumes_anywhere_and_sees_all_once() {
    let (master, _dir) = Running::new().await;
    let mut agent = master.agent("one").await;
    let id = master.submit(&three()).await;
    let (attempt, _, _) = agent.job().await;
    agent.run_case(attempt, 0, b"first", Verdict::Accepted).await;
    agent.send(FromAgent::Started { attempt, step: Step::Case(1) }).await.unwrap();
    agent.output_of(attempt, Step::Case(1), 0, b"half").await;
    let first = events(&master, &id, None, |seen| seen.last().is_some_and(|e| e.data["text"] == "half")).await;
    agent.run_case(attempt, 1, b"half more", Verdict::WrongAnswer).await;
    agent.run_case(attempt, 2, b"", Verdict::Accepted).await;
    let live = events(&master, &id, Some(&first.last().unwrap().id), |seen| {
        seen.last().is_some_and(|e| e.kind == "case" && e.data["index"] == 2)
    })
    .await;
    agent.finish(attempt, of_cases(Outcome::Ok)).await;
    assert!(agent.verdict(attempt).await);
    let shown = |events: &[super::watching::Event]| -> Vec<String> {
        let told = |e: &super::watching::Event| match e.kind.as_str() {
            "output" => Some(format!("{}@{}:{}", e.data["case"], e.data["offset"], e.data["text"].as_str().unwrap())),
            "case" => Some(format!("{}={}", e.data["name"].as_str().unwrap(), e.data["verdict"].as_str().unwrap())),
            _ => None,
        };
        events.iter().filter_map(told).collect()
    };
    assert_eq!(shown(&first), ["0@0:first", "1=accepted", "1@0:half"]);
    assert_eq!(shown(&live), ["1@4: more", "2=wrong_answer", "last=accepted"]);
    let rest = events(&master, &id, Some(&live.last().unwrap().id), ended).await;
    assert_eq!(shown(&rest), Vec::<String>::new());
    let last = &rest.last().unwrap().data;
    assert_eq!((&last["verdict"], &last["passed"]), (&json!("wrong_answer"), &json!(2)));
    assert!(last["cases"].is_null(), "{last:#}");
    let replay = shown(&events(&master, &id, None, ended).await);
    assert_eq!(replay, ["0@0:first", "1=accepted", "1@0:half more", "2=wrong_answer", "last=accepted"]);
    let half = shown(&events(&master, &id, Some(&first.last().unwrap().id), ended).await);
    assert_eq!(half, shown(&live), "from the store as from the live state");
    let mut states = first.iter().chain(&live).filter(|e| e.data["step"] == "case");
    assert!(states.all(|e| e.data["case"].is_u64()), "{first:#?}");
    master.end().await;
}

#[tokio::test]
async fn what_a_reconnected_agent_repeats_of_cases_counts_once() {
    let (master, _dir) = Running::new().await;
    let mut me = hello("one");
    let mut agent = FakeAgent::connect(&master.link.to_string(), TOKEN, me.clone()).await.unwrap();
    let id = master.submit(&three()).await;
    let (attempt, _, _) = agent.job().await;
    agent.run_case(attempt, 0, b"x", Verdict::Accepted).await;
    drop(agent);
    me.holding = vec![attempt];
    let mut agent = FakeAgent::connect(&master.link.to_string(), TOKEN, me).await.unwrap();
    agent.run_case(attempt, 0, b"x", Verdict::Accepted).await;
    agent.run_case(attempt, 1, b"y", Verdict::WrongAnswer).await;
    agent.finish(attempt, of_cases(Outcome::Ok)).await;
    assert!(agent.verdict(attempt).await);
    let job = master.finished(&id).await;
    assert_eq!((&job["cases"][0]["stdout"], &job["passed"]), (&json!("x"), &json!(1)));
    let last = json!({ "name": "last", "verdict": "skipped" });
    assert_eq!(job["cases"][2], last, "what was not run was skipped");
    assert_eq!(job["groups"][0]["score"], 0.0, "and earns nothing");
    master.end().await;
}

#[tokio::test]
async fn a_case_that_the_job_has_not_ends_the_session() {
    let (master, _dir) = Running::new().await;
    let mut agent = master.agent("one").await;
    master.submit(&three()).await;
    let (attempt, _, _) = agent.job().await;
    agent.run_case(attempt, 3, b"", Verdict::Accepted).await;
    assert!(agent.next().await.is_none());
    master.end().await;
}

#[tokio::test]
async fn a_job_whose_cases_were_never_run_says_why() {
    let dir = tempfile::tempdir().unwrap();
    let master = Running::start(config(dir.path())).await;
    let id = master.submit(&three()).await;
    // Also after a restart: how it is scored comes from the store.
    master.end().await;
    let master = Running::start(config(dir.path())).await;
    assert_eq!(master.get(&format!("/v1/jobs/{id}")).await["total"], 3);
    assert_eq!(master.post(&format!("/v1/jobs/{id}/cancel"), &json!({})).await.status(), 200);
    let job = master.finished(&id).await;
    assert_eq!((&job["verdict"], &job["passed"], &job["score"]), (&json!("cancelled"), &json!(0), &json!(0.0)));
    assert_eq!(job["cases"][1], json!({ "name": "2", "verdict": "skipped" }), "{job:#}");
    assert_eq!(job["groups"][0]["verdict"], "skipped");
    master.end().await;
}

#[tokio::test]
async fn a_compile_error_is_the_verdict_of_all() {
    let (master, _dir) = Running::new().await;
    let mut agent = master.agent("one").await;
    let id = master.submit(&three()).await;
    let (attempt, _, _) = agent.job().await;
    agent.finish(attempt, of_cases(Outcome::CompileError)).await;
    assert!(agent.verdict(attempt).await);
    assert_eq!(master.finished(&id).await["verdict"], "compile_error");
    master.end().await;
}

#[tokio::test]
async fn an_agent_that_has_compiled_the_same_is_preferred() {
    let (master, _dir) = Running::new().await;
    let mut remembers = hello("zoe");
    let submission = json!({ "language": "c", "source": "int main;" });
    let catalogue = enclos_images::Catalogue::embedded().unwrap();
    let admitted = crate::admission::admit(&catalogue, "default", submission.to_string().as_bytes()).unwrap();
    remembers.load.compiled = vec![1, u64::MAX, admitted.compile_key.unwrap(), 7];
    let mut first = master.agent("adam").await;
    let mut zoe = FakeAgent::connect(&master.link.to_string(), TOKEN, remembers).await.unwrap();
    let known = master.submit(&submission).await;
    let anew = master.submit(&json!({ "language": "c", "source": "int main;", "no_cache": true })).await;
    assert_eq!(zoe.job().await.0.job.to_string(), known);
    assert_eq!(first.job().await.0.job.to_string(), anew);
    master.end().await;
}

#[tokio::test]
async fn files_of_a_job_are_given_back_as_something_to_save() {
    let (master, _dir) = Running::new().await;
    let mut agent = master.agent("one").await;
    let mut submission = python();
    submission["keep_files"] = json!(["out/*"]);
    let id = master.submit(&submission).await;
    let (attempt, spec, _) = agent.job().await;
    assert_eq!(spec.keep_files[0].as_str(), "out/*");
    let put = async |attempt, path: &str, body: &[u8]| {
        at_link(&master, Method::PUT, "/v1/files", attempt, &format!("&path={path}"), body.to_vec()).await.status()
    };
    assert_eq!(put(attempt, "out/a%20%22b.html", b"<script>\0\xff").await, 204);
    assert_eq!(put(attempt, "../x", b"").await, 400, "no path of a job");
    assert_eq!(put(attempt, "big", &vec![0; (16 << 20) + 1]).await, 413);
    let mut old = attempt;
    old.token.counter += 1;
    assert_eq!(put(old, "out/x", b"").await, 410, "not the attempt that has it");
    let mut end = report(Outcome::Ok, 0);
    end.files = vec![KeptFile { path: testing::path("out/a \"b.html"), size_bytes: 10 }];
    end.files_error = Some("out/huge is too large".to_owned());
    agent.finish(attempt, end).await;
    assert!(agent.verdict(attempt).await);
    let job = master.finished(&id).await;
    assert_eq!(job["files"], json!([{ "path": "out/a \"b.html", "size_bytes": 10 }]));
    assert_eq!(job["files_error"], "out/huge is too large");
    let url = format!("{}/v1/jobs/{id}/files/", master.url);
    let answer = master.http.get(format!("{url}out/a%20%22b.html")).send().await.unwrap();
    let header = |name: &str| answer.headers()[name].to_str().unwrap().to_owned();
    assert_eq!(header("content-type"), "application/octet-stream");
    assert_eq!(header("content-disposition"), "attachment; filename*=UTF-8''a%20%22b.html");
    assert_eq!(header("x-content-type-options"), "nosniff");
    assert!(header("content-security-policy").starts_with("sandbox"));
    assert_eq!(answer.bytes().await.unwrap().as_ref(), b"<script>\0\xff");
    for absent in ["out/x", "..%2f..%2fetc%2fpasswd", "out"] {
        assert_eq!(master.http.get(format!("{url}{absent}")).send().await.unwrap().status(), 404, "{absent}");
    }
    assert!(master.get(&format!("/v1/jobs/{}", master.submit(&python()).await)).await["files"].is_null());
    master.end().await;
}

#[tokio::test]
async fn the_end_of_a_cancelled_case_is_told() {
    let (master, _dir) = Running::new().await;
    let mut agent = master.agent("one").await;
    let id = master.submit(&three()).await;
    let (attempt, _, _) = agent.job().await;
    agent.run_case(attempt, 0, b"", Verdict::Accepted).await;
    let cancel = format!("/v1/jobs/{id}/cancel");
    let ended = async {
        let asked = |m: &FromMaster| matches!(m, FromMaster::Cancel { attempt: a } if *a == attempt).then_some(());
        agent.expect("a cancel", asked).await;
        agent.run_case(attempt, 1, b"cut", Verdict::Ended(Outcome::Cancelled)).await;
        agent.finish(attempt, of_cases(Outcome::Cancelled)).await;
        assert!(agent.verdict(attempt).await);
    };
    let empty = json!({});
    let (response, ()) = tokio::join!(master.post(&cancel, &empty), ended);
    let job: Value = response.json().await.unwrap();
    assert_eq!(
        (&job["outcome"], &job["verdict"], &job["passed"]),
        (&json!("cancelled"), &json!("cancelled"), &json!(1))
    );
    assert_eq!(job["cases"][1]["stdout"], "cut");
    master.end().await;
}

#[tokio::test]
async fn an_interactive_job_waits_for_an_agent_that_keeps_both_apart() {
    let (master, _dir) = Running::new().await;
    let mut virtual_kernel = hello("adam");
    virtual_kernel.isolation = enclos_protocol::job::Isolation::Gvisor;
    let mut adam = FakeAgent::connect(&master.link.to_string(), TOKEN, virtual_kernel).await.unwrap();
    let interactor = json!({ "language": "python", "source": "" });
    let id = master.submit(&json!({ "language": "c", "source": "", "cases": [{}], "interactor": interactor })).await;
    let plain = master.submit(&json!({ "language": "c", "source": "" })).await;
    assert_eq!(adam.job().await.0.job.to_string(), plain);
    assert_eq!(master.agent("zoe").await.job().await.0.job.to_string(), id);
    master.end().await;
}

#[tokio::test]
async fn an_agent_without_the_judges_language_does_not_get_the_job() {
    let (master, _dir) = Running::new().await;
    let mut narrow = hello("adam");
    narrow.load.languages.retain(|language| language.id == "c");
    let mut adam = FakeAgent::connect(&master.link.to_string(), TOKEN, narrow).await.unwrap();
    let checker = json!({ "program": { "language": "python", "source": "" } });
    let judged = json!({ "language": "c", "source": "", "cases": [{}], "checker": checker });
    let id = master.submit(&judged).await;
    let plain = master.submit(&json!({ "language": "c", "source": "" })).await;
    assert_eq!(adam.job().await.0.job.to_string(), plain, "it gets what it can do");
    let mut zoe = master.agent("zoe").await;
    assert_eq!(zoe.job().await.0.job.to_string(), id);
    master.end().await;
}
