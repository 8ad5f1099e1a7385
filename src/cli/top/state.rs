//! What is shown and asked: pure, told what comes.

use std::time::{Duration, Instant};

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use super::feed::Update;
use super::seen::{Agent, Hour, Seen};
use crate::cli::terminal::harmless_line;

/// After so long without a word of the master, what is shown is old.
const STALE_AFTER: Duration = Duration::from_secs(5);

/// What its user wants done.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Wish {
    /// No more of it.
    Quit,
    /// This agent is to take no more jobs.
    Drain(String),
}

/// How fresh what is shown is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Freshness {
    /// It is so now.
    Live,
    /// It was so this long ago.
    Stale(Duration),
}

/// All of it.
#[derive(Debug)]
pub struct State {
    /// Where the master is.
    pub url: String,
    /// Colours are wanted.
    pub colours: bool,
    /// How it goes.
    pub seen: Seen,
    /// How it went.
    pub hour: Hour,
    /// Name of the chosen agent, which stays the same where others come and go.
    chosen: Option<String>,
    /// Name of the agent that is to be drained, where its user is asked.
    pub asked: Option<String>,
    /// What came of the last wish: well, or not.
    pub told: Option<Result<String, String>>,
    /// Why the master does not answer.
    pub trouble: Option<String>,
    heard: Option<Instant>,
}

impl State {
    /// Nothing is known yet.
    #[must_use]
    pub fn new(url: &str, colours: bool) -> Self {
        Self {
            url: harmless_line(url),
            colours,
            seen: Seen::default(),
            hour: Hour::default(),
            chosen: None,
            asked: None,
            told: None,
            trouble: None,
            heard: None,
        }
    }

    /// The master said how it goes.
    pub fn seen(&mut self, seen: Seen, now: Instant) {
        self.seen = seen;
        self.heard = Some(now);
        self.trouble = None;
        if self.place().is_none() {
            self.chosen = self.agents().first().map(|agent| agent.name.clone());
        }
    }

    /// What the feed brought.
    pub fn update(&mut self, update: Update, now: Instant) {
        match update {
            Update::Seen(seen) => self.seen(*seen, now),
            Update::Hour(hour) => self.hour = hour,
            Update::Alive => {
                self.heard = Some(now);
                self.trouble = None;
            }
            Update::Lost(why) => self.trouble = Some(harmless_line(&why)),
        }
    }

    /// What came of a wish.
    pub fn told(&mut self, told: Result<String, String>) {
        let plain = |text: String| harmless_line(&text);
        self.told = Some(told.map(plain).map_err(plain));
    }

    /// A key was pressed.
    pub fn key(&mut self, key: KeyEvent) -> Option<Wish> {
        if key.kind == KeyEventKind::Release {
            return None;
        }
        let interrupts = key.modifiers.contains(KeyModifiers::CONTROL) && key.code == KeyCode::Char('c');
        if interrupts {
            return Some(Wish::Quit);
        }
        if let Some(name) = self.asked.take() {
            let says_yes = matches!(key.code, KeyCode::Char('y' | 'Y'));
            return says_yes.then_some(Wish::Drain(name));
        }
        self.told = None;
        match key.code {
            KeyCode::Char('q') | KeyCode::Esc => return Some(Wish::Quit),
            KeyCode::Down | KeyCode::Char('j') => self.choose(1),
            KeyCode::Up | KeyCode::Char('k') => self.choose(-1),
            KeyCode::PageDown => self.choose(10),
            KeyCode::PageUp => self.choose(-10),
            KeyCode::Home => self.choose(isize::MIN),
            KeyCode::End => self.choose(isize::MAX),
            KeyCode::Char('d') => self.asked = self.place().map(|place| self.agents()[place].name.clone()),
            _ => {}
        }
        None
    }

    /// Whether it is so now.
    #[must_use]
    pub fn freshness(&self, now: Instant) -> Freshness {
        match self.heard.map(|heard| now.saturating_duration_since(heard)) {
            Some(age) if age < STALE_AFTER => Freshness::Live,
            age => Freshness::Stale(age.unwrap_or_default()),
        }
    }

    /// The agents, as many as are told of.
    #[must_use]
    pub fn agents(&self) -> &[Agent] {
        self.seen.agents.as_deref().unwrap_or_default()
    }

    /// Which of the agents is chosen.
    #[must_use]
    pub fn place(&self) -> Option<usize> {
        let chosen = self.chosen.as_ref()?;
        self.agents().iter().position(|agent| agent.name == *chosen)
    }

    fn choose(&mut self, by: isize) {
        let Some(last) = self.agents().len().checked_sub(1) else { return };
        let place = self.place().unwrap_or(0).saturating_add_signed(by).min(last);
        self.chosen = Some(self.agents()[place].name.clone());
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn state(names: &[&str]) -> State {
        let mut state = State::new("http://127.0.0.1:7300", false);
        state.seen(seen(names), Instant::now());
        state
    }

    fn seen(names: &[&str]) -> Seen {
        let agents: Vec<_> = names.iter().map(|name| json!({ "name": name })).collect();
        Seen::of(&json!({ "agents_detail": agents }))
    }

    fn press(state: &mut State, code: KeyCode) -> Option<Wish> {
        state.key(KeyEvent::from(code))
    }

    #[test]
    fn an_agent_is_drained_only_where_its_user_says_yes() {
        let mut state = state(&["one", "two"]);
        press(&mut state, KeyCode::Down);
        assert_eq!(press(&mut state, KeyCode::Char('d')), None);
        assert_eq!(state.asked.as_deref(), Some("two"));
        assert_eq!(press(&mut state, KeyCode::Char('n')), None, "any other key is a no");
        assert_eq!(state.asked, None);
        assert_eq!(press(&mut state, KeyCode::Char('y')), None, "nothing is asked any more");
        press(&mut state, KeyCode::Char('d'));
        assert_eq!(press(&mut state, KeyCode::Char('y')), Some(Wish::Drain("two".into())));
    }

    #[test]
    fn the_chosen_agent_stays_chosen_where_others_come_and_go() {
        let mut state = state(&["b", "c"]);
        press(&mut state, KeyCode::End);
        state.seen(seen(&["a", "b", "c", "d"]), Instant::now());
        assert_eq!(state.place(), Some(2));
        state.seen(seen(&["a", "b"]), Instant::now());
        assert_eq!(state.place(), Some(0), "it is gone");
        press(&mut state, KeyCode::Up);
        press(&mut state, KeyCode::PageDown);
        assert_eq!(state.place(), Some(1), "and there is no place beyond the last");
        state.seen(seen(&[]), Instant::now());
        press(&mut state, KeyCode::Down);
        assert_eq!((state.place(), press(&mut state, KeyCode::Char('d')), &state.asked), (None, None, &None));
    }

    #[test]
    fn what_is_old_is_said_to_be_and_a_sign_of_life_makes_it_new() {
        let (mut state, now) = (state(&[]), Instant::now());
        assert_eq!(state.freshness(now), Freshness::Live);
        let later = now + 2 * STALE_AFTER;
        assert!(matches!(state.freshness(later), Freshness::Stale(age) if age >= STALE_AFTER));
        state.update(Update::Lost("no \u{1b}answer".into()), later);
        assert_eq!(state.trouble.as_deref(), Some("no ␛answer"));
        state.update(Update::Alive, later);
        assert_eq!((state.freshness(later), &state.trouble), (Freshness::Live, &None));
    }

    #[test]
    fn it_ends_by_q_escape_and_ctrl_c() {
        let mut state = state(&["one"]);
        assert_eq!(press(&mut state, KeyCode::Char('q')), Some(Wish::Quit));
        assert_eq!(press(&mut state, KeyCode::Esc), Some(Wish::Quit));
        let interrupt = KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL);
        press(&mut state, KeyCode::Char('d'));
        assert_eq!(state.key(interrupt), Some(Wish::Quit), "while it asks, too");
    }
}
