//! The collectors of hardware and disks over two machines composed for the purpose, compared with committed pages.
//!
//! `UPDATE_GOLDEN=1` rewrites the pages; the difference is the review.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use std::{env, fs};

use common::collector::Scrape;
use common::exposition::{Format, Merge, Page};
use common::flags::Args;
use node_exporter::collectors::COLLECTORS;

const COLLECTORS_OF_THE_TREES: &[&str] =
    &["diskstats", "dmi", "edac", "hwmon", "mdadm", "nvme", "powersupplyclass", "rapl", "thermal_zone", "watchdog"];

/// The page over `tests/fixtures/<machine>`, then a line `! collector: problem` for each problem.
fn page(machine: &str) -> Result<String, Box<dyn Error>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(machine);
    let (mut pages, mut problems) = (Vec::new(), String::new());
    for name in COLLECTORS_OF_THE_TREES {
        let row = COLLECTORS.iter().find(|row| row.name == *name).ok_or(*name)?;
        let mut args = Args::defaults(row.flags.iter().chain(node_exporter::fs::FLAGS));
        let trees = [("path.procfs", "proc"), ("path.sysfs", "sys"), ("path.rootfs", ""), ("path.udev.data", "udev")];
        for (flag, below) in trees {
            args.set(flag, vec![root.join(below).display().to_string()], true);
        }
        let mut collector = (row.new)(&args)?;
        let mut page = Page::default();
        // The second scrape goes by what the first has kept, and must say the same.
        for round in 0..2 {
            page.clear();
            let mut cx = Scrape::new(Instant::now() + Duration::from_secs(30));
            let result = collector.update(&mut cx, &mut page);
            page.finish();
            assert!(page.duplicates().is_empty(), "{name}: {:?}", page.duplicates());
            for problem in cx.faults().iter().chain(result.as_ref().err()).filter(|_| round == 1) {
                problems.push_str(&format!("! {name}: {problem}\n"));
            }
        }
        pages.push(page);
    }
    let mut text = Vec::new();
    let refused = Merge::default().write(&pages.iter().collect::<Vec<_>>(), Format::Text, &mut |piece| {
        text.extend_from_slice(piece);
    });
    assert!(refused.is_empty(), "{refused:?}");
    Ok((String::from_utf8(text)? + &problems).replace(&format!("{}/", root.display()), "/"))
}

fn golden(machine: &str) -> Result<(), Box<dyn Error>> {
    let file: PathBuf = [env!("CARGO_MANIFEST_DIR"), "tests/golden", &format!("{machine}.prom")].iter().collect();
    let got = page(machine)?;
    if env::var_os("UPDATE_GOLDEN").is_some() {
        return Ok(fs::write(file, got)?);
    }
    let want = fs::read_to_string(&file)?;
    for (n, (want, got)) in want.lines().zip(got.lines()).enumerate() {
        assert_eq!(want, got, "{}:{}: UPDATE_GOLDEN=1 rewrites it", file.display(), n + 1);
    }
    assert_eq!(want.lines().count(), got.lines().count(), "{}: UPDATE_GOLDEN=1 rewrites it", file.display());
    Ok(())
}

#[test]
fn server_board() -> Result<(), Box<dyn Error>> {
    golden("board")
}

#[test]
fn laptop() -> Result<(), Box<dyn Error>> {
    golden("laptop")
}
