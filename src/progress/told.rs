//! An event as watchers are told it: written once, and shared by all who are told the same.

use std::fmt::{Display, Write as _};

use serde::Serialize;
use tokio_util::bytes::Bytes;

/// One event.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Told {
    kind: &'static str,
    /// As it is sent to who reads server-sent events.
    text: Bytes,
    id_bytes: usize,
}

const ID: &str = "id: ";
const EVENT: &str = "\nevent: ";
const DATA: &str = "\ndata: ";
const END: &str = "\n\n";

impl Told {
    /// An event of this kind; `id`: where to go on after it. `None`: the data cannot be written as JSON.
    #[must_use]
    pub fn new(id: &impl Display, kind: &'static str, data: &impl Serialize) -> Option<Self> {
        let mut text = String::with_capacity(256);
        // To a string, which takes it all.
        let _ = write!(text, "{ID}{id}");
        let id_bytes = text.len() - ID.len();
        let _ = write!(text, "{EVENT}{kind}{DATA}");
        let mut text = text.into_bytes();
        // One line, as the stream needs it: JSON writes its own ends of line as two characters.
        serde_json::to_writer(&mut text, data).ok()?;
        text.extend_from_slice(END.as_bytes());
        Some(Self { kind, text: text.into(), id_bytes })
    }

    /// `state`, `output`, `case` or `finished`.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        self.kind
    }

    /// The whole of it, for a stream of server-sent events.
    #[must_use]
    pub fn text(&self) -> &Bytes {
        &self.text
    }

    /// Where to go on after it.
    #[must_use]
    pub fn id(&self) -> String {
        self.part(ID.len(), ID.len() + self.id_bytes)
    }

    /// Its JSON, on one line.
    #[must_use]
    pub fn json(&self) -> String {
        let begin = ID.len() + self.id_bytes + EVENT.len() + self.kind.len() + DATA.len();
        self.part(begin, self.text.len() - END.len())
    }

    fn part(&self, begin: usize, end: usize) -> String {
        String::from_utf8_lossy(&self.text[begin..end]).into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_found_in_its_text() {
        let told = Told::new(&"1-2", "output", &serde_json::json!({ "text": "a\nb" })).unwrap();
        assert_eq!(told.text(), "id: 1-2\nevent: output\ndata: {\"text\":\"a\\nb\"}\n\n");
        assert_eq!((told.id(), told.kind(), told.json()), ("1-2".into(), "output", r#"{"text":"a\nb"}"#.into()));
    }
}
