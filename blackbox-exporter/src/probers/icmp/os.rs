//! What no safe wrapper offers: an option of IPv4 sockets, and the TTL that comes beside a packet (ip(7), ipv6(7), cmsg(3)).

#![expect(unsafe_code, reason = "setsockopt(2) for these options, and what recvmsg(2) wrote, have no safe wrappers")]

use std::io;
use std::mem::{MaybeUninit, size_of};
use std::os::fd::AsRawFd;

use socket2::{MaybeUninitSlice, MsgHdrMut, SockAddr, Socket};

/// Room for one number beside a packet.
const CONTROL: usize = 64;

/// A packet that came.
#[derive(Debug)]
pub(super) struct Received {
    /// From where.
    pub(super) from: SockAddr,
    /// How many bytes of the buffer it fills.
    pub(super) length: usize,
    /// TTL or hop limit, if the kernel was asked for it.
    pub(super) ttl: Option<u8>,
}

/// Has the TTL of IPv4 packets handed over.
pub(super) fn ask_for_ttl(socket: &Socket) -> io::Result<()> {
    set(socket, libc::IP_RECVTTL, 1)
}

/// Sets DF, whatever is known about the path; a packet larger than the interface takes is refused.
pub(super) fn dont_fragment(socket: &Socket) -> io::Result<()> {
    set(socket, libc::IP_MTU_DISCOVER, libc::IP_PMTUDISC_PROBE)
}

fn set(socket: &Socket, option: libc::c_int, value: libc::c_int) -> io::Result<()> {
    let size = size_of::<libc::c_int>() as libc::socklen_t;
    // SAFETY: the descriptor is open as long as `socket` lives, and the pointer is to an integer of the size that is named.
    let done = unsafe {
        libc::setsockopt(socket.as_raw_fd(), libc::IPPROTO_IP, option, std::ptr::from_ref(&value).cast(), size)
    };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Receives one packet into `buffer`. `like` is an address of the socket's family.
pub(super) fn receive(socket: &Socket, buffer: &mut [u8], like: &SockAddr) -> io::Result<Received> {
    let mut from = like.clone();
    let mut control = [MaybeUninit::new(0_u8); CONTROL];
    // SAFETY: bytes that are there may be seen as bytes that may not be; recvmsg(2) never takes any away.
    let buffer = unsafe { &mut *(std::ptr::from_mut(buffer) as *mut [MaybeUninit<u8>]) };
    let mut buffers = [MaybeUninitSlice::new(buffer)];
    let mut message = MsgHdrMut::new().with_addr(&mut from).with_buffers(&mut buffers).with_control(&mut control);
    let length = socket.recvmsg(&mut message, 0)?;
    let used = message.control_len().min(CONTROL);
    // SAFETY: all of it was set to 0 above.
    let control = unsafe { control.assume_init_ref() };
    Ok(Received { from, length, ttl: ttl(control.get(..used).unwrap_or_default()) })
}

/// The number in the first control message that is a TTL or a hop limit.
fn ttl(mut control: &[u8]) -> Option<u8> {
    // `struct cmsghdr`: length with this header, level, type; then data, padded to the size of a word.
    const WORD: usize = size_of::<usize>();
    const HEADER: usize = WORD + 8;
    loop {
        let (length, rest) = control.split_first_chunk::<WORD>()?;
        let (level, rest) = rest.split_first_chunk::<4>()?;
        let (kind, rest) = rest.split_first_chunk::<4>()?;
        let kind = (i32::from_ne_bytes(*level), i32::from_ne_bytes(*kind));
        if matches!(kind, (libc::IPPROTO_IP, libc::IP_TTL) | (libc::IPPROTO_IPV6, libc::IPV6_HOPLIMIT)) {
            return u8::try_from(i32::from_ne_bytes(*rest.first_chunk()?)).ok();
        }
        let length = usize::from_ne_bytes(*length).max(HEADER);
        control = control.get(length.checked_next_multiple_of(WORD)?..)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(level: i32, kind: i32, data: &[u8]) -> Vec<u8> {
        let mut bytes = (size_of::<usize>() + 8 + data.len()).to_ne_bytes().to_vec();
        bytes.extend(level.to_ne_bytes());
        bytes.extend(kind.to_ne_bytes());
        bytes.extend(data);
        bytes.resize(bytes.len().next_multiple_of(size_of::<usize>()), 0);
        bytes
    }

    #[test]
    fn the_number_beside_a_packet() {
        let other = message(libc::SOL_SOCKET, 29, &[1; 16]);
        let four = message(libc::IPPROTO_IP, libc::IP_TTL, &61_i32.to_ne_bytes());
        let six = message(libc::IPPROTO_IPV6, libc::IPV6_HOPLIMIT, &62_i32.to_ne_bytes());
        assert_eq!(ttl(&four), Some(61));
        assert_eq!(ttl(&[other.clone(), six].concat()), Some(62));
        assert_eq!(ttl(&other), None);
        assert_eq!(ttl(&four[..18]), None);
        assert_eq!(ttl(&[0; 64]), None);
        assert_eq!(ttl(&[0xff; 64]), None);
        assert_eq!(ttl(&message(libc::IPPROTO_IP, libc::IP_TTL, &256_i32.to_ne_bytes())), None);
    }
}
