//! Writes a few valid inputs for each target, from which fuzzing starts.
//!
//! The argument is the corpus folder; what is there already stays.

use std::fs;
use std::io::{Seek as _, Write as _};
use std::path::{Path, PathBuf};

use enclos_images::ImageFolder;
use enclos_protocol::agent_link::{
    Capacity, FromAgent, FromMaster, Hello, ImageState, InputSource, LoadReport, OfferedLanguage, ReturnReason, Welcome,
};
use enclos_protocol::cases::{CaseReport, Verdict};
use enclos_protocol::dependencies::{Installed, Package, Wanted};
use enclos_protocol::frame;
use enclos_protocol::ids::{AttemptId, Binding, FencingToken, JobId};
use enclos_protocol::job::{
    Isolation, JobFile, JobInput, JobPath, JobReport, JobSpec, Reuse, Step, StepReport, Stream,
};
use enclos_protocol::limits::{OnOutputLimit, StepLimits};
use enclos_protocol::live::Signal;
use enclos_protocol::outcome::{Accounting, Exit, Outcome, StepFacts, Stop};
use enclos_protocol::supervisor_link::{
    CellKind, CgroupPlace, CgroupVersion, Keep, PairRequest, Report, Request, SandboxFacts, Setup, StdinSource,
    StepRequest, Tree, Workspace,
};
use enclos_supervisor::archive::Writer;
use serde::Serialize;

struct Seeds(PathBuf);

impl Seeds {
    fn write(&self, target: &str, name: &str, bytes: &[u8]) {
        let folder = self.0.join(target);
        fs::create_dir_all(&folder).expect("the corpus folder can be made");
        fs::write(folder.join(format!("seed-{name}")), bytes).expect("a seed can be written");
    }

    fn bodies<T: Serialize>(&self, target: &str, prefix: &str, messages: &[T]) {
        for (n, message) in messages.iter().enumerate() {
            self.write(target, &format!("{prefix}-{n}"), &frame::encode_body(message).expect("seeds fit a frame"));
        }
    }
}

fn path(text: &str) -> JobPath {
    JobPath::try_from(text.to_owned()).expect("seeds use good paths")
}

fn limits() -> StepLimits {
    StepLimits {
        cpu_ms: 1000,
        wall_ms: 2000,
        memory_bytes: 64 << 20,
        pids: 16,
        output_bytes: 1 << 20,
        report_bytes: 1 << 16,
        file_bytes: 1 << 20,
        stack_bytes: 8 << 20,
        cpu_millis: 1000,
    }
}

fn facts() -> StepFacts {
    StepFacts {
        exit: Some(Exit::Code(0)),
        stop: Some(Stop::Cancelled),
        cpu_us: 1,
        wall_us: 2,
        memory_peak_bytes: 3,
        oom_kills: 4,
        pids_refused: 5,
        stdout_bytes: 6,
        stderr_bytes: 7,
        kill_us: Some(8),
        accounting: Accounting::Cgroup,
        start_error: Some("why".into()),
        keep_error: None,
    }
}

fn attempt() -> AttemptId {
    AttemptId { job: JobId::generate(), token: FencingToken { epoch: 1, counter: 2 } }
}

fn load() -> LoadReport {
    let language = |id: &str, image| OfferedLanguage { id: id.into(), version: "1".into(), image, warm: 1 };
    let languages = vec![
        language("c", ImageState::Ready),
        language("x", ImageState::Preparing { progress: "base".into() }),
        language("y", ImageState::Failed { reason: "no".into() }),
    ];
    LoadReport { languages, ..LoadReport::default() }
}

fn input() -> JobInput {
    let file = |name: &str| JobFile { path: path(name), content: b"x".to_vec().into() };
    JobInput {
        files: vec![file("main.c"), file("a/b.h")],
        stdin: b"in".to_vec().into(),
        companion: vec![file("check.c")],
    }
}

fn agent_link(seeds: &Seeds) {
    let report = JobReport {
        outcome: Outcome::Ok,
        message: Some("m".into()),
        dependencies: Some(Installed {
            installer: "python".into(),
            packages: vec![Package { name: "p".into(), version: "1.0".into() }],
            cached: true,
            install_us: 1,
        }),
        compile: Some(StepReport { outcome: Outcome::Ok, facts: facts(), cached: true }),
        run: Some(StepReport { outcome: Outcome::RuntimeError, facts: facts(), cached: false }),
        companion: None,
        files: Vec::new(),
        files_error: Some("why".into()),
        sandbox_us: 1,
        isolation: Isolation::Runc,
        reuse: Reuse::Tenant,
        laps: Some(Box::default()),
    };
    let case = CaseReport {
        verdict: Verdict::WrongAnswer,
        run: StepReport { outcome: Outcome::Ok, facts: facts(), cached: false },
        score_ppm: Some(500_000),
        feedback: Some("line 1\nline 2".into()),
    };
    let hello = Hello {
        version: 1,
        name: "agent-1".parse().expect("it is a name"),
        instance: uuid::Uuid::now_v7(),
        build: "0".into(),
        capacity: Capacity { cpu_millis: 1000, memory_bytes: 1 << 30, pids: 100, slots: 2 },
        isolation: Isolation::Gvisor,
        reuse: Reuse::Never,
        embedded: false,
        installs: true,
        holding: vec![attempt()],
        load: load(),
    };
    let bytes = b"out".to_vec().into();
    seeds.bodies(
        "agent_link",
        "agent",
        &[
            FromAgent::Hello(Box::new(hello)),
            FromAgent::Heartbeat { sequence: 1, load: load() },
            FromAgent::Started { attempt: attempt(), step: Step::Run },
            FromAgent::Output { attempt: attempt(), step: Step::Compile, stream: Stream::Stderr, offset: 0, bytes },
            FromAgent::StdinTaken { attempt: attempt(), taken: 9, received: 12, ended: true, closed: false },
            FromAgent::CaseDone { attempt: attempt(), case: 1, report: Box::new(case) },
            FromAgent::Finished { attempt: attempt(), report: Box::new(report) },
            FromAgent::Returned { attempt: attempt(), reason: ReturnReason::failed("m".into()) },
        ],
    );
    let spec = JobSpec {
        binding: Binding { tenant: "t".into(), scope: "s".into() },
        language: "c".into(),
        dependencies: Some(Wanted { installer: "python".into(), requirements: vec!["p==1".into()] }),
        entry: path("main.c"),
        compile_args: vec!["-O2".into()],
        run_args: vec!["a".into()],
        env: vec![("A".into(), "b".into())],
        compile_limits: limits(),
        run_limits: limits(),
        on_output_limit: OnOutputLimit::Kill,
        merge_stderr: false,
        reuse: Reuse::Tenant,
        isolation: Isolation::Runc,
        cases: None,
        keep_files: Vec::new(),
        no_cache: false,
        live_stdin: true,
    };
    let (spec, attempt) = (Box::new(spec), attempt());
    seeds.bodies(
        "agent_link",
        "master",
        &[
            FromMaster::Welcome(Welcome { version: 1, lease_ms: 1, heartbeat_ms: 2, keep: vec![attempt] }),
            FromMaster::Renew { sequence: 1 },
            FromMaster::Dispatch { attempt, spec: spec.clone(), input: InputSource::Inline(input()) },
            FromMaster::Dispatch { attempt, spec, input: InputSource::Fetch { size_bytes: 9 } },
            FromMaster::Stdin { attempt, offset: 7, bytes: b"in".to_vec().into(), last: true },
            FromMaster::Signal { attempt, signal: Signal::Int },
            FromMaster::Cancel { attempt },
            FromMaster::Drain,
        ],
    );
}

fn conversation() -> Vec<Request> {
    let step = |workspace, keep| StepRequest {
        argv: vec!["gcc".into(), "main.c".into()],
        env: vec![("PATH".into(), "/bin".into())],
        limits: limits(),
        on_output_limit: OnOutputLimit::Truncate,
        merge_stderr: true,
        stdin: StdinSource::Staged,
        workspace,
        extras: true,
        directories: vec![path("feedback")],
        keep,
        whole_stdout: false,
        forerunner: None,
    };
    let run = |workspace, keep| Request::RunStep(Box::new(step(workspace, keep)));
    let cgroup = CgroupPlace { version: CgroupVersion::V2, path: "/x".into() };
    vec![
        Request::Setup(Setup {
            version: 1,
            host_uid: 1000,
            judge_uid: 1001,
            cells: CellKind::Namespaced,
            container_cpu: None,
            cgroup: Some(cgroup),
            cpus: Some("0-1".into()),
            wire: true,
        }),
        Request::HoldTree,
        Request::UseHeldTree,
        Request::BeginJob { cpus: None },
        Request::PutFile { path: path("main.c") },
        Request::Data(b"int main".to_vec().into()),
        Request::Data(b"(){}".to_vec().into()),
        Request::PutFile { path: path("a/b/c.h") },
        Request::PutStdin,
        Request::Data(b"in".to_vec().into()),
        run(Workspace::Inputs, Keep::Workspace),
        Request::Stdin { bytes: b"in".to_vec().into(), last: true },
        Request::Signal(Signal::Int),
        Request::CancelStep,
        Request::PutTree(Tree::Judge),
        Request::Data(archive().into()),
        Request::PutExtra { path: path("answer") },
        Request::Data(b"42".to_vec().into()),
        run(Workspace::Kept, Keep::Nothing),
        Request::RunPair(Box::new(PairRequest {
            program: step(Workspace::Kept, Keep::Nothing),
            judge: step(Workspace::Judge, Keep::Nothing),
        })),
        Request::TakeTree { tree: Tree::Kept, bytes_max: 1 << 20 },
        Request::EndJob,
    ]
}

fn reports() -> Vec<Report> {
    let facts_found = SandboxFacts {
        capabilities: 0xc0,
        no_new_privileges: true,
        seccomp_mode: 2,
        root_read_only: true,
        pseudo_terminals: false,
        interfaces: vec!["lo".into()],
        memory_limit_bytes: Some(1),
        pids_limit: None,
        wire: true,
    };
    vec![
        Report::Ready { version: 1 },
        Report::SetUp(facts_found),
        Report::Output { stream: Stream::Stdout, bytes: b"out".to_vec().into() },
        Report::StepDone(Box::new(facts())),
        Report::JobEnded { leftovers: vec!["x".into()] },
        Report::Fault { message: "m".into() },
    ]
}

fn frames<T: Serialize>(messages: &[T]) -> Vec<u8> {
    messages.iter().flat_map(|message| frame::encode(message).expect("seeds fit a frame")).collect()
}

fn archive() -> Vec<u8> {
    let file = tempfile::tempfile().expect("a temporary file can be made");
    let mut writer = Writer::new(&file, 1 << 20);
    for (name, content, executable) in [("main", &b"\x7fELF"[..], true), ("a/b/c.txt", b"text", false)] {
        writer.begin(Path::new(name), executable).and_then(|()| writer.add(content)).expect("it has room");
    }
    writer.finish().expect("it has room");
    let mut bytes = Vec::new();
    (&file).rewind().and_then(|()| std::io::Read::read_to_end(&mut &file, &mut bytes)).expect("it can be read");
    bytes
}

/// Archives as clients upload them, of each way to write a long name.
fn uploads() -> [Vec<u8>; 2] {
    [tar::Header::new_ustar(), tar::Header::new_gnu()].map(|mut header| {
        let mut archive = tar::Builder::new(Vec::new());
        header.set_size(4);
        archive.append_data(&mut header, "src/main.py", &b"text"[..]).expect("it fits");
        let long = format!("{}/{}", "d".repeat(90), "f".repeat(120));
        if header.as_gnu().is_some() {
            archive.append_data(&mut header, long, &b"long"[..]).expect("it fits");
        } else {
            archive.append_pax_extensions([("path", long.as_bytes())]).expect("it fits");
            archive.append_data(&mut header, "short", &b"long"[..]).expect("it fits");
        }
        archive.into_inner().expect("it is in memory")
    })
}

const SUBMISSIONS: [&str; 7] = [
    r#"{"language":"c","source":"","archive":{"content_base64":"AAE="},"cases":[{"stdin_blob":"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"}]}"#,
    r#"{"language":"c","source":"int main(){}"}"#,
    r#"{"files":[{"path":"main.py","content":"x"},{"path":"d/e.bin","content_base64":"AAE="}],"entry":"main.py"}"#,
    r#"{"language":"java","source":"","compile":{"args":["-g"]},"run":{"args":["a"],"env":{"A":"b"}},"stdin":"x","merge_stderr":true,"on_output_limit":"truncate","isolation":"runc","reuse":"never","scope":"s","labels":{"k":"v"}}"#,
    r#"{"language":"c","source":"","cases":[{"name":"1","stdin":"1","args":["a"],"expected_stdout":"1","limits":{"cpu_ms":100}},{"stdin":"2"}],"checker":{"float":{"abs":1e-9}},"groups":[{"name":"g","cases":["1"],"points":2}],"stop_on_first_failure":true,"no_cache":true}"#,
    r#"{"language":"python","source":"","dependencies":{"python":["A_b[c,d]~=1.0rc1,!=2.*","numpy==2.*"]}}"#,
    r#"{"language":"cpp","source":"","limits":{"compile":{"cpu_ms":1000,"wall_ms":1000},"run":{"memory_bytes":67108864,"pids":8,"output_bytes":1,"report_bytes":0,"file_bytes":0,"stack_bytes":65536,"cpus":0.5}}}"#,
];

fn main() {
    let folder = std::env::args_os().nth(1).expect("the corpus folder is the argument");
    let seeds = Seeds(folder.into());
    agent_link(&seeds);
    let (requests, reports) = (frames(&conversation()), frames(&reports()));
    seeds.write("frame", "requests", &[&[3], &requests[..]].concat());
    seeds.write("frame", "reports", &[&[200], &reports[..]].concat());
    seeds.write("supervisor_link", "conversation", &requests);
    seeds.write("archive", "tree", &archive());
    for (n, upload) in uploads().iter().enumerate() {
        seeds.write("upload", &n.to_string(), upload);
    }
    for (n, submission) in SUBMISSIONS.iter().enumerate() {
        seeds.write("submission", &n.to_string(), submission.as_bytes());
    }
    for folder in ImageFolder::embedded() {
        if let Some(text) = folder.file("language.toml") {
            seeds.write("language", &folder.name, text);
        }
    }
    std::io::stdout().flush().expect("standard output is open");
}
