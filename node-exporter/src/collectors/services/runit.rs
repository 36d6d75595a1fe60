//! States of the services of runit, from `<servicedir>/<service>/supervise/status`.
//!
//! * Source: runsv(8); 20 bytes: a TAI64N time, the process, then flags, what is wanted (`u` or `d`) and the state.
//! * Units: seconds since 1970, of which TAI64 is 2^62 + 10 ahead.
//! * Absent when: a directory has no status: nothing supervises it.
//! * Differs from the Go exporter: `down` is looked for where runsv looks, beside `supervise`, and not in it alone,
//!   where it never is; a status that is cut short or cannot be read counts as a failure of that service, where it gives
//!   made-up numbers or says nothing. A name that is no UTF-8 is exported, where it crashes.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use common::collector::{Collector, Row, Scrape};
use common::error::{BadField, CollectError, is_absent};
use common::exposition::{Desc, Page};
use common::flags::Flag;
use common::fuzzing::{Parser, eat};
use common::sandbox::Need;

use crate::collectors::warn_deprecated;
use crate::fs::fleeting::{Dir, exists, read_start};

const DIR: &str = "collector.runit.servicedir";

const FLAGS: &[Flag] = &[Flag::text(DIR, "/etc/service", "Where the services of runit are.")];

/// The row in the table.
pub(in crate::collectors) const ROW: Row = Row {
    needs: |args| vec![Need::Tree(args.text(DIR).into())],
    ..Row::off(
        "runit",
        "states of the services of runit, /etc/service/*/supervise/status (deprecated)",
        FLAGS,
        |args| {
            warn_deprecated("runit");
            Ok(Box::new(Runit { dir: PathBuf::from(args.text(DIR)), path: PathBuf::new() }))
        },
    )
};

const fn gauge(name: &'static str, help: &'static str) -> Desc<'static> {
    Desc::gauge(name, help, &["service", "supervisor"])
}

const STATE: Desc = gauge("node_service_state", "State of the service: 0 down, 1 running, 2 finishing.");
const DESIRED: Desc = gauge("node_service_desired_state", "1 if the service is wanted to run, else 0.");
const NORMAL: Desc =
    gauge("node_service_normal_state", "1 if the service starts together with its supervisor, else 0.");
const CHANGED: Desc =
    gauge("node_service_state_last_change_timestamp_seconds", "When the service changed its state last.");

struct Runit {
    dir: PathBuf,
    /// Room for the path of a file.
    path: PathBuf,
}

impl Collector for Runit {
    fn update(&mut self, cx: &mut Scrape, page: &mut Page) -> Result<(), CollectError> {
        // The directory is a link that runsvchdir turns to another one, so it is not kept open.
        let listed = Dir::open(&self.dir)
            .and_then(|dir| dir.each_name(|name| service(&mut self.path, &self.dir, name, cx, page)));
        listed.map_err(|e| CollectError::io(&self.dir, e))
    }
}

fn service(path: &mut PathBuf, dir: &Path, name: &[u8], cx: &mut Scrape, page: &mut Page) {
    // Another file takes the place of the status at each change, so there is none to be kept open either.
    let mut bytes = [0; STATUS_BYTES];
    set(path, dir, name, "supervise/status");
    let status = match read_start(path, &mut bytes) {
        Ok(bytes) => parse(bytes).map_err(|bad| bad.in_file(path)),
        Err(e) if is_absent(&e) => return,
        Err(e) => Err(CollectError::io(path, e)),
    };
    let Some(status) = cx.ok(status) else { return };
    let mut is_there = |file: &str| {
        set(path, dir, name, file);
        exists(path)
    };
    let normal = !is_there("down") && !is_there("supervise/down");
    for (desc, value) in [
        (&STATE, f64::from(status.state)),
        (&DESIRED, f64::from(u8::from(status.wanted))),
        (&NORMAL, f64::from(u8::from(normal))),
        (&CHANGED, status.changed as f64),
    ] {
        page.sample(desc, &[name, b"runit"], value);
    }
}

fn set(path: &mut PathBuf, dir: &Path, service: &[u8], file: &str) {
    path.clear();
    path.extend([dir, Path::new(OsStr::from_bytes(service)), Path::new(file)]);
}

const STATUS_BYTES: usize = 20;
/// 1970 in TAI64: 2^62, and the ten seconds TAI was ahead when leap seconds began, as runit counts.
const EPOCH: i64 = (1 << 62) + 10;

#[derive(Debug, PartialEq)]
struct Status {
    changed: i64,
    wanted: bool,
    state: u8,
}

fn parse(bytes: &[u8]) -> Result<Status, BadField> {
    let fields = || {
        let (seconds, rest) = bytes.split_first_chunk::<8>()?;
        // Nanoseconds, the number of the process, whether it is paused.
        let (wanted, rest) = rest.get(9..)?.split_first()?;
        let state = *rest.get(1)?;
        Some(Status { changed: i64::from_be_bytes(*seconds).wrapping_sub(EPOCH), wanted: *wanted == b'u', state })
    };
    fields().ok_or_else(|| BadField::new(1, "status", "20 bytes", bytes))
}

/// For the fuzzer.
pub(in crate::collectors) const PARSER: Parser = Parser::new(
    "status of runit",
    |bytes| eat(parse(bytes)),
    b"\x40\x00\x00\x00\x65\x53\xf1\x0a\x1d\xcd\x65\x00\x4d\x00\x00\x00\x00u\x00\x01",
);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rig::Rig;
    use std::fs;

    fn rig(tree: &[(&str, &str)]) -> (Rig, String) {
        // The directory of services is not below one of the mount points: it is known only once there is one.
        let dir = tempfile::tempdir().unwrap().keep();
        crate::rig::plant(&dir, tree);
        let path = dir.to_str().unwrap().to_owned();
        (Rig::new(&ROW, &[], &[(DIR, &path)]), path)
    }

    fn status(dir: &str, service: &str, bytes: &[u8]) {
        let folder = Path::new(dir).join(service).join("supervise");
        fs::create_dir_all(&folder).unwrap();
        // As runsv does it.
        fs::write(folder.join("status.new"), bytes).unwrap();
        fs::rename(folder.join("status.new"), folder.join("status")).unwrap();
    }

    #[test]
    fn good() {
        let (mut rig, dir) = rig(&[("a/run", ""), ("b/down", ""), ("readme", ""), ("gone", "-> /nowhere")]);
        assert_eq!(rig.samples(), "");
        status(&dir, "a", PARSER.good);
        let mut down = PARSER.good.to_vec();
        down[17..].copy_from_slice(b"d\0\0");
        status(&dir, "b", &down);
        let want = "node_service_desired_state{service=\"a\",supervisor=\"runit\"} 1\n\
            node_service_desired_state{service=\"b\",supervisor=\"runit\"} 0\n\
            node_service_normal_state{service=\"a\",supervisor=\"runit\"} 1\n\
            node_service_normal_state{service=\"b\",supervisor=\"runit\"} 0\n\
            node_service_state{service=\"a\",supervisor=\"runit\"} 1\n\
            node_service_state{service=\"b\",supervisor=\"runit\"} 0\n\
            node_service_state_last_change_timestamp_seconds{service=\"a\",supervisor=\"runit\"} 1.7e+09\n\
            node_service_state_last_change_timestamp_seconds{service=\"b\",supervisor=\"runit\"} 1.7e+09\n";
        assert_eq!(rig.samples(), want);
        // Replaced, not written anew.
        status(&dir, "b", PARSER.good);
        fs::remove_file(format!("{dir}/b/down")).unwrap();
        let all_up = want.replace("\"b\",supervisor=\"runit\"} 0", "\"b\",supervisor=\"runit\"} 1");
        assert_eq!(rig.samples(), all_up);
        fs::remove_dir_all(&dir).unwrap();
        assert_eq!(rig.samples(), format!("! {dir}: No such file or directory (os error 2)\n"));
    }

    #[test]
    fn one_bad_status_costs_itself() {
        let (mut rig, dir) = rig(&[("x/supervise/status/", "")]);
        status(&dir, "cut", &PARSER.good[..19]);
        status(&dir, "sp ace\"q", PARSER.good);
        let page = rig.samples();
        assert_eq!(page.lines().filter(|line| line.contains(r#"service="sp ace\"q""#)).count(), 4, "{page}");
        assert!(page.contains("cut/supervise/status:1: status: expected 20 bytes"), "{page}");
        assert!(page.contains("x/supervise/status: Is a directory"), "{page}");
        assert_eq!(page.lines().count(), 6, "{page}");
        fs::remove_dir_all(&dir).unwrap();
    }

    #[test]
    fn cut_short_and_garbage() {
        for end in 0..STATUS_BYTES {
            assert!(parse(&PARSER.good[..end]).is_err(), "{end}");
        }
        let want = Status { changed: -(1 << 62) - 11, wanted: false, state: 255 };
        assert_eq!(parse(&[0xff; STATUS_BYTES]), Ok(want));
    }
}
