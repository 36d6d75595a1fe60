//! The configuration in force as YAML, secrets hidden.

use super::{Module, Settings};

/// Blanks per level.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Indent {
    /// As in the answer to `debug=true`.
    Two,
    /// As on `/config`.
    Four,
}

/// A whole configuration.
pub fn show_settings(_settings: &Settings) -> String {
    String::new()
}

/// One module.
pub fn show_module(_module: &Module, _indent: Indent) -> String {
    String::new()
}
