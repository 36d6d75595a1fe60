//! What appears and goes in directories, told by the kernel (inotify(7)); and whether it tells everything.
//!
//! Directories are watched for names, files are not watched for writes: a thousand containers that log would wake the program a
//! thousand times a second, where looking at the length of a file costs half a microsecond.

use std::collections::HashMap;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::inotify::{self, CreateFlags, ReadFlags, Reader, WatchFlags};
use rustix::io::Errno;

/// Watches on directories.
pub struct Watches {
    /// `None` where the kernel gives no instance.
    instance: Option<OwnedFd>,
    directories: HashMap<i32, PathBuf>,
    numbers: HashMap<PathBuf, i32>,
    /// Why some directory is not watched.
    lacking: Option<Errno>,
}

/// What the kernel told.
#[derive(Debug, Default)]
pub struct News {
    /// Directories in which names came or went, or that are gone themselves.
    pub changed: Vec<PathBuf>,
    /// Whether some news were lost.
    pub overflowed: bool,
}

impl Watches {
    /// No watches yet.
    pub fn new() -> Self {
        let (instance, lacking) = match inotify::init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC) {
            Ok(instance) => (Some(instance), None),
            Err(e) => (None, Some(e)),
        };
        Self { instance, directories: HashMap::new(), numbers: HashMap::new(), lacking }
    }

    /// Why directories have to be listed again and again, if they have to.
    pub fn lacking(&self) -> Option<Errno> {
        self.lacking
    }

    /// Forgets why; directories that still cannot be watched tell it again.
    pub fn try_again(&mut self) {
        if self.instance.is_none() {
            *self = Self::new();
        } else {
            self.lacking = None;
        }
    }

    /// Watches a directory; to be called before it is listed. Nothing when it is watched, or not there.
    pub fn add(&mut self, directory: &Path) {
        let Some(instance) = self.instance.as_ref().filter(|_| !self.numbers.contains_key(directory)) else { return };
        let names = WatchFlags::CREATE | WatchFlags::DELETE | WatchFlags::MOVED_FROM | WatchFlags::MOVED_TO;
        let itself = WatchFlags::DELETE_SELF | WatchFlags::MOVE_SELF | WatchFlags::ONLYDIR | WatchFlags::DONT_FOLLOW;
        match inotify::add_watch(instance, directory, names | itself) {
            Ok(number) => {
                // The same directory under a name that it had before.
                if let Some(before) = self.directories.insert(number, directory.to_owned()) {
                    self.numbers.remove(&before);
                }
                self.numbers.insert(directory.to_owned(), number);
            }
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => {}
            Err(e) => self.lacking = Some(e),
        }
    }

    /// Ends the watch of a directory and of all below it.
    pub fn remove(&mut self, directory: &Path) {
        let gone: Vec<(PathBuf, i32)> = self
            .numbers
            .iter()
            .filter(|(path, _)| path.starts_with(directory))
            .map(|(path, number)| (path.clone(), *number))
            .collect();
        for (path, number) in gone {
            self.forget(&path, number);
        }
    }

    fn forget(&mut self, path: &Path, number: i32) {
        self.numbers.remove(path);
        self.directories.remove(&number);
        if let Some(instance) = &self.instance {
            // It may be gone by itself.
            let _gone = inotify::remove_watch(instance, number);
        }
    }

    /// Waits until there is news, at most so long.
    pub fn wait(&self, most: Duration) {
        let Some(instance) = &self.instance else {
            std::thread::sleep(most);
            return;
        };
        let timeout = Timespec { tv_sec: most.as_secs().cast_signed(), tv_nsec: most.subsec_nanos().into() };
        let mut waiting = [PollFd::new(instance, PollFlags::IN)];
        // A signal ends it early, which does no harm.
        let _interrupted = poll(&mut waiting, Some(&timeout));
    }

    /// All news there is.
    pub fn news(&mut self) -> News {
        let mut news = News::default();
        let mut gone = Vec::new();
        if let Some(instance) = &self.instance {
            let mut buffer = [MaybeUninit::uninit(); 16 << 10];
            let mut reader = Reader::new(instance.as_fd(), &mut buffer);
            while let Ok(event) = reader.next() {
                let flags = event.events();
                if flags.contains(ReadFlags::QUEUE_OVERFLOW) {
                    news.overflowed = true;
                }
                let Some(directory) = self.directories.get(&event.wd()) else { continue };
                if flags.intersects(ReadFlags::DELETE_SELF | ReadFlags::MOVE_SELF | ReadFlags::IGNORED) {
                    gone.push((directory.clone(), event.wd()));
                }
                if news.changed.last() != Some(directory) {
                    news.changed.push(directory.clone());
                }
            }
        }
        for (path, number) in gone {
            self.forget(&path, number);
        }
        news.changed.sort();
        news.changed.dedup();
        news
    }
}

impl Default for Watches {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn names_that_come_and_go() {
        let folder = tempfile::tempdir().unwrap();
        let (root, inner) = (folder.path().to_owned(), folder.path().join("inner"));
        let mut watches = Watches::new();
        watches.add(&root);
        watches.add(&root);
        watches.add(&root.join("absent"));
        assert_eq!((watches.news().changed, watches.lacking()), (vec![], None));
        fs::create_dir(&inner).unwrap();
        fs::write(root.join("x"), "").unwrap();
        watches.wait(Duration::from_secs(10));
        assert_eq!(watches.news().changed, std::slice::from_ref(&root));
        watches.add(&inner);
        fs::write(inner.join("y"), "").unwrap();
        assert_eq!(watches.news().changed, std::slice::from_ref(&inner));
        fs::write(inner.join("y"), "more").unwrap();
        assert_eq!(watches.news().changed, [] as [&Path; 0]);
        fs::remove_dir_all(&inner).unwrap();
        assert_eq!(watches.news().changed, [root.clone(), inner.clone()]);
        fs::create_dir(&inner).unwrap();
        watches.add(&inner);
        watches.remove(&root);
        fs::write(inner.join("y"), "").unwrap();
        assert_eq!(watches.news().changed, [] as [&Path; 0]);
    }
}
