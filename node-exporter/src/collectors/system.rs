//! The kernel and the operating system as a whole.

pub(super) mod cgroups;
pub(super) mod entropy;
pub(super) mod filefd;
pub(super) mod kernel_hung;
pub(super) mod loadavg;
pub(super) mod ntp;
pub(super) mod os;
pub(super) mod pressure;
pub(super) mod processes;
pub(super) mod selinux;
pub(super) mod sysctl;
pub(super) mod textfile;
pub(super) mod time;
pub(super) mod timex;
pub(super) mod uname;
