//! The supervisor as a builder: it runs one installer and sends what that left.
//!
//! ```text
//! builder, PID 1, uid 0                       installer, another user, filter before itself
//!   stdin  ◀── agent                            stdout, stderr ──▶ pipes of the builder
//!   stdout ──▶ agent                            127.0.0.1:PROXY_PORT ──▶ relay
//!   relay: each connection to the proxy is bytes on the link; no other network is there
//! ```
//!
//! One thread, one loop, one installation, then nothing more. What the installer left is looked at
//! when every process of it is dead, by a builder that has become the installer's own user: a tree
//! of hostile content can lead it nowhere that the installer could not go itself.

mod child;
mod relay;
mod tree;

use std::convert::Infallible;
use std::fs::{self, File, Permissions};
use std::io::{self, Read as _};
use std::os::fd::AsFd as _;
use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use enclos_protocol::frame::CHUNK_BYTES_MAX;
use enclos_protocol::install_link::{
    AUTHORITIES_BYTES_MAX, FromBuilder, INSTALL_VERSION, InstallRequest, ROOM_DIR, ToBuilder,
};
use enclos_protocol::job::Stream;
use enclos_protocol::limits::{OnOutputLimit, StepLimits};
use enclos_protocol::outcome::Exit;
use nix::poll::PollFlags;
use serde_bytes::ByteBuf;

use crate::capture::Capture;
use crate::clock;
use crate::link::{Link, LinkError};
use crate::server::poll_those;

use child::Installer;
use relay::Relay;
use tree::TreeError;

/// File with the authorities, which the installer may read.
const AUTHORITIES_FILE: &str = "/job/authorities.pem";
/// How often the end of the installer is looked for: nothing to wait on tells it.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// Nothing to watch but the link.
const IDLE: Duration = Duration::from_secs(3600);
/// Bytes taken from a stream at once.
const READ_BYTES: usize = 64 * 1024;

/// Why a builder ends.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// The agent closed the link: the ordinary end.
    #[error("the agent is gone")]
    AgentGone,
    /// A message that does not fit where the conversation is.
    #[error("unexpected message: {0}")]
    Unexpected(&'static str),
    /// Agent and builder come from different builds.
    #[error("the agent speaks version {0}, the builder {INSTALL_VERSION}")]
    Version(u16),
    /// The authorities are larger than they may be.
    #[error("certificate authorities above {AUTHORITIES_BYTES_MAX} bytes")]
    Authorities,
    /// A call failed.
    #[error("cannot {0}: {1}")]
    Call(&'static str, io::Error),
    /// The link.
    #[error(transparent)]
    Link(#[from] LinkError),
    /// What the installer left.
    #[error("what was installed cannot be taken: {0}")]
    Tree(#[from] TreeError),
}

fn call<E: Into<io::Error>>(what: &'static str) -> impl FnOnce(E) -> Fault {
    move |e| Fault::Call(what, e.into())
}

/// The whole state.
pub struct Builder {
    link: Link,
}

impl Builder {
    /// A builder that waits for `Begin`.
    pub fn new(link: Link) -> Self {
        Self { link }
    }

    /// Serves until the agent is gone or something fails; a failure is reported as well as it can be.
    pub fn run(mut self) -> Fault {
        let fault = match self.serve() {
            Ok(never) => match never {},
            Err(fault) => fault,
        };
        if !matches!(fault, Fault::AgentGone) {
            let _ = self.link.send(&FromBuilder::Fault { message: fault.to_string() });
            let _ = self.drain();
        }
        fault
    }

    fn serve(&mut self) -> Result<Infallible, Fault> {
        self.link.send(&FromBuilder::Ready { version: INSTALL_VERSION })?;
        let (request, has_authorities) = self.begin()?;
        let mut relay = Relay::listen().map_err(call("listen for the installer"))?;
        let begun = clock::now();
        let mut installer = Installer::spawn(&request, has_authorities.then_some(AUTHORITIES_FILE))
            .map_err(call("start the installer"))?;
        let mut output = Outputs::new(&request, &mut installer)?;
        let exit = loop {
            if let Some(exit) = installer.ended().map_err(call("wait for the installer"))? {
                break exit;
            }
            self.turn(&mut relay, &mut output)?;
        };
        drop(relay);
        let wall_us = u64::try_from((clock::now() - begun).as_micros()).unwrap_or(u64::MAX);
        output.take_rest();
        while output.pump(&mut self.link)? {
            self.wait_for_link()?;
        }
        let (cpu_us, memory_peak_bytes) = installer.used();
        self.link.send(&FromBuilder::Done { exit, wall_us, cpu_us, memory_peak_bytes })?;
        self.leave(exit, &request)?;
        loop {
            while let Some(message) = self.link.next::<ToBuilder>()? {
                late(&message)?;
            }
            self.wait_for_link()?;
        }
    }

    /// Takes the authorities and the request.
    fn begin(&mut self) -> Result<(InstallRequest, bool), Fault> {
        let mut authorities: Vec<u8> = Vec::new();
        loop {
            match self.link.next()? {
                Some(ToBuilder::Authorities(bytes)) => authorities.extend_from_slice(&bytes),
                Some(ToBuilder::Begin(request)) if request.version != INSTALL_VERSION => {
                    return Err(Fault::Version(request.version));
                }
                Some(ToBuilder::Begin(request)) => {
                    // Runtimes do not agree whether the mode in a tmpfs's options counts.
                    let open = fs::set_permissions(ROOM_DIR, Permissions::from_mode(0o1777));
                    open.map_err(call("open the installer's room"))?;
                    if !authorities.is_empty() {
                        fs::write(AUTHORITIES_FILE, &authorities).map_err(call("write the authorities"))?;
                    }
                    return Ok((*request, !authorities.is_empty()));
                }
                Some(_) => return Err(Fault::Unexpected("before an installation")),
                None => self.wait_for_link()?,
            }
            if authorities.len() > AUTHORITIES_BYTES_MAX {
                return Err(Fault::Authorities);
            }
        }
    }

    /// Waits for whatever comes next, and takes it.
    fn turn(&mut self, relay: &mut Relay, output: &mut Outputs) -> Result<(), Fault> {
        let has_room = self.link.has_room();
        let pending = self.link.has_pending().then(|| self.link.output());
        let [stdout, stderr] = &output.streams;
        let mut wanted = vec![
            (Some(self.link.input()), PollFlags::POLLIN),
            (pending, PollFlags::POLLOUT),
            (stdout.as_ref().map(|s| s.as_fd()), PollFlags::POLLIN),
            (stderr.as_ref().map(|s| s.as_fd()), PollFlags::POLLIN),
        ];
        let own = wanted.len();
        wanted.extend(relay.wanted(has_room));
        let ready = poll_those(wanted, LOOK_EVERY).map_err(call("wait"))?;
        if ready[0] && !self.link.read()? {
            return Err(Fault::AgentGone);
        }
        if ready[1] {
            self.link.flush()?;
        }
        for index in [0, 1] {
            if ready[2 + index] {
                output.take(index);
            }
        }
        for message in relay.serve(&ready[own..]) {
            self.link.send(&message)?;
        }
        while let Some(message) = self.link.next()? {
            relay.take(message).map_err(Fault::Unexpected)?;
        }
        output.pump(&mut self.link)?;
        Ok(())
    }

    /// Sends what was installed, when the agent asks for it.
    fn leave(&mut self, exit: Exit, request: &InstallRequest) -> Result<(), Fault> {
        loop {
            match self.link.next()? {
                Some(ToBuilder::Leave) if exit == Exit::Code(0) => break,
                Some(ToBuilder::Leave) => return Err(Fault::Unexpected("an installer that failed leaves nothing")),
                Some(message) => late(&message)?,
                None => self.wait_for_link()?,
            }
        }
        child::become_user(request.uid).map_err(call("become the installer's user"))?;
        tree::send(request.files_max, &mut |message| {
            self.link.send(message)?;
            while !self.link.has_room() {
                self.wait_for_link()?;
            }
            Ok(())
        })?;
        self.link.send(&FromBuilder::Ended)?;
        Ok(())
    }

    fn wait_for_link(&mut self) -> Result<(), Fault> {
        let output = self.link.has_pending().then(|| self.link.output());
        let wanted = [(Some(self.link.input()), PollFlags::POLLIN), (output, PollFlags::POLLOUT)];
        let ready = poll_those(wanted, IDLE).map_err(call("wait"))?;
        if ready[0] && !self.link.read()? {
            return Err(Fault::AgentGone);
        }
        if ready[1] {
            self.link.flush()?;
        }
        Ok(())
    }

    /// Writes out what is pending, for a last message: as slowly as the agent takes it, who ends this.
    fn drain(&mut self) -> Result<(), Fault> {
        while self.link.has_pending() {
            self.wait_for_link()?;
        }
        Ok(())
    }
}

/// What may still be on its way for connections that are gone.
fn late(message: &ToBuilder) -> Result<(), Fault> {
    match message {
        ToBuilder::Bytes { .. } | ToBuilder::End { .. } | ToBuilder::Credit { .. } => Ok(()),
        ToBuilder::Authorities(_) | ToBuilder::Begin(_) | ToBuilder::Leave => {
            Err(Fault::Unexpected("after an installation"))
        }
    }
}

/// What the installer writes, of which so much is passed on.
struct Outputs {
    streams: [Option<File>; 2],
    captures: [Capture; 2],
}

impl Outputs {
    fn new(request: &InstallRequest, installer: &mut Installer) -> Result<Self, Fault> {
        let limits = StepLimits {
            cpu_ms: 0,
            wall_ms: 0,
            memory_bytes: 0,
            pids: 0,
            output_bytes: u64::MAX,
            report_bytes: request.report_bytes,
            file_bytes: 0,
            stack_bytes: 0,
            cpu_millis: 0,
        };
        let streams = installer.take_streams().ok_or(Fault::Unexpected("streams that were taken"))?;
        let capture = || Capture::new(&limits, OnOutputLimit::Truncate);
        Ok(Self { streams: streams.map(Some), captures: [capture(), capture()] })
    }

    /// Reads once; a stream that ended is not looked at again.
    fn take(&mut self, index: usize) -> bool {
        let Some(stream) = &mut self.streams[index] else { return false };
        let mut buffer = vec![0; READ_BYTES];
        match stream.read(&mut buffer) {
            Ok(0) => self.streams[index] = None,
            Ok(count) => {
                self.captures[index].take(&buffer[..count]);
                return true;
            }
            Err(e) if matches!(e.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {}
            Err(_) => self.streams[index] = None,
        }
        false
    }

    /// What is in the pipes when every process that wrote to them is dead.
    fn take_rest(&mut self) {
        for index in [0, 1] {
            while self.take(index) {}
        }
    }

    /// Puts it on its way while there is room; whether some is left.
    fn pump(&mut self, link: &mut Link) -> Result<bool, Fault> {
        for (stream, capture) in [Stream::Stdout, Stream::Stderr].into_iter().zip(&mut self.captures) {
            loop {
                if !link.has_room() {
                    return Ok(true);
                }
                let bytes = capture.drain(CHUNK_BYTES_MAX);
                if bytes.is_empty() {
                    break;
                }
                link.send(&FromBuilder::Output { stream, bytes: ByteBuf::from(bytes) })?;
            }
        }
        Ok(false)
    }
}
