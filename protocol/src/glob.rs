//! Patterns for the files that a job wants back.
//!
//! `*` stands for any part of a name, `?` for one byte of it, and `**` as a
//! whole component for any directories, none included. Everything else stands
//! for itself. No pattern can name what is outside of the job's directory.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::job::{JobPath, JobPathError};

/// Most patterns of one job.
pub const KEEP_GLOBS_MAX: usize = 32;
/// Most files that are given back.
pub const KEEP_FILES_MAX: usize = 100;
/// Bytes of all files together that are given back.
pub const KEEP_FILES_BYTES_MAX: usize = 16 * 1024 * 1024;

/// One pattern. Its text is a [`JobPath`].
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Glob(JobPath);

impl Glob {
    /// The pattern as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// Whether the file at `path`, relative to the job's directory, is meant.
    #[must_use]
    pub fn matches(&self, path: &[u8]) -> bool {
        let pattern: Vec<&[u8]> = self.as_str().as_bytes().split(|b| *b == b'/').collect();
        let names: Vec<&[u8]> = path.split(|b| *b == b'/').collect();
        // Which prefixes of the pattern can stand for the names so far: no pattern costs more than
        // its length times that of the path.
        let mut reached = vec![false; pattern.len() + 1];
        reached[0] = true;
        pass_over_directories(&pattern, &mut reached);
        for name in names {
            let mut next = vec![false; pattern.len() + 1];
            for (index, component) in pattern.iter().enumerate().filter(|(index, _)| reached[*index]) {
                if *component == b"**" {
                    next[index] = true;
                    // What ends in it means everything below, not the directory itself.
                    next[index + 1] |= index + 1 == pattern.len();
                } else if name_matches(component, name) {
                    next[index + 1] = true;
                }
            }
            pass_over_directories(&pattern, &mut next);
            reached = next;
        }
        reached[pattern.len()]
    }
}

/// `**` before something else may stand for nothing.
fn pass_over_directories(pattern: &[&[u8]], reached: &mut [bool]) {
    for (index, _) in pattern.iter().enumerate().filter(|(_, component)| **component == b"**") {
        let last = index + 1 == pattern.len();
        reached[index + 1] |= reached[index] && !last;
    }
}

/// `pattern` is one component.
fn name_matches(pattern: &[u8], name: &[u8]) -> bool {
    let (mut at, mut seen) = (0, 0);
    // Where the last `*` stood, and what it stood for until now.
    let mut star: Option<(usize, usize)> = None;
    while seen < name.len() {
        match pattern.get(at) {
            Some(b'*') => {
                star = Some((at, seen));
                at += 1;
            }
            Some(byte) if *byte == b'?' || *byte == name[seen] => {
                at += 1;
                seen += 1;
            }
            _ => match &mut star {
                Some((place, taken)) => {
                    *taken += 1;
                    (at, seen) = (*place + 1, *taken);
                }
                None => return false,
            },
        }
    }
    pattern[at..].iter().all(|byte| *byte == b'*')
}

impl TryFrom<String> for Glob {
    type Error = JobPathError;

    fn try_from(text: String) -> Result<Self, JobPathError> {
        JobPath::try_from(text).map(Self)
    }
}

impl From<Glob> for String {
    fn from(glob: Glob) -> Self {
        glob.0.into()
    }
}

impl fmt::Display for Glob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn matches(pattern: &str, path: &str) -> bool {
        Glob::try_from(pattern.to_owned()).unwrap().matches(path.as_bytes())
    }

    #[test]
    fn patterns_stand_for_what_they_say() {
        let yes = [
            ("out.txt", "out.txt"),
            ("*.txt", "a.txt"),
            ("*", ".hidden"),
            ("a?c", "abc"),
            ("*a*b*", "xxaxxbxx"),
            ("out/*.png", "out/1.png"),
            ("**", "a/b/c"),
            ("**/*.o", "x.o"),
            ("**/*.o", "a/b/x.o"),
            ("a/**/b", "a/b"),
            ("a/**/b", "a/x/y/b"),
            ("a/**", "a/x/y"),
            ("**/**", "a"),
        ];
        for (pattern, path) in yes {
            assert!(matches(pattern, path), "{pattern} {path}");
        }
        let no = [
            ("out.txt", "out/txt"),
            ("*", "a/b"),
            ("a?c", "ac"),
            ("a/*", "a"),
            ("a/**", "a"),
            ("a/**", "ab/c"),
            ("**/b", "a/bc"),
            ("*.txt", "a.txt.bak"),
            ("a**c", "a/c"),
        ];
        for (pattern, path) in no {
            assert!(!matches(pattern, path), "{pattern} {path}");
        }
    }

    #[test]
    fn a_pattern_cannot_leave_the_directory() {
        for bad in ["/etc/*", "../*", "a/../b", "", "-x"] {
            assert!(Glob::try_from(bad.to_owned()).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn a_path_matches_itself_and_everything_matches_all(path in "[a-z.]{1,8}(/[a-z]{1,8}){0,4}") {
            prop_assume!(Glob::try_from(path.clone()).is_ok());
            prop_assert!(matches(&path, &path));
            prop_assert!(matches("**", &path));
        }

        #[test]
        fn hostile_names_never_panic(pattern in "[a*?/]{1,40}", path in prop::collection::vec(any::<u8>(), 0..80)) {
            if let Ok(glob) = Glob::try_from(pattern) {
                let _ = glob.matches(&path);
            }
        }
    }
}
