//! The archive reader: whatever the bytes, it writes regular files below its directory and nothing else.
#![no_main]

use std::fs::{self, File};
use std::os::fd::OwnedFd;
use std::path::Path;

use enclos_supervisor::archive::{Writer, extract};
use libfuzzer_sys::fuzz_target;

/// Bytes of all regular files below `directory`; anything else there is a failure.
fn bytes_below(directory: &Path) -> u64 {
    let entries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap());
    let sizes = entries.map(|entry| {
        let kind = entry.file_type().unwrap();
        assert!(kind.is_dir() || kind.is_file(), "{}", entry.path().display());
        if kind.is_dir() { bytes_below(&entry.path()) } else { entry.metadata().unwrap().len() }
    });
    sizes.sum()
}

fn opened(path: &Path) -> OwnedFd {
    File::open(path).unwrap().into()
}

fuzz_target!(|data: &[u8]| {
    let around = tempfile::tempdir().unwrap();
    let inside = around.path().join("inside");
    fs::create_dir(&inside).unwrap();
    let extracted = extract(&mut &*data, opened(&inside));
    assert!(bytes_below(&inside) <= data.len() as u64);
    let beside: Vec<_> = fs::read_dir(around.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(beside, ["inside"], "nothing left the directory");

    // What was taken can be packed, and comes out the same.
    if extracted.is_ok() {
        let packed = tempfile::tempfile().unwrap();
        if Writer::new(&packed, 1 << 20).add_tree(opened(&inside)).is_ok() {
            let again = around.path().join("again");
            fs::create_dir(&again).unwrap();
            std::io::Seek::rewind(&mut &packed).unwrap();
            extract(&mut &packed, opened(&again)).unwrap();
            assert_eq!(bytes_below(&again), bytes_below(&inside));
        }
    }
});
