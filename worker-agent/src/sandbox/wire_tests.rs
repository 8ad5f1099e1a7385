use std::os::unix::fs::MetadataExt as _;

use futures::stream;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::*;

fn directory() -> (tempfile::TempDir, WireDir) {
    let run = tempfile::tempdir().unwrap();
    let dir = WireDir::make(run.path(), &"a".parse().unwrap()).unwrap();
    (run, dir)
}

fn attached(output: impl Stream<Item = Result<Piece, EngineError>> + Send + 'static) -> Wires {
    Wires { input: Box::pin(tokio::io::sink()), output: output.boxed() }
}

#[test]
fn a_directory_is_the_agents_alone_and_empty_at_its_start() {
    let (run, dir) = directory();
    assert_eq!(fs::metadata(&dir.0).unwrap().mode() & 0o777, 0o700);
    fs::write(dir.0.join("7"), "").unwrap();
    let other = WireDir::make(run.path(), &"b".parse().unwrap()).unwrap();
    fs::write(other.0.join("7"), "").unwrap();
    let again = WireDir::make(run.path(), &"a".parse().unwrap()).unwrap();
    assert_eq!(fs::read_dir(&again.0).unwrap().count(), 0);
    assert_eq!(fs::read_dir(&other.0).unwrap().count(), 1, "another agent's is not touched");
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
