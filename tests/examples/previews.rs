//! Draws every dashboard from real data into `manifests/monitoring-server/grafana/previews`: `make previews`.

use std::fs;
use std::io::{self, Write};
use std::thread;
use std::time::{Duration, SystemTime};

use exporter_tests::manifests;
use exporter_tests::manifests::panels;
use exporter_tests::manifests::preview::{Span, drawn};
use exporter_tests::manifests::site::Site;

/// How long the site is watched before its pictures are taken.
const WATCHED: Duration = Duration::from_secs(120);

fn main() -> io::Result<()> {
    let start = seconds();
    let site = Site::start();
    for times in 0..WATCHED.as_secs() {
        site.stir(times);
        thread::sleep(Duration::from_secs(1));
    }
    let folder = manifests::path("monitoring-server/grafana/previews");
    fs::create_dir_all(&folder)?;
    for source in panels::sources() {
        let picture = drawn(&source, &site.prometheus, Span { start, end: seconds() });
        let file = folder.join(format!("{}.svg", source.dashboard));
        fs::write(&file, picture)?;
        writeln!(io::stdout(), "{}", file.display())?;
    }
    Ok(())
}

fn seconds() -> f64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("the clock is past 1970").as_secs_f64()
}
