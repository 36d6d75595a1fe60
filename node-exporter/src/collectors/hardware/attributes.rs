//! A device's directory of which only the attributes in a table are of interest, each kept open.

use std::io;
use std::path::Path;

use crate::fs::{EntryKind, KeptAttr, KeptDir};

/// The attributes of a table that one device has; the listing of its directory tells which.
pub(super) struct Attributes<R: 'static> {
    dir: KeptDir,
    found: Vec<(&'static R, KeptAttr)>,
}

impl<R> Attributes<R> {
    /// The attributes of the device at `dir`, listed at each [`refresh`](Self::refresh).
    pub(super) fn new(dir: &Path) -> Self {
        Self { dir: KeptDir::new(dir.to_owned()), found: Vec::new() }
    }

    /// Lists the directory and gives the rows of `table` whose file, called `file(row)`, is there, in the order of
    /// the table.
    pub(super) fn refresh(
        &mut self,
        table: &'static [R],
        file: impl Fn(&R) -> &'static str,
    ) -> io::Result<&mut [(&'static R, KeptAttr)]> {
        if self.dir.changed()? {
            let has = |name: &str| {
                let entries = self.dir.entries();
                let at = entries.binary_search_by(|(entry, _)| entry.as_slice().cmp(name.as_bytes()));
                // Only files are attributes: `power` is a directory of every device.
                let kind = at.ok().and_then(|at| entries.get(at)).map(|(_, kind)| *kind);
                matches!(kind, Some(EntryKind::File | EntryKind::Other))
            };
            self.found = table
                .iter()
                .filter(|row| has(file(row)))
                .map(|row| (row, KeptAttr::new(self.dir.path().join(file(row)))))
                .collect();
        }
        Ok(&mut self.found)
    }
}
