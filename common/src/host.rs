//! A summary of this machine for people: the landing page, `--version` and the first log line.

use sysinfo::System;

/// Host name, operating system and kernel; empty where the system does not tell.
pub struct Host {
    /// Node name.
    pub name: String,
    /// Distribution and its version.
    pub os: String,
    /// Kernel release.
    pub kernel: String,
}

impl Host {
    /// Asks the system.
    pub fn read() -> Self {
        Self {
            name: System::host_name().unwrap_or_default(),
            os: System::long_os_version().unwrap_or_default(),
            kernel: System::kernel_version().unwrap_or_default(),
        }
    }

    /// One line: `node7, Linux (Debian 12), kernel 6.1.0`.
    pub fn line(&self) -> String {
        format!("{}, {}, kernel {}", self.name, self.os, self.kernel)
    }
}

/// Rows of the table on the landing page: what, and how much of it. What the system does not tell has no row.
pub fn summary() -> Vec<(&'static str, String)> {
    let host = Host::read();
    let gib = |bytes: u64| format!("{:.1} GiB", bytes as f64 / (1_u64 << 30) as f64);
    let cpus = std::thread::available_parallelism().map_or(0, usize::from);
    let mut rows = vec![("Host", host.name), ("System", host.os), ("Kernel", host.kernel), ("CPUs", cpus.to_string())];
    if let Ok(mut system) = System::new() {
        system.refresh_memory();
        let (used, total) = (gib(system.used_memory()), gib(system.total_memory()));
        rows.push(("Memory", format!("{used} of {total} used")));
    }
    if let Ok(load) = System::load_average() {
        rows.push(("Load", format!("{:.2} {:.2} {:.2}", load.one, load.five, load.fifteen)));
    }
    if let Ok(up) = System::uptime() {
        rows.push(("Up", format!("{} d {:02}:{:02} h", up / 86_400, up / 3600 % 24, up / 60 % 60)));
    }
    rows
}
