//! One installation from start to end: container, conversation, image.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use enclos_images::command::ENVIRONMENT;
use enclos_protocol::dependencies::{PACKAGE_WORD_BYTES_MAX, PACKAGES_MAX, Package};
use enclos_protocol::install_link::{INSTALL_VERSION, InstallRequest, RESULT_DIR};
use enclos_protocol::outcome::Exit;
use enclos_protocol::supervisor_link::CellKind;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use tokio::sync::mpsc;

use super::conversation::{Builder, Ended, INSTALL_TIME_MAX, TalkError};
use super::flags::DependencyConfig;
use super::gate::{Gate, Traffic};
use super::layer::Layer;
use super::{Bench, Derived, Listed, NotInstalled, Order, Refusal};
use crate::engine::{ContainerId, EngineError, Purpose, SandboxSpec, docker};
use crate::headroom;
use crate::images::derived::{self, DerivedImages, Known};
use crate::sandbox::{Host, chain, unix_seconds};

/// What is kept of each of an installer's streams, in bytes.
const REPORT_BYTES: u64 = 64 * 1024;
/// Files that an installer may leave.
const FILES_MAX: u32 = 32 * 1024;
/// How long a builder's container may live before anyone may remove it.
const LIFETIME: Duration = Duration::from_secs(2 * INSTALL_TIME_MAX.as_secs() + 300);
/// What an installer ends with where another try may help (`EX_TEMPFAIL` of sysexits.h).
const EXIT_TRY_AGAIN: i32 = 75;
/// SIGKILL: nobody but the kernel kills an installer, for want of memory.
const SIGKILL: i32 = 9;
/// Longest sentence that is taken from an installer, in characters.
const PROBLEM_CHARS_MAX: usize = 300;
/// Digits of a process's identity that are its time; the others are random.
const INSTANCE_DIGITS: usize = 20;
/// Pieces of a context on their way to the engine.
const PIECES_MAX: usize = 8;

/// Installs by containers of the agent's engine.
pub struct EngineBench {
    images: DerivedImages,
    host: Arc<Host>,
    config: DependencyConfig,
    next: AtomicU64,
    /// The branch and the container that are to be removed.
    remains: Mutex<Option<(String, ContainerId)>>,
}

impl EngineBench {
    /// A bench beside the sandboxes of `host`.
    #[must_use]
    pub fn new(images: DerivedImages, host: Arc<Host>, config: DependencyConfig) -> Self {
        Self { images, host, config, next: AtomicU64::new(1), remains: Mutex::default() }
    }

    async fn try_install(&self, order: &Order) -> Result<Derived, NotInstalled> {
        let gate = Arc::new(Gate::new(self.config.places(&order.installer), self.config.room_bytes));
        let mut builder = self.open(order).await?;
        let talked = builder.install(self.request(order), &self.config.authorities, &gate).await;
        let traffic = gate.traffic();
        let ended = talked.map_err(|error| failed(&error, &traffic))?;
        let packages = judge(&ended, &traffic).map_err(|not| *not)?;
        let made = self.make(&mut builder, order, &packages, &ended).await;
        builder.close().await;
        let made = made?;
        tracing::info!(
            image = order.key.reference(&order.installer.name),
            packages = packages.len(),
            received_bytes = traffic.received,
            size_bytes = made.size_bytes,
            "dependencies were installed"
        );
        Ok(Derived { id: made.id, packages, size_bytes: made.size_bytes, made_unix_s: unix_seconds() })
    }

    fn request(&self, order: &Order) -> InstallRequest {
        let ours = ENVIRONMENT.iter().filter(|(name, _)| !matches!(*name, "HOME" | "TMPDIR"));
        let own = order.installer.env.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let env = ours.map(|(name, value)| (*name, *value)).chain(own);
        InstallRequest {
            version: INSTALL_VERSION,
            argv: order.installer.argv(&order.installer.index, RESULT_DIR, &order.requirements),
            // The last of the range: sandboxes take theirs from its start, and there is one builder.
            uid: self.host.uids.judge(u64::from(self.host.uids.count / 2) - 1),
            env: env.map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
            report_bytes: REPORT_BYTES,
            files_max: FILES_MAX,
        }
    }

    /// A builder in a container of its own, which [`Bench::tidy`] removes.
    async fn open(&self, order: &Order) -> Result<Builder, NotInstalled> {
        let host = &self.host;
        // Of this process alone: what an earlier one left may still be on its way out.
        let process = host.instance.simple().to_string().split_off(INSTANCE_DIGITS);
        let branch = format!("install-{process}-{}", self.next.fetch_add(1, Ordering::Relaxed));
        let name = format!("enclos-{}-{branch}", host.agent);
        // By its name: the engine may make it although nobody hears of it.
        *self.remains.lock().unwrap_or_else(PoisonError::into_inner) =
            Some((branch.clone(), ContainerId(name.clone())));
        let mut cgroup = host.cgroups.as_ref().map(|tree| tree.make_sandbox(&branch)).transpose();
        if let Ok(Some(place)) = &mut cgroup {
            place.binds.clear();
        }
        let spec = SandboxSpec {
            name,
            image: order.base.reference.clone(),
            purpose: Purpose::Install { room_bytes: self.config.room_bytes },
            labels: docker::builder_labels(&host.agent, host.instance, unix_seconds() + LIFETIME.as_secs()),
            limits: headroom::of_builder(self.config.memory_bytes(), host.isolation),
            cells: CellKind::Plain,
            isolation: host.isolation,
            apparmor: host.apparmor,
            cgroup: cgroup.map_err(|error| ours(&error))?,
            wire: None,
        };
        let container = host.engine.create(&spec).await.map_err(|error| match error {
            EngineError::NoImage(_) => NotInstalled::NoBase(order.base.name.clone()),
            other => ours(&other),
        })?;
        let wires = host.engine.attach(&container).await.map_err(|error| ours(&error))?;
        host.engine.start(&container).await.map_err(|error| ours(&error))?;
        Builder::meet(wires).await.map_err(|error| ours(&error))
    }

    /// Makes the image of what the installer left; gives its id and what it adds to its base.
    async fn make(
        &self,
        builder: &mut Builder,
        order: &Order,
        packages: &[Package],
        ended: &Ended,
    ) -> Result<Known, NotInstalled> {
        let base = self.images.find(&order.base.reference).await.map_err(|error| ours(&error))?;
        let base = base.ok_or_else(|| NotInstalled::NoBase(order.base.name.clone()))?;
        // By its id: a tag that is gone would be asked of a registry.
        let dockerfile = format!("FROM {}\nCOPY root/ /\n", base.id);
        let layer = Layer::new(&order.installer.directory, &dockerfile, FILES_MAX, self.config.room_bytes);
        let reference = order.key.reference(&order.installer.name);
        let labels = derived::labels(self.host.agent.as_str(), &order.key, packages, &base);
        let (taker, pieces) = mpsc::channel(PIECES_MAX);
        let build = self.images.build(&reference, &labels, pieces);
        // Cancel-safe: whichever fails ends both, and a build without its end makes nothing.
        tokio::try_join!(async { builder.leave(layer, &taker).await.map_err(|error| left(&error, ended)) }, async {
            build.await.map_err(|error| ours(&error))
        })?;
        let made = self.images.find(&reference).await.map_err(|error| ours(&error))?;
        let made = made.ok_or_else(|| NotInstalled::Failed("the engine lost what it just made".to_owned()))?;
        Ok(Known { size_bytes: made.size_bytes.saturating_sub(base.size_bytes), ..made })
    }
}

impl Bench for EngineBench {
    fn list(&self) -> BoxFuture<'_, Result<Vec<Listed>, String>> {
        async { self.images.list().await.map_err(|error| chain(&error)) }.boxed()
    }

    fn install<'a>(&'a self, order: &'a Order) -> BoxFuture<'a, Result<Derived, NotInstalled>> {
        self.try_install(order).boxed()
    }

    fn tidy(&self) -> BoxFuture<'_, ()> {
        async {
            let remains = self.remains.lock().unwrap_or_else(PoisonError::into_inner).take();
            let Some((branch, container)) = remains else { return };
            if let Err(error) = self.host.engine.remove(&container).await {
                tracing::warn!(container = container.0, error = chain(&error), "builder was not removed");
            }
            if let Some(tree) = &self.host.cgroups
                && let Err(error) = tree.remove_sandbox(&branch).await
            {
                tracing::warn!(builder = branch, error = chain(&error), "cgroups were not removed");
            }
        }
        .boxed()
    }

    fn remove<'a>(&'a self, id: &'a str) -> BoxFuture<'a, bool> {
        async move {
            match self.images.remove(id).await {
                Ok(removed) => removed,
                Err(error) => {
                    tracing::warn!(image = id, error = chain(&error), "derived image was not removed");
                    true
                }
            }
        }
        .boxed()
    }
}

fn ours(error: &(dyn std::error::Error + 'static)) -> NotInstalled {
    NotInstalled::Failed(chain(error))
}

/// An installer that did not come to its end.
fn failed(error: &TalkError, traffic: &Traffic) -> NotInstalled {
    match error {
        TalkError::Slow => unreachable(traffic).unwrap_or_else(|| refused(error.to_string(), None)),
        other => ours(other),
    }
}

/// What the installer left could not be taken: it is of the packages that it cannot.
fn left(error: &TalkError, ended: &Ended) -> NotInstalled {
    match error {
        TalkError::Layer(_) | TalkError::Fault(_) => refused(error.to_string(), Some(ended)),
        other => ours(other),
    }
}

fn unreachable(traffic: &Traffic) -> Option<NotInstalled> {
    let host = traffic.unreachable.as_ref()?;
    Some(NotInstalled::Failed(format!("the package index cannot be reached: {host}")))
}

fn refused(problem: String, ended: Option<&Ended>) -> NotInstalled {
    NotInstalled::Refused(Arc::new(Refusal {
        problem,
        log: ended.map(|e| e.stderr.clone()).unwrap_or_default(),
        exit: ended.map(|e| e.exit),
        wall_us: ended.map_or(0, |e| e.wall_us),
        cpu_us: ended.map_or(0, |e| e.cpu_us),
        memory_peak_bytes: ended.map_or(0, |e| e.memory_peak_bytes),
    }))
}

/// The packages that an installer says it installed, or why it did not. Pure.
fn judge(ended: &Ended, traffic: &Traffic) -> Result<Vec<Package>, Box<NotInstalled>> {
    let stdout = String::from_utf8_lossy(&ended.stdout);
    let said = |word: &'static str| stdout.lines().filter_map(move |line| line.strip_prefix(word)?.strip_prefix(' '));
    if ended.exit == Exit::Code(0) {
        let packages: Vec<Package> = said("package").filter_map(package).take(PACKAGES_MAX + 1).collect();
        if packages.len() > PACKAGES_MAX {
            return Err(Box::new(refused(format!("more than {PACKAGES_MAX} packages"), Some(ended))));
        }
        return Ok(packages);
    }
    if let Some(unreachable) = unreachable(traffic) {
        return Err(Box::new(unreachable));
    }
    if ended.exit == Exit::Code(EXIT_TRY_AGAIN) {
        return Err(Box::new(NotInstalled::Failed("the package index did not answer as one".to_owned())));
    }
    let mut problem = match (said("problem").next(), ended.exit) {
        _ if traffic.exhausted => "more would have to be downloaded than one installation may".to_owned(),
        (Some(text), _) => text.chars().filter(|c| !c.is_control()).take(PROBLEM_CHARS_MAX).collect(),
        (None, Exit::Signal(SIGKILL)) => "the installer needed more memory than it may use".to_owned(),
        (None, Exit::Signal(number)) => format!("the installer was ended by signal {number}"),
        (None, Exit::Code(code)) => format!("the installer ended with exit code {code}"),
    };
    if let Some(host) = traffic.refused.first() {
        problem = format!("{problem}; the installer asked for {host}, which may not be reached");
    }
    Err(Box::new(refused(problem, Some(ended))))
}

/// `NAME VERSION`; a line that is neither is passed over.
fn package(line: &str) -> Option<Package> {
    let (name, version) = line.split_once(' ')?;
    let is_word =
        |word: &str| (1..=PACKAGE_WORD_BYTES_MAX).contains(&word.len()) && word.bytes().all(|b| b.is_ascii_graphic());
    (is_word(name) && is_word(version)).then(|| Package { name: name.to_owned(), version: version.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ended(exit: Exit, stdout: &str) -> Ended {
        Ended { exit, wall_us: 1, cpu_us: 2, memory_peak_bytes: 3, stdout: stdout.into(), stderr: b"log".to_vec() }
    }

    fn problem(ended: &Ended, traffic: &Traffic) -> String {
        judge(ended, traffic).unwrap_err().to_string()
    }

    #[test]
    fn packages_are_read_line_by_line_and_nothing_else_is() {
        let said = "package numpy 2.3.1\nnoise\npackage a\u{1b} 1\npackage b 2 3\npackage six 1.0\n";
        let packages = judge(&ended(Exit::Code(0), said), &Traffic::default()).unwrap();
        let names: Vec<String> = packages.iter().map(|p| format!("{}={}", p.name, p.version)).collect();
        assert_eq!(names, ["numpy=2.3.1", "six=1.0"]);
        let many: String = (0..=PACKAGES_MAX).map(|n| format!("package p{n} 1\n")).collect();
        assert!(problem(&ended(Exit::Code(0), &many), &Traffic::default()).contains("more than 256"));
    }

    #[test]
    fn who_is_to_blame_is_told() {
        let none = Traffic::default();
        let refused = judge(&ended(Exit::Code(1), "problem no \u{7}such package\n"), &none).unwrap_err();
        let NotInstalled::Refused(refusal) = *refused else { panic!("{refused:?}") };
        assert_eq!((refusal.problem.as_str(), refusal.log.as_slice()), ("no such package", b"log".as_slice()));
        assert!(problem(&ended(Exit::Signal(9), ""), &none).contains("memory"));
        assert!(problem(&ended(Exit::Code(2), ""), &none).contains("exit code 2"));
        let exhausted = Traffic { exhausted: true, ..none.clone() };
        assert!(problem(&ended(Exit::Code(1), "problem x"), &exhausted).contains("more would have to be downloaded"));
        let elsewhere = Traffic { refused: ["cdn:443".to_owned()].into(), ..none.clone() };
        assert!(problem(&ended(Exit::Code(1), "problem x"), &elsewhere).contains("x; the installer asked for cdn:443"));
        let away = Traffic { unreachable: Some("pypi.org:443: refused".into()), ..none.clone() };
        for (exit, traffic) in [(Exit::Code(1), &away), (Exit::Code(75), &none)] {
            assert!(matches!(*judge(&ended(exit, "problem x"), traffic).unwrap_err(), NotInstalled::Failed(_)));
        }
        assert!(judge(&ended(Exit::Code(0), ""), &away).is_ok(), "it was reached at last");
    }

    #[test]
    fn an_installer_without_end_is_refused_unless_nobody_answered_it() {
        let away = Traffic { unreachable: Some("pypi.org:443: refused".into()), ..Traffic::default() };
        assert!(matches!(failed(&TalkError::Slow, &Traffic::default()), NotInstalled::Refused(_)));
        assert!(matches!(failed(&TalkError::Slow, &away), NotInstalled::Failed(_)));
        assert!(matches!(failed(&TalkError::Gone("x"), &Traffic::default()), NotInstalled::Failed(_)));
    }
}
