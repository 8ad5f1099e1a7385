//! Live state and its watchers: whose output is taken, and in which order it is shown.

use std::sync::Arc;

use enclos_protocol::cases::{CASES_REPORT_BYTES_MAX, Verdict};
use enclos_protocol::ids::{AgentName, FencingToken, JobId};
use enclos_protocol::job::{Step, Stream};
use enclos_protocol::outcome::Outcome;

use super::cursor::{Cursor, Phase};
use super::live::{Live, Results};
use super::names::Names;
use super::seen::{Chunk, Seen};
use super::{Holder, NotACursor, OutputError, Told, Watcher};
use crate::scoring::Scoring;
use crate::store::{Ending, Finish, Outputs, Part, UnixTime};
use crate::testing;

const TOKEN: FencingToken = FencingToken { epoch: 1, counter: 1 };
const STDOUT: Part = Part { step: Step::Run, stream: Stream::Stdout };

fn agent() -> AgentName {
    "a".parse().unwrap()
}

fn running(cases: u32, report_bytes: u64) -> Arc<Live> {
    let live = Arc::new(Live::new(&testing::spec(cases, report_bytes), Scoring::default(), &mut Names::default()));
    live.running(TOKEN, Holder::first(&agent()));
    live
}

fn case(number: u32) -> Part {
    Part { step: Step::Case(number), stream: Stream::Stdout }
}

#[test]
fn output_of_another_attempt_or_agent_is_passed_over() {
    let live = running(2, 16);
    let old = FencingToken { epoch: 1, counter: 0 };
    let stranger: AgentName = "b".parse().unwrap();
    for (token, name) in [(old, &agent()), (TOKEN, &stranger)] {
        live.output((token, name), case(0), 0, b"x").unwrap();
        live.case_done((token, name), 0, testing::case(Verdict::Accepted)).unwrap();
    }
    assert!(live.results(Some(TOKEN), Outcome::Ok).cases.iter().all(|c| c.report.is_none() && c.stdout.is_empty()));
    let once = running(0, 16);
    once.output((old, &agent()), STDOUT, 0, b"x").unwrap();
    assert_eq!(once.results(Some(TOKEN), Outcome::Ok), Results::default());
}

#[test]
fn output_sent_again_changes_nothing_and_a_gap_is_an_error() {
    for part in [STDOUT, case(1)] {
        let live = running(if part == STDOUT { 0 } else { 2 }, 16);
        let me = agent();
        live.output((TOKEN, &me), part, 0, b"abc").unwrap();
        live.output((TOKEN, &me), part, 0, b"abcd").unwrap();
        let results = live.results(Some(TOKEN), Outcome::Ok);
        let kept = if part == STDOUT { &results.outputs.0[STDOUT.index()] } else { &results.cases[1].stdout };
        assert_eq!(kept, b"abcd");
        assert_eq!(live.output((TOKEN, &me), part, 5, b"x"), Err(OutputError::Gap { offset: 5, known: 4 }));
        assert_eq!(live.output((TOKEN, &me), part, 4, &[0; 13]), Err(OutputError::TooMuch(16)));
        assert!(live.output((TOKEN, &me), part, u64::MAX, b"x").is_err());
    }
}

#[test]
fn a_case_that_the_job_has_not_is_an_error() {
    let live = running(2, 16);
    let me = agent();
    assert_eq!(live.output((TOKEN, &me), case(2), 0, b"x"), Err(OutputError::NoSuchCase(2)));
    assert_eq!(live.case_done((TOKEN, &me), 2, testing::case(Verdict::Accepted)), Err(OutputError::NoSuchCase(2)));
    assert_eq!(live.output((TOKEN, &me), STDOUT, 0, b"x"), Err(OutputError::TooMuch(0)), "it has no run");
}

#[test]
fn all_cases_together_report_no_more_than_they_may() {
    let most = CASES_REPORT_BYTES_MAX;
    let live = running(3, most);
    let me = agent();
    let half = vec![0; usize::try_from(most / 2).unwrap()];
    live.output((TOKEN, &me), case(0), 0, &half).unwrap();
    live.output((TOKEN, &me), case(1), 0, &half).unwrap();
    assert!(matches!(live.output((TOKEN, &me), case(2), 0, b"x"), Err(OutputError::TooMuch(_))));
    live.output((TOKEN, &me), case(1), 0, &half).unwrap();
}

#[test]
fn a_watcher_sees_a_new_attempt_from_its_start() {
    let live = running(0, 16);
    live.output((TOKEN, &agent()), STDOUT, 0, b"old").unwrap();
    let mut watcher = live.watch(Cursor::default());
    assert_eq!(watcher.next_phase().unwrap().phase, Phase::Given);
    let chunk = |bytes: &[u8]| Some(Seen::Chunk(Chunk { part: STDOUT, offset: 0, bytes: bytes.to_vec() }));
    assert_eq!(watcher.next_seen(), chunk(b"old"));
    live.queued();
    let next = FencingToken { epoch: 1, counter: 2 };
    live.running(next, Holder::first(&agent()));
    live.output((next, &agent()), STDOUT, 0, b"new").unwrap();
    assert_eq!(watcher.next_seen(), None, "not before its phase was told");
    assert_eq!(watcher.next_phase().unwrap().token, Some(next));
    assert_eq!(watcher.next_seen(), chunk(b"new"));
    assert_eq!(watcher.next_phase(), None);
}

#[test]
fn an_earlier_step_sent_again_does_not_turn_the_phase_back() {
    let live = running(2, 16);
    live.advance(TOKEN, &agent(), Phase::Installing);
    assert_eq!(live.snapshot().phase, Phase::Installing);
    for step in [Step::Case(1), Step::Case(0), Step::Compile] {
        live.advance(TOKEN, &agent(), Phase::Running(step));
    }
    live.advance(TOKEN, &agent(), Phase::Installing);
    assert_eq!(live.snapshot().phase, Phase::Running(Step::Case(1)));
}

/// What a watcher sees, in one line: `0:text` and `0=verdict`.
fn seen(watcher: &mut Watcher) -> Vec<String> {
    watcher.next_phase();
    let next = std::iter::from_fn(|| watcher.next_seen());
    next.map(|seen| match seen {
        Seen::Chunk(chunk) => match chunk.part.step {
            Step::Case(n) => format!("{n}:{}", String::from_utf8(chunk.bytes).unwrap()),
            other => panic!("{other:?}"),
        },
        Seen::Case(n, report) => format!("{n}={}", report.verdict),
    })
    .collect()
}

#[test]
fn cases_are_shown_whole_and_in_order_wherever_a_watcher_resumes() {
    let live = running(3, 16);
    let me = agent();
    let done = |n, verdict| live.case_done((TOKEN, &me), n, testing::case(verdict)).unwrap();
    live.output((TOKEN, &me), case(0), 0, b"a").unwrap();
    let mut watcher = live.watch(Cursor::default());
    assert_eq!(seen(&mut watcher), ["0:a"]);
    // Two at once: what comes of the later one waits for the end of the earlier.
    live.output((TOKEN, &me), case(1), 0, b"second").unwrap();
    done(1, Verdict::WrongAnswer);
    assert_eq!(seen(&mut watcher), Vec::<String>::new());
    live.output((TOKEN, &me), case(0), 1, b"b").unwrap();
    done(0, Verdict::Accepted);
    let mut resumed = live.watch(watcher.cursor().to_string().parse().unwrap());
    for watcher in [&mut watcher, &mut resumed] {
        assert_eq!(seen(watcher), ["0:b", "0=accepted", "1:second", "1=wrong_answer"]);
    }
    live.output((TOKEN, &me), case(2), 0, b"cut").unwrap();
    live.finished(None);
    assert_eq!(seen(&mut watcher), ["2:cut"], "it was cancelled in its last case");
    let late = seen(&mut live.watch(Cursor::default()));
    assert_eq!(late, ["0:ab", "0=accepted", "1:second", "1=wrong_answer", "2:cut"], "a late watcher sees all");
}

#[test]
fn what_was_not_run_is_in_the_results_too() {
    let live = running(3, 16);
    live.case_done((TOKEN, &agent()), 0, testing::case(Verdict::WrongAnswer)).unwrap();
    let results = live.results(Some(TOKEN), Outcome::Ok);
    assert_eq!(results.cases.len(), 3);
    let judged = results.judged.unwrap();
    assert_eq!((judged.verdict, judged.passed), (Verdict::WrongAnswer, 0));
    let unattempted = live.results(None, Outcome::Cancelled);
    assert_eq!(unattempted.judged.unwrap().verdict, Verdict::Ended(Outcome::Cancelled));
    assert!(unattempted.cases.iter().all(|case| case.report.is_none()));
}

#[test]
fn an_odd_cursor_shows_nothing_that_is_not_there() {
    let live = running(1, 16);
    live.case_done((TOKEN, &agent()), 0, testing::case(Verdict::Accepted)).unwrap();
    let cursor: Result<Cursor, NotACursor> = "1-1-16-4294967295-9-9-9-9-9-9".parse();
    assert_eq!(live.watch(cursor.unwrap()).next_seen(), None);
}

#[test]
fn an_end_is_kept_for_who_waits_for_it_alone_and_once() {
    let end = || {
        let ending = Ending { outcome: Outcome::Ok, message: None, report: None, judged: None };
        let (outputs, cases, finished) = (Outputs::default(), Vec::new(), UnixTime(1));
        let job = JobId::from_bytes([1; 16]);
        let end = Finish { job, attempt: None, attempts: 1, unnoted: None, ending, outputs, cases, finished };
        Arc::new(end)
    };
    let (plain, judged, unasked, given_up) = (running(0, 16), running(1, 16), running(0, 16), running(0, 16));
    let wish = plain.wish_for_end();
    let of_cases = judged.wish_for_end();
    drop(given_up.wish_for_end());
    for live in [&plain, &judged, &unasked, &given_up] {
        live.finished(Some(end()));
    }
    let (told, holder) = wish.take().expect("it was waited for");
    assert_eq!(Arc::strong_count(&told), 1, "nothing else holds what it wrote");
    assert_eq!(holder.agent, agent());
    assert!(of_cases.take().is_none(), "its cases stand in the store");
    assert!(unasked.take_end().is_none() && given_up.take_end().is_none() && plain.take_end().is_none());
}

#[test]
fn what_one_watcher_was_told_is_told_as_it_is_to_those_at_the_same_place_and_to_nobody_else() {
    let live = running(0, 1 << 20);
    let [mut first, mut second, mut behind] = [(); 3].map(|()| live.watch(Cursor::default()));
    for watcher in [&mut first, &mut second, &mut behind] {
        watcher.next_phase().unwrap();
    }
    let say = |offset, bytes: &[u8]| live.output((TOKEN, &agent()), STDOUT, offset, bytes).unwrap();
    let tell = |watcher: &mut Watcher| {
        let before = watcher.cursor();
        watcher.next_seen().unwrap();
        let told = Told::new(&watcher.cursor(), "output", &"as it was written").unwrap();
        watcher.keep_told(before, &told);
        told
    };
    say(0, b"one");
    assert_eq!(second.next_told(), None);
    let told = tell(&mut first);
    assert_eq!(second.next_told(), Some(told));
    assert_eq!((second.cursor(), second.next_told()), (first.cursor(), None));
    say(3, b"two");
    let told = tell(&mut first);
    assert_eq!(behind.next_told(), None, "it stands elsewhere");
    behind.next_seen().unwrap();
    assert_eq!(behind.next_seen(), None, "it saw both at once");
    // Another attempt writes anew: nothing is told of the one before.
    live.running(FencingToken { epoch: 1, counter: 2 }, Holder::first(&agent()));
    assert_eq!(second.next_told(), None);
    let large = Told::new(&second.cursor(), "output", &"x".repeat(4096)).unwrap();
    assert!(told.text().len() < large.text().len());
    second.next_phase().unwrap();
    let place = second.cursor();
    second.keep_told(place, &large);
    assert_eq!(second.next_told(), None, "what is large is not kept");
}

/// A future that is polled by hand.
struct Waiting<F> {
    future: std::pin::Pin<Box<F>>,
    woken: Arc<Woken>,
}

#[derive(Default)]
struct Woken(std::sync::atomic::AtomicBool);

impl std::task::Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, std::sync::atomic::Ordering::SeqCst);
    }
}

impl<F: Future> Waiting<F> {
    fn on(future: F) -> Self {
        Self { future: Box::pin(future), woken: Arc::default() }
    }

    fn is_over(&mut self) -> bool {
        let waker = Arc::clone(&self.woken).into();
        self.future.as_mut().poll(&mut std::task::Context::from_waker(&waker)).is_ready()
    }

    fn was_woken(&self) -> bool {
        self.woken.0.load(std::sync::atomic::Ordering::SeqCst)
    }
}

#[tokio::test]
async fn who_waits_for_the_end_is_woken_by_that_alone_and_not_kept_where_it_has_come() {
    let live = running(0, 16);
    let mut waiting = Waiting::on(live.ended());
    assert!(!waiting.is_over());
    live.output((TOKEN, &agent()), STDOUT, 0, b"x").unwrap();
    live.advance(TOKEN, &agent(), Phase::Running(Step::Run));
    assert!(!waiting.was_woken());
    live.finished(None);
    assert!(waiting.was_woken() && waiting.is_over());
    live.ended().await;
}
