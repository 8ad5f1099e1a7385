//! Which APIs of others are served.

/// Flags of the doors.
#[derive(Clone, Debug, clap::Args)]
pub struct DoorArgs {
    /// Serve Piston's API at /api/v2 too, as a Piston of one's own does, beside /api/v2/piston
    #[arg(long, env = "ENCLOS_PISTON_ROOT")]
    pub piston_root: bool,
}

/// Which doors there are.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Doors {
    /// Piston's API also at `/api/v2`.
    pub piston_root: bool,
}

impl From<&DoorArgs> for Doors {
    fn from(args: &DoorArgs) -> Self {
        let DoorArgs { piston_root } = *args;
        Self { piston_root }
    }
}
