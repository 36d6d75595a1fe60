//! The parsers of foreign bytes as a table, for the fuzz target in `fuzz` and for the test that runs each of them on
//! garbage. No program calls any of this.

use std::path::Path;
use std::time::Duration;

use axum::http::{HeaderMap, HeaderName, HeaderValue, header};

use crate::exposition::{Desc, Format, Merge, Page, parse_text, push_number};
use crate::{fields, flags, hosts, http, negotiate, process, query, web};

/// A parser of bytes that someone else wrote.
pub struct Parser {
    /// Its name, for messages.
    pub name: &'static str,
    /// Feeds it and drops the result; panics when the parser does, or when it breaks a promise.
    pub feed: fn(&[u8]),
    /// A text it takes: what the mutations start from.
    pub good: &'static [u8],
}

impl Parser {
    /// A row of the table.
    pub const fn new(name: &'static str, feed: fn(&[u8]), good: &'static [u8]) -> Self {
        Self { name, feed, good }
    }
}

/// The parsers of this crate.
pub static PARSERS: &[Parser] = &[
    Parser::new(
        "text format",
        |bytes| eat(parse_text(bytes)),
        b"# HELP x A \\\\ help.\n# TYPE x histogram\nx_bucket{a=\"\\\"q\\n\",le=\"+Inf\"} 4\nx_sum{a=\"\"} 1.5e3\nx_count 4\n\
          # TYPE s summary\ns{quantile=\"0.5\"} NaN\ns_sum 1\nuntyped -Inf 1700000000000\n",
    ),
    Parser::new(
        "DNS answer",
        crate::upstream::dns::feed,
        b"\x00\x07\x81\x80\x00\x01\x00\x01\x00\x00\x00\x00\x01w\x00\x00\x01\x00\x01\xc0\x0c\x00\x01\x00\x01\x00\x00\x00\x3c\x00\x04\x0a\x00\x00\x01",
    ),
    Parser::new(
        "URL",
        |bytes| eat(crate::upstream::Url::parse(&String::from_utf8_lossy(bytes), "/").map(|url| url.with_path("/x"))),
        b"https://user:p%40ss@[::1]:8443/server-status?auto#x",
    ),
    Parser::new("page", round_trip, b"\x00\x00\x00\x00\x00\x00\xf8\x3feth0\\\"\n\xff\xc3\xa4/ path"),
    Parser::new("number", number, b"\x9a\x99\x99\x99\x99\x99\xb9\x3f"),
    Parser::new(
        "web configuration",
        |bytes| eat(std::str::from_utf8(bytes).map(|text| web::config::parse(Path::new("/web.yml"), text))),
        b"tls_server_config:\n  cert_file: a.crt\n  key_file: /k/a.key\n  client_auth_type: RequireAndVerifyClientCert\n  \
          client_ca_file: ca\n  client_allowed_sans: [a]\n  min_version: TLS12\n  cipher_suites: [TLS_AES_128_GCM_SHA256]\n  \
          curve_preferences: [X25519]\nhttp_server_config:\n  http2: false\n  headers:\n    X-Frame-Options: deny\n\
          basic_auth_users:\n  alice: $2y$10$abcdefghijklmnopqrstuuABCDEFGHIJKLMNOPQRSTUVWXYZ0123C\n\
          rate_limit:\n  interval: 1m30s\n  burst: 3\n",
    ),
    Parser::new(
        "client certificate",
        |bytes| eat(web::client_certs::has_allowed_name(bytes, &["localhost".to_owned(), "::1".to_owned()])),
        // The outline of a certificate: enough for the mutations to reach the lengths of nested DER.
        b"\x30\x30\x30\x2e\xa0\x03\x02\x01\x02\x02\x01\x01\x30\x05\x06\x03\x2b\x65\x70\x30\x00\x30\x1e\x17\x0d\
          240101000000Z\x17\x0d340101000000Z\x30\x00",
    ),
    Parser::new(
        "credentials",
        |bytes| eat(web::auth::credentials(bytes)),
        b"Basic YWxpY2U6c2VjcmV0OmFuZCBtb3JlIG9mIGl0ISE=",
    ),
    Parser::new("headers", headers, b"application/openmetrics-text;version=1.0.0;escaping=dots;q=0.75,text/plain;q=1e3"),
    Parser::new("query", query, b"collect[]=cpu&collect%5B%5D=ti%6de&x=%2&exclude[]=a+b"),
    Parser::new("listen address", |bytes| text(bytes, |text| eat(web::listen::parse(text))), b"[fe80::1%eth0]:9100"),
    Parser::new(
        "hosts",
        |bytes| text(bytes, |text| eat(hosts::parse(text, "node1"))),
        b"127.0.0.1 localhost # me\n::1 node1 localhost\n10.0.0.1\tNODE1\n",
    ),
    Parser::new("duration", |bytes| text(bytes, |text| eat(flags::parse_duration(text))), b"1h30m1.5s250ms10us7ns"),
    Parser::new("words", words, b"  eth0:\t12 -0x1f 0.5e3 NaN 0-3,8\n18446744073709551616 08 \xff\n"),
    Parser::new(
        "own stat",
        |bytes| text(bytes, |text| eat(process::parse_stat(text, 4096.0))),
        b"7 (a ) b) S 1 7 7 0 -1 4194560 1 0 0 0 12 13 0 0 20 0 3 0 1234 5000000 700 18446744073709551615 1 1 0 0\n",
    ),
    Parser::new(
        "own netstat",
        |bytes| text(bytes, |text| eat(process::parse_netstat(text))),
        b"TcpExt: A B\nTcpExt: 1 2\nIpExt: InNoRoutes InOctets OutOctets\nIpExt: 0 123 456\n",
    ),
];

/// Drops what a parser gave, without letting the compiler drop the parser too.
pub fn eat<T>(result: T) {
    std::hint::black_box(result);
}

/// What arrives as text is checked for UTF-8 before these parsers see it.
fn text(bytes: &[u8], feed: fn(&str)) {
    if let Ok(text) = std::str::from_utf8(bytes) {
        feed(text);
    }
}

fn first_number(bytes: &[u8]) -> (f64, &[u8]) {
    match bytes.split_first_chunk::<8>() {
        Some((number, rest)) => (f64::from_le_bytes(*number), rest),
        None => (0.5, bytes),
    }
}

/// Whatever a label value holds, the page can be read, and what is read is what was written.
fn round_trip(bytes: &[u8]) {
    const DESC: Desc = Desc::gauge("x", "A \"help\" \\ text\nof two lines.", &["a", "b"]);
    let (value, rest) = first_number(bytes);
    let (one, other) = rest.split_at(rest.len() / 2);
    let mut page = Page::default();
    let series = [[one, other], [other, one], [b"", one], [one, b""]];
    for values in &series {
        page.sample(&DESC, values, value);
    }
    page.finish();
    for format in [Format::Text, Format::OpenMetrics] {
        let mut written = Vec::new();
        Merge::default().write(&[&page], format, &mut |piece| written.extend_from_slice(piece));
        if format == Format::OpenMetrics {
            assert!(written.ends_with(b"\n# EOF\n"), "no end");
            continue;
        }
        let read = parse_text(&written).unwrap_or_default();
        let samples = read.families.first().map_or(&[][..], |family| &family.samples);
        assert_eq!(samples.len() as u64, page.samples(), "{}", written.escape_ascii());
        for sample in samples {
            assert!(sample.value == value || value.is_nan() && sample.value.is_nan(), "{value}");
            let Ok(all) = std::str::from_utf8(rest) else { continue };
            assert!(sample.labels.iter().all(|(_, value)| all.contains(value.as_str()) || value.contains('\u{FFFD}')));
        }
    }
}

/// The digits we print read back as the same number.
fn number(bytes: &[u8]) {
    let (value, _) = first_number(bytes);
    let mut digits = Vec::new();
    push_number(&mut digits, value);
    let read: Option<f64> = std::str::from_utf8(&digits).ok().and_then(|digits| digits.parse().ok());
    assert!(read == Some(value) || value.is_nan() && read.is_some_and(f64::is_nan), "{value:e}");
}

fn headers(bytes: &[u8]) {
    let Ok(value) = HeaderValue::from_bytes(bytes) else { return };
    let timeout = HeaderName::from_static(negotiate::TIMEOUT_HEADER);
    let headers: HeaderMap =
        [header::ACCEPT, header::ACCEPT_ENCODING, timeout].into_iter().map(|name| (name, value.clone())).collect();
    let content_type = negotiate::content_type(&headers, negotiate::format(&headers));
    assert!(HeaderValue::try_from(content_type).is_ok(), "an answer would go without its type");
    negotiate::gzip(&headers);
    let limit = negotiate::time_limit(&headers, Duration::from_millis(500), Duration::from_secs(10));
    assert!(limit <= Duration::from_secs(600), "{limit:?}");
}

fn query(bytes: &[u8]) {
    let lossy = String::from_utf8_lossy(bytes);
    let names = ["cpu", "stat", "time"];
    if let Ok(Some(only)) = query::select_collectors(&lossy, &names, &["off"]) {
        assert!(only.iter().all(|&at| at < names.len()), "{only:?}");
    }
    let clean = http::clean_path(&lossy);
    assert_eq!(http::clean_path(&clean), clean, "a clean path is sent to itself for ever");
}

fn words(bytes: &[u8]) {
    for (number, line) in fields::lines(bytes) {
        let mut words = fields::Words::new(number, line);
        while words.clone().next().is_some() {
            let _any = (words.clone().u64("x"), words.clone().f64("x"), words.clone().hex("x"), words.rest());
            let word = words.next().unwrap_or_default();
            let _any = (fields::parse_i64(word), fields::parse_auto(word));
            assert!(fields::parse_cpu_list(word).unwrap_or_default().len() <= 65_536, "a list without bounds");
        }
    }
}

/// Feeds a fuzzer's input to the parser that its first byte picks.
pub fn feed_picked(parsers: &[Parser], input: &[u8]) {
    let Some((&pick, rest)) = input.split_first() else { return };
    if let Some(parser) = parsers.get(usize::from(pick)) {
        (parser.feed)(rest);
    }
}

/// Now and then lets a fuzzer's input start over from a good text, so that no corpus has to be kept for it to get
/// inside a parser. Gives the new length, or `None` when the input is to be mutated as ever.
pub fn plant(parsers: &[Parser], input: &mut [u8], most: usize, seed: u32) -> Option<usize> {
    if !seed.is_multiple_of(64) {
        return None;
    }
    let pick = (seed / 64) as usize % parsers.len().max(1);
    let good = parsers.get(pick)?.good;
    let (first, rest) = input.get_mut(..most)?.split_first_mut()?;
    *first = u8::try_from(pick).ok()?;
    rest.get_mut(..good.len())?.copy_from_slice(good);
    Some(1 + good.len())
}

/// Feeds `parser` what a kernel, a firmware or a stranger might send in place of its good text: nothing, the text cut
/// at every length, bits flipped, lines lost, doubled and grown, numbers too large, NULs. The same every time.
pub fn feed_garbage(parser: &Parser) {
    let good = parser.good;
    (parser.feed)(good);
    for end in (0..good.len()).take(2000) {
        (parser.feed)(good.get(..end).unwrap_or_default());
        (parser.feed)(good.get(end..).unwrap_or_default());
    }
    for byte in 0..=255 {
        (parser.feed)(&[byte]);
        (parser.feed)(&[byte; 300]);
    }
    for text in mutants(good, 400) {
        (parser.feed)(&text);
    }
}

/// [`feed_garbage`] for each of `parsers`; prints which it is at, for the one that panics.
#[expect(clippy::print_stdout, reason = "a test runs this, and shows it when it fails")]
pub fn feed_garbage_to_all(parsers: &[Parser]) {
    for parser in parsers {
        println!("{}", parser.name);
        feed_garbage(parser);
    }
}

/// `n` texts that were `good` once. The same every time.
pub fn mutants(good: &[u8], n: usize) -> impl Iterator<Item = Vec<u8>> {
    let mut dice = Dice(0x9E37_79B9_7F4A_7C15 ^ good.len() as u64);
    (0..n).map(move |_| {
        let mut text = good.to_vec();
        for _ in 0..=dice.below(4) {
            mutate(&mut text, &mut dice);
        }
        text
    })
}

const HUGE: &[&[u8]] = &[
    b"18446744073709551616",
    b"18446744073709551615",
    b"9223372036854775808",
    b"-9223372036854775809",
    b"99999999999999999999999999999999999999999999",
    b"1e999",
    b"-0",
    b"NaN",
    b"0x",
    b"",
];

fn mutate(text: &mut Vec<u8>, dice: &mut Dice) {
    let at = dice.below(text.len() + 1);
    match dice.below(8) {
        0 => text.iter_mut().skip(at).take(1).for_each(|b| *b ^= 1 << dice.below(8)),
        1 => text.iter_mut().skip(at).take(1).for_each(|b| *b = dice.pick(b"\0 \n:\"-\xff")),
        2 => {
            // The number at or behind this place, too large.
            let rest = text.get(at..).unwrap_or_default();
            let start = at + rest.iter().position(u8::is_ascii_digit).unwrap_or(rest.len());
            let digits = text.get(start..).unwrap_or_default();
            let end = start + digits.iter().position(|b| !b.is_ascii_digit()).unwrap_or(digits.len());
            text.splice(start..end, dice.pick(HUGE).iter().copied());
        }
        3 => {
            let lines: Vec<Vec<u8>> = text.split_inclusive(|&b| b == b'\n').map(<[u8]>::to_vec).collect();
            let (lost, doubled) = (dice.below(lines.len().max(1)), dice.below(lines.len().max(1)));
            let kept = lines.iter().enumerate().filter(|(n, _)| *n != lost);
            *text = kept.flat_map(|(n, line)| line.repeat(if n == doubled { 2 } else { 1 })).collect();
        }
        4 => drop(text.splice(at..at, std::iter::repeat_n(dice.pick(b"\x009 x"), 5000))),
        5 => text.truncate(at),
        6 => {
            let end = (at + dice.below(16)).min(text.len());
            text.drain(at..end);
        }
        _ => {
            let mut copy = text.clone();
            copy.rotate_left(at.min(text.len()));
            copy.truncate(dice.below(64));
            text.splice(at..at, copy);
        }
    }
}

/// xorshift64: the same throws in every run.
pub struct Dice(u64);

impl Dice {
    /// Dice whose throws go by `seed`; those of neighbouring seeds have nothing in common.
    pub fn new(seed: u64) -> Self {
        let mut mixed = seed.wrapping_add(0x9E37_79B9_7F4A_7C15);
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        // Zero is the one state that never changes.
        Self((mixed ^ (mixed >> 31)).max(1))
    }

    /// A number below `n`, or 0 when there is none.
    pub fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % n.max(1) as u64) as usize
    }

    /// One of these, or nothing much when there are none.
    pub fn pick<T: Copy + Default>(&mut self, of: &[T]) -> T {
        of.get(self.below(of.len())).copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_planted_input_feeds_the_parser_it_names() {
        static FED: std::sync::Mutex<Vec<u8>> = std::sync::Mutex::new(Vec::new());
        let parsers = [
            Parser::new("a", |_| panic!("not this"), b"a"),
            Parser::new("b", |bytes| FED.lock().unwrap().extend(bytes), b"good"),
        ];
        let mut input = [9; 8];
        assert_eq!(plant(&parsers, &mut input, 8, 1), None);
        assert_eq!(plant(&parsers, &mut input, 3, 64), None, "no room");
        let len = plant(&parsers, &mut input, 8, 64).unwrap();
        feed_picked(&parsers, &input[..len]);
        feed_picked(&parsers, &[]);
        feed_picked(&parsers, &[200, 1]);
        assert_eq!(*FED.lock().unwrap(), b"good");
    }

    #[test]
    fn every_parser_survives_garbage() {
        feed_garbage_to_all(PARSERS);
    }
}
