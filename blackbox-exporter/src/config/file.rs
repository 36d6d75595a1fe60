//! The whole file, and what a module is made of.

use common::yaml;

use super::reading::{Entry, Place, Reading, Section};
use super::{Dns, Grpc, Http, HttpClient, Icmp, IpSelection, Module, Settings, Tcp, WebSocket};
use super::{dialogue, dns, http, packets};
use crate::probers::PROBERS;

/// Values in a file; a module with all its keys has 150.
const MOST_NODES: usize = 150_000;
/// Modules in a file: each takes some kilobytes.
const MOST_MODULES: usize = 10_000;

/// Reads a configuration; `file` is its name in messages.
///
/// # Errors
/// A line per mistake: `<file>:<line>: <key>: <what was expected>`.
pub fn parse(text: &str, file: &str) -> Result<Settings, String> {
    let mut reading = Reading::new(file);
    let document = yaml::parse_first(text, MOST_NODES).map_err(|e| {
        let key = if e.key.is_empty() { String::new() } else { format!(" {}:", super::reading::cut(&e.key)) };
        format!("{file}:{}:{key} {}", e.line, e.what)
    })?;
    let Some(root) = document.root else { return Err(format!("{file}:1: expected modules, found nothing")) };
    for twice in document.twice {
        reading
            .mistake(&Place::whole(twice.line), format_args!("key {} is given twice", super::reading::cut(&twice.key)));
    }
    let mut settings = Settings::default();
    let at = Place::whole(root.line);
    if let Some(mut root) = reading.section(Some(Entry { at, node: root })) {
        let modules = reading.pairs(root.take("modules"));
        if modules.len() > MOST_MODULES {
            reading.mistake(&root.at, format_args!("expected at most {MOST_MODULES} modules"));
        } else {
            settings.modules = modules.into_iter().map(|(name, entry)| (name, module(&mut reading, entry))).collect();
        }
        root.end(&mut reading);
    }
    settings.warnings = reading.end()?;
    Ok(settings)
}

/// Reads and shows whatever the bytes are, for the loop that feeds parsers with garbage.
pub(crate) fn feed(bytes: &[u8]) {
    if let Ok(settings) = parse(&String::from_utf8_lossy(bytes), "blackbox.yml") {
        std::hint::black_box(super::show_settings(&settings));
    }
}

fn module(reading: &mut Reading<'_>, entry: Entry) -> Module {
    let at = entry.at.clone();
    let Some(mut section) = reading.section(Some(entry)) else {
        reading.warn(&at, "there is no prober, the module cannot be used");
        return nothing();
    };
    let module = Module {
        prober: reading.word(section.take("prober")),
        timeout: reading.duration(section.take("timeout")).unwrap_or(0.0),
        http: http::read(reading, section.take("http")),
        tcp: dialogue::tcp(reading, section.take("tcp")),
        unix: dialogue::unix(reading, section.take("unix")),
        dns: dns::read(reading, section.take("dns")),
        icmp: packets::icmp(reading, section.take("icmp")),
        grpc: packets::grpc(reading, section.take("grpc")),
        websocket: packets::websocket(reading, section.take("websocket")),
    };
    warn_about_prober(reading, &section, &module.prober);
    section.end(reading);
    module
}

fn warn_about_prober(reading: &mut Reading<'_>, section: &Section, prober: &str) {
    if prober.is_empty() {
        reading.warn(&section.at, "there is no prober, the module cannot be used");
    } else if PROBERS.iter().all(|known| known.name != prober) {
        let known: Vec<&str> = PROBERS.iter().map(|prober| prober.name).collect();
        let (known, prober) = (known.join(", "), super::reading::cut(prober));
        reading.warn(
            &section.at,
            format_args!("expected a prober that is one of {known}, found {prober}: it cannot be used"),
        );
    }
}

/// A module that is null: nothing at all is set in it, not even what is so unless said otherwise.
fn nothing() -> Module {
    let ip = IpSelection { preferred: String::new(), fallback: false };
    let client = HttpClient { follow_redirects: false, enable_http2: false, ..HttpClient::default() };
    Module {
        http: Http { ip: ip.clone(), client: client.clone(), ..Http::default() },
        tcp: Tcp { ip: ip.clone(), ..Tcp::default() },
        dns: Dns { ip: ip.clone(), recursion_desired: false, ..Dns::default() },
        icmp: Icmp { ip: ip.clone(), ttl: 0, ..Icmp::default() },
        grpc: Grpc::default(),
        websocket: WebSocket { ip, client, ..WebSocket::default() },
        ..Module::default()
    }
}
