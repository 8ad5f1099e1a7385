//! How many sandboxes an agent may have at once.

use super::{ConfigError, RunArgs, range};
use crate::headroom;
use crate::machine::Machine;

/// Sandboxes that a slot needs: two busy ones, for a program and its checker, and one that is closing.
const PLACES_PER_SLOT: u32 = 3;
/// Memory for jobs for each sandbox that is kept beyond those, in bytes: an idle one takes a hundredth of it.
const BYTES_PER_SPARE: u64 = 512 << 20;
/// Sandboxes beyond those where nothing is said.
const SPARE_MAX: u32 = 64;
/// Most that can be asked for.
const SANDBOXES_MAX: u32 = 4096;

/// Places for sandboxes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Places {
    /// All.
    pub sandboxes: u32,
    /// Those of them that neither slots nor the stock of the start need: for tenants that come back, and for
    /// what demand asks for.
    pub spare: u32,
}

/// Places by what was asked for; `None`: nothing is said. `stock`: unbound sandboxes that are always kept.
pub(super) fn asked(args: &RunArgs, slots: u32, stock: u32) -> Result<Option<Places>, ConfigError> {
    let least = (PLACES_PER_SLOT * slots).saturating_add(stock);
    let Some(sandboxes) = args.sandboxes else { return Ok(None) };
    if !(least..=SANDBOXES_MAX).contains(&sandboxes) {
        let may = format!("{least} (three for each slot, and those of --warm) to {SANDBOXES_MAX}");
        return Err(range("--sandboxes", may, sandboxes));
    }
    Ok(Some(Places { sandboxes, spare: sandboxes - least }))
}

/// Places where nothing is said, by the memory for jobs and what the machine has beside it; a pod has nothing.
pub(super) fn usual(args: &RunArgs, machine: &Machine, slots: u32, stock: u32, memory_bytes: u64) -> Places {
    let left = machine.memory_bytes.saturating_sub(memory_bytes) / headroom::spare_bytes(args.isolation.into(), 1);
    let spare = u32::try_from(left.min(memory_bytes / BYTES_PER_SPARE)).unwrap_or(u32::MAX).min(SPARE_MAX);
    let spare = if machine.is_pod { 0 } else { spare };
    Places { sandboxes: PLACES_PER_SLOT * slots + stock + spare, spare }
}
