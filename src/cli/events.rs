//! A job's events as they come, over connections that may break.
//!
//! ```text
//! bytes ─▶ Parser (pure) ─▶ events ─▶ run
//!   ▲ connection breaks: again, after the last event's id, at most RETRIES_MAX times in a row
//! ```

use std::time::Duration;

use reqwest::Response;
use serde_json::Value;

use super::client::Client;
use super::exit::CliError;

/// Largest event, in bytes: one chunk of output with every byte escaped, and room.
const EVENT_BYTES_MAX: usize = 1024 * 1024;
/// Connections in a row that may bring nothing before it is given up.
const RETRIES_MAX: u32 = 6;
/// Pause before the first new connection; doubled for each further one.
const RETRY_PAUSE: Duration = Duration::from_millis(200);

/// One event.
#[derive(Clone, PartialEq, Debug)]
pub struct Event {
    /// Where the stream goes on after it.
    pub id: Option<String>,
    /// `state`, `output` or `finished`.
    pub kind: String,
    /// Its JSON.
    pub data: Value,
}

/// Takes the bytes of an event stream and gives whole events.
#[derive(Debug, Default)]
pub struct Parser {
    buffer: Vec<u8>,
}

/// The stream is not one that a master sends.
#[derive(Debug, thiserror::Error)]
#[error("an event is not JSON, or is larger than {EVENT_BYTES_MAX} bytes")]
pub struct MalformedStream;

impl Parser {
    /// Adds bytes that arrived.
    pub fn feed(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The next whole event; comments and events without data are passed over.
    ///
    /// # Errors
    /// [`MalformedStream`].
    pub fn next(&mut self) -> Result<Option<Event>, MalformedStream> {
        loop {
            let Some(end) = self.buffer.windows(2).position(|pair| pair == b"\n\n") else {
                return if self.buffer.len() > EVENT_BYTES_MAX { Err(MalformedStream) } else { Ok(None) };
            };
            let block: Vec<u8> = self.buffer.drain(..end + 2).collect();
            if let Some(event) = parse(&String::from_utf8_lossy(&block))? {
                return Ok(Some(event));
            }
        }
    }
}

fn parse(block: &str) -> Result<Option<Event>, MalformedStream> {
    let (mut id, mut kind, mut data) = (None, String::new(), None::<String>);
    for line in block.lines() {
        let (name, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match name {
            "id" => id = Some(value.to_owned()),
            "event" => value.clone_into(&mut kind),
            "data" => match &mut data {
                Some(text) => {
                    text.push('\n');
                    text.push_str(value);
                }
                None => data = Some(value.to_owned()),
            },
            _ => {}
        }
    }
    let Some(data) = data else { return Ok(None) };
    let data = serde_json::from_str(&data).map_err(|_| MalformedStream)?;
    Ok(Some(Event { id, kind, data }))
}

/// The events of one job.
#[derive(Debug)]
pub struct Events {
    client: Client,
    job: String,
    response: Option<Response>,
    parser: Parser,
    last: Option<String>,
    failures: u32,
}

impl Events {
    /// From the beginning.
    #[must_use]
    pub fn of(client: &Client, job: &str) -> Self {
        let (client, job) = (client.clone(), job.to_owned());
        Self { client, job, response: None, parser: Parser::default(), last: None, failures: 0 }
    }

    /// The next event. Not to be dropped half way: a pause or a new connection would begin again.
    ///
    /// # Errors
    /// [`CliError`] when the master refuses, or stays away.
    pub async fn next(&mut self) -> Result<Event, CliError> {
        loop {
            if let Some(event) = self.parser.next().map_err(|e| self.strange(&e))? {
                self.failures = 0;
                self.last = event.id.clone().or(self.last.take());
                return Ok(event);
            }
            let Some(response) = &mut self.response else {
                self.connect().await?;
                continue;
            };
            match response.chunk().await {
                Ok(Some(bytes)) => self.parser.feed(&bytes),
                // The end before `finished`, or a broken connection: a restart of the master, most likely.
                Ok(None) | Err(_) => {
                    self.response = None;
                    self.parser = Parser::default();
                    self.failures += 1;
                    if self.failures > RETRIES_MAX {
                        return Err(self.strange(&"the events of the job end before the job does"));
                    }
                }
            }
        }
    }

    async fn connect(&mut self) -> Result<(), CliError> {
        if self.failures > 0 {
            tokio::time::sleep(RETRY_PAUSE * 2u32.saturating_pow(self.failures - 1)).await;
        }
        match self.client.events(&self.job, self.last.as_deref()).await {
            Ok(response) => {
                self.response = Some(response);
                Ok(())
            }
            Err(CliError::Unreachable { .. }) if self.failures < RETRIES_MAX => {
                self.failures += 1;
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    fn strange(&self, error: &dyn std::fmt::Display) -> CliError {
        CliError::NotAMaster { url: self.client.url().to_owned(), what: error.to_string() }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    const STREAM: &str = ": hello\n\nid: 1\nevent: state\ndata: {\"state\":\"queued\"}\n\n: still here\n\nid: 2\nevent: output\ndata: {\"text\":\"é\"}\n\n";

    fn events(stream: &[u8], cut: usize) -> Vec<Event> {
        let mut parser = Parser::default();
        let mut seen = Vec::new();
        for piece in stream.chunks(cut) {
            parser.feed(piece);
            while let Some(event) = parser.next().unwrap() {
                seen.push(event);
            }
        }
        seen
    }

    proptest! {
        #[test]
        fn events_survive_any_cut_of_the_stream(cut in 1usize..60) {
            let seen = events(STREAM.as_bytes(), cut);
            prop_assert_eq!(seen.len(), 2);
            prop_assert_eq!(&seen[1].data, &json!({ "text": "é" }));
            prop_assert_eq!(seen[1].id.as_deref(), Some("2"));
        }

        #[test]
        fn hostile_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..256)) {
            let mut parser = Parser::default();
            parser.feed(&bytes);
            while let Ok(Some(_)) = parser.next() {}
        }
    }

    #[test]
    fn an_endless_event_is_refused() {
        let mut parser = Parser::default();
        parser.feed(&vec![b'a'; EVENT_BYTES_MAX + 1]);
        assert!(parser.next().is_err());
    }

    #[tokio::test]
    async fn a_broken_connection_goes_on_after_the_last_event() {
        use axum::http::HeaderMap;
        let answer = |headers: HeaderMap| async move {
            match headers.get("last-event-id").and_then(|id| id.to_str().ok()) {
                None => "id: a\nevent: output\ndata: 1\n\nid: b\nevent: output\ndata: 2",
                Some("a") => "id: b\nevent: output\ndata: 2\n\nid: c\nevent: finished\ndata: 3\n\n",
                Some(_) => "",
            }
        };
        let master = axum::Router::new().route("/v1/jobs/{id}/events", axum::routing::get(answer));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let mut server = tokio::task::JoinSet::new();
        server.spawn(async move { axum::serve(listener, master).await });
        let mut events =
            Events::of(&Client::new(&url, None, None, super::super::client::Clear::Loopback).unwrap(), "j");
        let mut seen = Vec::new();
        for _ in 0..3 {
            seen.push(events.next().await.unwrap().data);
        }
        assert_eq!(seen, [json!(1), json!(2), json!(3)]);
        server.shutdown().await;
    }
}
