//! The bad inputs of blobs, archives, live standard input and dependencies.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use reqwest::Method;
use serde_json::{Value, json};

use super::Send::{Get, Octets, Other, PostTo, Submit};
use super::{Case, case, files, invalid, unknown, with};

/// A digest of which there is no blob.
const ABSENT: &str = "0000000000000000000000000000000000000000000000000000000000000000";
/// That of three zeros, in capitals.
const CAPITALS: &str = "2AC9A6746ACA543AF8DFF39894CFE8173AFBA21EB01C6FAE33D52947222855EF";

pub(super) fn all() -> Vec<Case> {
    [blobs(), uploads(), archives(), live(), dependencies()].into_iter().flatten().collect()
}

fn one_case(case: Value) -> super::Send {
    with(&json!({ "cases": [case] }))
}

fn file(file: Value) -> super::Send {
    files(json!([{ "path": "main.py", "content": "" }, file]))
}

fn blobs() -> Vec<Case> {
    let absent = |name, send, field| case(name, send, 422, "unknown_blob").at(field);
    let expected = "cases[0].expected_stdout_blob";
    vec![
        invalid("an input of no digest", with(&json!({ "stdin_blob": "" })), "stdin_blob"),
        invalid("an input of a short digest", with(&json!({ "stdin_blob": &ABSENT[1..] })), "stdin_blob"),
        invalid("an input of a long digest", with(&json!({ "stdin_blob": format!("{ABSENT}0") })), "stdin_blob"),
        invalid("a digest in capitals", with(&json!({ "stdin_blob": CAPITALS })), "stdin_blob"),
        invalid("a digest that is a path", with(&json!({ "stdin_blob": "../../etc/passwd" })), "stdin_blob"),
        invalid("a digest that is a number", with(&json!({ "stdin_blob": 0 })), "stdin_blob"),
        invalid("a file of no digest", file(json!({ "path": "a", "blob": "sha256:00" })), "files[1].blob"),
        invalid("an archive of no digest", Submit(json!({ "archive": { "blob": "x" } })), "archive.blob"),
        invalid("a case of no digest", one_case(json!({ "stdin_blob": "x" })), "cases[0].stdin_blob"),
        invalid("an answer of no digest", one_case(json!({ "expected_stdout_blob": "x" })), expected),
        absent("an input that is not there", with(&json!({ "stdin_blob": ABSENT })), "stdin_blob"),
        absent("a file that is not there", file(json!({ "path": "a", "blob": ABSENT })), "files[1].blob"),
        absent("an archive that is not there", Submit(json!({ "archive": { "blob": ABSENT } })), "archive.blob"),
        absent("a case that is not there", one_case(json!({ "stdin_blob": ABSENT })), "cases[0].stdin_blob"),
        absent("an answer that is not there", one_case(json!({ "expected_stdout_blob": ABSENT })), expected),
        invalid("a text and a blob as input", with(&json!({ "stdin": "", "stdin_blob": ABSENT })), "stdin"),
        invalid("a text and a blob as a file", file(json!({ "path": "a", "content": "", "blob": ABSENT })), "files[1]"),
        invalid(
            "a text and a blob as a case",
            one_case(json!({ "stdin": "", "stdin_blob": ABSENT })),
            "cases[0].stdin",
        ),
        invalid(
            "a text and a blob as an answer",
            one_case(json!({ "expected_stdout": "", "expected_stdout_blob": ABSENT })),
            "cases[0].expected_stdout",
        ),
        invalid("cases and a blob beside them", with(&json!({ "cases": [{}], "stdin_blob": ABSENT })), "stdin_blob"),
    ]
}

fn uploads() -> Vec<Case> {
    let path = "/v1/blobs/0000000000000000000000000000000000000000000000000000000000000000";
    let announced = "/v1/blobs?sha256=0000000000000000000000000000000000000000000000000000000000000000";
    let found = "2ac9a6746aca543af8dff39894cfe8173afba21eb01c6fae33d52947222855ef";
    vec![
        case("an upload as JSON", PostTo("/v1/blobs"), 415, "unsupported_media_type"),
        case("other bytes than announced", Octets(announced, b"000".to_vec()), 422, "digest_mismatch")
            .at("sha256")
            .says("sha256", json!(found)),
        invalid("an announcement of no digest", Octets("/v1/blobs?sha256=zz", vec![]), "sha256"),
        invalid("an empty announcement", Octets("/v1/blobs?sha256=", vec![]), "sha256"),
        unknown("an upload with a name", Octets("/v1/blobs?name=a", vec![]), "name"),
        case("a blob that is not there", Get(path), 404, "not_found"),
        case("a blob of no digest", Get("/v1/blobs/..%2f..%2fjobs.sqlite"), 404, "not_found"),
        case("deleting what is no digest", Other(Method::DELETE, "/v1/blobs/zz"), 404, "not_found"),
        unknown("a blob with a parameter", Get("/v1/blobs/zz?colour=red"), "colour"),
        case("a list of blobs", Get("/v1/blobs"), 405, "method_not_allowed"),
        case("an upload under a name", Other(Method::PUT, "/v1/blobs/zz"), 405, "method_not_allowed"),
    ]
}

/// A tar archive of one member, in base64.
fn tar_of(path: &str, kind: tar::EntryType, content: &[u8]) -> String {
    let mut header = tar::Header::new_ustar();
    // Its own setter would refuse some of the paths.
    header.as_old_mut().name[..path.len()].copy_from_slice(path.as_bytes());
    header.set_entry_type(kind);
    header.set_mode(0o644);
    header.set_size(content.len() as u64);
    header.set_cksum();
    let mut archive = tar::Builder::new(Vec::new());
    archive.append(&header, content).expect("memory can be written to");
    BASE64_STANDARD.encode(archive.into_inner().expect("memory can be written to"))
}

fn archives() -> Vec<Case> {
    use tar::EntryType::{Link, Regular, Symlink};
    let of = |bytes: String| Submit(json!({ "language": "python", "archive": { "content_base64": bytes } }));
    let broken = |name, bytes: String| case(name, of(bytes), 422, "invalid_archive").at("archive");
    let plain = || json!({ "content_base64": tar_of("main.py", Regular, b"") });
    let beside = json!([{ "path": "main.py", "content": "" }]);
    let gzip = BASE64_STANDARD.encode([b"\x1f\x8b".as_slice(), &[0; 510]].concat());
    let member = |name, path| broken(name, tar_of(path, Regular, b""));
    vec![
        invalid("an archive of nothing", Submit(json!({ "language": "python", "archive": {} })), "archive"),
        invalid(
            "an archive of two contents",
            Submit(json!({ "language": "python", "archive": { "content_base64": "", "blob": ABSENT } })),
            "archive",
        ),
        invalid("an archive that is not base64", of("%%".to_owned()), "archive.content_base64"),
        unknown("a field of an archive", Submit(json!({ "archive": { "url": "http://x" } })), "archive.url"),
        invalid("an archive and source", with(&json!({ "archive": plain() })), "source"),
        invalid(
            "an archive and a file of one path",
            Submit(json!({ "language": "python", "files": beside, "archive": plain() })),
            "archive",
        ),
        invalid("an archive without the entry", Submit(json!({ "entry": "other.py", "archive": plain() })), "entry"),
        broken("no bytes of an archive", String::new()),
        broken("an archive that breaks off", "AAAA".to_owned()),
        broken("a compressed archive", gzip),
        broken("an archive with a symbolic link", tar_of("a", Symlink, b"")),
        broken("an archive with a hard link", tar_of("a", Link, b"")),
        member("an archive that writes upwards", "../up.py"),
        member("an archive that writes to the root", "/etc/passwd"),
    ]
}

fn live() -> Vec<Case> {
    let attached = |wrong: Value| {
        let mut members = wrong;
        members["run"] = json!({ "attach": true });
        with(&members)
    };
    let program = json!({ "language": "c", "source": "" });
    vec![
        invalid("live input and a text", attached(json!({ "stdin": "" })), "stdin"),
        invalid("live input and base64", attached(json!({ "stdin_base64": "" })), "stdin_base64"),
        invalid("live input and a blob", attached(json!({ "stdin_blob": ABSENT })), "stdin_blob"),
        invalid("live input and cases", attached(json!({ "cases": [{}] })), "cases"),
        invalid("live input and an interactor", attached(json!({ "interactor": program })), "interactor"),
        invalid("a text for being live", with(&json!({ "run": { "attach": "yes" } })), "run.attach"),
        case(
            "attaching to nobody's job",
            Get("/v1/jobs/01900000-0000-7000-8000-000000000000/attach"),
            404,
            "not_found",
        ),
        invalid(
            "attaching from nowhere on",
            Get("/v1/jobs/01900000-0000-7000-8000-000000000000/attach?after=7"),
            "after",
        ),
        unknown(
            "attaching with a colour",
            Get("/v1/jobs/01900000-0000-7000-8000-000000000000/attach?colour=red"),
            "colour",
        ),
        case(
            "attaching by POST",
            PostTo("/v1/jobs/01900000-0000-7000-8000-000000000000/attach"),
            405,
            "method_not_allowed",
        ),
    ]
}

fn dependencies() -> Vec<Case> {
    let asked =
        |language: &str, asked: Value| Submit(json!({ "language": language, "source": "", "dependencies": asked }));
    let hostile = |name, text: &str| {
        let asked = asked("python", json!({ "python": ["good", text] }));
        case(name, asked, 422, "invalid_dependency").at("dependencies.python[1]")
    };
    let unsupported = |name, send, field| case(name, send, 422, "unsupported_dependencies").at(field);
    vec![
        hostile("a dependency from a URL", "https://evil.example/x.whl"),
        hostile("a dependency from a repository", "git+https://evil.example/x"),
        hostile("a dependency that is a path", "../x"),
        hostile("a dependency that is here", "."),
        hostile("a dependency that is an option", "--index-url=https://evil.example"),
        hostile("a dependency that is a short option", "-r"),
        hostile("a dependency with an option", "x --pre"),
        hostile("a dependency with a marker", "x; python_version > '3'"),
        hostile("a dependency from elsewhere", "x @ https://evil.example/x.whl"),
        hostile("a dependency with nothing but @", "x@y"),
        hostile("a dependency of two lines", "x\n--pre"),
        hostile("a dependency with NUL", "x\0"),
        hostile("a dependency in other letters", "numpу"),
        hostile("a dependency for a shell", "$(id)"),
        hostile("no dependency", ""),
        hostile("a dependency twice", "Good==1"),
        unsupported("dependencies of C", asked("c", json!({ "python": ["x"] })), "dependencies.python"),
        unsupported("an installer that is none", asked("python", json!({ "npm": ["x"] })), "dependencies.npm"),
        invalid("a dependency that is no list", asked("python", json!({ "python": "x" })), "dependencies.python"),
        invalid("dependencies without an installer", asked("python", json!(["x"])), "dependencies"),
    ]
}
