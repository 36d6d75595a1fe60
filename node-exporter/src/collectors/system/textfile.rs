//! What others wrote into `*.prom` files, and how well that could be read.
//!
//! * Source: the directories of `--collector.textfile.directory`, which may be patterns; text format 0.0.4.
//! * Units: those of the files; times of modification in whole seconds since 1970.
//! * Absent when: no directory is given: `node_textfile_scrape_error` alone.
//! * Differs from the Go exporter: a file is read again only when it changed, and a fault of its is logged once; a
//!   named pipe does not stop the scrape; files above 32 MiB are refused; a directory that is given twice counts once;
//!   histograms may count fractions.

use std::collections::btree_map::{BTreeMap, Entry as Slot};
use std::collections::{BTreeSet, HashMap};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use common::collector::{Collector, Row, Scrape};
use common::error::CollectError;
use common::exposition::{Desc, Page};
use common::flags::Flag;
use common::fuzzing::{Parser, eat};

use crate::fs::list_dir;
use crate::fs::plain::{Stamp, Watched};

mod families;
mod glob;

use families::Family;

const FLAGS: &[Flag] = &[Flag::text(
    "collector.textfile.directory",
    "",
    "Directory of *.prom files to export, or a pattern such as /var/lib/*/metrics.",
)
.repeatable()];

/// The row in the table.
pub(in crate::collectors) const ROW: Row = Row {
    yields: true,
    ..Row::on("textfile", "metrics that others write into *.prom files", FLAGS, |args| {
        Ok(Box::new(Textfile::new(&args.list("collector.textfile.directory"))))
    })
};

const MTIME: Desc =
    Desc::gauge("node_textfile_mtime_seconds", "When a text file that could be read was written.", &["file"]);
const SCRAPE_ERROR: Desc =
    Desc::gauge("node_textfile_scrape_error", "1 if a text file or directory could not be used, else 0.", &[]);

const MOST_BYTES: u64 = 32 << 20;

struct Textfile {
    directories: Vec<String>,
    files: Vec<File>,
    plan: Plan,
    /// What was logged already and is still true.
    logged: Complaints,
}

type File = Watched<Result<Vec<Family>, String>>;

/// What is wrong, and with which state of a file.
type Complaints = BTreeSet<(String, Option<Stamp>)>;

impl Textfile {
    fn new(directories: &[String]) -> Self {
        // An empty value says that there is no directory.
        let directories = directories.iter().filter(|directory| !directory.is_empty()).cloned().collect();
        Self { directories, files: Vec::new(), plan: Plan::default(), logged: Complaints::new() }
    }

    /// Reads what is new, and gives what is wrong besides the plan.
    fn refresh(&mut self) -> Complaints {
        let mut complaints = Complaints::new();
        let paths = find_files(&self.directories, &mut complaints);
        if !self.files.iter().map(File::path).eq(paths.iter().map(PathBuf::as_path)) {
            let mut known: HashMap<PathBuf, File> =
                std::mem::take(&mut self.files).into_iter().map(|file| (file.path().to_owned(), file)).collect();
            let file = |path: PathBuf| known.remove(&path).unwrap_or_else(|| File::new(path, MOST_BYTES));
            self.files = paths.into_iter().map(file).collect();
        }
        let mut changed = false;
        let mut good = Vec::new();
        for (at, file) in self.files.iter_mut().enumerate() {
            let read = file.refresh(|text| {
                changed = true;
                families::parse(text)
            });
            let (reason, stamp) = match read {
                Ok((stamp, Ok(_))) => {
                    good.push((at, stamp));
                    continue;
                }
                Ok((stamp, Err(reason))) => (reason.clone(), Some(stamp)),
                Err(e) => (e.to_string(), None),
            };
            complaints.insert((format!("{}: {reason}", file.path().display()), stamp));
        }
        if changed || good != self.plan.good {
            self.plan = Plan::new(&self.files, good);
        }
        complaints
    }
}

impl Collector for Textfile {
    fn update(&mut self, _cx: &mut Scrape, page: &mut Page) -> Result<(), CollectError> {
        let mut complaints = self.refresh();
        let error = !complaints.is_empty() || self.plan.error;
        page.sample::<&str>(&SCRAPE_ERROR, &[], if error { 1.0 } else { 0.0 });
        for &(at, stamp) in &self.plan.good {
            if let Some(file) = self.files.get(at) {
                page.sample(&MTIME, &[file.path().as_os_str().as_bytes()], stamp.modified as f64);
            }
        }
        self.plan.encode(&self.files, page);

        complaints.extend(self.plan.complaints.iter().cloned());
        for (complaint, _) in complaints.difference(&self.logged) {
            tracing::error!("textfile: {complaint}");
        }
        self.logged = complaints;
        Ok(())
    }
}

/// The `*.prom` files of all directories, in the order in which their families count, each once.
fn find_files(directories: &[String], complaints: &mut Complaints) -> Vec<PathBuf> {
    let mut paths = Vec::new();
    let mut seen = BTreeSet::new();
    for directory in directories.iter().flat_map(|directory| glob::expand(directory)) {
        let cleaned = clean(&directory);
        match list_dir(&directory) {
            Ok(entries) => {
                for (name, _) in entries.iter().filter(|(name, _)| name.ends_with(b".prom")) {
                    let path = cleaned.join(OsStr::from_bytes(name));
                    if seen.insert(path.clone()) {
                        paths.push(path);
                    }
                }
            }
            Err(e) => {
                complaints.insert((format!("{}: {e}", directory.display()), None));
            }
        }
    }
    paths
}

/// The path without empty parts, `.` and `..`, by its letters alone: it is a label that has to stay the same.
fn clean(path: &Path) -> PathBuf {
    let mut cleaned = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir if matches!(cleaned.components().next_back(), Some(Component::Normal(_))) => {
                cleaned.pop();
            }
            Component::ParentDir if cleaned.has_root() => {}
            part => cleaned.push(part),
        }
    }
    cleaned
}

/// Which families of which files are exported, and how they are described; made anew when a file changed.
#[derive(Default)]
struct Plan {
    /// Files that were read, and the states they were in.
    good: Vec<(usize, Stamp)>,
    entries: Vec<Entry>,
    complaints: Complaints,
    /// Whether a complaint counts as an error of the scrape.
    error: bool,
}

/// A family of a file, by their positions.
struct Entry {
    file: usize,
    family: usize,
    help: String,
}

impl Plan {
    fn new(files: &[File], good: Vec<(usize, Stamp)>) -> Self {
        let mut plan = Self { good, ..Self::default() };
        let good: Vec<(usize, Stamp, &File, &[Family])> = plan
            .good
            .iter()
            .filter_map(|&(at, stamp)| {
                let file = files.get(at)?;
                let (_, families) = file.made()?;
                Some((at, stamp, file, families.as_ref().ok()?.as_slice()))
            })
            .collect();
        let mut paths: HashMap<&str, String> = HashMap::new();
        for (_, _, file, families) in &good {
            for family in *families {
                let paths = paths.entry(&family.name).or_default();
                let separator = if paths.is_empty() { "" } else { ", " };
                *paths = format!("{paths}{separator}{}", file.path().display());
            }
        }
        // The first help text that a file gives for a name, and the first description that is exported.
        let mut given: HashMap<&str, &str> = HashMap::new();
        let mut first: BTreeMap<&str, (String, &Family)> = BTreeMap::new();
        for (file, stamp, path, families) in
            good.iter().map(|(at, stamp, file, families)| (at, stamp, file.path(), families))
        {
            for (at, family) in families.iter().enumerate() {
                let mut complain = |what: &str| {
                    plan.complaints.insert((format!("{}: {}: {what}", path.display(), family.name), Some(*stamp)));
                };
                if let Some(help) = &family.help
                    && *given.entry(&family.name).or_insert(help) != help
                {
                    complain("left out: another file has another help text");
                    plan.error = true;
                    continue;
                }
                let help = family.help.clone().unwrap_or_else(|| {
                    format!("From {}.", paths.get(family.name.as_str()).map_or("a text file", String::as_str))
                });
                match first.entry(&family.name) {
                    Slot::Occupied(taken) if taken.get().1.kind != family.kind => {
                        complain("left out: another file has another type");
                        continue;
                    }
                    Slot::Occupied(taken) if taken.get().0 != help => {
                        complain("left out: only one of the files has a help text");
                        continue;
                    }
                    Slot::Occupied(_) => {}
                    Slot::Vacant(slot) => drop(slot.insert((help.clone(), family))),
                }
                plan.entries.push(Entry { file: *file, family: at, help });
            }
        }
        plan
    }

    fn encode(&self, files: &[File], page: &mut Page) {
        let families = self.entries.iter().filter_map(|entry| {
            let (_, families) = files.get(entry.file)?.made()?;
            Some((families.as_ref().ok()?.get(entry.family)?, entry.help.as_str()))
        });
        // All keys in one place: a page takes keys at the same address for the same keys.
        let keys: Vec<&str> = families.clone().flat_map(|(family, _)| &family.keys).map(String::as_str).collect();
        let mut rest = keys.as_slice();
        for (family, help) in families {
            let Some((own, after)) = rest.split_at_checked(family.keys.len()) else { return };
            family.encode(help, own, page);
            rest = after;
        }
    }
}

/// For the fuzzer.
pub(in crate::collectors) const PARSER: Parser =
    Parser::new("text files", |bytes| eat(families::parse(bytes)), b"# HELP x A.\n# TYPE x histogram\nx_bucket{a=\"1\",le=\"1\"} 2\nx_bucket{a=\"1\",le=\"+Inf\"} 4\nx_sum{a=\"1\"} 3\nx_count{a=\"1\"} 4\ny{b=\"\"} 1\ny{a=\"\"} NaN\n# TYPE s summary\ns{quantile=\"0.5\"} 1\n");

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rig::plant;
    use std::time::{Duration, Instant};

    struct Rig {
        dir: tempfile::TempDir,
        textfile: Textfile,
        page: Page,
    }

    impl Rig {
        fn new(directories: &[&str], tree: &[(&str, &str)]) -> Self {
            let dir = tempfile::tempdir().unwrap();
            plant(dir.path(), tree);
            let below = |rel: &&str| format!("{}/{rel}", dir.path().display());
            let directories: Vec<String> = directories.iter().map(below).collect();
            Self { dir, textfile: Textfile::new(&directories), page: Page::default() }
        }

        /// The page without times of modification and TYPE lines, and the complaints.
        fn scrape(&mut self) -> (String, Vec<String>) {
            self.page.clear();
            let mut cx = Scrape::new(Instant::now() + Duration::from_secs(5));
            self.textfile.update(&mut cx, &mut self.page).unwrap();
            assert!(cx.faults().is_empty());
            self.page.finish();
            let root = format!("{}/", self.dir.path().display());
            let out = crate::rig::text_of(&self.page).replace(&root, "");
            let out = out.lines().filter(|line| {
                !line.starts_with("# TYPE") && !line.contains("mtime") && !line.starts_with("# HELP node_textfile")
            });
            let complaints = self.textfile.logged.iter().map(|(complaint, _)| complaint.replace(&root, ""));
            (out.map(|line| line.replace("node_textfile_scrape_error", "error") + "\n").collect(), complaints.collect())
        }
    }

    #[track_caller]
    fn check(directories: &[&str], tree: &[(&str, &str)], want: &str, complaints: &[&str]) {
        let (page, said) = Rig::new(directories, tree).scrape();
        assert_eq!(page, want);
        assert_eq!(said, complaints);
    }

    #[test]
    fn good() {
        let tree = [
            ("d/b.prom", "# HELP x X.\n# TYPE x counter\nx{n=\"2\"} 2\n"),
            ("d/a.prom", "# HELP x X.\n# TYPE x counter\nx{n=\"1\"} 1\ny{a=\"b\"} 3\n"),
            ("d/.prom", ""),
            ("d/c.txt", "nonsense"),
            ("e/y.prom", "y 4\n"),
        ];
        let want = "error 0\n# HELP x X.\nx{n=\"1\"} 1\nx{n=\"2\"} 2\n\
            # HELP y From d/a.prom, e/y.prom.\ny 4\ny{a=\"b\"} 3\n";
        check(&["d", "e", "d//../d/."], &tree, want, &[]);
        check(&["?"], &tree, want, &[]);
        check(&[], &tree, "error 0\n", &[]);
    }

    #[test]
    fn every_file_that_was_read_has_its_time() {
        let mut rig = Rig::new(&["d/./"], &[("d/a.prom", ""), ("d/b.prom", "x")]);
        let old = std::fs::FileTimes::new().set_modified(std::time::UNIX_EPOCH + Duration::from_millis(1500));
        let file = std::fs::File::options().append(true).open(rig.dir.path().join("d/a.prom")).unwrap();
        file.set_times(old).unwrap();
        rig.scrape();
        let out = crate::rig::text_of(&rig.page);
        let want = format!("node_textfile_mtime_seconds{{file=\"{}/d/a.prom\"}} 1", rig.dir.path().display());
        assert_eq!(out.lines().filter(|line| line.starts_with("node_textfile_mtime")).collect::<Vec<_>>(), [want]);
    }

    #[test]
    fn a_bad_file_costs_itself() {
        let tree = [("d/a.prom", "x 1\n"), ("d/b.prom", "x 2"), ("d/c.prom/", ""), ("d/t.prom", "y 1 99\n")];
        let complaints = [
            "d/b.prom: line 1: expected a newline after the last line",
            "d/c.prom: expected a regular file",
            "d/t.prom: expected no timestamps, found some",
            "nope*: No such file or directory (os error 2)",
        ];
        check(&["d", "nope*"], &tree, "error 1\n# HELP x From d/a.prom.\nx 1\n", &complaints);
    }

    #[test]
    fn the_first_description_wins() {
        let tree = [
            ("d/a.prom", "# HELP x First.\nx{a=\"1\"} 1\n# TYPE y gauge\ny 1\nz 1\n"),
            ("d/b.prom", "# HELP x Second.\nx{a=\"2\"} 2\n# TYPE y counter\ny{b=\"2\"} 2\n# HELP z Z.\nz{b=\"2\"} 2\n"),
            ("d/c.prom", "x{a=\"3\"} 3\ny{c=\"3\"} 3\nz{c=\"3\"} 3\n"),
        ];
        let want = "error 1\n# HELP x First.\nx{a=\"1\"} 1\n# HELP y From d/a.prom, d/b.prom, d/c.prom.\ny 1\n\
            # HELP z From d/a.prom, d/b.prom, d/c.prom.\nz 1\nz{c=\"3\"} 3\n";
        let complaints = [
            "d/b.prom: x: left out: another file has another help text",
            "d/b.prom: y: left out: another file has another type",
            "d/b.prom: z: left out: only one of the files has a help text",
            "d/c.prom: x: left out: only one of the files has a help text",
            "d/c.prom: y: left out: another file has another type",
        ];
        check(&["d"], &tree, want, &complaints);
    }

    #[test]
    fn the_first_of_two_series_wins() {
        let tree = [("d/a.prom", "x{a=\"1\"} 1\n"), ("d/b.prom", "x{a=\"1\"} 2\nx{a=\"0\"} 3\n")];
        let want = "error 0\n# HELP x From d/a.prom, d/b.prom.\nx{a=\"0\"} 3\nx{a=\"1\"} 1\n";
        check(&["d"], &tree, want, &[]);
    }

    #[test]
    fn files_come_change_and_go() {
        let mut rig = Rig::new(&["d"], &[("d/a.prom", "x 1\n")]);
        assert_eq!(rig.scrape().0, "error 0\n# HELP x From d/a.prom.\nx 1\n");
        plant(rig.dir.path(), &[("d/a.prom", "x 2\n")]);
        assert_eq!(rig.scrape().0, "error 0\n# HELP x From d/a.prom.\nx 2\n");
        plant(rig.dir.path(), &[("d/0.prom", "x{a=\"b\"} 3\n"), ("d/a.prom", "x")]);
        let (page, complaints) = rig.scrape();
        assert_eq!(page, "error 1\n# HELP x From d/0.prom.\nx{a=\"b\"} 3\n");
        assert_eq!((complaints.len(), rig.scrape().1), (1, complaints));
        std::fs::remove_dir_all(rig.dir.path().join("d")).unwrap();
        assert_eq!(rig.scrape().0, "error 1\n");
    }

    #[test]
    fn a_named_pipe_does_not_stop_the_scrape() {
        let mut rig = Rig::new(&["d"], &[("d/", "")]);
        let mode = rustix::fs::Mode::RUSR;
        let pipe = rig.dir.path().join("d/p.prom");
        rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, mode, 0).unwrap();
        assert_eq!(rig.scrape(), ("error 1\n".to_owned(), vec!["d/p.prom: expected a regular file".to_owned()]));
    }

    #[test]
    fn paths_are_cleaned() {
        for (path, want) in [("/a//b/./c/", "/a/b/c"), ("a/../b", "b"), ("../a", "../a"), ("/../a", "/a"), (".", "")] {
            assert_eq!(clean(Path::new(path)), Path::new(want), "{path}");
        }
    }
}
