//! One line of a program's log, in logfmt or JSON.

/// The value of `key` in a log line, unquoted; `None` when the line has no such key.
pub fn field(line: &str, key: &str) -> Option<String> {
    if line.starts_with('{') {
        let object: serde_json::Value = serde_json::from_str(line).ok()?;
        return object.get(key)?.as_str().map(str::to_owned);
    }
    fields(line).into_iter().find(|(name, _)| name == key).map(|(_, value)| value)
}

/// All `key=value` pairs of a logfmt line; words without `=` are left out.
pub fn fields(line: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut rest = line.trim_start();
    while !rest.is_empty() {
        let end = rest.find(['=', ' ']).unwrap_or(rest.len());
        let (key, after) = rest.split_at(end);
        let Some(value) = after.strip_prefix('=') else {
            rest = after.trim_start();
            continue;
        };
        let (value, after) = if value.starts_with('"') { quoted(value) } else { bare(value) };
        found.push((key.to_owned(), value));
        rest = after.trim_start();
    }
    found
}

fn bare(text: &str) -> (String, &str) {
    let (value, after) = text.split_at(text.find(' ').unwrap_or(text.len()));
    (value.to_owned(), after)
}

fn quoted(text: &str) -> (String, &str) {
    let mut value = String::new();
    let mut chars = text.char_indices().skip(1);
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return (value, &text[at + 1..]),
            '\\' => match chars.next() {
                Some((_, 'n')) => value.push('\n'),
                Some((_, 't')) => value.push('\t'),
                Some((_, other)) => value.push(other),
                None => {}
            },
            c => value.push(c),
        }
    }
    (value, "")
}

#[cfg(test)]
mod tests {
    use super::field;

    #[track_caller]
    fn check(line: &str, key: &str, want: Option<&str>) {
        assert_eq!(field(line, key).as_deref(), want);
    }

    const LISTENING: &str = r#"time=2026-11-22T10:23:51.338Z level=INFO msg="Listening on" address=:0 local=[::1]:4"#;

    #[test]
    fn bare_value() {
        check(LISTENING, "local", Some("[::1]:4"));
    }

    #[test]
    fn quoted_value() {
        check(LISTENING, "msg", Some("Listening on"));
    }

    #[test]
    fn a_key_inside_a_quoted_value_is_no_key() {
        check(r#"msg="local=x" a=b"#, "local", None);
    }

    #[test]
    fn escaped_quotes() {
        check(r#"err="say \"hi\"\n" a=b"#, "err", Some("say \"hi\"\n"));
        check(r#"err="say \"hi\"\n" a=b"#, "a", Some("b"));
    }

    #[test]
    fn json() {
        check(r#"{"msg":"Listening on","local":"127.0.0.1:1"}"#, "local", Some("127.0.0.1:1"));
    }
}
