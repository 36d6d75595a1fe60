//! `icmp`, `grpc` and `websocket`.

use super::reading::{Entry, Reading};
use super::{Grpc, HttpClient, Icmp, WebSocket, client, dialogue, tls};

pub(super) fn icmp(reading: &mut Reading<'_>, entry: Option<Entry>) -> Icmp {
    let defaults = Icmp::default();
    let Some(mut section) = reading.section(entry) else { return defaults };
    let interval = section.take("packet_interval");
    let interval_at = interval.as_ref().map(|entry| entry.at.clone());
    let icmp = Icmp {
        ip: dialogue::ip(reading, &mut section),
        source_ip_address: reading.word(section.take("source_ip_address")),
        payload_size: reading.int(section.take("payload_size")).unwrap_or(0),
        dont_fragment: reading.flag(section.take("dont_fragment")).unwrap_or(false),
        ttl: reading
            .int_within(section.take("ttl"), 0..=255)
            .and_then(|ttl| u8::try_from(ttl).ok())
            .unwrap_or(defaults.ttl),
        packets: reading
            .int_within(section.take("packets"), 1..=100)
            .and_then(|packets| u16::try_from(packets).ok())
            .unwrap_or(defaults.packets),
        packet_interval: reading.duration(interval).unwrap_or(defaults.packet_interval),
        max_loss_ratio: reading.share(section.take("max_loss_ratio")).unwrap_or(defaults.max_loss_ratio),
    };
    if let Some(at) = interval_at
        && icmp.packet_interval <= 0.0
    {
        reading.mistake(&at, "expected a duration of more than 0");
    }
    section.end(reading);
    icmp
}

pub(super) fn grpc(reading: &mut Reading<'_>, entry: Option<Entry>) -> Grpc {
    let Some(mut section) = reading.section(entry) else { return Grpc::default() };
    let metadata = reading.pairs(section.take("metadata"));
    let grpc = Grpc {
        service: reading.word(section.take("service")),
        ip: dialogue::ip(reading, &mut section),
        metadata: metadata.into_iter().map(|(name, entry)| (name, reading.texts(Some(entry)))).collect(),
        tls: reading.flag(section.take("tls")).unwrap_or(false),
        tls_config: tls::read(reading, section.take("tls_config")),
    };
    section.end(reading);
    grpc
}

pub(super) fn websocket(reading: &mut Reading<'_>, entry: Option<Entry>) -> WebSocket {
    let Some(mut section) = reading.section(entry) else { return WebSocket::default() };
    let client = match reading.section(section.take("http_config")) {
        Some(mut section) => {
            let client = client::read(reading, &mut section);
            section.end(reading);
            client
        }
        None => HttpClient::default(),
    };
    let websocket = WebSocket {
        client,
        headers: client::headers(reading, section.take("headers"), false),
        query_response: dialogue::steps(reading, section.take("query_response")),
        ip: dialogue::ip(reading, &mut section),
    };
    section.end(reading);
    websocket
}
