//! Peers that mean harm: each listens on a port of its own and does one thing wrong for as long as it is let.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;

/// What a peer does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Does {
    /// Takes the connection and never says a word.
    Hangs,
    /// Resets the connection as soon as it has been asked.
    Resets,
    /// Sends its answer a byte at a time, and never comes to the end of the head.
    Drips,
    /// Sends header after header.
    EndlessHeaders,
    /// Sends body, on and on.
    EndlessBody,
    /// Sends chunk after chunk of one byte each.
    EndlessChunks,
    /// Redirects to itself, under a new path each time.
    Redirects,
    /// A gigabyte of nothing, in a megabyte of gzip.
    GzipBomb,
    /// Says that it is 5 bytes, and sends none of them.
    CutShort,
    /// Says something that is no HTTP.
    Garbage,
    /// Begins a TLS record and does not end it.
    HalfTlsRecord,
    /// Records of TLS that hold anything.
    TlsGarbage,
    /// A line without an end.
    EndlessLine,
    /// Lines that nobody waits for.
    EndlessLines,
    /// Frames of HTTP/2 without an end, none of them an answer.
    EndlessFrames,
}

impl Does {
    /// All of them.
    pub const ALL: [Self; 15] = [
        Self::Hangs,
        Self::Resets,
        Self::Drips,
        Self::EndlessHeaders,
        Self::EndlessBody,
        Self::EndlessChunks,
        Self::Redirects,
        Self::GzipBomb,
        Self::CutShort,
        Self::Garbage,
        Self::HalfTlsRecord,
        Self::TlsGarbage,
        Self::EndlessLine,
        Self::EndlessLines,
        Self::EndlessFrames,
    ];
}

/// A peer on a port of 127.0.0.1; gone when dropped.
#[derive(Debug)]
pub struct Hostile {
    address: SocketAddr,
    stopped: Arc<AtomicBool>,
    accepting: Option<JoinHandle<()>>,
}

impl Hostile {
    /// A TCP peer.
    #[track_caller]
    pub fn start(does: Does) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("127.0.0.1 has a free port");
        let address = listener.local_addr().expect("a listener knows its address");
        let stopped = Arc::new(AtomicBool::new(false));
        let bomb: Arc<[u8]> = if does == Does::GzipBomb { bomb().into() } else { Arc::from([]) };
        let accepting = thread::spawn({
            let stopped = Arc::clone(&stopped);
            move || {
                while let Ok((stream, _)) = listener.accept() {
                    if stopped.load(Ordering::SeqCst) {
                        return;
                    }
                    let (stopped, bomb) = (Arc::clone(&stopped), Arc::clone(&bomb));
                    // A client that has had enough is what it is all about.
                    thread::spawn(move || serve(does, stream, &stopped, &bomb));
                }
            }
        });
        Self { address, stopped, accepting: Some(accepting) }
    }

    /// A UDP peer that answers each question with garbage of its own making: the right number, then nonsense.
    #[track_caller]
    pub fn start_udp() -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("127.0.0.1 has a free port");
        let address = socket.local_addr().expect("a socket knows its address");
        let stopped = Arc::new(AtomicBool::new(false));
        let accepting = thread::spawn({
            let stopped = Arc::clone(&stopped);
            move || {
                let mut asked = [0; 2048];
                for round in 0_usize.. {
                    let Ok((n, from)) = socket.recv_from(&mut asked) else { return };
                    if stopped.load(Ordering::SeqCst) {
                        return;
                    }
                    let id = asked.get(..2.min(n)).unwrap_or_default();
                    // Counts that no message holds, a name that points at itself, and half of the question.
                    let nonsense: [&[u8]; 4] = [
                        b"\x81\x80\xff\xff\xff\xff\xff\xff\xff\xff\x05ab",
                        b"\x81\x80\x00\x00\x00\x01\x00\x00\x00\x00\xc0\x0c\x00\x01\x00\x01\x00\x00\x00\x3c\x00\x04\x7f\x00\x00\x01",
                        b"\x81\x80\x00\x01\x00\x01",
                        b"",
                    ];
                    let answer = [id, nonsense[round % nonsense.len()]].concat();
                    // Whoever asked may be gone.
                    let _ = socket.send_to(&answer, from);
                }
            }
        });
        Self { address, stopped, accepting: Some(accepting) }
    }

    /// Where it is.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Hostile {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::SeqCst);
        // Wakes the thread that accepts or receives; the other kind of peer is not there to be woken.
        let _ = TcpStream::connect(self.address);
        if let Ok(socket) = UdpSocket::bind("127.0.0.1:0") {
            let _ = socket.send_to(b"x", self.address);
        }
        let _ = self.accepting.take().map(JoinHandle::join);
    }
}

/// A gigabyte of zeros, packed.
fn bomb() -> Vec<u8> {
    let mut packed = GzEncoder::new(Vec::new(), Compression::best());
    let zeros = vec![0; 1 << 20];
    for _ in 0..1024 {
        packed.write_all(&zeros).expect("memory takes everything");
    }
    packed.finish().expect("memory takes everything")
}

fn serve(does: Does, mut stream: TcpStream, stopped: &AtomicBool, bomb: &[u8]) -> io::Result<()> {
    let mut asked = vec![0; 4096];
    let forever = |stream: &mut TcpStream, piece: &[u8]| -> io::Result<()> {
        while !stopped.load(Ordering::SeqCst) {
            stream.write_all(piece)?;
        }
        Ok(())
    };
    match does {
        Does::Hangs => {}
        Does::Resets => {
            // What was sent and is not read makes the end of the connection a reset.
            stream.peek(&mut asked)?;
            return Ok(());
        }
        Does::Drips => {
            for byte in b"HTTP/1.1 200 OK\r\nX-Slow: ".iter().chain(std::iter::repeat(&b'x')) {
                stream.write_all(&[*byte])?;
                // The drip itself: nothing waits for it.
                thread::sleep(Duration::from_millis(100));
                if stopped.load(Ordering::SeqCst) {
                    return Ok(());
                }
            }
        }
        Does::EndlessHeaders => {
            stream.write_all(b"HTTP/1.1 200 OK\r\n")?;
            forever(&mut stream, &b"X-Endless: yes, it is\r\n".repeat(500))?;
        }
        Does::EndlessBody => {
            stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n")?;
            forever(&mut stream, &[b'x'; 1 << 16])?;
        }
        Does::EndlessChunks => {
            stream.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")?;
            forever(&mut stream, &b"1\r\nx\r\n".repeat(5000))?;
        }
        Does::Redirects => {
            let n = stream.read(&mut asked)?;
            let path = asked.get(..n).unwrap_or_default().split(|b| *b == b' ').nth(1).unwrap_or_default();
            let path = String::from_utf8_lossy(path).into_owned();
            write!(stream, "HTTP/1.1 302 Found\r\nLocation: {path}x\r\nContent-Length: 0\r\n\r\n")?;
        }
        Does::GzipBomb => {
            write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", bomb.len())?;
            stream.write_all(bomb)?;
        }
        Does::CutShort => {
            let _asked = stream.read(&mut asked)?;
            return stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n");
        }
        Does::Garbage => {
            let _asked = stream.read(&mut asked)?;
            return stream.write_all(&[0xff, 0, 0x80].repeat(100));
        }
        Does::HalfTlsRecord => stream.write_all(b"\x16\x03\x03\x40\x00\x02\x00\x00")?,
        Does::TlsGarbage => {
            forever(&mut stream, &[b"\x16\x03\x03\x40\x00\x0b\xff\xff\xff", &[7; 0x4000 - 4][..]].concat())?
        }
        Does::EndlessLine => forever(&mut stream, &[b'x'; 1 << 14])?,
        Does::EndlessLines => forever(&mut stream, &b"still not\r\n".repeat(1000))?,
        Does::EndlessFrames => {
            stream.write_all(b"\x00\x00\x00\x04\x00\x00\x00\x00\x00")?;
            forever(&mut stream, &b"\x00\x00\x08\x06\x00\x00\x00\x00\x00pingping".repeat(1000))?;
        }
    }
    // What is still asked is taken, until the other side has had enough.
    io::copy(&mut stream, &mut io::sink()).map(drop)
}
