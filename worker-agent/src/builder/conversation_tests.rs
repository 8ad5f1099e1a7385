//! A builder in-process: what it says, and what becomes of it.

use tokio::io::{AsyncReadExt as _, DuplexStream, duplex};
use tokio_util::io::ReaderStream;

use super::*;

/// The builder's end of the wires.
struct Peer {
    input: DuplexStream,
    output: DuplexStream,
    decoder: Decoder,
}

impl Peer {
    async fn say(&mut self, message: FromBuilder) {
        self.output.write_all(&frame::encode(&message).unwrap()).await.unwrap();
    }

    async fn hear(&mut self) -> ToBuilder {
        let mut buffer = vec![0; 4096];
        loop {
            if let Some(message) = self.decoder.take().unwrap() {
                return message;
            }
            let count = self.input.read(&mut buffer).await.unwrap();
            assert!(count > 0, "the agent is there");
            self.decoder.feed(&buffer[..count]);
        }
    }
}

fn wires() -> (Wires, Peer) {
    let (agent_in, input) = duplex(1 << 20);
    let (output, agent_out) = duplex(1 << 20);
    let frames = ReaderStream::new(agent_out)
        .map(|piece| piece.map(Piece::Frames).map_err(|e| EngineError::Output(Box::new(e))));
    let wires = Wires { input: Box::pin(agent_in), output: frames.boxed() };
    (wires, Peer { input, output, decoder: Decoder::default() })
}

async fn met() -> (Builder, Peer) {
    let (wires, mut peer) = wires();
    peer.say(FromBuilder::Ready { version: INSTALL_VERSION }).await;
    (Builder::meet(wires).await.unwrap(), peer)
}

fn request() -> InstallRequest {
    InstallRequest {
        version: INSTALL_VERSION,
        argv: vec!["i".into()],
        uid: 1,
        env: Vec::new(),
        report_bytes: 8,
        files_max: 2,
    }
}

fn gate() -> Arc<Gate> {
    Arc::new(Gate::new(Vec::new(), 1))
}

fn done() -> FromBuilder {
    FromBuilder::Done { exit: Exit::Code(0), wall_us: 5, cpu_us: 3, memory_peak_bytes: 4 }
}

fn file(path: &str, size_bytes: u64) -> FromBuilder {
    FromBuilder::File { path: ByteBuf::from(path.as_bytes()), executable: false, size_bytes, modified_unix_s: 0 }
}

/// What an installation comes to when the builder says this.
async fn installed(said: Vec<FromBuilder>) -> Result<Ended, TalkError> {
    let (mut builder, mut peer) = met().await;
    let ended = {
        let gate = gate();
        let install = builder.install(request(), b"pem", &gate);
        let talk = async {
            assert_eq!(peer.hear().await, ToBuilder::Authorities(ByteBuf::from(b"pem".to_vec())));
            assert_eq!(peer.hear().await, ToBuilder::Begin(Box::new(request())));
            for message in said {
                peer.say(message).await;
            }
            peer
        };
        tokio::join!(install, talk).0
    };
    builder.close().await;
    ended
}

fn output(text: &str) -> FromBuilder {
    FromBuilder::Output { stream: Stream::Stderr, bytes: ByteBuf::from(text.as_bytes()) }
}

#[tokio::test(start_paused = true)]
async fn an_installer_ends_with_what_it_wrote() {
    let ended = installed(vec![output("log"), done()]).await.unwrap();
    assert_eq!((ended.exit, ended.wall_us, ended.stderr.as_slice()), (Exit::Code(0), 5, b"log".as_slice()));
}

#[tokio::test(start_paused = true)]
async fn what_a_builder_may_not_say_ends_it() {
    let fault = FromBuilder::Fault { message: "no\nmemory".into() };
    let open = |connection| FromBuilder::Open { connection };
    assert!(matches!(installed(vec![fault]).await, Err(TalkError::Fault(m)) if m == "nomemory"));
    assert!(matches!(installed(vec![output("123456789")]).await, Err(TalkError::OutOfTurn(_))));
    assert!(matches!(installed(vec![file("a", 1)]).await, Err(TalkError::OutOfTurn(_))));
    assert!(matches!(installed(vec![open(1), open(1)]).await, Err(TalkError::Violation(Violation::Twice))));
}

#[tokio::test(start_paused = true)]
async fn an_installer_that_never_ends_is_slow() {
    assert!(matches!(installed(vec![output("log")]).await, Err(TalkError::Slow)));
}

#[tokio::test(start_paused = true)]
async fn a_builder_of_another_build_is_not_used() {
    let (wires, mut peer) = wires();
    peer.say(FromBuilder::Ready { version: 9 }).await;
    assert!(matches!(Builder::meet(wires).await, Err(TalkError::Version(9))));
    let (wires, peer) = self::wires();
    drop(peer);
    assert!(matches!(Builder::meet(wires).await, Err(TalkError::Gone(_))));
}

/// The context that is made when the builder leaves this.
async fn left(said: Vec<FromBuilder>) -> Result<Vec<u8>, TalkError> {
    let (mut builder, mut peer) = met().await;
    let (taker, mut taken) = mpsc::channel(1);
    let leave = async { builder.leave(Layer::new("/d", "FROM x\n", 2, 1000), &taker).await.map(|()| drop(taker)) };
    let talk = async {
        assert_eq!(peer.hear().await, ToBuilder::Leave);
        for message in said {
            peer.say(message).await;
        }
        peer
    };
    let take = async {
        let mut bytes = Vec::new();
        while let Some(Some(piece)) = taken.recv().await {
            bytes.extend_from_slice(&piece);
        }
        bytes
    };
    let (left, _peer, bytes) = tokio::join!(leave, talk, take);
    left.map(|()| bytes)
}

#[tokio::test(start_paused = true)]
async fn what_was_left_becomes_a_context() {
    let content = FromBuilder::Content(ByteBuf::from(b"xyz".to_vec()));
    let bytes = left(vec![file("a/b", 3), content, FromBuilder::Ended]).await.unwrap();
    let names: Vec<String> = tar::Archive::new(&bytes[..])
        .entries()
        .unwrap()
        .map(|e| e.unwrap().path().unwrap().display().to_string())
        .collect();
    assert_eq!(names, ["Dockerfile", "root/", "root/d/", "root/d/a/", "root/d/a/b"]);
}

#[tokio::test(start_paused = true)]
async fn what_may_not_be_left_is_refused() {
    let content = || FromBuilder::Content(ByteBuf::from(b"xyz".to_vec()));
    assert!(matches!(left(vec![file("../b", 3)]).await, Err(TalkError::Layer(LayerError::Path(_)))));
    assert!(matches!(left(vec![file("b", 2), content()]).await, Err(TalkError::Layer(LayerError::Size))));
    assert!(matches!(left(vec![file("b", 1001)]).await, Err(TalkError::Layer(LayerError::TooLarge(1000)))));
    assert!(matches!(left(vec![content()]).await, Err(TalkError::Layer(LayerError::Size))));
    assert!(matches!(
        left(vec![file("b", 4), content(), FromBuilder::Ended]).await,
        Err(TalkError::Layer(LayerError::Size))
    ));
}
