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
    stdin.taken(TOKEN, took(0)).unwrap();
    (stdin, bell)
}

/// An agent that holds nothing back, of a program that took so much.
fn took(taken: u64) -> Heard {
    Heard { taken, received: taken, ..Heard::default() }
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
    stdin.taken(TOKEN, took(0)).unwrap();
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
    stdin.taken(TOKEN, Heard { taken: 1, ..took(STDIN_WINDOW_BYTES as u64) }).unwrap();
    assert_eq!(said(&mut client, b"yz"), None, "there was room for one");
    assert_eq!(stdin.next(TOKEN, &bell), given(STDIN_WINDOW_BYTES as u64, b"y", false));
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
    stdin.taken(TOKEN, Heard { taken: 1, ..took(2) }).unwrap();
    assert_eq!((stdin.next(TOKEN, &bell), stdin.next(TOKEN, &newer)), (None, given(2, b"c", true)));
}

/// An input at a master that has just started, when the agent has said how far it is.
fn taken_up(heard: Heard) -> (Arc<Stdin>, Arc<Notify>) {
    let (stdin, bell) = (Arc::<Stdin>::default(), Arc::<Notify>::default());
    stdin.give_to(TOKEN, &bell);
    stdin.taken(TOKEN, heard).unwrap();
    (stdin, bell)
}

#[test]
fn a_master_that_has_just_started_goes_on_behind_what_is_on_its_way() {
    let (stdin, bell) = taken_up(Heard { taken: 1000, ..took(1000 + 60_000) });
    let mut client = stdin.attach();
    assert_eq!(stdin.next(TOKEN, &bell), None, "it has nothing of that");
    assert_eq!(said(&mut client, &[b'x'; 6000]), None, "one window from end to end");
    assert_eq!(stdin.next(TOKEN, &bell), given(61_000, &[b'x'; 5536], false));
    // The program reads what was on its way before this master's first client said as much.
    stdin.taken(TOKEN, Heard { taken: 61_000, ..took(66_536) }).unwrap();
    assert_eq!(said(&mut client, b"y"), Some(Ok(())));
    assert_eq!(stdin.next(TOKEN, &bell), given(66_536, b"y", false));

    let (stdin, bell) = taken_up(Heard { taken: 1000, ..took(1003) });
    stdin.taken(TOKEN, took(1003)).unwrap();
    assert_eq!(said(&mut stdin.attach(), b"x"), Some(Ok(())));
    assert_eq!(stdin.next(TOKEN, &bell), given(1003, b"x", false));
}

#[test]
fn what_another_master_gave_is_never_sent_whatever_the_agent_says_later() {
    let (stdin, _) = taken_up(Heard { taken: 1000, ..took(1003) });
    assert_eq!(said(&mut stdin.attach(), b"x"), Some(Ok(())));
    let newer = Arc::<Notify>::default();
    stdin.give_to(TOKEN, &newer);
    stdin.taken(TOKEN, took(1000)).unwrap();
    assert_eq!(stdin.next(TOKEN, &newer), given(1003, b"x", false));
}

#[test]
fn an_end_that_another_master_gave_is_the_end() {
    let (stdin, bell) = taken_up(Heard { taken: 1, ended: true, ..took(3) });
    let ended = Refused::AtItsEnd(Stage::Ended);
    assert_eq!((stdin.stage(), said(&mut stdin.attach(), b"x")), (Stage::Ended, Some(Err(ended))));
    assert_eq!(stdin.next(TOKEN, &bell), None, "the agent has it");
    assert_eq!(stdin.taken(TOKEN, Heard { ended: true, ..took(3) }), Ok(()));
}

#[test]
fn what_an_agent_says_and_cannot_be_so_is_not_taken() {
    let all = STDIN_WINDOW_BYTES as u64;
    let (stdin, _) = open();
    assert_eq!(said(&mut stdin.attach(), b"abc"), Some(Ok(())));
    for heard in [
        took(4),
        took(1 << 40),
        Heard { taken: 2, ..took(1) },
        Heard { taken: 0, ..took(4) },
        Heard { ended: true, ..took(3) },
        took(u64::MAX),
    ] {
        assert_eq!(stdin.taken(TOKEN, heard), Err(Unfit), "{heard:?}");
    }
    assert_eq!(stdin.taken(TOKEN, took(3)), Ok(()));
    for heard in [Heard { taken: 0, ..took(all + 1) }, Heard { taken: 1, ..took(0) }, took(u64::MAX)] {
        let stdin = Stdin::default();
        stdin.give_to(TOKEN, &Arc::default());
        assert_eq!(stdin.taken(TOKEN, heard), Err(Unfit), "{heard:?}");
    }
}

#[test]
fn what_was_said_to_a_lost_attempt_and_never_given_is_given_to_the_next_from_its_begin() {
    let (stdin, _) = open();
    assert_eq!(said(&mut stdin.attach(), b"abc"), Some(Ok(())));
    stdin.begin_anew();
    let (token, bell) = (FencingToken { counter: 2, ..TOKEN }, Arc::default());
    stdin.give_to(token, &bell);
    assert_eq!(stdin.taken(token, Heard { taken: 0, ..took(9) }), Err(Unfit), "nobody gave it");
    stdin.taken(token, took(0)).unwrap();
    assert_eq!(stdin.next(token, &bell), given(0, b"abc", false));
}

#[test]
fn a_program_that_reads_no_more_is_told_and_still_gets_signals() {
    let (stdin, bell) = open();
    let mut client = stdin.attach();
    assert_eq!(said(&mut client, b"lost"), Some(Ok(())));
    stdin.taken(TOKEN, Heard { received: 4, closed: true, ..took(0) }).unwrap();
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
    stdin.taken(token, took(0)).unwrap();
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

/// What becomes of a piece, and of the connection that it is to go over.
#[derive(Clone, Copy, Debug)]
enum Fate {
    Comes,
    Waits,
    /// The connection breaks before or after it.
    Breaks {
        came: bool,
    },
    /// The master is started anew; what had not left it is lost, and its clients see that.
    Restarts {
        came: bool,
    },
}

fn fate() -> impl Strategy<Value = Fate> {
    prop_oneof![
        4 => Just(Fate::Comes),
        2 => Just(Fate::Waits),
        1 => any::<bool>().prop_map(|came| Fate::Breaks { came }),
        1 => any::<bool>().prop_map(|came| Fate::Restarts { came }),
    ]
}

/// An agent, which keeps what came, and its program.
#[derive(Default)]
struct Agent {
    came: Vec<u8>,
    ended: bool,
    taken: usize,
}

impl Agent {
    /// As the agent's own `live::Feed` does.
    fn take(&mut self, given: Option<Given>) {
        let Some(Given::Stdin { offset, bytes, last }) = given else { return };
        let seen = self.came.len().checked_sub(usize::try_from(offset).unwrap()).expect("a gap");
        self.came.extend(bytes.iter().skip(seen));
        self.ended |= last;
        assert!(self.came.len() - self.taken <= STDIN_WINDOW_BYTES);
    }

    fn heard(&self) -> Heard {
        let (taken, received) = (self.taken as u64, self.came.len() as u64);
        Heard { taken, received, ended: self.ended, closed: false }
    }
}

proptest! {
    /// Sessions break and masters are started anew at any time, with any part of what was said taken by
    /// the program, at its agent, on its way or still held.
    #[test]
    fn the_program_reads_all_that_was_said_in_order_and_once(
        words in prop::collection::vec((prop::collection::vec(any::<u8>(), 0..50), 0usize..60, fate()), 0..40),
        ends_before in any::<bool>(),
    ) {
        let (mut stdin, mut bell) = open();
        let mut client = stdin.attach();
        let (mut all, mut agent) = (Vec::<u8>::new(), Agent::default());
        for (word, reads, fate) in words {
            all.extend(&word);
            prop_assert_eq!(said(&mut client, &word), Some(Ok(())));
            if let Fate::Comes | Fate::Breaks { came: true } | Fate::Restarts { came: true } = fate {
                agent.take(stdin.next(TOKEN, &bell));
            }
            agent.taken = agent.came.len().min(agent.taken + reads);
            match fate {
                Fate::Comes | Fate::Waits => {}
                Fate::Breaks { .. } => {
                    drop(stdin.next(TOKEN, &bell));
                    bell = Arc::default();
                    stdin.give_to(TOKEN, &bell);
                }
                Fate::Restarts { .. } => {
                    all.truncate(agent.came.len());
                    (stdin, bell) = (Arc::default(), Arc::default());
                    client = stdin.attach();
                    stdin.give_to(TOKEN, &bell);
                }
            }
            stdin.taken(TOKEN, agent.heard()).unwrap();
        }
        client.end().unwrap();
        agent.take(stdin.next(TOKEN, &bell));
        if ends_before {
            (stdin, bell) = taken_up(agent.heard());
            prop_assert_eq!((stdin.stage(), stdin.next(TOKEN, &bell)), (Stage::Ended, None));
        }
        agent.taken = agent.came.len();
        prop_assert_eq!(stdin.taken(TOKEN, agent.heard()), Ok(()));
        prop_assert_eq!((agent.came, agent.ended), (all, true));
    }
}
