//! File descriptors: every connection is one, and a shell's usual 1,024 are fewer than the places.

use std::io;

use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// Descriptors for all but connections: the database and its readers, the runtime, the log, and
/// connections that are about to leave.
const OTHERS: u64 = 512;

/// The limit of file descriptors cannot be had or is too low for a service.
#[derive(Debug, thiserror::Error)]
pub enum DescriptorError {
    /// Not even the least is allowed.
    #[error(
        "this process may have {0} file descriptors, of which {OTHERS} are no connections: \
         raise its hard limit (ulimit -Hn, LimitNOFILE=)"
    )]
    TooFew(u64),
    /// The limit cannot be read or raised.
    #[error("the limit of file descriptors cannot be raised")]
    Limit(#[source] io::Error),
}

/// Raises the limit of this process as far as it may and `connections` need; answers how many of
/// them there can be.
///
/// Where a place has no descriptor, clients would wait in the kernel's queue and nobody would make
/// room for them: so there are never more places than this.
///
/// # Errors
/// [`DescriptorError`].
pub fn provide(connections: usize) -> Result<usize, DescriptorError> {
    let limit = |errno: nix::Error| DescriptorError::Limit(errno.into());
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).map_err(limit)?;
    let needed = (connections as u64).saturating_add(OTHERS).min(hard);
    if soft < needed {
        setrlimit(Resource::RLIMIT_NOFILE, needed, hard).map_err(limit)?;
    }
    let room = needed.checked_sub(OTHERS).filter(|room| *room > 0).ok_or(DescriptorError::TooFew(hard))?;
    Ok(usize::try_from(room).unwrap_or(connections))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_never_more_places_than_descriptors() {
        let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
        let room = provide(usize::MAX / 2).unwrap();
        assert_eq!(room as u64, hard.min(usize::MAX as u64 / 2 + OTHERS) - OTHERS);
        let (soft, _) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
        assert!(soft >= room as u64 + OTHERS);
    }

    #[test]
    fn few_connections_are_had_as_asked() {
        assert_eq!(provide(10).unwrap(), 10);
    }
}
