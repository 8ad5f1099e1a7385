//! The state to which a sandbox must return after every job.

use std::fs;

use crate::cell::Prepared;
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

    /// What is not as it was but for the cell that waits and `held` descriptors, in words; empty when all is.
    pub fn differences(&self, waiting: Option<&Prepared>, held: usize) -> Vec<String> {
        let mut found = Vec::new();
        let known = waiting.map(Prepared::process);
        let processes = other_processes().into_iter().filter(|process| Some(*process) != known).count();
        if processes > 0 {
            found.push(format!("{processes} processes"));
        }
        let now = Self::look();
        let descriptors = self.descriptors + held + waiting.map_or(0, Prepared::descriptors);
        if now.descriptors != descriptors {
            found.push(format!("{} descriptors instead of {descriptors}", now.descriptors));
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
