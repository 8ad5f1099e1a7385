//! Who is no member does not come in, and both sides say why.

use enclos_protocol::join::{JOIN_BYTES_MAX, JoinRequest, LinkRefusal, RefusalCode};
use enclos_tls::client::Identity;
use enclos_tls::pem;
use reqwest::StatusCode;
use tempfile::TempDir;
use tokio::process::Child;

use super::authority::{Authority, Wanted};
use super::{SMALL, agent_name, log_of, trusting, turned_away};
use crate::cluster::Cluster;

/// A master whose link takes certificates of an authority that is not its own.
struct Given {
    cluster: Cluster,
    authority: Authority,
    _dir: TempDir,
}

impl Given {
    async fn new() -> Self {
        let dir = TempDir::new().expect("a temporary directory can be made");
        let authority = Authority::new(&dir.path().join("ours"));
        let (certificate, key) = authority.issue(&Wanted { name: "master", server: true, expired: false });
        let ca = authority.certificate();
        let args = ["--link-cert", &certificate, "--link-key", &key, "--link-ca", &ca];
        Self { cluster: Cluster::master_with(&args).await, authority, _dir: dir }
    }

    fn link(&self) -> String {
        self.cluster.link_url().replacen("http://", "https://", 1)
    }

    /// An agent that shows what `of` has given out.
    fn agent(&self, name: &str, of: &Authority, wanted: &Wanted<'_>) -> Child {
        let (certificate, key) = of.issue(wanted);
        let ca = self.authority.certificate();
        let shown = ["--link-cert", &certificate, "--link-key", &key, "--link-ca", &ca];
        self.cluster.agent_process(&self.link(), name, "", &[&SMALL[..], &shown].concat())
    }
}

#[tokio::test]
async fn an_expired_foreign_or_borrowed_certificate_is_refused_and_logged_on_both_sides() {
    let given = Given::new().await;
    let foreign = Authority::new(&given.cluster.data().join("theirs"));
    let name = agent_name("refused");
    for (of, wanted, agent_says, master_says) in [
        (&given.authority, Wanted { name: &name, server: false, expired: true }, "certificate_expired", "expired"),
        (&foreign, Wanted { name: &name, server: false, expired: false }, "certificate_foreign", "UnknownIssuer"),
        (
            &given.authority,
            Wanted { name: "another", server: false, expired: false },
            "certificate_of_another",
            "certificate_of_another",
        ),
        (
            &given.authority,
            Wanted { name: "No_Agent", server: false, expired: false },
            "certificate_unfit",
            "certificate_unfit",
        ),
    ] {
        let before = log_of(&given.cluster, "master").len();
        let log = turned_away(&given.cluster, given.agent(&name, of, &wanted), &name).await;
        assert!(log.contains(agent_says), "{agent_says}: {log}");
        let master = log_of(&given.cluster, "master").split_off(before);
        assert!(master.contains(master_says), "{master_says}: {master}");
    }
    // The same way with the right one leads in, so it was the certificate that was refused.
    let mut cluster = given.cluster;
    let (certificate, key) = given.authority.issue(&Wanted { name: &name, server: false, expired: false });
    let ca = given.authority.certificate();
    let shown = ["--link-cert", &certificate, "--link-key", &key, "--link-ca", &ca];
    let link = cluster.link_url().replacen("http://", "https://", 1);
    cluster.start_agent_at(&link, &name, "", &[&SMALL[..], &shown].concat()).await;
    cluster.shutdown().await;
}

async fn refusal(response: reqwest::Response) -> (StatusCode, RefusalCode) {
    let status = response.status();
    (status, response.json::<LinkRefusal>().await.expect("a refusal is JSON").code)
}

#[tokio::test]
async fn without_a_certificate_nothing_of_the_link_is_to_be_had() {
    let cluster = Cluster::secured(&[]).await;
    let link = cluster.link_url();
    for path in ["/v1/link", "/v1/inputs/x?epoch=1&counter=1", "/v1/cases/x", "/v1/renew", "/v1/files/x"] {
        let answer = cluster.http.get(format!("{link}{path}")).bearer_auth(crate::cluster::TOKEN).send().await.unwrap();
        let missing = (StatusCode::UNAUTHORIZED, RefusalCode::CertificateMissing);
        assert_eq!(refusal(answer).await, missing, "{path}");
    }
    let clear = link.replacen("https", "http", 1);
    assert!(cluster.http.get(format!("{clear}/v1/link")).send().await.is_err());
    for _ in 0..200 {
        let answer = cluster.http.get(format!("{link}/v1/link")).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
    }
    let lines = log_of(&cluster, "master").lines().filter(|line| line.contains("certificate_missing")).count();
    // Ten, and one more for each six seconds that this took.
    assert!((1..50).contains(&lines), "{lines} lines for 205 strangers");
    cluster.shutdown().await;
}

#[tokio::test]
async fn a_token_is_good_for_one_agent_and_one_time() {
    let cluster = Cluster::secured(&[]).await;
    let join = format!("{}/v1/join", cluster.link_url());
    let ask = async |token: &str, name: &str| {
        let secret = token.split('.').nth(1).unwrap_or_default().to_owned();
        let request = enclos_tls::request::Request::new(name).unwrap().text().to_owned();
        let body = JoinRequest { token: secret, name: name.parse().unwrap(), request };
        cluster.http.post(&join).json(&body).send().await.unwrap()
    };
    let token = cluster.operate(&["agents", "token"], &[]).await;
    assert_eq!(ask(&token, "one").await.status(), StatusCode::OK);
    assert_eq!(refusal(ask(&token, "two").await).await, (StatusCode::FORBIDDEN, RefusalCode::TokenUsed));
    let short = cluster.operate(&["agents", "token"], &["--ttl", "1s"]).await;
    cluster
        .eventually("a token expires", || async {
            refusal(ask(&short, "one").await).await == (StatusCode::FORBIDDEN, RefusalCode::TokenExpired)
        })
        .await;
    let named = cluster.operate(&["agents", "token"], &["--agent", "three"]).await;
    assert_eq!(refusal(ask(&named, "two").await).await, (StatusCode::FORBIDDEN, RefusalCode::TokenForAnother));
    assert_eq!(ask(&named, "three").await.status(), StatusCode::OK);
    let made_up = format!("enclos1.{0}.{0}", "00".repeat(32));
    assert_eq!(refusal(ask(&made_up, "two").await).await, (StatusCode::FORBIDDEN, RefusalCode::TokenUnknown));
    let fresh = cluster.operate(&["agents", "token"], &[]).await;
    assert_eq!(refusal(ask(&fresh, "one").await).await, (StatusCode::CONFLICT, RefusalCode::NameTaken));
    let large = cluster.http.post(&join).body(vec![b'{'; 2 * JOIN_BYTES_MAX]).send().await.unwrap();
    assert_eq!(refusal(large).await, (StatusCode::BAD_REQUEST, RefusalCode::MalformedRequest));
    let log = log_of(&cluster, "master");
    assert!(log.contains("token_used") && !log.contains(token.split('.').nth(1).unwrap()));
    cluster.shutdown().await;
}

#[tokio::test]
async fn a_token_of_another_cluster_trusts_this_master_with_nothing() {
    let (cluster, other) = (Cluster::secured(&[]).await, Cluster::secured(&[]).await);
    let name = agent_name("elsewhere");
    let token = other.operate(&["agents", "token"], &[]).await;
    let agent = cluster.agent_process(&cluster.link_url(), &name, &token, &SMALL);
    let log = turned_away(&cluster, agent, &name).await;
    assert!(log.contains("unknown_issuer"), "{log}");
    // It was not even sent: it is as good as before.
    assert!(!log_of(&cluster, "master").contains("token_"), "{}", cluster.logs());
    for cluster in [cluster, other] {
        cluster.shutdown().await;
    }
}

#[tokio::test]
async fn a_revoked_certificate_is_refused_on_every_path() {
    let cluster = Cluster::secured(&[]).await;
    let request = enclos_tls::request::Request::new("one").unwrap();
    let token = cluster.operate(&["agents", "token"], &[]).await;
    let secret = token.split('.').nth(1).unwrap_or_default().to_owned();
    let body = JoinRequest { token: secret, name: "one".parse().unwrap(), request: request.text().to_owned() };
    let answer = cluster.http.post(format!("{}/v1/join", cluster.link_url())).json(&body).send().await.unwrap();
    let admitted: enclos_protocol::join::Admitted = answer.json().await.unwrap();
    let chain = pem::certificates_of(admitted.certificate.as_bytes()).unwrap();
    let key = pem::private_key_of(request.key().as_bytes()).unwrap();
    let tls = enclos_tls::client::config(trusting(&cluster), Some(Identity { chain, key })).unwrap();
    let member = enclos_tls::client::http(Some(&tls)).build().unwrap();
    let inputs = format!("{}/v1/inputs/x?epoch=1&counter=1", cluster.link_url());
    assert_eq!(member.get(&inputs).send().await.unwrap().status(), StatusCode::NOT_FOUND, "it is let in");
    let said = cluster.operate(&["pki", "revoke"], &["one"]).await;
    assert!(said.contains("agent one"), "{said}");
    cluster
        .eventually("the certificate is refused over the same connection", || async {
            let answer = member.get(&inputs).send().await.expect("it is answered");
            answer.status() == StatusCode::FORBIDDEN && refusal(answer).await.1 == RefusalCode::CertificateRevoked
        })
        .await;
    let shown = cluster.operate(&["pki", "show"], &[]).await;
    assert!(shown.contains("revoked  one"), "{shown}");
    cluster.shutdown().await;
}
