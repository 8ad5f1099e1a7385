//! A socket straight to the supervisor.
//!
//! Through a container's attached streams each message wakes the engine and the container's shim on its way, and is
//! copied by both. Where the engine sees the agent's directory, a sandbox gets a socket bound into it, and its
//! supervisor connects before any program runs there:
//!
//! ```text
//!  attached streams:  Ready ◀─ ─▶ Setup ◀─ SetUp │ words for the log, and the container's end
//!  socket:             listens        connected  │ every request and report from here on
//! ```
//! The socket takes that one connection: then it is gone from the directory, and nobody listens any more. Cells see
//! neither it nor its directory; where they are plain, there is none.

use std::fs::{self, DirBuilder, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use enclos_protocol::ids::AgentName;
use futures::stream::{BoxStream, StreamExt as _};
use futures::{Stream, ready};
use tokio::io::AsyncWrite;
use tokio::net::unix::OwnedReadHalf;
use tokio::net::{UnixListener, UnixStream};
use tokio::time::timeout;
use tokio_util::io::ReaderStream;

use crate::engine::{EngineError, Piece, Wires};

/// What a supervisor that says it is connected may take until that is seen here.
const ACCEPT_WAIT: Duration = Duration::from_secs(5);
/// Longest path of a socket, in bytes (unix(7)).
const PATH_BYTES_MAX: usize = 107;
/// Digits of the largest number of a sandbox, and a slash.
const NUMBER_BYTES: usize = 21;
/// Bytes that are read at once.
const READ_BYTES: usize = 16 * 1024;

/// Where the sockets of one agent's sandboxes stand.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct WireDir(PathBuf);

impl WireDir {
    /// The directory of the process `instance` of `agent` below `run_dir`, nobody else's; what earlier ones of this
    /// name left there is removed.
    ///
    /// # Errors
    /// It cannot be made, or is too long for sockets.
    pub fn make(run_dir: &Path, agent: &AgentName, instance: uuid::Uuid) -> io::Result<Self> {
        let sandboxes = run_dir.join("sandboxes");
        // No name of an agent has that sign.
        let prefix = format!("{agent}@");
        let [.., a, b, c, d] = *instance.as_bytes();
        let path = sandboxes.join(format!("{prefix}{:08x}", u32::from_be_bytes([a, b, c, d])));
        if path.as_os_str().len() + NUMBER_BYTES > PATH_BYTES_MAX {
            return Err(io::Error::new(io::ErrorKind::InvalidFilename, "the path is too long for sockets in it"));
        }
        fs::create_dir_all(&sandboxes)?;
        for entry in fs::read_dir(&sandboxes)?.flatten() {
            if entry.file_name().to_string_lossy().starts_with(&prefix) {
                fs::remove_dir_all(entry.path())?;
            }
        }
        DirBuilder::new().mode(0o700).create(&path)?;
        Ok(Self(path))
    }

    /// Listens for the supervisor of sandbox `number`.
    ///
    /// # Errors
    /// The socket cannot be made: the directory was removed, among others.
    pub fn listen(&self, number: u64) -> io::Result<Listening> {
        let path = self.0.join(number.to_string());
        let listening = Listening { listener: UnixListener::bind(&path)?, path };
        // A container's root need not be the host's. Only who sees the directory or has the socket bound reaches it.
        fs::set_permissions(&listening.path, Permissions::from_mode(0o666))?;
        Ok(listening)
    }

    /// Removes it.
    pub fn remove(&self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            tracing::debug!(%error, "directory of sockets was not removed");
        }
    }
}

/// A socket that waits for its one connection. Dropping it removes it.
#[derive(Debug)]
pub struct Listening {
    listener: UnixListener,
    path: PathBuf,
}

impl Listening {
    /// Where it stands on this host.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The connection that the supervisor says there is.
    ///
    /// # Errors
    /// There is none.
    pub async fn take(self) -> io::Result<UnixStream> {
        let accepted = timeout(ACCEPT_WAIT, self.listener.accept()).await;
        Ok(accepted.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??.0)
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

/// Wires over `socket`, whose container is `attached`: that still tells words for the log, and when it ends.
pub fn past_engine(attached: Wires, socket: UnixStream) -> Wires {
    let (reader, writer) = socket.into_split();
    let Wires { input, output: streams } = attached;
    let frames = Some(ReaderStream::with_capacity(reader, READ_BYTES));
    Wires { input: Box::pin(writer), output: Joined { frames, streams, _held: input }.boxed() }
}

/// Frames from the socket; all else, and the end, from the container.
struct Joined {
    /// Until the supervisor closes it, which is told; its container's end is near then.
    frames: Option<ReaderStream<OwnedReadHalf>>,
    streams: BoxStream<'static, Result<Piece, EngineError>>,
    /// Its end would be the end of a container whose supervisor still listened there.
    _held: Pin<Box<dyn AsyncWrite + Send>>,
}

impl Stream for Joined {
    type Item = Result<Piece, EngineError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if let Some(frames) = &mut self.frames {
            match frames.poll_next_unpin(cx) {
                Poll::Ready(Some(Ok(bytes))) => return Poll::Ready(Some(Ok(Piece::Frames(bytes)))),
                Poll::Ready(Some(Err(_)) | None) => {
                    self.frames = None;
                    return Poll::Ready(Some(Ok(Piece::Closed)));
                }
                Poll::Pending => {}
            }
        }
        Poll::Ready(match ready!(self.streams.poll_next_unpin(cx)) {
            Some(Ok(Piece::Frames(_))) => Some(Err(EngineError::Output("it speaks where nobody asks any more".into()))),
            other => other,
        })
    }
}

#[cfg(test)]
#[path = "wire_tests.rs"]
mod tests;
