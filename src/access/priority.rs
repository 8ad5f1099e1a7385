//! How urgent a job is to whoever submits it.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The class of a job. A later one goes first; what gets no turn rises, so none waits for ever.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Priority {
    /// When nothing else waits.
    Low,
    /// As most jobs.
    #[default]
    Normal,
    /// Before the others.
    High,
}

impl Priority {
    /// Every class, the lowest first.
    pub const ALL: [Self; 3] = [Self::Low, Self::Normal, Self::High];

    /// Its name, as clients write it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Normal => "normal",
            Self::High => "high",
        }
    }

    /// The class with this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|class| class.as_str() == name)
    }

    /// Its place among the classes.
    #[must_use]
    pub const fn index(self) -> usize {
        self as usize
    }

    /// The class that jobs of this one stand in which had no turn for so long and rise by one
    /// every `ageing`.
    #[must_use]
    pub fn aged(self, waited: Duration, ageing: Duration) -> Self {
        let risen = waited.as_nanos() / ageing.as_nanos().max(1);
        let above = usize::try_from(risen).unwrap_or(usize::MAX).min(Self::ALL.len());
        Self::ALL[(self.index() + above).min(Self::ALL.len() - 1)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_rises_by_one_class_in_each_span_and_stays_at_the_top() {
        let ageing = Duration::from_secs(60);
        let after = |class: Priority, seconds| class.aged(Duration::from_secs(seconds), ageing);
        assert_eq!(after(Priority::Low, 59), Priority::Low);
        assert_eq!(after(Priority::Low, 60), Priority::Normal);
        assert_eq!(after(Priority::Low, 120), Priority::High);
        assert_eq!(after(Priority::Normal, 1 << 40), Priority::High);
        assert_eq!(Priority::High.aged(Duration::MAX, Duration::ZERO), Priority::High);
    }

    #[test]
    fn every_class_is_known_by_its_name() {
        for class in Priority::ALL {
            assert_eq!(Priority::named(class.as_str()), Some(class));
        }
        assert_eq!(Priority::named("urgent"), None);
    }
}
