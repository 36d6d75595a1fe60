//! `prober: tcp`.

use crate::module::Module;
use crate::reason::Failure;
use crate::run::Run;

pub(super) async fn probe(_module: &Module, _run: &mut Run) -> Result<(), Failure> {
    Err(Failure::module("not built"))
}
