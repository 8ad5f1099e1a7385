//! Who may speak on the link port: a shared token where it is loopback, a certificate where it is TLS.
//!
//! TLS has verified the chain and the dates when the connection began; what a
//! later moment may have changed is looked at here for every request, and for
//! as long as a session lives.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use axum::body::to_bytes;
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use enclos_protocol::ids::AgentName;
use enclos_protocol::join::{Admitted, JOIN_BYTES_MAX, JoinRequest, LinkRefusal, RefusalCode, RenewRequest};
use enclos_tls::certificate::Facts;
use serde::de::DeserializeOwned;

use super::Link;
use crate::config::JoinToken;
use crate::listen::tls::Shown;
use crate::pki::Members;

/// Longest that the end of a certificate is waited for without a look at the clock.
const SLEEP_MAX: Duration = Duration::from_secs(3600);

/// What an agent must show.
#[derive(Clone, Debug)]
pub enum Entry {
    /// The shared join token.
    Token(JoinToken),
    /// A certificate.
    Certificate(Arc<Members>),
}

/// Who has shown a certificate that holds.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Member {
    pub(super) name: AgentName,
    facts: Facts,
}

/// Lets through who has shown what is asked for. A [`Member`] goes with the request where it has one.
pub(super) async fn require(State(link): State<Link>, mut request: Request, next: Next) -> Response {
    let admitted = match &link.entry {
        Entry::Token(token) => bearer(&request, token).map(|()| None),
        Entry::Certificate(members) => member(&request, members).map(Some),
    };
    match admitted {
        Ok(member) => {
            request.extensions_mut().insert(member);
            next.run(request).await
        }
        Err(refusal) => refused(&link, &refusal),
    }
}

fn bearer(request: &Request, token: &JoinToken) -> Result<(), LinkRefusal> {
    let shown = request.headers().get(header::AUTHORIZATION).and_then(|v| v.to_str().ok());
    let shown = shown.and_then(|text| text.strip_prefix("Bearer "));
    if shown.is_some_and(|shown| token.matches(shown)) {
        Ok(())
    } else {
        Err(refusal(RefusalCode::JoinToken, "the join token is missing or wrong"))
    }
}

fn member(request: &Request, members: &Members) -> Result<Member, LinkRefusal> {
    let shown = request.extensions().get::<Shown>().and_then(|shown| shown.0.as_ref());
    let Some(certificate) = shown else {
        let what = "agents show a certificate here; `enclos agents token` makes a one-time token for one";
        return Err(refusal(RefusalCode::CertificateMissing, what));
    };
    let unfit = |what| refusal(RefusalCode::CertificateUnfit, what);
    let facts = Facts::of(certificate).map_err(|_| unfit("the certificate cannot be read"))?;
    let name = facts.agent().ok_or_else(|| unfit("the common name of the certificate is no agent's name"))?;
    // TLS asks for it only where a certificate says what it is for.
    if !facts.client_auth {
        return Err(unfit("the certificate does not say that a client may show it (extended key usage clientAuth)"));
    }
    let member = Member { name, facts };
    match member.ended(members) {
        Some(refusal) => Err(refusal),
        None => Ok(member),
    }
}

impl Member {
    fn ended(&self, members: &Members) -> Option<LinkRefusal> {
        if members.revoked().borrow().contains(&self.facts.serial) {
            return Some(refusal(RefusalCode::CertificateRevoked, "the certificate was revoked"));
        }
        (self.facts.not_after <= SystemTime::now())
            .then(|| refusal(RefusalCode::CertificateExpired, "the certificate has ended"))
    }

    /// Waits until its certificate does not hold any more. Cancel-safe: it only waits.
    async fn until_ended(&self, members: &Members) -> LinkRefusal {
        let mut revoked = members.revoked();
        loop {
            if let Some(refusal) = self.ended(members) {
                return refusal;
            }
            let left = self.facts.not_after.duration_since(SystemTime::now()).unwrap_or_default();
            // A moment more, so that the clock has passed the end; and the clock may be set meanwhile.
            let left = left.min(SLEEP_MAX) + Duration::from_millis(1);
            tokio::select! {
                Ok(()) = revoked.changed() => {}
                () = tokio::time::sleep(left) => {}
            }
        }
    }
}

/// A first certificate.
pub(super) async fn join(State(link): State<Link>, request: Request) -> Response {
    let Entry::Certificate(members) = &link.entry else { return StatusCode::NOT_FOUND.into_response() };
    let request: JoinRequest = match body(request).await {
        Ok(request) => request,
        Err(refusal) => return refused(&link, &refusal),
    };
    let (name, members) = (request.name.clone(), Arc::clone(members));
    answer(&link, &name, link.door.joins.run(move || members.admit(&request)).await)
}

/// A later one.
pub(super) async fn renew(
    State(link): State<Link>,
    Extension(member): Extension<Option<Member>>,
    request: Request,
) -> Response {
    let (Entry::Certificate(members), Some(member)) = (&link.entry, member) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let request: RenewRequest = match body(request).await {
        Ok(request) => request,
        Err(refusal) => return refused(&link, &refusal),
    };
    let (name, members) = (member.name.clone(), Arc::clone(members));
    answer(&link, &name, link.door.renewals.run(move || members.renew(&member.name, &member.facts, &request)).await)
}

async fn body<T: DeserializeOwned>(request: Request) -> Result<T, LinkRefusal> {
    let unreadable =
        || refusal(RefusalCode::MalformedRequest, "the request is larger than it may be, or not understood");
    let bytes = to_bytes(request.into_body(), JOIN_BYTES_MAX).await.map_err(|_| unreadable())?;
    serde_json::from_slice(&bytes).map_err(|_| unreadable())
}

fn answer(link: &Link, name: &AgentName, signed: Option<Result<Admitted, LinkRefusal>>) -> Response {
    let busy = || Err(refusal(RefusalCode::Busy, "others are being signed for; ask again"));
    match signed.unwrap_or_else(busy) {
        Ok(admitted) => {
            tracing::info!(agent = %name, "an agent was given a certificate");
            Json(admitted).into_response()
        }
        Err(refusal) => {
            if let Some(unsaid) = link.door.complaints.tell() {
                let code = refusal.code.as_str();
                tracing::warn!(agent = %name, code, unsaid, "an agent was given no certificate");
            }
            (status(refusal.code), Json(refusal)).into_response()
        }
    }
}

pub(super) fn refused(link: &Link, refusal: &LinkRefusal) -> Response {
    if let Some(unsaid) = link.door.complaints.tell() {
        tracing::warn!(code = refusal.code.as_str(), unsaid, "a request was refused on the agents' port");
    }
    (status(refusal.code), Json(refusal)).into_response()
}

/// Returns when what let the agent in holds no more. Cancel-safe: it only waits.
pub(super) async fn membership_ends(entry: &Entry, member: Option<&Member>) -> LinkRefusal {
    match (entry, member) {
        (Entry::Certificate(members), Some(member)) => member.until_ended(members).await,
        _ => std::future::pending().await,
    }
}

fn refusal(code: RefusalCode, detail: &str) -> LinkRefusal {
    LinkRefusal { code, detail: detail.to_owned() }
}

fn status(code: RefusalCode) -> StatusCode {
    match code {
        RefusalCode::JoinToken | RefusalCode::CertificateMissing => StatusCode::UNAUTHORIZED,
        RefusalCode::MalformedRequest => StatusCode::BAD_REQUEST,
        RefusalCode::NameTaken => StatusCode::CONFLICT,
        RefusalCode::RenewedLately => StatusCode::TOO_MANY_REQUESTS,
        RefusalCode::Busy => StatusCode::SERVICE_UNAVAILABLE,
        RefusalCode::NoAuthority => StatusCode::NOT_FOUND,
        RefusalCode::Internal | RefusalCode::Other => StatusCode::INTERNAL_SERVER_ERROR,
        RefusalCode::TokenUnknown
        | RefusalCode::TokenUsed
        | RefusalCode::TokenExpired
        | RefusalCode::TokenForAnother
        | RefusalCode::CertificateUnfit
        | RefusalCode::CertificateExpired
        | RefusalCode::CertificateRevoked
        | RefusalCode::CertificateOfAnother => StatusCode::FORBIDDEN,
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, DnType, ExtendedKeyUsagePurpose, KeyPair};

    use super::*;

    /// A request over a connection on which such a certificate was shown and verified.
    fn shown(name: &str, usages: Vec<ExtendedKeyUsagePurpose>) -> Request {
        let mut params = CertificateParams::default();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, name);
        params.extended_key_usages = usages;
        let certificate = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
        let mut request = Request::new(axum::body::Body::empty());
        request.extensions_mut().insert(Shown(Some(Arc::new(certificate.der().clone()))));
        request
    }

    #[test]
    fn a_certificate_that_is_for_no_client_is_no_members() {
        let members = Members::of_others(None).unwrap();
        let code = |name, usages| member(&shown(name, usages), &members).map(|m| m.name).map_err(|r| r.code);
        let (client, server) = (ExtendedKeyUsagePurpose::ClientAuth, ExtendedKeyUsagePurpose::ServerAuth);
        assert_eq!(code("one", vec![client.clone()]), Ok("one".parse().unwrap()));
        assert_eq!(code("one", vec![server.clone(), client.clone()]), Ok("one".parse().unwrap()));
        for usages in [vec![], vec![server]] {
            assert_eq!(code("one", usages), Err(RefusalCode::CertificateUnfit));
        }
        assert_eq!(code("No_Agent", vec![client]), Err(RefusalCode::CertificateUnfit));
    }
}
