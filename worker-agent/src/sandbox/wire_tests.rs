//! Sockets of a directory, and wires that are joined from two streams.

use std::os::unix::fs::MetadataExt as _;

use futures::stream;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::*;

fn make(run: &Path, agent: &str, instance: u128) -> WireDir {
    WireDir::make(run, &agent.parse().unwrap(), uuid::Uuid::from_u128(instance)).unwrap()
}

fn directory() -> (tempfile::TempDir, WireDir) {
    let run = tempfile::tempdir().unwrap();
    let dir = make(run.path(), "a", 1);
    (run, dir)
}

fn attached(output: impl Stream<Item = Result<Piece, EngineError>> + Send + 'static) -> Wires {
    Wires { input: Box::pin(tokio::io::sink()), output: output.boxed() }
}

#[tokio::test]
async fn a_directory_is_one_process_own_and_what_earlier_ones_left_goes() {
    let (run, dir) = directory();
    assert_eq!(fs::metadata(&dir.0).unwrap().mode() & 0o777, 0o700);
    let other = make(run.path(), "a-b", 1);
    let again = make(run.path(), "a", 2);
    assert!(!dir.0.exists() && other.0.exists() && again.0.exists());
    // The one that was replaced ends later, and takes nothing of the other's.
    assert!(dir.listen(1).is_err());
    dir.remove();
    assert!(again.listen(1).is_ok());
}

#[test]
fn a_directory_is_refused_in_which_a_later_socket_would_have_too_long_a_path() {
    let run = tempfile::tempdir().unwrap();
    let long = run.path().join("x".repeat(80));
    let made = WireDir::make(&long, &"a".parse().unwrap(), uuid::Uuid::nil());
    assert_eq!(made.unwrap_err().kind(), io::ErrorKind::InvalidFilename);
    assert!(!long.exists());
}

#[tokio::test]
async fn a_socket_takes_one_connection_and_is_gone() {
    let (_run, dir) = directory();
    let listening = dir.listen(3).unwrap();
    let path = listening.path().to_owned();
    // What a container has bound is the socket itself, whatever becomes of its name.
    let bound = path.with_file_name("bound");
    fs::hard_link(&path, &bound).unwrap();
    let mut theirs = UnixStream::connect(&bound).await.unwrap();
    let mut ours = listening.take().await.unwrap();
    theirs.write_all(b"x").await.unwrap();
    assert_eq!(ours.read_u8().await.unwrap(), b'x');
    assert!(!path.exists());
    assert_eq!(UnixStream::connect(&bound).await.unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_there_is_not_is_an_error_in_time() {
    let (_run, dir) = directory();
    assert_eq!(dir.listen(1).unwrap().take().await.unwrap_err().kind(), io::ErrorKind::TimedOut);
    assert_eq!(fs::read_dir(&dir.0).unwrap().count(), 0);
}

#[tokio::test]
async fn frames_come_from_the_socket_and_the_end_from_the_container() {
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    let (end, ended) = tokio::sync::oneshot::channel::<()>();
    let words = stream::once(async { Ok(Piece::Log("words".into())) });
    let streams = words.chain(stream::once(ended).filter_map(|_| std::future::ready(None)));
    let mut wires = past_engine(attached(streams), ours);
    assert_eq!(wires.output.next().await.unwrap().unwrap(), Piece::Log("words".into()));
    theirs.write_all(b"frame").await.unwrap();
    assert_eq!(wires.output.next().await.unwrap().unwrap(), Piece::Frames("frame".into()));
    wires.input.write_all(b"request").await.unwrap();
    let mut request = [0; 7];
    theirs.read_exact(&mut request).await.unwrap();
    assert_eq!(&request, b"request");
    drop(theirs);
    assert_eq!(wires.output.next().await.unwrap().unwrap(), Piece::Closed);
    let mut next = wires.output.next();
    assert!(futures::poll!(&mut next).is_pending(), "the container has not ended yet");
    end.send(()).unwrap();
    assert!(next.await.is_none());
}

#[tokio::test]
async fn what_the_container_writes_beside_its_socket_is_no_frame() {
    let (ours, _theirs) = UnixStream::pair().unwrap();
    let mut wires = past_engine(attached(stream::iter([Ok(Piece::Frames("x".into()))])), ours);
    assert!(matches!(wires.output.next().await, Some(Err(EngineError::Output(_)))));
}
