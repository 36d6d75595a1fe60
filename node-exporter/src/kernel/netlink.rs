//! Netlink: a request goes out, messages come back, each with attributes.
//!
//! The socket is kept over scrapes. Whatever goes wrong closes it, so that no late answer is ever taken for the answer
//! to another question. The layout is that of kernel Documentation/userspace-api/netlink/intro.rst; numbers are in
//! native byte order.

use std::io;
use std::time::Duration;

use common::error::CollectError;
use common::fuzzing::{Parser, eat};
use rustix::fd::OwnedFd;
use rustix::io::Errno;
use rustix::net::netlink::{GENERIC, SOCK_DIAG, SocketAddrNetlink};
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{AddressFamily, Protocol, RecvFlags, SendFlags, SocketFlags, SocketType};

/// The kernel answers at once unless somebody holds its network lock; longer than this it is not waited for.
const PATIENCE: Duration = Duration::from_secs(2);
/// The kernel fills at most 32 KiB per read of a dump; a single larger message makes the buffer grow once.
const BUFFER_BYTES: usize = 64 << 10;
/// No single message of any family is larger.
const MOST_BYTES: usize = 4 << 20;

const HEADER_BYTES: usize = 16;

const NLM_F_REQUEST: u16 = 1;
const NLM_F_ACK: u16 = 4;
const NLM_F_DUMP_INTR: u16 = 0x10;
const NLM_F_DUMP: u16 = 0x300;

const NLMSG_NOOP: u16 = 1;
const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
const NLMSG_OVERRUN: u16 = 4;

/// Attribute types carry two flags on top of the number.
const NLA_TYPE_MASK: u16 = 0x3fff;

/// The number at the start of `bytes`.
pub(crate) fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_ne_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// The number at `at`.
pub(crate) fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// The number at `at`.
pub(crate) fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_ne_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// Messages and attributes begin at multiples of four.
const fn align(length: usize) -> usize {
    (length + 3) & !3
}

/// One message of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Message<'b> {
    /// What it is; the family says.
    pub(crate) kind: u16,
    flags: u16,
    sequence: u32,
    /// What follows the header.
    pub(crate) body: &'b [u8],
}

/// The messages in what one read gave; ends at the first that is cut short.
pub(crate) fn messages(mut bytes: &[u8]) -> impl Iterator<Item = Message<'_>> {
    std::iter::from_fn(move || {
        let length = u32_at(bytes, 0)? as usize;
        let message = Message {
            kind: u16_at(bytes, 4)?,
            flags: u16_at(bytes, 6)?,
            sequence: u32_at(bytes, 8)?,
            body: bytes.get(HEADER_BYTES..length)?,
        };
        bytes = bytes.get(align(length)..).unwrap_or_default();
        Some(message)
    })
}

/// The attributes in `bytes` as type and payload; ends at the first that is cut short.
pub(crate) fn attributes(mut bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let length = usize::from(u16_at(bytes, 0)?);
        let kind = u16_at(bytes, 2)? & NLA_TYPE_MASK;
        let payload = bytes.get(4..length)?;
        bytes = bytes.get(align(length)..).unwrap_or_default();
        Some((kind, payload))
    })
}

/// Appends one attribute to a request.
pub(crate) fn push_attribute(request: &mut Vec<u8>, kind: u16, payload: &[u8]) {
    let length = u16::try_from(payload.len() + 4).unwrap_or(u16::MAX);
    request.extend_from_slice(&length.to_ne_bytes());
    request.extend_from_slice(&kind.to_ne_bytes());
    request.extend_from_slice(payload);
    request.resize(align(request.len()), 0);
}

/// Text without the NUL at its end.
pub(crate) fn text(payload: &[u8]) -> &[u8] {
    payload.split(|&b| b == 0).next().unwrap_or_default()
}

/// A kept socket of one netlink protocol.
pub(crate) struct Netlink {
    protocol: Option<Protocol>,
    socket: Option<OwnedFd>,
    sequence: u32,
    request: Vec<u8>,
    buffer: Vec<u8>,
}

impl Netlink {
    /// Links, addresses, neighbours.
    pub(crate) fn route() -> Self {
        // The number of this one is 0, which is also the default.
        Self::new(None)
    }

    /// Families that are found by name.
    pub(crate) fn generic() -> Self {
        Self::new(Some(GENERIC))
    }

    /// Sockets.
    pub(crate) fn sock_diag() -> Self {
        Self::new(Some(SOCK_DIAG))
    }

    fn new(protocol: Option<Protocol>) -> Self {
        Self { protocol, socket: None, sequence: 0, request: Vec::new(), buffer: Vec::new() }
    }

    /// Asks for all there is of a kind and hands over each message. Gives whether the kernel says that the set
    /// changed while it was read, so that something may be missing or there twice.
    pub(crate) fn dump(&mut self, kind: u16, body: &[u8], each: impl FnMut(Message<'_>)) -> Result<bool, CollectError> {
        self.try_dump(kind, body, each).map_err(|e| CollectError::call(format!("netlink request {kind}"), &e))
    }

    /// As [`dump`](Self::dump), for those who go by the kernel's error number.
    pub(crate) fn try_dump(&mut self, kind: u16, body: &[u8], each: impl FnMut(Message<'_>)) -> io::Result<bool> {
        self.exchange(kind, NLM_F_DUMP, body, each)
    }

    /// Asks a single question and hands over the answer.
    pub(crate) fn ask(&mut self, kind: u16, body: &[u8], each: impl FnMut(Message<'_>)) -> io::Result<()> {
        self.exchange(kind, NLM_F_ACK, body, each).map(|_| ())
    }

    fn exchange(&mut self, kind: u16, flags: u16, body: &[u8], mut each: impl FnMut(Message<'_>)) -> io::Result<bool> {
        self.try_exchange(kind, flags, body, &mut each).map_err(|e| {
            self.socket = None;
            match e {
                Trouble::System(Errno::AGAIN) => io::Error::new(io::ErrorKind::TimedOut, "no answer in time"),
                Trouble::System(e) => e.into(),
                Trouble::Refused(code) => io::Error::from_raw_os_error(code),
                Trouble::Overrun => io::Error::other("the kernel could not keep up"),
                Trouble::TooLong(length) => io::Error::other(format!("a message of {length} bytes")),
            }
        })
    }

    fn try_exchange(
        &mut self,
        kind: u16,
        flags: u16,
        body: &[u8],
        each: &mut impl FnMut(Message<'_>),
    ) -> Result<bool, Trouble> {
        let socket = match self.socket.take() {
            Some(socket) => socket,
            None => open(self.protocol)?,
        };
        self.sequence = self.sequence.wrapping_add(1);
        self.request.clear();
        let length = u32::try_from(HEADER_BYTES + body.len()).unwrap_or(u32::MAX);
        self.request.extend_from_slice(&length.to_ne_bytes());
        self.request.extend_from_slice(&kind.to_ne_bytes());
        self.request.extend_from_slice(&(NLM_F_REQUEST | flags).to_ne_bytes());
        self.request.extend_from_slice(&self.sequence.to_ne_bytes());
        self.request.extend_from_slice(&[0; 4]);
        self.request.extend_from_slice(body);
        rustix::net::send(&socket, &self.request, SendFlags::empty())?;
        if self.buffer.is_empty() {
            self.buffer = vec![0; BUFFER_BYTES];
        }
        let mut interrupted = false;
        loop {
            let (_, length) = match rustix::net::recv(&socket, &mut self.buffer[..], RecvFlags::TRUNC) {
                Err(Errno::INTR) => continue,
                other => other?,
            };
            let Some(received) = self.buffer.get(..length) else {
                self.buffer = vec![0; length.clamp(BUFFER_BYTES, MOST_BYTES)];
                return Err(Trouble::TooLong(length));
            };
            match sort_out(received, self.sequence, &mut interrupted, each)? {
                Progress::More => {}
                Progress::Done => {
                    self.socket = Some(socket);
                    return Ok(interrupted);
                }
            }
        }
    }
}

enum Trouble {
    System(Errno),
    /// An error number in the kernel's answer.
    Refused(i32),
    Overrun,
    TooLong(usize),
}

impl From<Errno> for Trouble {
    fn from(e: Errno) -> Self {
        Self::System(e)
    }
}

enum Progress {
    More,
    Done,
}

/// Hands over the messages of one read that answer the question with number `sequence`.
fn sort_out(
    received: &[u8],
    sequence: u32,
    interrupted: &mut bool,
    each: &mut impl FnMut(Message<'_>),
) -> Result<Progress, Trouble> {
    for message in messages(received).filter(|message| message.sequence == sequence) {
        *interrupted |= message.flags & NLM_F_DUMP_INTR != 0;
        match message.kind {
            NLMSG_NOOP => {}
            NLMSG_OVERRUN => return Err(Trouble::Overrun),
            // Both carry a negative error number or zero, a DONE of old kernels may carry nothing.
            NLMSG_ERROR | NLMSG_DONE => {
                let code = u32_at(message.body, 0).map_or(0, u32::cast_signed);
                return if code == 0 { Ok(Progress::Done) } else { Err(Trouble::Refused(code.saturating_neg())) };
            }
            _ => each(message),
        }
    }
    Ok(Progress::More)
}

fn open(protocol: Option<Protocol>) -> Result<OwnedFd, Errno> {
    let socket = rustix::net::socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, protocol)?;
    set_socket_timeout(&socket, Timeout::Recv, Some(PATIENCE))?;
    set_socket_timeout(&socket, Timeout::Send, Some(PATIENCE))?;
    rustix::net::bind(&socket, &SocketAddrNetlink::new(0, 0))?;
    // Connected to the kernel, the socket takes no messages of anyone else.
    rustix::net::connect(&socket, &SocketAddrNetlink::new(0, 0))?;
    Ok(socket)
}

/// For the fuzzer.
pub(crate) const PARSER: Parser = Parser::new(
    "netlink",
    |bytes| {
        messages(bytes).for_each(eat);
        attributes(bytes)
            .for_each(|(_, payload)| eat((text(payload), u16_at(payload, 0), u32_at(payload, 2), u64_at(payload, 1))));
    },
    b"\x1c\0\0\0\x10\0\0\0\x01\0\0\0\0\0\0\0\x08\0\x03\0lo\0\0\x14\0\0\0\x03\0\0\0\x01\0\0\0\0\0\0\0\0\0\0\0",
);

#[cfg(test)]
mod tests {
    use super::*;

    fn message(kind: u16, flags: u16, sequence: u32, body: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        bytes.extend_from_slice(&(16 + body.len() as u32).to_ne_bytes());
        bytes.extend_from_slice(&kind.to_ne_bytes());
        bytes.extend_from_slice(&flags.to_ne_bytes());
        bytes.extend_from_slice(&sequence.to_ne_bytes());
        bytes.extend_from_slice(&[0; 4]);
        bytes.extend_from_slice(body);
        bytes.resize(align(bytes.len()), 0);
        bytes
    }

    /// What `sort_out` makes of bytes: the kinds handed over, whether interrupted, and how it ended.
    fn check(bytes: &[u8], want: &str) {
        let (mut kinds, mut interrupted) = (Vec::new(), false);
        let end = match sort_out(bytes, 7, &mut interrupted, &mut |message| kinds.push(message.kind)) {
            Ok(Progress::Done) => "done".to_owned(),
            Ok(Progress::More) => "more".to_owned(),
            Err(Trouble::System(e)) => format!("system {}", e.raw_os_error()),
            Err(Trouble::Refused(code)) => format!("errno {code}"),
            Err(Trouble::Overrun) => "overrun".to_owned(),
            Err(Trouble::TooLong(_)) => "too long".to_owned(),
        };
        assert_eq!(format!("{kinds:?} {interrupted} {end}"), want);
    }

    #[test]
    fn answers() {
        let part = message(16, 2, 7, b"abcde");
        let done = message(NLMSG_DONE, 2, 7, &0_i32.to_ne_bytes());
        check(&[&part[..], &part, &done].concat(), "[16, 16] false done");
        check(&message(16, 2 | NLM_F_DUMP_INTR, 7, b""), "[16] true more");
        check(&[&message(16, 0, 6, b"")[..], &done].concat(), "[] false done");
        check(&message(NLMSG_ERROR, 0, 7, &(-13_i32).to_ne_bytes()), "[] false errno 13");
        check(&message(NLMSG_ERROR, 0, 7, &i32::MIN.to_ne_bytes()), "[] false errno 2147483647");
        check(&message(NLMSG_OVERRUN, 0, 7, b""), "[] false overrun");
        check(&message(NLMSG_DONE, 0, 7, b""), "[] false done");
    }

    #[test]
    fn cut_short_and_garbage() {
        let part = message(16, 2, 7, b"abcdefgh");
        for end in 0..part.len() {
            check(&part[..end], "[] false more");
        }
        check(&[0; 64], "[] false more");
        check(&[255; 64], "[] false more");
        let mut attribute = Vec::new();
        push_attribute(&mut attribute, 3 | 0x8000, b"eth0\0");
        assert_eq!(attributes(&attribute).collect::<Vec<_>>(), [(3, &b"eth0\0"[..])]);
        assert_eq!(text(b"eth0\0"), b"eth0");
        for end in 0..9 {
            assert_eq!(attributes(&attribute[..end]).count(), 0);
        }
        assert_eq!(attributes(&[3, 0, 1, 0, 9, 9]).count(), 0, "shorter than its own header");
    }

    #[test]
    fn a_refused_request_opens_a_fresh_socket() {
        let mut netlink = Netlink::route();
        assert!(netlink.dump(0xffff, &[], |_| {}).is_err());
        assert!(netlink.socket.is_none());
        let mut loopback = false;
        let interrupted = netlink.dump(libc::RTM_GETLINK, &[0; 16], |message| {
            loopback |=
                attributes(message.body.get(16..).unwrap()).any(|(kind, name)| kind == 3 && text(name) == b"lo");
        });
        assert!(interrupted.is_ok() && loopback);
        assert!(netlink.socket.is_some());
    }
}
