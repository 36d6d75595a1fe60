//! The documents a Logstash of some version answers with; every figure is invented.

use serde_json::{Map, Value, json};

/// Releases whose answers differ in kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Version {
    /// No flow, no health report, a CMS heap.
    V7_17,
    /// Flow in seven windows, health report.
    V8_19,
    /// Batch figures and queue compression.
    V9_2,
    /// Batch percentiles, crash recoveries.
    V9_4,
}

impl Version {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::V7_17, Self::V8_19, Self::V9_2, Self::V9_4];

    /// As the answers give it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::V7_17 => "7.17.29",
            Self::V8_19 => "8.19.4",
            Self::V9_2 => "9.2.1",
            Self::V9_4 => "9.4.2",
        }
    }
}

/// One pipeline of a node.
#[derive(Debug, Clone)]
pub struct Pipeline {
    pub(super) id: String,
    pub(super) plugins: usize,
    pub(super) persisted: bool,
}

impl Pipeline {
    /// One with a memory queue, and at least an input, a codec, a filter and an output.
    pub fn new(id: &str, plugins: usize) -> Self {
        Self { id: id.to_owned(), plugins: plugins.max(4), persisted: false }
    }

    /// Gives it a persisted queue and a dead letter queue.
    #[must_use]
    pub fn persisted(mut self) -> Self {
        self.persisted = true;
        self
    }
}

/// What all documents are made from.
#[derive(Debug, Clone)]
pub(super) struct Node {
    pub(super) version: Version,
    pub(super) ephemeral_id: String,
    pub(super) pipelines: Vec<Pipeline>,
}

/// Names are as short as they are long in life: a plugin's id is a hash or an UUID.
fn hash(words: &[&str]) -> String {
    let mut state = 0xcbf2_9ce4_8422_2325_u64;
    for byte in words.iter().flat_map(|word| word.bytes().chain([0])) {
        state = (state ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }
    (0..4).map(|n| format!("{:016x}", state.rotate_left(n * 13).wrapping_mul(0x9e37_79b9_7f4a_7c15))).collect()
}

/// All windows of a rate, as they stand after a day.
fn windows(rate: f64) -> Value {
    let near = |factor: f64| ((rate * factor) * 1000.0).round() / 1000.0;
    json!({
        "current": near(1.07),
        "last_1_minute": near(1.02),
        "last_5_minutes": near(0.99),
        "last_15_minutes": near(0.97),
        "last_1_hour": near(1.01),
        "last_24_hours": near(0.88),
        "lifetime": near(0.91),
    })
}

fn merged(parts: impl IntoIterator<Item = Value>) -> Value {
    let objects = parts.into_iter().filter_map(|part| match part {
        Value::Object(object) => Some(object),
        _ => None,
    });
    Value::Object(objects.flatten().collect::<Map<_, _>>())
}

impl Node {
    /// What every answer begins with.
    fn base(&self) -> Value {
        json!({
            "host": "stash-0",
            "version": self.version.as_str(),
            "http_address": "127.0.0.1:9600",
            "id": "5ad2c8e0-5f3a-4a4c-9d0e-6f6f2b9f1c11",
            "name": "stash-0",
            "ephemeral_id": self.ephemeral_id,
            "status": "green",
            "snapshot": false,
        })
    }

    fn with_base(&self, part: Value) -> Value {
        let settings = json!({"pipeline": {"workers": 4, "batch_size": 125, "batch_delay": 50}});
        merged([self.base(), settings, part])
    }

    pub(super) fn root(&self) -> Value {
        self.with_base(json!({
            "build_date": "2026-03-04T05:06:07+00:00",
            "build_sha": &hash(&["build"])[..40],
            "build_snapshot": false,
        }))
    }

    pub(super) fn node(&self) -> Value {
        let old = self.version < Version::V8_19;
        let pipelines = self.pipelines.iter().map(|pipeline| (pipeline.id.clone(), self.settings(pipeline)));
        let collectors: &[&str] = if old {
            &["ParNew", "ConcurrentMarkSweep"]
        } else {
            &["G1 Young Generation", "G1 Concurrent GC", "G1 Old Generation"]
        };
        self.with_base(json!({
            "pipelines": pipelines.collect::<Map<_, _>>(),
            "os": {"name": "Linux", "arch": "amd64", "version": "6.12.0-3-amd64", "available_processors": 4},
            "jvm": {
                "pid": 12,
                "version": if old { "11.0.26" } else { "21.0.8" },
                "vm_version": if old { "11.0.26" } else { "21.0.8" },
                "vm_vendor": "Eclipse Adoptium",
                "vm_name": "OpenJDK 64-Bit Server VM",
                "start_time_in_millis": 1_780_000_000_123_u64,
                "mem": {
                    "heap_init_in_bytes": 1_073_741_824_u64,
                    "heap_max_in_bytes": 1_073_741_824_u64,
                    "non_heap_init_in_bytes": 7_667_712,
                    "non_heap_max_in_bytes": 0,
                },
                "gc_collectors": collectors,
            },
        }))
    }

    fn settings(&self, pipeline: &Pipeline) -> Value {
        let mut settings = json!({
            "ephemeral_id": uuid(&[&pipeline.id, &self.ephemeral_id]),
            "hash": hash(&[&pipeline.id]),
            "workers": 4,
            "batch_size": 125,
            "batch_delay": 50,
            "dead_letter_queue_enabled": pipeline.persisted,
        });
        if self.version <= Version::V9_2 {
            settings["config_reload_automatic"] = json!(true);
            settings["config_reload_interval"] = json!(3_000_000_000_u64);
        }
        if self.version >= Version::V9_4 {
            settings["batch_output_chunking_growth_threshold_factor"] = json!(1000);
        }
        if pipeline.persisted {
            settings["dead_letter_queue_path"] = json!("/var/lib/logstash/dead_letter_queue");
        }
        settings
    }

    pub(super) fn plugins(&self) -> Value {
        let plugins = ["codec-plain", "filter-grok", "filter-mutate", "input-beats", "output-elasticsearch"];
        let plugins: Vec<Value> =
            plugins.iter().map(|name| json!({"name": format!("logstash-{name}"), "version": "5.4.3"})).collect();
        self.with_base(json!({"total": plugins.len(), "plugins": plugins}))
    }

    pub(super) fn hot_threads(&self) -> Value {
        self.with_base(json!({"hot_threads": {
            "time": "2026-11-22T10:11:12+00:00",
            "busiest_threads": 10,
            "threads": [
                {"name": "[main]>worker0", "thread_id": 51, "percent_of_cpu_time": 12.5, "state": "runnable",
                 "traces": ["org.example.Work.step(Work.java:10)"]},
                {"name": "[main]<beats", "thread_id": 48, "percent_of_cpu_time": 0.75, "state": "timed_waiting",
                 "traces": []},
            ],
        }}))
    }

    pub(super) fn health_report(&self) -> Value {
        let pipelines = self.pipelines.iter().map(|pipeline| {
            let mut details = json!({"status": {"state": "RUNNING"}, "flow": {"worker_utilization": windows(31.0)}});
            if self.version >= Version::V9_4 {
                details["recovery_log"] = json!(["2026-11-22T09:08:07.123456789Z"]);
            }
            let report = json!({"status": "green", "symptom": "The pipeline is healthy", "details": details});
            (pipeline.id.clone(), report)
        });
        merged([
            self.base(),
            json!({
                "symptom": "1 indicator is healthy (`pipelines`)",
                "indicators": {"pipelines": {
                    "status": "green",
                    "symptom": "All pipelines are healthy",
                    "indicators": pipelines.collect::<Map<_, _>>(),
                }},
            }),
        ])
    }

    pub(super) fn stats(&self) -> Value {
        let pipelines = self.pipelines.iter().map(|pipeline| (pipeline.id.clone(), self.pipeline(pipeline)));
        let mut stats = json!({
            "jvm": self.jvm(),
            "process": {
                "open_file_descriptors": 180,
                "peak_open_file_descriptors": 191,
                "max_file_descriptors": 1_048_576,
                "mem": {"total_virtual_in_bytes": 6_500_000_000_u64},
                "cpu": {
                    "total_in_millis": 9_876_540,
                    "percent": 7,
                    "load_average": {"1m": 0.42, "5m": 0.51, "15m": 0.6},
                },
            },
            "events": events(5_000_000_000),
            "pipelines": pipelines.collect::<Map<_, _>>(),
            "reloads": {"successes": 2, "failures": 1},
            "os": {"cgroup": {
                "cpuacct": {"control_group": "/", "usage_nanos": 987_654_321_000_u64},
                "cpu": {
                    "control_group": "/", "cfs_period_micros": 100_000, "cfs_quota_micros": -1,
                    "stat": {
                        "number_of_elapsed_periods": 10, "number_of_times_throttled": 1, "time_throttled_nanos": 5_000_000,
                    },
                },
            }},
            "queue": {"events_count": 12},
        });
        if self.version >= Version::V8_19 {
            stats["flow"] = flow(1200.0);
        }
        self.with_base(stats)
    }

    fn jvm(&self) -> Value {
        let old = self.version < Version::V8_19;
        let pool = |used: u64, bounded: bool| {
            let max = if bounded { json!(536_870_912) } else { json!(-1) };
            json!({
                "used_in_bytes": used,
                "committed_in_bytes": 2 * used,
                "max_in_bytes": max,
                "peak_used_in_bytes": 3 * used,
                "peak_max_in_bytes": max,
            })
        };
        json!({
            "threads": {"count": 61, "peak_count": 64},
            "mem": {
                "heap_used_percent": 40,
                "heap_used_in_bytes": 429_000_000,
                "heap_committed_in_bytes": 1_073_741_824_u64,
                "heap_max_in_bytes": if old { 1_073_741_824_u64 } else { 1_073_741_822 },
                "non_heap_used_in_bytes": 190_000_000,
                "non_heap_committed_in_bytes": 200_000_000,
                "pools": {"young": pool(101, old), "old": pool(202, true), "survivor": pool(303, old)},
            },
            "gc": {"collectors": {
                "young": {"collection_count": 1234, "collection_time_in_millis": 56_789},
                "old": {"collection_count": 5, "collection_time_in_millis": 678},
            }},
            "uptime_in_millis": 86_400_123,
        })
    }

    fn pipeline(&self, pipeline: &Pipeline) -> Value {
        let version = self.version;
        let mut stats = json!({
            "events": events(1_000_000),
            "plugins": self.plugin_stats(pipeline),
            "reloads": {
                "successes": 1,
                "failures": 0,
                "last_success_timestamp": "2026-11-22T08:07:06.543Z",
                "last_failure_timestamp": null,
                "last_error": null,
            },
            "queue": queue(version, pipeline.persisted),
            "hash": hash(&[&pipeline.id]),
            "ephemeral_id": uuid(&[&pipeline.id, &self.ephemeral_id]),
        });
        if pipeline.persisted {
            stats["dead_letter_queue"] = dead_letter_queue(version);
        }
        if version >= Version::V8_19 {
            stats["flow"] = merged([flow(300.0), json!({"worker_utilization": windows(31.0)})]);
            stats["pipeline"] = json!({"workers": 4, "batch_size": 125, "batch_delay": 50});
        }
        if version >= Version::V9_2 {
            stats["batch"] = batch(version);
        }
        stats
    }

    fn plugin_stats(&self, pipeline: &Pipeline) -> Value {
        // One input and one codec; of the rest every fourth is an output, the others are filters.
        let others = pipeline.plugins - 2;
        let outputs = (others / 4).max(1);
        let outputs = (0..outputs).map(|n| self.worker(pipeline, "elasticsearch", n)).collect::<Vec<_>>();
        let filters = (0..others - outputs.len()).map(|n| self.worker(pipeline, "grok", n)).collect::<Vec<_>>();
        let mut input = json!({
            "id": hash(&[&pipeline.id, "beats"]),
            "name": "beats",
            "events": {"out": 1_000_000, "queue_push_duration_in_millis": 4321},
            "current_connections": 3,
            "peak_connections": 5,
        });
        if self.version >= Version::V8_19 {
            input["flow"] = json!({"throughput": windows(300.0)});
        }
        json!({
            "inputs": [input],
            "codecs": [{
                "id": format!("plain_{}", uuid(&[&pipeline.id])),
                "name": "plain",
                "decode": {"writes_in": 1_000_000, "out": 1_000_000, "duration_in_millis": 99},
                "encode": {"writes_in": 0, "duration_in_millis": 0},
            }],
            "filters": filters,
            "outputs": outputs,
        })
    }

    /// A filter or an output.
    fn worker(&self, pipeline: &Pipeline, name: &str, n: usize) -> Value {
        let mut plugin = json!({
            "id": hash(&[&pipeline.id, name, &n.to_string()]),
            "name": name,
            "events": {"in": 1_000_000, "out": 1_000_000, "duration_in_millis": 77_000 + n},
        });
        if self.version >= Version::V8_19 {
            plugin["flow"] = json!({
                "worker_utilization": windows(0.5),
                "worker_millis_per_event": windows(0.077),
            });
        }
        if name == "grok" {
            plugin["matches"] = json!(999_000);
            plugin["failures"] = json!(1000);
            plugin["patterns_per_field"] = json!({"message": 2});
        } else {
            plugin["documents"] = json!({"successes": 999_990, "non_retryable_failures": 10});
            plugin["bulk_requests"] =
                json!({"successes": 8000, "with_errors": 3, "responses": {"200": 8000, "429": 2}});
        }
        plugin
    }
}

fn uuid(words: &[&str]) -> String {
    let hash = hash(words);
    let (a, b, c, d, e) = (&hash[..8], &hash[8..12], &hash[12..15], &hash[16..19], &hash[20..32]);
    format!("{a}-{b}-4{c}-8{d}-{e}")
}

fn events(count: u64) -> Value {
    json!({
        "in": count,
        "filtered": count - 7,
        "out": count - 7,
        "duration_in_millis": count / 10,
        "queue_push_duration_in_millis": count / 50,
    })
}

/// The five rates that a node and its pipelines share.
fn flow(rate: f64) -> Value {
    json!({
        "input_throughput": windows(rate),
        "filter_throughput": windows(rate),
        "output_throughput": windows(rate),
        "queue_backpressure": windows(0.125),
        "worker_concurrency": windows(1.25),
    })
}

fn queue(version: Version, persisted: bool) -> Value {
    if !persisted {
        return json!({"type": "memory", "events_count": 0, "queue_size_in_bytes": 0, "max_queue_size_in_bytes": 0});
    }
    let mut queue = json!({
        "type": "persisted",
        "events_count": 12,
        "queue_size_in_bytes": 34_567,
        "max_queue_size_in_bytes": 1_073_741_824_u64,
        "events": 13,
        "capacity": {
            "page_capacity_in_bytes": 67_108_864,
            "max_queue_size_in_bytes": 1_073_741_824_u64,
            "max_unread_events": 0,
            "queue_size_in_bytes": 34_567,
        },
        "data": {
            "path": "/var/lib/logstash/queue",
            "storage_type": "ext4",
            "free_space_in_bytes": 55_000_000_000_u64,
        },
    });
    if version >= Version::V9_2 {
        queue["compression"] = json!({
            "encode": {"goal": "balanced", "ratio": {"lifetime": 0.25}, "spend": {"lifetime": 0.01}},
            "decode": {"ratio": {"lifetime": 4.0}, "spend": {"lifetime": "NaN"}},
        });
    }
    queue
}

fn dead_letter_queue(version: Version) -> Value {
    let mut queue = json!({"queue_size_in_bytes": 4096});
    if version >= Version::V8_19 {
        queue["max_queue_size_in_bytes"] = json!(1_073_741_824_u64);
        queue["dropped_events"] = json!(0);
        queue["expired_events"] = json!(0);
        queue["last_error"] = json!("no errors");
        queue["storage_policy"] = json!("drop_newer");
    }
    queue
}

fn batch(version: Version) -> Value {
    let quantiles = |value: u64| {
        let window = json!({"last_1_minute": value, "last_5_minutes": value + 1, "last_15_minutes": value + 2});
        json!({"p50": window, "p90": window})
    };
    let average = |value: u64| json!({"current": value, "average": {"lifetime": value}});
    let (mut events, mut bytes) = (average(100), average(200_000));
    if version >= Version::V9_4 {
        events = merged([events, quantiles(90)]);
        bytes = merged([bytes, quantiles(180_000), json!({"max": {"lifetime": 900_000}})]);
    }
    json!({"event_count": events, "byte_size": bytes})
}
