//! The distribution and its version, from os-release.
//!
//! * Source: `etc/os-release`, else `usr/lib/os-release`, below `--path.rootfs`; os-release(5).
//! * Units: the version as a number (`22.04`), the end of support in seconds since 1970.
//! * Absent when: there is neither file: no data. A rolling distribution has no version number.
//! * Differs from the Go exporter: a malformed line or date costs itself alone. The file is read again only when it
//!   changed.

use common::collector::{Collector, Row, Scrape};
use common::error::{BadField, CollectError, is_absent};
use common::exposition::{Desc, Page};
use common::fields::{lines, parse_f64, parse_u64};
use common::fuzzing::{Parser, eat};

use crate::fs::plain::Watched;

/// The row in the table.
pub(in crate::collectors) const ROW: Row = Row::on("os", "distribution and version, os-release", &[], |args| {
    let root = args.text("path.rootfs");
    let file = |rel| Watched::new(format!("{root}{rel}").into(), MOST_BYTES);
    Ok(Box::new(Os { files: [file("/etc/os-release"), file("/usr/lib/os-release")] }))
});

/// Real files have less than a kilobyte.
const MOST_BYTES: u64 = 1 << 20;

/// The keys that become labels, in the order of the labels.
const KEYS: [&str; 12] = [
    "BUILD_ID",
    "ID",
    "ID_LIKE",
    "IMAGE_ID",
    "IMAGE_VERSION",
    "NAME",
    "PRETTY_NAME",
    "VARIANT",
    "VARIANT_ID",
    "VERSION",
    "VERSION_CODENAME",
    "VERSION_ID",
];

const INFO: Desc = Desc::gauge(
    "node_os_info",
    "What os-release says about the distribution, as labels.",
    &[
        "build_id",
        "id",
        "id_like",
        "image_id",
        "image_version",
        "name",
        "pretty_name",
        "variant",
        "variant_id",
        "version",
        "version_codename",
        "version_id",
    ],
);
const VERSION: Desc =
    Desc::gauge("node_os_version", "Version of the distribution, up to the second part.", &["id", "id_like", "name"]);
const SUPPORT_END: Desc =
    Desc::gauge("node_os_support_end_timestamp_seconds", "When support for this version ends.", &[]);

struct Os {
    files: [Watched<Release>; 2],
}

impl Collector for Os {
    fn update(&mut self, cx: &mut Scrape, page: &mut Page) -> Result<(), CollectError> {
        for file in &mut self.files {
            match file.refresh(parse) {
                Ok((_, release)) => encode(release, page),
                Err(e) if is_absent(&e) => continue,
                Err(e) => return Err(CollectError::io(file.path(), e)),
            }
            for bad in file.made().iter().flat_map(|(_, release)| &release.bad_fields) {
                cx.fault(bad.clone().in_file(file.path()));
            }
            return Ok(());
        }
        Err(CollectError::no_data("no os-release"))
    }
}

fn encode(release: &Release, page: &mut Page) {
    page.sample(&INFO, &release.values, 1.0);
    if let Some(version) = release.version {
        let [_, id, id_like, _, _, name, ..] = &release.values;
        page.sample(&VERSION, &[id, id_like, name], version);
    }
    if let Some(end) = release.support_end {
        page.sample::<&str>(&SUPPORT_END, &[], end);
    }
}

#[derive(Debug, Default, PartialEq)]
struct Release {
    /// By [`KEYS`]; empty when unset.
    values: [Vec<u8>; KEYS.len()],
    version: Option<f64>,
    support_end: Option<f64>,
    bad_fields: Vec<BadField>,
}

/// More bad lines than this are not named.
const MOST_BAD_FIELDS: usize = 10;

fn parse(text: &[u8]) -> Release {
    let mut release = Release::default();
    let mut support_end = (0, Vec::new());
    for (number, line) in lines(text) {
        match assignment(number, line) {
            Ok(None) => {}
            Ok(Some((b"SUPPORT_END", value))) => support_end = (number, value),
            Ok(Some((key, value))) => {
                let slot = KEYS.iter().zip(&mut release.values).find(|(known, _)| known.as_bytes() == key);
                if let Some((_, slot)) = slot {
                    *slot = value;
                }
            }
            Err(bad) if release.bad_fields.len() < MOST_BAD_FIELDS => release.bad_fields.push(bad),
            Err(_) => {}
        }
    }
    let (number, date) = support_end;
    if !date.is_empty() {
        release.support_end = midnight(&date);
        if release.support_end.is_none() {
            release.bad_fields.push(BadField::new(number, "SUPPORT_END", "a date such as 2030-12-31", &date));
        }
    }
    release.version = release.values.last().and_then(|version_id| leading_number(version_id));
    release
}

/// A key and its value.
type Assignment<'t> = (&'t [u8], Vec<u8>);

/// The assignment of a line; `None` for blank lines and comments.
fn assignment(number: u32, line: &[u8]) -> Result<Option<Assignment<'_>>, BadField> {
    let line = line.trim_ascii();
    if line.is_empty() || line.starts_with(b"#") {
        return Ok(None);
    }
    let equals = line.iter().position(|&b| b == b'=');
    let (key, value) = equals
        .and_then(|at| line.split_at_checked(at))
        .ok_or_else(|| BadField::new(number, "assignment", "a key, '=' and a value", line))?;
    let key = key.trim_ascii();
    let key = key.strip_prefix(b"export ").unwrap_or(key);
    let starts_well = key.first().is_some_and(|b| b.is_ascii_alphabetic() || *b == b'_');
    if !starts_well || !key.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'/')) {
        return Err(BadField::new(number, "key", "letters, digits, '_', '.' and '/'", key));
    }
    let value = value.get(1..).unwrap_or_default().trim_ascii();
    let value =
        unquote(value).ok_or_else(|| BadField::new(number, "value", "closed quotes and known escapes", value))?;
    Ok(Some((key, value)))
}

/// The value as a shell would see it, with the escapes of JSON in double quotes.
fn unquote(text: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len());
    let mut quote = None;
    let mut rest = text;
    while let Some((&b, tail)) = rest.split_first() {
        rest = tail;
        match (quote, b) {
            (_, 0..0x20) => return None,
            (None, b'#') => {
                out.truncate(out.trim_ascii_end().len());
                return Some(out);
            }
            (None, b'"' | b'\'') => quote = Some(b),
            (Some(open), b) if open == b => quote = None,
            (Some(b'"'), b'\\') => rest = escape(rest, &mut out)?,
            (_, b) => out.push(b),
        }
    }
    if quote.is_some() { None } else { Some(out) }
}

/// Reads what follows a backslash, and gives the rest.
fn escape<'t>(text: &'t [u8], out: &mut Vec<u8>) -> Option<&'t [u8]> {
    let (&b, rest) = text.split_first()?;
    if b == b'u' {
        return unicode(rest, out);
    }
    out.push(match b {
        b'"' | b'\\' | b'/' => b,
        b'b' => 0x08,
        b'f' => 0x0c,
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        _ => return None,
    });
    Some(rest)
}

/// Reads four hexadecimal digits, or twice four with `\u` in between when they are halves of one character.
fn unicode<'t>(text: &'t [u8], out: &mut Vec<u8>) -> Option<&'t [u8]> {
    let unit = |digits: &[u8]| {
        let digits = digits.iter().all(u8::is_ascii_hexdigit).then_some(digits)?;
        u16::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
    };
    let (first, mut rest) = text.split_at_checked(4)?;
    let mut units = vec![unit(first)?];
    if matches!(units.first(), Some(0xd800..0xe000)) {
        let (second, tail) = rest.strip_prefix(b"\\u")?.split_at_checked(4)?;
        units.push(unit(second)?);
        rest = tail;
        if char::decode_utf16(units.iter().copied()).any(|c| c.is_err()) {
            units = vec![0xfffd]; // Two halves that do not belong together: one character that says so.
        }
    }
    let mut bytes = [0; 4];
    for c in char::decode_utf16(units).flatten() {
        out.extend_from_slice(c.encode_utf8(&mut bytes).as_bytes());
    }
    Some(rest)
}

/// `22.04` of `22.04.3 LTS`; `None` when there are no digits, or only zeroes.
fn leading_number(text: &[u8]) -> Option<f64> {
    let digits = |text: &[u8]| text.iter().take_while(|b| b.is_ascii_digit()).count();
    let whole = digits(text);
    let fraction = text.get(whole..)?.strip_prefix(b".").map_or(0, |fraction| 1 + digits(fraction));
    let number = text.get(..whole + fraction).filter(|_| whole > 0)?;
    parse_f64(number).filter(|version| *version != 0.0)
}

/// Midnight UTC of a `YYYY-MM-DD` in seconds since 1970.
fn midnight(date: &[u8]) -> Option<f64> {
    let &[y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2] = date else { return None };
    let (year, month, day) = (parse_u64(&[y1, y2, y3, y4])?, parse_u64(&[m1, m2])?, parse_u64(&[d1, d2])?);
    let leap = |year: u64| (year.is_multiple_of(4) && !year.is_multiple_of(100)) || year.is_multiple_of(400);
    let lengths = [31, if leap(year) { 29 } else { 28 }, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let before = usize::try_from(month).ok()?.checked_sub(1)?;
    if !(1..=*lengths.get(before)?).contains(&day) {
        return None;
    }
    // Days since the first of year 0, which was a leap year; 1970 began 719,528 days later.
    let leaps = year.div_ceil(4) - year.div_ceil(100) + year.div_ceil(400);
    let days = year * 365 + leaps + lengths.iter().take(before).sum::<u64>() + day - 1;
    Some((days as f64 - 719_528.0) * 86_400.0)
}

/// For the fuzzer.
pub(in crate::collectors) const PARSER: Parser =
    Parser::new("os-release", |bytes| eat(parse(bytes)), b"PRETTY_NAME=\"Example Linux 12 (\\\"bookend\\\")\"\nID=example\nID_LIKE='debian x'\n# comment\nVERSION_ID=12.4\nVERSION=$'a\\u00e4\\x41'\nSUPPORT_END=2028-06-30\n");

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rig::Rig;
    use crate::samples::samples_of;

    const ETC: &str = "root/etc/os-release";

    #[test]
    fn good() {
        let text = "# c\n\nNAME=\"Debian GNU/Linux\"\nID=debian\nVERSION_ID=\"22.10.3\"\nexport VARIANT_ID=server # no\n\
            SUPPORT_END=2024-02-29\nHOME_URL=x\nVERSION='22 (x)'";
        let want = "node_os_info{build_id=\"\",id=\"debian\",id_like=\"\",image_id=\"\",image_version=\"\",\
            name=\"Debian GNU/Linux\",pretty_name=\"\",variant=\"\",variant_id=\"server\",version=\"22 (x)\",\
            version_codename=\"\",version_id=\"22.10.3\"} 1\nnode_os_support_end_timestamp_seconds 1.7091648e+09\n\
            node_os_version{id=\"debian\",id_like=\"\",name=\"Debian GNU/Linux\"} 22.1\n";
        assert_eq!(samples_of(&ROW, &[(ETC, text)], &[]), (want.to_owned(), vec![]));
        let (page, errors) = samples_of(&ROW, &[("root/usr/lib/os-release", text)], &[]);
        assert_eq!((page.as_str(), errors), (want, vec![]));
        assert_eq!(samples_of(&ROW, &[], &[]), (String::new(), vec!["no data: no os-release".to_owned()]));
    }

    #[test]
    fn an_upgrade_is_noticed() {
        let mut rig = Rig::new(&ROW, &[(ETC, "VERSION_ID=12\n")], &[]);
        assert!(rig.samples().contains("version_id=\"12\"} 1"));
        rig.plant(&[(ETC, "VERSION_ID=13\n")]);
        assert!(rig.samples().contains("version_id=\"13\"} 1"));
        rig.remove(ETC);
        rig.plant(&[("root/etc/os-release/", "")]);
        assert_eq!(rig.samples(), "! root/etc/os-release: expected a regular file\n");
    }

    #[test]
    fn a_bad_line_costs_itself() {
        let text = "ID=a\nNAME=\"b\nnonsense\nSUPPORT_END=2023-02-29\n-=3\nVERSION_ID=7.9.2009\n";
        let (page, errors) = samples_of(&ROW, &[(ETC, text)], &[]);
        assert!(page.ends_with("node_os_version{id=\"a\",id_like=\"\",name=\"\"} 7.9\n"), "{page}");
        assert_eq!(page.lines().count(), 2);
        let want = [
            "root/etc/os-release:2: value: expected closed quotes and known escapes, found \"\\\"b\"",
            "root/etc/os-release:3: assignment: expected a key, '=' and a value, found \"nonsense\"",
            "root/etc/os-release:5: key: expected letters, digits, '_', '.' and '/', found \"-\"",
            "root/etc/os-release:4: SUPPORT_END: expected a date such as 2030-12-31, found \"2023-02-29\"",
        ];
        assert_eq!(errors, want);
    }

    #[track_caller]
    fn value(text: &str, want: Option<&str>) {
        let got = assignment(1, text.as_bytes()).ok().flatten().map(|(_, value)| String::from_utf8(value).unwrap());
        assert_eq!(got.as_deref(), want, "{text}");
    }

    #[test]
    fn quotes_and_escapes() {
        value("A=a\"b c\"'d \\n' e # f", Some("ab cd \\n e"));
        value("A = a\\b ", Some("a\\b"));
        value("A='a'\"b\"#c", Some("ab"));
        value(r#"A="\"\\\/\t\u0041\u00e9\ud83d\ude00""#, Some("\"\\/\tAé😀"));
        value(r#"A="\ude00\ud83d""#, Some("\u{fffd}"));
        value("A=\"a\u{7f}é\"", Some("a\u{7f}é"));
        value("A=", Some(""));
        value("A=#b", Some(""));
        value("A=b=c\r", Some("b=c"));
        value("export A.b/c=1", Some("1"));
        for bad in
            [r#"A="\$""#, r#"A="\u00g0""#, r#"A="\u+041""#, r#"A="\ud83d""#, r#"A="\u00"#, "A=a\tb", "A='a", "A=\"a\\"]
        {
            value(bad, None);
        }
        for bad in ["=b", "1A=b", "A-B=b", "export  A=b", "export\tA=b", "\u{feff}A=b", "A"] {
            value(bad, None);
        }
    }

    #[test]
    fn versions() {
        for (text, want) in [
            ("22.04", Some(22.04)),
            ("22.10", Some(22.1)),
            ("12.", Some(12.0)),
            ("7.9.2009", Some(7.9)),
            ("1.5x", Some(1.5)),
            ("v12", None),
            ("0.0", None),
            (".5", None),
            ("", None),
        ] {
            assert_eq!(leading_number(text.as_bytes()), want, "{text}");
        }
    }

    #[test]
    fn dates() {
        for (date, want) in [
            ("1970-01-01", 0.0),
            ("2000-03-01", 951_868_800.0),
            ("2030-12-31", 1_924_905_600.0),
            ("1969-12-31", -86_400.0),
            ("1900-03-01", -2_203_891_200.0),
        ] {
            assert_eq!(midnight(date.as_bytes()), Some(want), "{date}");
        }
        for bad in ["", "2023-02-29", "2023-13-01", "2023-00-01", "2023-01-00", "2023-1-01", "2023-01-01 "] {
            assert_eq!(midnight(bad.as_bytes()), None, "{bad}");
        }
    }

    #[test]
    fn garbage() {
        let release = parse(&[0xff, 0x00, b'=', b'\n'].repeat(100));
        assert_eq!(release.bad_fields.len(), MOST_BAD_FIELDS);
        assert_eq!(parse(b"ID=\xff\n").values[1], b"\xff");
    }
}
