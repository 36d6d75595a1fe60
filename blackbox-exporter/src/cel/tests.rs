use std::time::Instant;

use super::*;

const BODY: &str = r#"{
    "n": 5, "f": 2.5, "z": 0, "s": "héllo", "yes": true, "no": false, "nothing": null, "big": 1000000,
    "l": [1, 2, 3], "words": ["a", "b"], "mixed": [1, "a", null, [1]], "m": {"x": 1, "y": {"z": "w"}},
    "since": "2024-02-29T12:34:56.789+02:00", "took": "1h30m", "pattern": "^h.l", "bad": "("
}"#;

fn far() -> Instant {
    Instant::now() + std::time::Duration::from_secs(600)
}

/// What an expression comes to: true, false or, with `None`, an error.
#[track_caller]
fn check(expected: Option<bool>, sources: &[&str]) {
    let document = Document::parse(BODY.as_bytes()).unwrap();
    for source in sources {
        let program = Program::new(source).unwrap_or_else(|error| panic!("{source}: {error}"));
        let verdict = program.verdict_by(&document, far());
        assert_eq!(verdict.as_ref().ok().copied().flatten(), expected, "{source}: {verdict:?}");
    }
}

#[test]
fn good_expressions_load() {
    for source in [
        "body",
        "1 + 1",
        "body.foo",
        "body.if",
        "body.`a-b` == 1",
        "'a'.matches('(')",
        "[,]",
        "{,}",
        "[1,]",
        "{'a': 1,}",
        "1 == 1 == true",
        "[1, 'a'] == ['b']",
        "{1: 2}.a",
        "null == timestamp(0)",
        "type(1) == string",
        "0x1F == 31",
        "-9223372036854775808 < 0",
        "01 == 1",
        "'''a\nb''' == r'\\d'",
        "b'\\xff' == br'a'",
        "1 // why\n + 1",
        ".body.a",
        "1/0",
        "{'a': 1, 'a': 2}",
        "google.protobuf.Duration",
        "[1].all(body, body == 1)",
        "[1].map(x, x > 0, x)",
        "true ? 1 : body",
        "body == '😀'",
    ] {
        assert!(Program::new(source).is_ok(), "{source}: {:?}", Program::new(source));
    }
    assert!(Program::new(&["true"; 1000].join(" && ")).is_ok());
    assert!(Program::new(&format!("{}true{}", "(".repeat(99), ")".repeat(99))).is_ok());
    assert!(Program::new(&format!("{}true", "!".repeat(401))).is_ok());
}

#[test]
fn bad_expressions_do_not() {
    for source in [
        "",
        "  ",
        "foo == 1",
        "1 == 'a'",
        "1 == 1u",
        "1 == 1.0",
        "1 < 1.0",
        "1 + 1.0",
        "1.0 % 2.0",
        "body && 1",
        "1 ? 2 : 3",
        "true ? 1 : 'a'",
        "body.lowerAscii()",
        "math.greatest(1, 2)",
        "a?.b",
        "body.?a",
        "has(body)",
        "has(body['a'])",
        "[1].a",
        "'a'.b",
        "[1]['a']",
        "[1] == ['a']",
        "1 in ['a']",
        "(body.n + 1) == 'a'",
        "[1].all(x, x == 'a')",
        "[1].all(x, 1)",
        "1 .all(x, true)",
        "[1].map(x.y, 1)",
        "[1].all(x)",
        "all(x, true)",
        "size(1)",
        "size()",
        "'5'.int()",
        "startsWith('a', 'b')",
        "string([1])",
        "dyn",
        "if",
        "body.in",
        "const",
        "'a",
        "'a\n'",
        "'\\q'",
        "'\\ud800'",
        "rb'a'",
        "1.",
        "1e400",
        "9223372036854775808",
        "0x",
        "1_0",
        "1 2",
        "(1",
        "1)",
        "a = b",
        "1 & 1",
        "f(1,)",
        "!-1",
        "1 < 2 < 3",
        "Foo{}",
        "google.protobuf.Int64Value{value: 1}",
        "duration(5)",
        "-1u",
        "\u{e9}",
        "$a",
    ] {
        assert!(Program::new(source).is_err(), "{source}");
    }
    for (open, close) in [("(", ")"), ("[", "]"), ("-(", ")"), ("true ? true : ", ""), ("1 + ", ""), ("{1: ", "}")] {
        let deep = format!("{}true{}", open.repeat(20_000), close.repeat(20_000));
        assert!(Program::new(&deep).is_err());
    }
    assert!(Program::new(&format!("body{} == 1", ".a".repeat(1000))).is_err());
    assert!(Program::new(&"a".repeat(200_000)).is_err());
}

#[test]
fn numbers_of_a_body_are_doubles() {
    check(
        Some(true),
        &[
            "body.n == 5",
            "body.n == 5u",
            "body.n in [5]",
            "body.l == [1, 2, 3]",
            "body.n > 4",
            "body.l[0] == 1",
            "body.l[2.0] == 3",
            "body.n + 1.0 == 6.0",
            "int(body.n) % 2 == 1",
            "string(body.n) == '5'",
            "string(body.big) == '1e+06'",
            "body.n / body.z > 1e300",
            "type(body.n) == double",
            "-body.n == -5",
            "size(body.l) == 3",
            "size(body.s) == body.n",
            "body.f < body.n",
        ],
    );
    check(
        None,
        &[
            "body.n + 1 == 6",
            "body.n % body.f == 1",
            "body.l[2.5] == 3",
            "body.l[-1] == 3",
            "body.l[3] == 3",
            "body.n",
            "1/0 == 1",
        ],
    );
    check(Some(false), &["0.0/0.0 == 0.0/0.0", "dyn(0.0/0.0) < 1", "body.n == '5'"]);
}

#[test]
fn errors_give_way_to_a_term_that_decides() {
    check(
        Some(true),
        &["body.nope == 1 || true", "true || body.nope == 1", "body.n || true", "body.mixed.exists(x, x == 'a')"],
    );
    check(Some(false), &["body.nope == 1 && false", "false && body.nope == 1", "body.mixed.all(x, x > 5)"]);
    check(
        None,
        &[
            "body.nope == 1",
            "body.nope == 1 || false",
            "body.nope == 1 && true",
            "body.n && true",
            "body.mixed.exists(x, x.foo)",
        ],
    );
    check(None, &["body.mixed.exists_one(x, x > 0)", "body.mixed.filter(x, x > 0) == [1]", "body.n.all(x, true)"]);
}

#[test]
fn values_of_different_types_are_not_equal() {
    check(
        Some(true),
        &["body.s != 1", "body.nothing == null", "body.nothing != 1", "dyn(1) == 1.0", "dyn(1) < 1.5", "dyn(-1) < 1u"],
    );
    check(Some(false), &["body.s == 1", "body.n == null", "body.l == {}", "body.m == {'x': 1}"]);
    check(None, &["body.s < 1", "body.nothing < 1", "body.l < body.l"]);
}

#[test]
fn fields_and_presence() {
    check(
        Some(true),
        &[
            "has(body.nothing)",
            "has(body.m.y.z)",
            "!has(body.nope)",
            "!has(body.s.x)",
            "'x' in body.m",
            "body.m['x'] == 1",
        ],
    );
    check(Some(true), &["{1: 'a'}[dyn(1.0)] == 'a'", "{'a': 1, 'a': 2}.a == 2", "body.m == {'y': {'z': 'w'}, 'x': 1}"]);
    check(None, &["has(body.nope.x)", "has(body.l.x)", "body.m.nope == 1", "body[1] == 5", "body.s.x == 1"]);
}

#[test]
fn macros_go_over_lists_and_keys() {
    check(
        Some(true),
        &[
            "body.l.all(x, x > 0)",
            "body.l.exists_one(x, x == 2)",
            "body.l.map(x, x * 2.0) == [2.0, 4.0, 6.0]",
            "body.l.map(x, x > 1, x) == [2, 3]",
            "body.l.filter(x, x != 2) == [1, 3]",
            "body.m.exists(k, body.m[k] == 1)",
            "body.l.all(x, body.l.exists(y, y == x))",
            "body.l.map(x, [x, x]).exists(p, p[0] == 2)",
            "body.l.map(body, body) == [1, 2, 3]",
            "[].all(x, false)",
        ],
    );
}

#[test]
fn texts() {
    check(
        Some(true),
        &[
            "body.s.startsWith('h') && body.s.endsWith('o') && body.s.contains('él')",
            "body.s.matches(body.pattern)",
            "matches(body.s, 'l+o$')",
            "body.s + '!' == 'h\\u00e9llo!'",
            "body.words.map(x, x + '!') == ['a!', 'b!']",
            "size(bytes(body.s)) == 6",
            "'\\x41\\101' == 'AA'",
            "bool('T')",
            "double('1_0.5') == 10.5",
            "int('+42') == 42",
            "string(b'a') == 'a'",
        ],
    );
    check(
        None,
        &[
            "body.s.matches('(')",
            "body.s.matches(body.bad)",
            "body.n.contains('a')",
            "int('x') == 1",
            "string(b'\\xff') == ''",
        ],
    );
}

#[test]
fn times() {
    check(
        Some(true),
        &[
            "timestamp(body.since) == timestamp('2024-02-29T10:34:56.789Z')",
            "timestamp(body.since).getHours() == 10",
            "timestamp(body.since).getHours('+02:00') == 12",
            "timestamp(body.since).getDayOfYear() == 59",
            "timestamp(body.since).getMonth() == 1",
            "timestamp(10) - timestamp(4) == duration('6s')",
            "duration(body.took).getMinutes() == 90",
            "string(duration('1.5s')) == '1.5s'",
            "string(timestamp(body.since)) == body.since",
            "int(timestamp(body.since)) == 1709202896",
            "timestamp(body.since) + duration('1h') > timestamp(body.since)",
        ],
    );
    check(
        None,
        &[
            "timestamp('x') == timestamp(0)",
            "duration(body.s) == duration('1s')",
            "timestamp(body.since).getHours('x') == 1",
        ],
    );
}

#[test]
fn a_run_ends_at_the_deadline() {
    let list = format!("[{}]", vec!["1"; 20_000].join(","));
    let document = Document::parse(list.as_bytes()).unwrap();
    for source in [
        "body.all(a, body.all(b, body.all(c, body.all(d, a == b))))",
        "body.all(a, body.map(b, b) == body)",
        "body.all(a, body == body)",
        "body.exists(a, body.exists(b, [a, b].map(c, string(c)) == ['x']))",
        "body.all(a, body.all(b, !'x'.matches(string(b) + '{900}')))",
    ] {
        let verdict = Program::new(source).unwrap().verdict_by(&document, Instant::now());
        assert_eq!(verdict, Ok(None), "{source}");
    }
}

#[test]
fn what_is_built_is_bounded() {
    let list = format!("[{}]", vec!["1"; 5_000].join(","));
    let document = Document::parse(list.as_bytes()).unwrap();
    for source in ["body.map(a, body.map(b, b)).size() > 0", "body.map(a, body + body + body + body).size() > 0"] {
        assert!(Program::new(source).unwrap().verdict_by(&document, far()).is_err(), "{source}");
    }
}

#[test]
fn deep_expressions_run() {
    let document = Document::parse(format!("{}{}", "[".repeat(500), "]".repeat(500)).as_bytes()).unwrap();
    for source in [
        format!("{}1{} == 1", "(1 + ".repeat(90), ")".repeat(90)),
        format!("body{} == []", "[0]".repeat(90)),
        format!("{}true{}", "[true].all(x, ".repeat(95), ")".repeat(95)),
        "body == body".to_owned(),
    ] {
        assert_eq!(
            Program::new(&source).unwrap().verdict_by(&document, far()),
            Ok(Some(source.starts_with('[') || source == "body == body")),
            "{source}"
        );
    }
}

#[test]
fn garbage_is_survived() {
    for garbage in [
        &b""[..],
        b"\n",
        b"body\n{",
        b"body.a ==\xff\n1",
        b"((((\n[[[[",
        b"'\\u12\n\"\\u12",
        b"1 in body\n[1]",
        b"0x\n-",
    ] {
        feed(garbage);
    }
}
