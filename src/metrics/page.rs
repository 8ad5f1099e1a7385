//! The text format of Prometheus (version 0.0.4).

use std::fmt::{self, Display, Write as _};
use std::time::Duration;

use enclos_protocol::measured::DURATION_BOUNDS_US;

use super::family::Family;
use super::kinds::{Counter, Histogram};

/// A page that is being written.
pub(super) struct Page(String);

/// A number as the format has it: without an exponent, and a whole one without a fraction.
#[derive(Clone, Copy)]
pub(super) enum Value {
    Whole(u64),
    Part(f64),
}

impl From<u64> for Value {
    fn from(value: u64) -> Self {
        Self::Whole(value)
    }
}

impl From<usize> for Value {
    fn from(value: usize) -> Self {
        Self::Whole(value as u64)
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Whole(value.into())
    }
}

impl From<f64> for Value {
    fn from(value: f64) -> Self {
        Self::Part(value)
    }
}

impl From<Duration> for Value {
    fn from(value: Duration) -> Self {
        Self::Part(value.as_secs_f64())
    }
}

impl Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Whole(value) => value.fmt(f),
            Self::Part(value) => value.fmt(f),
        }
    }
}

/// Labels with their values, in braces; nothing without any. Values are ours or were checked (names of agents,
/// ids of the catalogue), and are escaped all the same.
struct Labels<'a>(&'a [&'static str], &'a [&'a str], Option<&'a str>);

impl Display for Labels<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(names, values, le) = self;
        let mut before = '{';
        for (name, value) in names.iter().zip(*values).chain(le.iter().map(|le| (&"le", le))) {
            write!(f, "{before}{name}=\"")?;
            for c in value.chars() {
                match c {
                    '"' | '\\' => write!(f, "\\{c}")?,
                    '\n' => f.write_str("\\n")?,
                    c => f.write_char(c)?,
                }
            }
            f.write_char('"')?;
            before = ',';
        }
        if before == ',' { f.write_char('}') } else { Ok(()) }
    }
}

impl Page {
    pub(super) fn new() -> Self {
        Self(String::with_capacity(16 * 1024))
    }

    pub(super) fn end(self) -> String {
        self.0
    }

    /// Begins a metric; its series follow.
    pub(super) fn begin(&mut self, family: &'static Family) -> Series<'_> {
        let Family { name, kind, help, .. } = family;
        // Writing to a String cannot fail.
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {}", kind.as_str());
        Series { page: self, family }
    }

    /// A metric of one series.
    pub(super) fn single(&mut self, family: &'static Family, value: impl Into<Value>) {
        self.begin(family).value(&[], value);
    }

    /// A count of one series.
    pub(super) fn counter(&mut self, family: &'static Family, counter: &Counter) {
        self.single(family, counter.value());
    }

    /// Durations of one series.
    pub(super) fn histogram(&mut self, family: &'static Family, histogram: &Histogram) {
        self.begin(family).histogram(&[], histogram);
    }
}

/// Series of one metric.
pub(super) struct Series<'a> {
    page: &'a mut Page,
    family: &'static Family,
}

impl Series<'_> {
    /// One of them, its labels in the order of the registry.
    pub(super) fn value(&mut self, labels: &[&str], value: impl Into<Value>) {
        self.line("", &Labels(self.family.labels, labels, None), value.into());
    }

    /// Durations.
    pub(super) fn histogram(&mut self, labels: &[&str], histogram: &Histogram) {
        let names = self.family.labels;
        let (counts, sum) = histogram.read();
        let mut total = 0;
        for (count, bound) in counts.iter().zip(DURATION_BOUNDS_US.iter().map(Some).chain([None])) {
            total += count;
            let le = bound.map_or("+Inf".to_owned(), |us| Duration::from_micros(*us).as_secs_f64().to_string());
            self.line("_bucket", &Labels(names, labels, Some(&le)), total.into());
        }
        self.line("_sum", &Labels(names, labels, None), sum.into());
        self.line("_count", &Labels(names, labels, None), total.into());
    }

    fn line(&mut self, suffix: &str, labels: &Labels<'_>, value: Value) {
        let _ = writeln!(self.page.0, "{}{suffix}{labels} {value}", self.family.name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_labels_cannot_break_out() {
        let labels = Labels(&["agent", "x"], &["a\"b\\c\nd", "y"], Some("1"));
        assert_eq!(labels.to_string(), r#"{agent="a\"b\\c\nd",x="y",le="1"}"#);
        assert_eq!(Labels(&[], &[], None).to_string(), "");
    }

    #[test]
    fn numbers_have_no_exponent() {
        let written = |value: Value| value.to_string();
        assert_eq!(written(u64::MAX.into()), "18446744073709551615");
        assert_eq!(written(0.25.into()), "0.25");
        assert_eq!(written(Duration::from_micros(1).into()), "0.000001");
    }
}
