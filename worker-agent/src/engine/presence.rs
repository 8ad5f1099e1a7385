//! Whether an engine is still the process that it was.
//!
//! When what runs on an engine fails, its agent must know whose doing it was: a job's, or that of
//! an engine that died. The engine may be back by then, and where its socket is another's (socket
//! activation) it never stops answering. So one connection is held to it, on which nothing is said: its
//! end is the end of the process behind it.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bollard::Docker;
use bollard::errors::Error;
use bollard::query_parameters::EventsOptions;
use futures::StreamExt;
use tokio::time::{sleep, timeout};

/// Longest until an engine that is there answers; one that is asked has just failed somebody.
const ANSWER_WAIT: Duration = Duration::from_secs(3);
/// Pause before the connection is made again.
const PAUSE: Duration = Duration::from_millis(200);
/// The same after the engine, or a proxy before it, has refused to tell events.
const REFUSED_PAUSE: Duration = Duration::from_secs(60);

/// Counts the ends of an engine's process. All clones are one count.
#[derive(Clone, Default)]
pub(super) struct Presence(Arc<AtomicU64>);

impl Presence {
    /// How often it was found to have ended.
    pub(super) fn ends(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// Holds the connection. Never ends by itself.
    pub(super) async fn hold(self, docker: Docker) {
        loop {
            // Of all events the rarest: it is the stream's end that is waited for.
            let filters = HashMap::from([("type".to_owned(), vec!["daemon".to_owned()])]);
            let mut events = docker.events(Some(EventsOptions { filters: Some(filters), ..Default::default() }));
            let refused = loop {
                match events.next().await {
                    Some(Ok(_)) => {}
                    Some(Err(error @ Error::DockerResponseServerError { .. })) => break Some(error),
                    Some(Err(_)) | None => break None,
                }
            };
            match refused {
                // It is there, or what stands before it, and has an answer: nothing has ended.
                Some(error) => {
                    tracing::warn!(%error, "the engine tells no events: that it was restarted may go unseen");
                    sleep(REFUSED_PAUSE).await;
                }
                None => {
                    self.0.fetch_add(1, Ordering::Relaxed);
                    sleep(PAUSE).await;
                }
            }
        }
    }

    /// Whether the engine is away, or has been since [`Presence::ends`] was `then`.
    pub(super) async fn is_gone(&self, docker: &Docker, then: u64) -> bool {
        // The question takes longer than the end of the connection, which came with what failed.
        let answered = timeout(ANSWER_WAIT, docker.ping()).await.is_ok_and(|answer| answer.is_ok());
        !answered || self.ends() != then
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{UnixListener, UnixStream};
    use tokio::task::JoinSet;

    use super::*;

    const HEAD: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n";

    /// Takes one connection, and reads what it asks for.
    async fn asked(listener: &UnixListener) -> (UnixStream, String) {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut request = Vec::new();
        while !request.ends_with(b"\r\n\r\n") {
            request.push(stream.read_u8().await.unwrap());
        }
        (stream, String::from_utf8(request).unwrap())
    }

    /// The listener is another's, as with socket activation, and answers all the time.
    #[tokio::test]
    async fn an_engine_that_died_and_answers_again_has_been_gone() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("engine.sock");
        let listener = UnixListener::bind(&path).unwrap();
        let docker = Docker::connect_with_unix(path.to_str().unwrap(), 5, bollard::API_DEFAULT_VERSION).unwrap();
        let presence = Presence::default();
        let mut holding = JoinSet::new();
        holding.spawn(presence.clone().hold(docker.clone()));
        let (mut held, request) = asked(&listener).await;
        assert!(request.contains("/events"), "{request}");
        held.write_all(HEAD).await.unwrap();
        held.write_all(b"Transfer-Encoding: chunked\r\n\r\n").await.unwrap();
        let then = presence.ends();
        let answers = async {
            loop {
                let (mut stream, request) = asked(&listener).await;
                if request.contains("/_ping") {
                    stream.write_all(HEAD).await.unwrap();
                    stream.write_all(b"Content-Length: 2\r\nConnection: close\r\n\r\nOK").await.unwrap();
                }
            }
        };
        let gone = async {
            assert!(!presence.is_gone(&docker, then).await, "it is there");
            drop(held);
            while presence.ends() == then {
                tokio::task::yield_now().await;
            }
            assert!(presence.is_gone(&docker, then).await, "it answers, and yet has been gone");
        };
        tokio::select! {
            () = answers => unreachable!("it serves for ever"),
            () = gone => {}
        }
    }

    #[tokio::test]
    async fn an_engine_that_tells_no_events_has_not_ended() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("engine.sock");
        let listener = UnixListener::bind(&path).unwrap();
        let docker = Docker::connect_with_unix(path.to_str().unwrap(), 5, bollard::API_DEFAULT_VERSION).unwrap();
        let presence = Presence::default();
        let holding = presence.clone().hold(docker);
        let refused = async {
            let (mut stream, request) = asked(&listener).await;
            assert!(request.contains("/events"), "{request}");
            let refusal = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}";
            stream.write_all(refusal).await.unwrap();
            // Its end: the answer was read.
            while stream.read_u8().await.is_ok() {}
            assert!(timeout(PAUSE * 2, listener.accept()).await.is_err(), "nor is it asked again at once");
        };
        tokio::select! {
            () = holding => unreachable!("it never ends by itself"),
            () = refused => {}
        }
        assert_eq!(presence.ends(), 0);
    }

    #[tokio::test]
    async fn an_engine_that_does_not_answer_is_gone() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("engine.sock");
        // Bound, and nobody listens any more: what a killed engine leaves.
        drop(UnixListener::bind(&path).unwrap());
        let docker = Docker::connect_with_unix(path.to_str().unwrap(), 5, bollard::API_DEFAULT_VERSION).unwrap();
        assert!(Presence::default().is_gone(&docker, 0).await);
    }
}
