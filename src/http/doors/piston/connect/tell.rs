//! What a client is told, as it happens.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::ws::Message;
use enclos_protocol::ids::JobId;
use futures::SinkExt as _;
use tokio::time::{Instant, interval_at, timeout};

use super::super::answer;
use super::super::follow::{self, Follow, News};
use super::script::{Frame, Script};
use super::{Close, Sink};
use crate::gate::Caller;
use crate::http::Api;
use crate::http::attach::tell::PING_INTERVAL;
use crate::http::watch::next_stored;
use crate::progress::{Cursor, Seen};
use crate::store::PARTS;

/// The half that tells.
pub(super) struct Telling<'a> {
    pub(super) api: &'a Arc<Api>,
    pub(super) caller: &'a Caller,
    pub(super) job: JobId,
    pub(super) follow: Follow,
    pub(super) script: Script,
}

impl Telling<'_> {
    /// Tells until the job has ended, or the client takes no more.
    pub(super) async fn tell(mut self, runtime: Frame, sink: &mut Sink) -> Close {
        match self.tell_all(&runtime, sink).await {
            Ok(()) => Close::Completed,
            Err(close) => close,
        }
    }

    async fn tell_all(&mut self, runtime: &Frame, sink: &mut Sink) -> Result<(), Close> {
        let client_wait = self.api.client_wait;
        send(runtime, sink, client_wait).await?;
        let mut pings = interval_at(Instant::now() + PING_INTERVAL, PING_INTERVAL);
        // What the compiler wrote may come with the word that the program runs, and stands before that.
        let mut waiting = None;
        loop {
            // Cancel-safe: both wait for something that stays where it is until it is taken.
            let news = tokio::select! {
                biased;
                news = self.follow.next() => news,
                () = std::future::ready(()), if waiting.is_some() => {
                    for frame in waiting.take().map(|step| self.script.step(step)).into_iter().flatten() {
                        send(&frame, sink, client_wait).await?;
                    }
                    continue;
                }
                _ = pings.tick() => {
                    put(Message::Ping(Vec::new().into()), sink, client_wait).await?;
                    continue;
                }
            };
            let frames = match news {
                News::Output(chunk) => self.script.output(&chunk),
                News::State { step, is_anew } => {
                    if is_anew {
                        self.script.begin_anew();
                    }
                    waiting = step;
                    Vec::new()
                }
                News::Ended => break,
            };
            for frame in frames {
                send(&frame, sink, client_wait).await?;
            }
        }
        self.tell_the_end(sink).await
    }

    /// What the client has not seen yet, from the store.
    async fn tell_the_end(&mut self, sink: &mut Sink) -> Result<(), Close> {
        let client_wait = self.api.client_wait;
        let turn = self.api.room.reading().await?;
        let (record, detail) = follow::ended(self.api, self.caller, self.job).await?;
        drop(turn);
        let _memory = self.api.room.answer(self.caller, detail.size_bytes())?;
        let mut cursor = self.follow.cursor();
        if cursor.token != record.token {
            cursor = Cursor { token: record.token, offsets: [0; PARTS], ..cursor };
        }
        while let Some(seen) = next_stored(&detail, &mut cursor) {
            let Seen::Chunk(chunk) = seen else { continue };
            for frame in self.script.output(&chunk) {
                send(&frame, sink, client_wait).await?;
            }
        }
        let report = record.ending.as_ref().and_then(|ending| ending.report.as_ref());
        let report = report.filter(|report| report.compile.is_some() || report.run.is_some());
        let Some(report) = report else { return Err(answer::nothing(&record).into()) };
        for frame in self.script.end(&record, report) {
            send(&frame, sink, client_wait).await?;
        }
        Ok(())
    }
}

/// Sends a frame to a client that takes it in time.
pub(super) async fn send(frame: &Frame, sink: &mut Sink, client_wait: Duration) -> Result<(), Close> {
    let text = serde_json::to_string(frame).map_err(|_| Close::Gone)?;
    put(Message::Text(text.into()), sink, client_wait).await
}

async fn put(message: Message, sink: &mut Sink, client_wait: Duration) -> Result<(), Close> {
    match timeout(client_wait, sink.send(message)).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(_)) => Err(Close::Gone),
        Err(_) => Err(Close::Slow),
    }
}
