//! The directories `cpu<N>` below `/sys/devices/system/cpu`.
//!
//! * Source: kernel Documentation/admin-guide/cputopology.rst and Documentation/core-api/cpu_hotplug.rst.
//! * Cost: directories come and go only together with the kernel's own lists of CPUs, which are three short files; the
//!   directory itself is listed again when one of those changed, or always where there is no list of present CPUs.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use common::error::CollectError;
use common::flags::Args;

use crate::fs::{KeptDir, KeptFile, sys_path};

/// The CPU directories and the lists that tell when they change.
pub(crate) struct CpuDirs {
    dir: KeptDir,
    present: List,
    online: List,
    offline: List,
    listed: bool,
    labels: Vec<Vec<u8>>,
}

/// A file with a list of CPUs, and its text when it was last looked at.
struct List {
    file: KeptFile,
    text: Option<Vec<u8>>,
}

impl List {
    fn new(path: PathBuf) -> Self {
        Self { file: KeptFile::new(path).in_one_piece(), text: None }
    }

    /// Whether the file has another text now; one that cannot be read has none.
    fn changed(&mut self) -> bool {
        match (self.file.read(), &mut self.text) {
            (Ok(now), Some(before)) if *before == now => false,
            (Ok(now), before) => {
                *before = Some(now.to_vec());
                true
            }
            (Err(_), before) => before.take().is_some(),
        }
    }
}

impl CpuDirs {
    /// The directories below `<path.sysfs>/devices/system/cpu`.
    pub(crate) fn new(args: &Args) -> Self {
        let base = sys_path(args, "devices/system/cpu");
        let list = |name| List::new(base.join(name));
        Self {
            present: list("present"),
            online: list("online"),
            offline: list("offline"),
            listed: false,
            labels: Vec::new(),
            dir: KeptDir::new(base),
        }
    }

    /// Follows the kernel; tells whether CPUs have come, gone, or been switched on or off since the last time.
    pub(crate) fn refresh(&mut self) -> bool {
        let lists = [&mut self.present, &mut self.online, &mut self.offline];
        let changed = lists.into_iter().fold(false, |changed, list| list.changed() | changed);
        if !changed && self.listed && self.present.text.is_some() {
            return false;
        }
        self.listed = true;
        let entries = self.dir.list().unwrap_or_default();
        let now = entries.iter().filter_map(|(name, _)| label(name));
        if now.clone().eq(self.labels.iter().map(Vec::as_slice)) {
            return changed;
        }
        self.labels = now.map(<[u8]>::to_vec).collect();
        true
    }

    /// The names of the directories without `cpu`, in the order of their text.
    pub(crate) fn labels(&self) -> &[Vec<u8>] {
        &self.labels
    }

    /// The directory of a CPU.
    pub(crate) fn path_of(&self, label: &[u8]) -> PathBuf {
        let mut name = b"cpu".to_vec();
        name.extend_from_slice(label);
        self.path().join(OsStr::from_bytes(&name))
    }

    /// The directory that holds them.
    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }

    /// The text of the list of CPUs that are switched off.
    pub(crate) fn offline(&mut self) -> Result<&[u8], CollectError> {
        self.offline.file.read()
    }
}

fn label(name: &[u8]) -> Option<&[u8]> {
    name.strip_prefix(b"cpu").filter(|rest| rest.first().is_some_and(u8::is_ascii_digit))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn labels(dirs: &CpuDirs) -> Vec<&str> {
        dirs.labels().iter().map(|label| std::str::from_utf8(label).unwrap()).collect()
    }

    #[test]
    fn directories_are_listed_when_a_list_changes() {
        let root = tempfile::tempdir().unwrap();
        let base = root.path().join("devices/system/cpu");
        for cpu in ["cpu0", "cpu2", "cpu10", "cpufreq", "cpuidle"] {
            fs::create_dir_all(base.join(cpu)).unwrap();
        }
        fs::write(base.join("present"), "0,2,10\n").unwrap();
        let mut args = Args::defaults(crate::fs::FLAGS);
        args.set("path.sysfs", vec![root.path().to_str().unwrap().to_owned()], true);
        let mut dirs = CpuDirs::new(&args);
        assert!(dirs.offline().is_err());
        assert!(dirs.refresh());
        assert_eq!(labels(&dirs), ["0", "10", "2"]);
        assert!(dirs.path_of(b"10").ends_with("devices/system/cpu/cpu10"));
        fs::create_dir(base.join("cpu3")).unwrap();
        assert!(!dirs.refresh(), "nothing says that there is another one");
        fs::write(base.join("present"), "0,2-3,10\n").unwrap();
        assert!(dirs.refresh());
        assert_eq!(labels(&dirs), ["0", "10", "2", "3"]);
        fs::write(base.join("online"), "0,2\n").unwrap();
        assert!(dirs.refresh(), "the same directories in another state");
    }

    #[test]
    fn without_a_list_of_present_cpus_the_directory_is_the_list() {
        let root = tempfile::tempdir().unwrap();
        let base = root.path().join("devices/system/cpu");
        fs::create_dir_all(base.join("cpu0")).unwrap();
        let mut args = Args::defaults(crate::fs::FLAGS);
        args.set("path.sysfs", vec![root.path().to_str().unwrap().to_owned()], true);
        let mut dirs = CpuDirs::new(&args);
        assert!(dirs.refresh());
        assert!(!dirs.refresh());
        fs::create_dir(base.join("cpu1")).unwrap();
        assert!(dirs.refresh());
        assert_eq!(labels(&dirs), ["0", "1"]);
    }
}
