//! From one agent: each message bounded, then told to the scheduler or to the live state.

use axum::extract::ws::{Message, WebSocket};
use enclos_protocol::agent_link::{DRAINED, FromAgent};
use enclos_protocol::frame;
use enclos_protocol::ids::AgentName;
use futures::StreamExt as _;
use futures::stream::SplitStream;
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::session::SessionError;
use super::{Link, bounds};
use crate::progress::Heard;
use crate::scheduler::{Event, SessionId};
use crate::store::Part;

/// Who speaks.
pub(super) struct Speaker<'a> {
    pub(super) link: &'a Link,
    pub(super) session: SessionId,
    pub(super) name: &'a AgentName,
}

impl Speaker<'_> {
    /// Reads until the agent leaves or breaks the rules; `pongs` answers its pings. Whether it has drained.
    pub(super) async fn read(
        &self,
        mut stream: SplitStream<WebSocket>,
        pongs: mpsc::Sender<Message>,
    ) -> Result<bool, SessionError> {
        loop {
            let next = timeout(self.link.silence_max, stream.next()).await.map_err(|_| SessionError::Silent)?;
            match next.transpose().map_err(SessionError::Lost)? {
                Some(Message::Binary(body)) => self.take(bounds::message(frame::decode_body(&body)?)).await?,
                // Answered when there is a place: who sends more pings than that needs no answers.
                Some(Message::Ping(payload)) => drop(pongs.try_send(Message::Pong(payload))),
                Some(Message::Pong(_) | Message::Text(_)) => {}
                Some(Message::Close(frame)) => return Ok(frame.is_some_and(|frame| frame.reason.as_str() == DRAINED)),
                None => return Ok(false),
            }
        }
    }

    async fn take(&self, message: FromAgent) -> Result<(), SessionError> {
        let Self { link, session, name } = self;
        let session = *session;
        let event = match message {
            FromAgent::Hello(_) => return Err(SessionError::HelloAgain),
            FromAgent::Installing { attempt } => {
                link.progress.installing(attempt, name);
                return Ok(());
            }
            FromAgent::Started { attempt, step } => {
                link.progress.step(attempt, name, step);
                Event::Started { session, attempt }
            }
            FromAgent::Output { attempt, step, stream, offset, bytes } => {
                return Ok(link.progress.output(attempt, name, Part { step, stream }, offset, &bytes)?);
            }
            FromAgent::StdinTaken { attempt, taken, received, ended, closed } => {
                // Not said, it is 0; less than was taken cannot be.
                let heard = Heard { taken, received: received.max(taken), ended, closed };
                match link.progress.stdin_taken(attempt, name, heard) {
                    Ok(()) => return Ok(()),
                    // Over another connection the agent would say the same again: it costs the attempt.
                    Err(unfit) => Event::Unfit { session, attempt, why: unfit.to_string() },
                }
            }
            FromAgent::CaseDone { attempt, case, report } => {
                return Ok(link.progress.case_done(attempt, name, case, *report)?);
            }
            FromAgent::Heartbeat { sequence, load } => {
                link.progress.images(name, &load.languages);
                Event::Heartbeat { session, sequence, load }
            }
            FromAgent::Finished { attempt, report } => Event::Finished { session, attempt, report },
            FromAgent::Returned { attempt, reason } => Event::Returned { session, attempt, reason },
        };
        link.scheduler.tell(event).await.map_err(|_| SessionError::Ending)
    }
}
