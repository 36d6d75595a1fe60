//! What Prometheus asks: the page of the one httpd beside us, and `/probe` for others.
//!
//! * `/probe?target=URL`: the multi-target pattern. Only URLs that a `--probe.allow` pattern matches from end to end are
//!   asked; without one there is no probing, since whoever reaches this port could send requests anywhere.
//! * Each scrape asks for itself: one that waits for a stalled httpd is in nobody's way.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use common::error::ConfigError;
use common::exposition::Page;
use common::filter::{Pattern, compile};
use common::flags::{Args, Flag};
use common::query;
use common::render::Renderer;
use common::source::{Answer, Answering, Asked, Endpoint, Own, Refusal, Source, Standing, inline_or_blocking};
use common::upstream::{Pem, TlsOptions, Url};
use hyper::StatusCode;
use hyper::header::{
    AUTHORIZATION, CONTENT_LENGTH, HOST, HeaderMap, HeaderName, HeaderValue, TRAILER, TRANSFER_ENCODING, USER_AGENT,
};

use crate::httpd::{Httpd, Visit};
use crate::metrics::Groups;

/// Path of a URL that has none.
const DEFAULT_PATH: &str = "/server-status?auto";
/// Probed servers whose connection and counters are kept; the one that was not asked for longest goes first.
const MOST_PROBED: usize = 64;

/// Flags of the program itself.
pub const FLAGS: &[Flag] = &[
    Flag::text(
        "scrape_uri",
        "http://localhost/server-status?auto",
        "Status page of httpd: http://, https:// or unix:/socket:/path?auto.",
    )
    .env("SCRAPE_URI"),
    Flag::text("host_override", "", "Host header to send, to reach a certain virtual host.").env("HOST_OVERRIDE"),
    Flag::switch("insecure", false, "Take any certificate from httpd.").env("INSECURE"),
    Flag::text("custom_headers", "", "Header to send, as Name=value. Repeatable.").repeatable(),
    Flag::text("tls.ca-file", "", "PEM file with the only authorities to trust for https."),
    Flag::text("tls.cert-file", "", "PEM file with our certificate, for an httpd that asks for one."),
    Flag::text("tls.key-file", "", "PEM file with the key of our certificate."),
    Flag::text("probe.allow", "", "Pattern for URLs that /probe?target=URL may ask, from end to end. Repeatable.")
        .repeatable(),
    Flag::alias("web.telemetry-path", crate::PATH_FLAG),
];

/// The httpd beside us, those that were probed, and what making pages keeps.
pub struct Exporter {
    main: Arc<Httpd>,
    groups: Groups,
    headers: HeaderMap,
    tls: TlsOptions,
    allowed: Vec<Pattern>,
    probed: Mutex<VecDeque<(String, Arc<Httpd>)>>,
    pages: Mutex<(Renderer, Page)>,
}

impl Exporter {
    /// Checks the flags; nothing is asked yet.
    ///
    /// Fails with every mistake.
    pub fn new(args: &Args) -> Result<Self, Vec<ConfigError>> {
        let mut mistakes = Vec::new();
        let mut note = |flag: &str, what: String| mistakes.push(ConfigError::new(format!("--{flag}: {what}")));
        let tls = tls(args).unwrap_or_else(|(flag, what)| {
            note(flag, what);
            TlsOptions::default()
        });
        let headers = headers(&args.list("custom_headers")).unwrap_or_else(|what| {
            note("custom_headers", what);
            HeaderMap::new()
        });
        let mut own_headers = headers.clone();
        match args.text("host_override") {
            "" => {}
            host => match HeaderValue::try_from(host) {
                Ok(value) => drop(own_headers.insert(HOST, value)),
                Err(_) => note("host_override", "expected a host name, with a port if need be".to_owned()),
            },
        }
        let main = Url::parse(args.text("scrape_uri"), DEFAULT_PATH).and_then(|url| Httpd::new(url, own_headers, &tls));
        let main = main.map_err(|what| note("scrape_uri", what)).ok();
        // Every pattern is anchored: one that forgets to say where a host ends would allow far more than was meant.
        let patterns = args.list("probe.allow");
        let allowed = patterns.iter().filter(|pattern| !pattern.is_empty()).filter_map(|pattern| {
            match compile("probe.allow", pattern).and_then(|_| compile("probe.allow", &format!("^(?:{pattern})$"))) {
                Ok(compiled) => compiled,
                Err(mistake) => {
                    mistakes.push(mistake);
                    None
                }
            }
        });
        let allowed = allowed.collect();
        match main {
            Some(main) if mistakes.is_empty() => Ok(Self {
                main: Arc::new(main),
                groups: Groups::choose(|group| args.on(group.flag.name)),
                headers,
                tls,
                allowed,
                probed: Mutex::default(),
                pages: Mutex::default(),
            }),
            _ => Err(mistakes),
        }
    }

    /// The server that a probe asks for.
    fn target(&self, asked: &Asked) -> Result<Arc<Httpd>, Refusal> {
        let targets = query::pairs(&asked.query).filter(|(key, value)| key == "target" && !value.is_empty());
        let Some((_, target)) = targets.last() else {
            return Err(Refusal::bad_request("expected /probe?target=URL of a status page"));
        };
        if !self.allowed.iter().any(|pattern| pattern.is_match(target.as_bytes())) {
            let reason = match self.allowed.is_empty() {
                true => "probing is off: --probe.allow=PATTERN names the URLs that may be asked",
                false => "no --probe.allow pattern matches this target",
            };
            return Err(Refusal { status: StatusCode::FORBIDDEN, reason: reason.to_owned() });
        }
        let mut probed = self.probed.lock().unwrap_or_else(PoisonError::into_inner);
        let known = probed.iter().position(|(url, _)| *url == target).and_then(|at| probed.remove(at));
        let entry = match known {
            Some(entry) => entry,
            None => {
                let url = Url::parse(&target, DEFAULT_PATH);
                let httpd = url.and_then(|url| Httpd::new(url, self.headers.clone(), &self.tls));
                (target, Arc::new(httpd.map_err(|what| Refusal::bad_request(format!("target: {what}")))?))
            }
        };
        let httpd = Arc::clone(&entry.1);
        probed.push_front(entry);
        probed.truncate(MOST_PROBED);
        Ok(httpd)
    }
}

impl Exporter {
    fn page(&self, httpd: &Httpd, visit: Visit, asked: &Asked, own: &Own) -> Answer {
        let mut pages = self.pages.lock().unwrap_or_else(PoisonError::into_inner);
        let (renderer, page) = &mut *pages;
        page.clear();
        let complete = httpd.encode(visit, self.groups, page);
        if asked.endpoint == Endpoint::Metrics {
            own.encode(page);
        }
        page.finish();
        let (body, refused) = renderer.body(&[page], None, asked.format, asked.gzip);
        Answer { body, refused, complete }
    }
}

impl Source for Exporter {
    fn answer(self: Arc<Self>, asked: Asked, own: Arc<Own>) -> Answering {
        Box::pin(async move {
            let httpd = match asked.endpoint {
                Endpoint::Metrics => Arc::clone(&self.main),
                Endpoint::Probe => self.target(&asked)?,
            };
            let visit = httpd.visit(asked.deadline).await;
            inline_or_blocking(visit.bytes(), move || self.page(&httpd, visit, &asked, &own)).await
        })
    }

    fn standings(&self) -> Vec<Standing> {
        let probed = self.probed.lock().unwrap_or_else(PoisonError::into_inner);
        std::iter::once(&self.main).chain(probed.iter().map(|(_, httpd)| httpd)).map(|httpd| httpd.standing()).collect()
    }

    fn probe_path(&self) -> Option<&'static str> {
        Some("/probe")
    }
}

/// What the flags say about TLS; fails with the flag and what is wrong.
fn tls(args: &Args) -> Result<TlsOptions, (&'static str, String)> {
    let file = |flag: &'static str| match args.text(flag) {
        "" => Ok(None),
        path => Pem::read(Path::new(path)).map(Some).map_err(|what| (flag, what)),
    };
    let identity = match (file("tls.cert-file")?, file("tls.key-file")?) {
        (Some(cert), Some(key)) => Some((cert, key)),
        (None, None) => None,
        (Some(_), None) => return Err(("tls.cert-file", "expected --tls.key-file beside it".to_owned())),
        (None, Some(_)) => return Err(("tls.key-file", "expected --tls.cert-file beside it".to_owned())),
    };
    Ok(TlsOptions { ca: file("tls.ca-file")?, identity, insecure: args.on("insecure"), ..TlsOptions::default() })
}

/// What every request carries: `Name=value` as given, and who we are.
fn headers(given: &[String]) -> Result<HeaderMap, String> {
    let mut headers = HeaderMap::new();
    for text in given.iter().filter(|text| !text.is_empty()) {
        let parts = text.split_once('=').and_then(|(name, value)| {
            Some((HeaderName::try_from(name.trim()).ok()?, HeaderValue::try_from(value.trim()).ok()?))
        });
        // The value may be a secret.
        let (name, mut value) = parts.ok_or("expected Name=value with a name and a value that HTTP allows")?;
        // They tell of a body, which a request of ours has not; the Go exporter leaves them out as well.
        if [CONTENT_LENGTH, TRAILER, TRANSFER_ENCODING].contains(&name) {
            continue;
        }
        value.set_sensitive(name == AUTHORIZATION);
        headers.append(name, value);
    }
    let agent = concat!("Prometheus-Apache-Exporter/", env!("CARGO_PKG_VERSION"));
    headers.insert(USER_AGENT, HeaderValue::from_static(agent));
    Ok(headers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn mistakes(set: &[(&'static str, &str)]) -> String {
        let mut args = Args::defaults(FLAGS.iter().chain(crate::metrics::GROUPS.iter().map(|group| &group.flag)));
        for (flag, value) in set {
            args.set(flag, vec![(*value).to_owned()], true);
        }
        let mistakes = Exporter::new(&args).err().unwrap_or_default();
        mistakes.iter().map(|mistake| format!("{mistake}\n")).collect()
    }

    #[test]
    fn flags_are_checked_at_the_start_all_of_them() {
        assert_eq!(mistakes(&[]), "");
        assert_eq!(
            mistakes(&[("custom_headers", "X-A=b=c"), ("probe.allow", "http://a/.*"), ("host_override", "a:1")]),
            ""
        );
        let many = mistakes(&[
            ("scrape_uri", "\"http://localhost/\""),
            ("custom_headers", "secret"),
            ("host_override", "a\nb"),
            ("probe.allow", "a)|(b"),
        ]);
        let flags: Vec<&str> = many.lines().map(|line| line.split(':').next().unwrap()).collect();
        assert_eq!(flags, ["--custom_headers", "--host_override", "--scrape_uri", "--probe.allow"], "{many}");
        assert!(!many.contains("secret"), "{many}");
        let missing = mistakes(&[("scrape_uri", "https://localhost/"), ("tls.ca-file", "/nowhere/ca.pem")]);
        assert!(missing.starts_with("--tls.ca-file: /nowhere/ca.pem: No such file"), "{missing}");
    }

    #[test]
    fn headers_are_as_given_but_for_our_name() {
        let given = ["User-Agent=me", "X-Key=a=b", "x-key = c ", "Content-Length=5", "transfer-encoding=chunked"];
        let headers = headers(&given.map(str::to_owned)).unwrap();
        assert_eq!(
            headers.get(USER_AGENT).unwrap(),
            &concat!("Prometheus-Apache-Exporter/", env!("CARGO_PKG_VERSION"))
        );
        assert_eq!(headers.get_all("x-key").iter().collect::<Vec<_>>(), ["a=b", "c"]);
        assert_eq!(headers.keys_len(), 2);
    }
}
