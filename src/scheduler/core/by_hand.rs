//! Who is next, found by a look at every line: what the pass must come to without it.

use std::collections::BTreeSet;

use enclos_protocol::ids::{AgentName, JobId};

use super::{Core, Moment};
use crate::queue::Cursor;
use crate::scheduler::placement::{self, Ask};

impl Core {
    /// The first job in fair order that fits somewhere, and where, while agents are kept free for those
    /// before it that fit nowhere and wait for long; and whether some are.
    fn by_hand(&self, now: Moment) -> Option<(JobId, AgentName, bool)> {
        let (mut cursor, mut held) = (Cursor::default(), BTreeSet::new());
        while let Some(head) = self.queue.next(&mut cursor) {
            if !self.may_have_more(&head.demand.tenant) {
                continue;
            }
            let job = &self.jobs[&head.job];
            let (avoid, compile_key) = (job.avoid.as_ref(), job.compile_key);
            let ask = Ask { demand: &head.demand, avoid, held: &held, compile_key };
            let fits_here = self.report_bytes + head.demand.report_bytes <= self.policy.report_bytes_max;
            let agent = placement::choose(&self.fleet, ask, now.instant).filter(|_| fits_here);
            if let Some(agent) = agent {
                return Some((head.job, agent.name.clone(), !held.is_empty()));
            }
            if self.waits_for_long(head.job, now) {
                held.extend(placement::hold(&self.fleet, &head.demand).map(|agent| agent.name.clone()));
            }
        }
        None
    }

    /// A job that is to be given out is who is next. Where agents are kept free, a pass goes by how
    /// the tenants stood when it met them, and what went since may have changed that.
    pub(super) fn is_as_by_hand(&self, job: JobId, agent: &AgentName, now: Moment) {
        match self.by_hand(now) {
            Some((.., true)) => {}
            next => assert_eq!(next, Some((job, agent.clone(), false)), "another is before it"),
        }
    }

    /// Nothing is left that could go; but where more lines wait than a pass looks at one by one.
    pub(in crate::scheduler) fn is_done(&self, now: Moment) -> bool {
        self.by_hand(now).is_none()
    }
}
