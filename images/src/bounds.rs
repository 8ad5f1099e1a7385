//! Default, smallest and largest value of each limit.

use enclos_protocol::limits::StepLimits;
use serde::{Deserialize, Serialize};

const MIB: u64 = 1024 * 1024;

/// Bounds of one limit; `min <= default <= max`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Bound {
    /// Where a submission says nothing.
    pub default: u64,
    /// Smallest that may be asked for.
    pub min: u64,
    /// Largest that may be asked for.
    pub max: u64,
}

const fn bound(default: u64, min: u64, max: u64) -> Bound {
    Bound { default, min, max }
}

/// What a `language.toml` may change of a bound.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Override {
    default: Option<u64>,
    min: Option<u64>,
    max: Option<u64>,
}

macro_rules! limit_bounds {
    ($($(#[$doc:meta])* $field:ident),+ $(,)?) => {
        /// Bounds of every limit of a step, in the units of [`StepLimits`].
        #[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
        pub struct LimitBounds { $($(#[$doc])* pub $field: Bound,)+ }

        /// The bounds that a `language.toml` changes.
        #[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize)]
        #[serde(deny_unknown_fields)]
        pub struct LimitOverrides { $(#[serde(default)] $field: Override,)+ }

        impl LimitBounds {
            /// Name and bound of every limit.
            #[must_use]
            pub fn fields(&self) -> Vec<(&'static str, Bound)> {
                vec![$((stringify!($field), self.$field),)+]
            }

            /// These bounds with `changes` made.
            ///
            /// # Errors
            /// A sentence that names the limit whose bounds contradict each other.
            pub fn with(mut self, changes: &LimitOverrides) -> Result<Self, String> {
                $(self.$field = changed(stringify!($field), self.$field, changes.$field)?;)+
                Ok(self)
            }
        }
    };
}

limit_bounds! {
    /// CPU time, milliseconds.
    cpu_ms,
    /// Wall time, milliseconds.
    wall_ms,
    /// Memory, bytes.
    memory_bytes,
    /// Processes and threads.
    pids,
    /// Bytes of each stream that may be produced.
    output_bytes,
    /// Bytes of each stream that are kept.
    report_bytes,
    /// Bytes of one file.
    file_bytes,
    /// Bytes of stack.
    stack_bytes,
    /// Thousandths of a core.
    cpu_millis,
}

fn changed(field: &str, old: Bound, change: Override) -> Result<Bound, String> {
    let new = Bound {
        default: change.default.unwrap_or(old.default),
        min: change.min.unwrap_or(old.min),
        max: change.max.unwrap_or(old.max),
    };
    if new.min <= new.default && new.default <= new.max {
        Ok(new)
    } else {
        Err(format!("limits: {field} needs min {} <= default {} <= max {}", new.min, new.default, new.max))
    }
}

/// Bounds of a compile step where the language says nothing else.
pub const COMPILE: LimitBounds = LimitBounds {
    cpu_ms: bound(10_000, 100, 60_000),
    wall_ms: bound(30_000, 100, 120_000),
    memory_bytes: bound(512 * MIB, 16 * MIB, 2048 * MIB),
    pids: bound(64, 8, 256),
    output_bytes: bound(MIB, 1, 16 * MIB),
    report_bytes: bound(64 * 1024, 0, MIB),
    file_bytes: bound(256 * MIB, 4096, 1024 * MIB),
    stack_bytes: bound(64 * MIB, 64 * 1024, 512 * MIB),
    cpu_millis: bound(1000, 100, 1000),
};

/// Bounds of a run where the language says nothing else.
pub const RUN: LimitBounds = LimitBounds {
    cpu_ms: bound(10_000, 10, 60_000),
    wall_ms: bound(20_000, 10, 120_000),
    memory_bytes: bound(256 * MIB, 4 * MIB, 2048 * MIB),
    pids: bound(64, 1, 512),
    output_bytes: bound(16 * MIB, 1, 64 * MIB),
    report_bytes: bound(64 * 1024, 0, 4 * MIB),
    file_bytes: bound(64 * MIB, 0, 1024 * MIB),
    stack_bytes: bound(64 * MIB, 64 * 1024, 512 * MIB),
    cpu_millis: bound(1000, 100, 1000),
};

impl LimitBounds {
    /// The limits of a submission that asks for none.
    #[must_use]
    pub fn defaults(&self) -> StepLimits {
        StepLimits {
            cpu_ms: self.cpu_ms.default,
            wall_ms: self.wall_ms.default,
            memory_bytes: self.memory_bytes.default,
            pids: u32::try_from(self.pids.default).unwrap_or(u32::MAX),
            output_bytes: self.output_bytes.default,
            report_bytes: self.report_bytes.default,
            file_bytes: self.file_bytes.default,
            stack_bytes: self.stack_bytes.default,
            cpu_millis: u32::try_from(self.cpu_millis.default).unwrap_or(u32::MAX),
        }
    }
}
