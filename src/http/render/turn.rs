//! What a job was expected to use.

use crate::http::wire;
use crate::store::{Level, Prediction};

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
