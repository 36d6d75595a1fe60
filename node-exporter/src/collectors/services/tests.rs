//! systemd and logind as the machines in `machine` tell them, over scripted buses and a real one.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use common::flags::Args;
use tempfile::TempDir;

use super::logind::Logind;
use super::machine::Machine;
use super::systemd::{FLAGS, Systemd};
use crate::bus::fake::{Fake, Greeting, Say, Script, offer};
use crate::rig::Rig;

mod failures;
mod pages;
mod real;

/// A folder for sockets.
struct Place(TempDir);

impl Place {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("bus")
    }

    fn address(&self) -> String {
        format!("unix:path={}", self.path().display())
    }

    fn bus(&self, script: Script) -> Fake {
        Fake::new(&self.path(), Greeting::Takes, script)
    }

    fn systemd(&self, flags: &[(&'static str, &str)]) -> Rig {
        systemd(&self.address(), "", flags)
    }

    fn logind(&self) -> Rig {
        Rig::of(Box::new(Logind::new(self.address())))
    }

    /// What went wrong, without the folder.
    fn problems(&self, rig: &mut Rig) -> String {
        let (_, problems) = rig.scrape();
        problems.join("\n").replace(&*self.path().to_string_lossy(), "BUS")
    }
}

fn systemd(bus: &str, manager: &str, flags: &[(&'static str, &str)]) -> Rig {
    let mut args = Args::defaults(FLAGS);
    for &(flag, value) in flags {
        args.set(flag, vec![value.to_owned()], value == "true");
    }
    let systemd = Systemd::new(&args, bus.to_owned(), manager.to_owned(), !manager.is_empty());
    Rig::of(Box::new(systemd.unwrap()))
}

const EVERYTHING: &[(&str, &str)] = &[
    ("collector.systemd.enable-task-metrics", "true"),
    ("collector.systemd.enable-restarts-metrics", "true"),
    ("collector.systemd.enable-start-time-metrics", "true"),
    ("collector.systemd.unit-exclude", "none"),
];
