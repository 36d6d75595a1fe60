//! System calls that have no safe wrapper elsewhere, one module each.

pub mod localtime;
pub mod timex;
