//! Failed logins: how often an address may show a key that is none.
//!
//! 256 random bits are not guessed; what this bounds is the work and the noise that trying makes.
//! An address is often a proxy with many behind it, so keys that work are never asked about here:
//! nobody is locked out by a neighbour.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::time::{Duration, Instant};

use super::rate::Bucket;

/// Failed logins in a row from one address.
pub const FAILURES_MAX: u32 = 10;
/// In so long all of them are forgotten.
const FORGIVEN_IN: Duration = Duration::from_secs(60);
/// Addresses that are remembered for their failures; those beyond share one allowance.
const ADDRESSES_MAX: usize = 4096;

/// Which addresses failed.
#[derive(Debug, Default)]
pub struct Logins {
    failures: HashMap<IpAddr, Bucket>,
    beyond: Option<Bucket>,
}

impl Logins {
    /// Whether what was shown from `from`, and is no key, may be told so.
    ///
    /// # Errors
    /// When it may again.
    pub fn look(&self, from: IpAddr, now: Instant) -> Result<(), Duration> {
        match self.failures.get(&network(from)) {
            Some(bucket) => bucket.look(now),
            None if self.failures.len() < ADDRESSES_MAX => Ok(()),
            None => self.beyond.map_or(Ok(()), |bucket| bucket.look(now)),
        }
    }

    /// A key did not work.
    pub fn failed(&mut self, from: IpAddr, now: Instant) {
        let from = network(from);
        if !self.failures.contains_key(&from) && self.failures.len() >= ADDRESSES_MAX {
            self.failures.retain(|_, bucket| !bucket.is_full(now));
        }
        let new = || Bucket::new(FAILURES_MAX, FORGIVEN_IN);
        let bucket = if self.failures.contains_key(&from) || self.failures.len() < ADDRESSES_MAX {
            self.failures.entry(from).or_insert_with(new)
        } else {
            self.beyond.get_or_insert_with(new)
        };
        // One more than there are only happens between a look and this: it is shut already.
        let _ = bucket.take(now);
    }
}

/// Of IPv6 the first half: one customer of a provider has all addresses that begin with it.
#[must_use]
pub fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => {
            let [a, b, c, d, ..] = v6.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(n: u32) -> IpAddr {
        IpAddr::V4(n.into())
    }

    #[test]
    fn an_address_that_fails_again_and_again_is_shut_for_a_while_and_others_are_not() {
        let (mut logins, now) = (Logins::default(), Instant::now());
        for _ in 0..FAILURES_MAX {
            logins.look(ip(1), now).unwrap();
            logins.failed(ip(1), now);
        }
        let wait = logins.look(ip(1), now).unwrap_err();
        assert_eq!(wait, FORGIVEN_IN / FAILURES_MAX);
        assert!(logins.look(ip(2), now).is_ok());
        assert!(logins.look(ip(1), now + wait).is_ok());
    }

    #[test]
    fn one_customers_addresses_count_together() {
        let (mut logins, now) = (Logins::default(), Instant::now());
        for n in 0..FAILURES_MAX {
            logins.failed(format!("2001:db8:0:1::{n:x}").parse().unwrap(), now);
        }
        assert!(logins.look("2001:db8:0:1:ffff::1".parse().unwrap(), now).is_err());
        assert!(logins.look("2001:db8:0:2::1".parse().unwrap(), now).is_ok());
        assert!(logins.look("::ffff:1.2.3.4".parse().unwrap(), now).is_ok(), "an IPv4 address is no IPv6 network");
    }

    #[test]
    fn the_table_is_bounded_and_strangers_beyond_it_are_still_slowed() {
        let (mut logins, now) = (Logins::default(), Instant::now());
        for n in 0..2 * ADDRESSES_MAX {
            logins.failed(ip(u32::try_from(n).unwrap()), now);
        }
        assert!(logins.failures.len() <= ADDRESSES_MAX);
        assert!(logins.look(ip(u32::MAX), now).is_err(), "all beyond the table share one allowance");
        assert!(logins.look(ip(0), now).is_ok(), "who failed once is not shut");
        let later = now + FORGIVEN_IN;
        logins.failed(ip(u32::MAX), later);
        assert!(logins.failures.len() < ADDRESSES_MAX, "what was forgiven makes room");
    }
}
