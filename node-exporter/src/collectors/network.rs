//! Interfaces, protocols and sockets.
