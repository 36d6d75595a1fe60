//! Sensors, power and what the firmware tells.

mod attributes;
pub(super) mod dmi;
pub(super) mod drm;
pub(super) mod edac;
pub(super) mod hwmon;
pub(super) mod pcidevice;
pub(super) mod powersupplyclass;
pub(super) mod rapl;
pub(super) mod thermal_zone;
pub(super) mod watchdog;
