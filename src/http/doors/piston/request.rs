//! What a client asks for: Piston's JSON, which is checked field by field, in Piston's order and words.
//!
//! Fields that are not Piston's are passed over, as there. Fields are read one by one from the
//! body's own bytes, so that what is not used never takes memory.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::refused;
use crate::admission::bounds::{ARGS_MAX, FILES_MAX};
use crate::admission::{Refusal, few_there};

/// What is asked for.
#[derive(Debug)]
pub(super) struct Asked<'a> {
    pub(super) language: String,
    pub(super) version: String,
    pub(super) files: Vec<File>,
    pub(super) stdin: String,
    pub(super) args: Vec<String>,
    pub(super) limits: Limits<'a>,
}

/// One file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct File {
    /// `None` also for an empty one.
    pub(super) name: Option<String>,
    pub(super) content: String,
    pub(super) encoding: Encoding,
}

/// How the content of a file is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Encoding {
    Utf8,
    Base64,
    Hex,
}

/// Limits, not looked at yet.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Limits<'a> {
    pub(super) compile: StepLimits<'a>,
    pub(super) run: StepLimits<'a>,
}

/// Limits of a stage, not looked at yet.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct StepLimits<'a> {
    pub(super) memory_limit: Option<&'a RawValue>,
    pub(super) timeout: Option<&'a RawValue>,
    pub(super) cpu_time: Option<&'a RawValue>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Body<'a> {
    #[serde(borrow)]
    language: Option<&'a RawValue>,
    #[serde(borrow)]
    version: Option<&'a RawValue>,
    #[serde(borrow)]
    files: Option<&'a RawValue>,
    #[serde(borrow)]
    stdin: Option<&'a RawValue>,
    #[serde(borrow)]
    args: Option<&'a RawValue>,
    #[serde(borrow)]
    compile_memory_limit: Option<&'a RawValue>,
    #[serde(borrow)]
    run_memory_limit: Option<&'a RawValue>,
    #[serde(borrow)]
    compile_timeout: Option<&'a RawValue>,
    #[serde(borrow)]
    run_timeout: Option<&'a RawValue>,
    #[serde(borrow)]
    compile_cpu_time: Option<&'a RawValue>,
    #[serde(borrow)]
    run_cpu_time: Option<&'a RawValue>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct FileBody<'a> {
    #[serde(borrow)]
    name: Option<&'a RawValue>,
    #[serde(borrow)]
    content: Option<&'a RawValue>,
    #[serde(borrow)]
    encoding: Option<&'a RawValue>,
}

/// What `body` asks for.
///
/// # Errors
/// [`Refusal`] with Piston's words, where it has some.
pub(super) fn parse(body: &[u8]) -> Result<Asked<'_>, Refusal> {
    // serde would read the fields from an array too, by position.
    if body.iter().find(|b| !b.is_ascii_whitespace()) != Some(&b'{') {
        return Err(refused("the body is one JSON object"));
    }
    let body: Body<'_> = serde_json::from_slice(body).map_err(|e| refused(format!("the body is not JSON: {e}")))?;
    let required = |name: &str| refused(format!("{name} is required as a string"));
    let language = text(body.language).filter(|text| !text.is_empty()).ok_or_else(|| required("language"))?;
    let version = text(body.version).filter(|text| !text.is_empty()).ok_or_else(|| required("version"))?;
    let files = body.files.ok_or_else(|| refused("files is required as an array"))?;
    let files = list::<FILES_MAX>("files", files, "files is required as an array")?;
    let files = files.into_iter().enumerate().map(|(index, file)| self::file(index, file)).collect::<Result<_, _>>()?;
    let stdin = match body.stdin {
        Some(stdin) => text(Some(stdin)).ok_or_else(|| refused("stdin must be a string"))?,
        None => String::new(),
    };
    let wrong = "args must be an array of strings";
    let args = body.args.map_or(Ok(Vec::new()), |args| list::<ARGS_MAX>("args", args, wrong))?;
    let args = args.into_iter().map(|arg| text(Some(arg)).ok_or_else(|| refused(wrong)));
    Ok(Asked {
        language,
        version,
        files,
        stdin,
        args: args.collect::<Result<_, _>>()?,
        limits: Limits {
            compile: StepLimits {
                memory_limit: body.compile_memory_limit,
                timeout: body.compile_timeout,
                cpu_time: body.compile_cpu_time,
            },
            run: StepLimits {
                memory_limit: body.run_memory_limit,
                timeout: body.run_timeout,
                cpu_time: body.run_cpu_time,
            },
        },
    })
}

fn file(index: usize, raw: &RawValue) -> Result<File, Refusal> {
    let file: Option<FileBody<'_>> = Some(raw.get()).filter(|raw| raw.starts_with('{')).and_then(read);
    let required = || refused(format!("files[{index}].content is required as a string"));
    let FileBody { name, content, encoding } = file.ok_or_else(required)?;
    let content = text(content).ok_or_else(required)?;
    let name = match name {
        Some(name) => text(Some(name)).ok_or_else(|| refused(format!("files[{index}].name must be a string")))?,
        None => String::new(),
    };
    let encoding = match text(encoding).as_deref() {
        Some("base64") => Encoding::Base64,
        Some("hex") => Encoding::Hex,
        _ => Encoding::Utf8,
    };
    Ok(File { name: Some(name).filter(|name| !name.is_empty()), content, encoding })
}

/// The text that a value is, if it is one.
fn text(raw: Option<&RawValue>) -> Option<String> {
    read(raw?.get())
}

fn read<'a, T: Deserialize<'a>>(raw: &'a str) -> Option<T> {
    serde_json::from_str(raw).ok()
}

/// The items of a value, at most `MAX`; `wrong`: what is said of one that is no array.
fn list<'a, const MAX: usize>(field: &str, raw: &'a RawValue, wrong: &str) -> Result<Vec<&'a RawValue>, Refusal> {
    let mut json = serde_json::Deserializer::from_str(raw.get());
    few_there::<_, &RawValue, MAX>(&mut json).map_err(|_| {
        // What is in it was read once already: only their number can be wrong.
        let is_list = raw.get().starts_with('[');
        refused(if is_list { format!("{field} may have {MAX} items") } else { wrong.to_owned() })
    })
}
