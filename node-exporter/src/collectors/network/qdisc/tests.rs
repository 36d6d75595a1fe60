use super::*;
use crate::kernel::netlink::push_attribute;
use crate::rig::Rig;

fn numbers(numbers: &[u32]) -> Vec<u8> {
    numbers.iter().flat_map(|n| n.to_ne_bytes()).collect()
}

/// A message about interface 2; `new` and `old` are the two forms of statistics.
fn message(parent: u32, new: bool, wide: bool, old: bool) -> Vec<u8> {
    let mut body = numbers(&[0, 2, 0x10000, parent, 1]);
    push_attribute(&mut body, 1, b"fq_codel\0");
    if new {
        let mut statistics = Vec::new();
        let mut basic = 5_000_000_000_u64.to_ne_bytes().to_vec();
        basic.extend_from_slice(&numbers(&[7, 0]));
        push_attribute(&mut statistics, 1, &basic);
        push_attribute(&mut statistics, 3, &numbers(&[1, 2, 3, 4, 5]));
        if wide {
            push_attribute(&mut statistics, 8, &(7 + (1_u64 << 32)).to_ne_bytes());
        }
        push_attribute(&mut body, 7 | 0x8000, &statistics);
    }
    if old {
        let mut statistics = 9_u64.to_ne_bytes().to_vec();
        statistics.extend_from_slice(&numbers(&[8, 7, 6, 0, 0, 5, 4, 0]));
        push_attribute(&mut body, 3, &statistics);
    }
    push_attribute(&mut body, 99, b"whatever");
    body
}

#[test]
fn disciplines() {
    let kind = Kind::new(b"fq_codel");
    let want = Qdisc {
        parent: u32::MAX,
        kind,
        counted: true,
        bytes: 5_000_000_000,
        packets: 7,
        drops: 3,
        overlimits: 5,
        requeues: Some(4),
        queue_length: 1,
        backlog: 2,
    };
    assert_eq!(parse(&message(u32::MAX, true, false, true)), Some((2, want)));
    assert_eq!(parse(&message(u32::MAX, true, true, false)), Some((2, Qdisc { packets: 7 + (1 << 32), ..want })));
    let old =
        Qdisc { bytes: 9, packets: 8, drops: 7, overlimits: 6, requeues: None, queue_length: 5, backlog: 4, ..want };
    assert_eq!(parse(&message(u32::MAX, false, false, true)), Some((2, old)));
    let none = Qdisc { parent: 0, kind, ..Qdisc::default() };
    assert_eq!(parse(&message(0, false, false, false)), Some((2, none)));
    assert!(want.is_root() && none.is_root());
    for parent in [0xffff_fff1, 0x10001] {
        assert!(!Qdisc { parent, ..want }.is_root());
    }
    assert_eq!(kind.text(), b"fq_codel");
    assert_eq!(Kind::new(b"a name that is too long").text(), b"a name that is t");
}

#[test]
fn cut_short_and_garbage() {
    let whole = message(0, true, true, true);
    for end in 0..whole.len() {
        let parsed = parse(&whole[..end]);
        assert_eq!(parsed.is_some(), end >= HEADER, "{end}");
    }
    assert_eq!(parse(&[0xff; 64]).map(|(index, qdisc)| (index, qdisc.counted)), Some((u32::MAX, false)));
    for bad in [
        "",
        "\n",
        "{}",
        "[1]",
        "[{}]",
        "[{\"IfaceName\": \"a\", \"Bytes\": -1}]",
        "[{\"IfaceName\": [1]}]",
        "[",
        "\u{1}",
    ] {
        assert!(recorded::parse(bad.as_bytes()).is_err(), "{bad}");
    }
    assert!(recorded::parse(b"\xff").is_err());
}

const RECORDED: &str = "[\n  {\"IfaceName\": \"eth0\", \"Kind\": \"mq\", \"Bytes\": 18446744073709551615, \"Qlen\": 3,\n   \
    \"Handle\": 1},\n  {\"IfaceName\": \"eth0\", \"Kind\": \"fq\", \"Parent\": 1},\n  {\"IfaceName\": \"wlan0\", \"Kind\": \"fq\"}\n]\n";

#[test]
fn from_a_file() {
    let rig = Rig::new(&ROW, &[("root/results.json", RECORDED)], &[]);
    let folder = rig.root().join("root");
    let flags = [(FIXTURES, folder.to_str().unwrap()), (EXCLUDE, "wlan")];
    let mut over = Rig::new(&ROW, &[], &flags);
    let want = ["backlog# 0", "bytes_total# 1.8446744073709552e+19", "current_queue_length# 3", "drops_total# 0"]
        .into_iter()
        .chain(["overlimits_total# 0", "packets_total# 0", "requeues_total# 0"])
        .map(|line| format!("node_qdisc_{}\n", line.replace('#', "{device=\"eth0\",kind=\"mq\"}")));
    assert_eq!(over.samples(), want.collect::<String>());
    rig.plant(&[("root/results.json", "[\n[]]")]);
    assert!(over.samples().ends_with("results.json:2: discipline: expected an object, found \"\"\n"));
    rig.remove("root/results.json");
    assert!(over.samples().ends_with("results.json: No such file or directory (os error 2)\n"));
}

#[test]
fn the_disciplines_of_this_machine() {
    let mut rig = Rig::new(&ROW, &[], &[(INCLUDE, "^lo$")]);
    for _ in 0..2 {
        let samples = rig.samples();
        assert!(samples.lines().all(|line| line.contains("{device=\"lo\",kind=\"")), "{samples}");
    }
    let both = [INCLUDE, EXCLUDE].map(|flag| (flag, "x"));
    let mut args = common::flags::Args::defaults(FLAGS.iter().chain(crate::fs::FLAGS));
    both.iter().for_each(|(flag, value)| args.set(flag, vec![(*value).to_owned()], false));
    assert!((ROW.new)(&args).is_err());
}
