//! What is told of how it goes, of all or of one tenant.

use std::sync::Arc;

use enclos_protocol::agent_link::{ImageState, OfferedLanguage};

use super::super::{Api, fleet, render, wire as whole};
use super::wire;
use crate::admission::Refusal;
use crate::pulse::{Quantiles, Rates};
use crate::queue::{Survey, Waits};
use crate::scheduler::AgentView;
use crate::store::UnixTime;

/// Rows of what waits that are told one by one.
const ROWS_MAX: usize = 50;
/// Agents that are told one by one.
const AGENTS_MAX: usize = 1000;

/// Of whom it is.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) enum View {
    /// Of all, with the agents.
    All,
    /// Of one tenant.
    Tenant(Arc<str>),
}

impl View {
    pub(super) fn tenant(&self) -> Option<&str> {
        match self {
            Self::All => None,
            Self::Tenant(tenant) => Some(tenant),
        }
    }
}

/// How it goes now.
pub(super) async fn stats(api: &Api, view: &View, now: UnixTime) -> Result<wire::Stats, Refusal> {
    let tenant = view.tenant();
    let survey = api.scheduler.survey(tenant.map(Arc::from), ROWS_MAX).await?;
    let vital = api.metrics.pulse.vital(tenant);
    let mut stats = wire::Stats {
        at: render::time(now),
        queued: 0,
        running: 0,
        finished: None,
        agents: None,
        agents_suspect: None,
        queue: rows(&survey),
        rates: rates(vital.rates),
        waits: quantiles(vital.waits),
        runs: quantiles(vital.runs),
        outcomes: vital.outcomes,
        refusals: vital.refusals,
        agents_detail: None,
    };
    match tenant {
        Some(tenant) => {
            stats.queued = survey.groups.iter().map(|group| group.waits.jobs).sum::<usize>() + survey.other.jobs;
            stats.running = api.scheduler.shares().await?.get(tenant).map_or(0, |share| share.running);
        }
        None => {
            let (totals, agents) = (api.scheduler.totals().await?, api.scheduler.agents().await?);
            (stats.queued, stats.running, stats.finished) =
                (totals.queued, totals.running, Some(api.feed.finished(api).await?));
            (stats.agents, stats.agents_suspect) = (Some(totals.agents_connected), Some(totals.agents_suspect));
            stats.agents_detail = Some(agents.iter().take(AGENTS_MAX).map(live).collect());
        }
    }
    Ok(stats)
}

fn rows(survey: &Survey) -> Vec<wire::QueueRow> {
    let row = |named: Option<(&str, &str, whole::PriorityName)>, waits: Waits| wire::QueueRow {
        tenant: named.map(|(tenant, ..)| tenant.to_owned()),
        language: named.map(|(_, language, _)| language.to_owned()),
        priority: named.map(|(.., priority)| priority),
        count: waits.jobs,
        oldest_ms: render::millis(waits.oldest),
    };
    let groups = survey.groups.iter();
    let mut rows: Vec<_> =
        groups.map(|group| row(Some((&group.tenant, &group.language, group.priority.into())), group.waits)).collect();
    if survey.other.jobs > 0 {
        rows.push(row(None, survey.other));
    }
    rows
}

fn rates(rates: Rates) -> wire::StatsRates {
    let Rates { accepted, ended, refused } = rates;
    wire::StatsRates { accepted_per_s: accepted, ended_per_s: ended, refused_per_s: refused }
}

fn quantiles(of: Option<Quantiles>) -> wire::StatsQuantiles {
    wire::StatsQuantiles { p50_ms: of.map(|q| q.p50_ms), p99_ms: of.map(|q| q.p99_ms) }
}

/// What of an agent is not the same from second to second.
fn live(view: &AgentView) -> wire::LiveAgent {
    let whole::Agent {
        name,
        state,
        embedded,
        isolation,
        reuse,
        build,
        capacity,
        load,
        running,
        sandboxes,
        unclean_jobs,
        memory_promised_bytes,
        last_seen_ms,
        ..
    } = fleet::agent_in_brief(view);
    let languages = &view.load.languages;
    wire::LiveAgent {
        name,
        state,
        embedded,
        isolation,
        reuse,
        build,
        capacity,
        load,
        running,
        sandboxes,
        unclean_jobs,
        warm: languages.iter().map(|language| language.warm).sum(),
        languages_ready: languages.iter().filter(|language| language.image == ImageState::Ready).count(),
        languages: languages.iter().filter_map(live_language).collect(),
        memory_promised_bytes,
        // A heartbeat a second: what is finer would change each time, and say nothing.
        last_seen_ms: last_seen_ms / 1000 * 1000,
    }
}

/// One whose image is absent, or ready and not in use, is the same from hour to hour.
fn live_language(offered: &OfferedLanguage) -> Option<wire::LiveLanguage> {
    let is_quiet = matches!(offered.image, ImageState::Absent | ImageState::Ready) && offered.warm == 0;
    let whole::AgentLanguage { id, version: _, image, progress, reason, warm } =
        Some(offered).filter(|_| !is_quiet).map(fleet::agent_language)?;
    Some(wire::LiveLanguage { id, image, warm, progress, reason })
}

/// Whether two say the same, whenever they were made.
pub(super) fn is_same(one: &wire::Stats, other: &wire::Stats) -> bool {
    wire::Stats { at: other.at.clone(), ..one.clone() } == *other
}
