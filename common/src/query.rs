//! The query of a request: `a=b&c=d`, percent-encoded.

/// Keys and values in order, decoded; a key without `=` has an empty value.
pub fn pairs(query: &str) -> impl Iterator<Item = (String, String)> {
    query.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        (decode(key), decode(value))
    })
}

/// The collectors a query asks for, by position; `None` for all of them.
///
/// `collect[]` names those to run, `exclude[]` those to leave out; names that do not run here are an error in the
/// first and nothing in the second. Excluding every collector is as good as no choice.
pub(crate) fn select_collectors(
    query: &str,
    names: &[&'static str],
    off: &[&'static str],
) -> Result<Option<Vec<usize>>, String> {
    let (mut collect, mut exclude) = (Vec::new(), Vec::new());
    for (key, value) in pairs(query) {
        match key.as_str() {
            "collect[]" => collect.push(value),
            "exclude[]" => exclude.push(value),
            _ => {}
        }
    }
    if !collect.is_empty() && !exclude.is_empty() {
        return Err("collect[] and exclude[] cannot be combined: give one of them".to_owned());
    }
    if !collect.is_empty() {
        let position = |name: &String| {
            let at = names.iter().position(|known| known == name);
            let why = if off.iter().any(|known| known == name) { "disabled" } else { "missing" };
            at.ok_or_else(|| format!("collect[]: {why} collector: {name}"))
        };
        return collect.iter().map(position).collect::<Result<_, _>>().map(Some);
    }
    let left: Vec<usize> = (0..names.len())
        .filter(|&at| names.get(at).is_some_and(|name| !exclude.iter().any(|excluded| excluded == name)))
        .collect();
    Ok((!exclude.is_empty() && !left.is_empty()).then_some(left))
}

/// Percent-decoding of one part of a query; what is not an escape stays as it is.
pub fn decode(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(b) = bytes.next() {
        let hex = |b: Option<u8>| char::from(b?).to_digit(16);
        match b {
            b'+' => out.push(b' '),
            b'%' => {
                let ahead = bytes.clone();
                match (hex(bytes.next()), hex(bytes.next())) {
                    (Some(high), Some(low)) => out.push((high * 16 + low) as u8),
                    _ => {
                        out.push(b);
                        bytes = ahead;
                    }
                }
            }
            b => out.push(b),
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn collectors_are_chosen_as_in_the_go_exporter() {
        let names = ["cpu", "stat", "time"];
        let of = |query: &str| select_collectors(query, &names, &["perf"]);
        assert_eq!(of(""), Ok(None));
        assert_eq!(of("x=y&name[]=z"), Ok(None));
        assert_eq!(of("collect[]=time&collect%5B%5D=cpu"), Ok(Some(vec![2, 0])));
        assert_eq!(of("exclude[]=stat&exclude[]=nope"), Ok(Some(vec![0, 2])));
        assert_eq!(of("exclude[]=cpu&exclude[]=stat&exclude[]=time"), Ok(None));
        assert_eq!(of("collect[]=x&collect[]=y"), Err("collect[]: missing collector: x".to_owned()));
        assert_eq!(of("collect[]=perf"), Err("collect[]: disabled collector: perf".to_owned()));
        assert_eq!(of("collect[]="), Err("collect[]: missing collector: ".to_owned()));
        assert!(of("collect[]=nope&exclude[]=cpu").unwrap_err().contains("combined"));
    }

    #[test]
    fn queries_are_decoded() {
        assert_eq!(decode("a%5b+%2"), "a[ %2");
        assert_eq!(decode("%zz%41"), "%zzA");
        assert_eq!(decode("%ff"), "\u{FFFD}");
    }
}
