//! The directory of an authority, from its making to what it refuses.

use std::os::unix::fs::PermissionsExt as _;

use enclos_tls::request::Request;

use super::*;

const HOUR: Duration = Duration::from_secs(3600);

fn made() -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("pki");
    init(&path, &["master.example".to_owned(), "10.1.2.3".to_owned()]).unwrap();
    (dir, path)
}

fn join(token: &OneTimeToken, name: &str) -> JoinRequest {
    let request = Request::new(name).unwrap().text().to_owned();
    JoinRequest { token: token.secret(), name: name.parse().unwrap(), request }
}

fn facts(admitted: &Admitted) -> Facts {
    Facts::of(&enclos_tls::pem::certificates_of(admitted.certificate.as_bytes()).unwrap()[0]).unwrap()
}

/// As it will be at half of its life.
fn aged(facts: &Facts) -> Facts {
    Facts { not_before: facts.not_before - facts.life(), ..facts.clone() }
}

fn refused(result: Result<Admitted, LinkRefusal>) -> RefusalCode {
    result.unwrap_err().code
}

#[test]
fn an_authority_is_made_once_and_its_keys_are_its_owners() {
    let (_dir, path) = made();
    assert!(matches!(init(&path, &[]), Err(PkiError::Exists(_))));
    for file in std::fs::read_dir(&path).unwrap() {
        let mode = file.unwrap().metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0);
    }
    let overview = overview(&path).unwrap();
    assert_eq!(overview.server.hosts, ["master.example", "10.1.2.3", "localhost", "127.0.0.1", "::1"]);
    renew_server(&path, &["other.example".to_owned()]).unwrap();
    let renewed = super::overview(&path).unwrap();
    assert!(renewed.server.hosts.contains(&"other.example".to_owned()) && renewed.server.hosts.len() == 6);
    assert!(renewed.server.serial != overview.server.serial && renewed.fingerprint == overview.fingerprint);
}

#[test]
fn an_authority_that_was_half_made_is_made_anew() {
    let (_dir, path) = made();
    let whole = Dir::open(&path).unwrap();
    std::fs::remove_file(whole.authority()).unwrap();
    init(&path, &[]).unwrap();
    assert!(matches!(init(&path, &[]), Err(PkiError::Exists(_))));
    Authority::open(&whole).unwrap();
}

#[test]
fn what_is_no_host_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    for bad in ["http://a", "a b", "", "a/b"] {
        assert!(matches!(init(&dir.path().join("p"), &[bad.to_owned()]), Err(PkiError::Host(_))), "{bad:?}");
    }
}

#[test]
fn a_token_lets_one_agent_in_once() {
    let (_dir, path) = made();
    let members = Members::of_authority(&path, HOUR).unwrap();
    let token = mint(&path, None, HOUR).unwrap();
    let first = facts(&members.admit(&join(&token, "one")).unwrap());
    assert_eq!(first.agent().unwrap().as_str(), "one");
    assert_eq!(refused(members.admit(&join(&token, "two"))), RefusalCode::TokenUsed);
    let foreign = OneTimeToken::new(&CertificateDer::from(vec![1]));
    assert_eq!(refused(members.admit(&join(&foreign, "two"))), RefusalCode::TokenUnknown);
    let ended = mint(&path, None, Duration::ZERO).unwrap();
    assert_eq!(refused(members.admit(&join(&ended, "two"))), RefusalCode::TokenExpired);
    // Nothing that is kept is a secret.
    let kept = std::fs::read_dir(path.join("tokens")).unwrap().map(|f| f.unwrap());
    for file in kept {
        let all = format!("{:?}{}", file.file_name(), std::fs::read_to_string(file.path()).unwrap());
        assert!(!all.contains(&token.secret()) && !all.contains(&ended.secret()));
    }
}

#[test]
fn a_name_that_is_taken_needs_a_token_that_says_so() {
    let (_dir, path) = made();
    let members = Members::of_authority(&path, HOUR).unwrap();
    let name: AgentName = "one".parse().unwrap();
    let first = facts(&members.admit(&join(&mint(&path, None, HOUR).unwrap(), "one")).unwrap());
    let unnamed = mint(&path, None, HOUR).unwrap();
    assert_eq!(refused(members.admit(&join(&unnamed, "one"))), RefusalCode::NameTaken);
    // It is not spent by that.
    members.admit(&join(&unnamed, "three")).unwrap();
    let named = mint(&path, Some(&name), HOUR).unwrap();
    assert_eq!(refused(members.admit(&join(&named, "two"))), RefusalCode::TokenForAnother);
    let second = facts(&members.admit(&join(&named, "one")).unwrap());
    let revoked = members.revoked().borrow().clone();
    assert!(revoked.contains(&first.serial) && !revoked.contains(&second.serial));
}

#[test]
fn what_was_revoked_renews_nothing() {
    let (_dir, path) = made();
    let members = Members::of_authority(&path, HOUR).unwrap();
    let name: AgentName = "one".parse().unwrap();
    let first = facts(&members.admit(&join(&mint(&path, None, HOUR).unwrap(), "one")).unwrap());
    let again = RenewRequest { request: Request::new("another").unwrap().text().to_owned() };
    let second = facts(&members.renew(&name, &aged(&first), &again).unwrap());
    assert_eq!(second.agent(), Some(name.clone()), "the name is that of the certificate, never of the request");
    let mut serials = revoke(&path, &Target::Agent(name.clone())).unwrap();
    serials.sort();
    let mut both = [first.serial.clone(), second.serial.clone()];
    both.sort();
    assert_eq!(serials, both);
    assert_eq!(refused(members.renew(&name, &aged(&second), &again)), RefusalCode::CertificateRevoked);
    assert!(revoke(&path, &Target::Agent(name)).unwrap().is_empty(), "said twice, it is done once");
    assert!(matches!(revoke(&path, &Target::Agent("nobody".parse().unwrap())), Err(PkiError::Unknown(_))));
}

#[test]
fn who_asks_again_and_again_gets_no_more_certificates() {
    let (_dir, path) = made();
    let members = Members::of_authority(&path, HOUR).unwrap();
    let name: AgentName = "one".parse().unwrap();
    let first = facts(&members.admit(&join(&mint(&path, None, HOUR).unwrap(), "one")).unwrap());
    let again = RenewRequest { request: Request::new("one").unwrap().text().to_owned() };
    assert_eq!(refused(members.renew(&name, &first, &again)), RefusalCode::RenewedLately, "it is young");
    let given = (0..100).filter(|_| members.renew(&name, &aged(&first), &again).is_ok()).count();
    assert_eq!(given, HELD_MAX - 1, "answers that are lost cost some");
    assert_eq!(overview(&path).unwrap().agents.len(), HELD_MAX);
}

#[test]
fn a_serial_number_is_revoked_however_it_was_printed() {
    let (_dir, path) = made();
    let members = Members::of_authority(&path, HOUR).unwrap();
    let admit = |name: &str| facts(&members.admit(&join(&mint(&path, None, HOUR).unwrap(), name)).unwrap()).serial;
    let colons = |serial: &str| serial.as_bytes().chunks(2).map(String::from_utf8_lossy).collect::<Vec<_>>().join(":");
    let (one, two, three) = (admit("one"), admit("two"), admit("three"));
    for (printed, serial) in [(format!("00{one}"), &one), (two.to_uppercase(), &two), (colons(&three), &three)] {
        let target = target(&path, &printed).unwrap();
        assert_eq!(revoke(&path, &target).unwrap(), std::slice::from_ref(serial), "{printed}");
    }
}

#[test]
fn what_was_never_issued_is_not_reported_as_revoked() {
    let (dir, path) = made();
    let typed = "0123456789abcdef";
    assert!(matches!(target(&path, typed), Err(PkiError::Unknown(_))));
    // Of an authority that is another's nothing is known here.
    let others = dir.path().join("others");
    assert_eq!(target(&others, "1").unwrap(), Target::Serial("01".to_owned()));
    assert!(matches!(target(&others, "none"), Err(PkiError::Unknown(_))));
    std::fs::write(path.join("issued"), "{").unwrap();
    assert!(matches!(target(&path, typed), Err(PkiError::Damaged(_))), "a damaged list is no empty list");
}

#[test]
fn a_stranger_costs_no_look_at_a_request() {
    let (_dir, path) = made();
    let members = Members::of_authority(&path, HOUR).unwrap();
    let foreign = OneTimeToken::new(&CertificateDer::from(vec![1]));
    let bad = JoinRequest { request: "x".to_owned(), ..join(&foreign, "one") };
    assert_eq!(refused(members.admit(&bad)), RefusalCode::TokenUnknown);
    // Nor does it wait for the lock.
    let _lock = Dir::open(&path).unwrap().lock().unwrap();
    assert_eq!(refused(members.admit(&bad)), RefusalCode::TokenUnknown);
}

#[test]
fn a_request_that_proves_no_key_is_refused() {
    let (_dir, path) = made();
    let members = Members::of_authority(&path, HOUR).unwrap();
    let token = mint(&path, None, HOUR).unwrap();
    let mut request = join(&token, "one");
    let good = request.request.clone();
    for bad in ["", "x", "-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n"] {
        request.request = bad.to_owned();
        assert_eq!(refused(members.admit(&request)), RefusalCode::MalformedRequest);
    }
    // A signature of another key.
    let (mut mine, theirs) = (good.clone(), Request::new("one").unwrap().text().to_owned());
    let tail = good.len() - 80;
    mine.replace_range(tail..tail + 20, &theirs[tail..tail + 20]);
    request.request = mine;
    assert_eq!(refused(members.admit(&request)), RefusalCode::MalformedRequest);
}

#[tokio::test]
async fn a_running_master_hears_of_what_another_process_revoked() {
    let (_dir, path) = made();
    let members = Arc::new(Members::of_authority(&path, HOUR).unwrap());
    let first = facts(&members.admit(&join(&mint(&path, None, HOUR).unwrap(), "one")).unwrap());
    let mut revoked = members.revoked();
    let stop = CancellationToken::new();
    let mut task = tokio::task::JoinSet::new();
    task.spawn(Arc::clone(&members).keep_current(stop.clone()));
    revoke(&path, &Target::Serial(first.serial.clone())).unwrap();
    let heard = tokio::time::timeout(Duration::from_secs(30), revoked.wait_for(|all| all.contains(&first.serial)));
    heard.await.unwrap().unwrap();
    stop.cancel();
    task.join_next().await.unwrap().unwrap();
}

#[test]
fn a_list_that_cannot_be_read_is_no_empty_list() {
    let (_dir, path) = made();
    std::fs::write(path.join("revoked"), "{").unwrap();
    assert!(matches!(Members::of_authority(&path, HOUR), Err(PkiError::Damaged(_))));
}
