//! What may be read, bound and connected to, as Landlock's rules.

use std::fs;
use std::path::{Path, PathBuf};

use landlock::{
    ABI, Access, AccessFs, AccessNet, LandlockStatus, NetPort, RestrictionStatus, Ruleset, RulesetAttr,
    RulesetCreatedAttr, RulesetError, RulesetStatus, Scope, path_beneath_rules,
};

use super::Need;

/// The newest ABI that the rules were tried with; of an older one what it has is used.
const NEWEST: ABI = ABI::V7;

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
            Need::Tree(path) | Need::TreeToCome(path) | Need::File(path) if is_covered(path) => Some(Path::new("/")),
            Need::TreeToCome(path) => nearest(path),
            Need::Tree(path) | Need::File(path) => path.exists().then_some(path.as_path()),
            _ => None,
        })
        .map(Path::to_owned)
        .collect();
    paths.sort();
    paths.dedup();
    paths
}

/// A directory, or the nearest one above it that is there.
fn nearest(path: &Path) -> Option<&Path> {
    let here = Path::new(".");
    let mut ancestors = path.ancestors().map(|path| if path.as_os_str().is_empty() { here } else { path });
    ancestors.find(|path| path.exists()).filter(|found| *found == path || found.parent().is_some())
}

/// Puts the rules in force; gives the ABI, or why there are none. `keeps_length` says that no file can be cut off anyhow.
pub(super) fn enter(needs: &[Need], readable: &[PathBuf], keeps_length: bool) -> Result<u32, String> {
    let hidden = needs.iter().find_map(|need| match need {
        Need::Processes(procfs) if hides_processes(procfs) => Some(procfs),
        _ => None,
    });
    if let Some(procfs) = hidden {
        // Who sees them by a right to trace them loses them with Landlock, which forbids to trace.
        return Err(format!("{} is mounted with hidepid, and other processes would be hidden", procfs.display()));
    }
    let status = restrict(needs, readable, keeps_length).map_err(|e| e.to_string())?;
    match status.landlock {
        LandlockStatus::NotImplemented => Err("this kernel has no Landlock, or who started this forbids it".to_owned()),
        LandlockStatus::NotEnabled => Err("Landlock is switched off in this kernel".to_owned()),
        _ if status.ruleset == RulesetStatus::NotEnforced => Err("the kernel took no rule".to_owned()),
        LandlockStatus::Available { effective_abi, .. } => Ok(effective_abi.min(NEWEST) as u32),
    }
}

fn restrict(needs: &[Need], readable: &[PathBuf], keeps_length: bool) -> Result<RestrictionStatus, RulesetError> {
    // At each file that is opened the kernel looks for what is handled here, on the way from the file up to where all of
    // it was found, which for cutting off is never.
    let mut handled = AccessFs::from_all(NEWEST);
    if keeps_length {
        handled.remove(AccessFs::Truncate);
    }
    let reading = AccessFs::ReadFile | AccessFs::ReadDir;
    let all_is_readable = readable.iter().all(|path| path == Path::new("/")) && !readable.is_empty();
    if all_is_readable {
        handled.remove(reading);
    }
    let scope = match needs.contains(&Need::AbstractSockets) {
        true => Scope::Signal.into(),
        false => Scope::from_all(NEWEST),
    };
    // What is handled is forbidden unless a rule allows it; what this kernel does not know is left out.
    let mut rules = Ruleset::default()
        .handle_access(handled)?
        .handle_access(AccessNet::from_all(NEWEST))?
        .scope(scope)?
        .create()?
        // A path that is not there, or may not be looked at, could not be read without the rules either.
        .add_rules(path_beneath_rules(readable.iter().filter(|_| !all_is_readable), reading))?;
    for need in needs {
        rules = match need {
            Need::Bind(port) => rules.add_rule(NetPort::new(*port, AccessNet::BindTcp))?,
            Need::Connect(port) => rules.add_rule(NetPort::new(*port, AccessNet::ConnectTcp))?,
            _ => rules,
        };
    }
    rules.restrict_self()
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
    fn below_root_nothing_is_looked_at_but_links_of_proc() {
        let tree = |path: &str| Need::Tree(path.into());
        let paths = |needs: &[Need]| {
            readable(needs).iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(" ")
        };
        let own = "/proc/self/root/proc";
        assert_eq!(paths(&[tree("/proc"), tree("/sys"), tree("/"), Need::File("/etc/hosts".into())]), "/");
        assert_eq!(paths(&[tree("/proc"), tree(own), tree("/")]), format!("/ {own}"));
        assert_eq!(paths(&[tree("/sys"), tree("/proc"), tree("/sys"), Need::Bind(1)]), "/proc /sys");
        assert_eq!(paths(&[tree("/"), tree(".")]), "/ .");
        assert_eq!(paths(&[tree("/proc"), tree("/surely/not/here"), Need::File("/nor/this".into())]), "/proc");
    }

    #[test]
    fn what_is_to_come_is_a_matter_of_what_is_above_it() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(nearest(&dir.path().join("a/b")), Some(dir.path()));
        assert_eq!(nearest(dir.path()), Some(dir.path()));
        assert_eq!(nearest(Path::new("surely/not/here")), Some(Path::new(".")));
        assert_eq!(nearest(Path::new("/surely/not/here")), None);
        assert_eq!(nearest(Path::new("/")), Some(Path::new("/")));
    }
}
