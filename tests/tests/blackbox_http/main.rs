//! HTTP probes of the real program against scripted servers.

mod basics;
mod proxies;
mod redirects;
mod rules;
mod scripted;
mod tls;
