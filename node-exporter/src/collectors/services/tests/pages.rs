//! What the pages say.

use super::*;

