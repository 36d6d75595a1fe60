//! How many files stay open over scrapes: descriptors of this process, and pages that the kernel holds for them.

use std::sync::atomic::{AtomicUsize, Ordering};

use rustix::fd::OwnedFd;

/// Of files in sysfs and proc. The kernel holds a page for each that has been read and stays open (its fs/seq_file.c). No
/// figure of the process shows these 16 MB, but the memory limit of a container counts them. A host has some hundred such
/// files; one with more has those beyond opened at each scrape.
const MOST_PAGES: usize = 4096;

/// Descriptors that are held open over scrapes, in all collectors together, and those of them for which the kernel holds a
/// page.
static KEPT: AtomicUsize = AtomicUsize::new(0);
static PAGES: AtomicUsize = AtomicUsize::new(0);

/// An open file that counts against the descriptors the process may keep.
pub(crate) struct Kept {
    fd: OwnedFd,
    has_page: bool,
}

impl Kept {
    /// Half of what the process may open; the other half is for connections and for what is opened in passing. And no more
    /// than [`MOST_PAGES`] of the kernel. Whoever asks for more gets the descriptor back.
    pub(crate) fn new(fd: OwnedFd) -> Result<Self, OwnedFd> {
        use std::sync::OnceLock;
        static MOST: OnceLock<usize> = OnceLock::new();
        let most = *MOST.get_or_init(|| {
            let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current.unwrap_or(65_536);
            usize::try_from(limit / 2).unwrap_or(usize::MAX)
        });
        let has_page = KEPT.load(Ordering::Relaxed) < most && is_of_kernel(&fd);
        if KEPT.fetch_add(1, Ordering::Relaxed) >= most {
            KEPT.fetch_sub(1, Ordering::Relaxed);
            return Err(fd);
        }
        if has_page && PAGES.fetch_add(1, Ordering::Relaxed) >= MOST_PAGES {
            PAGES.fetch_sub(1, Ordering::Relaxed);
            KEPT.fetch_sub(1, Ordering::Relaxed);
            return Err(fd);
        }
        Ok(Self { fd, has_page })
    }

    /// The descriptor.
    pub(crate) fn fd(&self) -> &OwnedFd {
        &self.fd
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        KEPT.fetch_sub(1, Ordering::Relaxed);
        if self.has_page {
            PAGES.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

/// `f_type` of sysfs and proc (kernel: include/uapi/linux/magic.h).
pub(crate) const SYSFS_MAGIC: u64 = 0x6265_6572;
pub(crate) const PROC_SUPER_MAGIC: u64 = 0x9fa0;

/// Whether a file is made by the kernel when it is read.
fn is_of_kernel(fd: &OwnedFd) -> bool {
    rustix::fs::fstatfs(fd).is_ok_and(|fs| matches!(fs.f_type as u64, SYSFS_MAGIC | PROC_SUPER_MAGIC))
}
