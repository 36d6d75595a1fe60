//! One connection: a unix socket that never blocks, the greeting, and calls in flight.

use std::fmt;
use std::io;
use std::time::Instant;

use common::error::{Reason, reason_of};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::OwnedFd;
use rustix::io::Errno;
use rustix::net::{AddressFamily, SendFlags, SocketAddrUnix, SocketFlags, SocketType};

use super::address::Address;
use super::message::{self, Body, Call, Header, Refusal};

/// Calls that wait for their answers. A bus lets a connection have 128 at most, and refuses the rest.
const IN_FLIGHT: usize = 64;
/// Room that is made for each read.
const CHUNK: usize = 64 << 10;
/// Reads of what nobody asked for, before a connection is given up that never falls silent.
const MOST_UNASKED: usize = 64;
/// The longest line of the greeting.
const LONGEST_LINE: usize = 1024;

/// Why there is no connection, or no longer one.
#[derive(Debug)]
pub(crate) enum Failure {
    /// An address that makes no sense here.
    Address(String),
    /// The socket could not be opened.
    Open(Address, io::Error),
    /// The peer does not want us.
    Refused(String),
    /// The peer went away.
    Closed,
    /// The time is up.
    Late,
    /// The socket failed.
    Io(io::Error),
    /// What came is not D-Bus.
    Malformed(String),
}

impl Failure {
    /// What kind of failure it is.
    pub(crate) fn reason(&self) -> Reason {
        match self {
            Self::Late => Reason::Timeout,
            Self::Open(_, e) | Self::Io(e) => reason_of(e),
            Self::Refused(_) => Reason::Permission,
            Self::Address(_) | Self::Closed | Self::Malformed(_) => Reason::Error,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(what) => f.write_str(what),
            Self::Open(address, e) => write!(f, "{address}: {e}"),
            Self::Refused(what) => write!(f, "refused: {what}"),
            Self::Closed => f.write_str("the peer closed the connection"),
            Self::Late => f.write_str("no answer in time"),
            Self::Io(e) => write!(f, "{e}"),
            Self::Malformed(what) => write!(f, "malformed message: {what}"),
        }
    }
}

impl From<Errno> for Failure {
    fn from(e: Errno) -> Self {
        match e {
            // The peer closed before it had read everything.
            Errno::PIPE | Errno::CONNRESET => Self::Closed,
            e => Self::Io(e.into()),
        }
    }
}

/// An open connection.
pub(super) struct Connection {
    socket: OwnedFd,
    /// What is yet to be sent.
    outbox: Vec<u8>,
    /// What came, of which `taken` bytes are done with.
    inbox: Vec<u8>,
    taken: usize,
    /// Of the last call.
    serial: u32,
    /// The calls that wait: serial, and number of the call in its exchange.
    waiting: Vec<(u32, usize)>,
}

impl Connection {
    /// Connects and says who we are, as the kernel knows it.
    pub(super) fn open(address: &Address, deadline: Instant) -> Result<Self, Failure> {
        let socket = dial(address).map_err(|e| Failure::Open(address.clone(), e.into()))?;
        let mut connection =
            Self { socket, outbox: Vec::new(), inbox: Vec::new(), taken: 0, serial: 0, waiting: Vec::new() };
        connection.authenticate(deadline)?;
        Ok(connection)
    }

    fn authenticate(&mut self, deadline: Instant) -> Result<(), Failure> {
        let user = rustix::process::geteuid().as_raw().to_string();
        let user: String = user.bytes().map(|digit| format!("{digit:02x}")).collect();
        self.outbox.extend_from_slice(format!("\0AUTH EXTERNAL {user}\r\n").as_bytes());
        let mut anonymous = false;
        loop {
            let line = self.line(deadline)?;
            let answer: &[u8] = match line.split(|&b| b == b' ').next().unwrap_or_default() {
                b"OK" => break,
                // In a user namespace our number for ourselves is not the one that the peer knows: let it look.
                b"REJECTED" if !anonymous => {
                    anonymous = true;
                    b"AUTH EXTERNAL\r\n"
                }
                b"DATA" if anonymous => b"DATA\r\n",
                _ => return Err(Failure::Refused(line.escape_ascii().to_string())),
            };
            self.outbox.extend_from_slice(answer);
        }
        // Goes out with the first call.
        self.outbox.extend_from_slice(b"BEGIN\r\n");
        Ok(())
    }

    /// Sends what is to be sent; the next line without its end.
    fn line(&mut self, deadline: Instant) -> Result<Vec<u8>, Failure> {
        loop {
            let unread = self.inbox.get(self.taken..).unwrap_or_default();
            if let Some(end) = unread.windows(2).position(|two| two == b"\r\n") {
                let line = unread.get(..end).unwrap_or_default().to_vec();
                self.taken += end + 2;
                return Ok(line);
            }
            if unread.len() > LONGEST_LINE {
                return Err(Failure::Malformed("expected a line of the greeting".to_owned()));
            }
            self.advance(deadline)?;
        }
    }

    /// Whether the peer is still there, as far as the kernel knows. What it sent unasked is dropped.
    pub(super) fn is_open(&mut self) -> bool {
        for _ in 0..MOST_UNASKED {
            match self.receive() {
                Ok(true) => {}
                Ok(false) => return self.take_messages(&mut |_, _| {}).is_ok(),
                Err(_) => return false,
            }
            if self.take_messages(&mut |_, _| {}).is_err() {
                return false;
            }
        }
        false
    }

    /// Makes calls, many at a time, and hands the answers out with the number of their call.
    pub(super) fn exchange<'c>(
        &mut self,
        deadline: Instant,
        calls: &mut dyn Iterator<Item = Call<'c>>,
        answer: &mut dyn FnMut(usize, Result<&Body<'_>, Refusal<'_>>),
    ) -> Result<(), Failure> {
        let mut calls = calls.enumerate();
        loop {
            while self.waiting.len() < IN_FLIGHT
                && let Some((number, call)) = calls.next()
            {
                // 0 is no serial.
                self.serial = self.serial.checked_add(1).unwrap_or(1);
                call.write(self.serial, &mut self.outbox);
                self.waiting.push((self.serial, number));
            }
            if self.waiting.is_empty() {
                return Ok(());
            }
            self.advance(deadline)?;
            self.take_messages(answer)?;
        }
    }

    /// Hands out the answers that are there.
    fn take_messages(&mut self, answer: &mut dyn FnMut(usize, Result<&Body<'_>, Refusal<'_>>)) -> Result<(), Failure> {
        loop {
            let unread = self.inbox.get(self.taken..).unwrap_or_default();
            let Some(length) = message::length(unread).map_err(Failure::Malformed)? else { return Ok(()) };
            let Some(bytes) = unread.get(..length) else { return Ok(()) };
            self.taken += length;
            let data = message::data(bytes);
            let header = Header::read(&data).map_err(Failure::Malformed)?;
            // Signals, and calls of others, are not for us.
            if !matches!(header.kind, message::METHOD_RETURN | message::ERROR) {
                continue;
            }
            let Some(at) = self.waiting.iter().position(|(serial, _)| *serial == header.reply_to) else { continue };
            let (_, number) = self.waiting.swap_remove(at);
            let body = header.body(&data).map_err(Failure::Malformed)?;
            let refused = header.kind == message::ERROR;
            answer(number, if refused { Err(header.refusal(&body)) } else { Ok(&body) });
        }
    }

    /// Waits until something can be sent or read, and does it.
    fn advance(&mut self, deadline: Instant) -> Result<(), Failure> {
        self.send()?;
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(Failure::Late);
        }
        let left = Timespec::try_from(left).map_err(|_| Failure::Late)?;
        let wanted = if self.outbox.is_empty() { PollFlags::IN } else { PollFlags::IN | PollFlags::OUT };
        match poll(&mut [PollFd::new(&self.socket, wanted)], Some(&left)) {
            Ok(0) => return Err(Failure::Late),
            Ok(_) | Err(Errno::INTR) => {}
            Err(e) => return Err(e.into()),
        }
        self.receive().map(drop)
    }

    fn send(&mut self) -> Result<(), Failure> {
        while !self.outbox.is_empty() {
            match rustix::net::send(&self.socket, &self.outbox, SendFlags::NOSIGNAL) {
                Ok(sent) => drop(self.outbox.drain(..sent)),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => break,
                Err(e) => return Err(e.into()),
            }
        }
        Ok(())
    }

    /// Reads what is there; whether anything was.
    fn receive(&mut self) -> Result<bool, Failure> {
        if self.taken == self.inbox.len() {
            self.inbox.clear();
            self.taken = 0;
        } else if self.taken >= CHUNK {
            self.inbox.drain(..self.taken);
            self.taken = 0;
        }
        self.inbox.reserve(CHUNK);
        match rustix::io::read(&self.socket, rustix::buffer::spare_capacity(&mut self.inbox)) {
            Ok(0) => Err(Failure::Closed),
            Ok(_) => Ok(true),
            Err(Errno::AGAIN | Errno::INTR) => Ok(false),
            Err(e) => Err(e.into()),
        }
    }
}

/// Connects at once or not at all: a peer whose queue is full is one that does not listen.
fn dial(address: &Address) -> rustix::io::Result<OwnedFd> {
    let address = match address {
        Address::Path(path) => SocketAddrUnix::new(path.as_slice())?,
        Address::Abstract(name) => SocketAddrUnix::new_abstract_name(name)?,
    };
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    rustix::net::connect(&socket, &address)?;
    Ok(socket)
}
