//! An uploaded archive: refused with a rule, or files within every bound of a job.
#![no_main]

use std::collections::BTreeSet;

use enclos::admission::bounds::FILES_MAX;
use enclos::admission::unpack;
use enclos::http::error::problem;
use enclos_protocol::job::JobPath;
use libfuzzer_sys::fuzz_target;
use tar::Header;

/// Longest refusal, in bytes: it may repeat a little of what was sent.
const PROBLEM_BYTES_MAX: usize = 4096;
/// Bytes of a block.
const BLOCK_BYTES: usize = 512;

fn check(archive: &[u8]) {
    match unpack(archive, FILES_MAX) {
        Ok(files) => {
            assert!(files.len() <= FILES_MAX);
            assert!(files.iter().map(|file| file.content.len()).sum::<usize>() <= archive.len());
            let paths: BTreeSet<&str> = files.iter().map(|file| file.path.as_str()).collect();
            assert_eq!(paths.len(), files.len(), "no path is there twice");
            assert!(paths.iter().all(|path| JobPath::try_from((*path).to_owned()).is_ok()));
            // What is after the end counts, too.
            assert!(unpack([archive, b"x"].concat().as_slice(), FILES_MAX).is_err());
        }
        Err(refusal) => {
            assert!(matches!(refusal.status, 413 | 422));
            assert_eq!(refusal.field.as_deref(), Some("archive"));
            let body = serde_json::to_vec(&problem(refusal)).unwrap();
            assert!(body.len() <= PROBLEM_BYTES_MAX, "{} bytes", body.len());
        }
    }
}

fuzz_target!(|data: &[u8]| {
    check(data);
    // Nearly every change ends at a checksum: the same again with all of them right.
    let mut mended = data.to_vec();
    for block in mended.chunks_exact_mut(BLOCK_BYTES).filter(|block| block.iter().any(|byte| *byte != 0)) {
        let mut header = Header::from_byte_slice(block).clone();
        header.set_cksum();
        block.copy_from_slice(header.as_bytes());
    }
    check(&mended);
});
