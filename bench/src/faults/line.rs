//! Lines: TCP carried from one address to another, late or not at all for a while.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::Outcome;

/// Bytes that are carried as one piece.
const PIECE_BYTES: usize = 16 * 1024;

/// How a line is.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Weather {
    /// Each piece waits so long.
    pub delay: Duration,
    /// Nothing is carried, and no connection ends.
    pub cut: bool,
}

/// A line that is carried as long as this lives.
pub struct Line {
    weather: watch::Sender<Weather>,
    _tasks: JoinSet<()>,
}

impl Line {
    /// Carries from here on.
    pub async fn new(listen: &str, to: String) -> Outcome<(Self, String)> {
        let listener = TcpListener::bind(listen).await?;
        let address = listener.local_addr()?.to_string();
        let (weather, seen) = watch::channel(Weather::default());
        let mut tasks = JoinSet::new();
        tasks.spawn(async move { carry_all(listener, to, seen).await });
        Ok((Self { weather, _tasks: tasks }, address))
    }

    pub fn set(&self, weather: Weather) {
        self.weather.send_replace(weather);
    }
}

/// A relay that is a program of its own; ends with its parent's input.
pub async fn relay(listen: &str, to: &str) -> Outcome<()> {
    let _line = Line::new(listen, to.to_owned()).await?;
    let mut nothing = [0];
    // Only the end of it is waited for.
    while tokio::io::stdin().read(&mut nothing).await? > 0 {}
    Ok(())
}

async fn carry_all(listener: TcpListener, to: String, weather: watch::Receiver<Weather>) {
    let mut connections = JoinSet::new();
    while let Ok((here, _)) = listener.accept().await {
        // Those that have ended are forgotten.
        while connections.try_join_next().is_some() {}
        let (to, weather) = (to.clone(), weather.clone());
        connections.spawn(async move {
            // Nobody there: the caller sees its connection end.
            let Ok(there) = TcpStream::connect(to).await else { return };
            let _ = (here.set_nodelay(true), there.set_nodelay(true));
            let ((here_in, here_out), (there_in, there_out)) = (here.into_split(), there.into_split());
            let (on, back) = (carry(here_in, there_out, weather.clone()), carry(there_in, here_out, weather));
            // When one direction fails, both ends learn of it.
            tokio::select! {
                _ = on => {}
                _ = back => {}
            }
        });
    }
}

async fn carry(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut weather: watch::Receiver<Weather>,
) -> std::io::Result<()> {
    let mut piece = vec![0; PIECE_BYTES];
    loop {
        let count = from.read(&mut piece).await?;
        let Ok(now) = weather.wait_for(|w| !w.cut).await.map(|w| *w) else { return Ok(()) };
        tokio::time::sleep(now.delay).await;
        if count == 0 {
            return to.shutdown().await;
        }
        to.write_all(&piece[..count]).await?;
    }
}
