//! The places of one port: who has one, and who gives his up when there is none.
//!
//! When all are taken, or all that one address may have, a connection that
//! waits for its client makes room for the new one: of the address that has
//! most, the one that has waited longest. So whoever opens many and says
//! nothing shuts out nobody. Only where every connection is being served is
//! the new one closed.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::turns::Turns;
use crate::access::network;
use crate::config::Connections;

/// Connections that were told to make room and are still open; more are not added meanwhile.
const LEAVING_MAX: usize = 256;

/// An address as far as it tells clients apart: of IPv6, where a client has a whole network, the
/// upper half.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) struct Peer(IpAddr);

impl From<IpAddr> for Peer {
    fn from(address: IpAddr) -> Self {
        Self(network(address))
    }
}

#[derive(Debug)]
struct Entry {
    peer: Peer,
    turns: Arc<Turns>,
    evicted: CancellationToken,
}

#[derive(Debug, Default)]
struct Table {
    open: BTreeMap<u64, Entry>,
    /// How many of `open` each address has; no entry where none.
    of_peer: HashMap<Peer, usize>,
    /// Told to make room, not closed yet; not in `open`.
    leaving: usize,
    next: u64,
}

/// The places of one port.
#[derive(Debug)]
pub(super) struct Places {
    bounds: Connections,
    table: Mutex<Table>,
}

/// A place, given back when dropped.
#[derive(Debug)]
pub(super) struct Place {
    places: Arc<Places>,
    id: u64,
    /// Of the connection that has it.
    pub(super) turns: Arc<Turns>,
    /// Cancelled when another connection needs the place.
    pub(super) evicted: CancellationToken,
}

/// What became of a request for a place.
#[derive(Debug)]
pub(super) enum Admission {
    /// One was free.
    Free(Place),
    /// Another connection made room.
    Freed(Place),
    /// There is none.
    Full,
}

impl Places {
    pub(super) fn new(bounds: Connections) -> Arc<Self> {
        Arc::new(Self { bounds, table: Mutex::default() })
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place for a connection from `address`.
    pub(super) fn admit(self: &Arc<Self>, address: IpAddr, now: Instant) -> Admission {
        let peer = Peer::from(address);
        let mut table = self.lock();
        let of_peer = table.of_peer.get(&peer).copied().unwrap_or(0);
        let whose = (of_peer >= self.bounds.per_address_max).then_some(peer);
        let full = whose.is_some() || table.open.len() >= self.bounds.max;
        if full && !table.evict(whose) {
            return Admission::Full;
        }
        let place = Place {
            places: Arc::clone(self),
            id: table.next,
            turns: Turns::new(now),
            evicted: CancellationToken::new(),
        };
        table.next += 1;
        *table.of_peer.entry(peer).or_default() += 1;
        let entry = Entry { peer, turns: Arc::clone(&place.turns), evicted: place.evicted.clone() };
        table.open.insert(place.id, entry);
        if full { Admission::Freed(place) } else { Admission::Free(place) }
    }

    /// Has one connection make room, where one waits for its client.
    pub(super) fn make_room(&self) -> bool {
        self.lock().evict(None)
    }
}

impl Table {
    /// Ends a connection (of this address) that waits for its client.
    fn evict(&mut self, whose: Option<Peer>) -> bool {
        if self.leaving >= LEAVING_MAX {
            return false;
        }
        let candidates = self.open.iter().filter(|(_, entry)| whose.is_none_or(|peer| entry.peer == peer));
        let waiting = candidates.filter_map(|(id, entry)| {
            let since = entry.turns.waiting_since()?;
            Some((Reverse(self.of_peer.get(&entry.peer).copied()), since, *id))
        });
        let Some((_, _, id)) = waiting.min() else { return false };
        if let Some(entry) = self.remove(id) {
            entry.evicted.cancel();
            self.leaving += 1;
        }
        true
    }

    fn remove(&mut self, id: u64) -> Option<Entry> {
        let entry = self.open.remove(&id)?;
        if let Some(count) = self.of_peer.get_mut(&entry.peer) {
            *count -= 1;
            if *count == 0 {
                self.of_peer.remove(&entry.peer);
            }
        }
        Some(entry)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut table = self.places.lock();
        if table.remove(self.id).is_none() {
            table.leaving -= 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn places(max: usize, per_address_max: usize) -> Arc<Places> {
        Places::new(Connections { max, per_address_max, client_wait: Duration::from_secs(1) })
    }

    fn address(last: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, last])
    }

    fn place(admission: Admission) -> Place {
        match admission {
            Admission::Free(place) | Admission::Freed(place) => place,
            Admission::Full => panic!("there is no place"),
        }
    }

    /// Places taken one second after the other.
    fn take(places: &Arc<Places>, count: u8, start: Instant) -> Vec<Place> {
        let at = |n| start + Duration::from_secs(u64::from(n));
        (0..count).map(|n| place(places.admit(address(n), at(n)))).collect()
    }

    #[test]
    fn who_waits_longest_for_its_client_makes_room() {
        let (places, start) = (places(3, 3), Instant::now());
        let mut held = take(&places, 3, start);
        let _asked = held[0].turns.begin();
        held.push(place(places.admit(address(9), start + Duration::from_secs(9))));
        let evicted: Vec<bool> = held.iter().map(|p| p.evicted.is_cancelled()).collect();
        assert_eq!(evicted, [false, true, false, false], "the first is being served");
    }

    #[test]
    fn who_has_most_makes_room_though_others_wait_longer() {
        let (places, start) = (places(3, 3), Instant::now());
        let lone = place(places.admit(address(1), start));
        let many = [1, 2].map(|n| place(places.admit(address(2), start + Duration::from_secs(n))));
        let _new = place(places.admit(address(3), start + Duration::from_secs(3)));
        assert!(!lone.evicted.is_cancelled() && many[0].evicted.is_cancelled());
    }

    #[test]
    fn where_all_are_being_served_there_is_no_place() {
        let (places, start) = (places(2, 2), Instant::now());
        let held = take(&places, 2, start);
        let asked: Vec<_> = held.iter().map(|p| p.turns.begin()).collect();
        assert!(matches!(places.admit(address(9), start), Admission::Full));
        assert!(!places.make_room());
        drop(asked);
        assert!(matches!(places.admit(address(9), start), Admission::Freed(_)));
    }

    #[test]
    fn an_address_that_has_its_share_makes_room_only_for_itself() {
        let (places, start) = (places(8, 2), Instant::now());
        let other = place(places.admit(address(1), start));
        let mine = [(); 2].map(|()| place(places.admit(address(2), start + Duration::from_secs(1))));
        let third = place(places.admit(address(2), start + Duration::from_secs(2)));
        assert!(!other.evicted.is_cancelled() && mine[0].evicted.is_cancelled());
        let _asked = [mine[1].turns.begin(), third.turns.begin()];
        assert!(matches!(places.admit(address(2), start), Admission::Full), "its own are being served");
        assert!(matches!(places.admit(address(3), start), Admission::Free(_)), "and others have room");
    }

    #[test]
    fn who_is_told_to_leave_and_does_not_bounds_how_many_come() {
        let (places, start) = (places(1, 1), Instant::now());
        let mut held = take(&places, 1, start);
        for _ in 0..LEAVING_MAX {
            held.push(place(places.admit(address(0), start)));
        }
        assert!(matches!(places.admit(address(0), start), Admission::Full));
        held.remove(0);
        assert!(matches!(places.admit(address(0), start), Admission::Freed(_)));
    }

    #[test]
    fn a_place_given_back_is_free_again_and_nothing_is_remembered() {
        let places = places(2, 2);
        drop(take(&places, 2, Instant::now()));
        let table = places.lock();
        assert!(table.open.is_empty() && table.of_peer.is_empty() && table.leaving == 0);
    }

    #[test]
    fn one_client_has_a_whole_network_of_ipv6() {
        let peer = |text: &str| Peer::from(text.parse::<IpAddr>().unwrap());
        assert_eq!(peer("2001:db8:1:2::1"), peer("2001:db8:1:2:ffff::9"));
        assert_ne!(peer("2001:db8:1:2::1"), peer("2001:db8:1:3::1"));
        assert_eq!(peer("::ffff:192.0.2.1"), peer("192.0.2.1"));
    }
}
