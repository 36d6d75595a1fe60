//! The two caches of mod_socache: TLS sessions, and those of mod_cache_socache. Both have the same families.
//!
//! * Absent when: the cache is off, or of a kind that does not say (dbm tells of its entries alone, memcache of nothing
//!   that is read here). The ages are absent while the cache is empty.
//! * The counters restart at 0 with every restart of httpd, graceful ones included.

use common::exposition::Desc;

use super::{Part, labelled, several, single, value};

/// The part for the cache in field `$cache` of the status; help texts speak of `$of`.
macro_rules! part {
    ($cache:ident, $prefix:literal, $of:literal) => {
        Part::of_rows(&[
            single(
                &Desc::gauge(concat!($prefix, "_entries"), concat!("Entries in the ", $of, "."), &[]),
                "entries",
                &[value(|status| status.$cache.as_ref()?.entries)],
            ),
            single(
                &Desc::gauge(concat!($prefix, "_shared_memory_bytes"), concat!("Memory of the ", $of, "."), &[]),
                "bytes",
                &[value(|status| status.$cache.as_ref()?.shared_memory_bytes)],
            ),
            single(
                &Desc::gauge(concat!($prefix, "_subcaches"), concat!("Parts of the ", $of, "."), &[]),
                "parts",
                &[value(|status| status.$cache.as_ref()?.subcaches)],
            ),
            single(
                &Desc::gauge(
                    concat!($prefix, "_indexes_per_subcache"),
                    concat!("Entries that one part of the ", $of, " has room for."),
                    &[],
                ),
                "entries",
                &[value(|status| status.$cache.as_ref()?.indexes_per_subcache)],
            ),
            single(
                &Desc::gauge(
                    concat!($prefix, "_index_usage_ratio"),
                    concat!("Share of the room for entries in the ", $of, " that is taken."),
                    &[],
                ),
                "ratio",
                &[value(|status| status.$cache.as_ref()?.index_usage_ratio)],
            ),
            single(
                &Desc::gauge(
                    concat!($prefix, "_usage_ratio"),
                    concat!("Share of the memory of the ", $of, " that is taken."),
                    &[],
                ),
                "ratio",
                &[value(|status| status.$cache.as_ref()?.usage_ratio)],
            ),
            several(
                &Desc::gauge(
                    concat!($prefix, "_oldest_time_left_seconds"),
                    concat!("Time until the oldest entry expires, over the parts of the ", $of, "."),
                    &["stat"],
                ),
                "seconds",
                &[
                    labelled(&["avg"], |status| status.$cache.as_ref()?.oldest_time_left_avg_seconds),
                    labelled(&["max"], |status| status.$cache.as_ref()?.oldest_time_left_max_seconds),
                    labelled(&["min"], |status| status.$cache.as_ref()?.oldest_time_left_min_seconds),
                ],
            ),
            single(
                &Desc::counter(concat!($prefix, "_stores_total"), concat!("Entries put into the ", $of, "."), &[]),
                "entries",
                &[value(|status| status.$cache.as_ref()?.stores)],
            ),
            single(
                &Desc::counter(concat!($prefix, "_replaces_total"), concat!("Entries replaced in the ", $of, "."), &[]),
                "entries",
                &[value(|status| status.$cache.as_ref()?.replaces)],
            ),
            single(
                &Desc::counter(
                    concat!($prefix, "_expires_total"),
                    concat!("Entries of the ", $of, " that reached their end."),
                    &[],
                ),
                "entries",
                &[value(|status| status.$cache.as_ref()?.expires)],
            ),
            single(
                &Desc::counter(
                    concat!($prefix, "_discards_total"),
                    concat!("Entries pushed out of the ", $of, " before their time."),
                    &[],
                ),
                "entries",
                &[value(|status| status.$cache.as_ref()?.discards)],
            ),
            several(
                &Desc::counter(
                    concat!($prefix, "_retrieves_total"),
                    concat!("Lookups in the ", $of, " by result."),
                    &["result"],
                ),
                "lookups",
                &[
                    labelled(&["hit"], |status| status.$cache.as_ref()?.retrieve_hits),
                    labelled(&["miss"], |status| status.$cache.as_ref()?.retrieve_misses),
                ],
            ),
            several(
                &Desc::counter(
                    concat!($prefix, "_removes_total"),
                    concat!("Removals from the ", $of, " by result."),
                    &["result"],
                ),
                "removals",
                &[
                    labelled(&["hit"], |status| status.$cache.as_ref()?.remove_hits),
                    labelled(&["miss"], |status| status.$cache.as_ref()?.remove_misses),
                ],
            ),
        ])
    };
}

pub(super) static TLS_SESSION_CACHE: Part = part!(tls_session_cache, "apache_tls_session_cache", "TLS session cache");
pub(super) static SOCACHE: Part = part!(socache, "apache_cache_socache", "shared object cache");
