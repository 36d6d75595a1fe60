//! What goes wrong.
use super::*;
