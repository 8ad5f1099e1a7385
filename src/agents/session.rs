//! One agent's connection: hello, then reader and writer until either ends.

use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message, WebSocket, close_code};
use enclos_protocol::agent_link::{FromAgent, Hello};
use enclos_protocol::frame;
use enclos_protocol::ids::AgentName;
use enclos_protocol::join::{LinkRefusal, RefusalCode};
use futures::{SinkExt as _, StreamExt as _};
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::members::{Member, membership_ends};
use super::{Link, bounds, reader, writer};
use crate::scheduler::{Event, ToSession};

/// Longest that the first message may take to come.
const HELLO_TIMEOUT: Duration = Duration::from_secs(10);
/// Messages that may wait for one agent: a dispatch and a cancel or acknowledgement for each of
/// its slots, and room for more. A session whose queue is full is closed.
const WAITING_MAX: usize = 4 * bounds::SLOTS_MAX as usize;
/// Longest that the farewell may take.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// Why a session ended.
#[derive(Debug, thiserror::Error)]
pub(super) enum SessionError {
    #[error("the connection was lost")]
    Lost(#[source] axum::Error),
    #[error("nothing came for too long")]
    Silent,
    #[error("the agent did not say hello")]
    NoHello,
    #[error("the agent cannot join: {0}")]
    Hello(#[from] bounds::HelloError),
    #[error("a message cannot be read")]
    Message(#[from] frame::FrameError),
    #[error("the agent said hello twice")]
    HelloAgain,
    #[error("the agent sent an impossible output or case")]
    Output(#[from] crate::progress::OutputError),
    #[error("the agent does not take its messages")]
    Stuck,
    #[error("{0}")]
    Closed(&'static str),
    #[error("{code}: the certificate is of agent '{whose}'", code = RefusalCode::CertificateOfAnother.as_str())]
    OfAnother { whose: AgentName },
    #[error("{code}: {detail}", code = .0.code.as_str(), detail = .0.detail)]
    NoMember(LinkRefusal),
    #[error("the master is ending")]
    Ending,
}

pub(super) async fn run(mut socket: WebSocket, link: Link, member: Option<Member>) {
    let hello = match timeout(HELLO_TIMEOUT, hello(&mut socket)).await.unwrap_or(Err(SessionError::NoHello)) {
        Ok(hello) => hello,
        Err(error) => return refuse(socket, &error).await,
    };
    if let Some(member) = member.as_ref().filter(|member| member.name != hello.name) {
        return refuse(socket, &SessionError::OfAnother { whose: member.name.clone() }).await;
    }
    let session = link.scheduler.new_session();
    let joining = match bounds::joining(*hello, session) {
        Ok(joining) => joining,
        Err(error) => return refuse(socket, &error.into()).await,
    };
    let name = joining.name.clone();
    tracing::info!(agent = %name, session = session.0, "an agent connected");
    let (sender, messages) = mpsc::channel::<ToSession>(WAITING_MAX);
    if link.scheduler.join(joining, sender).await.is_err() {
        return refuse(socket, &SessionError::Ending).await;
    }
    let (mut sink, stream) = socket.split();
    let (now, promptly) = mpsc::channel(writer::PONGS_MAX);
    let speaker = reader::Speaker { link: &link, session, name: &name };
    // Both halves only touch their own side; when one ends, the session does.
    let ended = tokio::select! {
        ended = speaker.read(stream, now) => ended,
        ended = writer::write(&link, session, &mut sink, messages, promptly) => ended.map(|()| false),
        ended = membership_ends(&link.entry, member.as_ref()) => Err(SessionError::NoMember(ended)),
        () = link.shutdown.cancelled() => Err(SessionError::Ending),
    };
    let left = if matches!(ended, Ok(true)) { Event::Drained(session) } else { Event::Left(session) };
    let _ = link.scheduler.tell(left).await;
    let reason = match &ended {
        Ok(true) => "the agent has drained and left".to_owned(),
        Ok(false) => "the agent left".to_owned(),
        Err(error) => error.to_string(),
    };
    tracing::info!(agent = %name, session = session.0, reason, "an agent's connection ended");
    let _ = timeout(CLOSE_TIMEOUT, sink.send(farewell(&reason))).await;
}

async fn hello(socket: &mut WebSocket) -> Result<Box<Hello>, SessionError> {
    while let Some(message) = socket.recv().await {
        match message.map_err(SessionError::Lost)? {
            Message::Binary(body) => {
                let FromAgent::Hello(hello) = bounds::message(frame::decode_body(&body)?) else { break };
                return Ok(hello);
            }
            Message::Ping(_) | Message::Pong(_) => {}
            Message::Text(_) | Message::Close(_) => break,
        }
    }
    Err(SessionError::NoHello)
}

async fn refuse(mut socket: WebSocket, error: &SessionError) {
    tracing::warn!(error = error as &dyn std::error::Error, "an agent was refused");
    let _ = timeout(CLOSE_TIMEOUT, socket.send(farewell(&error.to_string()))).await;
}

fn farewell(reason: &str) -> Message {
    // A close frame holds at most 123 bytes of reason.
    let reason: String = reason.chars().filter(char::is_ascii).take(120).collect();
    Message::Close(Some(CloseFrame { code: close_code::POLICY, reason: reason.into() }))
}
