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
    /// It says that clients may show it (extended key usage `clientAuth`).
    pub client_auth: bool,
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
        let serial = serial_number(&hex::encode(parsed.raw_serial())).ok_or(Unreadable)?;
        let mut names = parsed.subject().iter_common_name();
        let name = match (names.next(), names.next()) {
            (Some(name), None) => name.as_str().ok().map(str::to_owned),
            _ => None,
        };
        let validity = parsed.validity();
        let usage = parsed.extended_key_usage().ok().flatten();
        let alternatives = parsed.subject_alternative_name().ok().flatten();
        let alternatives = alternatives.map(|found| found.value.general_names.as_slice()).unwrap_or_default();
        Ok(Self {
            name,
            serial,
            not_before: moment(validity.not_before.timestamp()),
            not_after: moment(validity.not_after.timestamp()),
            hosts: alternatives.iter().filter_map(host).collect(),
            client_auth: usage.is_some_and(|usage| usage.value.client_auth),
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

/// A serial number as [`Facts::serial`] has it, from how tools print it: with colons, in capitals, with the leading
/// zero that keeps it positive, or without the first digit where that is a zero. `None`: it is none.
#[must_use]
pub fn serial_number(text: &str) -> Option<String> {
    let digits = text.replace(':', "").to_ascii_lowercase();
    let known = !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    let number = digits.trim_start_matches('0');
    let length = number.len().next_multiple_of(2).max(2);
    (known && length <= 2 * SERIAL_BYTES_MAX).then(|| format!("{number:0>length$}"))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_serial_number_is_the_same_however_it_is_printed() {
        for text in ["0d29f1", "d29f1", "00:0D:29:F1", "0D29F1", "000000d29f1"] {
            assert_eq!(serial_number(text).as_deref(), Some("0d29f1"), "{text}");
        }
        for (text, number) in [("1", "01"), ("01", "01"), ("1000", "1000"), ("0", "00"), ("00", "00")] {
            assert_eq!(serial_number(text).as_deref(), Some(number), "{text}");
        }
        let longest = "7f".repeat(SERIAL_BYTES_MAX);
        assert_eq!(serial_number(&format!("00{longest}")), Some(longest.clone()));
        for bad in ["", ":", "0x12", "g1", &format!("{longest}01")] {
            assert_eq!(serial_number(bad), None, "{bad}");
        }
    }
}
