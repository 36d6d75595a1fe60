//! The parser and its checks: format 0.0.4 as Prometheus reads it, plus the order our pages promise.

use std::collections::HashSet;

use super::{Family, Labels, Page, Sample};

const KINDS: &[&str] = &["counter", "gauge", "histogram", "summary", "untyped"];

/// Checks what tells OpenMetrics from the older format: the end marker, counters, and no other comments.
///
/// # Errors
///
/// Names the line that is wrong.
pub fn check_openmetrics(text: &str) -> Result<(), String> {
    if !text.ends_with("\n# EOF\n") {
        return Err(format!("the end: expected `# EOF`, found {:?}", text.lines().last()));
    }
    let mut counters = HashSet::new();
    for (n, line) in text.lines().enumerate() {
        let at = |what: &str| Err(format!("line {}: {what}: {line}", n + 1));
        if line == "# EOF" && n + 1 != text.lines().count() {
            return at("an end marker before the end");
        }
        match line.strip_prefix("# ") {
            Some(comment) => match comment.split(' ').collect::<Vec<_>>().as_slice() {
                ["TYPE", name, "counter"] if name.ends_with("_total") => {
                    return at("a counter family named `_total`");
                }
                ["TYPE", name, "counter"] => drop(counters.insert((*name).to_owned())),
                ["TYPE", _, "untyped"] => return at("`untyped` is `unknown` here"),
                ["TYPE" | "HELP" | "UNIT" | "EOF", ..] => {}
                _ => return at("not a comment of this format"),
            },
            None => {
                let sample = sample(line).map_err(|e| format!("line {}: {e}: {line}", n + 1))?;
                if counters.contains(&sample.name) {
                    return at("a counter's sample without `_total`");
                }
            }
        }
    }
    Ok(())
}

pub(super) fn page(text: &str) -> Result<Page, String> {
    if !text.ends_with('\n') {
        return Err("the last line has no end".to_owned());
    }
    let mut families: Vec<Family> = Vec::new();
    let mut lines = text.split_terminator('\n').enumerate().peekable();
    while let Some((n, line)) = lines.next() {
        let at = |e: String| format!("line {}: {e}: {line}", n + 1);
        let (name, help) = heading(line, "# HELP ").map_err(at)?;
        let (_, next) = lines.next().ok_or_else(|| at("no TYPE after HELP".to_owned()))?;
        let (typed, kind) = heading(next, "# TYPE ").map_err(at)?;
        if typed != name {
            return Err(at(format!("TYPE is for {typed:?}")));
        }
        if !KINDS.contains(&kind) {
            return Err(at(format!("unknown type {kind:?}")));
        }
        if let Some(before) = families.last().filter(|before| before.name.as_bytes() >= name.as_bytes()) {
            return Err(at(format!("out of order after family {}", before.name)));
        }
        let help = unescape(help, &['\\', 'n']).map_err(at)?;
        let mut family = Family { name: name.to_owned(), help, kind: kind.to_owned(), samples: Vec::new() };
        while let Some((n, line)) = lines.next_if(|(_, line)| !line.starts_with('#')) {
            let at = |e: String| format!("line {}: {e}: {line}", n + 1);
            let sample = sample(line).map_err(at)?;
            fits(&family, &sample).map_err(at)?;
            family.samples.push(sample);
        }
        if family.samples.is_empty() {
            return Err(at("a family without samples".to_owned()));
        }
        families.push(family);
    }
    no_series_twice(&families)?;
    Ok(Page { families })
}

/// Whether a sample may stand next in a family.
fn fits(family: &Family, sample: &Sample) -> Result<(), String> {
    let suffixes: &[&str] = match family.kind.as_str() {
        "histogram" => &["_bucket", "_sum", "_count"],
        "summary" => &["", "_sum", "_count"],
        _ => &[""],
    };
    let suffix = sample.name.strip_prefix(&family.name);
    if !suffix.is_some_and(|suffix| suffixes.contains(&suffix)) {
        return Err(format!("a sample of another family than {}", family.name));
    }
    // Buckets and quantiles follow their numbers, not their spelling.
    let plain = suffixes == [""];
    let key = |sample: &Sample| {
        let values: Vec<String> = sample.labels.iter().map(|(_, value)| value.clone()).collect();
        (values.len(), values)
    };
    match family.samples.last() {
        Some(before) if plain && key(before) >= key(sample) => Err(format!("out of order after {before}")),
        _ => Ok(()),
    }
}

fn no_series_twice(families: &[Family]) -> Result<(), String> {
    let mut seen = HashSet::new();
    for sample in families.iter().flat_map(|family| &family.samples) {
        if !seen.insert((&sample.name, &sample.labels)) {
            return Err(format!("served twice: {sample}"));
        }
    }
    Ok(())
}

/// `# HELP name rest` or `# TYPE name rest`.
fn heading<'t>(line: &'t str, start: &str) -> Result<(&'t str, &'t str), String> {
    let rest = line.strip_prefix(start).ok_or_else(|| format!("expected {start:?}"))?;
    let (name, rest) = rest.split_once(' ').ok_or("expected a name and a text")?;
    check_name(name, true)?;
    Ok((name, rest))
}

fn sample(line: &str) -> Result<Sample, String> {
    let end = line.find(['{', ' ']).ok_or("expected a value")?;
    let (name, rest) = line.split_at(end);
    check_name(name, true)?;
    let (labels, raw) = match rest.strip_prefix('{') {
        Some(rest) => labels(rest)?,
        None => (Vec::new(), rest),
    };
    let raw = raw.strip_prefix(' ').ok_or("expected one space before the value")?;
    Ok(Sample { name: name.to_owned(), labels, value: value(raw)?, raw: raw.to_owned() })
}

/// Labels up to and with the closing brace, and what follows it.
fn labels(mut rest: &str) -> Result<(Labels, &str), String> {
    let mut labels: Labels = Vec::new();
    loop {
        let (name, after) = rest.split_once("=\"").ok_or("expected a label")?;
        check_name(name, false)?;
        let end = closing_quote(after).ok_or("a label value without end")?;
        let value = unescape(&after[..end], &['\\', 'n', '"'])?;
        match labels.last() {
            // `le` and `quantile` come last.
            Some((before, _)) if before.as_str() >= name && name != "le" && name != "quantile" => {
                return Err(format!("label {name} after label {before}"));
            }
            _ => labels.push((name.to_owned(), value)),
        }
        let after = &after[end + 1..];
        match after.strip_prefix(',') {
            Some(next) => rest = next,
            None => {
                return Ok((labels, after.strip_prefix('}').ok_or("expected `,` or `}`")?));
            }
        }
    }
}

fn closing_quote(text: &str) -> Option<usize> {
    let mut escaped = false;
    text.bytes().position(|byte| {
        let closes = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        closes
    })
}

fn unescape(text: &str, allowed: &[char]) -> Result<String, String> {
    let mut plain = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next().filter(|c| allowed.contains(c)) {
                Some('n') => plain.push('\n'),
                Some(c) => plain.push(c),
                None => return Err("an escape this format does not know".to_owned()),
            },
            c => plain.push(c),
        }
    }
    Ok(plain)
}

/// A number in the spelling Prometheus' own client prints; a timestamp after it is refused.
fn value(raw: &str) -> Result<f64, String> {
    match raw {
        "+Inf" => return Ok(f64::INFINITY),
        "-Inf" => return Ok(f64::NEG_INFINITY),
        "NaN" => return Ok(f64::NAN),
        _ => {}
    }
    let (mantissa, exponent) = raw.split_once('e').map_or((raw, None), |(m, e)| (m, Some(e)));
    let unsigned = mantissa.strip_prefix('-').unwrap_or(mantissa);
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let proper = match unsigned.split_once('.') {
        Some((whole, part)) => digits(whole) && digits(part) && !part.ends_with('0'),
        None => digits(unsigned),
    };
    let proper_exponent = exponent.is_none_or(|exponent| {
        exponent.strip_prefix(['+', '-']).is_some_and(|exponent| exponent.len() >= 2 && digits(exponent))
    });
    let parsed: Option<f64> = raw.parse().ok().filter(|_| proper && proper_exponent);
    let value = parsed.ok_or_else(|| format!("{raw:?} is not a number of this format"))?;
    // Go changes to the exponent form below 1e-4 and from 1e6 on.
    let wants_exponent = value != 0.0 && !(1e-4..1e6).contains(&value.abs());
    if wants_exponent == exponent.is_some() { Ok(value) } else { Err(format!("{raw:?} is not how Go prints it")) }
}

fn check_name(name: &str, colons: bool) -> Result<(), String> {
    let fine = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || (colons && byte == b':');
    let starts_well = name.bytes().next().is_some_and(|byte| !byte.is_ascii_digit());
    if starts_well && name.bytes().all(fine) { Ok(()) } else { Err(format!("{name:?} is not a name")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, want: Result<&[&str], &str>) {
        let got = page(text).map(|page| page.samples().map(ToString::to_string).collect::<Vec<_>>());
        match (got, want) {
            (Ok(got), Ok(want)) => assert_eq!(got, want),
            (Err(got), Err(want)) => assert!(got.contains(want), "{got}"),
            (got, want) => panic!("got {got:?}, wanted {want:?}"),
        }
    }

    #[track_caller]
    fn refused(text: &str, why: &str) {
        check(text, Err(why));
    }

    const HEAD: &str = "# HELP a \n# TYPE a gauge\n";

    #[track_caller]
    fn refused_sample(sample: &str, why: &str) {
        refused(&format!("{HEAD}{sample}\n"), why);
    }

    #[test]
    fn plain() {
        check(
            "# HELP a \n# TYPE a gauge\na 1\na{x=\"\"} 1.5e+06\n# HELP a_b B.\n# TYPE a_b counter\na_b 0\n",
            Ok(&["a 1", "a{x=\"\"} 1.5e+06", "a_b 0"]),
        );
    }

    #[test]
    fn escapes() {
        check(&format!("{HEAD}a{{x=\"q\\\"b\\\\n\\n\"}} 1\n"), Ok(&["a{x=\"q\\\"b\\\\n\\n\"} 1"]));
        refused_sample("a{x=\"\\t\"} 1", "escape");
        refused_sample("a{x=\"\\\"} 1", "without end");
    }

    #[test]
    fn histogram_and_summary() {
        check(
            "# HELP h \n# TYPE h histogram\nh_bucket{le=\"10\"} 1\nh_bucket{le=\"+Inf\"} 1\nh_sum 1\nh_count 1\n\
             # HELP s \n# TYPE s summary\ns{quantile=\"0.5\"} NaN\ns_sum 0\ns_count 0\n",
            Ok(&[
                "h_bucket{le=\"10\"} 1",
                "h_bucket{le=\"+Inf\"} 1",
                "h_sum 1",
                "h_count 1",
                "s{quantile=\"0.5\"} NaN",
                "s_sum 0",
                "s_count 0",
            ]),
        );
    }

    #[test]
    fn headings() {
        refused("a 1\n", "expected \"# HELP \"");
        refused("# HELP a \na 1\n", "expected \"# TYPE \"");
        refused("# HELP a \n# TYPE b gauge\nb 1\n", "TYPE is for \"b\"");
        refused("# HELP a \n# TYPE a number\na 1\n", "unknown type");
        refused("# HELP a \n# TYPE a gauge\n", "without samples");
        refused(&format!("{HEAD}a 1\n{HEAD}a{{x=\"1\"}} 1\n"), "out of order after family a");
        refused(&format!("{HEAD}a 1\n# HELP B \n# TYPE B gauge\nB 1\n"), "out of order after family a");
        refused("# HELP a \n# TYPE a gauge\na 1", "no end");
    }

    #[test]
    fn samples() {
        refused_sample("b 1", "another family");
        refused_sample("a 1\na 1", "out of order");
        refused_sample("a{x=\"2\"} 1\na{x=\"1\"} 1", "out of order");
        refused_sample("a{x=\"2\"} 1\na 1", "out of order");
        refused_sample("a{x=\"1\",x=\"1\"} 1", "label x after label x");
        refused_sample("a{y=\"1\",x=\"1\"} 1", "label x after label y");
        refused_sample("a{x=\"1\",} 1", "expected a label");
        refused_sample("a{} 1", "expected a label");
        refused_sample("a{x=\"1\"}1", "one space");
        refused_sample("a", "expected a value");
        refused_sample("a 1 1700000000", "not a number");
    }

    #[test]
    fn numbers() {
        for raw in ["0", "-1", "0.1", "999999.9", "1e+06", "1.5e-05", "1.8446744073709552e+19", "+Inf", "NaN"] {
            assert!(value(raw).is_ok(), "{raw}");
        }
        for raw in ["1.0", "1e6", "1e+6", "1000000", "0.00001", "1E+06", "inf", "0x1", ".5", "5.", "1e+05", ""] {
            assert!(value(raw).is_err(), "{raw}");
        }
    }

    #[test]
    fn openmetrics() {
        let proper = "# HELP a An a.\n# TYPE a counter\na_total 1\n# EOF\n";
        assert_eq!(check_openmetrics(proper), Ok(()));
        for (from, to) in [("# EOF\n", ""), ("a_total 1", "a 1"), ("TYPE a ", "TYPE a_total "), ("counter", "untyped")]
        {
            assert!(check_openmetrics(&proper.replace(from, to)).is_err(), "{from} -> {to}");
        }
    }
}
