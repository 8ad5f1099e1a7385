//! How the pool is sized: by one number for each image, or by demand.

use std::time::Duration;

use enclos_agent::pool::Bounds;

/// Jobs at once, as an agent with [`CORES`] takes them.
pub const SLOTS: usize = 4;
/// Cores.
pub const CORES: usize = 2;
/// Places beyond those of slots and stock, of an agent that offers 6 GiB.
const SPARE: usize = 12;

/// How the pool is sized.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Policy {
    /// So many of each image, made anew at once, and a bound one kept for a minute.
    Fixed(usize),
    /// The same with the places and the patience that `Adaptive` has.
    Roomy(usize),
    /// At least so many, and more by demand.
    Adaptive(usize),
}

impl Policy {
    /// All, those by number first.
    pub const ALL: [Self; 11] = [
        Self::Fixed(0),
        Self::Fixed(1),
        Self::Fixed(2),
        Self::Fixed(4),
        Self::Fixed(8),
        Self::Roomy(0),
        Self::Roomy(1),
        Self::Roomy(2),
        Self::Roomy(4),
        Self::Adaptive(0),
        Self::Adaptive(2),
    ];

    /// Its name.
    pub fn name(self) -> String {
        match self {
            Self::Fixed(count) => format!("fixed {count}"),
            Self::Roomy(count) => format!("fixed {count}, roomy"),
            Self::Adaptive(count) => format!("adaptive, {count} at least"),
        }
    }

    /// It follows demand.
    pub fn is_adaptive(&self) -> bool {
        matches!(self, Self::Adaptive(_))
    }

    /// It has a number for each image, whatever comes.
    pub fn is_fixed(&self) -> bool {
        !self.is_adaptive()
    }

    /// Sandboxes of each image that are asked for.
    pub fn stock(self) -> usize {
        match self {
            Self::Fixed(count) | Self::Roomy(count) | Self::Adaptive(count) => count,
        }
    }

    /// The plan's bounds for so many images.
    pub fn bounds(self, images: usize) -> Bounds {
        let sandboxes_max = 3 * SLOTS + images * self.stock();
        let before = Bounds {
            first_number: 1,
            sandboxes_max,
            starting_max: CORES,
            cores: usize::MAX,
            stock_max: 0,
            bindings_max: 0,
            bound_idle_max: Duration::from_secs(60),
            age_max: Duration::from_secs(3600),
            jobs_max: 1000,
            retry_after: Duration::from_secs(10),
        };
        let roomy = Bounds { sandboxes_max: sandboxes_max + SPARE, bound_idle_max: Duration::from_secs(900), ..before };
        match self {
            Self::Fixed(_) => before,
            Self::Roomy(_) => roomy,
            Self::Adaptive(_) => {
                Bounds { cores: CORES, stock_max: roomy.sandboxes_max - 2 * SLOTS, bindings_max: 4096, ..roomy }
            }
        }
    }
}
