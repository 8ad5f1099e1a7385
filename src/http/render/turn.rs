//! When a job gets its turn, and what it was expected to use.

use crate::access::Priority;
use crate::http::wire;
use crate::store::{Level, Prediction};

pub(super) fn priority(priority: Priority) -> wire::PriorityName {
    match priority {
        Priority::Low => wire::PriorityName::Low,
        Priority::Normal => wire::PriorityName::Normal,
        Priority::High => wire::PriorityName::High,
    }
}

/// Times are rounded up, as those of steps are, so that the two can be held against each other.
pub(super) fn prediction(prediction: Prediction) -> wire::Prediction {
    let Prediction { cpu_us, wall_us, memory_bytes, level, observations } = prediction;
    let level = match level {
        Level::Language => wire::LevelName::Language,
        Level::Tenant => wire::LevelName::Tenant,
        Level::Source => wire::LevelName::Source,
    };
    wire::Prediction {
        cpu_ms: cpu_us.div_ceil(1000),
        wall_ms: wall_us.div_ceil(1000),
        memory_bytes,
        level,
        observations,
    }
}
