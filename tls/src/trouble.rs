//! What went wrong with a certificate, in words that say what to do.

use std::error::Error as StdError;
use std::io;

use rustls::{AlertDescription, CertificateError, Error};

/// The TLS error in `error` or its causes.
#[must_use]
pub fn find<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a Error> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref::<Error>() {
            return Some(found);
        }
        // The cause of an I/O error is what its inner error says of itself, which passes over the inner one.
        next = match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
            Some(inner) => Some(inner),
            None => error.source(),
        };
    }
    None
}

/// What to do about a server's certificate that was not taken; `None` where there is no such advice.
#[must_use]
pub fn advice(error: &Error) -> Option<&'static str> {
    let Error::InvalidCertificate(why) = error else { return None };
    Some(match why {
        CertificateError::UnknownIssuer => {
            "unknown_issuer: its certificate comes from no authority that is trusted here; \
             give the file of its authority (--ca FILE or ENCLOS_CA; `enclos pki init` wrote it as ca.crt)"
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "wrong_name: its certificate is for other names than the one dialled; \
             dial one of those, or add this one (`enclos pki renew --name HOST`)"
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "expired: its certificate has ended; renew it (`enclos pki renew`), and look at this machine's clock"
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "not_valid_yet: its certificate begins later; look at this machine's clock"
        }
        _ => "bad_certificate: its certificate cannot be verified",
    })
}

/// What the other side did not like about our certificate, as a stable name; `None` where it is not that.
#[must_use]
pub fn refused(error: &Error) -> Option<&'static str> {
    let Error::AlertReceived(alert) = error else { return None };
    Some(match alert {
        AlertDescription::CertificateExpired => "certificate_expired",
        AlertDescription::CertificateRevoked => "certificate_revoked",
        AlertDescription::UnknownCA => "certificate_foreign",
        AlertDescription::CertificateRequired => "certificate_missing",
        AlertDescription::BadCertificate
        | AlertDescription::UnsupportedCertificate
        | AlertDescription::CertificateUnknown
        | AlertDescription::DecryptError
        | AlertDescription::AccessDenied => "certificate_unfit",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tls_error_is_found_inside_of_others() {
        let tls = Error::InvalidCertificate(CertificateError::UnknownIssuer);
        let outer = io::Error::other(io::Error::new(io::ErrorKind::InvalidData, tls));
        let advice = find(&outer).and_then(advice).unwrap();
        assert!(advice.contains("--ca"), "{advice}");
        assert!(find(&io::Error::other("x")).is_none());
        assert_eq!(refused(&Error::AlertReceived(AlertDescription::UnknownCA)), Some("certificate_foreign"));
    }
}
