//! Files that a run left and the job wants back: out of the sandbox, to the master.

use enclos_protocol::archive::{Record, records};
use enclos_protocol::glob::{KEEP_FILES_BYTES_MAX, KEEP_FILES_MAX};
use enclos_protocol::job::{JobPath, KeptFile};
use enclos_protocol::supervisor_link::Tree;

use super::seat::Seat;
use super::{Attempt, AttemptError, Broken, Workshop};

/// Files on their way, as the supervisor gave them.
#[derive(Default)]
pub(super) struct Files {
    archive: Vec<u8>,
    /// Why not all are there.
    pub(super) error: Option<String>,
}

/// What of them the master has.
#[derive(Default)]
pub(super) struct Sent {
    pub(super) files: Vec<KeptFile>,
    pub(super) error: Option<String>,
}

impl Files {
    /// Takes them out of the sandbox of a run that is over; `error`: why not all could be kept there.
    pub(super) async fn take(seat: &mut Seat<'_>, error: Option<String>) -> Result<Self, Broken> {
        // Heads and paths come on top of the bytes of the files, within what the supervisor counts.
        let archive = seat.sandbox().await?.take_tree(Tree::Files, KEEP_FILES_BYTES_MAX).await?;
        Ok(Self { archive: archive.unwrap_or_default(), error })
    }

    /// Gives them to the master. Names are a hostile program's, and are told only where they can be ours.
    pub(super) async fn send(self, attempt: &Attempt, workshop: &Workshop) -> Result<Sent, Broken> {
        let Self { archive, error } = self;
        let found = records(&archive).map_err(|_| AttemptError::Files)?;
        let (files, named_all) = nameable(&found);
        let mut sent = Sent { files: Vec::new(), error };
        if !named_all {
            sent.error.get_or_insert_with(|| "a file has a name that cannot be told".to_owned());
        }
        for (path, content) in files {
            let given = workshop.inputs.give(attempt.id, &path, content);
            attempt.stop.or(given).await.map_err(Broken::Stopped)??;
            sent.files.push(KeptFile { path, size_bytes: content.len() as u64 });
        }
        Ok(sent)
    }
}

/// By name, and whether those are all.
fn nameable<'a>(found: &[Record<'a>]) -> (Vec<(JobPath, &'a [u8])>, bool) {
    let named = found.iter().filter_map(|Record { path, content, .. }| {
        let path = String::from_utf8(path.to_vec()).ok()?;
        Some((JobPath::try_from(path).ok()?, *content))
    });
    let mut files: Vec<_> = named.collect();
    files.sort();
    files.dedup_by(|a, b| a.0 == b.0);
    files.truncate(KEEP_FILES_MAX);
    let all = files.len() == found.len();
    (files, all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_that_can_be_told_are_given_and_each_once() {
        let record = |path: &'static [u8]| Record { path, executable: false, content: b"x" };
        let paths = |found: &[Record<'_>]| {
            let (files, all) = nameable(found);
            (files.iter().map(|(path, _)| path.to_string()).collect::<Vec<_>>(), all)
        };
        assert_eq!(paths(&[record(b"b"), record(b"a/c")]), (vec!["a/c".to_owned(), "b".to_owned()], true));
        for bad in [b"../x".as_slice(), b"/x", b"a\nb", b"\xff", b"-x", b"", b"a"] {
            let found = [record(b"a"), Record { path: bad, ..record(b"") }];
            assert_eq!(paths(&found), (vec!["a".to_owned()], false), "{bad:?}");
        }
        let many: Vec<Record<'_>> = vec![record(b"a"); 2];
        assert_eq!(paths(&many).0.len(), 1);
    }
}
