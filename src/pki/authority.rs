//! The authority itself: makes its own certificate, the server's and the agents'. ECDSA P-256 throughout.

use std::net::IpAddr;
use std::time::Duration;

use enclos_protocol::ids::AgentName;
use enclos_tls::certificate::Facts;
use rcgen::{
    BasicConstraints, CertificateParams, CertificateSigningRequestParams, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, PublicKeyData as _,
    SanType, SerialNumber,
};
use time::OffsetDateTime;

use super::PkiError;
use super::dir::{Dir, io_error};

/// How long the authority holds: ten years.
const AUTHORITY_LIFE: Duration = Duration::from_secs(3650 * 24 * 3600);
/// How long a server certificate holds: a year and a month, as browsers allow.
const SERVER_LIFE: Duration = Duration::from_secs(397 * 24 * 3600);
/// Clocks of machines may differ by so much; a certificate of an agent with a short life by a tenth of it.
const CLOCK_SKEW_MAX: Duration = Duration::from_secs(300);
/// Names under which a master is always reached on its own machine.
const LOOPBACK: [&str; 3] = ["localhost", "127.0.0.1", "::1"];
/// Names of one server certificate.
const HOSTS_MAX: usize = 64;
/// Random bytes of a serial number; the first bit is cleared, since it is a signed number.
const SERIAL_BYTES: usize = 16;

/// An authority that can sign.
pub(super) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    text: String,
}

impl std::fmt::Debug for Authority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Authority(…)")
    }
}

/// A request whose signature proves its key.
pub(super) struct Csr(CertificateSigningRequestParams);

impl Csr {
    pub(super) fn parse(text: &str) -> Option<Self> {
        CertificateSigningRequestParams::from_pem(text).ok().map(Self)
    }
}

impl Authority {
    pub(super) fn make() -> Result<Self, PkiError> {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
        let id: [u8; 4] = rand::random();
        let mut params = params(&format!("Enclos authority {}", hex::encode(id)), AUTHORITY_LIFE);
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let text = params.self_signed(&key)?.pem();
        Ok(Self { issuer: Issuer::new(params, key), text })
    }

    pub(super) fn open(dir: &Dir) -> Result<Self, PkiError> {
        let read = |path: std::path::PathBuf| std::fs::read_to_string(&path).map_err(io_error(&path));
        let (text, key) = (read(dir.authority())?, read(dir.authority_key())?);
        let key = KeyPair::from_pem(&key).map_err(|_| PkiError::Damaged(dir.authority_key()))?;
        let found = super::certificate(dir)?;
        // What it signs would be of no use to anybody.
        if !found.windows(key.der_bytes().len()).any(|part| part == key.der_bytes()) {
            return Err(PkiError::Damaged(dir.authority_key()));
        }
        let issuer = Issuer::from_ca_cert_pem(&text, key).map_err(|_| PkiError::Damaged(dir.authority()))?;
        Ok(Self { issuer, text })
    }

    /// Its certificate, as PEM.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// Its key, as PEM.
    pub(super) fn key(&self) -> String {
        self.issuer.key().serialize_pem()
    }

    /// A server certificate for `hosts` and the loopback names, followed by the authority's own, and its key.
    pub(super) fn server(&self, hosts: &[String]) -> Result<(String, String), PkiError> {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
        let mut names: Vec<&str> = hosts.iter().map(String::as_str).chain(LOOPBACK).collect();
        let mut seen = std::collections::HashSet::new();
        names.retain(|name| seen.insert(name.to_ascii_lowercase()));
        if let Some(more) = names.get(HOSTS_MAX) {
            return Err(PkiError::Host((*more).to_owned()));
        }
        let mut params = params("Enclos master", SERVER_LIFE);
        params.subject_alt_names = names.into_iter().map(host).collect::<Result<_, _>>()?;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let certificate = params.signed_by(&key, &self.issuer)?;
        // Who comes with a token alone finds the authority here and knows it by its digest.
        Ok((format!("{}{}", certificate.pem(), self.text), key.serialize_pem()))
    }

    /// A certificate for the key of `csr` in the name of an agent. Of the request nothing but its key counts.
    pub(super) fn agent(&self, csr: &Csr, name: &AgentName, life: Duration) -> Result<(String, Facts), rcgen::Error> {
        let mut params = params(name.as_str(), life);
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let certificate = params.signed_by(&csr.0.public_key, &self.issuer)?;
        let facts = Facts::of(certificate.der()).map_err(|_| rcgen::Error::CouldNotParseCertificate)?;
        Ok((certificate.pem(), facts))
    }
}

fn params(name: &str, life: Duration) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    let now = OffsetDateTime::now_utc();
    params.not_before = now - CLOCK_SKEW_MAX.min(life / 10);
    params.not_after = now + life;
    params.use_authority_key_identifier_extension = true;
    let mut serial: [u8; SERIAL_BYTES] = rand::random();
    // Positive, and of one length: the first byte is neither zero nor has its sign bit set.
    serial[0] = serial[0] & 0x7f | 0x40;
    params.serial_number = Some(SerialNumber::from_slice(&serial));
    params
}

fn host(name: &str) -> Result<SanType, PkiError> {
    let wrong = || PkiError::Host(name.to_owned());
    let bare = name.trim_start_matches('[').trim_end_matches(']');
    if let Ok(address) = bare.parse::<IpAddr>() {
        return Ok(SanType::IpAddress(address));
    }
    rustls::pki_types::DnsName::try_from(name).map_err(|_| wrong())?;
    Ok(SanType::DnsName(name.to_owned().try_into().map_err(|_| wrong())?))
}
