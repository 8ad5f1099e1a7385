//! Text as HTML: nothing of the document becomes markup, but for `code`.

use std::fmt::Write as _;

/// `text` without what HTML would read as its own.
pub(super) fn escaped(text: &str) -> String {
    let mut html = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '"' => html.push_str("&quot;"),
            '\'' => html.push_str("&#39;"),
            c => html.push(c),
        }
    }
    html
}

/// A sentence or more, in which what stands between backticks is code.
pub(super) fn prose(text: &str) -> String {
    let mut html = String::with_capacity(text.len());
    for (place, part) in text.split('`').enumerate() {
        if place % 2 == 1 {
            html.push_str(&code(part));
        } else {
            html.push_str(&escaped(part));
        }
    }
    html
}

/// Code within a sentence.
pub(super) fn code(text: &str) -> String {
    format!("<code>{}</code>", escaped(text))
}

/// A whole number with its thousands apart.
pub(super) fn number(text: &str) -> String {
    let digits = text.strip_suffix(".0").unwrap_or(text);
    if digits.len() <= 4 || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return digits.to_owned();
    }
    let mut grouped = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// A block of text, with a name for who cannot see that it scrolls.
pub(super) fn block(html: &mut String, label: &str, class: &str, text: &str) {
    let (label, text) = (escaped(label), escaped(text));
    // Written to a string: it cannot fail.
    let _ = writeln!(
        html,
        "<pre class=\"{class}\" tabindex=\"0\" role=\"group\" aria-label=\"{label}\"><code>{text}</code></pre>"
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_becomes_markup_but_code() {
        assert_eq!(prose("a `<b>` & 'c'"), "a <code>&lt;b&gt;</code> &amp; &#39;c&#39;");
    }

    #[test]
    fn thousands_are_apart() {
        assert_eq!(["1000", "65536", "1.0", "0.1"].map(number), ["1000", "65,536", "1", "0.1"]);
    }
}
