//! A client that asks many times over one connection and costs next to nothing itself, so that a hundred thousand
//! scrapes measure the program.

use std::io::{self, Write};
use std::net::{SocketAddr, TcpStream};

use rustix::io::retry_on_intr;
use rustix::net::{RecvFlags, recv};

use crate::client::{Response, connect};

/// Where the head of an answer ends.
const END_OF_HEAD: &[u8] = b"\r\n\r\n";

/// A connection that stays open between requests.
#[derive(Debug)]
pub struct KeptAlive {
    socket: TcpStream,
    /// What was received; the answer is its beginning.
    bytes: Vec<u8>,
}

impl KeptAlive {
    /// Connects.
    ///
    /// # Errors
    ///
    /// When nobody listens.
    pub fn new(address: SocketAddr) -> io::Result<Self> {
        Ok(Self { socket: connect(address)?, bytes: vec![0; 1 << 16] })
    }

    /// The bytes of a request for [`KeptAlive::ask`].
    pub fn request(path: &str, gzip: bool) -> Vec<u8> {
        let coding = if gzip { "Accept-Encoding: gzip\r\n" } else { "" };
        format!("GET {path} HTTP/1.1\r\nHost: exporter\r\n{coding}\r\n").into_bytes()
    }

    /// Sends a request and reads the answer, whose length must be told; head and body as they came.
    ///
    /// # Errors
    ///
    /// When the connection ends, or the answer is none of ours.
    pub fn ask(&mut self, request: &[u8]) -> io::Result<&[u8]> {
        self.socket.write_all(request)?;
        let mut have = 0;
        let whole = loop {
            let n = receive(&self.socket, &mut self.bytes[have..], RecvFlags::empty())?;
            have += n;
            match whole_length(&self.bytes[..have])? {
                Some(whole) => break whole,
                None if n == 0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                None => {}
            }
        };
        if whole < have {
            return Err(io::Error::other(format!("{have} bytes for an answer of {whole}")));
        }
        if whole > self.bytes.len() {
            self.bytes.resize(whole, 0);
        }
        while have < whole {
            // One call instead of one per piece that arrives: the client's time is not what is measured.
            match receive(&self.socket, &mut self.bytes[have..whole], RecvFlags::WAITALL)? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                n => have += n,
            }
        }
        Ok(&self.bytes[..whole])
    }

    /// As [`KeptAlive::ask`], taken apart.
    ///
    /// # Errors
    ///
    /// As there.
    pub fn answer(&mut self, request: &[u8]) -> io::Result<Response> {
        Response::read(&mut self.ask(request)?, false)
    }
}

fn receive(socket: &TcpStream, into: &mut [u8], flags: RecvFlags) -> io::Result<usize> {
    // A child that ends interrupts.
    Ok(retry_on_intr(|| recv(socket, &mut *into, flags))?.0)
}

/// Length of head and body together; `None` when the head is not whole.
fn whole_length(bytes: &[u8]) -> io::Result<Option<usize>> {
    let Some(end) = bytes.windows(END_OF_HEAD.len()).position(|four| four == END_OF_HEAD) else {
        return Ok(None);
    };
    let head = String::from_utf8_lossy(&bytes[..end]).to_ascii_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse::<usize>().ok());
    match length {
        Some(length) if head.starts_with("http/1.1 200 ") => Ok(Some(end + END_OF_HEAD.len() + length)),
        _ => Err(io::Error::other(head)),
    }
}
