//! A scripted server on a free port, which changes a good answer into whatever a test wants.

use std::sync::mpsc::{Receiver, channel};
use std::thread;

use super::*;
use crate::rig::Rig;

/// A good answer of now to a question.
fn good(question: &[u8]) -> Vec<u8> {
    let time = |before: u64| {
        let time = SystemTime::now().duration_since(UNIX_EPOCH).unwrap() - Duration::from_secs(before);
        let whole = u32::try_from(time.as_secs() + 2_208_988_800).unwrap();
        let part = u32::try_from((u64::from(time.subsec_nanos()) << 32) / 1_000_000_000).unwrap();
        [whole.to_be_bytes(), part.to_be_bytes()].concat()
    };
    let head = b"\x02\x06\xec\x00\x00\x80\x00\x00\x00\x40\x00\x7f\x00\x00\x01";
    let first = [(question[0] & 0x38) | 4];
    [&first[..], head, &time(60), &question[40..48], &time(0), &time(0)].concat()
}

/// Answers each question with what `change` makes of a good answer; gives the port and the questions.
fn server(address: &str, change: fn(Vec<u8>) -> Vec<u8>) -> (String, Receiver<Vec<u8>>) {
    let socket = UdpSocket::bind((address, 0)).unwrap();
    let port = socket.local_addr().unwrap().port().to_string();
    let (tell, asked) = channel();
    thread::spawn(move || {
        let mut bytes = [0; 100];
        while let Ok((n, from)) = socket.recv_from(&mut bytes) {
            let answer = change(good(&bytes[..n]));
            if !answer.is_empty() {
                socket.send_to(&answer, from).unwrap();
            }
            if tell.send(bytes[..n].to_vec()).is_err() {
                break;
            }
        }
    });
    (port, asked)
}

/// The sanity, or what went wrong.
#[track_caller]
fn check(change: fn(Vec<u8>) -> Vec<u8>, want: &str) {
    let (port, _asked) = server("127.0.0.1", change);
    let page = Rig::new(&ROW, &[], &[(PORT, &port), (TOLERANCE, "100ms")]).samples();
    let got = page.strip_prefix(&format!("! NTP server 127.0.0.1, port {port}: ")).unwrap_or(&page);
    let got = got.lines().find(|line| line.starts_with("node_ntp_sanity") || !got.starts_with("node_")).unwrap();
    assert_eq!(got, want, "{page}");
}

fn with(mut answer: Vec<u8>, at: usize, new: &[u8]) -> Vec<u8> {
    answer[at..at + new.len()].copy_from_slice(new);
    answer
}

/// A time in an answer, so many seconds later.
fn later(answer: Vec<u8>, at: usize, seconds: i32) -> Vec<u8> {
    let whole = u32::from_be_bytes(answer[at..at + 4].try_into().unwrap());
    with(answer, at, &whole.wrapping_add_signed(seconds).to_be_bytes())
}

#[test]
fn good_answers() {
    let (port, asked) = server("127.0.0.1", |answer| answer);
    let (page, problems) = Rig::new(&ROW, &[], &[(PORT, &port), (VERSION, "3")]).scrape();
    assert!(problems.is_empty(), "{problems:?}");
    for line in ["node_ntp_leap 0", "node_ntp_stratum 2", "node_ntp_root_delay_seconds 0.5", "node_ntp_sanity 1"] {
        assert!(page.lines().any(|it| it == line), "{line} {page}");
    }
    assert_eq!(page.lines().filter(|line| !line.starts_with('#')).count(), 8, "{page}");
    let question = asked.recv().unwrap();
    assert_eq!((question.len(), question[0]), (48, 0x1b));
}

#[test]
fn other_families_and_names() {
    let servers = [("127.0.0.1", "localhost"), ("127.0.0.1", "127.0.0.1")].into_iter();
    // Not every machine has the other family.
    let six = UdpSocket::bind("[::1]:0").is_ok();
    for (address, name) in servers.chain(six.then_some(("::1", "::1"))).chain(six.then_some(("::1", "[::1]"))) {
        let (port, _asked) = server(address, |answer| answer);
        let mut rig = Rig::new(&ROW, &[], &[(SERVER, name), (PORT, &port), (IS_LOCAL, "true"), (TTL, "255")]);
        let page = rig.samples();
        assert!(page.contains("node_ntp_sanity 1"), "{name} {page}");
    }
}

#[test]
fn answers_that_are_none() {
    check(|answer| answer[..47].to_vec(), "an answer that is cut short");
    check(|answer| with(answer, 0, &[0x23]), "an answer that no server gives");
    check(|answer| with(answer, 24, b"other"), "an answer to another question");
    check(|answer| with(answer, 40, &[0; 8]), "an answer without a time");
    check(|answer| later(answer, 32, 1), "an answer from before its question");
    check(|_| vec![0xff; 48], "an answer that no server gives");
    check(|_| b"?".to_vec(), "an answer that is cut short");
}

#[test]
fn answers_that_make_no_sense() {
    check(|answer| [answer, vec![1; 20]].concat(), "node_ntp_sanity 1");
    // A kiss of death.
    check(|answer| with(with(answer, 1, &[0]), 12, b"RATE"), "node_ntp_sanity 0");
    check(|answer| with(answer, 1, &[16]), "node_ntp_sanity 0");
    check(|answer| with(answer, 0, &[0xe4]), "node_ntp_sanity 0");
    check(|answer| with(answer, 16, &[0; 8]), "node_ntp_sanity 0");
    check(|answer| with(answer, 4, &[0, 7]), "node_ntp_sanity 0");
    check(|answer| later(later(answer, 32, 2), 40, 2), "node_ntp_sanity 0");
}

#[test]
fn a_leap_second_is_tolerated() {
    let (port, _asked) = server("127.0.0.1", |answer| {
        // Half a second ahead, a leap second announced.
        let bytes: [u8; 8] = answer[32..40].try_into().unwrap();
        let time = (u64::from_be_bytes(bytes) + (1 << 31)).to_be_bytes();
        with(with(with(answer, 32, &time), 40, &time), 0, &[0x64])
    });
    let mut rig = Rig::new(&ROW, &[], &[(PORT, &port)]);
    let page = rig.samples();
    assert!(page.contains("node_ntp_leap 1\n") && page.contains("node_ntp_sanity 1\n"), "{page}");
}

#[test]
fn nobody_there() {
    let (port, _asked) = server("127.0.0.1", |_| Vec::new());
    let started = Instant::now();
    let mut rig = Rig::new(&ROW, &[], &[(PORT, &port)]);
    assert_eq!(rig.samples(), format!("! NTP server 127.0.0.1, port {port}: no answer within 1.0 s\n"));
    assert!(started.elapsed() < Duration::from_secs(3));
    let closed = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port().to_string();
    let page = Rig::new(&ROW, &[], &[(PORT, &closed)]).samples();
    assert!(page.contains("Connection refused"), "{page}");
}

#[test]
fn flags_are_checked() {
    for (flag, value, want) in [
        (PORT, "0", "a port from 1 to 65535"),
        (PORT, "65536", "a port from 1 to 65535"),
        (VERSION, "5", "2, 3 or 4"),
        (TTL, "256", "a number from 0 to 255"),
        (SERVER, "192.0.2.1", "the address of a loopback interface, or --collector.ntp.server-is-local"),
        (SERVER, "localhost", "the address of a loopback interface, or --collector.ntp.server-is-local"),
    ] {
        let mut args = Args::defaults(FLAGS);
        args.set(flag, vec![value.to_owned()], true);
        let want = format!("--{flag}: expected {want}, found {value:?}");
        assert_eq!((ROW.new)(&args).err().map(|e| e.to_string()), Some(want));
    }
}
