//! What a client is told of its job, in Piston's order: a stage begins, writes, exits. Pure.

use enclos_protocol::job::{JobReport, Step, Stream};
use serde::Serialize;

use super::super::answer::{End, end};
use super::super::limits::Stage;
use crate::progress::Chunk;
use crate::store::JobRecord;

/// One message to a client.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Frame {
    /// What runs the program.
    Runtime { language: String, version: String },
    /// A stage begins.
    Stage { stage: &'static str },
    /// It wrote.
    Data { stream: &'static str, data: String },
    /// It ended.
    Exit(Exit),
    /// What is wrong.
    Error { message: String },
}

/// The end of a stage.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub(super) struct Exit {
    stage: &'static str,
    code: Option<i32>,
    signal: Option<String>,
    /// What Piston leaves out; `None`: it is not known before the end of the job.
    #[serde(flatten)]
    more: Option<More>,
}

/// What else is known of it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
struct More {
    message: Option<String>,
    status: Option<&'static str>,
    cpu_time: u64,
    wall_time: u64,
    memory: u64,
}

/// How far the client was told.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Told {
    Nothing,
    Compiling,
    Compiled,
    Running,
}

/// The script of one job.
#[derive(Debug)]
pub(super) struct Script {
    compiles: bool,
    told: Told,
}

impl Script {
    /// `compiles`: its language has a compile step.
    pub(super) fn new(compiles: bool) -> Self {
        Self { compiles, told: Told::Nothing }
    }

    /// Another attempt does all of it anew.
    pub(super) fn begin_anew(&mut self) {
        self.told = Told::Nothing;
    }

    /// A step runs. That the compiler has ended well is seen by what comes after it.
    pub(super) fn step(&mut self, step: Step) -> Vec<Frame> {
        let mut frames = Vec::new();
        if self.compiles && self.told < Told::Compiling {
            self.told = Told::Compiling;
            frames.push(Frame::Stage { stage: Stage::Compile.as_str() });
        }
        if step == Step::Run && self.told < Told::Running {
            if self.compiles && self.told < Told::Compiled {
                let stage = Stage::Compile.as_str();
                frames.push(Frame::Exit(Exit { stage, code: Some(0), signal: None, more: None }));
            }
            self.told = Told::Running;
            frames.push(Frame::Stage { stage: Stage::Run.as_str() });
        }
        frames
    }

    /// A step wrote.
    pub(super) fn output(&mut self, chunk: &Chunk) -> Vec<Frame> {
        let mut frames = self.step(chunk.part.step);
        let stream = match chunk.part.stream {
            Stream::Stdout => "stdout",
            Stream::Stderr => "stderr",
        };
        frames.push(Frame::Data { stream, data: String::from_utf8_lossy(&chunk.bytes).into_owned() });
        frames
    }

    /// The job has ended, and all of its output was told.
    pub(super) fn end(&mut self, record: &JobRecord, report: &JobReport) -> Vec<Frame> {
        let mut frames = Vec::new();
        if let Some(compile) = report.compile.as_ref().filter(|_| self.told < Told::Compiled) {
            // Where the run was told of already, so was its end.
            if self.told < Told::Running {
                frames.extend(self.step(Step::Compile));
                frames.push(exit(Stage::Compile, end(compile, &record.spec.compile_limits)));
                self.told = Told::Compiled;
            }
        }
        if let Some(run) = &report.run {
            frames.extend(self.step(Step::Run));
            frames.push(exit(Stage::Run, end(run, &record.spec.run_limits)));
        }
        frames
    }
}

fn exit(stage: Stage, end: End) -> Frame {
    let End { code, signal, message, status, cpu_time, wall_time, memory } = end;
    let more = Some(More { message, status, cpu_time, wall_time, memory });
    Frame::Exit(Exit { stage: stage.as_str(), code, signal, more })
}

#[cfg(test)]
mod tests {
    use enclos_protocol::outcome::{Exit as Ended, Outcome};
    use serde_json::{Value, json};

    use super::*;
    use crate::store::{JobRecord, Part, StoredState, Turn, UnixTime};
    use crate::testing;

    fn record() -> JobRecord {
        JobRecord {
            sequence: 1,
            id: enclos_protocol::ids::JobId::generate(),
            spec: testing::spec(0, 10),
            labels: std::collections::BTreeMap::default(),
            state: StoredState::Finished,
            created: UnixTime(0),
            started: None,
            finished: None,
            attempts: 1,
            token: None,
            agent: None,
            ending: None,
            turn: Turn::default(),
            prediction: None,
        }
    }

    fn chunk(step: Step, stream: Stream, text: &str) -> Chunk {
        Chunk { part: Part { step, stream }, offset: 0, bytes: text.as_bytes().to_vec() }
    }

    /// What is told, in short.
    fn brief(frames: Vec<Frame>) -> Vec<String> {
        let word = |frame: &Value, name: &str| frame[name].as_str().unwrap_or_default().to_owned();
        let brief = |frame: Value| match word(&frame, "type").as_str() {
            "stage" => format!("stage {}", word(&frame, "stage")),
            "data" => format!("{} {}", word(&frame, "stream"), word(&frame, "data")),
            "exit" => format!("exit {} {} {}", word(&frame, "stage"), frame["code"], frame.get("status").is_some()),
            other => other.to_owned(),
        };
        frames.into_iter().map(|frame| brief(serde_json::to_value(frame).unwrap())).collect()
    }

    #[test]
    fn stages_begin_write_and_exit_in_order_however_much_is_seen_of_them() {
        let (mut script, mut told) = (Script::new(true), Vec::new());
        told.extend(script.step(Step::Compile));
        told.extend(script.output(&chunk(Step::Compile, Stream::Stderr, "warning")));
        told.extend(script.step(Step::Run));
        told.extend(script.output(&chunk(Step::Run, Stream::Stdout, "hello")));
        let (compile, run) = (Some(testing::step()), Some(testing::step()));
        let report = JobReport { compile, run, ..testing::report(Outcome::Ok) };
        told.extend(script.end(&record(), &report));
        let expected =
            ["stage compile", "stderr warning", "exit compile 0 false", "stage run", "stdout hello", "exit run 0 true"];
        assert_eq!(brief(told), expected);
        // One that had ended before anybody looked.
        let (mut script, mut told) = (Script::new(true), Vec::new());
        told.extend(script.end(&record(), &report));
        assert_eq!(brief(told), ["stage compile", "exit compile 0 true", "stage run", "exit run 0 true"]);
    }

    #[test]
    fn a_compiler_that_fails_is_the_last_stage_and_a_language_without_one_has_none() {
        let mut compile = testing::step();
        (compile.outcome, compile.facts.exit) = (Outcome::CompileError, Some(Ended::Code(1)));
        let report = JobReport { compile: Some(compile), ..testing::report(Outcome::CompileError) };
        let mut script = Script::new(true);
        let mut told = script.step(Step::Compile);
        told.extend(script.end(&record(), &report));
        assert_eq!(brief(told), ["stage compile", "exit compile 1 true"]);

        let report = JobReport { run: Some(testing::step()), ..testing::report(Outcome::Ok) };
        assert_eq!(brief(Script::new(false).end(&record(), &report)), ["stage run", "exit run 0 true"]);
    }

    #[test]
    fn another_attempt_is_told_from_its_beginning() {
        let mut script = Script::new(false);
        let mut told = script.step(Step::Run);
        script.begin_anew();
        told.extend(script.step(Step::Run));
        assert_eq!(brief(told), ["stage run", "stage run"]);
    }

    #[test]
    fn an_exit_has_pistons_fields_beside_ours() {
        let report = JobReport { run: Some(testing::step()), ..testing::report(Outcome::Ok) };
        let told = serde_json::to_value(Script::new(false).end(&record(), &report).pop()).unwrap();
        let expected = json!({
            "type": "exit", "stage": "run", "code": 0, "signal": null,
            "message": null, "status": null, "cpu_time": 0, "wall_time": 0, "memory": 0,
        });
        assert_eq!(told, expected);
    }
}
