//! `http`.

use common::yaml::Value;

use super::reading::{Entry, Reading};
use super::{HeaderRule, Http, client, dialogue, scalar};
use crate::cel::Program;

pub(super) fn read(reading: &mut Reading<'_>, entry: Option<Entry>) -> Http {
    let Some(mut section) = reading.section(entry) else { return Http::default() };
    let old_redirects = section.take("no_follow_redirects");
    let old_at = old_redirects.as_ref().map(|entry| entry.at.clone());
    let old_redirects = reading.flag(old_redirects);
    let mut http = Http {
        valid_status_codes: reading.each(section.take("valid_status_codes"), Reading::int),
        valid_http_versions: reading.texts(section.take("valid_http_versions")),
        ip: dialogue::ip(reading, &mut section),
        skip_resolve_phase_with_proxy: reading.flag(section.take("skip_resolve_phase_with_proxy")).unwrap_or(false),
        fail_if_ssl: reading.flag(section.take("fail_if_ssl")).unwrap_or(false),
        fail_if_not_ssl: reading.flag(section.take("fail_if_not_ssl")).unwrap_or(false),
        method: reading.word(section.take("method")),
        headers: reading.named_texts(section.take("headers")),
        fail_if_body_matches: reading.each(section.take("fail_if_body_matches_regexp"), Reading::regexp),
        fail_if_body_not_matches: reading.each(section.take("fail_if_body_not_matches_regexp"), Reading::regexp),
        fail_if_body_json_matches_cel: cel(reading, section.take("fail_if_body_json_matches_cel")),
        fail_if_body_json_not_matches_cel: cel(reading, section.take("fail_if_body_json_not_matches_cel")),
        fail_if_header_matches: reading.each(section.take("fail_if_header_matches"), header_rule),
        fail_if_header_not_matches: reading.each(section.take("fail_if_header_not_matches"), header_rule),
        body: reading.word(section.take("body")),
        body_file: reading.text(section.take("body_file")).filter(|path| !path.is_empty()).map(Into::into),
        compression: reading.word(section.take("compression")),
        body_size_limit: size(reading, section.take("body_size_limit")),
        enable_http3: reading.flag(section.take("enable_http3")).unwrap_or(false),
        client: client::read(reading, &mut section),
    };
    if let (Some(old), Some(at)) = (old_redirects, old_at) {
        http.client.follow_redirects = !old;
        reading.warn(&at, "an old key, follow_redirects has taken its place");
    }
    let at = &section.at;
    if !http.body.is_empty() && http.body_file.is_some() {
        reading.mistake(at, "expected at most one of body and body_file");
    }
    let asked = http.headers.iter().filter(|(name, _)| client::canonical(name) == "Accept-Encoding");
    if asked.into_iter().any(|(_, accept)| !accepts(accept, &http.compression)) {
        reading.mistake(at, "expected an Accept-Encoding header that asks for the compression");
    }
    check_versions(reading, &section, &http);
    section.end(reading);
    http
}

fn check_versions(reading: &mut Reading<'_>, section: &super::reading::Section, http: &Http) {
    let has = |version: &str| http.valid_http_versions.iter().any(|valid| valid == version);
    if !http.enable_http3 {
        if has("HTTP/3.0") {
            reading.mistake(&section.at, "expected enable_http3 with HTTP/3.0 among the valid versions");
        }
        return;
    }
    if http.client.enable_http2 {
        reading.mistake(&section.at, "expected enable_http2: false beside enable_http3");
    }
    if has("HTTP/1.1") || has("HTTP/2.0") {
        reading.mistake(&section.at, "expected no HTTP/1.1 or HTTP/2.0 among the valid versions beside enable_http3");
    }
    reading.warn(&section.at, "HTTP/3 is in use, targets with http:// are probed as https://");
}

fn cel(reading: &mut Reading<'_>, entry: Option<Entry>) -> Option<Program> {
    let at = entry.as_ref()?.at.clone();
    let source = reading.text(entry)?;
    Program::new(&source).map_err(|what| reading.mistake(&at, format_args!("expected a CEL expression: {what}"))).ok()
}

fn header_rule(reading: &mut Reading<'_>, entry: Option<Entry>) -> Option<HeaderRule> {
    let mut section = reading.section(entry)?;
    let header = reading.word(section.take("header"));
    let regexp = section.take("regexp");
    let is_there = regexp.as_ref().is_some_and(|entry| match &entry.node.value {
        Value::Null => false,
        Value::Scalar(text, _) => !text.is_empty(),
        Value::Binary(bytes) => !bytes.is_empty(),
        Value::List(_) | Value::Map(_) => true,
    });
    let regexp = reading.regexp(regexp);
    let allow_missing = reading.flag(section.take("allow_missing")).unwrap_or(false);
    if header.is_empty() {
        reading.mistake(&section.at, "expected header");
    }
    if !is_there {
        reading.mistake(&section.at, "expected regexp");
    }
    section.end(reading);
    Some(HeaderRule { header, regexp: regexp?, allow_missing })
}

fn size(reading: &mut Reading<'_>, entry: Option<Entry>) -> u64 {
    let Some(at) = entry.as_ref().map(|entry| entry.at.clone()) else { return 0 };
    let Some(text) = reading.text(entry) else { return 0 };
    scalar::size(&text).unwrap_or_else(|| {
        reading.mistake(&at, "expected a size such as 10MB or 1.5GiB, with its unit");
        0
    })
}

/// Whether an `Accept-Encoding` header asks for `compression`, or either of them is empty. The coding with the highest
/// quality that is this one or `*` decides.
fn accepts(header: &str, compression: &str) -> bool {
    if header.is_empty() || compression.is_empty() {
        return true;
    }
    let decides = |part: &str| {
        let (coding, quality) = match part.rsplit_once(';') {
            Some((coding, quality)) => {
                let quality = quality.trim();
                (coding, quality.strip_prefix("q=").unwrap_or(quality).parse::<f64>().unwrap_or(0.0))
            }
            None => (part, 1.0),
        };
        let coding = coding.trim();
        (coding == compression || coding == "*").then_some((quality * 1000.0).round())
    };
    header.split(',').filter_map(decides).fold(f64::MIN, f64::max) > 0.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_header_asks_for() {
        for good in
            ["gzip", "*", "br, gzip;q=0.5", "gzip ; q=0.5", "*;q=0.5, gzip;q=0", "gzip;q=0, *;q=0.5", "", "gzip;0.2"]
        {
            assert!(accepts(good, "gzip"), "{good}");
        }
        for bad in [
            "deflate",
            "*;q=0",
            "gzip;q=0",
            "gzip;q=abc",
            "gzip;q=0.0001",
            "GZIP",
            "x-gzip",
            "gzip; q = 0.5",
            ",",
            "gzip;level=3;q=0.5",
        ] {
            assert!(!accepts(bad, "gzip"), "{bad}");
        }
        assert!(accepts("deflate", "") && !accepts("gzip", "identity") && !accepts("gzip", "GZIP"));
    }
}
