//! Limits against their bounds: refused beyond them, never clamped.

use enclos_images::Language;
use enclos_images::bounds::{Bound, LimitBounds};
use enclos_protocol::limits::StepLimits;
use serde_json::{Value, json};

use super::refusal::Refusal;
use super::submission::{StepLimitsRequest, Whole};

/// The limits of one step: what was asked for at `place` within `bounds`, else the defaults.
pub(super) fn within(
    place: &str,
    language: &Language,
    bounds: &LimitBounds,
    asked: Option<StepLimitsRequest>,
) -> Result<StepLimits, Refusal> {
    let asked = asked.unwrap_or_default();
    let check = |name: &str, bound: Bound, value: Option<u64>, unit: fn(u64) -> Value| {
        let value = value.unwrap_or(bound.default);
        let field = format!("{place}.{name}");
        if value > bound.max {
            let detail = format!("{} is above the maximum of {} for {}", unit(value), unit(bound.max), language.name);
            Err(Refusal::new(422, "limit_too_high", detail).at(field).with("maximum", unit(bound.max)))
        } else if value < bound.min {
            let detail = format!("{} is below the minimum of {} for {}", unit(value), unit(bound.min), language.name);
            Err(Refusal::new(422, "limit_too_low", detail).at(field).with("minimum", unit(bound.min)))
        } else {
            Ok(value)
        }
    };
    let whole = |name: &str, bound: Bound, value: Option<Whole>| check(name, bound, value.map(|w| w.0), |n| json!(n));
    let cpu_millis = check("cpus", bounds.cpu_millis, asked.cpus.map(|share| share.0), cores)?;
    Ok(StepLimits {
        cpu_ms: whole("cpu_ms", bounds.cpu_ms, asked.cpu_ms)?,
        wall_ms: whole("wall_ms", bounds.wall_ms, asked.wall_ms)?,
        memory_bytes: whole("memory_bytes", bounds.memory_bytes, asked.memory_bytes)?,
        pids: narrowed("pids", place, whole("pids", bounds.pids, asked.pids)?)?,
        output_bytes: whole("output_bytes", bounds.output_bytes, asked.output_bytes)?,
        report_bytes: whole("report_bytes", bounds.report_bytes, asked.report_bytes)?,
        file_bytes: whole("file_bytes", bounds.file_bytes, asked.file_bytes)?,
        stack_bytes: whole("stack_bytes", bounds.stack_bytes, asked.stack_bytes)?,
        cpu_millis: narrowed("cpus", place, cpu_millis)?,
    })
}

/// The limits of a case: what was asked for within the language's bounds, else those of the run.
pub(super) fn of_case(
    place: &str,
    language: &Language,
    run: &StepLimits,
    asked: StepLimitsRequest,
) -> Result<StepLimits, Refusal> {
    let StepLimits {
        cpu_ms,
        wall_ms,
        memory_bytes,
        pids,
        output_bytes,
        report_bytes,
        file_bytes,
        stack_bytes,
        cpu_millis,
    } = *run;
    let bounds = &language.run_bounds;
    let from = |bound: Bound, default: u64| Bound { default, ..bound };
    let bounds = LimitBounds {
        cpu_ms: from(bounds.cpu_ms, cpu_ms),
        wall_ms: from(bounds.wall_ms, wall_ms),
        memory_bytes: from(bounds.memory_bytes, memory_bytes),
        pids: from(bounds.pids, u64::from(pids)),
        output_bytes: from(bounds.output_bytes, output_bytes),
        report_bytes: from(bounds.report_bytes, report_bytes),
        file_bytes: from(bounds.file_bytes, file_bytes),
        stack_bytes: from(bounds.stack_bytes, stack_bytes),
        cpu_millis: from(bounds.cpu_millis, u64::from(cpu_millis)),
    };
    within(place, language, &bounds, Some(asked))
}

/// The larger of every limit.
pub(super) fn larger(one: StepLimits, other: StepLimits) -> StepLimits {
    StepLimits {
        cpu_ms: one.cpu_ms.max(other.cpu_ms),
        wall_ms: one.wall_ms.max(other.wall_ms),
        memory_bytes: one.memory_bytes.max(other.memory_bytes),
        pids: one.pids.max(other.pids),
        output_bytes: one.output_bytes.max(other.output_bytes),
        report_bytes: one.report_bytes.max(other.report_bytes),
        file_bytes: one.file_bytes.max(other.file_bytes),
        stack_bytes: one.stack_bytes.max(other.stack_bytes),
        cpu_millis: one.cpu_millis.max(other.cpu_millis),
    }
}

/// Only a `language.toml` with a maximum above 32 bits lets such a value come this far.
fn narrowed(name: &str, place: &str, value: u64) -> Result<u32, Refusal> {
    u32::try_from(value).map_err(|_| {
        let detail = format!("{value} does not fit 32 bits");
        Refusal::new(422, "limit_too_high", detail).at(format!("{place}.{name}")).with("maximum", u32::MAX)
    })
}

/// Thousandths of a core as the decimal number of cores that a submission has.
fn cores(millis: u64) -> Value {
    #[expect(clippy::cast_precision_loss, reason = "shown to a person; bounds are small")]
    let cores = millis as f64 / 1000.0;
    json!(cores)
}
