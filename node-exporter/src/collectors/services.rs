//! Supervisors and the services they keep running.

pub(super) mod runit;
