//! What a certificate says: whose it is, its number, and how long it holds. It proves nothing by itself.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use enclos_protocol::ids::AgentName;
use rustls::pki_types::CertificateDer;
use sha2::{Digest as _, Sha256};
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer as _, X509Certificate};

/// Most bytes of a serial number (RFC 5280).
const SERIAL_BYTES_MAX: usize = 20;

/// What is read of a certificate.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Facts {
    /// Common name of its subject; `None` where there is none, or several.
    pub name: Option<String>,
    /// Serial number, in lower-case hexadecimal.
    pub serial: String,
    /// It holds from here.
    pub not_before: SystemTime,
    /// It holds until here.
    pub not_after: SystemTime,
    /// Host names and addresses that it is for.
    pub hosts: Vec<String>,
}

/// The certificate cannot be read.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the certificate cannot be read")]
pub struct Unreadable;

impl Facts {
    /// What `certificate` says.
    ///
    /// # Errors
    /// [`Unreadable`].
    pub fn of(certificate: &CertificateDer<'_>) -> Result<Self, Unreadable> {
        let (_, parsed) = X509Certificate::from_der(certificate).map_err(|_| Unreadable)?;
        let serial = parsed.raw_serial();
        // A leading zero only keeps the number positive.
        let serial = serial.strip_prefix(&[0]).filter(|rest| !rest.is_empty()).unwrap_or(serial);
        if serial.len() > SERIAL_BYTES_MAX {
            return Err(Unreadable);
        }
        let mut names = parsed.subject().iter_common_name();
        let name = match (names.next(), names.next()) {
            (Some(name), None) => name.as_str().ok().map(str::to_owned),
            _ => None,
        };
        let validity = parsed.validity();
        let alternatives = parsed.subject_alternative_name().ok().flatten();
        let alternatives = alternatives.map(|found| found.value.general_names.as_slice()).unwrap_or_default();
        Ok(Self {
            name,
            serial: hex::encode(serial),
            not_before: moment(validity.not_before.timestamp()),
            not_after: moment(validity.not_after.timestamp()),
            hosts: alternatives.iter().filter_map(host).collect(),
        })
    }

    /// The agent that it names.
    #[must_use]
    pub fn agent(&self) -> Option<AgentName> {
        self.name.as_ref()?.parse().ok()
    }

    /// How long it holds in all.
    #[must_use]
    pub fn life(&self) -> Duration {
        self.not_after.duration_since(self.not_before).unwrap_or_default()
    }
}

fn host(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::DNSName(name) => Some((*name).to_owned()),
        GeneralName::IPAddress(bytes) => match bytes.len() {
            4 => <[u8; 4]>::try_from(*bytes).ok().map(|b| std::net::IpAddr::from(b).to_string()),
            16 => <[u8; 16]>::try_from(*bytes).ok().map(|b| std::net::IpAddr::from(b).to_string()),
            _ => None,
        },
        _ => None,
    }
}

fn moment(seconds: i64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(u64::try_from(seconds).unwrap_or(0))
}

/// SHA-256 of a certificate.
#[must_use]
pub fn fingerprint(certificate: &CertificateDer<'_>) -> [u8; 32] {
    Sha256::digest(certificate).into()
}
