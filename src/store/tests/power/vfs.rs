//! A VFS of SQLite that keeps a record of what reaches the disk, in order: writes, truncations, syncs, deletions.
//!
//! It is the system's own VFS with five methods in front: each does the real
//! thing first and then adds it to the record. From the record [`super::disk`]
//! makes what a disk would hold had the power gone at any moment.

#![expect(unsafe_code, reason = "SQLite takes a VFS as C functions only; this is built for tests alone")]

use std::collections::HashMap;
use std::ffi::{CStr, OsStr, c_char, c_int, c_void};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::sync::{LazyLock, Mutex, MutexGuard, OnceLock, PoisonError};

use rusqlite::ffi::{self, sqlite3_file, sqlite3_int64, sqlite3_io_methods, sqlite3_vfs};

/// One thing that happened to a file below the directory that is recorded; named without it.
#[derive(Clone, Debug)]
pub enum Op {
    /// Bytes were written.
    Write(String, usize, Vec<u8>),
    /// It was cut to this size.
    Truncate(String, usize),
    /// All of it is on the disk.
    Sync(String),
    /// It was removed; durably, where the directory was synced.
    Delete(String, bool),
    /// The test said so.
    Note(usize),
}

#[derive(Default)]
struct Recorder {
    dir: PathBuf,
    ops: Vec<Op>,
    /// By the address of an open file: its name, and the methods of the system's VFS.
    files: HashMap<usize, (String, usize)>,
    /// By the address of such methods: ours before them.
    methods: HashMap<usize, usize>,
}

static RECORDER: LazyLock<Mutex<Recorder>> = LazyLock::new(Mutex::default);
/// Address of the system's VFS, which lives as long as the process.
static SYSTEM: OnceLock<usize> = OnceLock::new();

fn recorder() -> MutexGuard<'static, Recorder> {
    RECORDER.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Records what happens below `dir` from now on, in all of this process.
pub fn record(dir: &Path) {
    recorder().dir = dir.to_owned();
    SYSTEM.get_or_init(|| {
        // SAFETY: SQLite initialises itself here and gives out its default VFS, which it never frees.
        // Ours is a copy that is leaked, so it outlives every connection, as registering asks for.
        unsafe {
            let system = ffi::sqlite3_vfs_find(std::ptr::null());
            let mut ours = *system;
            ours.pNext = std::ptr::null_mut();
            ours.zName = c"recording".as_ptr();
            ours.xOpen = Some(open);
            ours.xDelete = Some(delete);
            assert_eq!(ffi::sqlite3_vfs_register(Box::leak(Box::new(ours)), 1), ffi::SQLITE_OK);
            system as usize
        }
    });
}

/// Adds a note to the record.
pub fn note(number: usize) {
    recorder().ops.push(Op::Note(number));
}

/// The record so far; nothing is recorded any more.
pub fn recorded() -> Vec<Op> {
    let mut recorder = recorder();
    recorder.dir = PathBuf::new();
    std::mem::take(&mut recorder.ops)
}

fn system() -> *mut sqlite3_vfs {
    *SYSTEM.get().expect("ours is registered after it was found") as *mut sqlite3_vfs
}

/// The name of a file that is recorded.
///
/// # Safety
/// `name` is null or a C string.
unsafe fn name_of(name: *const c_char) -> Option<String> {
    if name.is_null() {
        return None;
    }
    // SAFETY: not null, so a C string by this function's contract.
    let path = Path::new(OsStr::from_bytes(unsafe { CStr::from_ptr(name) }.to_bytes()));
    let recorder = recorder();
    let inside = !recorder.dir.as_os_str().is_empty() && path.parent() == Some(&recorder.dir);
    inside.then(|| path.file_name().expect("it has a parent").to_string_lossy().into_owned())
}

unsafe extern "C" fn open(
    _: *mut sqlite3_vfs,
    name: ffi::sqlite3_filename,
    file: *mut sqlite3_file,
    flags: c_int,
    out: *mut c_int,
) -> c_int {
    // SAFETY: all arguments are SQLite's own, given on unchanged; `file` has the size that the
    // system's VFS asked for, as ours says the same. Where it opened, `file` has its methods, which
    // are static; ours are leaked. Its other fields are not touched.
    unsafe {
        let code = (*system()).xOpen.expect("every VFS opens")(system(), name, file, flags, out);
        let Some(name) = name_of(name).filter(|_| code == ffi::SQLITE_OK) else { return code };
        let real = (*file).pMethods as usize;
        let mut recorder = recorder();
        let ours = *recorder.methods.entry(real).or_insert_with(|| {
            let mut methods = *(real as *const sqlite3_io_methods);
            methods.xWrite = Some(write);
            methods.xTruncate = Some(truncate);
            methods.xSync = Some(sync);
            methods.xClose = Some(close);
            Box::leak(Box::new(methods)) as *const sqlite3_io_methods as usize
        });
        recorder.files.insert(file as usize, (name, real));
        (*file).pMethods = ours as *const sqlite3_io_methods;
        code
    }
}

unsafe extern "C" fn delete(_: *mut sqlite3_vfs, name: *const c_char, sync_directory: c_int) -> c_int {
    // SAFETY: the arguments are SQLite's own, given on unchanged.
    unsafe {
        let code = (*system()).xDelete.expect("every VFS deletes")(system(), name, sync_directory);
        if let Some(name) = name_of(name).filter(|_| code == ffi::SQLITE_OK) {
            recorder().ops.push(Op::Delete(name, sync_directory != 0));
        }
        code
    }
}

/// The name and real methods of an open file.
fn opened(file: *mut sqlite3_file) -> (String, &'static sqlite3_io_methods) {
    let (name, real) = recorder().files.get(&(file as usize)).cloned().expect("`open` noted it");
    // SAFETY: `open` took the address from the system's VFS, whose methods are static.
    (name, unsafe { &*(real as *const sqlite3_io_methods) })
}

fn add(code: c_int, op: impl FnOnce() -> Op) -> c_int {
    let mut recorder = recorder();
    if code == ffi::SQLITE_OK && !recorder.dir.as_os_str().is_empty() {
        recorder.ops.push(op());
    }
    code
}

fn size(number: sqlite3_int64) -> usize {
    usize::try_from(number).expect("SQLite's offsets are not negative")
}

unsafe extern "C" fn write(file: *mut sqlite3_file, bytes: *const c_void, count: c_int, at: sqlite3_int64) -> c_int {
    let (name, real) = opened(file);
    // SAFETY: the arguments are SQLite's own; `bytes` are `count` bytes that live for this call.
    let (code, bytes) = unsafe {
        let code = real.xWrite.expect("every file is written")(file, bytes, count, at);
        (code, std::slice::from_raw_parts(bytes.cast::<u8>(), size(count.into())))
    };
    add(code, || Op::Write(name, size(at), bytes.to_vec()))
}

unsafe extern "C" fn truncate(file: *mut sqlite3_file, to: sqlite3_int64) -> c_int {
    let (name, real) = opened(file);
    // SAFETY: the arguments are SQLite's own, given on unchanged.
    let code = unsafe { real.xTruncate.expect("every file is cut")(file, to) };
    add(code, || Op::Truncate(name, size(to)))
}

unsafe extern "C" fn sync(file: *mut sqlite3_file, flags: c_int) -> c_int {
    let (name, real) = opened(file);
    // SAFETY: the arguments are SQLite's own, given on unchanged.
    let code = unsafe { real.xSync.expect("every file is synced")(file, flags) };
    add(code, || Op::Sync(name))
}

unsafe extern "C" fn close(file: *mut sqlite3_file) -> c_int {
    let (_, real) = opened(file);
    recorder().files.remove(&(file as usize));
    // SAFETY: the argument is SQLite's own; the system's VFS ends the file, whatever its methods say.
    unsafe { real.xClose.expect("every file is closed")(file) }
}
