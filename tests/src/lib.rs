//! The harness of the end-to-end tests: it starts the built programs and looks at them from outside.
//!
//! * [`running`] starts a program on a free port and waits for its "Listening on" line.
//! * [`client`] speaks HTTP to it, politely or rudely; [`page`] parses what it answers and matches samples.
//! * [`prometheus`] and [`tools`] put real peers beside it; [`tls`] makes them a certificate.
//! * [`upstream`] is an HTTP server that says what a test tells it to, [`logstash`] one that plays a Logstash, and
//!   [`httpd`] a real Apache httpd, [`nginx`] a real nginx; [`http3`] speaks HTTP/3.
//! * [`blackbox`] is the prober with a configuration of a test, and what a probe came to.
//! * [`grpc`] is a server that says of its health what a test wants, [`talker`] one that talks by a test's script.
//! * [`hostile`] are peers that mean harm.
//! * [`fixture`] builds directory trees; [`fuse`] mounts a file system that never answers, inside [`namespace`].
//! * [`kubernetes`] is a stand-in for the cluster in which Prometheus finds what to scrape.
//! * [`manifests`] are the files that deploy all of this, [`panels`] what dashboards and alerts are made of. [`kustomize`]
//!   renders what is applied to a cluster, [`rendering`] is what came of it, [`kubernetes_schema`] whether it is taken.
//! * [`monitoring_server`] lays out the files of the monitoring server, [`alertmanager`] and [`gate`] are what stands around
//!   it; [`shape`], [`provisioning`] and [`compose`] are strict where the readers of its files are not.
//! * [`units`] asks systemd about units, [`podman`] runs the containers.
//! * [`child`] and [`log_line`] read logs, [`wait`] waits under a deadline, [`skip`] says why a test did not run.
//!
//! The harness panics with a message when something is wrong: its callers are tests.

pub mod alertmanager;
pub mod blackbox;
pub mod child;
pub mod client;
pub mod compose;
pub mod dns;
pub mod fixture;
pub mod fuse;
pub mod gate;
pub mod grpc;
pub mod hostile;
pub mod http3;
pub mod httpd;
pub mod kubernetes;
pub mod kubernetes_schema;
pub mod kustomize;
pub mod log_line;
pub mod logstash;
pub mod manifests;
pub mod monitoring_server;
pub mod namespace;
pub mod nginx;
pub mod page;
pub mod panels;
pub mod pki;
pub mod podman;
pub mod preview;
pub mod prometheus;
pub mod provisioning;
pub mod rendering;
pub mod running;
pub mod shape;
pub mod site;
pub mod skip;
pub mod talker;
pub mod tls;
pub mod tools;
pub mod units;
pub mod upstream;
pub mod wait;
