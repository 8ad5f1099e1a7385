//! What is shown to a person: colours, a spinner, and texts that cannot harm a terminal.
//!
//! A program's output may hold sequences that move the cursor, change the
//! title or answer on the terminal's input. Whatever came from a client, a
//! program or an agent goes through [`harmless`] before a terminal sees it.

use std::io::{self, IsTerminal as _, Write as _};

/// What the two outputs of this process are.
#[derive(Clone, Copy, Debug)]
pub struct Terminal {
    /// Standard output is a terminal.
    pub stdout: bool,
    /// Standard error is a terminal.
    pub stderr: bool,
    /// Colours are wanted.
    pub colours: bool,
}

impl Terminal {
    /// As this process finds it.
    #[must_use]
    pub fn detect() -> Self {
        let stdout = io::stdout().is_terminal();
        // https://no-color.org: set and not empty means no colours.
        let plain = std::env::var_os("NO_COLOR").is_some_and(|v| !v.is_empty())
            || std::env::var_os("TERM").is_some_and(|v| v == "dumb");
        Self { stdout, stderr: io::stderr().is_terminal(), colours: stdout && !plain }
    }

    /// `text` in `colour`, where colours are wanted.
    #[must_use]
    pub fn paint(&self, colour: Colour, text: &str) -> String {
        match colour {
            Colour::Plain => text.to_owned(),
            _ if !self.colours => text.to_owned(),
            Colour::Good => format!("\x1b[32m{text}\x1b[0m"),
            Colour::Bad => format!("\x1b[31m{text}\x1b[0m"),
            Colour::Busy => format!("\x1b[33m{text}\x1b[0m"),
            Colour::Faint => format!("\x1b[2m{text}\x1b[0m"),
        }
    }
}

/// What a word means to the reader.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Colour {
    /// Nothing special.
    Plain,
    /// As it should be.
    Good,
    /// Not as it should be.
    Bad,
    /// Under way.
    Busy,
    /// Beside the point.
    Faint,
}

/// The colour of an outcome or state.
#[must_use]
pub fn colour_of(word: &str) -> Colour {
    match word {
        "ok" | "accepted" | "connected" | "ready" => Colour::Good,
        "queued" | "running" | "draining" | "suspect" | "preparing" | "building" => Colour::Busy,
        "absent" | "finished" | "cancelled" | "skipped" | "" => Colour::Faint,
        _ => Colour::Bad,
    }
}

/// `text` without anything that a terminal acts on; line ends and tabs stay.
///
/// Control characters become their visible pictures (U+2400 on), what turns
/// the direction of writing becomes a replacement character.
#[must_use]
pub fn harmless(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut characters = text.chars().peekable();
    while let Some(c) = characters.next() {
        match c {
            '\n' | '\t' => shown.push(c),
            // A lone carriage return lets a later text cover an earlier one.
            '\r' if characters.peek() == Some(&'\n') => {}
            '\0'..='\x1f' => shown.push(char::from_u32(0x2400 + u32::from(c)).unwrap_or('\u{fffd}')),
            '\x7f' => shown.push('\u{2421}'),
            '\u{80}'..='\u{9f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => shown.push('\u{fffd}'),
            _ => shown.push(c),
        }
    }
    shown
}

/// As [`harmless`], on one line.
#[must_use]
pub fn harmless_line(text: &str) -> String {
    harmless(text).replace(['\n', '\t'], " ")
}

/// A line on standard output; a reader that is gone is no failure of ours.
pub fn say(line: &str) {
    let _ = writeln!(io::stdout(), "{line}");
}

/// A line on standard error.
pub fn tell(line: &str) {
    let _ = writeln!(io::stderr(), "{line}");
}

/// One line on standard error that is drawn again and again, and leaves no trace.
#[derive(Debug)]
pub struct Spinner {
    wanted: bool,
    drawn: bool,
    turn: usize,
}

const FRAMES: [&str; 8] = ["⠋", "⠙", "⠸", "⠴", "⠦", "⠇", "⠏", "⠉"];

impl Spinner {
    /// A spinner that draws nothing unless `wanted`.
    #[must_use]
    pub fn new(wanted: bool) -> Self {
        Self { wanted, drawn: false, turn: 0 }
    }

    /// Draws its next turn with `text`.
    pub fn draw(&mut self, text: &str) {
        if self.wanted {
            self.turn += 1;
            let frame = FRAMES[self.turn % FRAMES.len()];
            let _ = write!(io::stderr(), "\r\x1b[K{frame} {}", harmless_line(text));
            let _ = io::stderr().flush();
            self.drawn = true;
        }
    }

    /// Wipes it away, so that something else can be written.
    pub fn clear(&mut self) {
        if self.drawn {
            let _ = write!(io::stderr(), "\r\x1b[K");
            let _ = io::stderr().flush();
            self.drawn = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn escape_sequences_are_shown_not_sent() {
        assert_eq!(harmless("\x1b[2J\x07a\x7f"), "␛[2J␇a␡");
        assert_eq!(harmless("a\r\nb\tc\rd"), "a\nb\tc␍d");
        assert_eq!(harmless("\u{9b}31m\u{202e}x"), "\u{fffd}31m\u{fffd}x");
        assert_eq!(harmless("żółć 漢字 🦀"), "żółć 漢字 🦀");
        assert_eq!(harmless_line("a\nb"), "a b");
    }

    #[test]
    fn colours_are_only_where_they_are_wanted() {
        let mut terminal = Terminal { stdout: true, stderr: true, colours: false };
        assert_eq!(terminal.paint(Colour::Good, "ok"), "ok");
        terminal.colours = true;
        assert_eq!(terminal.paint(Colour::Good, "ok"), "\x1b[32mok\x1b[0m");
        assert_eq!(colour_of("time_limit"), Colour::Bad);
    }

    proptest! {
        #[test]
        fn nothing_that_a_terminal_acts_on_is_left(text in any::<String>()) {
            prop_assert!(harmless(&text).chars().all(|c| c == '\n' || c == '\t' || !c.is_control()));
        }
    }
}
