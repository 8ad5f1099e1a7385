//! Jobs that had not ended when the master started.

use std::sync::Arc;
use std::time::{Duration, Instant};

use enclos_images::Catalogue;
use enclos_protocol::ids::{AgentName, AttemptId};

use crate::progress::{Holder, Progress};
use crate::queue::{Demand, cases_time};
use crate::scheduler::{Submitted, Survivor, Traits};
use crate::store::{StoredState, Unfinished, UnixTime};

/// A job of before, its live state made.
pub(super) fn survivor(catalogue: &Catalogue, progress: &Progress, job: Unfinished) -> Survivor {
    let Unfinished { record, input_bytes, failures, cancelled, scoring, compile_key } = job;
    let compiles = catalogue.by_id(&record.spec.language).is_none_or(|l| l.compile.is_some());
    progress.register(record.id, &record.spec, scoring);
    let agent = record.agent.as_deref().and_then(|name| name.parse::<AgentName>().ok());
    let holder = agent.zip(record.started).filter(|_| record.state == StoredState::Running);
    if let (Some((agent, started)), Some(token)) = (&holder, record.token) {
        let attempt = AttemptId { job: record.id, token };
        let (agent, started, attempts) = (agent.clone(), *started, record.attempts);
        progress.running(attempt, Holder { agent, started, attempts, expected: record.prediction });
    }
    let demand = Arc::new(Demand::of(&record.spec, compiles));
    let (turn, now) = (record.turn, UnixTime::now());
    Survivor {
        submitted: Submitted {
            job: record.id,
            demand,
            input_bytes,
            compile_key,
            cases_time: cases_time(&record.spec),
            priority: turn.priority,
            expires: turn.expires.map(|at| Instant::now() + Duration::from_micros(at.us_since(now))),
            traits: Traits { source: turn.source },
            waited: Duration::from_micros(now.us_since(record.created)),
        },
        attempts: record.attempts,
        failures,
        token: record.token,
        holder,
        cancelled,
    }
}
