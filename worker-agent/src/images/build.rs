//! One build by the engine's classic builder, with its progress.
//!
//! The classic builder and not BuildKit: it is in every engine since 1.12,
//! needs no session, and its stream says which step runs.

use std::collections::{HashMap, VecDeque};
use std::pin::pin;
use std::time::Duration;

use bollard::Docker;
use bollard::query_parameters::{BuildImageOptionsBuilder, TagImageOptionsBuilder};
use futures::StreamExt;

use super::PrepareError;

/// Longest build of one image.
const BUILD_TIME_MAX: Duration = Duration::from_secs(30 * 60);
/// What a build may take of the processors, in microseconds of each [`CPU_PERIOD_US`]: one core, so that on a
/// host with several the jobs that run have the others.
const CPU_QUOTA_US: i32 = CPU_PERIOD_US;
const CPU_PERIOD_US: i32 = 100_000;
/// Lines of a build's output that an error carries.
const OUTPUT_LINES_MAX: usize = 12;
/// Longest such line, in characters.
const OUTPUT_CHARS_MAX: usize = 300;
/// Longest text of a step, in characters.
const STEP_CHARS_MAX: usize = 60;

/// What to build.
pub(super) struct Build<'a> {
    /// Tag of the result.
    pub tag: &'a str,
    /// Value of the build argument `BASE`.
    pub base: &'a str,
    /// A tar.
    pub context: Vec<u8>,
    /// Labels of the result.
    pub labels: &'a HashMap<String, String>,
    /// Network of its steps; `None`: the engine's default.
    pub network: Option<&'a str>,
}

/// Builds, and calls `progress` with `step 2/3 RUN apt-get…` as steps begin.
pub(super) async fn build(docker: &Docker, build: Build<'_>, progress: &dyn Progress) -> Result<(), PrepareError> {
    let arguments = HashMap::from([("BASE", build.base)]);
    let mut options = BuildImageOptionsBuilder::default();
    if let Some(network) = build.network {
        options = options.networkmode(network);
    }
    let options = options
        .dockerfile("Dockerfile")
        .t(build.tag)
        .rm(true)
        .forcerm(true)
        .cpuperiod(CPU_PERIOD_US)
        .cpuquota(CPU_QUOTA_US)
        .buildargs(&arguments)
        .labels(build.labels)
        .build();
    let body = bollard::body_full(build.context.into());
    let mut stream = pin!(docker.build_image(options, None, Some(body)));
    let mut output = Output::default();
    let follow = async {
        while let Some(message) = stream.next().await {
            let text = match message {
                Ok(info) => info.stream.unwrap_or_default(),
                Err(source) => return Err(output.failed(source)),
            };
            for line in text.lines() {
                if let Some(step) = step_of(line) {
                    // The others take no time and would only push out what does.
                    if ["RUN", "COPY"].iter().any(|slow| step.contains(slow)) {
                        progress.report(&step);
                    }
                    output.step = step;
                } else {
                    output.keep(line);
                }
            }
        }
        Ok(())
    };
    tokio::time::timeout(BUILD_TIME_MAX, follow)
        .await
        .unwrap_or(Err(PrepareError::TooLong { step: "the build", limit: BUILD_TIME_MAX }))
}

/// Gives `from` the further name `tag`.
pub(super) async fn tag(docker: &Docker, from: &str, tag: &str) -> Result<(), PrepareError> {
    let (repository, version) = tag.rsplit_once(':').unwrap_or((tag, "latest"));
    let options = TagImageOptionsBuilder::default().repo(repository).tag(version).build();
    let failed = |source| PrepareError::Tag { reference: tag.to_owned(), source };
    docker.tag_image(from, Some(options)).await.map_err(failed)
}

/// Who is told how far a preparation is.
pub(super) trait Progress: Send + Sync {
    /// It does this now.
    fn report(&self, text: &str);
}

/// The last lines of a build, for the error.
#[derive(Default)]
struct Output {
    step: String,
    lines: VecDeque<String>,
}

impl Output {
    fn keep(&mut self, line: &str) {
        let line = printable(line, OUTPUT_CHARS_MAX);
        if line.is_empty() || line.starts_with("--->") || line.starts_with("Removing intermediate container") {
            return;
        }
        if self.lines.len() == OUTPUT_LINES_MAX {
            self.lines.pop_front();
        }
        self.lines.push_back(line);
    }

    fn failed(&mut self, source: bollard::errors::Error) -> PrepareError {
        let output = self.lines.drain(..).collect::<Vec<_>>().join("; ");
        PrepareError::Build { step: std::mem::take(&mut self.step), output, source }
    }
}

/// `step 2/3 RUN apt-get…` from the builder's `Step 2/3 : RUN apt-get update …`.
fn step_of(line: &str) -> Option<String> {
    let (count, command) = line.strip_prefix("Step ")?.split_once(" : ")?;
    let command = printable(command, STEP_CHARS_MAX);
    let cut = if command.chars().count() == STEP_CHARS_MAX { "…" } else { "" };
    Some(format!("step {} {command}{cut}", printable(count, 12)))
}

/// `text` trimmed, without control characters (a package's script may colour its output), cut.
pub(super) fn printable(text: &str, chars_max: usize) -> String {
    let mut clean = String::new();
    let mut characters = text.trim().chars();
    while let Some(character) = characters.next() {
        if character == '\u{1b}' {
            // A CSI sequence ends with its first letter.
            characters.by_ref().find(char::is_ascii_alphabetic);
        } else if !character.is_control() {
            clean.push(character);
        }
    }
    clean.trim().chars().take(chars_max).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_is_told_in_a_line() {
        assert_eq!(step_of("Step 2/3 : FROM ${BASE}").unwrap(), "step 2/3 FROM ${BASE}");
        let long = step_of(&format!("Step 3/3 : RUN {}", "x".repeat(500))).unwrap();
        assert!(long.ends_with('…') && long.chars().count() < 80);
        assert_eq!(step_of(" ---> Running in 12"), None);
    }

    #[test]
    fn an_errors_output_is_the_last_lines_without_colours() {
        let mut output = Output::default();
        for n in 0..100 {
            output.keep(&format!("\u{1b}[91mline {n}\u{1b}[0m"));
        }
        assert_eq!(output.lines.len(), OUTPUT_LINES_MAX);
        assert_eq!(output.lines.back().unwrap(), "line 99");
    }
}
