//! What an answer says about where to go next.
//!
//! * Followed: 301, 302, 303, 307, 308 with a `Location`; at most ten of them.
//! * 301, 302 and 303 turn what is neither GET nor HEAD into a GET without body; 307 and 308 repeat the request, unless
//!   its body can be sent only once: then they are an answer like others.

use hyper::header::{self, HeaderValue};
use hyper::{HeaderMap, Method};

use super::exchange::Head;
use super::request::{Payload, Template};
use super::target::{Astray, Url};
use crate::reason::{Failure, Phase, Reason};

/// Redirects that are followed.
pub(super) const MOST: u32 = 10;

/// Where an answer leads to, as it was written; `None` when it is no redirect that can be followed. `repeatable` is the body
/// that the probe began with.
pub(super) fn location(head: &Head, repeatable: bool) -> Option<String> {
    let repeats = match head.status {
        301..=303 => false,
        307 | 308 => true,
        _ => return None,
    };
    let location = head.headers.get(header::LOCATION).filter(|location| !location.is_empty())?;
    if repeats && !repeatable {
        return None;
    }
    Some(String::from_utf8_lossy(location.as_bytes()).into_owned())
}

/// What a `Location` that leads nowhere means.
pub(super) fn astray(astray: Astray) -> Failure {
    let what = match astray {
        Astray::Broken(what) => what,
        Astray::Scheme => "expected http or https",
    };
    Failure::new(Phase::Check, Reason::Redirect, format!("redirect: {what}"))
}

/// Turns the request into the next one.
pub(super) fn turn(template: &mut Template, status: u16) {
    if matches!(status, 307 | 308) {
        return;
    }
    template.body = Payload::default();
    if !matches!(template.method, Method::GET | Method::HEAD) {
        template.method = Method::GET;
    }
    for name in [header::CONTENT_TYPE, header::CONTENT_ENCODING, header::CONTENT_LANGUAGE, header::CONTENT_LOCATION] {
        template.headers.remove(name);
    }
}

/// Says where one comes from, unless the module says so itself or one leaves TLS.
pub(super) fn refer(headers: &mut HeaderMap, own: Option<&HeaderValue>, from: &Url, to: &Url) {
    if own.is_some() {
        return;
    }
    headers.remove(header::REFERER);
    if from.tls && !to.tls {
        return;
    }
    if let Ok(referer) = HeaderValue::from_str(&from.to_string()) {
        headers.insert(header::REFERER, referer);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn template(method: &str, body: Payload) -> Template {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/x"));
        Template { method: Method::from_bytes(method.as_bytes()).unwrap(), headers, body }
    }

    #[test]
    fn which_answers_are_followed() {
        let check = |status, to: Option<&'static str>, repeatable| {
            let mut headers = HeaderMap::new();
            if let Some(to) = to {
                headers.insert(header::LOCATION, HeaderValue::from_static(to));
            }
            let head = Head { status, version: hyper::Version::HTTP_11, headers, length: None };
            location(&head, repeatable).is_some()
        };
        for (status, want) in [(200, false), (300, false), (301, true), (304, false), (305, false), (308, true)] {
            assert_eq!(check(status, Some("/"), true), want, "{status}");
        }
        assert!(!check(302, None, true) && !check(302, Some(""), true));
        assert!(!check(307, Some("/"), false) && check(303, Some("/"), false));
    }

    #[test]
    fn methods_and_bodies() {
        for (method, status, want, kept) in [
            ("POST", 302, "GET", false),
            ("HEAD", 303, "HEAD", false),
            ("GET", 301, "GET", false),
            ("put", 303, "GET", false),
            ("POST", 307, "POST", true),
        ] {
            let mut template = template(method, Payload::sized("x".into()));
            turn(&mut template, status);
            assert_eq!(template.method.as_str(), want, "{method} {status}");
            assert_eq!(template.headers.contains_key(header::CONTENT_TYPE), kept, "{method} {status}");
        }
    }

    #[test]
    fn referers() {
        let url = |text: &str| Url::of_target(text, false).unwrap();
        for (from, to, want) in [
            ("http://u:p@h/x?q", "https://o", Some("http://h/x?q")),
            ("https://h", "https://o", Some("https://h/")),
            ("https://h", "http://h", None),
        ] {
            let mut headers = HeaderMap::new();
            refer(&mut headers, None, &url(from), &url(to));
            assert_eq!(headers.get(header::REFERER).map(|value| value.to_str().unwrap()), want, "{from} {to}");
        }
    }
}
