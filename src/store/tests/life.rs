//! What follows a write, whoever has gone meanwhile.

use tokio::sync::oneshot;

use super::*;

#[tokio::test]
async fn what_follows_an_admission_is_done_though_its_caller_has_gone_and_not_where_it_was_never_begun() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).store;
    let (sender, told) = oneshot::channel();
    drop(store.admit_then(new_job(), move |admission| drop(sender.send(admission))));
    assert!(told.await.is_err(), "nothing was written");
    let (sender, told) = oneshot::channel();
    // It waits for the writer when this returns, and for nobody here.
    store.admit_then(new_job(), move |admission| drop(sender.send(admission))).await.unwrap();
    assert_eq!(told.await.unwrap().unwrap(), Admission::New);
    assert_eq!(store.list(all(10)).await.unwrap().jobs.len(), 1);
}

#[tokio::test]
async fn a_panic_in_what_follows_a_write_takes_nothing_with_it() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).store;
    store.admit_then(new_job(), |_| panic!("as a bug would")).await.unwrap();
    admitted(&store).await;
    assert_eq!(store.list(all(10)).await.unwrap().jobs.len(), 2);
}

#[tokio::test]
async fn what_follows_a_write_may_be_the_last_to_hold_the_store() {
    let dir = tempfile::tempdir().unwrap();
    let store = Arc::new(open(dir.path()).store);
    let (sender, told) = oneshot::channel();
    let (go, waits) = std::sync::mpsc::channel();
    let last = Arc::clone(&store);
    let then = move |_| {
        // Until the caller holds it no longer.
        waits.recv().unwrap();
        assert_eq!(Arc::strong_count(&last), 1);
        drop(last);
        sender.send(()).unwrap();
    };
    store.admit_then(new_job(), then).await.unwrap();
    drop(store);
    go.send(()).unwrap();
    told.await.expect("the writer's thread does not wait for itself");
}
