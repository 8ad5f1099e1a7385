//! What an attached client is told.

use std::future::pending;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::ws::{Message, WebSocket};
use futures::stream::SplitSink;
use futures::{SinkExt as _, StreamExt as _};
use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, interval_at, timeout};

use super::farewell::Farewell;
use crate::http::Api;
use crate::http::watch::{FINISHED, Watch};
use crate::http::wire::{AttachError, AttachFrame, AttachStdin, StdinStage};
use crate::progress::{Stage, Stdin};

/// How often a client is asked whether it is there.
pub(in crate::http) const PING_INTERVAL: Duration = Duration::from_secs(15);

type Sink = SplitSink<WebSocket, Message>;

/// The half that tells.
pub(super) struct Telling<'a> {
    pub(super) api: &'a Api,
    pub(super) stdin: Option<Arc<Stdin>>,
    /// What was refused of what the client said.
    pub(super) waiting: mpsc::Receiver<AttachError>,
}

impl Telling<'_> {
    /// Tells until the job has ended, or the client takes no more; `None`: it has seen all.
    pub(super) async fn tell(mut self, watch: Option<Watch>, sink: &mut Sink) -> Farewell {
        let Some(watch) = watch else { return Farewell::Finished };
        match self.tell_all(watch, sink).await {
            Ok(farewell) | Err(farewell) => farewell,
        }
    }

    async fn tell_all(&mut self, watch: Watch, sink: &mut Sink) -> Result<Farewell, Farewell> {
        let mut events = pin!(watch.events());
        let mut changes = self.stdin.as_ref().map(|stdin| stdin.changes());
        let mut stage = None;
        let mut pings = interval_at(Instant::now() + PING_INTERVAL, PING_INTERVAL);
        loop {
            self.tell_stage(&mut stage, sink).await?;
            // Cancel-safe: what an arm waits for stays where it is until it is taken.
            tokio::select! {
                told = events.next() => match told {
                    Some(told) => {
                        let (r#type, data) = (told.kind(), RawValue::from_string(told.json()));
                        let data = data.map_err(|_| Farewell::Failed)?;
                        self.send_frame(AttachFrame { r#type, cursor: Some(told.id()), data }, sink).await?;
                        if r#type == FINISHED {
                            return Ok(Farewell::Finished);
                        }
                    }
                    None if self.api.shutdown.is_cancelled() => return Ok(Farewell::Ending),
                    None => return Ok(Farewell::Failed),
                },
                Some(error) = self.waiting.recv() => self.send_data("error", &error, sink).await?,
                () = changed(&mut changes) => {}
                _ = pings.tick() => self.send(Message::Ping(Vec::new().into()), sink).await?,
                () = self.api.shutdown.cancelled() => return Ok(Farewell::Ending),
            }
        }
    }

    async fn tell_stage(&self, told: &mut Option<Stage>, sink: &mut Sink) -> Result<(), Farewell> {
        let now = self.stdin.as_ref().map(|stdin| stdin.stage());
        let Some(stage) = now.filter(|_| *told != now) else { return Ok(()) };
        *told = now;
        let stage = match stage {
            Stage::Waiting => StdinStage::Waiting,
            Stage::Open => StdinStage::Open,
            Stage::Ended => StdinStage::Ended,
            Stage::Idle => StdinStage::Idle,
            Stage::Closed => StdinStage::Closed,
            Stage::Over => StdinStage::Over,
        };
        self.send_data("stdin", &AttachStdin { stage }, sink).await
    }

    async fn send_data(&self, kind: &'static str, data: &impl Serialize, sink: &mut Sink) -> Result<(), Farewell> {
        let data = to_raw_value(data).map_err(|_| Farewell::Failed)?;
        self.send_frame(AttachFrame { r#type: kind, cursor: None, data }, sink).await
    }

    async fn send_frame(&self, frame: AttachFrame, sink: &mut Sink) -> Result<(), Farewell> {
        let text = serde_json::to_string(&frame).map_err(|_| Farewell::Failed)?;
        self.send(Message::Text(text.into()), sink).await
    }

    async fn send(&self, message: Message, sink: &mut Sink) -> Result<(), Farewell> {
        match timeout(self.api.client_wait, sink.send(message)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(Farewell::Gone),
            Err(_) => Err(Farewell::Slow),
        }
    }
}

async fn changed(changes: &mut Option<watch::Receiver<u64>>) {
    match changes {
        // Its sender lives in what is held here, so this never fails.
        Some(changes) => drop(changes.changed().await),
        None => pending().await,
    }
}
