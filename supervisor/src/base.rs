//! The state to which a sandbox must return after every job.

use std::fs;

use crate::sampled::other_processes;

/// How many there were of what a job could leave, when the sandbox was set up.
#[derive(Debug)]
pub struct Base {
    descriptors: usize,
    mounts: usize,
}

impl Base {
    /// Counts now.
    pub fn look() -> Self {
        Self { descriptors: descriptors(), mounts: mounts() }
    }

    /// What is not as it was, in words; empty when all is.
    pub fn differences(&self) -> Vec<String> {
        let mut found = Vec::new();
        let processes = other_processes();
        if !processes.is_empty() {
            found.push(format!("{} processes", processes.len()));
        }
        let now = Self::look();
        if now.descriptors != self.descriptors {
            found.push(format!("{} descriptors instead of {}", now.descriptors, self.descriptors));
        }
        if now.mounts != self.mounts {
            found.push(format!("{} mounts instead of {}", now.mounts, self.mounts));
        }
        found
    }
}

fn descriptors() -> usize {
    fs::read_dir("/proc/self/fd").map_or(0, Iterator::count)
}

fn mounts() -> usize {
    fs::read_to_string("/proc/self/mountinfo").map_or(0, |text| text.lines().count())
}
