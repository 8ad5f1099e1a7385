//! What holds for every key, whoever makes it.

use std::time::Duration;

/// Longest that a key may last, and an old secret of it.
pub const KEY_LASTS_MAX: Duration = Duration::from_secs(10 * 366 * 24 * 3600);
/// Most characters of a key's name.
pub const KEY_NAME_CHARS_MAX: usize = 64;

/// A name for people.
///
/// # Errors
/// What is wrong with it.
pub fn key_name(text: &str) -> Result<String, String> {
    let fits = text.chars().count() <= KEY_NAME_CHARS_MAX && !text.chars().any(char::is_control);
    if fits { Ok(text.to_owned()) } else { Err(format!("has at most {KEY_NAME_CHARS_MAX} characters, none a control")) }
}
