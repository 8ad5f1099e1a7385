//! Whose end came first, of two programs that speak through pipes.
//!
//! When a program ends the kernel closes its pipes, and the other sees that and
//! may end too, before anyone could say when the first one ended. So the first
//! process of each cell of a pair holds its program's ends of the pipes, too, and
//! lets them go only when it has seen the end: then the end that was first is
//! always told as the first.
//!
//! A program that closes a pipe and lives on means that the other sees it. From
//! time to time the first process looks whether any process of its cell still
//! has what it holds, and lets go what none has. How long a look takes is the
//! program's doing, so the pause after it grows with it.

use std::fs;
use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::Path;
use std::time::Duration;

use enclos_protocol::outcome::Exit;
use nix::poll::{PollFd, PollFlags};
use nix::sys::stat::fstat;

use crate::{clock, sys};

/// Shortest pause between two looks.
const PAUSE_MIN: Duration = Duration::from_millis(10);
/// How many times as long as a look the pause after it is.
const PAUSE_FACTOR: u32 = 50;
/// How often it is asked for an end where the kernel gives no descriptor to wait on (before 5.3).
const ASK_AGAIN: Duration = Duration::from_millis(2);

/// Ends of pipes that a program has, held beside it.
pub struct Held(Vec<OwnedFd>);

impl Held {
    /// These.
    pub fn new(ends: Vec<OwnedFd>) -> Self {
        Self(ends)
    }

    /// Reaps whoever ends until `program` does.
    pub fn wait_for(&mut self, program: i32) -> io::Result<Exit> {
        let ended = sys::pidfd(program).ok();
        let mut next_look = clock::now() + PAUSE_MIN;
        loop {
            while let Some((pid, exit)) = sys::ended_child()? {
                if pid == program {
                    return Ok(exit);
                }
            }
            let now = clock::now();
            if !self.0.is_empty() && now >= next_look {
                self.let_go(program);
                let after = clock::now();
                next_look = after + PAUSE_MIN.max((after - now) * PAUSE_FACTOR);
            }
            let pause = next_look.saturating_sub(clock::now());
            // Orphans are reaped at the same times.
            let pause = if self.0.is_empty() { PAUSE_MIN } else { pause };
            let _ = match &ended {
                Some(fd) => clock::poll(&mut [PollFd::new(fd.as_fd(), PollFlags::POLLIN)], pause),
                None => clock::poll(&mut [], pause.min(ASK_AGAIN)),
            };
        }
    }

    /// Lets go what no other process of the cell has, while `program` lives.
    fn let_go(&mut self, program: i32) {
        // What cannot be read may be there.
        let Some(names) = pipes_of_others(program) else { return };
        self.0.retain(|end| fstat(end).is_ok_and(|stat| names.contains(&format!("pipe:[{}]", stat.st_ino))));
    }
}

/// Names of the pipes that the other processes of this pid namespace have; `None`: that is not to
/// be told now, or never. A process on its way out has closed its pipes before its end can be seen.
fn pipes_of_others(program: i32) -> Option<Vec<String>> {
    let own = std::process::id();
    let mut names = Vec::new();
    for entry in fs::read_dir("/proc").ok()?.flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
        if pid == own {
            continue;
        }
        let open = open_in(&entry.path().join("fd"));
        // Looked at after what it has open: it is on its way out before it closes anything.
        let stat = fs::read_to_string(entry.path().join("stat"));
        match (open, stat.ok().and_then(|stat| standing(&stat))) {
            (Ok(open), Some(Standing::Lives)) => names.extend(open),
            (_, Some(Standing::Ended)) if i32::try_from(pid) != Ok(program) => {}
            // Of the others' ends only the program's matters here; they are looked at again.
            (_, None) if i32::try_from(pid) != Ok(program) => {}
            _ => return None,
        }
    }
    Some(names)
}

/// What a process has open, by its directory of descriptors.
fn open_in(directory: &Path) -> io::Result<Vec<String>> {
    let mut open = Vec::new();
    for descriptor in fs::read_dir(directory)? {
        match fs::read_link(descriptor?.path()) {
            Ok(target) => open.push(target.to_string_lossy().into_owned()),
            // Closed meanwhile.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(open)
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Standing {
    Lives,
    /// It is on its way out.
    Ends,
    /// It waits to be reaped.
    Ended,
}

/// Of a process, by its `/proc/<pid>/stat` (proc(5)).
fn standing(stat: &str) -> Option<Standing> {
    /// `PF_EXITING` of linux/sched.h, set before anything is closed.
    const EXITING: u64 = 0x4;
    // The name may hold blanks and parentheses; fields begin after the last one.
    let mut fields = stat.get(stat.rfind(')')? + 1..)?.split_ascii_whitespace();
    let state = fields.next()?;
    let flags: u64 = fields.nth(5)?.parse().ok()?;
    Some(match state {
        "Z" | "X" => Standing::Ended,
        _ if flags & EXITING != 0 => Standing::Ends,
        _ => Standing::Lives,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_on_the_way_out_is_known_by_its_flags() {
        let stat = |state: &str, flags: u32| format!("7 (a) Z) {state} 1 7 7 0 -1 {flags} 100 0 0 0 25 5\n");
        assert_eq!(standing(&stat("S", 4_194_304)), Some(Standing::Lives));
        assert_eq!(standing(&stat("R", 4_194_308)), Some(Standing::Ends));
        assert_eq!(standing(&stat("Z", 4_194_308)), Some(Standing::Ended));
        assert_eq!(standing("7 (a"), None);
    }
}
