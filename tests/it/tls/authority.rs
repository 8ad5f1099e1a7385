//! An authority of the test's own, for certificates that no operator would give out.

use std::path::{Path, PathBuf};

use rcgen::{BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair};
use time::{Duration, OffsetDateTime};

/// An authority and where its files are.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    dir: PathBuf,
}

/// What a certificate is to be.
pub struct Wanted<'a> {
    pub name: &'a str,
    pub server: bool,
    pub expired: bool,
}

impl Authority {
    /// A new one below `dir`.
    pub fn new(dir: &Path) -> Self {
        std::fs::create_dir_all(dir).expect("the test can make it");
        let key = KeyPair::generate().expect("the test can make it");
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, format!("test {}", dir.display()));
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        std::fs::write(dir.join("ca.crt"), params.self_signed(&key).expect("the test can make it").pem())
            .expect("the test can make it");
        Self { issuer: Issuer::new(params, key), dir: dir.to_owned() }
    }

    /// The path of its own certificate.
    pub fn certificate(&self) -> String {
        self.path("ca.crt")
    }

    fn path(&self, name: &str) -> String {
        self.dir.join(name).to_str().expect("it is text").to_owned()
    }

    /// Paths of a new certificate and its key.
    pub fn issue(&self, wanted: &Wanted<'_>) -> (String, String) {
        let Wanted { name, server, expired } = wanted;
        let key = KeyPair::generate().expect("the test can make it");
        let mut params = CertificateParams::new(["127.0.0.1".to_owned()]).expect("the test can make it");
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, *name);
        params.extended_key_usages =
            vec![if *server { ExtendedKeyUsagePurpose::ServerAuth } else { ExtendedKeyUsagePurpose::ClientAuth }];
        let now = OffsetDateTime::now_utc();
        params.not_before = now - Duration::hours(2);
        params.not_after = if *expired { now - Duration::hours(1) } else { now + Duration::hours(1) };
        let certificate = params.signed_by(&key, &self.issuer).expect("the test can make it");
        let file = format!("{name}-{server}-{expired}");
        std::fs::write(self.dir.join(format!("{file}.crt")), certificate.pem()).expect("the test can make it");
        std::fs::write(self.dir.join(format!("{file}.key")), key.serialize_pem()).expect("the test can make it");
        (self.path(&format!("{file}.crt")), self.path(&format!("{file}.key")))
    }
}
