//! Which environment variables a submission may set for its program.
//!
//! A client's program may do in its cell what it likes, so these rules do not
//! keep it in. They keep the words that steer loaders, runtimes and shells out
//! of a place where the next change of a command line could make them steer
//! something of ours (a wrapper, a compiler, a check that runs before it).

use std::collections::BTreeMap;

use enclos_images::Language;
use enclos_images::command::ENVIRONMENT;

use super::refusal::{Refusal, SHOWN_CHARS_MAX};

/// Variables of one job.
pub const VARIABLES_MAX: usize = 64;
/// Bytes of a variable's name.
pub const NAME_BYTES_MAX: usize = 64;
/// Bytes of all names and values together.
pub(super) const VARIABLES_BYTES_MAX: usize = 8 * 1024;

/// Which names a rule means.
enum Names {
    /// This one.
    Exactly(&'static str),
    /// All that begin so.
    Beginning(&'static str),
    /// All that end so.
    Ending(&'static str),
}
use Names::{Beginning, Ending, Exactly};

/// Names that are refused, and why.
const REFUSED: &[(Names, &str)] = &[
    (Beginning("ENCLOS_"), "is for Enclos itself"),
    (Beginning("LD_"), "steers the dynamic loader"),
    (Beginning("GLIBC_"), "steers the C library"),
    (Beginning("MALLOC_"), "steers the C library's allocator"),
    (Exactly("GCONV_PATH"), "makes the C library load code"),
    (Exactly("LOCPATH"), "makes the C library read other locales"),
    (Exactly("NLSPATH"), "makes the C library read other messages"),
    (Exactly("HOSTALIASES"), "steers name resolution"),
    (Ending("_OPTIONS"), "gives options to a runtime (JAVA_TOOL_OPTIONS, NODE_OPTIONS, ASAN_OPTIONS)"),
    (Ending("_OPTS"), "gives options to a runtime"),
    (Beginning("PYTHON"), "steers the Python interpreter"),
    (Beginning("JAVA_"), "steers the Java runtime"),
    (Beginning("JDK_"), "steers the Java runtime"),
    (Exactly("CLASSPATH"), "makes the Java runtime load other classes"),
    (Beginning("NODE_"), "steers the Node.js runtime"),
    (Beginning("PERL"), "steers the Perl interpreter"),
    (Beginning("RUBY"), "steers the Ruby interpreter"),
    (Beginning("LUA_"), "steers the Lua interpreter"),
    (Beginning("PHP_"), "steers the PHP interpreter"),
    (Beginning("GCC_"), "steers the compiler"),
    (Beginning("COLLECT_"), "steers the compiler"),
    (Beginning("DEPENDENCIES_"), "makes the compiler write files"),
    (Exactly("SUNPRO_DEPENDENCIES"), "makes the compiler write files"),
    (Exactly("COMPILER_PATH"), "makes the compiler run other programs"),
    (Exactly("LIBRARY_PATH"), "makes the linker read other libraries"),
    (Exactly("CPATH"), "makes the compiler read other headers"),
    (Ending("_INCLUDE_PATH"), "makes the compiler read other headers"),
    (Beginning("BASH"), "steers the shell (BASH_ENV, BASHOPTS)"),
    (Exactly("ENV"), "makes a shell run a file"),
    (Exactly("SHELLOPTS"), "steers the shell"),
    (Exactly("IFS"), "changes how a shell reads words"),
    (Exactly("PS4"), "is run by a tracing shell"),
    (Exactly("CDPATH"), "changes where a shell goes"),
    (Exactly("PWD"), "is the working directory, which Enclos sets"),
    (Exactly("OLDPWD"), "is the working directory, which Enclos sets"),
    (Exactly("SHELL"), "is set by Enclos"),
    (Exactly("LOGNAME"), "is set by Enclos"),
];

/// The variables of a job in `language`, by name.
pub(super) fn admitted(
    language: &Language,
    asked: Option<BTreeMap<String, String>>,
) -> Result<Vec<(String, String)>, Refusal> {
    let asked = asked.unwrap_or_default();
    for (name, value) in &asked {
        let refuse = |detail: String| {
            let shown: String = name.chars().take(SHOWN_CHARS_MAX).collect();
            Err(Refusal::invalid(format!("run.env.{}", shown.escape_debug()), detail))
        };
        if !is_name(name) {
            return refuse(format!("a name is 1 to {NAME_BYTES_MAX} of A-Z a-z 0-9 _ and does not begin with a digit"));
        }
        if let Some(reason) = reserved(language, name) {
            return refuse(format!("this variable cannot be set: it {reason}"));
        }
        if value.contains('\0') {
            return refuse("a value cannot hold a NUL character".to_owned());
        }
    }
    if asked.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>() > VARIABLES_BYTES_MAX {
        let detail = format!("names and values may have {VARIABLES_BYTES_MAX} bytes together");
        return Err(Refusal::above("run.env", detail, VARIABLES_BYTES_MAX));
    }
    Ok(asked.into_iter().collect())
}

fn is_name(name: &str) -> bool {
    (1..=NAME_BYTES_MAX).contains(&name.len())
        && !name.starts_with(|c: char| c.is_ascii_digit())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

fn reserved(language: &Language, name: &str) -> Option<&'static str> {
    if ENVIRONMENT.iter().any(|(ours, _)| *ours == name) {
        return Some("is set by Enclos");
    }
    if language.run.env.contains_key(name) {
        return Some("is set by the language");
    }
    // `_JAVA_OPTIONS` and its like: an underscore in front is no way around a rule.
    let name = name.trim_start_matches('_');
    let means = |names: &Names| match names {
        Exactly(word) => name == *word,
        Beginning(word) => name.starts_with(word),
        Ending(word) => name.ends_with(word),
    };
    REFUSED.iter().find(|(names, _)| means(names)).map(|(_, reason)| *reason)
}
