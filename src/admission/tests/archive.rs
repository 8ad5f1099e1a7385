//! Archives: what is taken, and that all else is refused with a name.

use enclos_protocol::supervisor_link::INPUT_BYTES_MAX;
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use serde_json::json;
use tar::{Builder, EntryType, Header};

use super::{base64, catalogue};
use crate::admission::files::FILES_MAX;
use crate::admission::{Refusal, admit, unpack};

/// An archive of these members, ended as it should be.
fn archive(members: &[(&str, EntryType, &[u8])]) -> Vec<u8> {
    let mut archive = Builder::new(Vec::new());
    for (path, kind, content) in members {
        archive.append(&header(path, *kind, content.len()), *content).unwrap();
    }
    archive.into_inner().unwrap()
}

/// A header with this very name, whatever it is.
fn header(path: &str, kind: EntryType, size: usize) -> Header {
    let mut header = Header::new_ustar();
    header.as_old_mut().name[..path.len()].copy_from_slice(path.as_bytes());
    header.set_entry_type(kind);
    header.set_size(size as u64);
    header.set_mode(0o644);
    header.set_cksum();
    header
}

fn refused(bytes: &[u8]) -> Refusal {
    unpack(bytes, FILES_MAX).unwrap_err()
}

fn pax(record: &[u8]) -> Vec<u8> {
    archive(&[("x", EntryType::XHeader, record), ("a", EntryType::Regular, b"1")])
}

#[test]
fn files_are_taken_and_directories_looked_at() {
    let bytes = archive(&[
        ("./", EntryType::Directory, b""),
        ("./src/", EntryType::Directory, b""),
        ("./src/main.c", EntryType::Regular, b"1"),
        ("b\u{e9}", EntryType::Regular, &[0; 1000]),
        ("pax_global_header", EntryType::XGlobalHeader, b"18 comment=a commit"),
    ]);
    // The record's length is wrong by one: nothing of it is guessed.
    assert_eq!(refused(&bytes).detail, "an extended header is malformed");
    let bytes = archive(&[
        ("g", EntryType::XGlobalHeader, b"20 comment=a commit\n"),
        ("./", EntryType::Directory, b""),
        ("./src/", EntryType::Directory, b""),
        ("./src/main.c", EntryType::Regular, b"1"),
        ("b\u{e9}", EntryType::Regular, &[0; 1000]),
    ]);
    let files = unpack(bytes.as_slice(), FILES_MAX).unwrap();
    let told: Vec<(&str, usize)> = files.iter().map(|f| (f.path.as_str(), f.content.len())).collect();
    assert_eq!(told, [("src/main.c", 1), ("b\u{e9}", 1000)]);
}

#[test]
fn members_of_other_kinds_and_bad_names_are_refused_by_name() {
    for (path, kind, why) in [
        ("l", EntryType::Symlink, "a symbolic link"),
        ("l", EntryType::Link, "a hard link"),
        ("l", EntryType::Char, "a device"),
        ("l", EntryType::Fifo, "a named pipe"),
        ("l", EntryType::GNUSparse, "a sparse file"),
        ("l", EntryType::Continuous, "of another kind"),
        ("l", EntryType::GNULongLink, "of another kind"),
        ("/etc/passwd", EntryType::Regular, "'/etc/passwd'"),
        ("../a", EntryType::Regular, "'../a'"),
        ("a/../../b", EntryType::Directory, "'a/../../b'"),
        (".././a", EntryType::Regular, "'.././a'"),
        ("/", EntryType::Directory, "'/'"),
        ("a\nb", EntryType::Regular, "'a\\nb'"),
        ("a/", EntryType::Regular, "'a/'"),
        ("-o", EntryType::Regular, "'-o'"),
        ("", EntryType::Regular, "''"),
        ("", EntryType::Directory, "''"),
    ] {
        let refusal = refused(&archive(&[(path, kind, b"")]));
        assert_eq!((refusal.status, refusal.code, refusal.field.as_deref()), (422, "invalid_archive", Some("archive")));
        assert!(refusal.detail.contains(why), "{path} {kind:?}: {}", refusal.detail);
    }
    let twice = archive(&[("a", EntryType::Regular, b""), ("./a", EntryType::Regular, b"")]);
    assert_eq!(refused(&twice).detail, "'./a' is there twice");
    let both = archive(&[("a/", EntryType::Directory, b""), ("a", EntryType::Regular, b"")]);
    assert_eq!(refused(&both).detail, "'a' is there twice");
}

#[test]
fn long_names_are_taken_in_both_ways_and_said_once() {
    let long = format!("{}/{}", "d".repeat(150), "f".repeat(150));
    let record = |text: &str| {
        let length = (1..1000).find(|n| *n == n.to_string().len() + 1 + text.len() + 1).unwrap();
        format!("{length} {text}\n").into_bytes()
    };
    let gnu =
        archive(&[("n", EntryType::GNULongName, format!("{long}\0").as_bytes()), ("s", EntryType::Regular, b"1")]);
    let named = pax(&record(&format!("path={long}")));
    for bytes in [&gnu, &named] {
        assert_eq!(unpack(bytes.as_slice(), 1).unwrap()[0].path.as_str(), long);
    }
    for (bytes, why) in [
        (pax(&record("size=2")), "two sizes"),
        (pax(&record("GNU.sparse.major=1")), "sparse"),
        (pax(&record("linkpath=b")), "link"),
        (pax(b"x"), "malformed"),
        (pax(b"9999999 path=a\n"), "malformed"),
        (pax(b"2 \n"), "malformed"),
        (pax(&[record("path=b"), record("path=c")].concat()), "malformed"),
        (pax(&record("path=../b")), "'../b'"),
        (archive(&[("n", EntryType::GNULongName, b"b"), ("n", EntryType::XHeader, b"")]), "two headers"),
        (archive(&[("n", EntryType::GNULongName, b"b")]), "no member follows"),
        (archive(&[("g", EntryType::XGlobalHeader, &record("path=b"))]), "global header"),
        (archive(&[("n", EntryType::GNULongName, &[b'a'; 5000])]), "more than"),
    ] {
        let detail = refused(&bytes).detail;
        assert!(detail.contains(why), "{why}: {detail}");
    }
    assert!(unpack(pax(&record("mtime=1.5")).as_slice(), 1).is_ok(), "what only adorns a member is passed over");
}

#[test]
fn damaged_archives_are_refused() {
    let good = archive(&[("a", EntryType::Regular, &[b'x'; 700])]);
    assert!(unpack(good.as_slice(), 1).is_ok());
    for (length, why) in [(0, "without the empty blocks"), (100, "breaks off"), (700, "breaks off"), (1536, "without")]
    {
        assert!(refused(&good[..length]).detail.contains(why), "{length}: {}", refused(&good[..length]).detail);
    }
    let mut flipped = good.clone();
    flipped[0] = b'b';
    assert_eq!(refused(&flipped).detail, "the checksum of 'b' is wrong");
    let followed = [good.as_slice(), b"more"].concat();
    assert_eq!(refused(&followed).detail, "something follows its end");
    assert!(unpack([good.as_slice(), &[0; 10_000]].concat().as_slice(), 1).is_ok(), "padding of any length");
    assert!(refused(b"\x1f\x8b\x08".repeat(200).as_slice()).detail.contains("gzip"));
}

#[test]
fn more_than_a_job_may_have_is_refused_while_it_is_read() {
    let mut endless = Builder::new(Vec::new());
    let size = INPUT_BYTES_MAX + 1;
    // A header that announces much, and brings nothing.
    endless.append(&header("a", EntryType::Regular, size), std::io::empty()).unwrap();
    let refusal = refused(&endless.into_inner().unwrap());
    assert_eq!((refusal.status, refusal.code), (413, "too_large"));
    let names: Vec<String> = (0..=FILES_MAX).map(|n| n.to_string()).collect();
    let many: Vec<(&str, EntryType, &[u8])> =
        names.iter().map(|n| (n.as_str(), EntryType::Regular, &b""[..])).collect();
    let refusal = refused(&archive(&many));
    assert_eq!((refusal.status, &refusal.extras["maximum"]), (422, &json!(FILES_MAX)));
    let names: Vec<String> = (0..5000).map(|n| format!("{n}/")).collect();
    let many: Vec<(&str, EntryType, &[u8])> =
        names.iter().map(|n| (n.as_str(), EntryType::Directory, &b""[..])).collect();
    assert!(refused(&archive(&many)).detail.contains("4096 headers"));
    let empty = archive(&[]);
    let endless = std::io::Read::chain(empty.as_slice(), std::io::repeat(0));
    assert_eq!(unpack(endless, 1).unwrap_err().code, "too_large");
}

#[test]
fn an_archive_joins_the_files_of_a_submission() {
    let bytes = base64(&archive(&[("main.c", EntryType::Regular, b"1"), ("a/b.h", EntryType::Regular, b"2")]));
    let with = |files: serde_json::Value| {
        let mut body = json!({ "archive": { "content_base64": bytes } });
        body.as_object_mut().unwrap().extend(files.as_object().unwrap().clone());
        admit(catalogue(), "t", body.to_string().as_bytes())
    };
    let job = with(json!({ "files": [{ "path": "x.txt", "content": "" }], "language": "c" })).unwrap();
    let paths: Vec<&str> = job.input.files.iter().map(|f| f.path.as_str()).collect();
    assert_eq!((paths, job.spec.entry.as_str()), (vec!["x.txt", "main.c", "a/b.h"], "main.c"));
    assert_eq!(with(json!({})).unwrap().spec.language, "c", "the first file's extension tells it");
    for (files, code, field) in [
        (json!({ "files": [{ "path": "main.c", "content": "" }] }), "invalid_value", "archive"),
        (json!({ "files": [{ "path": "a", "content": "" }] }), "invalid_value", "archive"),
        (json!({ "files": [{ "path": "a/b.h/c", "content": "" }] }), "invalid_value", "files[0].path"),
        (json!({ "source": "" }), "invalid_value", "source"),
        (json!({ "entry": "no.c" }), "invalid_value", "entry"),
    ] {
        let refusal = with(files).unwrap_err();
        assert_eq!((refusal.code, refusal.field.as_deref()), (code, Some(field)));
    }
    let empty = json!({ "archive": { "content_base64": base64(&archive(&[])) } });
    assert_eq!(admit(catalogue(), "t", empty.to_string().as_bytes()).unwrap_err().code, "invalid_archive");
}

proptest! {
    #[test]
    fn what_was_packed_is_what_is_unpacked(
        files in btree_map("[a-z]{1,8}(/f[a-z]{1,120}){0,3}", vec(any::<u8>(), 0..1500), 1..20),
        is_gnu in any::<bool>(),
    ) {
        // A file cannot stand where another needs a directory; the submission's own rule, tried elsewhere.
        let mut packed = Builder::new(Vec::new());
        for (path, content) in &files {
            let mut header = if is_gnu { Header::new_gnu() } else { Header::new_ustar() };
            header.set_size(content.len() as u64);
            // Names that do not fit a ustar header are those that only GNU's way can say here.
            if packed.append_data(&mut header, path, content.as_slice()).is_err() {
                return Ok(());
            }
        }
        let unpacked = unpack(packed.into_inner().unwrap().as_slice(), FILES_MAX).unwrap();
        prop_assert_eq!(unpacked.len(), files.len());
        for (file, (path, content)) in unpacked.iter().zip(&files) {
            prop_assert_eq!(file.path.as_str(), path);
            prop_assert_eq!(&file.content[..], content.as_slice());
        }
    }

    #[test]
    fn no_change_of_an_archive_makes_more_than_bounded_files(
        changes in vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        mends_checksums in any::<bool>(),
        length in any::<prop::sample::Index>(),
    ) {
        let mut bytes = archive(&[
            ("n", EntryType::GNULongName, b"long/name"), ("a", EntryType::Regular, &[1; 600]),
            ("x", EntryType::XHeader, b"12 path=b/c\n"), ("b", EntryType::Regular, b"2"),
            ("d/", EntryType::Directory, b""),
        ]);
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
            if mends_checksums {
                // Else nearly every change ends at the checksum.
                let block = at / 512 * 512;
                let mut header = Header::from_byte_slice(&bytes[block..block + 512]).clone();
                header.set_cksum();
                bytes[block..block + 512].copy_from_slice(header.as_bytes());
            }
        }
        bytes.truncate(length.index(bytes.len()) + bytes.len() / 2);
        if let Ok(files) = unpack(bytes.as_slice(), 2) {
            prop_assert!(files.len() <= 2);
            prop_assert!(files.iter().map(|f| f.content.len()).sum::<usize>() <= bytes.len());
        }
    }
}
