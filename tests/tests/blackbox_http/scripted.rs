//! A server that answers as a test says, byte by byte, and remembers what it was asked.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// A request as it came.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    /// Request line and headers.
    pub(super) head: String,
    /// What came behind them.
    pub(super) body: String,
}

impl Asked {
    /// The request line without the version.
    pub(super) fn line(&self) -> &str {
        self.head.lines().next().unwrap_or_default().trim_end_matches(" HTTP/1.1")
    }

    /// The path.
    pub(super) fn path(&self) -> &str {
        self.head.split(' ').nth(1).unwrap_or_default()
    }

    /// All values of a header, in their order.
    pub(super) fn all(&self, name: &str) -> Vec<&str> {
        let fields = self.head.lines().skip(1).filter_map(|line| line.split_once(':'));
        fields.filter(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim()).collect()
    }

    /// The only value of a header, if it is there.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let all = self.all(name);
        assert!(all.len() < 2, "{name}: {all:?}");
        all.first().copied()
    }
}

/// What the server does after it has answered.
pub(super) enum Then {
    /// Closes.
    Close,
    /// Waits for the client to go.
    Silence,
}

/// The server.
pub(super) struct Scripted {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Scripted {
    /// Answers each request by what `script` says, and closes.
    pub(super) fn start(script: impl Fn(&Asked) -> Vec<u8> + Send + Sync + 'static) -> Self {
        Self::start_then(move |asked| (script(asked), Then::Close))
    }

    /// As [`Scripted::start`], and may be silent behind it.
    pub(super) fn start_then(script: impl Fn(&Asked) -> (Vec<u8>, Then) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (script, notes) = (Arc::new(script), Arc::clone(&asked));
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (script, notes) = (Arc::clone(&script), Arc::clone(&notes));
                thread::spawn(move || {
                    let mut stream = stream;
                    let Some(asked) = read(&mut stream) else { return };
                    notes.lock().unwrap().push(asked.clone());
                    let (answer, then) = script(&asked);
                    // A client that goes away in the middle is what some tests are about.
                    drop(stream.write_all(&answer));
                    if matches!(then, Then::Close) {
                        drop(stream.shutdown(std::net::Shutdown::Write));
                    }
                    drop(stream.read_to_end(&mut Vec::new()));
                });
            }
        });
        Self { address, asked }
    }

    /// Always the same answer.
    pub(super) fn saying(answer: impl Into<Vec<u8>>) -> Self {
        let answer = answer.into();
        Self::start(move |_| answer.clone())
    }

    /// Its address, and a path.
    pub(super) fn at(&self, path: &str) -> String {
        format!("{}{path}", self.address)
    }

    /// Where it listens.
    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its port.
    pub(super) fn port(&self) -> u16 {
        self.address.port()
    }

    /// What it was asked, in order; forgotten by asking.
    pub(super) fn asked(&self) -> Vec<Asked> {
        std::mem::take(&mut self.asked.lock().unwrap())
    }

    /// The only request.
    #[track_caller]
    pub(super) fn only(&self) -> Asked {
        let mut asked = self.asked();
        assert_eq!(asked.len(), 1, "{asked:?}");
        asked.remove(0)
    }
}

/// One request with its body.
pub(super) fn read(stream: &mut TcpStream) -> Option<Asked> {
    let mut bytes = Vec::new();
    let mut more = |bytes: &mut Vec<u8>| {
        let mut piece = [0; 4096];
        let n = stream.read(&mut piece).unwrap_or(0);
        bytes.extend_from_slice(&piece[..n]);
        n > 0
    };
    let end = loop {
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break end;
        }
        if !more(&mut bytes) {
            return None;
        }
    };
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let mut asked = Asked { head, body: String::new() };
    let length: usize = asked.header("content-length").map_or(0, |length| length.parse().unwrap());
    let chunked = asked.header("transfer-encoding").is_some();
    let mut body = bytes.split_off(end + 4);
    while body.len() < length || chunked && !body.ends_with(b"0\r\n\r\n") {
        if !more(&mut body) {
            break;
        }
    }
    asked.body = String::from_utf8_lossy(&body).into_owned();
    Some(asked)
}

/// An answer with a length.
pub(super) fn answer(status: u16, headers: &str, body: impl AsRef<[u8]>) -> Vec<u8> {
    let body = body.as_ref();
    let mut bytes = format!("HTTP/1.1 {status} Any\r\nContent-Length: {}\r\n{headers}\r\n", body.len()).into_bytes();
    bytes.extend_from_slice(body);
    bytes
}

/// `200` and `hello`.
pub(super) fn hello() -> Vec<u8> {
    answer(200, "", "hello")
}

/// A redirect with a body of 11 bytes.
pub(super) fn redirect(status: u16, to: &str) -> Vec<u8> {
    answer(status, &format!("Location: {to}\r\n"), "redirect to")
}
