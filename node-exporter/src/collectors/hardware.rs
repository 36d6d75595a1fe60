//! Sensors, power and what the firmware tells.

pub(super) mod thermal_zone;
