//! Processors, their clocks and their schedulers.

pub(super) mod cpu;
pub(super) mod cpu_vulnerabilities;
pub(super) mod cpufreq;
pub(super) mod interrupts;
pub(super) mod perf;
pub(super) mod schedstat;
pub(super) mod softirqs;
pub(super) mod stat;
