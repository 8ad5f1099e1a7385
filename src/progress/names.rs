//! Names that many jobs have, kept once.

use std::collections::HashSet;
use std::sync::Arc;

/// Names that are kept before those that nobody has any more are looked for.
const KEPT_MIN: usize = 1024;

/// Names of tenants and languages.
#[derive(Debug)]
pub(super) struct Names {
    known: HashSet<Arc<str>>,
    clean_at: usize,
}

impl Default for Names {
    fn default() -> Self {
        Self { known: HashSet::new(), clean_at: KEPT_MIN }
    }
}

impl Names {
    /// The name, shared with all who have it.
    pub(super) fn shared(&mut self, name: &str) -> Arc<str> {
        if let Some(known) = self.known.get(name) {
            return Arc::clone(known);
        }
        if self.known.len() >= self.clean_at {
            self.known.retain(|name| Arc::strong_count(name) > 1);
            self.clean_at = KEPT_MIN.max(2 * self.known.len());
        }
        let name: Arc<str> = name.into();
        self.known.insert(Arc::clone(&name));
        name
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_kept_once_and_no_longer_than_somebody_has_it() {
        let mut names = Names::default();
        let held = names.shared("a");
        assert!(Arc::ptr_eq(&held, &names.shared("a")));
        for n in 0..3 * KEPT_MIN {
            names.shared(&n.to_string());
        }
        assert!(names.known.len() <= KEPT_MIN && Arc::ptr_eq(&held, &names.shared("a")));
    }
}
