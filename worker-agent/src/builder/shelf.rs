//! Which derived images are known, and which go when there are too many. Pure.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::Derived;
use super::key::Key;

/// How long an image is used: a range of versions means newer ones after a while.
pub const AGE_MAX: Duration = Duration::from_secs(7 * 24 * 3600);

/// How much may stand on the shelf.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ShelfBounds {
    /// Images.
    pub images_max: usize,
    /// What they add to their bases together, in bytes.
    pub bytes_max: u64,
}

/// What stands there.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Stock {
    /// Images.
    pub images: u32,
    /// What they add to their bases together, in bytes.
    pub bytes: u64,
}

struct Entry {
    image: Arc<Derived>,
    /// Greater is later.
    used: u64,
}

/// The images that are known, by key.
pub struct Shelf {
    bounds: ShelfBounds,
    entries: BTreeMap<Key, Entry>,
    uses: u64,
}

impl Shelf {
    /// An empty one.
    #[must_use]
    pub fn new(bounds: ShelfBounds) -> Self {
        Self { bounds, entries: BTreeMap::new(), uses: 0 }
    }

    /// The image of `key`, which counts as used, unless it is too old at `now`.
    pub fn take(&mut self, key: &Key, now_unix_s: u64) -> Option<Arc<Derived>> {
        self.uses += 1;
        let entry = self.entries.get_mut(key).filter(|entry| is_young(&entry.image, now_unix_s))?;
        entry.used = self.uses;
        Some(Arc::clone(&entry.image))
    }

    /// Puts an image there, as used last; gives those that have to go, an older one of its key among them.
    #[must_use]
    pub fn put(&mut self, key: Key, image: Derived) -> Vec<Arc<Derived>> {
        self.uses += 1;
        let id = image.id.clone();
        let older = self.entries.insert(key.clone(), Entry { image: Arc::new(image), used: self.uses });
        let mut going: Vec<_> = older.map(|entry| entry.image).filter(|image| image.id != id).into_iter().collect();
        while self.is_over() {
            let oldest = self.entries.iter().filter(|(k, _)| **k != key).min_by_key(|(_, e)| e.used);
            let Some(oldest) = oldest.map(|(k, _)| k.clone()) else { break };
            going.extend(self.entries.remove(&oldest).map(|entry| entry.image));
        }
        going
    }

    /// The engine does not have it any more.
    pub fn forget(&mut self, key: &Key) {
        self.entries.remove(key);
    }

    /// How much there is.
    #[must_use]
    pub fn stock(&self) -> Stock {
        let bytes = self.entries.values().map(|entry| entry.image.size_bytes).sum();
        Stock { images: u32::try_from(self.entries.len()).unwrap_or(u32::MAX), bytes }
    }

    fn is_over(&self) -> bool {
        self.entries.len() > self.bounds.images_max || self.stock().bytes > self.bounds.bytes_max
    }
}

/// Whether an image may still be used.
#[must_use]
pub fn is_young(image: &Derived, now_unix_s: u64) -> bool {
    now_unix_s < image.made_unix_s.saturating_add(AGE_MAX.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(n: u8) -> Key {
        Key::parse(&format!("{n:064x}")).unwrap()
    }

    fn image(name: &str, size_bytes: u64) -> Derived {
        Derived { id: name.into(), packages: Vec::new(), size_bytes, made_unix_s: 1000 }
    }

    fn names(going: Vec<Arc<Derived>>) -> Vec<String> {
        going.into_iter().map(|image| image.id.clone()).collect()
    }

    #[test]
    fn what_was_used_longest_ago_goes_first() {
        let mut shelf = Shelf::new(ShelfBounds { images_max: 2, bytes_max: 100 });
        assert!(shelf.put(key(1), image("one", 1)).is_empty());
        assert!(shelf.put(key(2), image("two", 1)).is_empty());
        assert!(shelf.take(&key(1), 1000).is_some());
        assert_eq!(names(shelf.put(key(3), image("three", 1))), ["two"]);
        assert_eq!(names(shelf.put(key(4), image("four", 100))), ["one", "three"]);
        assert_eq!(shelf.stock(), Stock { images: 1, bytes: 100 });
    }

    #[test]
    fn an_image_that_is_made_anew_sends_the_older_one_away() {
        let mut shelf = Shelf::new(ShelfBounds { images_max: 2, bytes_max: 100 });
        assert!(shelf.put(key(1), image("old", 1)).is_empty());
        assert_eq!(names(shelf.put(key(1), image("new", 1))), ["old"]);
        assert!(shelf.put(key(1), image("new", 1)).is_empty());
    }

    #[test]
    fn the_newest_stays_even_if_it_is_too_large_for_all() {
        let mut shelf = Shelf::new(ShelfBounds { images_max: 2, bytes_max: 100 });
        assert!(shelf.put(key(1), image("one", 1000)).is_empty());
        assert!(shelf.take(&key(1), 1000).is_some());
    }

    #[test]
    fn an_old_image_is_not_used_any_more() {
        let mut shelf = Shelf::new(ShelfBounds { images_max: 2, bytes_max: 100 });
        assert!(shelf.put(key(1), image("one", 1)).is_empty());
        assert!(shelf.take(&key(1), 1000 + AGE_MAX.as_secs() - 1).is_some());
        assert!(shelf.take(&key(1), 1000 + AGE_MAX.as_secs()).is_none());
        shelf.forget(&key(1));
        assert_eq!(shelf.stock(), Stock::default());
    }
}
