//! Keys and tenants for operators: what `enclos keys` and `enclos tenants` do, over the network.
//!
//! A change holds when it is answered: the gate goes by it before. So the request may end its own key,
//! and is not raced against that as all others are (`entry`); what it changes it looks at first.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::{Extension, Json};
use tokio::time::timeout;

use super::query::{Named, Nothing, Strict};
use super::wire::keys as wire;
use super::{Api, RETRY_STORE, error, render};
use crate::access::{KEY_LASTS_MAX, SettingArgs, Tenant, key_name};
use crate::admission::{Refusal, strict_json};
use crate::gate::Caller;
use crate::store::{DeskError, KeyRecord, KeyRefusal, NewKey, UnixTime};

/// Largest body of a request about keys or tenants, in bytes.
const BODY_BYTES_MAX: usize = 64 * 1024;
/// Longest wait until the gate goes by a change; it looks at once.
const GOES_BY_WAIT: Duration = Duration::from_secs(5);
/// How long a secret that was replaced works where nothing is said.
const GRACE: Duration = Duration::from_secs(24 * 3600);

/// List the keys, the oldest first, without their secrets.
#[utoipa::path(get, path = "/v1/keys", operation_id = "list_keys", tag = "operate",
    responses((status = 200, body = wire::KeyList)))]
pub(super) async fn list(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
    Strict(Nothing {}): Strict<Nothing>,
) -> Result<Response, Refusal> {
    let (keys, now) = (api.store.keys().await?, UnixTime::now());
    api.room.json(&caller, StatusCode::OK, &wire::KeyList { keys: keys.iter().map(|key| shown(key, now)).collect() })
}

/// Make a key; its secret is in this answer and in no other.
#[utoipa::path(post, path = "/v1/keys", operation_id = "create_key", tag = "operate", request_body = wire::NewKey,
    responses((status = 201, body = wire::KeyWithSecret,
               headers(("Location" = String, description = "the key, by its id")))))]
pub(super) async fn create(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
    Strict(Nothing {}): Strict<Nothing>,
    request: Request,
) -> Result<Response, Refusal> {
    let wire::NewKey { tenant, scopes, name, lasts_ms } = body(&api, &caller, request).await?;
    let new = NewKey {
        tenant: tenant_of(&tenant).map_err(|detail| error::invalid_value("tenant", detail))?,
        name: key_name(name.as_deref().unwrap_or_default())
            .map_err(|detail| error::invalid_value("name", format!("a name {detail}")))?,
        scopes: wire::scopes(&scopes).ok_or_else(|| error::invalid_value("scopes", "a key has at least one scope"))?,
        lasts: lasts_ms.map(|ms| time("lasts_ms", ms, 1)).transpose()?,
    };
    let now = UnixTime::now();
    let (key, secret, change) = api.store.create_key(new, now).await?;
    // Its secret is told whether it works by now or in a moment: it is told once.
    if !goes_by(&api, change).await {
        tracing::warn!(key = %key.id, "a key was made that the gate does not go by yet");
    }
    let place = format!("/v1/keys/{}", key.id);
    let made = wire::KeyWithSecret { key: shown(&key, now), secret: secret.expose().to_owned() };
    Ok((StatusCode::CREATED, [(header::LOCATION, place)], secret_answer(made)).into_response())
}

/// Show a key, without its secret.
#[utoipa::path(get, path = "/v1/keys/{key}", operation_id = "show_key", tag = "operate",
    params(("key" = String, Path)),
    responses((status = 200, body = wire::Key)))]
pub(super) async fn show(
    State(api): State<Arc<Api>>,
    Named(id): Named<String>,
    Strict(Nothing {}): Strict<Nothing>,
) -> Result<Json<wire::Key>, Refusal> {
    let key = api.store.key(id).await?.ok_or_else(error::not_found)?;
    Ok(Json(shown(&key, UnixTime::now())))
}

/// Make a new secret for a key; the old one works for a while.
#[utoipa::path(post, path = "/v1/keys/{key}/rotate", operation_id = "rotate_key", tag = "operate",
    params(("key" = String, Path)), request_body = wire::Rotation,
    responses((status = 200, body = wire::KeyWithSecret)))]
pub(super) async fn rotate(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
    Named(id): Named<String>,
    Strict(Nothing {}): Strict<Nothing>,
    request: Request,
) -> Result<Response, Refusal> {
    let wire::Rotation { grace_ms } = body(&api, &caller, request).await?;
    let grace = grace_ms.map_or(Ok(GRACE), |ms| time("grace_ms", ms, 0))?;
    let now = UnixTime::now();
    let (key, secret, change) = api.store.rotate_key(id, grace, now).await?;
    if !goes_by(&api, change).await {
        tracing::warn!(key = %key.id, "a key was rotated that the gate does not go by yet");
    }
    Ok(secret_answer(wire::KeyWithSecret { key: shown(&key, now), secret: secret.expose().to_owned() }))
}

/// End a key for good, again and again if you like; what it has running ends, too.
#[utoipa::path(post, path = "/v1/keys/{key}/revoke", operation_id = "revoke_key", tag = "operate",
    params(("key" = String, Path)), request_body = super::wire::Empty,
    responses((status = 200, body = wire::Key)))]
pub(super) async fn revoke(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
    Named(id): Named<String>,
    Strict(Nothing {}): Strict<Nothing>,
    request: Request,
) -> Result<Json<wire::Key>, Refusal> {
    api.bodies.read_nothing(request).await?;
    still_let_in(&caller)?;
    let now = UnixTime::now();
    let change = api.store.revoke_key(id.clone(), now).await?;
    holds(&api, change).await?;
    let key = api.store.key(id).await?.ok_or_else(error::not_found)?;
    Ok(Json(shown(&key, now)))
}

/// Show the settings of every tenant that has any.
#[utoipa::path(get, path = "/v1/tenants", operation_id = "list_tenants", tag = "operate",
    responses((status = 200, body = wire::TenantList)))]
pub(super) async fn tenants(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
    Strict(Nothing {}): Strict<Nothing>,
) -> Result<Response, Refusal> {
    let all = api.store.settings().await?;
    let tenants = all.iter().map(|(tenant, settings)| wire::Tenant::of(tenant, settings)).collect();
    api.room.json(&caller, StatusCode::OK, &wire::TenantList { tenants })
}

/// Change what a tenant may use; what is not given stays.
#[utoipa::path(post, path = "/v1/tenants/{tenant}", operation_id = "set_tenant", tag = "operate",
    params(("tenant" = String, Path)), request_body = wire::TenantSettings,
    responses((status = 200, body = wire::Tenant)))]
pub(super) async fn set_tenant(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
    Named(tenant): Named<String>,
    Strict(Nothing {}): Strict<Nothing>,
    request: Request,
) -> Result<Json<wire::Tenant>, Refusal> {
    // A name that none can have is that of nobody.
    let tenant = tenant_of(&tenant).map_err(|_| error::not_found())?;
    let asked: wire::TenantSettings = body(&api, &caller, request).await?;
    let mut given = SettingArgs::default();
    for (name, text) in asked.texts() {
        given.give(name, &text).map_err(|detail| error::invalid_value(name, detail))?;
    }
    if given.is_empty() {
        return Err(Refusal::new(422, "invalid_value", "give at least one setting"));
    }
    let (settings, change) = api.store.set_tenant(tenant.clone(), given).await?;
    holds(&api, change).await?;
    Ok(Json(wire::Tenant::of(&tenant, &settings)))
}

/// The body, of a caller whose key has not ended while it came.
async fn body<T: serde::de::DeserializeOwned>(api: &Api, caller: &Caller, request: Request) -> Result<T, Refusal> {
    let body = api.bodies.read(request, BODY_BYTES_MAX).await?;
    let asked = strict_json(&body.bytes)?;
    still_let_in(caller)?;
    Ok(asked)
}

fn still_let_in(caller: &Caller) -> Result<(), Refusal> {
    if caller.ended.is_cancelled() { Err(error::no_such_key()) } else { Ok(()) }
}

fn tenant_of(text: &str) -> Result<Tenant, String> {
    text.parse().map_err(|error: crate::access::NotAName| error.to_string())
}

fn time(field: &str, ms: u64, min: u64) -> Result<Duration, Refusal> {
    let max = render::millis(KEY_LASTS_MAX);
    if (min..=max).contains(&ms) {
        return Ok(Duration::from_millis(ms));
    }
    let detail = format!("{field} is a whole number of milliseconds from {min} to {max}");
    Err(error::invalid_value(field, detail).with("maximum", max))
}

/// Whether the gate goes by this change by now.
async fn goes_by(api: &Api, change: u64) -> bool {
    timeout(GOES_BY_WAIT, api.gate.goes_by(change)).await.is_ok()
}

async fn holds(api: &Api, change: u64) -> Result<(), Refusal> {
    if goes_by(api, change).await {
        return Ok(());
    }
    Err(error::unavailable("it is kept, and holds as soon as the store answers again", RETRY_STORE))
}

/// What holds a secret is in nobody's cache.
fn secret_answer(made: wire::KeyWithSecret) -> Response {
    let mut response = Json(made).into_response();
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn shown(key: &KeyRecord, now: UnixTime) -> wire::Key {
    let KeyRecord { id, tenant, name, scopes, created, expires, revoked } = key;
    wire::Key {
        id: id.to_string(),
        tenant: tenant.to_string(),
        name: name.clone(),
        scopes: wire::scope_names(*scopes),
        state: match revoked {
            Some(_) => wire::KeyState::Revoked,
            None if key.works(now) => wire::KeyState::Works,
            None => wire::KeyState::Expired,
        },
        created_at: render::time(*created),
        expires_at: expires.map(render::time),
        revoked_at: revoked.map(render::time),
    }
}

impl From<DeskError> for Refusal {
    fn from(failure: DeskError) -> Self {
        match failure {
            DeskError::Store(failure) => failure.into(),
            DeskError::Refused(KeyRefusal::NoSuchKey(_)) => error::not_found(),
            DeskError::Refused(KeyRefusal::Ended(_)) => {
                Self::new(409, "key_ended", "this key was revoked or has expired; make a new one")
            }
            DeskError::Refused(refusal @ KeyRefusal::TooMany(..)) => Self::new(429, "too_many", refusal.to_string()),
            DeskError::Open(_) | DeskError::OtherVersion { .. } => error::internal(),
        }
    }
}
