//! The harness of the end-to-end tests: it starts the built programs and looks at them from outside.
//!
//! * [`running`] starts a program on a free port and waits for its "Listening on" line.
//! * [`client`] speaks HTTP to it, politely or rudely, [`kept_alive`] many times over one connection, [`rude`] makes
//!   the sockets for clients that behave badly; [`footprint`] is what the program takes meanwhile; [`page`] parses what it answers and matches samples.
//! * [`prometheus`] and [`tools`] put real peers beside it; [`tls`] makes them a certificate.
//! * [`upstream`] is an HTTP server that says what a test tells it to, [`logstash`] one that plays a Logstash, and
//!   [`httpd`] a real Apache httpd, [`nginx`] a real nginx; [`http3`] speaks HTTP/3.
//! * [`blackbox`] is the prober with a configuration of a test, and what a probe came to.
//! * [`grpc`] is a server that says of its health what a test wants, [`talker`] one that talks by a test's script.
//! * [`hostile`] are peers that mean harm.
//! * [`big_host`] writes the kernel's files of a host with as many devices as are asked for.
//! * [`fixture`] builds directory trees; [`fuse`] mounts one whose files hang or fail as told, inside
//!   [`namespace`].
//! * [`callgrind`] says what the instructions of a run were for.
//! * [`manifests`] is the harness for the files that deploy all of this.
//! * [`readme`] has the tables of the README.
//! * [`child`] and [`log_line`] read logs, [`wait`] waits under a deadline, [`skip`] says why a test did not run.
//!
//! The harness panics with a message when something is wrong: its callers are tests.

pub mod big_host;
pub mod blackbox;
pub mod callgrind;
pub mod child;
pub mod client;
pub mod dns;
pub mod fixture;
pub mod footprint;
pub mod fuse;
pub mod grpc;
pub mod hostile;
pub mod http3;
pub mod httpd;
pub mod kept_alive;
pub mod log_line;
pub mod logs;
pub mod logstash;
pub mod manifests;
pub mod namespace;
pub mod nginx;
pub mod page;
pub mod pki;
pub mod prometheus;
pub mod readme;
pub mod rude;
pub mod running;
pub mod skip;
pub mod talker;
pub mod tls;
pub mod tools;
pub mod upstream;
pub mod wait;
