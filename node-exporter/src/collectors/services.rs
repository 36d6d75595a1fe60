//! The managers of services and sessions, which are asked over a socket.

pub(super) mod logind;
#[cfg(test)]
mod machine;
pub(super) mod systemd;
#[cfg(test)]
mod tests;
