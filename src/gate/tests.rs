//! The gate by itself: who is let in, until when, how often.

use std::collections::BTreeMap;

use super::*;
use crate::access::{FAILURES_MAX, Setting, Settings};
use crate::store::{KeyRecord, SecretRecord};

const NOW: UnixTime = UnixTime(1_000_000);
const LATER: UnixTime = UnixTime(2_000_000);

fn ip(n: u8) -> IpAddr {
    [10, 0, 0, n].into()
}

fn key(tenant: &str, expires: Option<UnixTime>) -> (KeyRecord, Secret, SecretRecord) {
    let id = KeyId::generate();
    let (tenant, scopes) = (tenant.parse().unwrap(), "read".parse().unwrap());
    let record =
        KeyRecord { id: id.clone(), tenant, name: String::new(), scopes, created: NOW, expires, revoked: None };
    let secret = Secret::generate();
    let kept = SecretRecord { digest: secret.digest(), key: id, ends: None };
    (record, secret, kept)
}

fn roll(keys: &[&(KeyRecord, Secret, SecretRecord)]) -> Roll {
    let secrets = keys.iter().map(|(_, _, secret)| secret.clone()).collect();
    Roll {
        generation: 1,
        keys: keys.iter().map(|(key, _, _)| key.clone()).collect(),
        secrets,
        settings: BTreeMap::new(),
    }
}

fn gate(roll: Roll, is_local: bool) -> Gate {
    Gate::new(GateParts { roll, quota: Quota::default(), is_local }, NOW)
}

#[test]
fn without_keys_only_this_machine_is_let_in() {
    let now = Instant::now();
    let local = gate(Roll::default(), true);
    let caller = local.admit(None, ip(1), now, NOW).unwrap();
    assert_eq!((caller.tenant, caller.scopes, caller.key), (Tenant::default(), Scopes::ALL, None));
    let wrong = local.admit(Some(Secret::generate().expose()), ip(1), now, NOW).unwrap_err();
    assert_eq!(wrong, Denied::NoSuchKey, "whoever shows a key hears that it is none");
    let public = gate(Roll::default(), false);
    assert_eq!(public.admit(None, ip(1), now, NOW).unwrap_err(), Denied::NoKey);
    assert!(public.admit(Some(public.own().expose()), ip(1), now, NOW).is_ok(), "the master's own process");
    assert!(local.admit(Some(public.own().expose()), ip(1), now, NOW).is_err(), "of another master");
}

#[test]
fn the_first_key_shuts_the_open_gate_and_ends_who_came_through_it() {
    let (now, gate, one) = (Instant::now(), gate(Roll::default(), true), key("a", None));
    let anybody = gate.admit(None, ip(1), now, NOW).unwrap();
    gate.replace(roll(&[&one]), NOW);
    assert!(anybody.ended.is_cancelled());
    assert_eq!(gate.admit(None, ip(1), now, NOW).unwrap_err(), Denied::NoKey);
    let caller = gate.admit(Some(one.1.expose()), ip(1), now, NOW).unwrap();
    assert!(!caller.ended.is_cancelled() && caller.tenant.as_str() == "a");
    // One that was revoked was made once.
    let revoked = (KeyRecord { revoked: Some(NOW), ..one.0.clone() }, one.1.clone(), one.2.clone());
    gate.replace(roll(&[&revoked]), NOW);
    assert!(caller.ended.is_cancelled());
    assert_eq!(gate.admit(None, ip(1), now, NOW).unwrap_err(), Denied::NoKey, "it is not open again");
}

#[test]
fn a_key_ends_at_its_time_and_an_old_secret_at_the_end_of_its_grace() {
    let (now, expiring, mut rotated) = (Instant::now(), key("a", Some(LATER)), key("b", None));
    rotated.2.ends = Some(LATER);
    let gate = gate(roll(&[&expiring, &rotated]), false);
    for (_, secret, _) in [&expiring, &rotated] {
        let caller = gate.admit(Some(secret.expose()), ip(1), now, NOW).unwrap();
        gate.expire(NOW);
        assert!(!caller.ended.is_cancelled());
        assert!(gate.admit(Some(secret.expose()), ip(1), now, LATER).is_err());
    }
    let callers = [&expiring, &rotated].map(|k| gate.admit(Some(k.1.expose()), ip(1), now, NOW).unwrap());
    gate.expire(LATER);
    assert!(callers.iter().all(|caller| caller.ended.is_cancelled()));
}

#[test]
fn a_change_elsewhere_leaves_who_is_in_alone() {
    let (now, one, other) = (Instant::now(), key("a", None), key("b", None));
    let gate = gate(roll(&[&one]), false);
    let caller = gate.admit(Some(one.1.expose()), ip(1), now, NOW).unwrap();
    gate.replace(roll(&[&one, &other]), NOW);
    assert!(!caller.ended.is_cancelled());
    gate.replace(roll(&[&other]), NOW);
    assert!(caller.ended.is_cancelled());
}

#[test]
fn guessing_is_slowed_and_keeps_no_key_that_works_out() {
    let (now, one, other) = (Instant::now(), key("a", None), key("b", None));
    let gate = gate(roll(&[&one, &other]), false);
    for _ in 0..FAILURES_MAX {
        let denied = gate.admit(Some(Secret::generate().expose()), ip(1), now, NOW).unwrap_err();
        assert_eq!(denied, Denied::NoSuchKey);
    }
    let shut = |shown: &str| matches!(gate.admit(Some(shown), ip(1), now, NOW), Err(Denied::Shut(_)));
    assert!(shut("x") && shut(Secret::generate().expose()));
    assert!(gate.admit(Some(one.1.expose()), ip(1), now, NOW).is_ok(), "from a shut address");
    assert!(gate.admit(Some(other.1.expose()), ip(2), now, NOW).is_ok(), "from elsewhere");
    let later = now + Duration::from_secs(6);
    assert_eq!(gate.admit(Some("x"), ip(1), later, NOW).unwrap_err(), Denied::NoSuchKey, "one more");
    assert!(shut("x"));
}

#[test]
fn a_rate_is_a_tenants_and_changes_at_once() {
    let (now, one, other) = (Instant::now(), key("a", None), key("a", None));
    let with = |rate: Setting<u64>| {
        let settings = Settings { requests_per_second: rate, ..Settings::default() };
        Roll { settings: [("a".parse().unwrap(), settings)].into(), ..roll(&[&one, &other]) }
    };
    let gate = gate(with(Setting::At(2)), false);
    let caller = |gate: &Gate, key: &(KeyRecord, Secret, SecretRecord)| {
        gate.admit(Some(key.1.expose()), ip(1), now, NOW).unwrap()
    };
    gate.take_turn(&caller(&gate, &one), now).unwrap();
    gate.take_turn(&caller(&gate, &other), now).unwrap();
    let refused = gate.take_turn(&caller(&gate, &one), now).unwrap_err();
    assert_eq!(refused, TooMany { maximum: 2, retry_after: Duration::from_millis(500) });
    gate.replace(with(Setting::Unlimited), NOW);
    gate.take_turn(&caller(&gate, &one), now).unwrap();
}
