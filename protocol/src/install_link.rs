//! Agent and builder: [`ToBuilder`] in on the container's stdin, [`FromBuilder`] out on its stdout.
//!
//! A builder is a sandbox's container whose supervisor was told to install packages instead of
//! running jobs. It has no network: what its installer sends to the port of its proxy travels here,
//! and the agent decides where it goes.
//!
//! ```text
//! Ready ─ Authorities* ─ Begin ─┬─ Open · Bytes · Credit · End, either way, per connection ─┐
//!                               └─ Output*                                                  │
//!         Leave ─ Done ─ (File Content*)* ─ Ended ◀──────── the installer ends ─────────────┘
//! ```
//!
//! `Fault` may come at any time; nothing comes after it. Each end may send [`WINDOW_BYTES`] on a
//! connection beyond what the other has taken in (`Credit`), so neither holds more than that.

use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use crate::job::Stream;
use crate::outcome::Exit;

/// Argument that makes a supervisor a builder.
pub const INSTALL_ARGUMENT: &str = "install";
/// Version of these messages; agent and supervisor are built together, so they must be equal.
pub const INSTALL_VERSION: u16 = 1;
/// Where the installer finds its proxy, on the loopback interface of the builder.
pub const PROXY_PORT: u16 = 3128;
/// Connections to the proxy at once.
pub const CONNECTIONS_MAX: usize = 16;
/// What may be on its way in one direction of one connection, in bytes.
pub const WINDOW_BYTES: usize = 256 * 1024;
/// Certificate authorities that an installer is given, in bytes.
pub const AUTHORITIES_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Room of a builder: a file system in memory.
pub const ROOM_DIR: &str = "/job";
/// Where the installer puts the packages.
pub const RESULT_DIR: &str = "/job/result";
/// Most directories above an installed file.
pub const INSTALLED_DEPTH_MAX: usize = 32;
/// Longest path of an installed file, in bytes.
pub const INSTALLED_PATH_BYTES_MAX: usize = 1024;

/// One installation.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct InstallRequest {
    /// [`INSTALL_VERSION`] of the agent.
    pub version: u16,
    /// The installer and its arguments; the program is looked up in `PATH` of `env`.
    pub argv: Vec<String>,
    /// User and group id of the installer, as the container knows them.
    pub uid: u32,
    /// Its environment, without what the builder adds (proxy, authorities, directories).
    pub env: Vec<(String, String)>,
    /// What is passed on of each of its streams, in bytes.
    pub report_bytes: u64,
    /// Files that it may leave.
    pub files_max: u32,
}

/// A number that the builder gives a connection; never used twice.
pub type Connection = u32;

/// From the agent.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ToBuilder {
    /// The next bytes of the certificate authorities (PEM), before `Begin`.
    Authorities(ByteBuf),
    /// Start the installer.
    Begin(Box<InstallRequest>),
    /// What came for a connection.
    Bytes {
        /// Which.
        connection: Connection,
        /// At most [`crate::frame::CHUNK_BYTES_MAX`].
        bytes: ByteBuf,
    },
    /// Nothing more comes for a connection.
    End {
        /// Which.
        connection: Connection,
    },
    /// So much of a connection was taken in, and may be sent again.
    Credit {
        /// Which.
        connection: Connection,
        /// How much, in bytes.
        bytes: u32,
    },
    /// Send what the installer left.
    Leave,
}

/// From the builder.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FromBuilder {
    /// It lives.
    Ready {
        /// [`INSTALL_VERSION`] of the builder.
        version: u16,
    },
    /// The installer opened a connection to its proxy.
    Open {
        /// Which.
        connection: Connection,
    },
    /// What the installer sent on a connection.
    Bytes {
        /// Which.
        connection: Connection,
        /// At most [`crate::frame::CHUNK_BYTES_MAX`].
        bytes: ByteBuf,
    },
    /// The installer sends no more on a connection, or closed it.
    End {
        /// Which.
        connection: Connection,
        /// Nobody reads what comes for it any more.
        closed: bool,
    },
    /// So much of a connection was taken in, and may be sent again.
    Credit {
        /// Which.
        connection: Connection,
        /// How much, in bytes.
        bytes: u32,
    },
    /// What the installer wrote.
    Output {
        /// Which stream.
        stream: Stream,
        /// Its next bytes.
        bytes: ByteBuf,
    },
    /// The installer ended, and every process of it.
    Done {
        /// How.
        exit: Exit,
        /// After how long, in microseconds.
        wall_us: u64,
        /// CPU time of all its processes, in microseconds.
        cpu_us: u64,
        /// Largest memory of one of them, in bytes.
        memory_peak_bytes: u64,
    },
    /// A file that it left begins; its content follows.
    File {
        /// Where, below its directory.
        path: ByteBuf,
        /// It may be executed.
        executable: bool,
        /// Bytes that follow.
        size_bytes: u64,
        /// When it was last changed, in seconds since 1970: what was compiled from it says so too.
        modified_unix_s: u64,
    },
    /// The next bytes of the file that was begun.
    Content(ByteBuf),
    /// All files were sent.
    Ended,
    /// The builder cannot go on.
    Fault {
        /// What failed.
        message: String,
    },
}
