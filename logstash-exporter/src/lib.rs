//! The logstash exporter: the node statistics of a Logstash, for Prometheus.

pub mod config;
