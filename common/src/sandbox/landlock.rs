//! What may be read, bound and connected to, as Landlock's rules.

use std::fs;
use std::io;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, FileType, Mode, OFlags};

use super::Need;
use super::kernel::{Handled, Ruleset, landlock_abi};

// Kernel: include/uapi/linux/landlock.h.
const READ_FILE: u64 = 1 << 2;
const READ_DIR: u64 = 1 << 3;
/// All that ABI 1 knows of files; bits 13, 14 and 15 came later: moving between directories, truncating, ioctl of devices.
const FILES_OF_ABI_1: u64 = (1 << 13) - 1;
const BIND_TCP: u64 = 1;
const CONNECT_TCP: u64 = 1 << 1;
const ABSTRACT_SOCKETS: u64 = 1;
const SIGNALS: u64 = 1 << 1;
/// The last ABI that this file knows; later ones are used as if they were this one.
const KNOWN_ABI: u32 = 7;

/// What is forbidden unless a rule allows it.
fn handled(abi: u32, needs: &[Need]) -> Handled {
    let files = match abi {
        0 | 1 => FILES_OF_ABI_1,
        2 => FILES_OF_ABI_1 | 1 << 13,
        3 | 4 => FILES_OF_ABI_1 | 3 << 13,
        _ => FILES_OF_ABI_1 | 7 << 13,
    };
    let net = if abi >= 4 { BIND_TCP | CONNECT_TCP } else { 0 };
    let sockets = if needs.contains(&Need::AbstractSockets) { 0 } else { ABSTRACT_SOCKETS };
    Handled { files, net, scoped: if abi >= 6 { SIGNALS | sockets } else { 0 } }
}

/// The trees and files to allow, each once.
pub(super) fn readable(needs: &[Need]) -> Vec<PathBuf> {
    let root = needs.contains(&Need::Tree("/".into()));
    // What is below / needs no rule of its own, and is not touched: a mount that hangs would stop the start. But from
    // proc, links lead into other mount namespaces, whose files are not below this one's /.
    let is_covered =
        |path: &Path| root && path.starts_with("/") && path.parent().is_none_or(|up| !up.starts_with("/proc"));
    let mut paths: Vec<PathBuf> = needs
        .iter()
        .filter_map(|need| match need {
            Need::Tree(path) | Need::File(path) if is_covered(path) => Some(Path::new("/")),
            Need::Tree(path) => Some(existing(path)),
            Need::File(path) => Some(path.as_path()),
            _ => None,
        })
        .map(Path::to_owned)
        .collect();
    paths.sort();
    paths.dedup();
    paths
}

/// A directory, or the nearest one above it that is there: it may come later.
fn existing(path: &Path) -> &Path {
    let is_there = |path: &Path| !matches!(fs::metadata(path), Err(e) if e.kind() == io::ErrorKind::NotFound);
    let here = Path::new(".");
    let ancestors = path.ancestors().map(|path| if path.as_os_str().is_empty() { here } else { path });
    ancestors.into_iter().find(|path| is_there(path)).unwrap_or(here)
}

/// Puts the rules in force; gives the ABI, or why there are none.
pub(super) fn enter(needs: &[Need], readable: &[PathBuf]) -> Result<u32, String> {
    let abi = landlock_abi().map_err(|e| match e.raw_os_error() {
        Some(libc::ENOSYS) => "this kernel has no Landlock, or the container forbids it".to_owned(),
        Some(libc::EOPNOTSUPP) => "Landlock is switched off in this kernel".to_owned(),
        _ => e.to_string(),
    })?;
    let hidden = needs.iter().find_map(|need| match need {
        Need::Processes(procfs) if hides_processes(procfs) => Some(procfs),
        _ => None,
    });
    if let Some(procfs) = hidden {
        // Who sees them by a right to trace them loses them with Landlock, which forbids to trace.
        return Err(format!("{} is mounted with hidepid, and other processes would be hidden", procfs.display()));
    }
    let handled = handled(abi.min(KNOWN_ABI), needs);
    let rules = || -> io::Result<()> {
        let rules = Ruleset::new(&handled)?;
        for path in readable {
            allow_reading(&rules, path)?;
        }
        for need in needs {
            match need {
                Need::Bind(port) if handled.net != 0 => rules.allow_port(*port, BIND_TCP)?,
                Need::Connect(port) if handled.net != 0 => rules.allow_port(*port, CONNECT_TCP)?,
                _ => {}
            }
        }
        rules.restrict_self()
    };
    rules().map(|()| abi).map_err(|e| e.to_string())
}

/// A path that is not there, or may not be looked at, could not be read without the sandbox either.
fn allow_reading(rules: &Ruleset, path: &Path) -> io::Result<()> {
    let Ok(fd) = rustix::fs::openat(CWD, path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty()) else { return Ok(()) };
    // A file has no entries to list, and the kernel refuses a rule that says so.
    let is_dir = rustix::fs::fstat(&fd).is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::Directory);
    rules.allow_below(fd.as_fd(), if is_dir { READ_FILE | READ_DIR } else { READ_FILE })
}

/// Whether a proc file system hides processes from those who may not trace them, and this process is no such.
fn hides_processes(procfs: &Path) -> bool {
    let hides = |line: &str| {
        let Some((_, file_system)) = line.split_once(" - ") else { return false };
        let hidepid = file_system.split([' ', ',']).find_map(|option| option.strip_prefix("hidepid="));
        file_system.starts_with("proc ") && hidepid.is_some_and(|how| !matches!(how, "0" | "off"))
    };
    // Mounts rarely hide anything, and then no process is looked at.
    let Ok(mounts) = fs::read_to_string("/proc/self/mountinfo") else { return false };
    mounts.lines().any(hides) && sees_others(procfs)
}

fn sees_others(procfs: &Path) -> bool {
    let own = fs::read_link(procfs.join("self")).unwrap_or_default();
    let Ok(entries) = fs::read_dir(procfs) else { return false };
    let is_process = |name: &std::ffi::OsStr| name.as_encoded_bytes().iter().all(u8::is_ascii_digit);
    let mut others = entries.flatten().filter(|entry| is_process(&entry.file_name()) && entry.file_name() != own);
    others.any(|entry| fs::read(entry.path().join("stat")).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_abi_handles_what_it_knows() {
        let of = |abi| handled(abi, &[]);
        assert_eq!((of(1).files, of(1).net, of(1).scoped), (0x1fff, 0, 0));
        assert_eq!((of(2).files, of(3).files, of(4).files), (0x3fff, 0x7fff, 0x7fff));
        assert_eq!((of(4).net, of(4).scoped), (3, 0));
        assert_eq!((of(5).files, of(5).scoped), (0xffff, 0));
        assert_eq!((of(6), of(6).scoped), (of(7), 3));
        assert_eq!(handled(7, &[Need::AbstractSockets]).scoped, 2);
    }

    #[test]
    fn below_root_nothing_is_looked_at_but_links_of_proc() {
        let tree = |path: &str| Need::Tree(path.into());
        let paths = |needs: &[Need]| {
            readable(needs).iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(" ")
        };
        let own = "/proc/self/root/proc";
        assert_eq!(paths(&[tree("/proc"), tree("/sys"), tree("/"), Need::File("/etc/hosts".into())]), "/");
        assert_eq!(paths(&[tree("/proc"), tree(own), tree("/")]), format!("/ {own}"));
        assert_eq!(paths(&[tree("/sys"), tree("/proc"), tree("/sys"), Need::Bind(1)]), "/proc /sys");
        assert_eq!(paths(&[tree("/"), tree("")]), ". /");
    }

    #[test]
    fn what_is_to_come_is_allowed_by_its_parent() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(existing(&dir.path().join("a/b")), dir.path());
        assert_eq!(existing(dir.path()), dir.path());
        assert_eq!(existing(Path::new("surely/not/here")), Path::new("."));
    }
}
