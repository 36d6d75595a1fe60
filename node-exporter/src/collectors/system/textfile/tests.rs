//! Tests of the whole collector, over small folders.

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
        Self::with(directories, tree, &[])
    }

    fn with(directories: &[&str], tree: &[(&str, &str)], flags: &[(&'static str, &str)]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        plant(dir.path(), tree);
        let below = |rel: &&str| format!("{}/{rel}", dir.path().display());
        let mut args = Args::defaults(FLAGS);
        args.set(DIRECTORY, directories.iter().map(below).collect(), true);
        for (flag, value) in flags {
            args.set(flag, vec![(*value).to_owned()], *value == "true");
        }
        Self { dir, textfile: Textfile::new(&args), page: Page::default() }
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
            !line.starts_with("# TYPE")
                && !line.contains("mtime")
                && !line.starts_with("# HELP node_textfile")
                && !line.starts_with("node_textfile_file")
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

impl Rig {
    /// The samples about each file of one family.
    fn about(&self, family: &str) -> Vec<String> {
        let root = format!("{}/d/", self.dir.path().display());
        let of = |line: &str| Some(line.strip_prefix(family)?.strip_prefix("{file=\"")?.replace("\"}", ""));
        crate::rig::text_of(&self.page).lines().filter_map(of).map(|line| line.replace(&root, "")).collect()
    }
}

#[test]
fn each_file_has_its_verdict() {
    let tree = [
        ("d/a.prom", "# HELP x X.\nx{a=\"1\"} 1\ny 1\n"),
        ("d/b.prom", "# HELP x Y.\nx{a=\"2\"} 1\nz 1\n"),
        ("d/c.prom", "v 1\ny{n=\"1\"} 1\n"),
        ("d/d.prom", "y 1\nw 1\n"),
        ("d/e.prom", "u 1\nu 2\n"),
        ("d/f.prom", "t 1"),
        ("d/g.prom/", ""),
        ("d/h.prom", "-> a.txt"),
        ("d/i.prom", "-> nowhere"),
        ("d/a.txt", "s 1\n"),
    ];
    let mut rig = Rig::new(&["d"], &tree);
    std::fs::File::create(rig.dir.path().join("d/j.prom")).unwrap().set_len(MOST_BYTES + 1).unwrap();
    rig.scrape();
    let want = ["a 0", "b 1", "c 0", "d 1", "e 1", "f 1", "g 1", "h 0", "i 1", "j 1"];
    let verdicts: Vec<String> = want.iter().map(|verdict| verdict.replace(' ', ".prom ")).collect();
    assert_eq!(rig.about("node_textfile_file_error"), verdicts);
    assert!(rig.about("node_textfile_file_dropped_lines").is_empty() && rig.about(STALE.name).is_empty());
}

#[test]
fn a_bad_line_may_cost_itself_alone() {
    let tree = [
        ("d/a.prom", "\u{feff}x 1\r\nx{a=\"1\" 2\r\nnonsense\r\nx{a=\"3\"} 3"),
        ("d/b.prom", "y 1\n"),
        ("d/c.prom", "z 1 99\nz{a=\"1\"} 2\n"),
    ];
    let mut rig = Rig::with(&["d"], &tree, &[(LENIENT, "true")]);
    let (page, complaints) = rig.scrape();
    let want = "error 1\n# HELP x From d/a.prom.\nx 1\nx{a=\"3\"} 3\n# HELP y From d/b.prom.\ny 1\n\
        # HELP z From d/c.prom.\nz{a=\"1\"} 2\n";
    assert_eq!(page.replace("{a=\"\"}", ""), want);
    assert_eq!(
        complaints,
        ["d/a.prom: line 1: expected no byte order mark and more", "d/c.prom: line 1: expected no timestamp",]
    );
    assert_eq!(rig.about(FILE_ERROR.name), ["a.prom 1", "b.prom 0", "c.prom 1"]);
    assert_eq!(rig.about(DROPPED.name), ["a.prom 2", "b.prom 0", "c.prom 1"]);
    let mut rig = Rig::with(&["d"], &tree[2..], &[(IGNORE_TIMESTAMPS, "true")]);
    let want = "error 0\n# HELP z From d/c.prom.\nz{a=\"\"} 1\nz{a=\"1\"} 2\n";
    assert_eq!(rig.scrape().0, want);
}

#[test]
fn an_old_file_may_be_left_out() {
    let mut rig = Rig::with(&["d"], &[("d/a.prom", "x 1\n"), ("d/b.prom", "y 1\n")], &[(MAX_AGE, "1h")]);
    let touch = |rig: &Rig, hours: u64| {
        let time = SystemTime::now() - Duration::from_secs(hours * 3600);
        let file = std::fs::File::options().append(true).open(rig.dir.path().join("d/a.prom")).unwrap();
        file.set_times(std::fs::FileTimes::new().set_modified(time)).unwrap();
    };
    touch(&rig, 2);
    let (page, complaints) = rig.scrape();
    assert_eq!(page, "error 0\n# HELP y From d/b.prom.\ny 1\n");
    assert_eq!(complaints, ["d/a.prom: left out because of its age"]);
    assert_eq!(rig.about(STALE.name), ["a.prom 1", "b.prom 0"]);
    assert_eq!(rig.about(FILE_ERROR.name), ["a.prom 0", "b.prom 0"]);
    assert_eq!(rig.about(MTIME.name).len(), 2);
    touch(&rig, 0);
    assert!(rig.scrape().0.contains("\nx 1\n"));
    assert_eq!(rig.about(STALE.name), ["a.prom 0", "b.prom 0"]);
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
