//! Ends of jobs, many at once.

use super::*;

#[tokio::test]
async fn ends_that_come_together_are_counted_each_for_its_tenant_and_outcome() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).store;
    // Of long ago it would be forgotten when the store is opened again.
    let (mut ends, finished) = (Vec::new(), UnixTime::now());
    for n in 0..40 {
        let mut job = new_job();
        if n % 4 == 0 {
            Arc::make_mut(&mut job.spec).binding.tenant = "u".into();
        }
        let plain = finish(job.id, Some(facts(1)));
        let outcome = if n % 2 == 0 { Outcome::Ok } else { Outcome::RuntimeError };
        let ending = Ending { outcome, ..plain.ending.clone() };
        ends.push(Arc::new(Finish { ending, finished, ..(*plain).clone() }));
        store.admit(job).await.unwrap();
    }
    for expected in [Recorded::Now, Recorded::Refused] {
        let recorded = futures::future::join_all(ends.iter().map(|end| store.finish(Arc::clone(end)))).await;
        assert!(recorded.into_iter().all(|recorded| recorded.unwrap() == expected));
    }
    store.close();
    let again = open(dir.path());
    let used = again.store.usage(None, finished).await.unwrap();
    let counts = |counts: &[(&str, u64)]| counts.iter().map(|(outcome, jobs)| ((*outcome).to_owned(), *jobs)).collect();
    assert_eq!(used["t"].jobs, counts(&[("ok", 10), ("runtime_error", 20)]));
    assert_eq!(used["u"].jobs, counts(&[("ok", 10)]));
}
