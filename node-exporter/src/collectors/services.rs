//! The managers of services and sessions, which are asked over a socket or leave files.

pub(super) mod logind;
#[cfg(test)]
mod machine;
pub(super) mod runit;
pub(super) mod supervisord;
pub(super) mod systemd;
#[cfg(test)]
mod tests;
