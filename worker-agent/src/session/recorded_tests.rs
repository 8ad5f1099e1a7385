//! A master of an older version, by the bytes that one sent.

use super::*;

/// Messages of a master of version 3, in order.
fn recorded() -> Vec<Vec<u8>> {
    let lines = include_str!("../../../tests/recorded/link-3.txt").lines().filter_map(|l| l.strip_prefix("master "));
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).expect("hex"), 16).expect("hex");
    lines.map(|hex| hex.as_bytes().chunks(2).map(byte).collect()).collect()
}

#[tokio::test]
async fn a_master_of_version_3_is_understood() {
    let master = Master::new().await;
    let agent = Agent::start(&master, "secret");
    let mut socket = master.accept().await.expect("the token is right");
    let Some(FromAgent::Hello(hello)) = receive(&mut socket).await else { panic!("hello is first") };
    assert!(hello.version >= 3, "a master of version 3 lets it in");
    let mut conversation = Conversation { socket, hello: *hello };
    let mut messages = recorded().into_iter();
    // The welcome, and the job.
    for body in messages.by_ref().take(2) {
        conversation.socket.send(Message::Binary(body.into())).await.expect("the agent reads");
    }
    let (told, report) = conversation.until_finished().await;
    assert_eq!(report.outcome, Outcome::Ok);
    assert!(
        told.iter().any(|m| matches!(m, FromAgent::Output { bytes, .. } if bytes.as_ref() == b"hello")),
        "{told:?}"
    );
    // All else that it may say; draining is the last of it, and with the acknowledgement the agent leaves.
    for body in messages {
        conversation.socket.send(Message::Binary(body.into())).await.expect("the agent reads");
    }
    agent.leave.drain.cancel();
    agent.left().await.expect("the connection was never refused");
}
