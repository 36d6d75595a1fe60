//! One collector over a small tree, scraped again and again: for tests of what a collector keeps between scrapes.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use common::collector::{Collector, Row, Scrape};
use common::exposition::{Format, Merge, Page};
use common::flags::Args;
use tempfile::TempDir;

/// How long a client waits that is in no hurry.
const PATIENCE: Duration = Duration::from_secs(5);

/// A collector and the tree it reads, for tests of what it keeps between scrapes.
pub(crate) struct Rig {
    dir: TempDir,
    collector: Box<dyn Collector>,
    page: Page,
}

impl Rig {
    /// `row` over a tree of (path, content) pairs, before the first scrape.
    ///
    /// Paths begin with `proc/`, `sys/`, `udev/` or `root/`, the four mount points; what a content may be is told at
    /// [`plant`]. `flags` are values of flags, `true` and `false` for switches.
    pub(crate) fn new(row: &Row, tree: &[(&str, &str)], flags: &[(&'static str, &str)]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        plant(dir.path(), tree);
        let collector = collector_over(row, dir.path(), flags);
        Self { dir, collector, page: Page::default() }
    }

    /// A collector that reads no tree.
    pub(crate) fn of(collector: Box<dyn Collector>) -> Self {
        Self { dir: tempfile::tempdir().unwrap(), collector, page: Page::default() }
    }

    /// The root of the tree.
    pub(crate) fn root(&self) -> &Path {
        self.dir.path()
    }

    /// Adds to the tree, or writes anew.
    pub(crate) fn plant(&self, tree: &[(&str, &str)]) {
        plant(self.root(), tree);
    }

    /// Removes a file, a link or a directory with all that is in it.
    pub(crate) fn remove(&self, path: &str) {
        let path = self.root().join(path);
        if fs::symlink_metadata(&path).unwrap().is_dir() {
            fs::remove_dir_all(path).unwrap();
        } else {
            fs::remove_file(path).unwrap();
        }
    }

    /// One scrape: the whole page, and what went wrong, faults first, then the error; the root of the tree is left
    /// out of both.
    pub(crate) fn scrape(&mut self) -> (String, Vec<String>) {
        self.scrape_within(PATIENCE)
    }

    /// As [`scrape`](Self::scrape), for a client that waits for so long.
    pub(crate) fn scrape_within(&mut self, patience: Duration) -> (String, Vec<String>) {
        let (text, problems) = scrape(self.collector.as_mut(), &mut self.page, patience);
        let root = format!("{}/", self.root().display());
        (text.replace(&root, ""), problems.into_iter().map(|problem| problem.replace(&root, "")).collect())
    }

    /// As [`scrape`](Self::scrape), samples alone, then a line `! problem` for each problem.
    pub(crate) fn samples(&mut self) -> String {
        let (text, problems) = self.scrape();
        let mut samples = samples_of(&text);
        samples.extend(problems.iter().map(|problem| format!("! {problem}\n")));
        samples
    }
}

fn collector_over(row: &Row, root: &Path, flags: &[(&'static str, &str)]) -> Box<dyn Collector> {
    let mut args = Args::defaults(row.flags.iter().chain(crate::fs::FLAGS));
    for (flag, below) in
        [("path.procfs", "proc"), ("path.sysfs", "sys"), ("path.rootfs", "root"), ("path.udev.data", "udev")]
    {
        args.set(flag, vec![root.join(below).to_str().unwrap().to_owned()], true);
    }
    for &(flag, value) in flags {
        args.set(flag, vec![value.to_owned()], value == "true");
    }
    (row.new)(&args).unwrap()
}

fn scrape(collector: &mut dyn Collector, page: &mut Page, patience: Duration) -> (String, Vec<String>) {
    page.clear();
    let mut cx = Scrape::new(Instant::now() + patience);
    let result = collector.update(&mut cx, page);
    page.finish();
    let mut problems: Vec<String> = cx.faults().iter().map(ToString::to_string).collect();
    problems.extend(result.err().map(|e| if e.is_no_data() { format!("no data: {e}") } else { e.to_string() }));
    problems.extend(page.duplicates().iter().map(|series| format!("duplicate: {series}")));
    (text_of(page), problems)
}

/// A page in the text format.
pub(crate) fn text_of(page: &Page) -> String {
    let mut text = Vec::new();
    let refused = Merge::default().write(&[page], Format::Text, &mut |piece| text.extend_from_slice(piece));
    assert!(refused.is_empty(), "{refused:?}");
    String::from_utf8(text).unwrap()
}

/// A page without its comments.
pub(crate) fn samples_of(page: &str) -> String {
    page.lines().filter(|line| !line.starts_with('#')).flat_map(|line| [line, "\n"]).collect()
}

/// Writes (path, content) pairs below `root`. A path that ends in `/` is a directory; a content `-> x` is a symbolic
/// link to x.
pub(crate) fn plant(root: &Path, tree: &[(&str, &str)]) {
    for (path, content) in tree {
        let full = root.join(path);
        if path.ends_with('/') {
            fs::create_dir_all(&full).unwrap();
            continue;
        }
        fs::create_dir_all(full.parent().unwrap()).unwrap();
        match content.strip_prefix("-> ") {
            Some(target) => std::os::unix::fs::symlink(target, &full).unwrap(),
            None => fs::write(&full, content).unwrap(),
        }
    }
}
