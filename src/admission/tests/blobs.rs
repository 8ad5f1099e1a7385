//! What a submission refers to: bounded as if it were inline, and the same job.

use enclos_protocol::cases::{CASE_BYTES_MAX, CASES_INPUT_BYTES_MAX};
use enclos_protocol::supervisor_link::INPUT_BYTES_MAX;
use serde_json::{Value, json};

use super::catalogue;
use crate::admission::cases::CASES_MOVED_BYTES_MAX;
use crate::admission::{Admitted, Brought, Parsed, Refusal};
use crate::store::{Digest, Place};

/// The job that `body` asks for where these blobs are there.
fn admitted(body: &Value, sizes: &[(Digest, u64)]) -> Result<Admitted, Refusal> {
    let parsed = Parsed::of(body.to_string().as_bytes())?;
    let brought = Brought { sizes: sizes.iter().copied().collect(), archive: None };
    parsed.admit(catalogue(), "t", brought)
}

fn digest(text: &str) -> Digest {
    Digest::of(text.as_bytes())
}

#[test]
fn every_place_of_a_blob_is_found_before_and_told_after() {
    let [a, b, c, d, e] = ["a", "b", "c", "d", "e"].map(digest);
    let body = json!({
        "files": [{ "path": "main.c", "content": "" }, { "path": "a.h", "blob": a.to_string() }],
        "cases": [{ "stdin": "x" }, { "stdin_blob": b.to_string(), "expected_stdout_blob": c.to_string() }],
        "checker": { "program": { "files": [{ "path": "c.py", "blob": d.to_string() }] } },
    });
    let parsed = Parsed::of(body.to_string().as_bytes()).unwrap();
    assert_eq!(parsed.blobs(), [a, b, c, d].into_iter().collect());
    let job = admitted(&body, &[a, b, c, d].map(|digest| (digest, 1))).unwrap();
    let mut uses: Vec<_> = job.blobs.iter().map(|u| (u.place, u.digest, u.field.as_str())).collect();
    uses.sort();
    assert_eq!(
        uses,
        [
            (Place::File(1), a, "files[1].blob"),
            (Place::Companion(0), d, "checker.program.files[0].blob"),
            (Place::CaseStdin(1), b, "cases[1].stdin_blob"),
            (Place::CaseExpected(1), c, "cases[1].expected_stdout_blob"),
        ]
    );
    assert!(job.cases[1].case.expected.is_some(), "something is expected");
    let body = json!({ "language": "c", "source": "", "stdin_blob": e.to_string() });
    assert_eq!(admitted(&body, &[(e, 1)]).unwrap().blobs[0].place, Place::Stdin);
}

#[test]
fn what_is_not_there_is_named_by_its_field() {
    let gone = digest("gone").to_string();
    let program = json!({ "files": [{ "path": "c.py", "blob": gone }] });
    for (body, field) in [
        (json!({ "language": "c", "source": "", "stdin_blob": gone }), "stdin_blob"),
        (json!({ "files": [{ "path": "a.c", "blob": gone }] }), "files[0].blob"),
        (json!({ "language": "c", "source": "", "cases": [{ "stdin_blob": gone }] }), "cases[0].stdin_blob"),
        (
            json!({ "language": "c", "source": "", "cases": [{ "expected_stdout_blob": gone }] }),
            "cases[0].expected_stdout_blob",
        ),
        (json!({ "language": "c", "source": "", "cases": [{}], "interactor": program }), "interactor.files[0].blob"),
        (json!({ "archive": { "blob": gone } }), "archive.blob"),
    ] {
        let refusal = admitted(&body, &[]).unwrap_err();
        assert_eq!((refusal.status, refusal.code), (422, "unknown_blob"), "{body}");
        assert_eq!(refusal.field.as_deref(), Some(field));
    }
}

#[test]
fn a_blob_excludes_the_inline_form() {
    let a = digest("a").to_string();
    for (body, field) in [
        (json!({ "language": "c", "source": "", "stdin": "", "stdin_blob": a }), "stdin"),
        (json!({ "language": "c", "source": "", "stdin_base64": "", "stdin_blob": a }), "stdin"),
        (json!({ "files": [{ "path": "a.c", "content": "", "blob": a }] }), "files[0]"),
        (json!({ "files": [{ "path": "a.c" }] }), "files[0]"),
        (json!({ "language": "c", "source": "", "cases": [{}], "stdin_blob": a }), "stdin_blob"),
        (json!({ "language": "c", "source": "", "cases": [{ "stdin": "", "stdin_blob": a }] }), "cases[0].stdin"),
        (json!({ "archive": { "content_base64": "", "blob": a } }), "archive"),
        (json!({ "archive": {} }), "archive"),
        (json!({ "language": "c", "source": "", "stdin_blob": a.to_uppercase() }), "stdin_blob"),
    ] {
        let refusal = admitted(&body, &[(digest("a"), 1)]).unwrap_err();
        assert_eq!((refusal.code, refusal.field.as_deref()), ("invalid_value", Some(field)), "{body}");
    }
}

#[test]
fn blobs_are_bounded_as_the_bytes_that_they_are() {
    let (a, b) = (digest("a"), digest("b"));
    let input = json!({ "files": [{ "path": "a.c", "blob": a.to_string() }], "stdin_blob": b.to_string() });
    let half = INPUT_BYTES_MAX as u64 / 2;
    assert!(admitted(&input, &[(a, half), (b, half - 100)]).is_ok());
    assert_eq!(admitted(&input, &[(a, half), (b, half)]).unwrap_err().code, "too_large");
    let case = json!({ "language": "c", "source": "", "cases": [{ "stdin_blob": a.to_string() }] });
    assert!(admitted(&case, &[(a, CASE_BYTES_MAX as u64)]).is_ok());
    let refusal = admitted(&case, &[(a, CASE_BYTES_MAX as u64 + 1)]).unwrap_err();
    assert_eq!((refusal.code, refusal.field.as_deref()), ("too_large", Some("cases[0].stdin")));
}

#[test]
fn one_blob_of_many_cases_is_brought_once_and_many_are_not() {
    let size = 1 << 20;
    let (count, a) = (usize::try_from(CASES_INPUT_BYTES_MAX / size).unwrap(), digest("a"));
    let one = json!({ "language": "c", "source": "", "cases": vec![json!({ "stdin_blob": a.to_string() }); 500] });
    assert_eq!(admitted(&one, &[(a, size)]).unwrap().blobs.len(), 500);
    let digests: Vec<Digest> = (0..=count).map(|n| digest(&n.to_string())).collect();
    let cases: Vec<Value> = digests.iter().map(|d| json!({ "stdin_blob": d.to_string() })).collect();
    let sizes: Vec<(Digest, u64)> = digests.iter().map(|d| (*d, size)).collect();
    let refusal = admitted(&json!({ "language": "c", "source": "", "cases": cases }), &sizes).unwrap_err();
    assert_eq!((refusal.status, refusal.field.as_deref()), (413, Some("cases")));
}

#[test]
fn what_all_cases_move_is_bounded_with_its_repeats() {
    let (a, size) = (digest("a"), CASE_BYTES_MAX as u64);
    let count = usize::try_from(CASES_MOVED_BYTES_MAX / size / 2).unwrap();
    let case = json!({ "stdin_blob": a.to_string(), "expected_stdout_blob": a.to_string() });
    let cases = |count| json!({ "language": "c", "source": "", "cases": vec![case.clone(); count] });
    let sizes = [(a, size - 100)];
    assert!(admitted(&cases(count), &sizes).is_ok());
    let refusal = admitted(&cases(count + 1), &sizes).unwrap_err();
    assert_eq!((refusal.status, refusal.code, refusal.field.as_deref()), (413, "too_large", Some("cases")));
    assert_eq!(refusal.extras["maximum"], CASES_MOVED_BYTES_MAX);
}

#[test]
fn the_same_bytes_have_the_same_compile_key_whichever_way_they_came() {
    let (content, header) = ("int main(void) { return 0; }", "#define A");
    let inline = json!({ "files": [{ "path": "main.c", "content": content }, { "path": "a.h", "content": header }] });
    let by_blob = json!({ "files": [
        { "path": "main.c", "blob": digest(content).to_string() }, { "path": "a.h", "content": header },
    ] });
    let mut archive = tar::Builder::new(Vec::new());
    for (path, content) in [("main.c", content), ("a.h", header)] {
        let mut entry = tar::Header::new_ustar();
        entry.set_size(content.len() as u64);
        archive.append_data(&mut entry, path, content.as_bytes()).unwrap();
    }
    let archive = super::base64(&archive.into_inner().unwrap());
    let archive = json!({ "archive": { "content_base64": archive } });
    let sizes = [(digest(content), content.len() as u64)];
    let [inline, by_blob, archive] = [inline, by_blob, archive].map(|body| admitted(&body, &sizes).unwrap());
    assert!(inline.compile_key.is_some());
    assert_eq!(by_blob.compile_key, inline.compile_key);
    assert_eq!(archive.compile_key, inline.compile_key);
    assert_eq!((archive.spec, archive.input), (inline.spec, inline.input));
}
