//! What collectors share about the kernel: parsers, and the system calls that no library wraps, one module each.

pub mod localtime;
pub mod timex;
