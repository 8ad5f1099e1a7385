//! Locks on files that a cell holds: kernel memory that no cgroup counts.
//!
//! A lock on a range of bytes (fcntl(2)) takes some 200 bytes of the kernel's own
//! memory; since it was found slow to account them (Linux commit 3754707bcc3e) and
//! `RLIMIT_LOCKS` means nothing, nothing bounds them: a second of work holds
//! hundreds of MiB. So they are counted where the kernel lists them.

use std::fs::File;
use std::io::Read as _;
use std::time::Duration;

/// Most locks that a cell may hold; a data base holds a handful, and each costs the next look.
pub const LOCKS_MAX: u64 = 4096;

/// Work of a cell between two looks: each lock takes some. A look is dear: the kernel keeps out all who
/// take locks, and where nobody has looked for a while it first waits for an RCU grace period, 8 to 20 ms
/// (fs/locks.c, locks_start). By so much later would the end of a short program be seen.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// Time after which also one is looked at that worked less, if it worked at all: what it holds stays.
const LOOK_AFTER: Duration = Duration::from_secs(1);

/// How many there were at the last look.
#[derive(Debug, Default)]
pub struct Locks {
    worked: Duration,
    at: Duration,
    held: u64,
}

impl Locks {
    /// Locks that processes of this pid namespace and those beneath it hold, counted to a little above
    /// [`LOCKS_MAX`]; `worked` is the CPU time that the cell used, or where that is not exact, its time; `now` is the time since it started.
    pub fn held(&mut self, worked: Duration, now: Duration) -> u64 {
        let since = worked.saturating_sub(self.worked);
        if since >= LOOK_EVERY || (since > Duration::ZERO && now.saturating_sub(self.at) >= LOOK_AFTER) {
            (self.worked, self.at) = (worked, now);
            // Where the kernel has no such list (gVisor), locks are memory of the sandbox itself.
            self.held = File::open("/proc/locks").map_or(0, |list| count(list, LOCKS_MAX));
        }
        self.held
    }
}

/// Locks in a list (proc(5)), counted until there are more than `most`.
///
/// Those of open file descriptions are left out: the kernel lists them in every namespace, so they
/// may be anyone's. The filter lets no cell make one.
fn count(mut list: impl std::io::Read, most: u64) -> u64 {
    let mut held = 0;
    let mut line = Vec::new();
    for byte in std::io::BufReader::new(list.by_ref()).bytes() {
        match byte {
            Ok(b'\n') => {
                held += u64::from(!line.windows(OF_DESCRIPTION.len()).any(|part| part == OF_DESCRIPTION));
                line.clear();
            }
            Ok(byte) => line.push(byte),
            Err(_) => break,
        }
        if held > most {
            break;
        }
    }
    held
}

const OF_DESCRIPTION: &[u8] = b"OFDLCK";

#[cfg(test)]
mod tests {
    use super::*;

    const LIST: &str = "\
1: POSIX  ADVISORY  WRITE 4711 00:2b:3 0 0
2: OFDLCK ADVISORY  READ -1 08:01:99 0 EOF
2: -> POSIX  ADVISORY  WRITE 4712 00:2b:3 0 0
3: FLOCK  ADVISORY  WRITE 4711 00:2b:4 0 EOF
";

    #[test]
    fn locks_of_processes_are_counted_and_those_of_descriptions_are_not() {
        assert_eq!(count(LIST.as_bytes(), 100), 3);
        assert_eq!(count(&b""[..], 100), 0);
    }

    #[test]
    fn who_has_hardly_worked_is_looked_at_each_second_and_others_by_their_work() {
        let mut locks = Locks { held: 7, ..Locks::default() };
        let little = Duration::from_millis(19);
        assert_eq!(locks.held(little, little), 7, "as it was");
        locks.held(LOOK_EVERY, LOOK_EVERY);
        assert_eq!(locks.worked, LOOK_EVERY, "looked at, and next after as much again");
        let later = LOOK_EVERY + LOOK_AFTER;
        locks.held(LOOK_EVERY, later);
        assert_eq!(locks.at, LOOK_EVERY, "it has done nothing since");
        locks.held(LOOK_EVERY + Duration::from_micros(1), later);
        assert_eq!(locks.at, later);
    }

    #[test]
    fn counting_ends_above_the_bound() {
        assert_eq!(count(std::io::repeat(b'\n').take(1 << 20), 5), 6);
    }
}
