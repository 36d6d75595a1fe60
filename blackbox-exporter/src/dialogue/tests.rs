use std::time::Duration;

use common::exposition::{Format, Merge};
use common::log::Layout;
use tokio::io::{AsyncReadExt, DuplexStream};
use tokio::time::Instant;

use super::*;
use crate::network::Network;
use crate::regexp::Regexp;

fn run(time: Duration) -> Run {
    Run {
        target: "target".to_owned(),
        hostname: None,
        deadline: Instant::now() + time,
        page: Page::default(),
        log: ProbeLog::new(Layout::default(), Level::ERROR, "module", "target"),
        progress: Arc::default(),
        network: Arc::new(Network::default()),
    }
}

fn samples(page: &mut Page) -> String {
    page.finish();
    let mut text = Vec::new();
    Merge::default().write(&[page], Format::Text, &mut |piece| text.extend_from_slice(piece));
    let text = String::from_utf8(text).unwrap();
    text.lines().filter(|line| !line.starts_with('#')).map(|line| format!("{line}\n")).collect()
}

fn expect(regexp: &str) -> QueryResponse {
    QueryResponse { expect: Some(Regexp::new(regexp).unwrap()), ..QueryResponse::default() }
}

fn expect_bytes(bytes: &[u8]) -> QueryResponse {
    QueryResponse { expect_bytes: bytes.to_vec(), ..QueryResponse::default() }
}

fn send(text: &[u8]) -> QueryResponse {
    QueryResponse { send: text.to_vec(), ..QueryResponse::default() }
}

fn labels(step: QueryResponse, labels: &[(&str, &str)]) -> QueryResponse {
    let labels = labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    QueryResponse { labels: Some(labels), ..step }
}

/// What a dialogue came to: its reason if it failed, the page, and what the other side got.
struct Came {
    reason: Option<Reason>,
    page: String,
    got: Vec<u8>,
}

/// A dialogue with somebody who says all of `said` at once, and then closes the connection or waits.
async fn hold_with(steps: &[QueryResponse], said: &[u8], closes: bool) -> Came {
    let (ours, theirs) = tokio::io::duplex(1 << 20);
    let mut run = run(if closes { Duration::from_secs(60) } else { Duration::from_millis(100) });
    let module = Module::new("module", config::Module::default());
    let tls_config = config::Tls::default();
    let script = Script { module: &module, steps, tls: false, tls_config: &tls_config, server_name: "localhost" };
    let ours = std::sync::Mutex::new(Some(ours));
    let connect = || {
        let ours: DuplexStream = ours.lock().unwrap().take().unwrap();
        async { Ok(ours) }
    };
    let other = async move {
        let (mut from, mut to) = tokio::io::split(theirs);
        to.write_all(said).await.unwrap();
        if closes {
            to.shutdown().await.unwrap();
        }
        let mut got = Vec::new();
        from.read_to_end(&mut got).await.unwrap();
        got
    };
    let (done, got) = tokio::join!(hold(&mut run, script, connect), other);
    Came { reason: done.err().map(|failure| failure.reason), page: samples(&mut run.page), got }
}

#[track_caller]
fn check(came: &Came, reason: Option<Reason>, regex: u8, bytes: u8) {
    assert_eq!(came.reason, reason, "{}", came.page);
    for line in [format!("probe_failed_due_to_regex {regex}\n"), format!("probe_failed_due_to_bytes {bytes}\n")] {
        assert!(came.page.contains(&line), "{line}{}", came.page);
    }
}

#[tokio::test]
async fn lines() {
    let (x, any) = (vec![b'x'; 70_000], vec![b'x'; 65_000]);
    for (steps, said, closes, reason, regex) in [
        (vec![], &b""[..], false, None, 0),
        (vec![expect("^220 ")], b"220 ready\r\n", false, None, 0),
        (vec![expect("^220 ")], b"220-one\r\n220 two\r\n", false, None, 0),
        (vec![expect("ready$")], b"220 ready\r\n", false, None, 0),
        (vec![expect("^220")], b"220 without an end", true, None, 0),
        (vec![expect("^220")], b"220 without an end", false, Some(Reason::Deadline), 0),
        (vec![expect("^220")], b"", true, Some(Reason::Closed), 1),
        (vec![expect("^$")], b"", true, Some(Reason::Closed), 1),
        (vec![expect("^220")], b"500\n", true, Some(Reason::Expect), 1),
        (vec![expect("^220")], b"500\n501\n", true, Some(Reason::Expect), 1),
        (vec![expect("^220")], b"500\n", false, Some(Reason::Deadline), 0),
        (vec![expect("ok"), expect("ok")], b"a\nok 1\nb\nok 2\nc\n", false, None, 0),
        (vec![expect("ok"), expect("ok"), expect("ok")], b"a\nok 1\nb\nok 2\nc\n", false, Some(Reason::Deadline), 0),
        (vec![expect("^$")], b"\n\nafter\n", false, None, 0),
        (vec![expect("after")], b"\n\nafter\n", false, None, 0),
        (vec![expect("^x")], &any, true, None, 0),
        (vec![expect("^x")], &x, false, Some(Reason::Protocol), 0),
        (vec![QueryResponse::default()], b"", false, None, 0),
    ] {
        check(&hold_with(&steps, said, closes).await, reason, regex, 0);
    }
}

#[tokio::test]
async fn bytes() {
    for (steps, said, closes, reason, bytes) in [
        (vec![expect_bytes(b"ABCD")], &b"ABCD"[..], false, None, 0),
        (vec![expect_bytes(b"AB"), expect_bytes(b"CD")], b"ABCD", false, None, 0),
        (vec![expect_bytes(b"ABCD")], b"ABXD", false, Some(Reason::ExpectBytes), 1),
        (vec![expect_bytes(b"ABCD")], b"AB", true, Some(Reason::Closed), 0),
        (vec![expect_bytes(b"ABCD")], b"", false, Some(Reason::Deadline), 0),
        (vec![expect("banner"), expect_bytes(b"RAWB")], b"a banner\nRAWB", false, None, 0),
        (vec![expect("banner"), expect_bytes(b"RAWB")], b"a banner\nmoreRAWB", false, Some(Reason::Deadline), 1),
        (vec![expect("banner"), expect_bytes(b"RAWB")], b"a banner\nmoreRAWB", true, Some(Reason::ExpectBytes), 1),
    ] {
        check(&hold_with(&steps, said, closes).await, reason, 0, bytes);
    }
}

#[tokio::test]
async fn what_is_sent() {
    let answer = QueryResponse { send: b"PONG $1 ${2} $nope-$$".to_vec(), ..expect("^PING (\\S+)(?: (.*))?$") };
    for (steps, said, want) in [
        (vec![send(b"HELO\r")], &b""[..], &b"HELO\r\n"[..]),
        (vec![send(b"$1 $$")], b"", b"$1 $$\n"),
        (vec![send(b"\0\x01\xff\n")], b"", b"\0\x01\xff\n\n"),
        (vec![send(b"")], b"", b""),
        (vec![answer.clone()], b"PING :abc\n", b"PONG :abc  -$\n"),
        (vec![send(b"one"), answer, send(b"two")], b"PING a b\n", b"one\nPONG a b -$\ntwo\n"),
        (vec![QueryResponse { send: b"$1".to_vec(), ..expect("^(x*)") }], b"none\n", b""),
    ] {
        let came = hold_with(&steps, said, false).await;
        check(&came, None, 0, 0);
        assert_eq!(came.got, want);
    }
}

#[tokio::test]
async fn what_lines_told() {
    let ssh = "^SSH-2.0-([^ -]+)(?: (.*))?$";
    for (steps, said, want) in [
        (
            vec![labels(expect(ssh), &[("v", "${1}"), ("c", "x${2}y"), ("n", "$nope-$1a-$$-$")])],
            &b"SSH-2.0-Open_9 Linux\r\n"[..],
            "probe_expect_info{c=\"xLinuxy\",n=\"--$-$\",v=\"Open_9\"} 1\n",
        ),
        (vec![labels(expect("."), &[])], b"x\n", "probe_expect_info 1\n"),
        (
            vec![
                labels(expect("(.)"), &[("a", "$1"), ("b", "$1")]),
                labels(expect("(.)"), &[("b", "$1"), ("c", "$1")]),
            ],
            b"1\n2\n",
            "probe_expect_info{a=\"1\",b=\"2\",c=\"2\"} 1\n",
        ),
        (vec![labels(expect("(.*)"), &[("a-b", "$1"), ("a_b", "$1$1")])], b"x\n", "probe_expect_info{a_b=\"xx\"} 1\n"),
        (vec![labels(expect("(.*)"), &[("", "1"), ("__name__", "2")])], b"x\n", "probe_expect_info 1\n"),
        (vec![labels(expect("(?s)(.*)"), &[("a", "$1")])], b"x\xffy\n", "probe_expect_info{a=\"x\u{FFFD}y\"} 1\n"),
    ] {
        let came = hold_with(&steps, said, false).await;
        check(&came, None, 0, 0);
        assert!(came.page.contains(want), "{want}{}", came.page);
    }
    let came = hold_with(&[labels(expect("^a"), &[("a", "b")])], b"x\n", true).await;
    assert!(!came.page.contains("probe_expect_info"), "{}", came.page);
    let came = hold_with(&[labels(send(b"x"), &[("a", "b")])], b"", true).await;
    assert!(!came.page.contains("probe_expect_info"), "{}", came.page);
}

#[tokio::test]
async fn bytes_that_came_before_need_not_be_the_ones() {
    let (ours, mut theirs) = tokio::io::duplex(1 << 10);
    let mut run = run(Duration::from_secs(60));
    let module = Module::new("module", config::Module::default());
    let tls_config = config::Tls::default();
    let steps = [expect("^220"), send(b"x"), expect_bytes(b"RAWB"), expect("^more")];
    let script = Script { module: &module, steps: &steps, tls: false, tls_config: &tls_config, server_name: "" };
    let ours = std::sync::Mutex::new(Some(ours));
    let connect = || {
        let ours: DuplexStream = ours.lock().unwrap().take().unwrap();
        async { Ok(ours) }
    };
    let other = async {
        theirs.write_all(b"220 a\nmore\n").await.unwrap();
        let mut asked = [0; 2];
        theirs.read_exact(&mut asked).await.unwrap();
        theirs.write_all(b"RAWB").await.unwrap();
    };
    let (done, ()) = tokio::join!(hold(&mut run, script, connect), other);
    assert_eq!(done, Ok(()), "{}", samples(&mut run.page));
}
