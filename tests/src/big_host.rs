//! The kernel's files of a host with as many devices as are asked for: what `--path.procfs`, `--path.sysfs`,
//! `--path.udev.data` and `--path.rootfs` point to.
//!
//! * [`Counts`] says how many, [`write()`] or [`temporary`] writes them, [`flags`] points node-exporter (and the Go exporter) to them.
//! * Each kind of device is alike, so that a page grows with their number and nothing else; numbers differ from device to
//!   device and are the same in every run.
//! * What does not grow (memory, protocols, sensors of the board) is that of the small machines in node-exporter's
//!   fixtures.
//! * Attributes with the same content are one file under many names, because a file system takes long to make a hundred
//!   thousand files: nothing may be written into them.
//! * Composed from the kernel's Documentation/ABI and Documentation/filesystems/proc.rst. Files are those that a
//!   collector reads that is on by default, in either program.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fmt::Display;
use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

mod fixed;
mod network;
mod processor;
mod sensors;
mod storage;

/// How many of each there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counts {
    /// Threads of CPUs, two per core, in two packages.
    pub cpus: usize,
    /// Disks, each with a file of udev and an XFS.
    pub disks: usize,
    /// Sensor chips.
    pub chips: usize,
    /// Mounts of file systems that are shown by default; others come with them.
    pub mounts: usize,
    /// Network interfaces beside the loopback one.
    pub nics: usize,
}

impl Counts {
    /// A host as large as they come.
    pub const LARGE: Self = Self { cpus: 512, disks: 200, chips: 64, mounts: 5_000, nics: 1_000 };

    /// As many of each kind of device; the number of CPUs is small and the same for all.
    pub const fn devices(n: usize) -> Self {
        Self { cpus: 4, disks: n, chips: n, mounts: n, nics: n }
    }
}

/// A host in a folder that is gone with it; in memory where there is room, as a disk takes a minute for so many files.
///
/// # Errors
///
/// When its files cannot be written anywhere.
pub fn temporary(counts: &Counts) -> io::Result<TempDir> {
    let in_memory = tempfile::tempdir_in("/dev/shm").and_then(|folder| write(folder.path(), counts).map(|()| folder));
    in_memory.or_else(|_| tempfile::tempdir().and_then(|folder| write(folder.path(), counts).map(|()| folder)))
}

/// Writes the host below `root`, which is empty or does not exist.
///
/// # Errors
///
/// When a file cannot be written.
pub fn write(root: &Path, counts: &Counts) -> io::Result<()> {
    let tree = Tree { root: root.to_owned(), contents: RefCell::default() };
    fixed::write(&tree)?;
    processor::write(&tree, counts.cpus)?;
    storage::write_disks(&tree, counts.disks)?;
    storage::write_mounts(&tree, counts)?;
    sensors::write(&tree, counts.chips)?;
    network::write(&tree, counts)
}

/// The flags that make either program read the host at `root`, and nothing of the machine it runs on that could be
/// read from there. [`COMMON_DEFAULTS`] make the rest alike.
pub fn flags(root: &Path) -> Vec<String> {
    let place = |flag: &str, folder: &str| format!("--path.{flag}={}", root.join(folder).display());
    let places = [("procfs", "proc"), ("sysfs", "sys"), ("udev.data", "udev"), ("rootfs", "root")];
    let places = places.map(|(flag, folder)| place(flag, folder));
    let from_files = ["--no-collector.netdev.netlink", "--no-collector.arp.netlink"].map(str::to_owned);
    places.into_iter().chain(from_files).collect()
}

/// Flags under which a Go exporter that a distribution has built, with defaults of its own, does the same as ours.
pub const COMMON_DEFAULTS: &[&str] = &[
    "--no-collector.systemd",
    "--collector.textfile.directory=",
    "--collector.netclass.ignored-devices=^$",
    "--collector.filesystem.mount-points-exclude=^/(dev|proc|sys)($|/)",
];

/// The folder that everything is written below.
struct Tree {
    root: PathBuf,
    /// A file with each content that attributes have had, and how many names it has.
    contents: RefCell<HashMap<String, (PathBuf, u32)>>,
}

/// Less than any usual file system allows; ext4 has 65,000.
const MOST_NAMES: u32 = 30_000;

impl Tree {
    /// Makes a folder, and those above it.
    fn folder(&self, path: &str) -> io::Result<PathBuf> {
        let folder = self.root.join(path);
        fs::create_dir_all(&folder)?;
        Ok(folder)
    }

    /// Writes one file, whose folder appears as needed.
    fn file(&self, path: &str, content: impl AsRef<[u8]>) -> io::Result<()> {
        let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
        fs::write(self.folder(folder)?.join(name), content)
    }

    /// Writes attributes of one folder, a line each.
    fn attributes(&self, folder: &str, attributes: &[(&str, &dyn Display)]) -> io::Result<()> {
        let folder = self.folder(folder)?;
        attributes.iter().try_for_each(|(name, value)| self.attribute(folder.join(name), format!("{value}\n")))
    }

    fn attribute(&self, path: PathBuf, content: String) -> io::Result<()> {
        let mut contents = self.contents.borrow_mut();
        if let Some((file, names)) = contents.get_mut(&content)
            && *names < MOST_NAMES
        {
            *names += 1;
            return fs::hard_link(file, path);
        }
        fs::write(&path, &content)?;
        contents.insert(content, (path, 1));
        Ok(())
    }

    /// Makes a symbolic link.
    fn link(&self, path: &str, target: &str) -> io::Result<()> {
        let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
        symlink(target, self.folder(folder)?.join(name))
    }
}

/// Numbers that look like counters and are the same in every run.
struct Numbers(u64);

impl Numbers {
    fn new(seed: usize) -> Self {
        Self(seed as u64 + 1)
    }

    /// A number below `most`.
    fn below(&mut self, most: u64) -> u64 {
        // The generator of Knuth's MMIX; its high bits are the good ones.
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 24) % most
    }

    /// `n` numbers below `most`, with blanks between them.
    fn row(&mut self, n: usize, most: u64) -> String {
        let numbers: Vec<String> = (0..n).map(|_| self.below(most).to_string()).collect();
        numbers.join(" ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_hosts_are_alike() {
        let counts = Counts { cpus: 3, disks: 2, chips: 2, mounts: 3, nics: 2 };
        let hosts = [(); 2].map(|()| temporary(&counts).unwrap());
        for file in
            ["proc/stat", "proc/diskstats", "proc/1/mountinfo", "udev/b8:16", "sys/class/hwmon/hwmon1/in2_input"]
        {
            let [one, another] = hosts.each_ref().map(|host| fs::read(host.path().join(file)).unwrap());
            assert!(!one.is_empty() && one == another, "{file}");
        }
    }
}
