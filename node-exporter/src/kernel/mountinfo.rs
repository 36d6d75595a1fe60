//! The table of mounts.
//!
//! Format: kernel Documentation/filesystems/proc.rst, `/proc/<pid>/mountinfo`.

use std::borrow::Cow;
use std::collections::HashMap;

use common::error::BadField;
use common::fields::{lines, parse_u64};
use common::fuzzing::{Parser, eat};

/// One mount. Texts are as in the file, with blanks and the like escaped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mount<'t> {
    /// Major device number.
    pub(crate) major: &'t [u8],
    /// Minor device number.
    pub(crate) minor: &'t [u8],
    /// Where it is mounted.
    pub(crate) point: &'t [u8],
    /// Options of the mount, with commas between.
    pub(crate) options: &'t [u8],
    /// Type of the file system.
    pub(crate) fs_type: &'t [u8],
    /// Device, or what the file system calls so.
    pub(crate) source: &'t [u8],
    /// Options of the file system.
    pub(crate) super_options: &'t [u8],
}

impl Mount<'_> {
    /// Whether nothing can be written, because of the mount or of the file system.
    pub(crate) fn is_read_only(&self) -> bool {
        let has = |options: &[u8], word: &[u8]| options.split(|&b| b == b',').any(|option| option == word);
        has(self.options, b"ro") || has(self.super_options, b"ro") || has(self.super_options, b"emergency_ro")
    }
}

/// The mounts of a table, in its order.
pub(crate) fn parse(text: &[u8]) -> impl Iterator<Item = Result<Mount<'_>, BadField>> {
    lines(text).filter(|(_, line)| !line.is_empty()).map(|(number, line)| parse_line(number, line))
}

fn parse_line(number: u32, line: &[u8]) -> Result<Mount<'_>, BadField> {
    // A source may be empty, so that two blanks follow each other.
    let mut fields = line.split(|&b| b == b' ');
    let mut next = |field: &'static str| fields.next().ok_or_else(|| BadField::new(number, field, "a word", b""));
    for field in ["mount id", "parent id"] {
        let id = next(field)?;
        if parse_u64(id).is_none() {
            return Err(BadField::new(number, field, "a whole number", id));
        }
    }
    let device = next("device number")?;
    let mut numbers = device.splitn(2, |&b| b == b':');
    let (Some(major), Some(minor)) = (numbers.next(), numbers.next()) else {
        return Err(BadField::new(number, "device number", "major:minor", device));
    };
    if parse_u64(major).is_none() || parse_u64(minor).is_none() {
        return Err(BadField::new(number, "device number", "major:minor", device));
    }
    let _root = next("root")?;
    let (point, options) = (next("mount point")?, next("options")?);
    while next("separator")? != b"-" {}
    Ok(Mount {
        major,
        minor,
        point,
        options,
        fs_type: next("file system type")?,
        source: next("source")?,
        super_options: next("file system options")?,
    })
}

/// Which device a path leads to, going by a table of mounts. The table is asked and not stat(2), because the numbers of
/// both differ for btrfs and overlays, and because a mount that hangs has to be left alone.
pub(crate) struct Tree<'t>(HashMap<Vec<u8>, Device<'t>>);

/// Major and minor number.
pub(crate) type Device<'t> = (&'t [u8], &'t [u8]);

impl<'t> Tree<'t> {
    /// The mounts of a table; of several at one place the last one is on top.
    pub(crate) fn new(table: &'t [u8]) -> Self {
        let place = |mount: Mount<'t>| (unescape(mount.point, |_| true).into_owned(), (mount.major, mount.minor));
        Self(parse(table).flatten().map(place).collect())
    }

    /// The device of what is mounted at an absolute path or closest above it.
    pub(crate) fn device_of(&self, path: &[u8]) -> Option<Device<'t>> {
        let mut path = path;
        while let Some(slash) = path.iter().rposition(|&b| b == b'/') {
            if let Some(device) = self.0.get(path) {
                return Some(*device);
            }
            path = path.get(..slash).unwrap_or_default();
        }
        self.0.get(&b"/"[..]).copied()
    }
}

/// Cuts the root of the host from the start of a path, where a name ends: `/host` cuts `/host/a` but not `/hostile`.
pub(crate) fn strip<'p>(path: &'p [u8], rootfs: &[u8]) -> &'p [u8] {
    match path.strip_prefix(rootfs) {
        Some(b"") => b"/",
        Some(rest) if rest.starts_with(b"/") => rest,
        _ => path,
    }
}

/// Undoes the escapes `\ooo` of the bytes for which `wanted` holds.
pub(crate) fn unescape(text: &[u8], wanted: impl Fn(u8) -> bool) -> Cow<'_, [u8]> {
    if !text.contains(&b'\\') {
        return Cow::Borrowed(text);
    }
    let (mut out, mut rest) = (Vec::with_capacity(text.len()), text);
    while let Some((&first, tail)) = rest.split_first() {
        let escaped = match rest {
            [b'\\', a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', ..] => {
                Some((a - b'0') << 6 | (b - b'0') << 3 | (c - b'0')).filter(|&byte| wanted(byte))
            }
            _ => None,
        };
        match escaped {
            Some(byte) => {
                out.push(byte);
                rest = rest.get(4..).unwrap_or_default();
            }
            None => {
                out.push(first);
                rest = tail;
            }
        }
    }
    Cow::Owned(out)
}

/// For the fuzzer.
pub(crate) const PARSER: Parser =
    Parser::new("mountinfo", |bytes| {
    parse(bytes).for_each(eat);
    eat(Tree::new(bytes).device_of(bytes));
}, b"26 1 8:1 / /mnt/a\\040b rw,relatime shared:1 master:2 - ext4 /dev/sda1 rw,errors=remount-ro\n27 26 0:25 /x / ro - tmpfs none rw\n");

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, want: &str) {
        let show = |text: &[u8]| String::from_utf8_lossy(text).into_owned();
        let got: Vec<String> = parse(text.as_bytes())
            .map(|mount| match mount {
                Ok(m) => format!(
                    "{}:{} {} at {} {}{}",
                    show(m.major),
                    show(m.minor),
                    show(m.source),
                    show(m.point),
                    show(m.fs_type),
                    if m.is_read_only() { " ro" } else { "" }
                ),
                Err(bad) => bad.to_string(),
            })
            .collect();
        assert_eq!(got.join("; "), want);
    }

    #[test]
    fn good() {
        check(
            "36 35 98:0 / /mnt rw,noatime master:1 shared:2 - ext4 /dev/a rw,errors=remount-ro\n\
             37 35 0:5 / /x ro - tmpfs tmpfs rw\n38 35 0:5 / /y rw - nfs h:/e rw,emergency_ro\n39 1 0:6 / /z rw - fuse  rw",
            "98:0 /dev/a at /mnt ext4; 0:5 tmpfs at /x tmpfs ro; 0:5 h:/e at /y nfs ro; 0:6  at /z fuse",
        );
    }

    #[test]
    fn a_bad_line_costs_itself() {
        check(
            "36 35 98:0 / /mnt rw - ext4 /dev/a\n36 35 98:0 / /mnt rw - ext4 /dev/a rw\n",
            "1: file system options: expected a word, found \"\"; 98:0 /dev/a at /mnt ext4",
        );
        check("x 35 98:0", "1: mount id: expected a whole number, found \"x\"");
        check("1 35 98 / /m", "1: device number: expected major:minor, found \"98\"");
        check("1 35 9:x / /m", "1: device number: expected major:minor, found \"9:x\"");
        check("1 35 9:1 / /m rw shared:1", "1: separator: expected a word, found \"\"");
        check("\n\n", "");
    }

    #[test]
    fn a_line_may_be_long() {
        let lower = "l".repeat(100_000);
        check(&format!("1 2 0:3 / /m rw - overlay overlay rw,lowerdir={lower}\n"), "0:3 overlay at /m overlay");
    }

    #[test]
    fn paths_lead_to_devices() {
        let tree = Tree::new(
            b"1 0 8:1 / / rw - ext4 a rw\n2 1 8:2 / /srv/a\\040b rw - xfs b rw\n3 1 0:9 / /n rw - autofs x rw\n\
              bad\n4 1 0:10 / /n rw - nfs x rw\n",
        );
        for (path, want) in [
            ("/", "8:1"),
            ("/srv", "8:1"),
            ("/srv/a b", "8:2"),
            ("/srv/a b/c/d", "8:2"),
            ("/srv/a bc", "8:1"),
            ("/n/x", "0:10"),
            ("", "8:1"),
        ] {
            let (major, minor) = tree.device_of(path.as_bytes()).unwrap();
            assert_eq!([major, minor].join(&b':'), want.as_bytes(), "{path}");
        }
        assert!(Tree::new(b"").device_of(b"/").is_none());
    }

    #[test]
    fn escapes() {
        for (text, some, all) in [
            (r"/a\040b\011c", "/a b\tc", "/a b\tc"),
            (r"/a\134b\012", r"/a\134b\012", "/a\\b\n"),
            (r"/a\04", r"/a\04", r"/a\04"),
            (r"\777\", r"\777\", r"\777\"),
            ("/plain", "/plain", "/plain"),
        ] {
            assert_eq!(*unescape(text.as_bytes(), |b| matches!(b, b' ' | b'\t')), *some.as_bytes());
            assert_eq!(*unescape(text.as_bytes(), |_| true), *all.as_bytes());
        }
    }

    #[test]
    fn the_root_of_the_host_is_cut_where_a_name_ends() {
        for (path, rootfs, want) in [
            ("/host/home", "/host", "/home"),
            ("/host", "/host", "/"),
            ("/hostile", "/host", "/hostile"),
            ("/", "/host", "/"),
            ("/home", "", "/home"),
            ("/", "", "/"),
        ] {
            assert_eq!(strip(path.as_bytes(), rootfs.as_bytes()), want.as_bytes(), "{path}");
        }
    }
}
