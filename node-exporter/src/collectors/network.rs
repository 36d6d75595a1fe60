//! Interfaces, protocols and sockets.

pub(super) mod arp;
pub(super) mod netclass;
pub(super) mod netdev;
