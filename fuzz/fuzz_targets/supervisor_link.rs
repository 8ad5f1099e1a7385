//! What an agent sends to a supervisor, up to where a step would start: the job's files and input
//! as a cell would find them are those that were sent.
//!
//! The supervisor's own loop is not driven: its first request makes namespaces.
#![no_main]

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{Read as _, Seek as _};
use std::os::fd::OwnedFd;
use std::path::Path;

use enclos_protocol::frame::Decoder;
use enclos_protocol::supervisor_link::{Keep, Request, StdinSource, Tree, Workspace};
use enclos_supervisor::archive::{WriterState, extract};
use enclos_supervisor::job::{Job, JobError};
use libfuzzer_sys::fuzz_target;

enum Place {
    File(String),
    Stdin,
    /// A tree or a file for one step, which are not compared.
    Beside,
}

/// What the job should hold.
#[derive(Default)]
struct Model {
    files: BTreeMap<String, Vec<u8>>,
    stdin: Vec<u8>,
    /// What the next bytes belong to.
    open: Option<Place>,
    /// Two files that cannot stand beside each other were sent.
    collides: bool,
}

impl Model {
    fn begin(&mut self, path: &str) {
        let parents = path.match_indices('/').map(|(end, _)| &path[..end]);
        let below = format!("{path}/");
        self.collides |= self.files.contains_key(path)
            || parents.into_iter().any(|parent| self.files.contains_key(parent))
            || self.files.keys().any(|other| other.starts_with(&below));
        self.files.insert(path.to_owned(), Vec::new());
        self.open = Some(Place::File(path.to_owned()));
    }

    fn add(&mut self, bytes: &[u8]) -> bool {
        match &self.open {
            None => return false,
            Some(Place::Beside) => {}
            Some(Place::Stdin) => self.stdin.extend_from_slice(bytes),
            Some(Place::File(path)) => self.files.get_mut(path).expect("it was begun").extend_from_slice(bytes),
        }
        true
    }
}

/// Files below `directory` by their path from `root`.
fn files_below(root: &Path, directory: &Path, found: &mut BTreeMap<String, Vec<u8>>) {
    for entry in fs::read_dir(directory).unwrap().map(|entry| entry.unwrap()) {
        let path = entry.path();
        if entry.file_type().unwrap().is_dir() {
            files_below(root, &path, found);
        } else {
            let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
            found.insert(name, fs::read(&path).unwrap());
        }
    }
}

/// A step begins: the job as its cell would find it.
fn check_step(job: &mut Job, model: &Model, workspace: Workspace, stdin: StdinSource) {
    let mut input = Vec::new();
    File::from(job.open_stdin(stdin).unwrap()).read_to_end(&mut input).unwrap();
    assert_eq!(input, if stdin == StdinSource::Empty { &[][..] } else { &model.stdin });
    let Some(mut files) = job.workspace(workspace).unwrap() else { return };
    files.rewind().unwrap();
    let directory = tempfile::tempdir().unwrap();
    let opened = OwnedFd::from(File::open(directory.path()).unwrap());
    let extracted = extract(&mut files, opened);
    if workspace != Workspace::Inputs {
        return;
    }
    assert_eq!(extracted.is_err(), model.collides, "{extracted:?}");
    if !model.collides {
        let mut found = BTreeMap::new();
        files_below(directory.path(), directory.path(), &mut found);
        assert_eq!(found, model.files);
    }
}

/// What a compile step would leave: its files, packed anew.
fn keep(job: &mut Job, model: &Model) {
    let kept = job.keep(Tree::Kept).unwrap();
    let mut writer = WriterState::new(1 << 20).resume(&kept);
    for (path, content) in &model.files {
        if writer.begin(Path::new(path), true).and_then(|()| writer.add(content)).is_err() {
            return;
        }
    }
    let _ = writer.finish();
}

fn handle(request: Request, held: &mut Option<(Job, Model)>) -> Result<(), JobError> {
    match (request, held.as_mut()) {
        (Request::BeginJob { cpus }, None) => *held = Some((Job::new(cpus)?, Model::default())),
        (Request::PutFile { path }, Some((job, model))) => {
            job.begin_file(&path)?;
            model.begin(path.as_str());
        }
        (Request::PutStdin, Some((job, model))) => {
            job.begin_stdin()?;
            model.stdin.clear();
            model.open = Some(Place::Stdin);
        }
        (Request::PutTree(tree), Some((job, model))) => {
            job.begin_tree(tree)?;
            model.open = Some(Place::Beside);
        }
        (Request::PutExtra { path }, Some((job, model))) => {
            job.begin_extra(&path)?;
            model.open = Some(Place::Beside);
        }
        (Request::Data(bytes), Some((job, model))) => {
            let added = job.add(&bytes);
            assert!(!matches!(added, Err(JobError::Unexpected)) || model.open.is_none());
            added?;
            assert!(model.add(&bytes), "bytes that belong to nothing were taken");
        }
        (Request::RunStep(step), Some((job, model))) => {
            job.seal()?;
            model.open = None;
            check_step(job, model, step.workspace, step.stdin);
            if step.keep == Keep::Workspace {
                keep(job, model);
            }
        }
        (Request::EndJob, Some(_)) => *held = None,
        _ => {}
    }
    Ok(())
}

fuzz_target!(|data: &[u8]| {
    let (mut decoder, mut held) = (Decoder::default(), None);
    decoder.feed(data);
    while let Ok(Some(request)) = decoder.take::<Request>() {
        if handle(request, &mut held).is_err() {
            return;
        }
    }
});
