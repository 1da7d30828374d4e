//! A cache of limited size that drops the entries that were not used for the longest time.

use std::{borrow::Borrow, collections::HashMap, hash::Hash, mem};

/// Entries in two generations. When the recent one is full, it replaces the older one; an older
/// entry that is used becomes recent again.
pub(super) struct RecentCache<K, V> {
    /// Maximum weight of one generation.
    max_weight: usize,
    recent: HashMap<K, (V, usize)>,
    /// Total weight of the entries in `recent`.
    weight: usize,
    older: HashMap<K, (V, usize)>,
}

impl<K: Eq + Hash, V: Clone> RecentCache<K, V> {
    pub(super) fn new(max_weight: usize) -> Self {
        Self { max_weight, recent: HashMap::new(), weight: 0, older: HashMap::new() }
    }

    pub(super) fn get<Q>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
        Q: Eq + Hash + ?Sized,
    {
        if let Some((value, _)) = self.recent.get(key) {
            return Some(value.clone());
        }
        let (key, (value, weight)) = self.older.remove_entry(key)?;
        self.insert(key, value.clone(), weight);
        Some(value)
    }

    pub(super) fn insert(&mut self, key: K, value: V, weight: usize) {
        if self.weight + weight > self.max_weight {
            self.older = mem::take(&mut self.recent);
            self.weight = 0;
        }
        if self.recent.insert(key, (value, weight)).is_none() {
            self.weight += weight;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_in_use_stay_and_the_others_are_dropped() {
        const MAX: usize = 40;
        let mut cache = RecentCache::new(MAX);
        cache.insert("used", 1, 10);
        cache.insert("unused", 2, 10);
        for key in ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"] {
            cache.insert(key, 3, 10);
            assert_eq!(cache.get("used"), Some(1), "{key}");
            let weight = |entries: &HashMap<_, (_, usize)>| {
                entries.values().map(|(_, weight)| weight).sum::<usize>()
            };
            assert_eq!(weight(&cache.recent), cache.weight);
            assert!(cache.weight <= MAX && weight(&cache.older) <= MAX);
        }
        assert_eq!(cache.get("unused"), None);
    }
}
