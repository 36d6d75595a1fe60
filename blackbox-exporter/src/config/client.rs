//! Credentials, proxy and further headers of an HTTP client: inline in `http`, under `http_config` in `websocket`, the
//! proxy in `oauth2` as well.

use std::path::PathBuf;

use super::reading::{Entry, Reading, Section, cut};
use super::{Authorization, BasicAuth, Given, HeaderValues, HttpClient, Proxy, Secret, oauth2, tls, url};

/// Headers that are set by others, in their canonical form.
const RESERVED: [&str; 18] = [
    "Accept-Encoding",
    "Authorization",
    "Connection",
    "Content-Encoding",
    "Content-Length",
    "Content-Type",
    "Host",
    "Keep-Alive",
    "Proxy-Authenticate",
    "Proxy-Authorization",
    "User-Agent",
    "Www-Authenticate",
    "X-Amz-Content-Sha256",
    "X-Amz-Date",
    "X-Amz-Security-Token",
    "X-Prometheus-Remote-Read-Version",
    "X-Prometheus-Remote-Write-Version",
    "X-Prometheus-Scrape-Timeout-Seconds",
];

/// Takes the keys of a client out of a section.
pub(super) fn read(reading: &mut Reading<'_>, section: &mut Section) -> HttpClient {
    let basic_auth = basic_auth(reading, section.take("basic_auth"));
    let mut authorization = authorization(reading, section.take("authorization"));
    let oauth2 = oauth2::read(reading, section.take("oauth2"));
    let bearer = bearer_token(reading, section);
    let n_ways = [basic_auth.is_some(), authorization.is_some(), oauth2.is_some(), bearer.is_some()];
    if n_ways.into_iter().filter(|is_there| *is_there).count() > 1 {
        let what = "expected at most one of basic_auth, authorization, oauth2, bearer_token and bearer_token_file";
        reading.mistake(&section.at, what);
    }
    if let Some(credentials) = bearer {
        authorization = Some(Authorization { kind: "Bearer".to_owned(), credentials: Some(credentials) });
    }
    HttpClient {
        basic_auth,
        authorization,
        oauth2: oauth2.map(Box::new),
        tls: tls::read(reading, section.take("tls_config")),
        follow_redirects: reading.flag(section.take("follow_redirects")).unwrap_or(true),
        enable_http2: reading.flag(section.take("enable_http2")).unwrap_or(true),
        proxy: proxy(reading, section),
        http_headers: headers(reading, section.take("http_headers"), true),
    }
}

fn basic_auth(reading: &mut Reading<'_>, entry: Option<Entry>) -> Option<BasicAuth> {
    let mut section = reading.section(entry)?;
    let username = reading.given(&mut section, "username", false);
    let password = reading.given(&mut section, "password", false);
    section.end(reading);
    Some(BasicAuth { username, password })
}

fn authorization(reading: &mut Reading<'_>, entry: Option<Entry>) -> Option<Authorization> {
    let mut section = reading.section(entry)?;
    let kind = reading.word(section.take("type")).trim().to_owned();
    if kind.eq_ignore_ascii_case("basic") {
        reading.mistake(&section.at, "expected a type other than basic, for which there is basic_auth");
    }
    let kind = if kind.is_empty() { "Bearer".to_owned() } else { kind };
    let credentials = reading.given(&mut section, "credentials", false);
    section.end(reading);
    Some(Authorization { kind, credentials })
}

fn bearer_token(reading: &mut Reading<'_>, section: &mut Section) -> Option<Given> {
    let full = |text: &String| !text.is_empty();
    let inline = reading.text(section.take("bearer_token")).filter(full);
    let file = reading.text(section.take("bearer_token_file")).filter(full);
    if inline.is_some() && file.is_some() {
        reading.mistake(&section.at, "expected at most one of bearer_token and bearer_token_file");
    }
    inline.map(|text| Given::Inline(Secret(text))).or(file.map(|path| Given::File(path.into())))
}

/// Takes the keys of a proxy out of a section.
pub(super) fn proxy(reading: &mut Reading<'_>, section: &mut Section) -> Proxy {
    let url = section.take("proxy_url");
    let at = url.as_ref().map(|entry| entry.at.clone());
    let url = reading.text(url);
    if let (Some(url), Some(at)) = (&url, &at)
        && let Err(what) = url::check(url)
    {
        reading.mistake(at, format_args!("expected a URL, found {what}"));
    }
    let proxy = Proxy {
        no_proxy: reading.word(section.take("no_proxy")),
        from_environment: reading.flag(section.take("proxy_from_environment")).unwrap_or(false),
        connect_headers: connect_headers(reading, section.take("proxy_connect_header")),
        url: url.map(Secret),
    };
    let has_url = proxy.url.as_ref().is_some_and(|url| !url.0.is_empty());
    let at = &section.at;
    if proxy.from_environment && has_url {
        reading.mistake(at, "expected at most one of proxy_url and proxy_from_environment");
    }
    if proxy.from_environment && !proxy.no_proxy.is_empty() {
        reading.mistake(at, "expected no no_proxy beside proxy_from_environment");
    } else if proxy.url.is_none() && !proxy.no_proxy.is_empty() {
        reading.mistake(at, "expected proxy_url beside no_proxy");
    }
    if !proxy.connect_headers.is_empty() && !proxy.from_environment && !has_url {
        reading.mistake(at, "expected proxy_url or proxy_from_environment beside proxy_connect_header");
    }
    proxy
}

fn connect_headers(reading: &mut Reading<'_>, entry: Option<Entry>) -> Vec<(String, Vec<Secret>)> {
    let pairs = reading.pairs(entry);
    pairs.into_iter().map(|(name, entry)| (name, secrets(reading, Some(entry)))).collect()
}

fn secrets(reading: &mut Reading<'_>, entry: Option<Entry>) -> Vec<Secret> {
    reading.texts(entry).into_iter().map(Secret).collect()
}

/// Headers with lists of values, by their canonical names.
pub(super) fn headers(
    reading: &mut Reading<'_>,
    entry: Option<Entry>,
    keep_reserved: bool,
) -> Vec<(String, HeaderValues)> {
    let mut headers = Vec::new();
    for (name, entry) in reading.pairs(entry) {
        if keep_reserved && RESERVED.contains(&canonical(&name).as_str()) {
            reading
                .mistake(&entry.at, format_args!("expected a header that is not set elsewhere, found {}", cut(&name)));
        }
        let mut values = HeaderValues::default();
        if let Some(mut section) = reading.section(Some(entry)) {
            values.values = reading.texts(section.take("values"));
            values.secrets = secrets(reading, section.take("secrets"));
            values.files = reading.texts(section.take("files")).into_iter().map(PathBuf::from).collect();
            section.end(reading);
        }
        headers.push((name, values));
    }
    headers.sort_by_cached_key(|(name, _)| canonical(name));
    headers
}

/// A header's name as it is usually written, `Www-Authenticate`; one that cannot be a header's name stays as it is.
pub(super) fn canonical(name: &str) -> String {
    let for_names = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    if !name.bytes().all(for_names) {
        return name.to_owned();
    }
    let mut upper = true;
    name.chars()
        .map(|c| {
            let c = if upper { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() };
            upper = c == '-';
            c
        })
        .collect()
}
