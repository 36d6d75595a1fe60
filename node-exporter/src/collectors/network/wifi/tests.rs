use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::*;
use crate::kernel::netlink::push_attribute;
use crate::rig::{self, Rig, samples_of, text_of};

/// A message of attributes.
fn message(attributes: &[(u16, &[u8])]) -> Vec<u8> {
    let mut body = Vec::new();
    attributes.iter().for_each(|(kind, payload)| push_attribute(&mut body, *kind, payload));
    body
}

fn interface(index: u32, name: &[u8], megahertz: Option<u32>) -> Vec<u8> {
    let mut body = message(&[(1, &[0; 4]), (3, &index.to_ne_bytes()), (4, name), (5, &[2, 0, 0, 0]), (6, &[2; 6])]);
    if let Some(megahertz) = megahertz {
        push_attribute(&mut body, 38, &megahertz.to_ne_bytes());
    }
    body
}

fn network(elements: &[u8], status: Option<u32>) -> Vec<u8> {
    let mut bss = message(&[(1, &[2, 0, 0, 0, 0, 9]), (2, &2412_u32.to_ne_bytes()), (6, elements)]);
    if let Some(status) = status {
        push_attribute(&mut bss, 9, &status.to_ne_bytes());
    }
    message(&[(46, &[1, 0, 0, 0]), (3, &[1, 0, 0, 0]), (47 | 0x8000, &bss)])
}

fn station(last: u8, told: &[(u16, &[u8])]) -> Vec<u8> {
    message(&[(3, &[1, 0, 0, 0]), (6, &[2, 0, 0, 0, 1, last]), (21 | 0x8000, &message(told))])
}

/// All a driver can tell.
fn talkative() -> Vec<u8> {
    let rate = message(&[(1, &0xffff_u16.to_ne_bytes()), (2, &[7]), (5, &86_480_u32.to_ne_bytes())]);
    let slow = message(&[(1, &540_u16.to_ne_bytes())]);
    station(
        1,
        &[
            (23, &(5_000_000_000_u64.to_ne_bytes())),
            (2, &705_032_704_u32.to_ne_bytes()),
            (24, &u64::MAX.to_ne_bytes()),
            (3, &u32::MAX.to_ne_bytes()),
            (1, &1_500_u32.to_ne_bytes()),
            (7, &[0xc4]),
            (8, &slow),
            (9, &9_u32.to_ne_bytes()),
            (10, &10_u32.to_ne_bytes()),
            (11, &11_u32.to_ne_bytes()),
            (12, &12_u32.to_ne_bytes()),
            (14, &rate),
            (16, &u32::MAX.to_ne_bytes()),
            (18, &18_u32.to_ne_bytes()),
            (99, b"whatever"),
        ],
    )
}

/// What one question is answered with.
type Reply = Result<(Vec<Vec<u8>>, bool), i32>;

/// A kernel that goes by a script of questions and answers.
struct Script(VecDeque<(u8, Option<u32>, Reply)>);

impl Ask for Script {
    fn dump(&mut self, command: u8, index: Option<u32>, each: &mut dyn FnMut(&[u8])) -> io::Result<bool> {
        let (want_command, want_index, reply) = self.0.pop_front().expect("no more questions");
        assert_eq!((command, index), (want_command, want_index));
        let (bodies, changed) = reply.map_err(|code| match code {
            0 => io::Error::new(io::ErrorKind::TimedOut, "no answer in time"),
            code => io::Error::from_raw_os_error(code),
        })?;
        bodies.iter().for_each(|body| each(body));
        Ok(changed)
    }
}

/// The samples of one scrape, and `!` before what went wrong.
fn scrape(script: Vec<(u8, Option<u32>, Reply)>) -> String {
    let mut wifi = Wifi::new(Source::Kernel(Box::new(Script(script.into()))));
    let (mut cx, mut page) = (Scrape::new(Instant::now() + Duration::from_secs(5)), Page::default());
    let told = wifi.update(&mut cx, &mut page);
    page.finish();
    let mut text = samples_of(&text_of(&page));
    let faults = cx.faults().iter().map(ToString::to_string);
    for problem in faults.chain(told.err().map(|e| format!("{}{e}", if e.is_no_data() { "no data: " } else { "" }))) {
        text.push_str(&format!("! {problem}\n"));
    }
    text
}

fn all(bodies: &[Vec<u8>]) -> Reply {
    Ok((bodies.to_vec(), false))
}

const INTERFACES: u8 = nl80211::GET_INTERFACE;
const SCAN: u8 = nl80211::GET_SCAN;
const STATIONS: u8 = nl80211::GET_STATION;

#[test]
fn a_client() {
    let got = scrape(vec![
        (INTERFACES, None, all(&[interface(7, b"wlan0\0", Some(5180)), message(&[(5, &[10, 0, 0, 0])])])),
        (SCAN, Some(7), all(&[network(b"\0\x05other", None), network(b"\x01\x01\x82\0\x04home", Some(1))])),
        (STATIONS, Some(7), all(&[talkative()])),
    ]);
    let labels = r#"{device="wlan0",mac_address="02:00:00:00:01:01"}"#;
    let stations = [
        "beacon_loss_total 18",
        "connected_seconds_total 4.294967295e+09",
        "inactive_seconds 1.5",
        "receive_bits_per_second 8.648e+09",
        "receive_bytes_total 5e+09",
        "received_packets_total 9",
        "signal_dbm -60",
        "transmit_bits_per_second 5.4e+07",
        "transmit_bytes_total 1.8446744073709552e+19",
        "transmit_failed_total 12",
        "transmit_retries_total 11",
        "transmitted_packets_total 10",
    ];
    let mut want = vec!["node_wifi_interface_frequency_hertz{device=\"wlan0\"} 5.18e+09".to_owned()];
    want.push(r#"node_wifi_station_info{bssid="02:00:00:00:00:09",device="wlan0",mode="client",ssid="home"} 1"#.into());
    want.extend(stations.iter().map(|line| {
        let (name, value) = line.split_once(' ').unwrap();
        format!("node_wifi_station_{name}{labels} {value}")
    }));
    let mut got: Vec<&str> = got.lines().collect();
    got.sort_unstable();
    want.sort_unstable();
    assert_eq!(got, want);
}

#[test]
fn an_access_point_an_ad_hoc_network_and_a_mesh() {
    let quiet = |last| station(last, &[(7, &[0xff])]);
    let got = scrape(vec![
        (
            INTERFACES,
            None,
            all(&[
                interface(1, b"ap0\0", Some(2412)),
                interface(2, b"ibss0", None),
                interface(3, b"mesh0", Some(u32::MAX)),
            ]),
        ),
        (SCAN, Some(1), all(&[])),
        (STATIONS, Some(1), all(&[quiet(1), quiet(2)])),
        (SCAN, Some(2), all(&[network(b"\0\0", Some(2)), network(b"\0\x01x", Some(1))])),
        (STATIONS, Some(2), all(&[station(3, &[(2, &7_u32.to_ne_bytes()), (8, &[])])])),
        (SCAN, Some(3), all(&[network(b"", Some(3))])),
        (STATIONS, Some(3), all(&[quiet(1)])),
    ]);
    let want = r#"node_wifi_interface_frequency_hertz{device="ap0"} 2.412e+09
node_wifi_interface_frequency_hertz{device="ibss0"} 0
node_wifi_interface_frequency_hertz{device="mesh0"} 4.294967295e+15
node_wifi_station_info{bssid="02:00:00:00:00:09",device="ibss0",mode="ad-hoc",ssid=""} 1
node_wifi_station_info{bssid="02:00:00:00:00:09",device="mesh0",mode="unknown",ssid=""} 1
node_wifi_station_receive_bytes_total{device="ibss0",mac_address="02:00:00:00:01:03"} 7
node_wifi_station_signal_dbm{device="ap0",mac_address="02:00:00:00:01:01"} -1
node_wifi_station_signal_dbm{device="ap0",mac_address="02:00:00:00:01:02"} -1
node_wifi_station_signal_dbm{device="mesh0",mac_address="02:00:00:00:01:01"} -1
"#;
    assert_eq!(got, want);
}

#[test]
fn names_of_networks() {
    let name = |elements: &[u8]| nl80211::network(&network(elements, Some(0))).unwrap().ssid;
    assert_eq!(name(b"\x01\x02ab\0\x03abc\x03\x01\x06"), "abc");
    assert_eq!(name(b"\0\x03a\"\\"), "a\"\\");
    assert_eq!(name(b"\0\x04a\xff\xe2\x82"), "a\u{fffd}\u{fffd}\u{fffd}", "as many as bytes");
    assert_eq!(name(b"\0\x02\0\0"), "\0\0", "hidden, its length told");
    assert_eq!(name(b"\0\x00"), "", "hidden");
    assert_eq!(name(b"\x01\x01\x82\0\x09short"), "", "cut short");
    assert_eq!(name(b"\0"), "");
    assert_eq!(name(&[&[0, 255], &[b'x'; 255][..]].concat()).len(), 255);
    assert_eq!(nl80211::network(&network(b"\0\x01x", None)), None, "a neighbour's");
}

#[test]
fn cut_short_and_garbage() {
    let station_body = talkative();
    for end in 0..station_body.len() {
        // The nested attribute is the last: it is there whole or not at all.
        assert_eq!(nl80211::station(&station_body[..end]), None, "{end}");
        let _ = nl80211::interface(&station_body[..end]);
    }
    let body = network(b"\0\x01x", Some(1));
    for end in 0..body.len() {
        assert_eq!(nl80211::network(&body[..end]), None, "{end}");
    }
    let body = interface(1, b"wlan0\0", Some(1));
    for end in 0..body.len() {
        let named = nl80211::interface(&body[..end]).is_some();
        assert_eq!(named, end >= 8 + 8 + 10, "{end}");
    }
    for garbage in [[0xff; 64], [0; 64]] {
        assert!(nl80211::interface(&garbage).is_none() && nl80211::station(&garbage).is_none());
        let nested = message(&[(6, &[1; 6]), (21, &garbage), (47, &garbage)]);
        assert_eq!(nl80211::station(&nested).unwrap().values, [None; 12]);
        assert_eq!(nl80211::network(&nested), None);
    }
    let short = station(1, &[(1, &[1, 2]), (7, &[]), (14, &message(&[(5, &[1]), (1, &[1])])), (23, &[1; 7])]);
    assert_eq!(nl80211::station(&short).unwrap().values, [None; 12]);
    assert_eq!(nl80211::station(&message(&[(6, &[]), (21, &[])])), None, "without an address");
    let long = nl80211::interface(&interface(1, &[b'x'; 40], None)).unwrap();
    assert_eq!(text(&long.name).len(), 15);
}

#[test]
fn a_set_that_changes_is_read_anew() {
    let quiet = |last| station(last, &[(7, &[0xff])]);
    let changed = |bodies: &[Vec<u8>]| Ok((bodies.to_vec(), true));
    let got = scrape(vec![
        (INTERFACES, None, changed(&[interface(1, b"old0\0", None)])),
        (INTERFACES, None, all(&[interface(2, b"wlan0\0", None)])),
        (SCAN, Some(2), changed(&[network(b"\0\x01a", Some(1))])),
        (SCAN, Some(2), all(&[])),
        (STATIONS, Some(2), changed(&[quiet(1)])),
        (STATIONS, Some(2), changed(&[quiet(2)])),
        (STATIONS, Some(2), changed(&[quiet(3)])),
    ]);
    let want = "node_wifi_interface_frequency_hertz{device=\"wlan0\"} 0\n\
                node_wifi_station_signal_dbm{device=\"wlan0\",mac_address=\"02:00:00:00:01:03\"} -1\n";
    assert_eq!(got, want, "three times at most");
}

#[test]
fn an_interface_that_cannot_be_asked_costs_itself() {
    let quiet = all(&[station(1, &[(7, &[0xff])])]);
    let three = all(&[interface(1, b"gone0", None), interface(2, b"odd0", None), interface(3, b"wlan0", None)]);
    let got = scrape(vec![
        (INTERFACES, None, three),
        (SCAN, Some(1), Err(libc::ENODEV)),
        (STATIONS, Some(1), Err(libc::ENODEV)),
        (SCAN, Some(2), Err(libc::EIO)),
        (STATIONS, Some(2), Err(libc::EOPNOTSUPP)),
        (SCAN, Some(3), all(&[])),
        (STATIONS, Some(3), quiet),
    ]);
    let want = "node_wifi_interface_frequency_hertz{device=\"gone0\"} 0\n\
                node_wifi_interface_frequency_hertz{device=\"odd0\"} 0\n\
                node_wifi_interface_frequency_hertz{device=\"wlan0\"} 0\n\
                node_wifi_station_signal_dbm{device=\"wlan0\",mac_address=\"02:00:00:00:01:01\"} -1\n\
                ! odd0, network: Input/output error (os error 5)\n";
    assert_eq!(got, want);
}

#[test]
fn a_kernel_that_does_not_answer_is_asked_no_more() {
    let two = all(&[interface(1, b"a", None), interface(2, b"b", None)]);
    let got = scrape(vec![(INTERFACES, None, two), (SCAN, Some(1), Err(0))]);
    let want = "node_wifi_interface_frequency_hertz{device=\"a\"} 0\n! a, network: no answer in time\n";
    assert_eq!(got, want);
}

#[test]
fn no_wireless_at_all() {
    assert_eq!(scrape(vec![(INTERFACES, None, Err(libc::ENOENT))]), "! no data: there is no nl80211\n");
    assert_eq!(scrape(vec![(INTERFACES, None, Err(libc::EPERM))]), "! no data: nl80211 may not be asked\n");
    assert_eq!(
        scrape(vec![(INTERFACES, None, Err(libc::EIO))]),
        "! wireless interfaces: Input/output error (os error 5)\n"
    );
    assert_eq!(scrape(vec![(INTERFACES, None, all(&[]))]), "");
}

#[test]
fn this_machine() {
    let mut rig = Rig::new(&ROW, &[], &[]);
    for _ in 0..2 {
        let samples = rig.samples();
        let quiet = |line: &str| line.starts_with("node_wifi_") || line.starts_with("! no data: ");
        assert!(samples.lines().all(quiet), "{samples}");
    }
}

/// The samples over recorded answers.
fn recorded(tree: &[(&str, &str)]) -> String {
    let dir = tempfile::tempdir().unwrap();
    rig::plant(dir.path(), tree);
    let folder = dir.path().to_str().unwrap();
    let mut rig = Rig::new(&ROW, &[], &[(FIXTURES, folder)]);
    rig.samples().replace(&format!("{folder}/"), "")
}

#[test]
fn recordings() {
    let interfaces = r#"[{"Name": "a", "FREQUENCY": 2412, "other": {"x": [1]}}, {"name": "b"}, null, {"name": null}]"#;
    let got = recorded(&[
        ("interfaces.json", interfaces),
        ("a/bss.json", "{\r\n\t\"ssid\": \"\\u00fc\\n\", \"bssid\": \"AgA=\", \"status\": 7}"),
        ("b/bss.json", "null"),
        ("a/stationinfo.json", r#"[{"hardwareaddr": "AgAAAAEB", "inactive": -1500000000, "signal": -1}]"#),
        ("b/stationinfo.json", r#"[{"signal": -1}, {"signal": 1.5}]"#),
    ]);
    let kept: String = got.lines().filter(|line| !line.ends_with("} 0")).flat_map(|line| [line, "\n"]).collect();
    let want = r#"node_wifi_interface_frequency_hertz{device="a"} 2.412e+09
node_wifi_station_inactive_seconds{device="a",mac_address="02:00:00:00:01:01"} -1.5
node_wifi_station_info{bssid="",device="b",mode="client",ssid=""} 1
node_wifi_station_info{bssid="02:00",device="a",mode="unknown",ssid="ü\n"} 1
node_wifi_station_signal_dbm{device="a",mac_address="02:00:00:00:01:01"} -1
! b/stationinfo.json:1: member: expected a whole number, found ""
"#;
    assert_eq!(kept, want);
    assert_eq!(got.lines().count(), 4 + 12 + 1, "what was not recorded is 0");
}

#[test]
fn damaged_recordings() {
    assert_eq!(recorded(&[]), "! interfaces.json: No such file or directory (os error 2)\n");
    for (text, problem) in
        [("", "! "), ("\r\n", "! "), ("[]", ""), ("null", ""), ("{}", "! "), ("[{", "! "), ("[3]", "! ")]
    {
        let got = recorded(&[("interfaces.json", text)]);
        assert!(if problem.is_empty() { got.is_empty() } else { got.starts_with(problem) }, "{text}: {got}");
    }
    let tree = [
        ("interfaces.json", r#"[{"name": "a"}, {"name": "b"}]"#),
        ("a/bss.json/", ""),
        ("a/stationinfo.json", r#"[{"hardwareaddr": "AgA"}]"#),
        ("b/bss.json", r#"{"ssid": 3}"#),
    ];
    let want = "node_wifi_interface_frequency_hertz{device=\"a\"} 0\n\
                node_wifi_interface_frequency_hertz{device=\"b\"} 0\n\
                ! a/bss.json: Is a directory (os error 21)\n\
                ! a/stationinfo.json:1: address: expected base64, found \"\"\n\
                ! b/bss.json:1: member: expected a text, found \"\"\n";
    assert_eq!(recorded(&tree), want);
    for (status, mode) in [(0, "client"), (1, "client"), (2, "unknown"), (3, "ad-hoc"), (-1, "unknown")] {
        let network = recorded::parse_network(format!("{{\"status\": {status}}}").as_bytes()).unwrap();
        assert_eq!(network.mode.name(), mode);
    }
    for (name, bytes) in [("", Some(0)), ("AQ==", Some(1)), ("AQI=", Some(2)), ("AQID", Some(3)), ("A=ID", None)] {
        let got = recorded::parse_network(format!("{{\"bssid\": \"{name}\"}}").as_bytes()).ok();
        let mut text = Vec::new();
        let length = got.map(|network| {
            network.bssid.write(&mut text);
            text.len().div_ceil(3)
        });
        assert_eq!(length, bytes, "{name}");
    }
}
