//! Data of every type as text. Hex is the data; the text is what stands behind `x.test. TAB 300 TAB IN TAB`, or all of it.

use super::super::message::Message;

/// The text of the one record of an answer, owned by `x.test.`, the root for OPT.
fn text_of(kind: u16, class: u16, data: &[u8]) -> Option<String> {
    let owner: &[u8] = if kind == OPT { b"\0" } else { b"\xc0\x0c" };
    let ttl = if kind == OPT { 0_u32 } else { 300 };
    let length = u16::try_from(data.len()).unwrap();
    let mut bytes = b"\0\0\x81\x80\0\x01\0\x01\0\0\0\0\x01x\x04test\0\0\xff\0\x01".to_vec();
    bytes.extend(owner);
    bytes.extend(kind.to_be_bytes());
    bytes.extend(class.to_be_bytes());
    bytes.extend(ttl.to_be_bytes());
    bytes.extend(length.to_be_bytes());
    bytes.extend(data);
    let message = Message::parse(&bytes).ok()?;
    let record = message.records(message.sections[0]).next()?;
    let mut text = Vec::new();
    message.write(&record, &mut text);
    let text = String::from_utf8_lossy(&text).into_owned();
    Some(text.strip_prefix("x.test.\t300\tIN\t").map_or(text.clone(), str::to_owned))
}

const OPT: u16 = 41;

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

#[test]
fn classes() {
    for (class, want) in [(1, "IN"), (2, "CS"), (3, "CH"), (4, "HS"), (254, "NONE"), (255, "CLASS255"), (0, "CLASS0")] {
        let line = text_of(1, class, &[192, 0, 2, 1]).unwrap();
        let whole = format!("x.test.\t300\t{want}\tA\t192.0.2.1");
        assert!(whole.ends_with(&line) && (class == 1 || line == whole), "{class}: {line}");
    }
}

#[test]
fn types() {
    for (kind, data, want) in TABLE {
        let class = if *kind == OPT { 1232 } else { 1 };
        assert_eq!(text_of(*kind, class, &bytes(data)).as_deref(), *want, "{kind} {data}");
    }
}

#[test]
fn rows_are_sorted_for_the_search() {
    assert!(super::super::types::TYPES.is_sorted_by(|a, b| a.0 < b.0));
}

#[test]
fn a_chain_of_pointers_makes_no_endless_text() {
    // HIP with 200 names, each a pointer to a long one.
    let mut data = b"\x01\x02\0\x01ab".to_vec();
    let name = data.len() + 12 + 8 + 4 + 12;
    for _ in 0..3 {
        data.push(60);
        data.extend([0xff; 60]);
    }
    data.push(0);
    for _ in 0..20_000 {
        data.extend([0xc0 | u8::try_from(name >> 8).unwrap(), u8::try_from(name & 0xff).unwrap()]);
    }
    assert_eq!(text_of(55, 1, &data), None);
    data.truncate(6 + 184 + 20);
    assert!(text_of(55, 1, &data).is_some());
}

/// Type, data, and the text; `None` where it is not that type's.
const TABLE: &[(u16, &str, Option<&str>)] = &[
    (0, "0102", Some("x.test.\t300\tCLASS1\tTYPE0\t\\# 2 0102")),
    (0, "01", Some("x.test.\t300\tCLASS1\tTYPE0\t\\# 1 01")),
    (1, "7f000001", Some("A\t127.0.0.1")),
    (1, "7f0000", None),
    (1, "7f00000102", None),
    (1, "", Some("A\t")),
    (2, "026e730178047465737400", Some("NS\tns.x.test.")),
    (2, "00", Some("NS\t.")),
    (3, "026e730178047465737400", Some("MD\tns.x.test.")),
    (4, "026e730178047465737400", Some("MF\tns.x.test.")),
    (5, "026e730178047465737400", Some("CNAME\tns.x.test.")),
    (5, "00", Some("CNAME\t.")),
    (5, "126122625c633b64007fe920652740282e292400", Some("CNAME\ta\\\"b\\\\c\\;d\\000\\127\\233\\ e\\'\\@\\(\\.\\)$.")),
    (6, "026e7301780004726f6f740178000000000100000002000000030000000400000005", Some("SOA\tns.x. root.x. 1 2 3 4 5")),
    (6, "026e7301780004726f6f74017800", Some("SOA\tns.x. root.x. 0 0 0 0 0")),
    (6, "01610001620000000009", Some("SOA\ta. b. 9 0 0 0 0")),
    (6, "0161000162000000000900", None),
    (6, "", Some("SOA\t  0 0 0 0 0")),
    (7, "026e730178047465737400", Some("MB\tns.x.test.")),
    (8, "026e730178047465737400", Some("MG\tns.x.test.")),
    (9, "026e730178047465737400", Some("MR\tns.x.test.")),
    (10, "616263", Some(";x.test.\t300\tIN\tNULL\tabc")),
    (11, "0102", Some("x.test.\t300\tCLASS1\tTYPE11\t\\# 2 0102")),
    (12, "026e730178047465737400", Some("PTR\tns.x.test.")),
    (12, "00", Some("PTR\t.")),
    (13, "03637075036f2273", Some("HINFO\t\"cpu\" \"o\\\"s\"")),
    (13, "03637075", Some("HINFO\t\"cpu\" \"\"")),
    (14, "016100016200", Some("MINFO\ta. b.")),
    (15, "000a026d78017800", Some("MX\t10 mx.x.")),
    (15, "000a00", Some("MX\t10 .")),
    (15, "000a", Some("MX\t10 ")),
    (16, "0568656c6c6f", Some("TXT\t\"hello\"")),
    (16, "00", Some("TXT\t\"\"")),
    (16, "05616263", None),
    (16, "02c3a9", Some("TXT\t\"\\195\\169\"")),
    (17, "016100016200", Some("RP\ta. b.")),
    (17, "016100", Some("RP\ta. ")),
    (18, "0001016100", Some("AFSDB\t1 a.")),
    (19, "053331223180", Some("X25\t31\\\"1\\128")),
    (20, "023132023334", Some("ISDN\t\"12\" \"34\"")),
    (20, "023132", Some("ISDN\t\"12\" \"\"")),
    (21, "0001016100", Some("RT\t1 a.")),
    (23, "026e730178047465737400", Some("NSAP-PTR\tns.x.test.")),
    (
        24,
        "000105020000012c6553f1005f5e1000303901780073696721",
        Some("SIG\tA 5 2 300 20231114221320 20200913122640 12345 x. c2lnIQ=="),
    ),
    (
        25,
        "0101030d000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d",
        Some("KEY\t257 3 13 AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwd"),
    ),
    (26, "0001016100016200", Some("PX\t1 a. b.")),
    (27, "082d33322e36383832083131362e383635320431302e30", Some("GPOS\t-32.6882 116.8652 10.0")),
    (27, "022280015c013b", Some("GPOS\t\\\"\\128 \\\\ ;")),
    (28, "20010db8000000000000000000000001", Some("AAAA\t2001:db8::1")),
    (28, "00000000000000000000ffff7f000001", Some("AAAA\t::ffff:127.0.0.1")),
    (28, "00000000000000000000000000000000", Some("AAAA\t::")),
    (28, "00010000000200000003000000000000", Some("AAAA\t1:0:2:0:3::")),
    (28, "00000000000000000000000001020304", Some("AAAA\t::102:304")),
    (29, "001216138b0d0b087ff83c0000989680", Some("LOC\t51 30 4.168 N 00 08 28.928 W 0m 1m 10000m 10m")),
    (29, "0012161382b32c956a8ad5ff0098967f", Some("LOC\t12 34 56.789 N 100 00 0.001 W -0.01m 1m 10000m 10m")),
    (29, "00000000800000008000000000989685", Some("LOC\t00 00 0.000 S 00 00 0.000 W 0.05m 0.00m 0.00m 0.00m")),
    (29, "01121613800000008000000000989685", Some("LOC\t00 00 0.000 S 00 00 0.000 W 0.05m 1m 10000m 10m")),
    (
        29,
        "00990a5f00000000ffffffffffffffff",
        Some("LOC\t596 31 23.648 S 596 31 23.647 E 42849672.95m 90000000m 000000000m 50000000000000m"),
    ),
    (30, "0162000006400000080003", Some("NXT\tb. A AAAA RRSIG NSEC")),
    (30, "01620060000002", None),
    (31, "abcd01", Some("EID\tABCD01")),
    (32, "abcd01", Some("NIMLOC\tABCD01")),
    (33, "00010002003503737276017800", Some("SRV\t1 2 53 srv.x.")),
    (33, "00010002", Some("SRV\t1 2 0 ")),
    (34, "0001", Some("x.test.\t300\tCLASS1\tTYPE34\t\\# 2 0001")),
    (
        35,
        "000100020155074532552b7369700e215e2e2a24217369703a6140622100",
        Some("NAPTR\t1 2 \"U\" \"E2U+sip\" \"!^.*$!sip:a@b!\" ."),
    ),
    (
        35,
        "00010002126122625c633b64007fe920652740282e292400025c310172017800",
        Some("NAPTR\t1 2 \"a\\\"b\\\\c;d\\000\\127\\233 e'@(.)$\" \"\" \"\\\\1\" r.x."),
    ),
    (36, "0001016100", Some("KX\t1 a.")),
    (37, "00010005086365727464617461", Some("CERT\tPKIX 5 RSASHA256 Y2VydGRhdGE=")),
    (37, "ff000005fe63", Some("CERT\t65280 5 PRIVATEOID Yw==")),
    (37, "00fd0005fd6363", Some("CERT\tURI 5 PRIVATEDNS Y2M=")),
    (37, "00030005006363", Some("CERT\tPGP 5 0 Y2M=")),
    (38, "0102", Some("x.test.\t300\tCLASS1\tTYPE38\t\\# 2 0102")),
    (39, "026e730178047465737400", Some("DNAME\tns.x.test.")),
    (39, "00", Some("DNAME\t.")),
    (40, "0102", Some("x.test.\t300\tCLASS1\tTYPE40\t\\# 2 0102")),
    (
        41,
        "000300046e736964",
        Some("\n;; OPT PSEUDOSECTION:\n; EDNS: version 0; flags:; udp: 1232\n; NSID: 6e736964  (n)(s)(i)(d)"),
    ),
    (
        41,
        "0008000700011800c00002",
        Some("\n;; OPT PSEUDOSECTION:\n; EDNS: version 0; flags:; udp: 1232\n; SUBNET: 192.0.2.0/24/0"),
    ),
    (
        41,
        "000800080002200020010db8",
        Some("\n;; OPT PSEUDOSECTION:\n; EDNS: version 0; flags:; udp: 1232\n; SUBNET: [2001:db8::]/32/0"),
    ),
    (
        41,
        "0008000400000000",
        Some("\n;; OPT PSEUDOSECTION:\n; EDNS: version 0; flags:; udp: 1232\n; SUBNET: 0.0.0.0/0/0"),
    ),
    (
        41,
        "000a00083132333435363738",
        Some("\n;; OPT PSEUDOSECTION:\n; EDNS: version 0; flags:; udp: 1232\n; COOKIE: 3132333435363738"),
    ),
    (
        41,
        "000a001030313233343536373839616263646566",
        Some(
            "\n;; OPT PSEUDOSECTION:\n; EDNS: version 0; flags:; udp: 1232\n; COOKIE: 30313233343536373839616263646566",
        ),
    ),
    (
        41,
        "000f0008001266696c746572",
        Some("\n;; OPT PSEUDOSECTION:\n; EDNS: version 0; flags:; udp: 1232\n; EDE: 18 (Prohibited): (filter)"),
    ),
    (41, "0009000400000064", Some("\n;; OPT PSEUDOSECTION:\n; EDNS: version 0; flags:; udp: 1232\n; EXPIRE: 100")),
    (41, "00090000", Some("\n;; OPT PSEUDOSECTION:\n; EDNS: version 0; flags:; udp: 1232\n; EXPIRE: ")),
    (
        41,
        "000b00020258",
        Some(
            "\n;; OPT PSEUDOSECTION:\n; EDNS: version 0; flags:; udp: 1232\n; KEEPALIVE: use tcp keep-alive, timeout 60000ms",
        ),
    ),
    (
        41,
        "000b0000",
        Some(
            "\n;; OPT PSEUDOSECTION:\n; EDNS: version 0; flags:; udp: 1232\n; KEEPALIVE: use tcp keep-alive, timeout omitted",
        ),
    ),
    (
        41,
        "000c000400000000",
        Some("\n;; OPT PSEUDOSECTION:\n; EDNS: version 0; flags:; udp: 1232\n; PADDING: 00000000"),
    ),
    (
        41,
        "00050002080d",
        Some(
            "\n;; OPT PSEUDOSECTION:\n; EDNS: version 0; flags:; udp: 1232\n; DNSSEC ALGORITHM UNDERSTOOD:  RSASHA256 ECDSAP256SHA256",
        ),
    ),
    (
        41,
        "000600020102",
        Some("\n;; OPT PSEUDOSECTION:\n; EDNS: version 0; flags:; udp: 1232\n; DS HASH UNDERSTOOD:  SHA1 SHA256"),
    ),
    (
        41,
        "0007000101",
        Some("\n;; OPT PSEUDOSECTION:\n; EDNS: version 0; flags:; udp: 1232\n; NSEC3 HASH UNDERSTOOD:  SHA1"),
    ),
    (
        41,
        "00010012000100010000313233343536373800000e10",
        Some(
            "\n;; OPT PSEUDOSECTION:\n; EDNS: version 0; flags:; udp: 1232\n; LONG LIVED QUERIES: 1 1 0 3544952156018063160 3600",
        ),
    ),
    (
        41,
        "0002000400001c20",
        Some("\n;; OPT PSEUDOSECTION:\n; EDNS: version 0; flags:; udp: 1232\n; UPDATE LEASE: 7200 0"),
    ),
    (
        41,
        "0002000800001c200000003c",
        Some("\n;; OPT PSEUDOSECTION:\n; EDNS: version 0; flags:; udp: 1232\n; UPDATE LEASE: 7200 60"),
    ),
    (
        41,
        "fde90003616280",
        Some("\n;; OPT PSEUDOSECTION:\n; EDNS: version 0; flags:; udp: 1232\n; LOCAL OPT: 65001:0x616280"),
    ),
    (41, "fffe0000", Some("\n;; OPT PSEUDOSECTION:\n; EDNS: version 0; flags:; udp: 1232\n; LOCAL OPT: 65534:0x")),
    (41, "006300027a7a", Some("\n;; OPT PSEUDOSECTION:\n; EDNS: version 0; flags:; udp: 1232\n; LOCAL OPT: 99:0x7a7a")),
    (
        41,
        "001200050161016200",
        Some("\n;; OPT PSEUDOSECTION:\n; EDNS: version 0; flags:; udp: 1232\n; REPORT-CHANNEL: a.b."),
    ),
    (
        41,
        "000300046e736964000c0000",
        Some(
            "\n;; OPT PSEUDOSECTION:\n; EDNS: version 0; flags:; udp: 1232\n; NSID: 6e736964  (n)(s)(i)(d)\n; PADDING: ",
        ),
    ),
    (41, "000300096e73", None),
    (41, "00080003000118", None),
    (41, "000400026162", Some("\n;; OPT PSEUDOSECTION:\n; EDNS: version 0; flags:; udp: 1232\n; ESU: ab")),
    (41, "0013000161", None),
    (41, "000c000201ab", Some("\n;; OPT PSEUDOSECTION:\n; EDNS: version 0; flags:; udp: 1232\n; PADDING: 01AB")),
    (41, "001000026162", Some("\n;; OPT PSEUDOSECTION:\n; EDNS: version 0; flags:; udp: 1232\n; LOCAL OPT: 16:0x6162")),
    (41, "000f000100", None),
    (41, "0008000700031800c00002", None),
    (41, "0008000800012100c0000201", None),
    (41, "000b000161", None),
    (41, "00090003616263", None),
    (
        41,
        "000500050001027fff",
        Some(
            "\n;; OPT PSEUDOSECTION:\n; EDNS: version 0; flags:; udp: 1232\n; DNSSEC ALGORITHM UNDERSTOOD:  0 RSAMD5 DH 127 255",
        ),
    ),
    (41, "00060005000102030405", None),
    (
        41,
        "000700050001020304",
        Some(
            "\n;; OPT PSEUDOSECTION:\n; EDNS: version 0; flags:; udp: 1232\n; NSEC3 HASH UNDERSTOOD:  0 SHA1 SHA256 GOST94 SHA384",
        ),
    ),
    (
        41,
        "00080005000108040a",
        Some("\n;; OPT PSEUDOSECTION:\n; EDNS: version 0; flags:; udp: 1232\n; SUBNET: 10.0.0.0/8/4"),
    ),
    (
        41,
        "0008000400010000",
        Some("\n;; OPT PSEUDOSECTION:\n; EDNS: version 0; flags:; udp: 1232\n; SUBNET: 0.0.0.0/0/0"),
    ),
    (41, "00120000", None),
    (41, "00040000", Some("\n;; OPT PSEUDOSECTION:\n; EDNS: version 0; flags:; udp: 1232\n; ESU: ")),
    (41, "0014000161", Some("\n;; OPT PSEUDOSECTION:\n; EDNS: version 0; flags:; udp: 1232\n; LOCAL OPT: 20:0x61")),
    (41, "0011000161", Some("\n;; OPT PSEUDOSECTION:\n; EDNS: version 0; flags:; udp: 1232\n; LOCAL OPT: 17:0x61")),
    (
        41,
        "000e000400000005",
        Some("\n;; OPT PSEUDOSECTION:\n; EDNS: version 0; flags:; udp: 1232\n; LOCAL OPT: 14:0x00000005"),
    ),
    (41, "000d000161", Some("\n;; OPT PSEUDOSECTION:\n; EDNS: version 0; flags:; udp: 1232\n; LOCAL OPT: 13:0x61")),
    (41, "0000000161", Some("\n;; OPT PSEUDOSECTION:\n; EDNS: version 0; flags:; udp: 1232\n; LOCAL OPT: 0:0x61")),
    (41, "000100026162", None),
    (42, "00011803c0a8", None),
    (42, "00011803c0a801", Some("APL\t1:192.168.1.0/24")),
    (42, "00011883c0a801", Some("APL\t!1:192.168.1.0/24")),
    (42, "0002400420010db8", Some("APL\t2:2001:db8::/64")),
    (42, "00011583c0a8010002200420010db8", Some("APL\t!1:192.168.1.0/21 2:2001:db8::/32")),
    (42, "00010000", Some("APL\t1:0.0.0.0/0")),
    (42, "0003100101", None),
    (42, "00012004c0a80100", None),
    (42, "00012105c0a8010001", None),
    (43, "30390d02abcdef", Some("DS\t12345 13 2 ABCDEF")),
    (43, "30390d02", Some("DS\t12345 13 2 ")),
    (44, "0102abcdef0123", Some("SSHFP\t1 2 ABCDEF0123")),
    (45, "0a0102c00002016b6579", Some("IPSECKEY\t10 1 2 192.0.2.1 a2V5")),
    (45, "0a0202000000000000000000000000000000016b6579", Some("IPSECKEY\t10 2 2 ::1 a2V5")),
    (45, "0a03020267770178006b6579", Some("IPSECKEY\t10 3 2 gw.x. a2V5")),
    (45, "0a00026b6579", Some("IPSECKEY\t10 0 2 . a2V5")),
    (45, "0a04026b6579", Some("IPSECKEY\t10 4 2 . a2V5")),
    (45, "0a0002", Some("IPSECKEY\t10 0 2 . ")),
    (
        46,
        "ff000d020000012c00000000ffffffff00050178006162",
        Some("RRSIG\tTYPE65280 13 2 300 19700101000000 21060207062815 5 x. YWI="),
    ),
    (
        46,
        "00010d020000012c80000000e955b90000050178006162",
        Some("RRSIG\tA 13 2 300 20380119031408 20940119031408 5 x. YWI="),
    ),
    (47, "01620178000006400000080003", Some("NSEC\tb.x. A AAAA RRSIG NSEC")),
    (47, "0162017800", Some("NSEC\tb.x.")),
    (47, "0162017800000140010180", Some("NSEC\tb.x. A URI")),
    (47, "01620178000000", None),
    (47, "01620178000021000000000000000000000000000000000000000000000000000000000000000000", None),
    (47, "0162017800000640000008000300014000", None),
    (47, "01620178000002c000", Some("NSEC\tb.x. None A")),
    (47, "0162017800ff0101", Some("NSEC\tb.x. TYPE65287")),
    (
        48,
        "0101030d000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d",
        Some("DNSKEY\t257 3 13 AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwd"),
    ),
    (48, "0100030861", Some("DNSKEY\t256 3 8 YQ==")),
    (49, "64686369642d64617461", Some("DHCID\tZGhjaWQtZGF0YQ==")),
    (
        50,
        "0101000a04aabbccdd14000102030405060708090a0b0c0d0e0f101112130006400000080003",
        Some("NSEC3\t1 1 10 AABBCCDD 000G40O40K30E209185GO38E1S8124GJ A AAAA RRSIG NSEC"),
    ),
    (
        50,
        "0101000a0014000102030405060708090a0b0c0d0e0f10111213",
        Some("NSEC3\t1 1 10 - 000G40O40K30E209185GO38E1S8124GJ"),
    ),
    (50, "0101000a0000", Some("NSEC3\t1 1 10 - ")),
    (50, "0101000a05aabb", None),
    (50, "0101000a0003010203000140", Some("NSEC3\t1 1 10 - 04106 A")),
    (51, "0100000a04aabbccdd", Some("NSEC3PARAM\t1 0 10 AABBCCDD")),
    (51, "0100000a00", Some("NSEC3PARAM\t1 0 10 -")),
    (52, "030101abcdef0123", Some("TLSA\t3 1 1 abcdef0123")),
    (53, "030101abcdef0123", Some("SMIMEA\t3 1 1 abcdef0123")),
    (54, "0102", Some("x.test.\t300\tCLASS1\tTYPE54\t\\# 2 0102")),
    (55, "04020003200100106b6579027276017800", Some("HIP\t2 20010010 a2V5 rv.x.")),
    (55, "04020003200100106b6579", Some("HIP\t2 20010010 a2V5")),
    (56, "0568656c6c6f", Some("NINFO\t\"hello\"")),
    (
        57,
        "0101030d000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d",
        Some("RKEY\t257 3 13 AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwd"),
    ),
    (58, "016100016200", Some("TALINK\ta. b.")),
    (59, "30390d02abcdef", Some("CDS\t12345 13 2 ABCDEF")),
    (
        60,
        "0101030d000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d",
        Some("CDNSKEY\t257 3 13 AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwd"),
    ),
    (61, "7067706b6579", Some("OPENPGPKEY\tcGdwa2V5")),
    (62, "000000420003000440000008", Some("CSYNC\t66 3 A AAAA")),
    (62, "000000420003", Some("CSYNC\t66 3")),
    (64, "000103737663017800", Some("SVCB\t1 svc.x.")),
    (64, "000003737663017800", Some("SVCB\t0 svc.x.")),
    (64, "00010000010006026832026833", Some("SVCB\t1 . alpn=\"h2,h3\"")),
    (
        64,
        "000100000000040001000400010003026832000200000003000220fb00040008c0000201c0000202000500036563680006001020010db8000000000000000000000001000700102f646e732d71756572797b3f646e737d00080000ff0000056122805c20",
        Some(
            "SVCB\t1 . mandatory=\"alpn,ipv4hint\" alpn=\"h2\" no-default-alpn=\"\" port=\"8443\" ipv4hint=\"192.0.2.1,192.0.2.2\" ech=\"ZWNo\" ipv6hint=\"2001:db8::1\" dohpath=\"/dns-query{?dns}\" ohttp=\"\" key65280=\"a\\\"\\128\\\\\\ \"",
        ),
    ),
    (64, "0001000003000161", None),
    (64, "00010000030002000100010003026832", None),
    (64, "000100000300020001000300020001", None),
    (64, "000100000900026162ffff000161", None),
    (64, "0001000001000605612c5c6222", Some("SVCB\t1 . alpn=\"a\\\\\\044\\\\\\092b\\\"\"")),
    (64, "00010000040003616263", None),
    (64, "0001000006001000000000000000000000ffff01020304", None),
    (64, "0001000002000161", None),
    (65, "000103737663017800", Some("HTTPS\t1 svc.x.")),
    (99, "0568656c6c6f", Some("SPF\t\"hello\"")),
    (100, "06757365722269", Some("UINFO\t\"user\\\"i\"")),
    (101, "000003e8", Some("UID\t1000")),
    (102, "000003e8", Some("GID\t1000")),
    (103, "616263", Some("x.test.\t300\tCLASS1\tTYPE103\t\\# 3 616263")),
    (104, "000a0014004fff202ee6", Some("NID\t10 0014:004f:ff20:2ee6")),
    (104, "000a", Some("NID\t10 0000:0000:0000:0000")),
    (105, "000ac0000201", Some("L32\t10 192.0.2.1")),
    (105, "", Some("L32\t0")),
    (106, "000a20010db8114f00cd", Some("L64\t10 2001:0DB8:114F:00CD")),
    (107, "000a016c017800", Some("LP\t10 l.x.")),
    (108, "00005e00532a", Some("EUI48\t00-00-5e-00-53-2a")),
    (109, "00005eef1000002a", Some("EUI64\t00-00-5e-ef-10-00-00-2a")),
    (128, "61", None),
    (129, "0102", Some("x.test.\t300\tCLASS1\tTYPE129\t\\# 2 0102")),
    (
        249,
        "03616c67006553f1005f5e10000003000000026b6b00016f",
        Some(";x.test.\t300\tIN\tTKEY\t alg. 20231114221320 20200913122640 3 0 2 6b6b 1 6f"),
    ),
    (
        249,
        "03616c67006553f1005f5e10000003000000000000",
        Some(";x.test.\t300\tIN\tTKEY\t alg. 20231114221320 20200913122640 3 0 0  0 "),
    ),
    (
        250,
        "0b686d61632d7368613235360000006553f100012c00036d6163123400000000",
        Some("\n;; TSIG PSEUDOSECTION:\n; x.test.\t300\tIN\tTSIG\t hmac-sha256. 20231114221320 300 3 6D6163 4660 0 0 "),
    ),
    (
        250,
        "04686d61630000006553f100012c00036d61631234001100026162",
        Some("\n;; TSIG PSEUDOSECTION:\n; x.test.\t300\tIN\tTSIG\t hmac. 20231114221320 300 3 6D6163 4660 17 2 6162"),
    ),
    (251, "0102", Some("x.test.\t300\tCLASS1\tTYPE251\t\\# 2 0102")),
    (252, "0102", Some("x.test.\t300\tCLASS1\tTYPE252\t\\# 2 0102")),
    (253, "0102", Some("x.test.\t300\tCLASS1\tTYPE253\t\\# 2 0102")),
    (254, "0102", Some("x.test.\t300\tCLASS1\tTYPE254\t\\# 2 0102")),
    (255, "0102", None),
    (255, "01", None),
    (256, "0001000268747470733a2f2f782f225c803b", Some("URI\t1 2 \"https://x/\\\"\\128;\"")),
    (256, "00010002", Some("URI\t1 2 \"\"")),
    (256, "0001", Some("URI\t1 0 \"\"")),
    (257, "0005697373756563612e783b20703d2271225c80", Some("CAA\t0 issue \"ca.x; p=\\\"q\\\"\\128\"")),
    (257, "8005696f6465666d61696c746f3a614062", Some("CAA\t128 iodef \"mailto:a@b\"")),
    (257, "00056973737565", Some("CAA\t0 issue \"\"")),
    (257, "00066973225c802027", Some("CAA\t0 is\\\"\\\\\\128  \"'\"")),
    (257, "0000", Some("CAA\t0  \"\"")),
    (258, "0568656c6c6f", Some("AVC\t\"hello\"")),
    (260, "0a01c0000201", Some("AMTRELAY\t10 0 1 192.0.2.1")),
    (260, "0a030572656c6179017800", Some("AMTRELAY\t10 0 3 relay.x.")),
    (261, "0568656c6c6f", Some("RESINFO\t\"hello\"")),
    (32768, "30390d02abcdef", Some("TA\t12345 13 2 ABCDEF")),
    (32769, "30390d02abcdef", Some("DLV\t12345 13 2 ABCDEF")),
    (65280, "0102", Some("x.test.\t300\tCLASS1\tTYPE65280\t\\# 2 0102")),
    (65280, "01", Some("x.test.\t300\tCLASS1\tTYPE65280\t\\# 1 01")),
    (65534, "0102", Some("x.test.\t300\tCLASS1\tTYPE65534\t\\# 2 0102")),
    (65535, "0102", Some("x.test.\t300\tCLASS1\tTYPE65535\t\\# 2 0102")),
];
