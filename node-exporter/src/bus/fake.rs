//! A peer that says what a test wants, over a real socket: as a bus of its own, or as a service on a bus.
//!
//! What it reads and writes goes through zbus' own types, so that a mistake in `message` is not made twice.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use serde::Serialize;
use zbus::wire::serialized::{Context, Data};
use zbus::wire::{LE, Signature, Type, Variant, to_bytes};

use super::message::{self, Call};

/// A call that came.
#[derive(Clone, Debug, Default)]
pub(crate) struct Asked {
    pub(crate) path: String,
    pub(crate) interface: String,
    pub(crate) member: String,
    /// Interface and property, if it is about one.
    pub(crate) texts: Vec<String>,
    serial: u32,
    sender: Option<String>,
}

/// What comes of a call.
#[derive(Clone, Debug)]
pub(crate) enum Say {
    /// A body and its signature.
    Answer(Vec<u8>, Signature),
    /// An error of this name.
    Error(&'static str),
    Nothing,
    Close,
    /// Bytes as they are.
    Raw(Vec<u8>),
}

impl Say {
    pub(crate) fn answer<T: Serialize + Type>(value: &T) -> Self {
        Self::Answer(to_bytes(Context::new(LE, 0), value).unwrap().bytes().to_vec(), T::SIGNATURE.clone())
    }
}

/// A script: each call and the number of its connection, from 1.
pub(crate) type Script = Arc<dyn Fn(usize, &Asked) -> Say + Send + Sync>;

/// How the greeting goes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Greeting {
    Takes,
    /// The number of a user is not believed; who the kernel says it is, is.
    TakesNoNumber,
    Rejects,
    Silent,
    Garbage,
}

/// A bus that listens on a socket until it is dropped.
pub(crate) struct Fake {
    path: PathBuf,
    listener: Arc<UnixListener>,
    open: Arc<Mutex<Vec<UnixStream>>>,
    connections: Arc<AtomicUsize>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Fake {
    pub(crate) fn new(path: &Path, greeting: Greeting, script: Script) -> Self {
        let _ = std::fs::remove_file(path);
        let listener = Arc::new(UnixListener::bind(path).unwrap());
        let connections = Arc::new(AtomicUsize::new(0));
        let open = Arc::new(Mutex::new(Vec::new()));
        let thread = thread::spawn({
            let (listener, connections, open) = (listener.clone(), connections.clone(), open.clone());
            move || {
                while let Ok((stream, _)) = listener.accept() {
                    let number = connections.fetch_add(1, Ordering::SeqCst) + 1;
                    open.lock().unwrap().push(stream.try_clone().unwrap());
                    let script = script.clone();
                    thread::spawn(move || {
                        let mut reader = BufReader::new(stream.try_clone().unwrap());
                        if greet(&mut reader, &stream, greeting) {
                            serve(&mut reader, &stream, number, &script);
                        }
                        let _ = stream.shutdown(std::net::Shutdown::Both);
                    });
                }
            }
        });
        Self { path: path.to_owned(), listener, open, connections, thread: Some(thread) }
    }

    /// Connections so far.
    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        rustix::net::shutdown(&self.listener, rustix::net::Shutdown::Both).unwrap();
        self.thread.take().unwrap().join().unwrap();
        for stream in self.open.lock().unwrap().iter() {
            let _ = stream.shutdown(std::net::Shutdown::Both);
        }
        let _ = std::fs::remove_file(&self.path);
    }
}

fn greet(reader: &mut BufReader<UnixStream>, mut stream: &UnixStream, greeting: Greeting) -> bool {
    let mut say = |line: &str| stream.write_all(line.as_bytes()).is_ok();
    let mut line = String::new();
    loop {
        line.clear();
        if !reader.read_line(&mut line).is_ok_and(|n| n > 0) {
            return false;
        }
        let words: Vec<&str> = line.trim_start_matches('\0').split_whitespace().collect();
        let goes_on = match (greeting, &words[..]) {
            (Greeting::Silent, _) => true,
            (Greeting::Garbage, _) => say(&"\u{1}x".repeat(2000)),
            (Greeting::Rejects, _) => say("REJECTED EXTERNAL\r\n"),
            (_, ["BEGIN"]) => return true,
            (Greeting::TakesNoNumber, ["AUTH", "EXTERNAL", _]) => say("REJECTED EXTERNAL\r\n"),
            (_, ["AUTH", "EXTERNAL", _] | ["DATA"]) => say("OK 0123456789abcdef0123456789abcdef\r\n"),
            (_, ["AUTH", "EXTERNAL"]) => say("DATA\r\n"),
            (_, ["AUTH"]) => say("REJECTED EXTERNAL\r\n"),
            _ => say("ERROR\r\n"),
        };
        if !goes_on {
            return false;
        }
    }
}

/// Answers calls until either side has enough.
fn serve(reader: &mut BufReader<UnixStream>, mut stream: &UnixStream, number: usize, script: &Script) {
    while let Some(asked) = read_call(reader) {
        let hello = asked.interface == "org.freedesktop.DBus" && asked.member == "Hello";
        let say = if hello { Say::answer(&":1.7") } else { script(number, &asked) };
        let bytes = match say {
            Say::Answer(body, signature) => reply(&asked, 2, None, &body, &signature),
            Say::Error(name) => {
                reply(&asked, 3, Some(name), &to_bytes(Context::new(LE, 0), "no").unwrap(), &Signature::Str)
            }
            Say::Nothing => continue,
            Say::Close => return,
            Say::Raw(bytes) => bytes,
        };
        if stream.write_all(&bytes).is_err() {
            return;
        }
    }
}

/// The next call; `None` when the peer is gone.
fn read_call(reader: &mut BufReader<UnixStream>) -> Option<Asked> {
    loop {
        let mut bytes = vec![0; message::PREFIX];
        reader.read_exact(&mut bytes).ok()?;
        bytes.resize(message::length(&bytes).unwrap().unwrap(), 0);
        reader.read_exact(&mut bytes[message::PREFIX..]).ok()?;
        let data = Data::new(&bytes[..], Context::new(LE, 0));
        type Parts<'m> = (u8, u8, u8, u8, u32, u32, HashMap<u8, Variant<'m>>);
        // A list of (code, value) is laid out as a dictionary is.
        let signature = Signature::try_from("(yyyyuua{yv})").unwrap();
        let (parts, end) = data.deserialize_for_signature::<_, Parts<'_>>(&signature).unwrap();
        let (_, kind, _, _, length, serial, fields) = parts;
        if kind != 1 {
            continue;
        }
        let text = |code: u8| match fields.get(&code) {
            Some(Variant::Str(text)) => Some(text.to_string()),
            Some(Variant::ObjectPath(path)) => Some(path.to_string()),
            _ => None,
        };
        let member = text(3).unwrap();
        let texts = if length > 0 && member == "Get" {
            let body = data.slice(end.next_multiple_of(8)..);
            let ((a, b), _) = body.deserialize::<(String, String)>().unwrap();
            vec![a, b]
        } else {
            Vec::new()
        };
        let (path, interface) = (text(1).unwrap(), text(2).unwrap_or_default());
        return Some(Asked { path, interface, member, texts, serial, sender: text(7) });
    }
}

fn reply(asked: &Asked, kind: u8, error: Option<&str>, body: &[u8], signature: &Signature) -> Vec<u8> {
    let mut fields = vec![(5_u8, Variant::U32(asked.serial)), (8, Variant::Signature(signature.clone()))];
    fields.extend(error.map(|name| (4, Variant::Str(name.into()))));
    fields.extend(asked.sender.as_deref().map(|sender| (6, Variant::Str(sender.into()))));
    let head = (b'l', kind, 1_u8, 1_u8, u32::try_from(body.len()).unwrap(), 99_u32, fields);
    let mut bytes = to_bytes(Context::new(LE, 0), &head).unwrap().bytes().to_vec();
    bytes.resize(bytes.len().next_multiple_of(8), 0);
    bytes.extend_from_slice(body);
    bytes
}

/// Offers services on a bus that runs already, from a thread, until the bus goes away.
pub(crate) fn offer(bus: &Path, names: &[&str], script: Script) {
    let mut stream = UnixStream::connect(bus).unwrap();
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let user: String = rustix::process::geteuid().as_raw().to_string().bytes().map(|b| format!("{b:02x}")).collect();
    stream.write_all(format!("\0AUTH EXTERNAL {user}\r\n").as_bytes()).unwrap();
    let mut line = String::new();
    reader.read_line(&mut line).unwrap();
    assert!(line.starts_with("OK "), "{line}");
    let mut out = b"BEGIN\r\n".to_vec();
    let (service, path) = ("org.freedesktop.DBus", "/org/freedesktop/DBus");
    let call = Call { destination: service, path, interface: service, member: "Hello", texts: &[] };
    call.write(1, &mut out);
    for (serial, name) in (2..).zip(names) {
        request_name(serial, name, &mut out);
    }
    stream.write_all(&out).unwrap();
    thread::spawn(move || serve(&mut reader, &stream, 1, &script));
}

/// The one call that has a number among its arguments.
fn request_name(serial: u32, name: &str, out: &mut Vec<u8>) {
    let fields = vec![
        (1_u8, Variant::ObjectPath("/org/freedesktop/DBus".try_into().unwrap())),
        (2, Variant::Str("org.freedesktop.DBus".into())),
        (3, Variant::Str("RequestName".into())),
        (6, Variant::Str("org.freedesktop.DBus".into())),
    ];
    // A structure's signature has parentheses, that of arguments has none: the bytes of both are the same.
    let body = to_bytes(Context::new(LE, 0), &(name, 0_u32)).unwrap();
    let length = u32::try_from(body.len()).unwrap();
    let head = (b'l', 1_u8, 0_u8, 1_u8, length, serial, fields);
    let mut bytes = to_bytes(Context::new(LE, 0), &head).unwrap().bytes().to_vec();
    // The field of the signature by hand, and the length of the fields with it.
    bytes.resize(bytes.len().next_multiple_of(8), 0);
    bytes.extend_from_slice(b"\x08\x01g\0\x02su\0");
    let fields = u32::try_from(bytes.len() - message::PREFIX).unwrap();
    bytes[12..16].copy_from_slice(&fields.to_le_bytes());
    out.extend_from_slice(&bytes);
    out.extend_from_slice(body.bytes());
}
