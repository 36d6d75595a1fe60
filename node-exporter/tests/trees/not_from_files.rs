//! Which collectors a recorded tree says nothing about.

/// These ask the running kernel or another program, whatever the flags say.
pub(crate) const NOT_FROM_FILES: &[&str] = &[
    "ethtool",
    "filesystem",
    "logind",
    "network_route",
    "ntp",
    "perf",
    "selinux",
    "supervisord",
    "systemd",
    "tcpstat",
    "timex",
    "uname",
];
