//! The WebSocket prober: upgrades and what stands in their way, dialogues, and when there is no answer.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::thread;

use exporter_tests::blackbox::Blackbox;
use exporter_tests::pki::{Pki, Shows};
use exporter_tests::talker::{Does, Talker, says};
use exporter_tests::upstream::DeadPort;
use exporter_tests::wait::DEADLINE;
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use tokio_tungstenite::tungstenite::handshake::server::{Request, Response};
use tokio_tungstenite::tungstenite::{Message, accept_hdr};

/// A WebSocket server: on each connection it says the first of these, takes a message, says the next, and so on; after
/// the last it waits for the end.
struct Speaker {
    address: SocketAddr,
    heads: Receiver<Request>,
    heard: Receiver<Message>,
}

impl Speaker {
    fn start(lines: &'static [&'static str], tls: Option<Arc<ServerConfig>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let ((head, heads), (hear, heard)) = (channel(), channel());
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                stream.set_read_timeout(Some(DEADLINE)).unwrap();
                let (head, hear, tls) = (head.clone(), hear.clone(), tls.clone());
                thread::spawn(move || match tls {
                    None => speak(stream, lines, |asked| drop(head.send(asked)), |heard| drop(hear.send(heard))),
                    Some(config) => {
                        let stream = StreamOwned::new(ServerConnection::new(config).unwrap(), stream);
                        speak(stream, lines, |asked| drop(head.send(asked)), |heard| drop(hear.send(heard)));
                    }
                });
            }
        });
        Self { address, heads, heard }
    }

    fn target(&self) -> String {
        format!("ws://{}/chat?room=1", self.address)
    }
}

fn speak<S: Read + Write>(stream: S, lines: &[&str], head: impl Fn(Request), hear: impl Fn(Message)) {
    #[expect(clippy::result_large_err, reason = "the library's own type")]
    let answer = |request: &Request, response: Response| {
        head(request.clone());
        Ok(response)
    };
    let Ok(mut socket) = accept_hdr(stream, answer) else { return };
    for line in lines {
        if socket.send(Message::Ping("are you there".into())).is_err() || socket.send(Message::text(*line)).is_err() {
            return;
        }
        match socket.read() {
            Ok(message) if message.is_pong() => match socket.read() {
                Ok(message) => hear(message),
                Err(_) => return,
            },
            Ok(message) => hear(message),
            Err(_) => return,
        }
    }
    while socket.read().is_ok() {}
}

const MODULES: &str = "modules:
  ws: {prober: websocket, timeout: 20s}
  talk: {prober: websocket, timeout: 20s, websocket: {query_response: [
    {expect: 'incoming_(.+)', send: 'outgoing_${1}'}, {expect: ^passed}]}}
  other: {prober: websocket, timeout: 20s, websocket: {query_response: [{expect: 'incoming_(.+)', send: x}, {expect: ^other}]}}
  second: {prober: websocket, timeout: 20s, websocket: {query_response: [{expect: ^passed}]}}
  brief: {prober: websocket, timeout: 1s, websocket: {query_response: [{expect: .}]}}
";

#[test]
fn a_dialogue_is_messages() {
    let blackbox = Blackbox::start(MODULES);
    let speaker = Speaker::start(&["incoming_test", "passed"], None);
    let good = ["probe_websocket_status_code 101", "probe_websocket_connection_upgraded 1", "probe_ip_protocol 4"];
    let probed = blackbox.probe("talk", &speaker.target());
    probed.holds(&good).holds(&["probe_success 1", "probe_websocket_failed_due_to_regex 0"]);
    for phase in ["resolve", "connect", "processing", "transfer"] {
        probed.holds(&[&format!("probe_websocket_duration_seconds{{phase=\"{phase}\"}}")]);
    }
    assert_eq!(speaker.heard.recv_timeout(DEADLINE).unwrap(), Message::text("outgoing_test"));
    let head = speaker.heads.recv_timeout(DEADLINE).unwrap();
    assert_eq!(head.uri(), "/chat?room=1");
    assert_eq!(head.headers()["host"], speaker.address.to_string().as_str());

    for module in ["other", "second"] {
        let probed = blackbox.probe(module, &speaker.target());
        probed.holds(&good).holds(&["probe_websocket_failed_due_to_regex 1"]).failed("dialogue", "expect");
    }
    let silent = Speaker::start(&[], None);
    let probed = blackbox.probe("brief", &silent.target());
    probed.holds(&good).holds(&["probe_websocket_failed_due_to_regex 1"]).failed("dialogue", "deadline");
    let probed = blackbox.probe("ws", &silent.target());
    probed.holds(&good).holds(&["probe_success 1", "!probe_websocket_duration_seconds{phase=\"transfer\"}"]);
}

#[test]
fn an_answer_that_is_no_upgrade_is_not_followed() {
    let blackbox = Blackbox::start(MODULES);
    for (answer, status, phase, reason) in [
        ("HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno", 403, "check", "status"),
        ("HTTP/1.1 302 Found\r\nLocation: ws://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n", 302, "check", "status"),
        ("HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n", 101, "check", "protocol"),
        ("220 mail\r\n", 0, "request", "protocol"),
        ("", 0, "request", "closed"),
    ] {
        let talker = Talker::start([Does::Hears, says(answer)]);
        let probed = blackbox.probe("talk", &format!("ws://{}", talker.target()));
        probed.failed(phase, reason).holds(&[
            &format!("probe_websocket_status_code {status}"),
            "probe_websocket_connection_upgraded 0",
            "probe_websocket_failed_due_to_regex 0",
            "probe_websocket_duration_seconds{phase=\"processing\"}",
            "!probe_websocket_duration_seconds{phase=\"transfer\"}",
        ]);
    }
}

#[test]
fn targets_are_urls() {
    let blackbox = Blackbox::start(MODULES);
    let closed = DeadPort::new().address();
    let probed = blackbox.probe("ws", &closed.to_string());
    probed.failed("setup", "target").holds(&["!probe_ip_protocol", "!probe_websocket_status_code"]);
    for target in [format!("http://{closed}"), format!("ws://user:word@{closed}")] {
        let probed = blackbox.probe("ws", &target);
        probed.failed("setup", "target").holds(&["probe_ip_protocol 4", "probe_websocket_status_code 0"]);
    }
    let probed = blackbox.probe("ws", &format!("ws://{closed}"));
    probed.failed("connect", "connect_refused").holds(&[
        "probe_websocket_status_code 0",
        "probe_websocket_duration_seconds{phase=\"processing\"}",
        "!probe_websocket_duration_seconds{phase=\"connect\"}",
    ]);
}

#[test]
fn over_tls_with_credentials_and_headers() {
    let pki = Pki::new();
    let config = pki.server_config(&Shows::default());
    let speaker = Speaker::start(&[], Some(config));
    let blackbox = Blackbox::start(
        "modules:
  wss:
    prober: websocket
    timeout: 20s
    websocket:
      http_config:
        tls_config: {insecure_skip_verify: true}
        authorization: {credentials: word}
      headers:
        X-Probe: {values: [a], secrets: [b]}
        Host: {values: [other.test]}
        X-Missing: {files: [/no/such/file]}
  strict: {prober: websocket, timeout: 20s}
  reserved: {prober: websocket, timeout: 20s, websocket: {headers: {Upgrade: {values: [x]}}}}\n",
    );
    let target = format!("wss://{}", speaker.address);
    blackbox.probe("wss", &target).holds(&["probe_success 1", "!probe_ssl_earliest_cert_expiry"]);
    let head = speaker.heads.recv_timeout(DEADLINE).unwrap();
    assert_eq!(head.headers()["authorization"], "Bearer word");
    assert_eq!(head.headers().get_all("x-probe").iter().collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!(head.headers()["host"], "other.test");
    blackbox.probe("strict", &target).failed("tls", "certificate_untrusted");
    blackbox.probe("reserved", &target).failed("setup", "module").holds(&["probe_websocket_status_code 0"]);
    drop(TcpStream::connect(speaker.address));
}
