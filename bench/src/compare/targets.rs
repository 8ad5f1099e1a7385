//! What was to be reached, one by one, and whether it was: judged by figures of the same run, never by hand.

use std::collections::BTreeMap;

use super::series::Estimate;
use super::table::{NONE, Table, number};

/// What is asked of a figure.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Bound {
    AtMost(f64),
    AtLeast(f64),
    /// The figure itself was asked for.
    Told,
}

/// One of them.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    what: &'static str,
    unit: &'static str,
    /// What is judged, of the figures of the run; another program's are given by `--figure`.
    figure: &'static str,
    bound: Bound,
}

type Figures = BTreeMap<String, Estimate>;

/// In the order in which they were set.
pub const TARGETS: [Target; 19] = [
    Target {
        what: "C hello, warm, p50 against bare",
        unit: "x",
        figure: "C.tenant.p50_ratio",
        bound: Bound::AtMost(1.15),
    },
    Target {
        what: "C hello, warm, p95 against bare",
        unit: "x",
        figure: "C.tenant.p95_ratio",
        bound: Bound::AtMost(1.3),
    },
    Target {
        what: "C++ hello, warm, p50 against bare",
        unit: "x",
        figure: "C++.tenant.p50_ratio",
        bound: Bound::AtMost(1.15),
    },
    Target {
        what: "C++ hello, warm, p95 against bare",
        unit: "x",
        figure: "C++.tenant.p95_ratio",
        bound: Bound::AtMost(1.3),
    },
    Target {
        what: "Python hello, warm, p50 beyond bare",
        unit: " ms",
        figure: "Python.tenant.p50_beyond_ms",
        bound: Bound::AtMost(5.0),
    },
    Target {
        what: "Java (javac and java), warm, p50 against bare",
        unit: "x",
        figure: "Java.tenant.p50_ratio",
        bound: Bound::AtMost(0.6),
    },
    Target {
        what: "sustained, Python, against bare processes",
        unit: "x",
        figure: "Python.limit_to_bare",
        bound: Bound::AtLeast(0.85),
    },
    Target {
        what: "sustained, C, against bare processes",
        unit: "x",
        figure: "C.limit_to_bare",
        bound: Bound::AtLeast(0.85),
    },
    Target {
        what: "sustained, Python, against a container for each job",
        unit: "x",
        figure: "Python.limit_to_container",
        bound: Bound::AtLeast(25.0),
    },
    Target {
        what: "sustained with 30% failing jobs, against bare processes",
        unit: "x",
        figure: "mix.failing.to_bare",
        bound: Bound::AtLeast(0.7),
    },
    Target {
        what: "sustained with 1,000 scopes in turn",
        unit: " jobs/s",
        figure: "mix.scopes.rate",
        bound: Bound::Told,
    },
    Target {
        what: "null program, cache hit, whole system, p50",
        unit: " ms",
        figure: "null.cached.p50_ms",
        bound: Bound::AtMost(4.0),
    },
    Target {
        what: "null program, throughput against the floor",
        unit: "x",
        figure: "null.limit_to_floor",
        bound: Bound::AtLeast(0.8),
    },
    Target {
        what: "reuse `never`, C: CPU per job against container per job",
        unit: "x",
        figure: "cpu.C.never.to_container",
        bound: Bound::AtMost(0.5),
    },
    Target {
        what: "reuse `never`, Python: CPU per job against container per job",
        unit: "x",
        figure: "cpu.Python.never.to_container",
        bound: Bound::AtMost(0.5),
    },
    Target { what: "master alone: CPU per job", unit: " µs", figure: "master.cpu_us", bound: Bound::AtMost(100.0) },
    Target {
        what: "master alone: p99 that it adds at half its limit",
        unit: " ms",
        figure: "master.p99_ms",
        bound: Bound::AtMost(5.0),
    },
    Target {
        what: "idle: master and agent together, PSS",
        unit: " MiB",
        figure: "memory.master_and_agent_mib",
        bound: Bound::AtMost(60.0),
    },
    Target {
        what: "idle: a warm sandbox with its shim, PSS",
        unit: " MiB",
        figure: "memory.sandbox_mib",
        bound: Bound::AtMost(5.0),
    },
];

impl Bound {
    fn words(self, unit: &str) -> String {
        match self {
            Self::AtMost(most) => format!("at most {}{unit}", number(most)),
            Self::AtLeast(least) => format!("at least {}{unit}", number(least)),
            Self::Told => "the figure".to_owned(),
        }
    }

    /// The judgement is by the figure, whatever its interval; what its interval could as well have met is said.
    fn verdict(self, estimate: Estimate) -> &'static str {
        if self.is_met(estimate.value) {
            "met"
        } else if self.is_met(estimate.low) || self.is_met(estimate.high) {
            "**MISSED**, within the noise"
        } else {
            "**MISSED**"
        }
    }

    /// A value that is no number is no value.
    fn is_met(self, value: f64) -> bool {
        match self {
            Self::AtMost(most) => value <= most,
            Self::AtLeast(least) => value >= least,
            Self::Told => value.is_finite(),
        }
    }
}

/// The table; a target of which nothing was measured is neither met nor missed.
pub fn table(figures: &Figures) -> String {
    let mut table = Table::new(&["target", "asked", "measured", ""]);
    for target in TARGETS {
        let estimate = figures.get(target.figure).copied();
        let (measured, verdict) = match estimate {
            None => (NONE.to_owned(), "not measured in this run"),
            Some(estimate) => (target.words(estimate), target.bound.verdict(estimate)),
        };
        table.row(vec![target.what.into(), target.bound.words(target.unit), measured, verdict.into()]);
    }
    table.to_string()
}

impl Target {
    /// `**1.18x** (1.07 to 1.29)`, without an interval where none is known.
    fn words(&self, Estimate { value, low, high }: Estimate) -> String {
        let figure = format!("**{}{}**", number(value), self.unit);
        if low < high { format!("{figure} ({} to {})", number(low), number(high)) } else { figure }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures(named: &[(&str, f64)]) -> Figures {
        named.iter().map(|&(name, value)| (name.to_owned(), Estimate::exact(value))).collect()
    }

    fn row<'a>(table: &'a str, what: &str) -> &'a str {
        table.lines().find(|line| line.contains(what)).unwrap()
    }

    #[test]
    fn a_target_is_met_at_its_bound_and_missed_beyond_it() {
        let table =
            table(&figures(&[("C.tenant.p50_ratio", 1.15), ("C++.tenant.p50_ratio", 1.16), ("C.limit_to_bare", 0.84)]));
        assert!(row(&table, "| C hello, warm, p50").ends_with("| **1.15x** | met |"), "{table}");
        assert!(row(&table, "| C++ hello, warm, p50").ends_with("| **1.16x** | **MISSED** |"), "{table}");
        assert!(row(&table, "sustained, C,").ends_with("| **0.84x** | **MISSED** |"), "{table}");
    }

    #[test]
    fn a_miss_whose_interval_touches_the_bound_is_a_miss_within_the_noise() {
        let judged = |value, low, high| Bound::AtMost(1.15).verdict(Estimate { value, low, high });
        assert_eq!(judged(1.18, 1.15, 1.29), "**MISSED**, within the noise");
        assert_eq!(judged(1.18, 1.16, 1.29), "**MISSED**");
        assert_eq!(judged(1.14, 1.0, 1.29), "met");
        let least = Estimate { value: 0.8, low: 0.7, high: 0.85 };
        assert_eq!(Bound::AtLeast(0.85).verdict(least), "**MISSED**, within the noise");
        let measured = Figures::from([("C.limit_to_bare".to_owned(), least)]);
        let expected = "| **0.80x** (0.70 to 0.85) | **MISSED**, within the noise |";
        assert!(row(&table(&measured), "sustained, C,").ends_with(expected));
    }

    #[test]
    fn what_was_not_measured_is_neither_met_nor_missed() {
        let table = table(&figures(&[("Python.tenant.p50_ms", 20.0)]));
        assert!(row(&table, "Python hello, warm").ends_with("| – | not measured in this run |"), "{table}");
        assert!(!table.contains("MISSED") && !table.contains("| met |"), "{table}");
    }

    #[test]
    fn a_figure_that_was_asked_for_by_itself_is_told() {
        let table = table(&figures(&[("mix.scopes.rate", 7.0)]));
        assert!(row(&table, "1,000 scopes").ends_with("| the figure | **7.00 jobs/s** | met |"), "{table}");
    }

    #[test]
    fn a_figure_that_is_no_number_meets_nothing() {
        assert!([Bound::AtMost(1.0), Bound::AtLeast(1.0), Bound::Told].iter().all(|bound| !bound.is_met(f64::NAN)));
    }
}
