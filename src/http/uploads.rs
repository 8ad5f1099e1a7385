//! The places of uploads: who has one, and who gives his up when there is none.
//!
//! Who sends steadily keeps his place to the end, and so does one who is slow
//! while there are places. When all are taken, or all that one address may
//! have, an upload that is behind makes room for the new one: of the address
//! that has most, the one that is furthest behind. So whoever begins many and
//! drips shuts out nobody for longer than the grace. Pure but for a lock.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// An upload that has come more slowly since it began is behind.
const BYTES_PER_SECOND_FAIR: u32 = 1 << 20;
/// How much later its bytes may come all the same.
const GRACE: Duration = Duration::from_secs(15);

#[derive(Debug)]
struct Entry {
    from: IpAddr,
    /// From when on it is behind; `None`: it is whole.
    due: Option<Instant>,
    evicted: CancellationToken,
}

#[derive(Debug, Default)]
struct Table {
    open: BTreeMap<u64, Entry>,
    /// Told to make room and not ended yet; not in `open`.
    leaving: usize,
    next: u64,
}

/// The places.
#[derive(Debug)]
pub(super) struct Places {
    max: usize,
    of_address_max: usize,
    table: Mutex<Table>,
}

/// A place, given back when dropped.
#[derive(Debug)]
pub(super) struct Place {
    places: Arc<Places>,
    id: u64,
    /// Cancelled when another upload needs the place.
    pub(super) evicted: CancellationToken,
}

impl Places {
    /// So many, and seven in eight of them for one address: as for connections, it may be a proxy.
    pub(super) fn new(max: usize) -> Arc<Self> {
        let max = max.max(1);
        Arc::new(Self { max, of_address_max: max - max / 8, table: Mutex::default() })
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place for an upload that begins `now`; `None`: all are taken by such as are not behind.
    pub(super) fn take(self: &Arc<Self>, from: IpAddr, now: Instant) -> Option<Place> {
        let mut table = self.lock();
        let whose = (table.count(from) >= self.of_address_max).then_some(from);
        // As many again may be on their way out, and no more.
        let full = whose.is_some() || table.open.len() >= self.max;
        if full && (table.leaving >= self.max || !table.evict(whose, now)) {
            return None;
        }
        let (id, evicted) = (table.next, CancellationToken::new());
        table.next += 1;
        table.open.insert(id, Entry { from, due: Some(now + GRACE), evicted: evicted.clone() });
        Some(Place { places: Arc::clone(self), id, evicted })
    }
}

impl Table {
    fn count(&self, from: IpAddr) -> usize {
        self.open.values().filter(|entry| entry.from == from).count()
    }

    /// Ends an upload (of this address) that is behind.
    fn evict(&mut self, whose: Option<IpAddr>, now: Instant) -> bool {
        let candidates = self.open.iter().filter(|(_, entry)| whose.is_none_or(|from| entry.from == from));
        let behind = candidates.filter_map(|(id, entry)| {
            let due = entry.due.filter(|due| *due < now)?;
            Some((Reverse(self.count(entry.from)), due, *id))
        });
        let Some(entry) = behind.min().and_then(|(_, _, id)| self.open.remove(&id)) else { return false };
        entry.evicted.cancel();
        self.leaving += 1;
        true
    }
}

impl Place {
    /// So many bytes came.
    pub(super) fn came(&self, bytes: usize) {
        if let Some(Entry { due: Some(due), .. }) = self.places.lock().open.get_mut(&self.id) {
            *due += Duration::from_secs(bytes as u64) / BYTES_PER_SECOND_FAIR;
        }
    }

    /// All came: it is ours to end it, and it makes no room any more.
    pub(super) fn is_whole(&self) {
        if let Some(entry) = self.places.lock().open.get_mut(&self.id) {
            entry.due = None;
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut table = self.places.lock();
        if table.open.remove(&self.id).is_none() {
            table.leaving -= 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(last: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, last])
    }

    fn take(places: &Arc<Places>, from: u8, now: Instant) -> Place {
        places.take(address(from), now).expect("there is a place")
    }

    fn evicted<const N: usize>(places: [&Place; N]) -> [bool; N] {
        places.map(|place| place.evicted.is_cancelled())
    }

    #[test]
    fn who_drips_makes_room_and_who_sends_steadily_or_is_whole_does_not() {
        let (places, start) = (Places::new(3), Instant::now());
        let [drips, steady, whole] = [1, 2, 3].map(|from| take(&places, from, start));
        steady.came(60 << 20);
        drips.came(16 << 10);
        whole.is_whole();
        assert!(places.take(address(4), start + GRACE).is_none(), "none is behind yet");
        let later = start + GRACE + Duration::from_secs(30);
        let _new = take(&places, 4, later);
        assert_eq!(evicted([&drips, &steady, &whole]), [true, false, false]);
        assert!(places.take(address(5), later).is_none(), "nobody else is behind");
    }

    #[test]
    fn who_is_slow_keeps_his_place_while_there_are_others() {
        let (places, start) = (Places::new(3), Instant::now());
        let slow = take(&places, 1, start);
        let others = [2, 3].map(|from| take(&places, from, start + 100 * GRACE));
        assert_eq!(evicted([&slow, &others[0], &others[1]]), [false; 3]);
    }

    #[test]
    fn of_those_behind_the_address_that_has_most_makes_room() {
        let (places, start) = (Places::new(3), Instant::now());
        let lone = take(&places, 1, start);
        let many = [1, 2].map(|after| take(&places, 2, start + Duration::from_secs(after)));
        let _new = take(&places, 3, start + 10 * GRACE);
        assert_eq!(evicted([&lone, &many[0], &many[1]]), [false, true, false]);
    }

    #[test]
    fn an_address_never_has_all_places() {
        let (places, start) = (Places::new(8), Instant::now());
        let mut mine: Vec<_> = (0..7).map(|_| take(&places, 1, start)).collect();
        assert!(places.take(address(1), start).is_none());
        let other = take(&places, 2, start);
        mine.push(take(&places, 1, start + 2 * GRACE));
        assert!(mine[0].evicted.is_cancelled() && !other.evicted.is_cancelled(), "it makes room for itself");
    }

    #[test]
    fn those_that_are_told_to_leave_and_do_not_bound_how_many_come() {
        let (places, start) = (Places::new(1), Instant::now());
        let first = take(&places, 1, start);
        let second = take(&places, 1, start + 2 * GRACE);
        assert!(places.take(address(1), start + 9 * GRACE).is_none(), "the first has still to go");
        drop(first);
        let third = take(&places, 1, start + 9 * GRACE);
        drop((second, third));
        let table = places.lock();
        assert!(table.open.is_empty() && table.leaving == 0, "nothing is remembered");
    }
}
