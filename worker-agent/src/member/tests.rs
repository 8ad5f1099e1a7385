//! What an agent keeps and which of it still lets it in.
//!
//! How a master answers stands in the tests of the two together (`tests/it/tls`).

use super::*;

#[test]
fn addresses_of_the_master_follow_its_scheme() {
    let token = JoinToken::parse("secret").unwrap();
    let access = Access::clear("http://127.0.0.1:7301", token).unwrap();
    assert_eq!(access.link_url(), "ws://127.0.0.1:7301/v1/link");
    let access = Access::secured("https://h:1/", first_contact::config([0; 32]).unwrap()).unwrap();
    assert_eq!(access.link_url(), "wss://h:1/v1/link");
    assert!(access.bearer().is_none());
}

#[test]
fn nothing_kept_needs_a_token_and_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let kept = Kept::read(dir.path()).unwrap();
    let why = usable(kept, &"a".parse().unwrap(), None).unwrap_err();
    assert!(MemberError::NoToken { why }.to_string().contains("enclos agents token"));
}

#[test]
fn a_damaged_file_is_told_and_not_taken_for_none() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("identity.pem"), "-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n").unwrap();
    let error = Kept::read(dir.path()).unwrap_err();
    assert!(!chain(&error).contains("c2VjcmV0") && chain(&error).contains("join with a new token"));
}
