//! A mounted file system that does what a test tells it to: each call at each file is answered, held back until it is
//! let go, or refused.
//!
//! The kernel's protocol is the crate's, `fuse3`: of those that mount without libfuse it is the one that hands on
//! INTERRUPT. That comes when the caller is being killed; a call that could not even be killed would keep the program
//! under test, and so the test, from ever ending. To be mounted in a [`crate::namespace`] only.

use std::io;
use std::mem::ManuallyDrop;
use std::path::{Path, PathBuf};
use std::sync::{Arc, mpsc};
use std::thread::{self, JoinHandle};

use fuse3::MountOptions;
use fuse3::raw::Session;
use rustix::io::Errno;
use rustix::mount::{UnmountFlags, unmount};
use tokio::sync::oneshot;

mod gates;
mod tree;

use gates::Gates;
pub use tree::{BLOCK_BYTES, BLOCKS, Tree};

/// What may be asked of a file or a directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Call {
    /// stat(2), beyond what looking up its name tells.
    Getattr,
    /// open(2), of a directory as well.
    Open,
    /// read(2) of a file.
    Read,
    /// getdents(2) of a directory.
    Readdir,
    /// statfs(2); comes to the root of the tree.
    Statfs,
}

/// What becomes of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The truth, at once.
    Truth,
    /// None, until this is set to something else or the caller is being killed.
    Never,
    /// This error.
    Refusal(Errno),
    /// This error for the first call and each other one after it, the truth for those between.
    EveryOther(Errno),
}

/// A mounted [`Tree`]; unmounted when dropped, and nothing is held back any more.
#[derive(Debug)]
pub struct Mounted {
    target: PathBuf,
    gates: Arc<Gates>,
    tree: Tree,
    stop: Option<oneshot::Sender<()>>,
    server: Option<JoinHandle<()>>,
}

impl Mounted {
    /// Mounts on an existing directory, with a name to be seen in mountinfo; all calls are answered at first.
    ///
    /// # Errors
    ///
    /// When there is no /dev/fuse or mounting is not permitted.
    pub fn new(name: &str, tree: Tree, target: &Path) -> io::Result<Self> {
        let gates = Arc::new(Gates::default());
        let (stop, stopped) = oneshot::channel();
        let (ready, mounted) = mpsc::channel();
        let files = tree::Files::new(tree.clone(), Arc::clone(&gates));
        let mut options = MountOptions::default();
        // What is mounted on may be a mount that is stuck: it is not looked into.
        options.fs_name(name).rootmode(40755).nonempty(true);
        let place = target.to_owned();
        let server = thread::spawn(move || serve(files, options, &place, &ready, stopped));
        mounted.recv().map_err(io::Error::other)??;
        Ok(Self { target: target.to_owned(), gates, tree, stop: Some(stop), server: Some(server) })
    }

    /// Decides what becomes of a call at a path of the tree, now and from now on.
    #[track_caller]
    pub fn set(&self, path: &str, call: Call, answer: Answer) {
        self.gates.set((self.tree.inode(path), call), answer);
    }

    /// Calls that are held back now, at any file.
    pub fn waiting(&self) -> usize {
        self.gates.waiting()
    }

    /// How often a call has come to a path of the tree.
    #[track_caller]
    pub fn calls(&self, path: &str, call: Call) -> usize {
        self.gates.calls((self.tree.inode(path), call))
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        self.gates.open_all();
        // A failure leaves nothing behind: the namespace takes the mount with it.
        let _ = unmount(&self.target, UnmountFlags::DETACH);
        let _ = self.stop.take().map(|stop| stop.send(()));
        let _ = self.server.take().map(JoinHandle::join);
    }
}

fn serve(
    files: tree::Files,
    options: MountOptions,
    target: &Path,
    ready: &mpsc::Sender<io::Result<()>>,
    stopped: oneshot::Receiver<()>,
) {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(e) => return drop(ready.send(Err(e))),
    };
    runtime.block_on(async {
        let mounted = Session::new(options).mount(files, target).await;
        // Dropped it would unmount by the path, where another mount may lie by now.
        let mounted = mounted.map(ManuallyDrop::new);
        let failed = mounted.is_err();
        drop(ready.send(mounted.map(drop)));
        if !failed {
            // An end of the test without a word is an end, too.
            let _ = stopped.await;
        }
    });
    // The thread that reads the device is left behind until the kernel takes the mount away.
    runtime.shutdown_background();
}

/// A mounted empty directory whose `statfs` does not return until it is told to.
#[derive(Debug)]
pub struct StuckMount(Mounted);

impl StuckMount {
    /// Mounts on an existing directory, held from the start.
    ///
    /// # Errors
    ///
    /// When there is no /dev/fuse or mounting is not permitted.
    pub fn new(target: &Path) -> io::Result<Self> {
        let mount = Self(Mounted::new("stuck", Tree::new(), target)?);
        mount.hold();
        Ok(mount)
    }

    /// How many `statfs` calls are waiting for an answer now.
    pub fn waiting(&self) -> usize {
        self.0.waiting()
    }

    /// Lets the waiting `statfs` calls return, and all later ones.
    pub fn release(&self) {
        self.0.set("", Call::Statfs, Answer::Truth);
    }

    /// Holds `statfs` calls from now on.
    pub fn hold(&self) {
        self.0.set("", Call::Statfs, Answer::Never);
    }
}
