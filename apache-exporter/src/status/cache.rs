//! A cache of mod_socache: that of TLS sessions, or that of mod_cache_socache.
//!
//! * Source: the lines after `TLSSessionCacheStatus` or `ModCacheSocacheStatus`, httpd 2.4.13 and later. The keys are the
//!   same in both; shmcb prints all of them, dbm a few, memcache and redis others that are no `key: value`.
//! * Units: bytes, seconds, ratios.
//! * Absent when: the cache is off, or of a kind that does not count this. The ages are absent while it is empty.

use common::error::BadField;

use super::number::{Read, Row, fill};

/// What one cache says of itself.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Cache {
    /// Size of the shared memory, bytes.
    pub shared_memory_bytes: Option<f64>,
    /// Entries held.
    pub entries: Option<f64>,
    /// Parts it is divided into.
    pub subcaches: Option<f64>,
    /// Entries that one part has room for.
    pub indexes_per_subcache: Option<f64>,
    /// Time until the oldest entries expire, mean of the parts, seconds.
    pub oldest_time_left_avg_seconds: Option<f64>,
    /// The same, least of the parts.
    pub oldest_time_left_min_seconds: Option<f64>,
    /// The same, most of the parts.
    pub oldest_time_left_max_seconds: Option<f64>,
    /// Share of the places for entries in use, whole percents as a ratio.
    pub index_usage_ratio: Option<f64>,
    /// Share of the memory in use, whole percents as a ratio.
    pub usage_ratio: Option<f64>,
    /// Entries stored.
    pub stores: Option<f64>,
    /// Entries that took the place of one with the same key.
    pub replaces: Option<f64>,
    /// Entries that expired.
    pub expires: Option<f64>,
    /// Entries pushed out before their time.
    pub discards: Option<f64>,
    /// Lookups that found an entry.
    pub retrieve_hits: Option<f64>,
    /// Lookups that found none.
    pub retrieve_misses: Option<f64>,
    /// Removals of an entry.
    pub remove_hits: Option<f64>,
    /// Removals of what was not there.
    pub remove_misses: Option<f64>,
}

const KEYS: &[Row<Cache>] = &[
    Row { key: "CacheSharedMemory", read: Read::Count, slot: |cache| &mut cache.shared_memory_bytes },
    Row { key: "CacheCurrentEntries", read: Read::Count, slot: |cache| &mut cache.entries },
    Row { key: "CacheSubcaches", read: Read::Count, slot: |cache| &mut cache.subcaches },
    Row { key: "CacheIndexesPerSubcaches", read: Read::Count, slot: |cache| &mut cache.indexes_per_subcache },
    Row { key: "CacheTimeLeftOldestAvg", read: Read::Real, slot: |cache| &mut cache.oldest_time_left_avg_seconds },
    Row { key: "CacheTimeLeftOldestMin", read: Read::Real, slot: |cache| &mut cache.oldest_time_left_min_seconds },
    Row { key: "CacheTimeLeftOldestMax", read: Read::Real, slot: |cache| &mut cache.oldest_time_left_max_seconds },
    Row { key: "CacheIndexUsage", read: Read::Percent, slot: |cache| &mut cache.index_usage_ratio },
    Row { key: "CacheUsage", read: Read::Percent, slot: |cache| &mut cache.usage_ratio },
    Row { key: "CacheStoreCount", read: Read::Count, slot: |cache| &mut cache.stores },
    Row { key: "CacheReplaceCount", read: Read::Count, slot: |cache| &mut cache.replaces },
    Row { key: "CacheExpireCount", read: Read::Count, slot: |cache| &mut cache.expires },
    Row { key: "CacheDiscardCount", read: Read::Count, slot: |cache| &mut cache.discards },
    Row { key: "CacheRetrieveHitCount", read: Read::Count, slot: |cache| &mut cache.retrieve_hits },
    Row { key: "CacheRetrieveMissCount", read: Read::Count, slot: |cache| &mut cache.retrieve_misses },
    Row { key: "CacheRemoveHitCount", read: Read::Count, slot: |cache| &mut cache.remove_hits },
    Row { key: "CacheRemoveMissCount", read: Read::Count, slot: |cache| &mut cache.remove_misses },
];

/// Understood, and worth no series: limits in words, means that follow from the rest.
const UNUSED: &[&[u8]] = &[b"CacheMaximumSize", b"CacheCurrentSize", b"CacheAvgEntrySize"];

/// The kind of cache, the first line of each.
const KIND: &[u8] = b"CacheType";

/// Which cache the lines are about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Owner {
    /// mod_ssl's sessions.
    Tls,
    /// mod_cache_socache.
    Socache,
}

impl Owner {
    /// The owner whose lines follow `line`.
    pub(super) fn announced(line: &[u8]) -> Option<Self> {
        match line {
            b"TLSSessionCacheStatus" => Some(Self::Tls),
            b"ModCacheSocacheStatus" => Some(Self::Socache),
            _ => None,
        }
    }
}

/// The caches, and whose lines are being read.
#[derive(Debug, Default)]
pub(super) struct Caches {
    pub(super) tls: Option<Cache>,
    pub(super) socache: Option<Cache>,
    owner: Option<Owner>,
    /// Figures of this owner were read.
    begun: bool,
}

impl Caches {
    /// The lines that follow are those of `owner`; of nobody, when another module begins.
    pub(super) fn begin(&mut self, owner: Option<Owner>) {
        if let Some(owner) = owner {
            self.cache(owner).get_or_insert_default();
        }
        self.owner = owner;
        self.begun = false;
    }

    fn cache(&mut self, owner: Owner) -> &mut Option<Cache> {
        match owner {
            Owner::Tls => &mut self.tls,
            Owner::Socache => &mut self.socache,
        }
    }

    /// Whether a line without a value, or with several (`Cache:: Gets: 5, Sets: 3`), belongs here.
    pub(super) fn is_remark(&self, line: &[u8]) -> bool {
        let mut parts = line.splitn(3, |b| *b == b':').skip(1);
        let several = parts.next().is_some_and(<[u8]>::is_empty) && parts.next().is_some();
        self.owner.is_some() && (line == b"NotAvailable" || several)
    }

    /// Takes one line; `false` when it is none of a cache's, or nobody knows of which.
    pub(super) fn take(&mut self, line: u32, key: &[u8], value: &[u8]) -> Result<bool, BadField> {
        if key == KIND && self.begun {
            // A second cache, and the line that says whose it is was lost.
            self.begin(None);
        }
        let Some(owner) = self.owner else { return Ok(false) };
        if key == KIND || UNUSED.contains(&key) {
            return Ok(true);
        }
        let known = fill(KEYS, self.cache(owner).get_or_insert_default(), line, key, value)?;
        self.begun |= known;
        Ok(known)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> (Caches, Vec<String>) {
        let (mut caches, mut said) = (Caches::default(), Vec::new());
        for (line, number) in text.lines().zip(1..) {
            if let Some(owner) = Owner::announced(line.as_bytes()) {
                caches.begin(Some(owner));
                continue;
            }
            let (key, value) = line.split_once(':').unwrap_or((line, ""));
            match caches.take(number, key.as_bytes(), value.as_bytes()) {
                Ok(true) => {}
                Ok(false) => said.push(format!("{number}: unknown")),
                Err(bad) => said.push(bad.to_string()),
            }
        }
        (caches, said)
    }

    #[test]
    fn the_line_before_says_whose_they_are() {
        let (caches, said) = read(
            "TLSSessionCacheStatus\nCacheType: SHMCB\nCacheCurrentEntries: 3\nCacheUsage: 12%\n\
             ModCacheSocacheStatus\nCacheType: DBM\nCacheMaximumSize: unlimited\nCacheCurrentEntries: 5\n",
        );
        assert_eq!(said, [""; 0]);
        let tls = caches.tls.unwrap();
        assert_eq!((tls.entries, tls.usage_ratio, tls.stores), (Some(3.0), Some(0.12), None));
        assert_eq!(caches.socache.unwrap().entries, Some(5.0));
    }

    #[test]
    fn figures_of_nobody_are_nobodys() {
        let (caches, said) = read("CacheCurrentEntries: 3\n");
        assert_eq!((caches.tls, said.len()), (None, 1));
        let (caches, said) = read(
            "TLSSessionCacheStatus\nCacheType: SHMCB\nCacheType: SHMCB\nCacheCurrentEntries: 3\n\
             CacheType: SHMCB\nCacheCurrentEntries: 5\n",
        );
        assert_eq!(said, ["5: unknown", "6: unknown"]);
        assert_eq!(caches.tls.unwrap().entries, Some(3.0));
    }

    #[test]
    fn garbage() {
        let (caches, said) = read("TLSSessionCacheStatus\nCacheUsage: much\nCacheNew: 1\nCacheStoreCount: -1");
        assert_eq!(said[0], "2: CacheUsage: expected a percentage, found \"much\"");
        assert_eq!(said.len(), 3);
        assert_eq!(caches.tls, Some(Cache::default()));
    }
}
