//! What the client wants: format, compression, time.

use std::time::Duration;

use axum::http::HeaderMap;
use axum::http::header::{ACCEPT, ACCEPT_ENCODING};

use crate::exposition::Format;

/// Header in which Prometheus tells how long it will wait, in seconds.
pub const TIMEOUT_HEADER: &str = "x-prometheus-scrape-timeout-seconds";

/// The items of a comma-separated header with their quality, 1 where none is given.
fn items<'h>(headers: &'h HeaderMap, name: &axum::http::HeaderName) -> impl Iterator<Item = (&'h str, f64)> {
    headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(',')).map(
        |item| {
            let mut parts = item.split(';').map(str::trim);
            let word = parts.next().unwrap_or_default();
            let quality = parts.find_map(|part| part.strip_prefix("q=")).and_then(|q| q.parse().ok()).unwrap_or(1.0);
            (word, quality)
        },
    )
}

/// OpenMetrics for a client that takes nothing else; every other one gets the classic text format.
pub fn format(headers: &HeaderMap) -> Format {
    let (mut openmetrics, mut text) = (false, false);
    for (kind, _) in items(headers, &ACCEPT).filter(|(_, quality)| *quality > 0.0) {
        openmetrics |= kind.eq_ignore_ascii_case("application/openmetrics-text");
        text |= ["text/plain", "text/*", "*/*"].iter().any(|plain| kind.eq_ignore_ascii_case(plain));
    }
    if openmetrics && !text { Format::OpenMetrics } else { Format::Text }
}

/// The `Content-Type` of an answer in `format`. All names on our pages are classic ones, so the client's wish for an
/// escaping scheme is repeated and changes nothing.
pub fn content_type(headers: &HeaderMap, format: Format) -> String {
    let accept = headers.get(ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let escaping = accept
        .split([',', ';'])
        .filter_map(|part| part.trim().strip_prefix("escaping="))
        .find(|scheme| matches!(*scheme, "allow-utf-8" | "underscores" | "dots" | "values"))
        .unwrap_or("underscores");
    match format {
        Format::Text => format!("text/plain; version=0.0.4; charset=utf-8; escaping={escaping}"),
        Format::OpenMetrics => {
            format!("application/openmetrics-text; version=1.0.0; charset=utf-8; escaping={escaping}")
        }
    }
}

/// Whether to compress: the highest quality wins, and at equal quality an explicit `identity` does.
pub fn gzip(headers: &HeaderMap) -> bool {
    let (mut gzip, mut identity) = (0.0_f64, 0.0_f64);
    for (coding, quality) in items(headers, &ACCEPT_ENCODING) {
        match coding.to_ascii_lowercase().as_str() {
            "gzip" => gzip = quality,
            "identity" | "*" => identity = identity.max(quality),
            _ => {}
        }
    }
    gzip > identity
}

/// How long the answer may take: what the client waits less `offset`, or less half of it if that is less; `default`
/// when the client does not say.
pub fn time_limit(headers: &HeaderMap, offset: Duration, default: Duration) -> Duration {
    let told = headers.get(TIMEOUT_HEADER).and_then(|value| value.to_str().ok()?.trim().parse::<f64>().ok());
    let waits = told
        .filter(|seconds| *seconds > 0.0)
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
        .unwrap_or(default)
        .min(MOST_WAIT);
    waits - offset.min(waits / 2)
}

/// A client that claims to wait longer is not believed.
const MOST_WAIT: Duration = Duration::from_secs(600);

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (axum::http::HeaderName::from_static(name), value.parse().unwrap())).collect()
    }

    #[test]
    fn formats() {
        let prometheus2 = "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,\
            text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
        for (accept, want) in [
            ("", Format::Text),
            ("*/*", Format::Text),
            ("application/json", Format::Text),
            (prometheus2, Format::Text),
            ("application/openmetrics-text;version=1.0.0", Format::OpenMetrics),
            ("Application/OpenMetrics-Text", Format::OpenMetrics),
            ("application/openmetrics-text, text/plain;q=0", Format::OpenMetrics),
            ("application/openmetrics-text;q=0", Format::Text),
        ] {
            assert_eq!(format(&headers(&[("accept", accept)])), want, "{accept}");
        }
        let accept = headers(&[("accept", "text/plain;version=1.0.0;escaping=allow-utf-8;q=0.5")]);
        assert_eq!(
            content_type(&accept, Format::Text),
            "text/plain; version=0.0.4; charset=utf-8; escaping=allow-utf-8"
        );
    }

    #[test]
    fn codings() {
        for (accept, want) in [
            ("", false),
            ("gzip", true),
            ("GZIP", true),
            ("zstd, gzip", true),
            ("deflate, gzip;q=0.5", true),
            ("gzip, identity", false),
            ("identity, gzip", false),
            ("gzip;q=1.0, identity;q=0.5", true),
            ("*", false),
            ("zstd", false),
            ("gzip;q=0", false),
            ("gzip;q=x", true),
        ] {
            assert_eq!(gzip(&headers(&[("accept-encoding", accept)])), want, "{accept}");
        }
    }

    #[test]
    fn limits() {
        let (offset, default) = (Duration::from_millis(500), Duration::from_secs(10));
        for (told, want) in [
            ("10", 9500),
            ("0.4", 200),
            ("", 9500),
            ("-1", 9500),
            ("NaN", 9500),
            ("x", 9500),
            ("1e300", 9500),
            ("1e6", 599_500),
        ] {
            let got = time_limit(&headers(&[("x-prometheus-scrape-timeout-seconds", told)]), offset, default);
            assert_eq!(got, Duration::from_millis(want), "{told}");
        }
    }
}
