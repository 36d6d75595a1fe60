//! The parsers of Logstash's answers as a table, for the fuzz target in `fuzz` and for the test below. No program calls
//! any of this.

use common::exposition::{Format, Merge, parse_text};
pub use common::fuzzing::Parser;
use common::fuzzing::eat;

use crate::api;
use crate::families::{Instance, Snapshot, Wanted};

/// The parsers of this crate.
pub static PARSERS: &[Parser] = &[
    Parser::new(
        "root",
        |bytes| page(api::parse_root(bytes).map(|root| Instance { root: Some(root.document), ..Instance::default() })),
        br#"{"host":"h","version":"8.1.0","id":"\u00e4","status":"green","pipeline":{"workers":2},"build_snapshot":false}"#,
    ),
    Parser::new(
        "node",
        |bytes| page(api::parse_node(bytes).map(|node| Instance { node: Some(node.document), ..Instance::default() })),
        br#"{"pipelines":{"a":{"workers":2,"config_reload_automatic":true}},"os":{"available_processors":4},
            "jvm":{"vm_name":"x","start_time_in_millis":1700000000000,"gc_collectors":["y","z"]}}"#,
    ),
    Parser::new(
        "plugins",
        |bytes| {
            page(api::parse_plugins(bytes).map(|all| Instance { plugins: Some(all.document), ..Instance::default() }));
        },
        br#"{"total":2,"plugins":[{"name":"b","version":"1.0"},{"name":"a","version":"2.0"}]}"#,
    ),
    Parser::new(
        "node stats",
        |bytes| {
            let stats = api::parse_node_stats(bytes);
            page(stats.map(|stats| Instance { stats: Some(stats.document), ..Instance::default() }));
        },
        br#"{"jvm":{"threads":{"count":3},"gc":{"collectors":{"old":{"collection_count":-1}}}},"flow":{"input_throughput":
            {"current":1.5e-3,"lifetime":"Infinity"}},"pipelines":{"a \"b\"":{"events":{"in":18446744073709551615},"plugins":
            {"inputs":[{"id":"i","name":"beats","address":"x","flow":{"throughput":{"current":1}}}],"codecs":[{"id":"c",
            "decode":{"out":1},"encode":{"writes_in":2}}],"filters":[{"id":"f","matches":1,"patterns_per_field":{"m":1}}],
            "outputs":[{"id":"o","bulk_requests":{"responses":{"200":4}},"send_to":["x","y"]}]},"reloads":{
            "last_error":{},"last_success_timestamp":"2026-06-16T09:25:11.004Z"},"queue":{"type":"persisted","data":
            {"path":"/q"}},"dead_letter_queue":{"last_error":"no errors"},"batch":{"event_count":{"p50":{"lifetime":1}}}}},
            "geoip_download_manager":{"database":{"City":{"status":"init","last_updated_at":"2026-06-16T09:25:11+02:00"}}}}"#,
    ),
    Parser::new(
        "health report",
        |bytes| {
            let health = api::parse_health_report(bytes);
            page(health.map(|health| Instance { health: Some(health.document), ..Instance::default() }));
        },
        br#"{"status":"red","indicators":{"pipelines":{"status":"red","indicators":{"a":{"status":"red","diagnosis":[{"id":
            "logstash:health:pipeline:x"}],"impacts":[{"id":"y","severity":1}],"details":{"status":{"state":"RUNNING"},
            "recovery_log":["2026-06-16T09:25:11Z"]}}}}}}"#,
    ),
    Parser::new(
        "hot threads",
        |bytes| {
            let hot = api::parse_hot_threads(bytes);
            page(hot.map(|hot| Instance { hot_threads: Some(hot.document), ..Instance::default() }));
        },
        br#"{"hot_threads":{"threads":[{"name":"a","percent_of_cpu_time":2.5,"state":"runnable","traces":[]},{"name":"a"}]}}"#,
    ),
    Parser::new(
        "mending",
        |bytes| {
            let mended = api::mended(bytes.to_vec());
            assert!(!mended.starts_with(b"{") || std::str::from_utf8(&mended).is_ok(), "{}", bytes.escape_ascii());
            eat(mended);
        },
        b"{\"a\xff\":\"\\ud83e\\udd80\\ud83e\"}",
    ),
    Parser::new(
        "time",
        |bytes| eat(std::str::from_utf8(bytes).map(api::parse_time)),
        b"2026-06-16T09:25:11.004118207+02:30",
    ),
];

/// Whatever an answer holds, the page can be read.
fn page<E>(instance: Result<Instance<'_>, E>) {
    let Ok(instance) = instance else { return };
    let snapshot = Snapshot::new(vec![instance], Wanted { default_set: true, legacy: true, package_info: true });
    let mut written = Vec::new();
    Merge::default().write_with(&[], &snapshot, Format::Text, &mut |piece| written.extend_from_slice(piece));
    assert!(parse_text(&written).is_ok(), "{}", written.escape_ascii());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_parser_survives_garbage() {
        common::fuzzing::feed_garbage_to_all(PARSERS);
    }
}
