//! A name server that says what a test tells it to, over UDP and TCP on one port of 127.0.0.1.
//!
//! It keeps what it was asked. Its threads wait for further questions until the test's process ends.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

/// How a question came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Via {
    /// In a datagram.
    Udp,
    /// Over a connection.
    Tcp,
}

/// What to answer a question with: datagrams, or messages on the connection.
type Script = dyn Fn(&[u8], Via) -> Vec<Vec<u8>> + Send + Sync;

/// What was asked, in the order it came.
type Heard = Mutex<Vec<(Via, Vec<u8>)>>;

/// The server.
#[derive(Debug)]
pub struct NameServer {
    address: SocketAddr,
    heard: Arc<Heard>,
}

/// A port that is free for UDP may be taken for TCP, so there are several attempts.
const ATTEMPTS: usize = 20;

/// Bytes of a header.
const HEADER: usize = 12;

impl NameServer {
    /// Starts one that answers each question as `script` says.
    #[track_caller]
    pub fn start(script: impl Fn(&[u8], Via) -> Vec<Vec<u8>> + Send + Sync + 'static) -> Self {
        let (udp, tcp) = sockets();
        let address = udp.local_addr().expect("a bound socket has an address");
        let (script, heard): (Arc<Script>, Arc<Heard>) = (Arc::new(script), Arc::default());
        let (udp_script, udp_heard) = (Arc::clone(&script), Arc::clone(&heard));
        thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok((length, from)) = udp.recv_from(&mut buffer) {
                let query = &buffer[..length];
                keep(&udp_heard, Via::Udp, query);
                for answer in udp_script(query, Via::Udp) {
                    // Whoever asked may be gone.
                    let _ = udp.send_to(&answer, from);
                }
            }
        });
        let tcp_heard = Arc::clone(&heard);
        thread::spawn(move || {
            for stream in tcp.incoming().flatten() {
                let _ = talk(stream, &*script, &tcp_heard);
            }
        });
        Self { address, heard }
    }

    /// One that gives every question the same answer.
    #[track_caller]
    pub fn fixed(answer: Answer) -> Self {
        Self::start(move |query, _| vec![answer.to(query)])
    }

    /// Its address, as a target.
    pub fn target(&self) -> String {
        self.address.to_string()
    }

    /// All it was asked so far.
    pub fn heard(&self) -> Vec<(Via, Vec<u8>)> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[track_caller]
fn sockets() -> (UdpSocket, TcpListener) {
    for _ in 0..ATTEMPTS {
        let udp = UdpSocket::bind("127.0.0.1:0").expect("a free port");
        let address = udp.local_addr().expect("a bound socket has an address");
        if let Ok(tcp) = TcpListener::bind(address) {
            return (udp, tcp);
        }
    }
    panic!("no port is free for UDP and TCP");
}

fn keep(heard: &Heard, via: Via, query: &[u8]) {
    heard.lock().unwrap_or_else(PoisonError::into_inner).push((via, query.to_vec()));
}

fn talk(mut stream: TcpStream, script: &Script, heard: &Heard) -> std::io::Result<()> {
    let mut length = [0; 2];
    stream.read_exact(&mut length)?;
    let mut query = vec![0; usize::from(u16::from_be_bytes(length))];
    stream.read_exact(&mut query)?;
    keep(heard, Via::Tcp, &query);
    for answer in script(&query, Via::Tcp) {
        let length = u16::try_from(answer.len()).expect("a message has at most 65535 bytes");
        stream.write_all(&[&length.to_be_bytes(), answer.as_slice()].concat())?;
    }
    Ok(())
}

/// An answer in parts.
#[derive(Clone, Debug, Default)]
pub struct Answer {
    /// The second word of the header; 0 is an answer without faults.
    pub flags: u16,
    /// Records of answer, authority and additional.
    pub sections: [Vec<Vec<u8>>; 3],
}

/// QR, RD and RA.
pub const ANSWER: u16 = 0x8180;
/// TC.
pub const TRUNCATED: u16 = 0x0200;

impl Answer {
    /// No fault, and these records in the answer section.
    pub fn of(records: Vec<Vec<u8>>) -> Self {
        Self { flags: ANSWER, sections: [records, Vec::new(), Vec::new()] }
    }

    /// No records, and this response code.
    pub fn code(rcode: u16) -> Self {
        Self { flags: ANSWER | rcode, ..Self::default() }
    }

    /// The message that answers a question.
    pub fn to(&self, query: &[u8]) -> Vec<u8> {
        // One question, and perhaps EDNS behind it, whose record has 11 bytes.
        let edns = usize::from(query.get(11) == Some(&1)) * 11;
        let question = &query[HEADER..query.len() - edns];
        let mut message = query[..2].to_vec();
        message.extend(self.flags.to_be_bytes());
        message.extend([0, 1]);
        for section in &self.sections {
            let count = u16::try_from(section.len()).expect("a count has two bytes");
            message.extend(count.to_be_bytes());
        }
        message.extend(question);
        message.extend(self.sections.concat().concat());
        message
    }
}

/// A record of the name that was asked for, class IN, TTL 300.
pub fn record(kind: u16, data: &[u8]) -> Vec<u8> {
    let length = u16::try_from(data.len()).expect("a length has two bytes");
    [&[0xc0, 0x0c][..], &kind.to_be_bytes(), &[0, 1, 0, 0, 1, 44], &length.to_be_bytes(), data].concat()
}

/// An address record.
pub fn a(ip: [u8; 4]) -> Vec<u8> {
    record(1, &ip)
}

/// The beginning of a zone, with this serial.
pub fn soa(serial: u32) -> Vec<u8> {
    record(6, &[&[0, 0][..], &serial.to_be_bytes(), &[0; 16]].concat())
}
