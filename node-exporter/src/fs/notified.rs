//! A file of proc whose readers are told by poll(2) when its text has changed, and which is dear to read: the table of
//! mounts (proc(5), `/proc/pid/mounts`).

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use common::error::CollectError;
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::KeptFile;
use super::kept::{Kept, PROC_SUPER_MAGIC};

/// A text is read again after this time whatever poll says: the kernel tells of each mount that comes, goes or is
/// remounted, but not of a file system that gave up writing by itself.
const MOST_AGE: Duration = Duration::from_secs(60);

/// What a look at the file gave.
#[derive(Debug, PartialEq, Eq)]
pub enum Seen<'t> {
    /// There is no such file.
    Absent,
    /// The text is the one that was read last.
    Same,
    /// The text as it is now.
    Text(&'t [u8]),
}

/// A file that is read when it has changed.
pub struct Notified {
    file: KeptFile,
    /// When the file was read; `None` when it has to be read again, because it is open no more or does not notify.
    read: Option<Instant>,
}

impl Notified {
    /// A file that is opened at its first look.
    pub fn new(path: PathBuf) -> Self {
        Self { file: KeptFile::new(path), read: None }
    }

    /// Where the file is.
    pub fn path(&self) -> &Path {
        self.file.path()
    }

    /// Looks whether the file has changed, and reads it if so, or if `doubted`.
    pub fn look(&mut self, doubted: bool) -> Result<Seen<'_>, CollectError> {
        // Asked in any case: the answer also says that the event was taken note of.
        let silent = self.is_silent();
        if silent && !doubted && self.read.is_some_and(|when| when.elapsed() < MOST_AGE) {
            return Ok(Seen::Same);
        }
        self.read = None;
        if self.file.read_if_present()?.is_none() {
            return Ok(Seen::Absent);
        }
        self.read = self.notifies().then(Instant::now);
        Ok(Seen::Text(self.file.text()))
    }

    /// Whether the file is open and nothing has happened to it since this was last asked, or since it was opened.
    fn is_silent(&self) -> bool {
        let Some(kept) = &self.file.fd else { return false };
        let mut fds = [PollFd::new(kept.fd(), PollFlags::PRI)];
        poll(&mut fds, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })) == Ok(0)
    }

    /// Other file systems have files of the same name that tell nothing.
    fn notifies(&self) -> bool {
        let magic = |kept: &Kept| rustix::fs::fstatfs(kept.fd()).map(|fs| fs.f_type as u64);
        self.file.fd.as_ref().is_some_and(|kept| magic(kept) == Ok(PROC_SUPER_MAGIC))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn a_file_that_does_not_notify_is_always_read() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("mountinfo");
        let mut file = Notified::new(path.clone());
        assert_eq!(file.look(false).unwrap(), Seen::Absent);
        for text in ["one", "one", "two"] {
            fs::write(&path, text).unwrap();
            assert_eq!(file.look(false).unwrap(), Seen::Text(text.as_bytes()));
        }
        fs::remove_file(&path).unwrap();
        assert_eq!(file.look(false).unwrap(), Seen::Text(b"two"), "it is still open");
    }

    /// The table of a process in a namespace of its own, where nobody else mounts anything.
    #[test]
    fn the_table_of_mounts_notifies() {
        let mut child = std::process::Command::new("unshare")
            .args(["--mount", "--map-root-user", "sh", "-c"])
            .arg("echo; read x; mount -t tmpfs a /proc/driver && echo; read x; mount -o remount,ro /proc/driver && echo; read x")
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let (mut tell, mut told) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let mut step = || std::io::Read::read_exact(&mut told, &mut [0]).is_ok();
        if !step() {
            child.wait().unwrap();
            eprintln!("test the_table_of_mounts_notifies ... skipped: no namespaces here");
            return;
        }
        let mut file = Notified::new(format!("/proc/{}/mountinfo", child.id()).into());
        assert!(matches!(file.look(false).unwrap(), Seen::Text(_)));
        assert_eq!(file.look(false).unwrap(), Seen::Same);
        for wanted in [" /proc/driver rw", " /proc/driver ro"] {
            std::io::Write::write_all(&mut tell, b"\n").unwrap();
            assert!(step(), "mounted");
            let Seen::Text(now) = file.look(false).unwrap() else { panic!("nothing was told") };
            let now = String::from_utf8_lossy(now).into_owned();
            assert!(now.contains(wanted), "{now}");
            assert_eq!(file.look(false).unwrap(), Seen::Same);
        }
        assert!(matches!(file.look(true).unwrap(), Seen::Text(_)), "doubted");
        drop(tell);
        child.wait().unwrap();
    }
}
