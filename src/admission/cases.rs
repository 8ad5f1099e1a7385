//! Cases, their judging and their groups: checked, and made what master and agent speak of.

use std::collections::{BTreeMap, BTreeSet};

use enclos_images::bounds::RUN;
use enclos_images::{Catalogue, Language};
use enclos_protocol::cases::{
    CASE_BYTES_MAX, CASES_INPUT_BYTES_MAX, CASES_MAX, CHECKED_BYTES_MAX, Case, CasePlan, Checker, Companion, Judging,
    Tolerance,
};
use enclos_protocol::job::JobFile;
use enclos_protocol::limits::StepLimits;

use super::blobs::{Known, Sizes};
use super::judging::{CheckerChoice, FloatOptions, SubmittedCase, SubmittedCompanion, SubmittedGroup};
use super::refusal::Refusal;
use super::{files, limits, program, words};
use crate::scoring::{Group, Scoring};
use crate::store::{BlobUse, Place};

/// Bytes of the name of a case or group.
pub const NAME_BYTES_MAX: usize = 128;
/// Cases of one job.
pub(super) const CASES: usize = CASES_MAX as usize;
/// Groups of one job.
pub const GROUPS_MAX: usize = 100;
/// Time on the clock that all cases of a job may take together, with their checker or interactor, in
/// milliseconds: 12 hours. Its place is taken so long, and an attempt is waited for that long.
pub const CASES_WALL_MS_MAX: u64 = 12 * 3600 * 1000;
/// What all cases of a job may move to its agent, in bytes: a blob counts for every case that has it.
pub const CASES_MOVED_BYTES_MAX: u64 = 4 << 30;
/// Points of one group.
pub const WEIGHT_MAX: u64 = 1_000_000;

/// One case, and what only the answer needs of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NamedCase {
    /// Its name.
    pub name: String,
    /// What is to be run.
    pub case: Case,
}

/// What a submission says of cases.
pub(super) struct Asked {
    pub cases: Option<Vec<SubmittedCase>>,
    pub checker: Option<CheckerChoice>,
    pub interactor: Option<SubmittedCompanion>,
    pub stop_on_first_failure: Option<bool>,
    pub groups: Option<Vec<SubmittedGroup>>,
}

/// All cases of a job.
#[derive(Default)]
pub(super) struct Cases {
    pub plan: Option<CasePlan>,
    pub cases: Vec<NamedCase>,
    /// Files of the checker or interactor.
    pub companion: Vec<JobFile>,
    /// Bytes of those of them that are in blobs.
    pub companion_blobs_bytes: u64,
    /// What of cases and companion is in blobs.
    pub blobs: Vec<BlobUse>,
    pub scoring: Scoring,
}

/// The cases of a job in `language` whose runs have the limits `run`.
pub(super) fn admitted(
    catalogue: &Catalogue,
    language: &Language,
    run: &StepLimits,
    asked: Asked,
    sizes: &Sizes,
) -> Result<Cases, Refusal> {
    let Asked { cases, checker, interactor, stop_on_first_failure, groups } = asked;
    let Some(submitted) = cases else {
        let without = [
            ("checker", checker.is_some()),
            ("interactor", interactor.is_some()),
            ("stop_on_first_failure", stop_on_first_failure.is_some()),
            ("groups", groups.is_some()),
        ];
        return match without.iter().find(|(_, given)| *given) {
            Some((field, _)) => Err(Refusal::invalid(*field, "this is said of 'cases', and there are none")),
            None => Ok(Cases::default()),
        };
    };
    if checker.is_some() && interactor.is_some() {
        return Err(Refusal::invalid("interactor", "give either 'checker' or 'interactor', not both"));
    }
    let compares = checker.as_ref().is_some_and(|c| !matches!(c, CheckerChoice::Program(_)));
    let (judging, Files { files: companion, blobs: companion_blobs, at }) = match interactor {
        Some(program) => {
            let (program, files) = self::companion(catalogue, "interactor", program, sizes)?;
            (Judging::Interactive(Box::new(program)), files)
        }
        None => {
            let (checker, files) = self::checker(catalogue, checker.unwrap_or(CheckerChoice::Trim), sizes)?;
            (Judging::Output(checker), files)
        }
    };
    let (cases, mut blobs) = gather(language, run, submitted, compares, sizes)?;
    blobs.extend(companion_blobs.iter().map(|(index, known)| {
        let field = format!("{at}.files[{index}].blob");
        BlobUse { place: Place::Companion(*index), digest: known.digest, field }
    }));
    let largest = cases.iter().filter_map(|c| c.case.limits).fold(*run, limits::larger);
    if matches!(judging, Judging::Output(Checker::Program(_))) && largest.output_bytes > CHECKED_BYTES_MAX {
        let detail = format!("a checker's program reads at most {CHECKED_BYTES_MAX} bytes of output");
        let refusal = Refusal::new(422, "limit_too_high", detail).at("limits.run.output_bytes");
        return Err(refusal.with("maximum", CHECKED_BYTES_MAX));
    }
    within_time(run, &cases, &judging)?;
    if let Judging::Interactive(companion) = &judging {
        fit_together(&largest, &companion.run_limits)?;
    }
    let plan = CasePlan {
        count: u32::try_from(cases.len()).unwrap_or(u32::MAX),
        judging,
        stop_on_first_failure: stop_on_first_failure.unwrap_or(false),
        largest,
    };
    let scoring = Scoring { groups: self::groups(groups.unwrap_or_default(), &cases)? };
    let companion_blobs_bytes = companion_blobs.iter().map(|(_, known)| known.size_bytes).sum();
    Ok(Cases { plan: Some(plan), cases, companion, companion_blobs_bytes, blobs, scoring })
}

/// Refuses a program and an interactor that one sandbox could not hold: they run at once in it.
fn fit_together(program: &StepLimits, interactor: &StepLimits) -> Result<(), Refusal> {
    let pids = u64::from(program.pids) + u64::from(interactor.pids);
    let memory_bytes = program.memory_bytes.saturating_add(interactor.memory_bytes);
    for (name, both, most) in [("memory_bytes", memory_bytes, RUN.memory_bytes.max), ("pids", pids, RUN.pids.max)] {
        if both > most {
            let detail = format!("the program and its interactor run at once and may have {most} together, not {both}");
            let refusal = Refusal::new(422, "limit_too_high", detail).at(format!("interactor.limits.run.{name}"));
            return Err(refusal.with("maximum", most));
        }
    }
    Ok(())
}

/// Refuses cases that could take longer together than a job may.
fn within_time(run: &StepLimits, cases: &[NamedCase], judging: &Judging) -> Result<(), Refusal> {
    let companion = judging.companion().map_or(0, |c| c.run_limits.wall_ms);
    let wall_ms = |c: &NamedCase| c.case.limits.as_ref().unwrap_or(run).wall_ms.saturating_add(companion);
    let all_ms = cases.iter().map(wall_ms).fold(0, u64::saturating_add);
    if all_ms <= CASES_WALL_MS_MAX {
        return Ok(());
    }
    let detail = format!(
        "the time limits of all cases and of what judges them come to {all_ms} ms; a job may take {CASES_WALL_MS_MAX}"
    );
    Err(Refusal::new(422, "limit_too_high", detail).at("cases").with("maximum", CASES_WALL_MS_MAX))
}

fn gather(
    language: &Language,
    run: &StepLimits,
    submitted: Vec<SubmittedCase>,
    compares: bool,
    sizes: &Sizes,
) -> Result<(Vec<NamedCase>, Vec<BlobUse>), Refusal> {
    if submitted.is_empty() {
        return Err(Refusal::invalid("cases", "a job with cases has at least one"));
    }
    let mut names = BTreeSet::new();
    let mut cases = Vec::with_capacity(submitted.len());
    let (mut size_bytes, mut moved_bytes) = (0, 0);
    let (mut blobs, mut counted): (Vec<BlobUse>, _) = (Vec::new(), BTreeSet::new());
    for (index, asked) in submitted.into_iter().enumerate() {
        let (named, uses) =
            case(language, run, index, asked, sizes).map_err(|r| r.beneath(&format!("cases[{index}]")))?;
        if compares && named.case.expected.is_none() {
            let detail = "the checker compares with 'expected_stdout', which this case has not";
            return Err(Refusal::invalid(format!("cases[{index}]"), detail));
        }
        if !names.insert(named.name.clone()) {
            return Err(Refusal::invalid(format!("cases[{index}].name"), "another case has this name"));
        }
        let inline = (named.case.size_bytes() + named.name.len()) as u64;
        size_bytes += inline;
        moved_bytes += inline;
        for (place, name, Known { digest, size_bytes: of_blob }) in uses {
            // One that many cases have is brought once.
            size_bytes += if counted.insert(digest) { of_blob } else { 0 };
            moved_bytes += of_blob;
            blobs.push(BlobUse { place, digest, field: format!("cases[{index}].{name}") });
        }
        within(size_bytes, CASES_INPUT_BYTES_MAX, "together")?;
        within(moved_bytes, CASES_MOVED_BYTES_MAX, "if a blob is counted for each case that has it")?;
        cases.push(named);
    }
    Ok((cases, blobs))
}

/// Refuses cases that have more bytes than they may, counted in this way.
fn within(bytes: u64, maximum: u64, counted: &str) -> Result<(), Refusal> {
    if bytes <= maximum {
        return Ok(());
    }
    let detail = format!("the cases of a job may have {maximum} bytes {counted}");
    Err(Refusal::new(413, "too_large", detail).at("cases").with("maximum", maximum))
}

/// What of a case is in blobs: where, the field that named it, and which.
type OfCase = Vec<(Place, &'static str, Known)>;

/// Fields are named from the case on.
fn case(
    language: &Language,
    run: &StepLimits,
    index: usize,
    asked: SubmittedCase,
    sizes: &Sizes,
) -> Result<(NamedCase, OfCase), Refusal> {
    let SubmittedCase {
        name,
        stdin,
        stdin_base64,
        stdin_blob,
        args,
        expected_stdout,
        expected_stdout_base64,
        expected_stdout_blob,
        limits,
    } = asked;
    let name = match name {
        None => (index + 1).to_string(),
        Some(name) => self::name("name", name)?,
    };
    let stdin = files::bytes("stdin", stdin, stdin_base64, stdin_blob, sizes)?;
    let expected =
        files::bytes("expected_stdout", expected_stdout, expected_stdout_base64, expected_stdout_blob, sizes)?;
    for (field, content) in [("stdin", &stdin), ("expected_stdout", &expected)] {
        let bytes = content.as_ref().map_or(0, files::Content::size_bytes);
        if bytes > CASE_BYTES_MAX as u64 {
            let detail = format!("{bytes} bytes are more than the {CASE_BYTES_MAX} that a case may have here");
            return Err(Refusal::new(413, "too_large", detail).at(field).with("maximum", CASE_BYTES_MAX));
        }
    }
    let args = args.map(|args| words::arguments("args", Some(args))).transpose()?;
    let limits = limits.map(|asked| limits::of_case("limits", language, run, asked)).transpose()?;
    let number = u32::try_from(index).unwrap_or(u32::MAX);
    let (stdin, stdin_blob) = stdin.map(files::Content::parts).unwrap_or_default();
    let (expected, expected_blob) = expected.map(files::Content::parts).unzip();
    let in_blobs = [
        (Place::CaseStdin(number), "stdin_blob", stdin_blob),
        (Place::CaseExpected(number), "expected_stdout_blob", expected_blob.flatten()),
    ];
    let uses = in_blobs.into_iter().filter_map(|(place, name, known)| Some((place, name, known?))).collect();
    let case = Case { stdin: stdin.into(), args, limits, expected: expected.map(Into::into) };
    Ok((NamedCase { name, case }, uses))
}

fn name(field: &str, name: String) -> Result<String, Refusal> {
    if (1..=NAME_BYTES_MAX).contains(&name.len()) && !name.chars().any(char::is_control) {
        Ok(name)
    } else {
        let detail = format!("a name has 1 to {NAME_BYTES_MAX} bytes and no control characters");
        Err(Refusal::invalid(field, detail).with("maximum", NAME_BYTES_MAX))
    }
}

/// What a checker or interactor brings.
#[derive(Default)]
struct Files {
    files: Vec<JobFile>,
    blobs: Vec<(u32, Known)>,
    /// Where it stands in the submission.
    at: &'static str,
}

/// The checker, and the files that it brings.
fn checker(catalogue: &Catalogue, choice: CheckerChoice, sizes: &Sizes) -> Result<(Checker, Files), Refusal> {
    let ours = match choice {
        CheckerChoice::Exact => Checker::Exact,
        CheckerChoice::Trim => Checker::Trim,
        CheckerChoice::UnorderedLines => Checker::UnorderedLines,
        CheckerChoice::Tokens(options) => Checker::Tokens { ignore_case: options.ignore_case.unwrap_or(false) },
        CheckerChoice::Float(FloatOptions { abs: None, rel: None, .. }) => {
            return Err(Refusal::invalid("checker.float", "give at least one of 'abs' and 'rel'"));
        }
        CheckerChoice::Float(FloatOptions { abs, rel, ignore_case }) => Checker::Float {
            abs: tolerance("checker.float.abs", abs)?,
            rel: tolerance("checker.float.rel", rel)?,
            ignore_case: ignore_case.unwrap_or(false),
        },
        CheckerChoice::Program(program) => {
            let (program, files) = companion(catalogue, "checker.program", *program, sizes)?;
            return Ok((Checker::Program(Box::new(program)), files));
        }
    };
    Ok((ours, Files::default()))
}

fn tolerance(field: &str, asked: Option<f64>) -> Result<Tolerance, Refusal> {
    Tolerance::try_from(asked.unwrap_or(0.0)).map_err(|e| Refusal::invalid(field, e.to_string()))
}

/// The program that stands at `at`.
fn companion(
    catalogue: &Catalogue,
    at: &'static str,
    asked: SubmittedCompanion,
    sizes: &Sizes,
) -> Result<(Companion, Files), Refusal> {
    let SubmittedCompanion { language, files, source, entry, compile, args, limits } = asked;
    let asked = program::Asked { language, files, archive: Vec::new(), source, entry, compile, limits };
    let program::Program { language, files, blobs, entry, compile_args, compile_limits, run_limits } =
        program::admitted(catalogue, asked, sizes).map_err(|r| r.beneath(at))?;
    let args = words::arguments("args", args).map_err(|r| r.beneath(at))?;
    let language = language.id.clone();
    let companion = Companion { language, entry, compile_args, args, compile_limits, run_limits };
    Ok((companion, Files { files, blobs, at }))
}

fn groups(submitted: Vec<SubmittedGroup>, cases: &[NamedCase]) -> Result<Vec<Group>, Refusal> {
    let numbers: BTreeMap<&str, u32> = cases.iter().map(|c| c.name.as_str()).zip(0..).collect();
    let (mut names, mut taken) = (BTreeSet::new(), BTreeSet::new());
    let mut groups = Vec::with_capacity(submitted.len());
    for (index, SubmittedGroup { name, weight, cases }) in submitted.into_iter().enumerate() {
        let field = |name: &str| format!("groups[{index}].{name}");
        let name = self::name(&field("name"), name)?;
        if !names.insert(name.clone()) {
            return Err(Refusal::invalid(field("name"), "another group has this name"));
        }
        let weight = u32::try_from(weight.0).ok().filter(|w| u64::from(*w) <= WEIGHT_MAX).ok_or_else(|| {
            let detail = format!("a group has at most {WEIGHT_MAX} points");
            Refusal::invalid(field("weight"), detail).with("maximum", WEIGHT_MAX)
        })?;
        if cases.is_empty() {
            return Err(Refusal::invalid(field("cases"), "a group has at least one case"));
        }
        let mut members = Vec::with_capacity(cases.len());
        for (place, case) in cases.iter().enumerate() {
            let field = format!("groups[{index}].cases[{place}]");
            let number = numbers.get(case.as_str()).copied();
            let number = number.ok_or_else(|| Refusal::invalid(&*field, "no case has this name"))?;
            if !taken.insert(number) {
                return Err(Refusal::invalid(field, "this case is in a group already"));
            }
            members.push(number);
        }
        groups.push(Group { name, weight, cases: members });
    }
    Ok(groups)
}
