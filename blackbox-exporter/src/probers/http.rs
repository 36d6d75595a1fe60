//! `prober: http`.

#[cfg_attr(not(test), expect(dead_code, reason = "the prober does not ask for it yet"))]
mod http3;

use crate::module::Module;
use crate::reason::Failure;
use crate::run::Run;

pub(super) async fn probe(_module: &Module, _run: &mut Run) -> Result<(), Failure> {
    Err(Failure::module("not built"))
}
