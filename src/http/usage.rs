//! `GET /v1/usage`: what a tenant has used today, against what it may.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;

use super::query::{Nothing, Strict};
use super::{Api, render, wire};
use crate::access::{Quota, Scope};
use crate::admission::Refusal;
use crate::gate::Caller;
use crate::scheduler::Share;
use crate::store::{UnixTime, Usage, day_ends};

/// What was used today (UTC) against quota: your own, and with the scope `operate` that of all tenants.
#[utoipa::path(get, path = "/v1/usage", operation_id = "usage", tag = "operate",
    responses((status = 200, body = wire::UsageList)))]
pub(super) async fn show(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
    Strict(Nothing {}): Strict<Nothing>,
) -> Result<Response, Refusal> {
    let (now, sees_all) = (UnixTime::now(), caller.may(Scope::Operate));
    let mut used = api.store.usage((!sees_all).then(|| caller.owner()), now).await?;
    let shares = api.scheduler.shares().await?;
    used.entry(caller.owner()).or_default();
    if sees_all {
        let others = api.gate.tenants().into_iter().map(|tenant| tenant.to_string());
        for tenant in others.chain(shares.keys().map(ToString::to_string)) {
            used.entry(tenant).or_default();
        }
    }
    let tenants = used.into_iter().map(|(tenant, used)| {
        let quota = api.gate.quota_of(&tenant);
        one(tenant, used, &shares, &quota)
    });
    let list = wire::UsageList { day_ends_at: render::time(day_ends(now)), tenants: tenants.collect() };
    api.room.json(&caller, StatusCode::OK, &list)
}

fn one(tenant: String, used: Usage, shares: &HashMap<Arc<str>, Share>, quota: &Quota) -> wire::TenantUsage {
    let Usage { cpu_us, jobs, blob_bytes } = used;
    let Share { queued, running } = shares.get(tenant.as_str()).copied().unwrap_or_default();
    let measured = |used: u64, maximum: Option<u64>| wire::Measured { used, maximum };
    wire::TenantUsage {
        tenant,
        jobs_today: jobs.into_iter().collect::<BTreeMap<_, _>>(),
        cpu_ms_today: measured(cpu_us / 1000, quota.cpu_seconds_per_day.map(|s| s.saturating_mul(1000))),
        queued_jobs: measured(queued as u64, quota.queued_jobs),
        running_jobs: measured(running as u64, quota.running_jobs),
        blob_bytes: measured(blob_bytes, quota.blob_bytes),
        requests_per_second: quota.requests_per_second,
    }
}
