//! A small tree of files that never changes, and how it answers the kernel.

use std::ffi::{OsStr, OsString};
use std::num::NonZeroU32;
use std::os::unix::ffi::OsStrExt;
use std::sync::Arc;
use std::time::Duration;

use fuse3::raw::reply::{
    DirectoryEntry, DirectoryEntryPlus, FileAttr, ReplyAttr, ReplyData, ReplyDirectory, ReplyDirectoryPlus, ReplyEntry,
    ReplyInit, ReplyOpen, ReplyStatFs,
};
use fuse3::raw::{Filesystem, Request};
use fuse3::{FileType, Inode, Timestamp};
use futures_util::stream::{self, Stream};
use rustix::io::Errno;

use super::Call;
use super::gates::Gates;

/// Blocks of the file system, of [`BLOCK_BYTES`] each.
pub const BLOCKS: u64 = 1000;
/// Size of a block.
pub const BLOCK_BYTES: u32 = 4096;

/// Reads go to the tree each time, none is answered from what the kernel has kept (`FOPEN_DIRECT_IO`).
const DIRECT: u32 = 1;
/// Nothing is ever written, but the kernel insists on some room for it.
const MOST_WRITTEN: NonZeroU32 = NonZeroU32::new(4096).expect("not 0");
/// Nothing the kernel is told holds for any time.
const AT_ONCE: Duration = Duration::ZERO;

/// A tree, filled by chained calls; paths are relative to its root, which is "", and their parents appear as needed.
#[derive(Clone, Debug)]
pub struct Tree {
    /// The root first; the inode of a node is its place in here and one.
    nodes: Vec<Node>,
}

#[derive(Clone, Debug)]
struct Node {
    parent: Inode,
    name: OsString,
    what: What,
}

#[derive(Clone, Debug)]
enum What {
    Folder,
    File(Vec<u8>),
    Link(OsString),
}

impl Default for Tree {
    fn default() -> Self {
        Self::new()
    }
}

impl Tree {
    /// An empty tree.
    pub fn new() -> Self {
        Self { nodes: vec![Node { parent: 1, name: OsString::new(), what: What::Folder }] }
    }

    /// Adds files with what is in them.
    #[must_use]
    pub fn files(self, files: &[(&str, &str)]) -> Self {
        files.iter().fold(self, |tree, (path, content)| tree.add(path, What::File(content.as_bytes().to_vec())))
    }

    /// Adds a symbolic link.
    #[must_use]
    pub fn link(self, path: &str, target: &str) -> Self {
        self.add(path, What::Link(target.into()))
    }

    fn add(mut self, path: &str, what: What) -> Self {
        let (parents, name) = path.rsplit_once('/').unwrap_or(("", path));
        let mut parent = 1;
        for folder in parents.split('/').filter(|folder| !folder.is_empty()) {
            parent = match self.child(parent, folder.as_ref()) {
                Some(known) => known,
                None => self.push(parent, folder, What::Folder),
            };
        }
        self.push(parent, name, what);
        self
    }

    fn push(&mut self, parent: Inode, name: &str, what: What) -> Inode {
        self.nodes.push(Node { parent, name: name.into(), what });
        self.nodes.len() as u64
    }

    /// The inode of a path; panics when there is none.
    #[track_caller]
    pub(super) fn inode(&self, path: &str) -> Inode {
        let names = path.split('/').filter(|name| !name.is_empty());
        let found = names.into_iter().try_fold(1, |parent, name| self.child(parent, name.as_ref()));
        found.unwrap_or_else(|| panic!("the tree has no {path}"))
    }

    fn child(&self, parent: Inode, name: &OsStr) -> Option<Inode> {
        self.children(parent).find(|(_, child)| child.name == name).map(|(inode, _)| inode)
    }

    fn children(&self, parent: Inode) -> impl Iterator<Item = (Inode, &Node)> {
        let inodes = self.nodes.iter().zip(1..).skip(1).map(|(node, inode)| (inode, node));
        inodes.filter(move |(_, node)| node.parent == parent)
    }

    fn node(&self, inode: Inode) -> Result<&Node, Errno> {
        let at = usize::try_from(inode).ok().and_then(|inode| inode.checked_sub(1));
        at.and_then(|at| self.nodes.get(at)).ok_or(Errno::NOENT)
    }
}

impl Node {
    fn kind(&self) -> FileType {
        match self.what {
            What::Folder => FileType::Directory,
            What::File(_) => FileType::RegularFile,
            What::Link(_) => FileType::Symlink,
        }
    }

    /// As of an old file of root's.
    fn attributes(&self, ino: Inode) -> FileAttr {
        let (size, perm) = match &self.what {
            What::Folder => (0, 0o755),
            What::File(content) => (content.len() as u64, 0o644),
            What::Link(target) => (target.len() as u64, 0o777),
        };
        let old = Timestamp::new(1_000_000_000, 0);
        FileAttr {
            ino,
            size,
            blocks: size.div_ceil(512),
            atime: old,
            mtime: old,
            ctime: old,
            kind: self.kind(),
            perm,
            nlink: 1,
            uid: 0,
            gid: 0,
            rdev: 0,
            blksize: 4096,
        }
    }
}

/// The tree as the kernel asks it.
pub(super) struct Files {
    tree: Tree,
    gates: Arc<Gates>,
}

impl Files {
    pub(super) fn new(tree: Tree, gates: Arc<Gates>) -> Self {
        Self { tree, gates }
    }

    async fn pass(&self, request: Request, inode: Inode, call: Call) -> fuse3::Result<&Node> {
        self.gates.pass(request.unique, (inode, call)).await.map_err(refusal)?;
        self.tree.node(inode).map_err(refusal)
    }

    fn entry(&self, inode: Inode) -> fuse3::Result<ReplyEntry> {
        let node = self.tree.node(inode).map_err(refusal)?;
        Ok(ReplyEntry { ttl: AT_ONCE, attr: node.attributes(inode), generation: 0 })
    }

    /// The entries behind `offset`, with the offset of the next.
    fn listing(&self, folder: Inode, offset: usize) -> impl Iterator<Item = (Inode, FileType, OsString, i64)> {
        let entries = self.tree.children(folder).zip(1..).skip(offset);
        entries.map(|((inode, node), next)| (inode, node.kind(), node.name.clone(), next))
    }
}

fn refusal(errno: Errno) -> fuse3::Errno {
    errno.raw_os_error().into()
}

impl Filesystem for Files {
    async fn init(&self, _: Request) -> fuse3::Result<ReplyInit> {
        Ok(ReplyInit::new(MOST_WRITTEN))
    }

    async fn destroy(&self, _: Request) {}

    async fn interrupt(&self, _: Request, unique: u64) -> fuse3::Result<()> {
        self.gates.interrupt(unique).map_err(refusal)
    }

    async fn lookup(&self, _: Request, parent: Inode, name: &OsStr) -> fuse3::Result<ReplyEntry> {
        self.entry(self.tree.child(parent, name).ok_or_else(|| refusal(Errno::NOENT))?)
    }

    async fn getattr(&self, request: Request, inode: Inode, _: Option<u64>, _: u32) -> fuse3::Result<ReplyAttr> {
        let node = self.pass(request, inode, Call::Getattr).await?;
        Ok(ReplyAttr { ttl: AT_ONCE, attr: node.attributes(inode) })
    }

    async fn readlink(&self, _: Request, inode: Inode) -> fuse3::Result<ReplyData> {
        match &self.tree.node(inode).map_err(refusal)?.what {
            What::Link(target) => Ok(ReplyData { data: target.as_bytes().to_vec().into() }),
            _ => Err(refusal(Errno::INVAL)),
        }
    }

    async fn open(&self, request: Request, inode: Inode, _: u32) -> fuse3::Result<ReplyOpen> {
        self.pass(request, inode, Call::Open).await?;
        Ok(ReplyOpen { fh: 0, flags: DIRECT })
    }

    async fn read(&self, request: Request, inode: Inode, _: u64, offset: u64, size: u32) -> fuse3::Result<ReplyData> {
        let What::File(content) = &self.pass(request, inode, Call::Read).await?.what else {
            return Err(refusal(Errno::ISDIR));
        };
        let rest = content.get(usize::try_from(offset).unwrap_or(usize::MAX)..).unwrap_or_default();
        Ok(ReplyData { data: rest[..rest.len().min(size as usize)].to_vec().into() })
    }

    async fn release(&self, _: Request, _: Inode, _: u64, _: u32, _: u64, _: bool) -> fuse3::Result<()> {
        Ok(())
    }

    async fn opendir(&self, request: Request, inode: Inode, _: u32) -> fuse3::Result<ReplyOpen> {
        self.pass(request, inode, Call::Open).await?;
        Ok(ReplyOpen { fh: 0, flags: 0 })
    }

    async fn readdir<'a>(
        &'a self,
        request: Request,
        parent: Inode,
        _: u64,
        offset: i64,
    ) -> fuse3::Result<ReplyDirectory<impl Stream<Item = fuse3::Result<DirectoryEntry>> + Send + 'a>> {
        self.pass(request, parent, Call::Readdir).await?;
        let listing = self.listing(parent, usize::try_from(offset).unwrap_or_default());
        let entries = listing.map(|(inode, kind, name, offset)| Ok(DirectoryEntry { inode, kind, name, offset }));
        Ok(ReplyDirectory { entries: stream::iter(entries) })
    }

    async fn readdirplus<'a>(
        &'a self,
        request: Request,
        parent: Inode,
        _: u64,
        offset: u64,
        _: u64,
    ) -> fuse3::Result<ReplyDirectoryPlus<impl Stream<Item = fuse3::Result<DirectoryEntryPlus>> + Send + 'a>> {
        self.pass(request, parent, Call::Readdir).await?;
        let listing = self.listing(parent, usize::try_from(offset).unwrap_or_default());
        let entries = listing.map(|(inode, kind, name, offset)| {
            let ReplyEntry { ttl, attr, generation } = self.entry(inode)?;
            Ok(DirectoryEntryPlus { inode, generation, kind, name, offset, attr, entry_ttl: ttl, attr_ttl: ttl })
        });
        Ok(ReplyDirectoryPlus { entries: stream::iter(entries) })
    }

    async fn statfs(&self, request: Request, inode: Inode) -> fuse3::Result<ReplyStatFs> {
        self.pass(request, inode, Call::Statfs).await?;
        Ok(ReplyStatFs {
            blocks: BLOCKS,
            bfree: 600,
            bavail: 500,
            files: 100,
            ffree: 90,
            bsize: BLOCK_BYTES,
            namelen: 255,
            frsize: BLOCK_BYTES,
        })
    }
}
