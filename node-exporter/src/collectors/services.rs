//! Supervisors and the services they keep running.

pub(super) mod runit;
pub(super) mod supervisord;
