//! Limits: Piston's rules and words, over the bounds of the language.
//!
//! Zero asks for nothing here, so it is the default. With Piston it switches a limit off.

use enclos_images::bounds::{Bound, LimitBounds};
use serde_json::value::RawValue;

use super::refused;
use super::request::StepLimits;
use crate::admission::{Refusal, StepLimitsRequest, Whole};

/// Time of a run where a client says nothing, on the clock and of the processor, in milliseconds.
const RUN_MS_DEFAULT: u64 = 3_000;
/// Of a compiler.
const COMPILE_MS_DEFAULT: u64 = 10_000;

/// A stage as Piston names it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Stage {
    Compile,
    Run,
}

impl Stage {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Compile => "compile",
            Self::Run => "run",
        }
    }

    const fn ms_default(self) -> u64 {
        match self {
            Self::Compile => COMPILE_MS_DEFAULT,
            Self::Run => RUN_MS_DEFAULT,
        }
    }
}

/// The limits of a stage as a submission asks for them.
///
/// # Errors
/// [`Refusal`] in Piston's words; also where a limit is below the smallest that there is, which Piston knows not.
pub(super) fn of_stage(
    stage: Stage,
    asked: StepLimits<'_>,
    bounds: &LimitBounds,
) -> Result<StepLimitsRequest, Refusal> {
    let name = |limit: &str| format!("{}_{limit}", stage.as_str());
    let time = |limit: &str, raw, bound: Bound| {
        let asked = checked(&name(limit), raw, bound, false)?;
        let ms = asked.unwrap_or_else(|| stage.ms_default().clamp(bound.min, bound.max));
        Ok::<_, Refusal>(Some(Whole(ms)))
    };
    let memory_bytes = checked(&name("memory_limit"), asked.memory_limit, bounds.memory_bytes, true)?.map(Whole);
    let wall_ms = time("timeout", asked.timeout, bounds.wall_ms)?;
    let cpu_ms = time("cpu_time", asked.cpu_time, bounds.cpu_ms)?;
    let mut limits = StepLimitsRequest { memory_bytes, wall_ms, cpu_ms, ..StepLimitsRequest::default() };
    if stage == Stage::Run {
        // An answer has no word for output that it leaves out: what it cannot hold is a limit that was passed.
        let report = bounds.report_bytes.default;
        limits.report_bytes = Some(Whole(report));
        limits.output_bytes = Some(Whole(report.clamp(bounds.output_bytes.min, bounds.output_bytes.max)));
    }
    Ok(limits)
}

/// The limit asked for, if one is; `is_memory`: -1, which clients send for "as much as there is", asks for none.
fn checked(field: &str, raw: Option<&RawValue>, bound: Bound, is_memory: bool) -> Result<Option<u64>, Refusal> {
    let Some(raw) = raw.map(RawValue::get).filter(|raw| !matches!(*raw, "false" | "\"\"")) else { return Ok(None) };
    let asked: f64 =
        serde_json::from_str(raw).map_err(|_| refused(format!("If specified, {field} must be a number")))?;
    #[expect(clippy::float_cmp, reason = "-1 and 0 are said exactly or not at all")]
    if asked == 0.0 || (is_memory && asked == -1.0) {
        return Ok(None);
    }
    if asked < 0.0 {
        return Err(refused(format!("{field} must be non-negative")));
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "not negative; above u64 it saturates")]
    let whole = asked.ceil() as u64;
    if whole > bound.max {
        return Err(refused(format!("{field} cannot exceed the configured limit of {}", bound.max)));
    }
    if whole < bound.min {
        return Err(refused(format!("{field} must be at least {}", bound.min)));
    }
    Ok(Some(whole))
}
