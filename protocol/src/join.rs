//! How an agent becomes a member of a cluster whose link is TLS: JSON over the link port.
//!
//! ```text
//! agent: key, request ─ POST /v1/join + one-time token ─▶ master: signs ─▶ certificate   (no certificate yet)
//!        new key, request ─ POST /v1/renew ─────────────▶ master: signs ─▶ certificate   (with the one it has)
//! ```

use serde::{Deserialize, Serialize};

use crate::ids::AgentName;

/// Path of the first certificate on the link port.
pub const JOIN_PATH: &str = "/v1/join";
/// Path of each later one.
pub const RENEW_PATH: &str = "/v1/renew";
/// Largest body of either, in bytes; a request for a certificate takes less than one KiB.
pub const JOIN_BYTES_MAX: usize = 16 * 1024;
/// Largest answer, in bytes: two certificates.
pub const ADMITTED_BYTES_MAX: usize = 64 * 1024;

/// Asks for a first certificate.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JoinRequest {
    /// The secret of a one-time token, as text.
    pub token: String,
    /// How the agent is to be called.
    pub name: AgentName,
    /// PKCS #10 request, as PEM; of it only the key counts.
    pub request: String,
}

/// Asks for a certificate in the name of the one that was shown.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RenewRequest {
    /// PKCS #10 request, as PEM; of it only the key counts.
    pub request: String,
}

/// A new certificate.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Admitted {
    /// The agent's certificate, as PEM.
    pub certificate: String,
    /// The authority that signed it, as PEM.
    pub authority: String,
}

/// Why an agent is not let in; the names are stable.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RefusalCode {
    /// The shared join token of a link without TLS is missing or wrong.
    JoinToken,
    /// No such one-time token.
    TokenUnknown,
    /// It has let an agent in already.
    TokenUsed,
    /// Its time is over.
    TokenExpired,
    /// It was made for an agent of another name.
    TokenForAnother,
    /// Another agent has a certificate of that name.
    NameTaken,
    /// The request cannot be read, or proves no key.
    MalformedRequest,
    /// This master signs no certificates.
    NoAuthority,
    /// A certificate is needed.
    CertificateMissing,
    /// It names no agent.
    CertificateUnfit,
    /// It has ended.
    CertificateExpired,
    /// It was revoked.
    CertificateRevoked,
    /// It is of another agent.
    CertificateOfAnother,
    /// The agent has a certificate that is young yet, or too many that hold.
    RenewedLately,
    /// Others are being signed for; to be asked again.
    Busy,
    /// The master failed.
    Internal,
    /// One that this build does not know.
    #[serde(other)]
    Other,
}

impl RefusalCode {
    /// The name on the wire and in logs.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::JoinToken => "join_token",
            Self::TokenUnknown => "token_unknown",
            Self::TokenUsed => "token_used",
            Self::TokenExpired => "token_expired",
            Self::TokenForAnother => "token_for_another",
            Self::NameTaken => "name_taken",
            Self::MalformedRequest => "malformed_request",
            Self::NoAuthority => "no_authority",
            Self::CertificateMissing => "certificate_missing",
            Self::CertificateUnfit => "certificate_unfit",
            Self::CertificateExpired => "certificate_expired",
            Self::CertificateRevoked => "certificate_revoked",
            Self::CertificateOfAnother => "certificate_of_another",
            Self::RenewedLately => "renewed_lately",
            Self::Busy => "busy",
            Self::Internal => "internal",
            Self::Other => "other",
        }
    }
}

/// A refusal as it is answered.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct LinkRefusal {
    /// Which rule.
    pub code: RefusalCode,
    /// What it says and what to do, for a person.
    pub detail: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_written_alike_everywhere() {
        for code in
            [RefusalCode::TokenUsed, RefusalCode::CertificateOfAnother, RefusalCode::RenewedLately, RefusalCode::Busy]
        {
            assert_eq!(serde_json::to_value(code).unwrap(), code.as_str());
        }
        let newer: RefusalCode = serde_json::from_str("\"a_newer_one\"").unwrap();
        assert_eq!(newer, RefusalCode::Other);
    }
}
