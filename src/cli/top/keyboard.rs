//! Keys as they are pressed: read by a thread, for a terminal cannot be awaited.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use ratatui::crossterm::event::{self, Event, KeyCode, KeyEvent};
use tokio::sync::mpsc;

/// Keys that may wait; those beyond are the same key held down.
const KEYS_MAX: usize = 64;
/// How often the thread looks whether it is to end.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// The thread.
#[derive(Debug)]
pub struct Keyboard {
    is_over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Keyboard {
    /// Starts it. The channel closes where the terminal is gone.
    ///
    /// # Errors
    /// Where the thread cannot be started.
    pub fn start() -> io::Result<(Self, mpsc::Receiver<KeyEvent>)> {
        let (sender, keys) = mpsc::channel(KEYS_MAX);
        let is_over = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&is_over);
        let thread = thread::Builder::new().name("keyboard".to_owned()).spawn(move || read(&sender, &told))?;
        Ok((Self { is_over, thread: Some(thread) }, keys))
    }

    /// Ends it, within a tenth of a second.
    pub fn end(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Drop for Keyboard {
    fn drop(&mut self) {
        self.end();
    }
}

fn read(keys: &mpsc::Sender<KeyEvent>, is_over: &AtomicBool) {
    while !is_over.load(Ordering::Relaxed) {
        let key = match event::poll(LOOK_EVERY) {
            Ok(false) => continue,
            Ok(true) => event::read(),
            Err(error) => Err(error),
        };
        match key {
            Ok(Event::Key(key)) => drop(keys.try_send(key)),
            // Whoever waits for a key draws anew: by a key that means nothing.
            Ok(Event::Resize(..)) => drop(keys.try_send(KeyEvent::from(KeyCode::Null))),
            Ok(_) => {}
            Err(_) => return,
        }
    }
}
