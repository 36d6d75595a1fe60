//! Interfaces, protocols and sockets.

pub(super) mod softnet;
