//! Live input from clients to the program: one speaks, no more than a window, each byte once.

use futures::FutureExt as _;
use proptest::prelude::*;

use super::*;

const TOKEN: FencingToken = FencingToken { epoch: 1, counter: 1 };
const IDLE: Duration = Duration::from_secs(60);

/// An input of a program that runs, and its session's bell.
fn open() -> (Arc<Stdin>, Arc<Notify>) {
    let (stdin, bell) = (Arc::<Stdin>::default(), Arc::<Notify>::default());
    stdin.give_to(TOKEN, &bell);
    stdin.taken(TOKEN, 0, false).unwrap();
    (stdin, bell)
}

fn given(offset: u64, bytes: &[u8], last: bool) -> Option<Given> {
    Some(Given::Stdin { offset, bytes: bytes.to_vec(), last })
}

fn said(client: &mut Client, bytes: &[u8]) -> Option<Result<(), Refused>> {
    client.say(bytes).now_or_never()
}

#[test]
fn nothing_is_held_for_a_program_that_does_not_run() {
    let (stdin, bell) = (Arc::<Stdin>::default(), Arc::<Notify>::default());
    let mut client = stdin.attach();
    assert_eq!((stdin.stage(), said(&mut client, b"x")), (Stage::Waiting, None));
    assert_eq!(client.signal(Signal::Int), Err(Refused::NotRunning));
    stdin.give_to(TOKEN, &bell);
    assert_eq!((said(&mut client, b"x"), stdin.next(TOKEN, &bell)), (None, None));
    stdin.taken(TOKEN, 0, false).unwrap();
    assert_eq!((stdin.stage(), said(&mut client, b"x")), (Stage::Open, Some(Ok(()))));
    assert_eq!(stdin.next(TOKEN, &bell), given(0, b"x", false));
    assert_eq!(stdin.next(TOKEN, &bell), None, "once");
}

#[test]
fn one_client_speaks_until_it_is_gone() {
    let (stdin, bell) = open();
    let (mut first, mut second) = (stdin.attach(), stdin.attach());
    assert_eq!(said(&mut first, b"a"), Some(Ok(())));
    assert_eq!(said(&mut second, b"b"), Some(Err(Refused::InUse)));
    assert_eq!(second.end(), Err(Refused::InUse));
    drop(first);
    assert_eq!((said(&mut second, b"b"), second.end()), (Some(Ok(())), Ok(())));
    assert_eq!(stdin.next(TOKEN, &bell), given(0, b"ab", true));
    let ended = Refused::AtItsEnd(Stage::Ended);
    assert_eq!((said(&mut second, b"c"), second.end()), (Some(Err(ended)), Err(ended)));
    assert_eq!(second.signal(Signal::Term), Ok(()), "a program that runs on can be ended");
    assert_eq!(stdin.next(TOKEN, &bell), Some(Given::Signal(Signal::Term)));
}

#[test]
fn who_says_more_than_has_room_waits_for_the_program() {
    let (stdin, bell) = open();
    let mut client = stdin.attach();
    assert_eq!(said(&mut client, &[b'x'; STDIN_WINDOW_BYTES]), Some(Ok(())));
    assert_eq!(said(&mut client, b"yz"), None);
    assert!(stdin.next(TOKEN, &bell).is_some());
    assert_eq!(said(&mut client, b"yz"), None, "what was sent is held until it was taken");
    stdin.taken(TOKEN, 1, false).unwrap();
    assert_eq!(said(&mut client, b"yz"), None, "there was room for one");
    assert_eq!(stdin.next(TOKEN, &bell), given(STDIN_WINDOW_BYTES as u64, b"y", false));
    assert_eq!(stdin.taken(TOKEN, 1 << 40, false), Err(Unfit));
}

#[test]
fn a_new_session_sends_again_what_may_be_lost_and_an_old_one_is_not_heard() {
    let (stdin, bell) = open();
    let mut client = stdin.attach();
    assert_eq!((said(&mut client, b"abc"), client.end()), (Some(Ok(())), Ok(())));
    assert_eq!(stdin.next(TOKEN, &bell), given(0, b"abc", true));
    let newer = Arc::<Notify>::default();
    stdin.give_to(TOKEN, &newer);
    assert_eq!(stdin.next(TOKEN, &newer), None, "not before the agent says what it has");
    stdin.taken(TOKEN, 2, false).unwrap();
    assert_eq!((stdin.next(TOKEN, &bell), stdin.next(TOKEN, &newer)), (None, given(2, b"c", true)));
}

#[test]
fn a_master_that_has_just_started_goes_on_where_the_program_is() {
    let (stdin, bell) = (Arc::<Stdin>::default(), Arc::<Notify>::default());
    stdin.give_to(TOKEN, &bell);
    stdin.taken(TOKEN, 1000, false).unwrap();
    let mut client = stdin.attach();
    assert_eq!(said(&mut client, b"x"), Some(Ok(())));
    assert_eq!(stdin.next(TOKEN, &bell), given(1000, b"x", false));
}

#[test]
fn a_program_that_reads_no_more_is_told_and_still_gets_signals() {
    let (stdin, bell) = open();
    let mut client = stdin.attach();
    assert_eq!(said(&mut client, b"lost"), Some(Ok(())));
    stdin.taken(TOKEN, 0, true).unwrap();
    assert_eq!(stdin.stage(), Stage::Closed);
    assert_eq!(said(&mut client, b"x"), Some(Err(Refused::AtItsEnd(Stage::Closed))));
    assert_eq!(client.signal(Signal::Int), Ok(()));
    assert_eq!(stdin.next(TOKEN, &bell), Some(Given::Signal(Signal::Int)));
    stdin.end();
    assert_eq!(client.signal(Signal::Int), Err(Refused::AtItsEnd(Stage::Over)));
}

#[test]
fn a_signal_for_a_lost_attempt_reaches_no_other() {
    let (stdin, _) = open();
    assert_eq!(stdin.attach().signal(Signal::Kill), Ok(()));
    stdin.begin_anew();
    let (token, bell) = (FencingToken { counter: 2, ..TOKEN }, Arc::default());
    stdin.give_to(token, &bell);
    stdin.taken(token, 0, false).unwrap();
    assert_eq!((stdin.stage(), stdin.next(token, &bell)), (Stage::Open, None));
}

#[test]
fn only_an_input_at_which_nobody_is_becomes_idle() {
    let (stdin, bell) = open();
    let client = stdin.attach();
    assert_eq!(stdin.idle_at(IDLE), None);
    drop(client);
    let first = stdin.idle_at(IDLE).unwrap();
    stdin.touch();
    let later = stdin.idle_at(IDLE).unwrap();
    assert!(later >= first, "what is written is a sign of life");
    stdin.end_if_idle(IDLE, later - Duration::from_nanos(1));
    assert_eq!(stdin.next(TOKEN, &bell), None);
    stdin.end_if_idle(IDLE, later);
    assert_eq!((stdin.next(TOKEN, &bell), stdin.stage()), (given(0, b"", true), Stage::Idle));
}

proptest! {
    /// Sessions break at any time, with any part of what they sent on the other side.
    #[test]
    fn the_program_reads_all_that_was_said_in_order_and_once(
        words in prop::collection::vec((prop::collection::vec(any::<u8>(), 0..50), 0usize..60, any::<bool>()), 0..40),
    ) {
        let (stdin, mut bell) = open();
        let mut client = stdin.attach();
        let (mut all, mut read) = (Vec::<u8>::new(), Vec::<u8>::new());
        for (word, taken, breaks) in words {
            all.extend(&word);
            prop_assert_eq!(said(&mut client, &word), Some(Ok(())));
            if let Some(Given::Stdin { offset, bytes, .. }) = stdin.next(TOKEN, &bell) {
                let known = read.len() - usize::try_from(offset).unwrap();
                read.extend(bytes.iter().skip(known).take(taken));
            }
            if breaks {
                bell = Arc::default();
                stdin.give_to(TOKEN, &bell);
            }
            // An agent keeps what it was sent; here what it did not take is lost with the session.
            if breaks || read.len() == all.len() {
                stdin.taken(TOKEN, read.len() as u64, false).unwrap();
            } else {
                bell = Arc::default();
                stdin.give_to(TOKEN, &bell);
                stdin.taken(TOKEN, read.len() as u64, false).unwrap();
            }
        }
        client.end().unwrap();
        if let Some(Given::Stdin { offset, bytes, last }) = stdin.next(TOKEN, &bell) {
            prop_assert!(last);
            read.extend(bytes.iter().skip(read.len() - usize::try_from(offset).unwrap()));
        }
        prop_assert_eq!(read, all);
    }
}
