//! `query_response`, `tcp` and `unix`.

use super::reading::{Entry, Reading};
use super::{IpSelection, QueryResponse, Tcp, Unix, tls};

/// Takes the keys of the address family out of a section.
pub(super) fn ip(reading: &mut Reading<'_>, section: &mut super::reading::Section) -> IpSelection {
    IpSelection {
        preferred: reading.word(section.take("preferred_ip_protocol")),
        fallback: reading.flag(section.take("ip_protocol_fallback")).unwrap_or(true),
    }
}

pub(super) fn tcp(reading: &mut Reading<'_>, entry: Option<Entry>) -> Tcp {
    let Some(mut section) = reading.section(entry) else { return Tcp::default() };
    let tcp = Tcp {
        ip: ip(reading, &mut section),
        source_ip_address: reading.word(section.take("source_ip_address")),
        query_response: steps(reading, section.take("query_response")),
        tls: reading.flag(section.take("tls")).unwrap_or(false),
        tls_config: tls::read(reading, section.take("tls_config")),
    };
    section.end(reading);
    tcp
}

pub(super) fn unix(reading: &mut Reading<'_>, entry: Option<Entry>) -> Unix {
    let Some(mut section) = reading.section(entry) else { return Unix::default() };
    let unix = Unix {
        query_response: steps(reading, section.take("query_response")),
        tls: reading.flag(section.take("tls")).unwrap_or(false),
        tls_config: tls::read(reading, section.take("tls_config")),
    };
    section.end(reading);
    unix
}

pub(super) fn steps(reading: &mut Reading<'_>, entry: Option<Entry>) -> Vec<QueryResponse> {
    reading.each(entry, step)
}

fn step(reading: &mut Reading<'_>, entry: Option<Entry>) -> Option<QueryResponse> {
    let mut section = reading.section(entry)?;
    let step = QueryResponse {
        expect: reading.regexp(section.take("expect")),
        expect_bytes: reading.bytes(section.take("expect_bytes")),
        labels: labels(reading, section.take("labels")),
        send: reading.bytes(section.take("send")),
        starttls: reading.flag(section.take("starttls")).unwrap_or(false),
    };
    if step.expect.is_some() && !step.expect_bytes.is_empty() {
        reading.mistake(&section.at, "expected at most one of expect and expect_bytes");
    }
    section.end(reading);
    Some(step)
}

fn labels(reading: &mut Reading<'_>, entry: Option<Entry>) -> Option<Vec<(String, String)>> {
    let list = reading.list(entry)?;
    Some(list.into_iter().filter_map(|entry| label(reading, Some(entry))).collect())
}

fn label(reading: &mut Reading<'_>, entry: Option<Entry>) -> Option<(String, String)> {
    let mut section = reading.section(entry)?;
    let label = (reading.word(section.take("name")), reading.word(section.take("value")));
    section.end(reading);
    Some(label)
}
