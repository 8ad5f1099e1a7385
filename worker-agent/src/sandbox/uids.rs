//! Which user ids programs get on this host. Pure.

use enclos_protocol::ids::AgentName;
use enclos_protocol::job::Isolation;

/// User ids of programs: two per live sandbox, because the kernel counts some limits by user, and
/// an interactor is another than the program it judges.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct UidRange {
    /// The first.
    pub first: u32,
    /// How many.
    pub count: u32,
}

impl UidRange {
    /// Where nobody else's ids are: systemd's table of reserved ranges leaves 1879048192 to 2147483647 free.
    const HOST_FIRST: u32 = 1_879_048_192;
    const HOST_COUNT: u32 = 65_536;
    /// In an engine with `userns-remap` a container has ids up to 65535 only.
    const MAPPED_FIRST: u32 = 20_000;
    const MAPPED_COUNT: u32 = 1_000;
    const MAPPED_RANGES: u32 = 40;
    const HOST_RANGES: u32 = 4_000;

    /// The range of `agent`; agents of one host rarely meet, and where they do, only in per-user counts.
    #[must_use]
    pub fn of(agent: &AgentName, isolation: Isolation) -> Self {
        // FNV-1a: any spread will do, and it must be the same over restarts.
        let hash = agent.as_str().bytes().fold(0x811c_9dc5_u32, |h, b| (h ^ u32::from(b)).wrapping_mul(0x0100_0193));
        match isolation {
            Isolation::Userns => Self {
                first: Self::MAPPED_FIRST + hash % Self::MAPPED_RANGES * Self::MAPPED_COUNT,
                count: Self::MAPPED_COUNT,
            },
            Isolation::Runc | Isolation::Gvisor => {
                Self { first: Self::HOST_FIRST + hash % Self::HOST_RANGES * Self::HOST_COUNT, count: Self::HOST_COUNT }
            }
        }
    }

    /// The id of programs in sandbox `number`.
    #[must_use]
    pub fn program(self, number: u64) -> u32 {
        let pair = u32::try_from(number % u64::from(self.count / 2)).unwrap_or(0);
        self.first + 2 * pair
    }

    /// The id of interactors in sandbox `number`.
    #[must_use]
    pub fn judge(self, number: u64) -> u32 {
        self.program(number) + 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_ids_stay_in_the_range_of_their_kind() {
        let agent: AgentName = "node-7".parse().unwrap();
        let mapped = UidRange::of(&agent, Isolation::Userns);
        assert!((0..5000).all(|n| mapped.judge(n) < 65_536));
        let host = UidRange::of(&agent, Isolation::Runc);
        assert!([0, 1, u64::MAX].into_iter().all(|n| (1_879_048_192..2_147_483_648).contains(&host.judge(n))));
        let ids: std::collections::BTreeSet<u32> = (0..8).flat_map(|n| [host.program(n), host.judge(n)]).collect();
        assert_eq!(ids.len(), 16, "no two of neighbouring sandboxes are the same");
    }
}
