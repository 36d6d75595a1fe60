use super::*;

#[track_caller]
fn check(pattern: &str, text: &[u8], expected: bool) {
    let regexp = Regexp::new(pattern).unwrap();
    assert_eq!(regexp.is_match(text), expected, "{pattern} on {text:?}");
    assert_eq!(regexp.captures(text).is_some(), expected, "{pattern} on {text:?}");
}

#[test]
fn what_go_takes_is_taken() {
    let nested = format!("{}a{}", "(".repeat(990), ")".repeat(990));
    for pattern in [
        "",
        "()",
        "(?)",
        "a||b",
        "|",
        "a{,2}",
        "a{02}",
        "{",
        "x{2}{",
        "a*(?i)*",
        "^*",
        r"\b{2}",
        "(?:)*",
        r"\<",
        r"\_",
        r"\012",
        r"\0",
        r"\x{10FFFF}",
        r"\x{D800}",
        r"\Q*",
        r"\Qa\Eb",
        "[]a]",
        "[^]a]",
        "[a&&b]",
        "[[a]",
        "[-a]",
        r"[\d-z]",
        "[[:^alpha:]]",
        r"\p{greek}",
        r"\p{Old Italic}",
        r"\p{^Lu}",
        r"\p{Sidetic}",
        r"\p{Cs}",
        "(?P<n>a)(?<n>b)",
        "(?<1>a)",
        "(?i-s:a)",
        "a{1000}",
        "(a{10}){100}",
        "(a{1000}){0}",
        r"[\pL]{1000}",
        "(a{1000}){1}",
        &nested,
    ] {
        assert!(Regexp::new(pattern).is_ok(), "{pattern}: {:?}", Regexp::new(pattern));
    }
}

#[test]
fn what_go_refuses_is_refused() {
    let nested = format!("{}a{}", "(".repeat(1001), ")".repeat(1001));
    for pattern in [
        "*",
        "(*)",
        "a|*",
        "a**",
        "a*?*",
        "a{2}{3}",
        "a*+",
        "a{1001}",
        "a{3,2}",
        "a{99999999999}",
        "(a{101}){10}",
        "((a{10}){10}){11}",
        "(",
        ")",
        "a)",
        "(?",
        "(?i",
        "(?-)",
        "(?i-)",
        "(?--i)",
        "(?x)a",
        "(?u)a",
        "(?R)",
        "(?=a)",
        "(?!a)",
        "(?<=a)",
        "(?<n",
        "(?P<>a)",
        "(?P<a-b>a)",
        "(?P=n)",
        "(?>a)",
        "(?#c)",
        r"\",
        r"\1",
        r"\8",
        r"\C",
        r"\Z",
        r"\q",
        r"\u0041",
        r"\é",
        r"\x",
        r"\x{}",
        r"\x{110000}",
        r"\x+1",
        r"\E",
        "[",
        "[]",
        "[a",
        "[z-a]",
        "[a-\\",
        r"[a-\d]",
        "[[:foo:]]",
        r"[\b]",
        r"\p",
        r"\p{",
        r"\p{Grek}",
        r"\p{sc=Greek}",
        r"\p{Alphabetic}",
        r"\p{^^Greek}",
        &nested,
    ] {
        assert!(Regexp::new(pattern).is_err(), "{pattern}");
    }
}

#[test]
fn classes_know_ascii_only_unless_they_say_otherwise() {
    check(r"^\w+$", "é".as_bytes(), false);
    check(r"^\W$", "é".as_bytes(), true);
    check(r"\d", "٣".as_bytes(), false);
    check(r"\s", b"\x0b", false);
    check("[[:space:]]", b"\x0b", true);
    check(r"a\bé", "aé".as_bytes(), true);
    check(r"^\pL$", "é".as_bytes(), true);
    check(r"^\p{Greek}$", "λ".as_bytes(), true);
    check(r"(?i)^\w$", "\u{212A}".as_bytes(), true);
    check("(?i)^straSSe$", b"STRAsse", true);
    check("^[a&&b]$", b"&", true);
    check(r"^[\x{D000}-\x{F000}]$", "\u{E000}".as_bytes(), true);
    check(r"\x{D800}", "\u{D7FF}\u{E000}".as_bytes(), false);
}

#[test]
fn lines_end_where_go_ends_them() {
    check("abc$", b"abc\n", false);
    check("(?m)abc$", b"abc\nline2", true);
    check("(?m)^b", b"a\nb", true);
    check("^b", b"a\nb", false);
    check("a.b", b"a\nb", false);
    check("(?s)a.b", b"a\nb", true);
    check("a.b", b"a\rb", true);
    check("a[^x]b", b"a\nb", true);
}

#[test]
fn flags_end_with_their_group() {
    check("^(a(?i)b)c$", b"aBc", true);
    check("^(a(?i)b)c$", b"aBC", false);
    check("^(?i:a)b$", b"Ab", true);
    check("^(?i)a(?-i)b$", b"AB", false);
    check(r"^\Qa.b*\E+$", b"a.b**", true);
    check(r"^a{,2}$", b"a{,2}", true);
}

#[test]
fn a_byte_that_is_no_utf8_is_one_character() {
    check("^.. abc$", b"\xff\xfe abc", true);
    check(r"^\x{FFFD}$", b"\xe2", true);
    check("^..$", b"\xe2\x82", true);
    check("^.$", b"\xe2\x82", false);
    check("^[^a]$", b"\x80", true);
    check(r"^\W$", b"\x80", true);
    check(r"a\B.", b"a\xff", false);
}

#[track_caller]
fn check_expand(pattern: &str, text: &[u8], template: &str, expected: &[u8]) {
    let found = Regexp::new(pattern).unwrap().captures(text).unwrap().expand(template.as_bytes());
    assert_eq!(found, expected, "{template}: {:?}", String::from_utf8_lossy(&found));
}

#[test]
fn templates_are_filled_in_as_go_does() {
    let banner = b"220 mail.example ready";
    let pattern = r"^(\d+) (?P<host>[^ ]+)( never)?";
    check_expand(pattern, banner, "${1} $2 $host ${host}", b"220 mail.example mail.example mail.example");
    check_expand(pattern, banner, "<$1a><${1}a><$3><$4><$nope>", b"<><220a><><><>");
    check_expand(pattern, banner, "$$ $- $ ${1 ${} ${1-} ${01}$", "$ $- $ ${1 ${} ${1-} $".as_bytes());
    check_expand(pattern, banner, "$0|$é|$1é", "220 mail.example||".as_bytes());
    check_expand(pattern, banner, "$999999999999", b"");
    check_expand("(?P<n>x)|(?P<n>y)", b"y", "$n", b"y");
    check_expand("(?P<n>a)(?P<n>b)", b"ab", "$n", b"a");
}

#[test]
fn captures_are_the_bytes_as_they_came() {
    check_expand("(b.)(.)$", b"a\xffb\xe2\x82", "[$1][$2]", b"[b\xe2][\x82]");
    check_expand("^(..)", b"\xff\xfe\xfd", "$1", b"\xff\xfe");
    check_expand("é(.)", b"\xff\xc3\xa9\xf0", "$1", b"\xf0");
}

#[test]
fn garbage_is_survived() {
    for garbage in [&b""[..], b"\n", b"(\xff\n\xff", b"[[:\n", b"(?P<n>.)\n$n\xff$", b"\\p{\n{", b"a{9\n\xe2\x82"] {
        feed(garbage);
    }
}
