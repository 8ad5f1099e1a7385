//! What jobs get their turn by, and what was learnt of them.

use super::*;
use crate::access::Priority;
use crate::store::{Level, Prediction, PredictionRow};

const PREDICTION: Prediction =
    Prediction { cpu_us: 1, wall_us: 2, memory_bytes: 3, level: Level::Tenant, observations: u64::MAX };

fn row(source: u64, state: Option<&[u8]>) -> PredictionRow {
    PredictionRow { tenant: "t".into(), language: "c".into(), source, state: state.map(<[u8]>::to_vec) }
}

/// The files of a store as they are now, without the end that closing makes.
fn crashed(dir: &Path) -> tempfile::TempDir {
    let crashed = tempfile::tempdir().unwrap();
    for name in ["enclos.db", "enclos.db-wal"] {
        std::fs::copy(dir.join(name), crashed.path().join(name)).unwrap();
    }
    crashed
}

#[tokio::test]
async fn priority_end_of_waiting_and_order_survive_a_crash() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).store;
    let turns = [
        Turn { priority: Priority::Low, expires: Some(UnixTime(77)), source: u64::MAX },
        Turn { priority: Priority::High, expires: None, source: 5 },
        Turn::default(),
    ];
    for turn in turns {
        assert_eq!(store.admit(NewJob { turn, ..new_job() }).await.unwrap(), Admission::New);
    }
    let again = open(crashed(dir.path()).path());
    let found: Vec<Turn> = again.unfinished.iter().map(|unfinished| unfinished.record.turn).collect();
    assert_eq!(found, turns);
}

#[tokio::test]
async fn what_was_expected_of_a_job_stays_with_it_and_the_last_word_holds() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).store;
    let id = admitted(&store).await;
    let started = |counter, prediction| Started { job: id, attempt: facts(counter), attempts: 1, prediction };
    let found = async || store.job("t".into(), id).await.unwrap().unwrap().prediction;
    store.started(vec![started(1, Some(PREDICTION))]).await.unwrap();
    assert_eq!(found().await, Some(PREDICTION));
    store.started(vec![started(2, None)]).await.unwrap();
    assert_eq!(found().await, Some(PREDICTION), "nothing was known the second time");
    let later = Prediction { level: Level::Source, ..PREDICTION };
    store.started(vec![started(3, Some(later))]).await.unwrap();
    store.finish(finish(id, Some(facts(3)))).await.unwrap();
    assert_eq!(found().await, Some(later));
    let id = admitted(&store).await;
    let started = Started { job: id, attempt: facts(4), attempts: 1, prediction: Some(later) };
    let unnoted = Finish { unnoted: Some(started), ..(*finish(id, Some(facts(4)))).clone() };
    store.finish(Arc::new(unnoted)).await.unwrap();
    let found = store.job("t".into(), id).await.unwrap().unwrap().prediction;
    assert_eq!(found, Some(later), "a job that ended before its attempt was noted");
}

#[tokio::test]
async fn who_had_a_job_stays_known_where_its_end_came_without_a_report_and_before_the_note() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).store;
    let id = admitted(&store).await;
    let started = Started { job: id, attempt: facts(4), attempts: 3, prediction: None };
    let end = Finish { unnoted: Some(started.clone()), attempts: 3, ..(*finish(id, None)).clone() };
    assert_eq!(store.finish(Arc::new(end)).await.unwrap(), Recorded::Now);
    // The note may come after the end, and changes nothing then.
    store.started(vec![started]).await.unwrap();
    let job = store.job("t".into(), id).await.unwrap().unwrap();
    let AttemptFacts { token, agent, started } = facts(4);
    assert_eq!((job.state, job.attempts), (StoredState::Finished, 3));
    assert_eq!((job.agent, job.started, job.token), (Some(agent.to_string()), Some(started), Some(token)));
}

#[tokio::test]
async fn what_was_learnt_survives_a_crash_and_goes_when_it_is_forgotten() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).store;
    let rows = [row(u64::MAX, Some(b"top")), row(7, Some(b"seven")), row(0, Some(b"all"))];
    store.keep_predictions(rows.clone().into()).await.unwrap();
    let again = open(crashed(dir.path()).path());
    assert_eq!(again.predictions.first(), Some(&rows[2]), "the group comes first");
    assert_eq!(again.predictions.len(), 3);
    assert!(rows.iter().all(|row| again.predictions.contains(row)));
    again.store.keep_predictions([row(7, None), row(0, Some(b"new"))].into()).await.unwrap();
    let again = open(crashed(dir.path()).path());
    assert_eq!(again.predictions.len(), 3, "the other store is its own");
    store.keep_predictions([row(7, None), row(0, Some(b"new"))].into()).await.unwrap();
    let again = open(crashed(dir.path()).path());
    assert_eq!(again.predictions, [row(0, Some(b"new")), row(u64::MAX, Some(b"top"))]);
}

#[tokio::test]
async fn a_row_of_another_kind_fails_no_start() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).store;
    store.keep_predictions([row(1, Some(b"good"))].into()).await.unwrap();
    store.close();
    let other = Connection::open(dir.path().join("enclos.db")).unwrap();
    other.execute("INSERT INTO predictions VALUES ('t', 'c', 2, 'text')", []).unwrap();
    drop(other);
    assert_eq!(open(dir.path()).predictions, [row(1, Some(b"good"))]);
}
