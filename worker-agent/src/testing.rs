//! What several test modules share: a host over the fake engine, and ordinary jobs.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use enclos_images::Catalogue;
use enclos_images::bounds;
use enclos_protocol::agent_link::ImageState;
use enclos_protocol::ids::{AttemptId, Binding, FencingToken, JobId};
use enclos_protocol::job::{Isolation, JobFile, JobInput, JobPath, JobSpec, Reuse};
use enclos_protocol::limits::OnOutputLimit;
use enclos_protocol::supervisor_link::CellKind;
use futures::future::BoxFuture;
use serde_bytes::ByteBuf;
use tokio::sync::watch;

use crate::attempt::Workshop;
use crate::attempt::input::InputClient;
use crate::cache::CompileCache;
use crate::config::JoinToken;
use crate::engine::SandboxLimits;
use crate::engine::fake::FakeEngine;
use crate::images_source::ImageSource;
use crate::member::Access;
use crate::pool::{Bounds, ImageKey, Pool};
use crate::sandbox::{Host, UidRange};

/// Pool bounds that are out of a test's way.
pub const BOUNDS: Bounds = Bounds {
    first_number: 1,
    sandboxes_max: 8,
    starting_max: 2,
    cores: 8,
    stock_max: 0,
    bindings_max: 100,
    bound_idle_max: Duration::from_secs(3600),
    age_max: Duration::from_secs(3600),
    jobs_max: 1000,
    retry_after: Duration::from_secs(10),
};

/// A host over `engine`.
pub fn host(engine: &Arc<FakeEngine>) -> Arc<Host> {
    let agent = "test".parse().expect("a valid name");
    Arc::new(Host {
        engine: Arc::clone(engine) as _,
        cgroups: None,
        wires: None,
        uids: UidRange::of(&agent, Isolation::Runc),
        agent,
        instance: uuid::Uuid::nil(),
        isolation: Isolation::Runc,
        cells: CellKind::Namespaced,
        proof_cpus: None,
        apparmor: false,
        limits: SandboxLimits { memory_bytes: 1 << 30, cpu_millis: 1500, pids: 520 },
        lifetime: Duration::from_secs(3600),
    })
}

/// Images that are there when the gate opens.
pub struct FakeImages {
    /// `Some(true)`: there; `Some(false)`: they cannot be made; `None`: wait.
    pub gate: watch::Sender<Option<bool>>,
    /// Times that someone found one gone.
    pub vanished: AtomicUsize,
}

impl Default for FakeImages {
    /// The gate is open.
    fn default() -> Self {
        Self { gate: watch::channel(Some(true)).0, vanished: AtomicUsize::new(0) }
    }
}

impl ImageSource for FakeImages {
    fn ensure<'a>(&'a self, image: &'a str) -> BoxFuture<'a, Result<ImageKey, String>> {
        Box::pin(async move {
            let mut gate = self.gate.subscribe();
            let open = gate.wait_for(Option::is_some).await.is_ok_and(|open| *open == Some(true));
            if open {
                Ok(ImageKey { name: image.to_owned(), reference: format!("sandbox-{image}") })
            } else {
                Err("scripted".to_owned())
            }
        })
    }

    fn vanished(&self, _image: &str) {
        self.vanished.fetch_add(1, Ordering::Relaxed);
    }

    fn states(&self) -> BTreeMap<String, ImageState> {
        let python = match *self.gate.borrow() {
            Some(true) => ImageState::Ready,
            Some(false) => ImageState::Failed { reason: "scripted".to_owned() },
            None => ImageState::Absent,
        };
        BTreeMap::from([("gcc".to_owned(), ImageState::Ready), ("python".to_owned(), python)])
    }

    fn versions(&self) -> BTreeMap<String, String> {
        BTreeMap::from([("c".to_owned(), "gcc 14".to_owned())])
    }
}

/// A workshop over `pool`.
pub fn workshop(pool: Pool, images: Arc<FakeImages>) -> Workshop {
    Workshop {
        catalogue: Arc::new(Catalogue::embedded().expect("this build's catalogue is right")),
        images,
        installs: None,
        pool,
        inputs: inputs("http://127.0.0.1:1"),
        isolation: Isolation::Runc,
        reuse: Reuse::Tenant,
        cores: None,
        cache: CompileCache::new(1 << 20),
    }
}

/// Exchanges bytes with whoever listens at `base`.
pub fn inputs(base: &str) -> InputClient {
    let access = Access::clear(base, JoinToken::parse("t").expect("a token")).expect("it is an address");
    InputClient::new(access.fixed())
}

/// An attempt's id.
pub fn attempt_id(counter: u64) -> AttemptId {
    AttemptId { job: JobId::generate(), token: FencingToken { epoch: 1, counter } }
}

fn path(text: &str) -> JobPath {
    JobPath::try_from(text.to_owned()).expect("a valid path")
}

/// A small job in a language with a compile step (`c`) or without (`python`).
pub fn job(language: &str) -> (JobSpec, JobInput) {
    let entry = path(if language == "c" { "main.c" } else { "main.py" });
    let spec = JobSpec {
        binding: Binding { tenant: "t".into(), scope: String::new() },
        language: language.into(),
        entry: entry.clone(),
        compile_args: vec!["-Wall".into()],
        run_args: vec!["a b".into()],
        env: vec![("NAME".into(), "v".into()), ("LANG".into(), "C".into())],
        compile_limits: bounds::COMPILE.defaults(),
        run_limits: bounds::RUN.defaults(),
        on_output_limit: OnOutputLimit::Kill,
        merge_stderr: false,
        reuse: Reuse::Tenant,
        isolation: Isolation::Runc,
        cases: None,
        keep_files: Vec::new(),
        no_cache: false,
        live_stdin: false,
        dependencies: None,
    };
    let file = JobFile { path: entry, content: ByteBuf::from(b"source".to_vec()) };
    (spec, JobInput { files: vec![file], stdin: ByteBuf::from(b"in".to_vec()), companion: Vec::new() })
}
