//! Directory trees for one test, gone with it.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use tempfile::TempDir;

/// A temporary directory, filled by chained calls; paths are relative to it and their parents appear as needed.
#[derive(Debug)]
pub struct Fixture {
    folder: TempDir,
}

impl Default for Fixture {
    fn default() -> Self {
        Self::new()
    }
}

impl Fixture {
    /// An empty tree.
    pub fn new() -> Self {
        Self { folder: tempfile::tempdir().expect("the temporary directory is writable") }
    }

    /// A tree of plain files.
    pub fn of(files: &[(&str, &str)]) -> Self {
        files.iter().fold(Self::new(), |tree, (path, content)| tree.file(path, content))
    }

    /// Adds a file; content may be any bytes.
    #[track_caller]
    pub fn file(self, path: impl AsRef<Path>, content: impl AsRef<[u8]>) -> Self {
        fs::write(self.place(path.as_ref()), content).unwrap_or_else(|e| panic!("{}: {e}", path.as_ref().display()));
        self
    }

    /// Adds a directory.
    #[track_caller]
    pub fn folder(self, path: impl AsRef<Path>) -> Self {
        fs::create_dir_all(self.path(&path)).unwrap_or_else(|e| panic!("{}: {e}", path.as_ref().display()));
        self
    }

    /// Adds a symbolic link.
    #[track_caller]
    pub fn link(self, path: impl AsRef<Path>, target: impl AsRef<Path>) -> Self {
        symlink(target, self.place(path.as_ref())).unwrap_or_else(|e| panic!("{}: {e}", path.as_ref().display()));
        self
    }

    /// Sets the mode of something added before.
    #[track_caller]
    pub fn mode(self, path: impl AsRef<Path>, mode: u32) -> Self {
        let set = fs::set_permissions(self.path(&path), fs::Permissions::from_mode(mode));
        set.unwrap_or_else(|e| panic!("{}: {e}", path.as_ref().display()));
        self
    }

    /// The tree's root.
    pub fn root(&self) -> &Path {
        self.folder.path()
    }

    /// A place in the tree.
    pub fn path(&self, path: impl AsRef<Path>) -> PathBuf {
        self.root().join(path)
    }

    /// A flag whose value is a place in the tree.
    pub fn flag(&self, flag: &str, path: &str) -> String {
        format!("{flag}={}", self.path(path).display())
    }

    fn place(&self, path: &Path) -> PathBuf {
        let place = self.path(path);
        if let Some(parent) = place.parent() {
            fs::create_dir_all(parent).expect("the tree is writable");
        }
        place
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn builds_files_links_and_modes() {
        let tree = Fixture::of(&[("a/b", "text")]).link("c/d", "../a/b").mode("a/b", 0o400);
        assert_eq!(fs::read_to_string(tree.path("c/d")).unwrap(), "text");
        assert_eq!(fs::metadata(tree.path("a/b")).unwrap().permissions().mode() & 0o777, 0o400);
    }
}
