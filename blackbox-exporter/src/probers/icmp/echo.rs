//! Echo requests as bytes, and whether a message is the reply to one (RFC 792, RFC 4443, 4.1 and 4.2).
//!
//! A reply is the request with another type: number of the sender, sequence and payload have to be the same. Of these the
//! kernel takes over what it does itself: it gives datagram sockets their number and checks the sums of all but raw IPv4.

use std::net::IpAddr;

/// What requests carry unless the module wants another size; the text of the Go exporter, which receivers may filter by.
const TEXT: &[u8] = b"Prometheus Blackbox Exporter";

/// Bytes of an echo message before its payload.
pub(super) const HEADER: usize = 8;
/// Most bytes of payload that fit in a packet, of either version.
pub(super) const MOST_PAYLOAD: usize = u16::MAX as usize - HEADER;

/// What the kernel does for a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Kernel {
    /// It numbers senders, and replies come with its number.
    pub(super) numbers: bool,
    /// It hands over IPv4 packets with their headers, and checks no sums.
    pub(super) raw_ip4: bool,
}

/// A row of requests that differ in their sequence.
#[derive(Debug)]
pub(super) struct Echo {
    message: Vec<u8>,
    reply: u8,
    first: u16,
    kernel: Kernel,
}

impl Echo {
    /// Requests to `to` from the sender `id`, the first with the sequence `first`; `payload` is their size, 0 for the text.
    pub(super) fn new(to: IpAddr, id: u16, first: u16, payload: usize, kernel: Kernel) -> Self {
        let (request, reply) = if to.is_ipv4() { (8, 0) } else { (128, 129) };
        let size = if payload == 0 { TEXT.len() } else { payload.min(MOST_PAYLOAD) };
        let mut message = Vec::with_capacity(HEADER + size);
        message.extend([request, 0, 0, 0]);
        message.extend(id.to_be_bytes());
        message.extend(first.to_be_bytes());
        message.extend(TEXT.iter().take(size));
        message.resize(HEADER + size, 0);
        Self { message, reply, first, kernel }
    }

    /// Bytes of each message.
    pub(super) fn len(&self) -> usize {
        self.message.len()
    }

    /// The request number `at`, from 0 on.
    pub(super) fn request(&mut self, at: u16) -> &[u8] {
        let sequence = self.first.wrapping_add(at).to_be_bytes();
        if let [kind, _, high, low, _, _, s1, s2, ..] = self.message.as_mut_slice() {
            [*high, *low, *s1, *s2] = [0, 0, sequence[0], sequence[1]];
            if *kind == 8 {
                // The kernel sums up IPv6, where the addresses count as well.
                let sum = checksum(&self.message).to_be_bytes();
                if let Some(place) = self.message.get_mut(2..4) {
                    place.copy_from_slice(&sum);
                }
            }
        }
        &self.message
    }

    /// Which request a packet answers, as [`Self::request`] counts, and its TTL where the packet has it.
    pub(super) fn answers(&self, packet: &[u8]) -> Option<(u16, Option<u8>)> {
        let (message, ttl) = if self.kernel.raw_ip4 { without_ip4(packet)? } else { (packet, None) };
        let ([kind, 0, _, _, i1, i2, s1, s2], payload) = message.split_first_chunk()? else { return None };
        let (own, own_payload) = self.message.split_first_chunk::<HEADER>()?;
        let [_, _, _, _, id @ .., _, _] = own;
        let same = *kind == self.reply && payload == own_payload && (self.kernel.numbers || *id == [*i1, *i2]);
        if !same || (self.kernel.raw_ip4 && checksum(message) != 0) {
            return None;
        }
        Some((u16::from_be_bytes([*s1, *s2]).wrapping_sub(self.first), ttl))
    }
}

/// What an IPv4 packet carries, and its TTL (RFC 791, 3.1).
fn without_ip4(packet: &[u8]) -> Option<(&[u8], Option<u8>)> {
    let words = usize::from(packet.first()? & 0xf);
    Some((packet.get(words.max(5) * 4..)?, packet.get(8).copied()))
}

/// The internet checksum (RFC 1071); 0 over a message that has its own right.
fn checksum(message: &[u8]) -> u16 {
    let word = |pair: &[u8]| match pair {
        [high, low] => u32::from(u16::from_be_bytes([*high, *low])),
        [high] => u32::from(*high) << 8,
        _ => 0,
    };
    // At most 32 Ki words of 16 bits: no overflow.
    let mut sum: u32 = message.chunks(2).map(word).sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    u16::try_from(!sum & 0xffff).unwrap_or(0)
}

/// Reads any bytes as a packet: for fuzzing.
pub(crate) fn feed(bytes: &[u8]) {
    for raw_ip4 in [false, true] {
        let kernel = Kernel { numbers: !raw_ip4, raw_ip4 };
        let _ = Echo::new(IpAddr::from([127, 0, 0, 1]), 1, 1, 0, kernel).answers(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RAW: Kernel = Kernel { numbers: false, raw_ip4: true };
    const DATAGRAM: Kernel = Kernel { numbers: true, raw_ip4: false };
    const RAW_IP6: Kernel = Kernel { numbers: false, raw_ip4: false };

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    /// The reply to a request: another type, and the sum for it.
    fn reply(request: &[u8], kind: u8) -> Vec<u8> {
        let mut reply = request.to_vec();
        (reply[0], reply[2], reply[3]) = (kind, 0, 0);
        let sum = checksum(&reply).to_be_bytes();
        reply[2..4].copy_from_slice(&sum);
        reply
    }

    fn with_ip4(message: &[u8], ttl: u8) -> Vec<u8> {
        let mut packet = vec![0; 20];
        (packet[0], packet[8]) = (0x45, ttl);
        packet.extend(message);
        packet
    }

    #[test]
    fn payloads() {
        for (size, want) in
            [(0, TEXT.to_vec()), (1, b"P".to_vec()), (10, b"Prometheus".to_vec()), (30, [TEXT, b"\0\0"].concat())]
        {
            let mut echo = Echo::new(ip("127.0.0.1"), 7, 9, size, RAW);
            assert_eq!(echo.request(0)[HEADER..], want);
            assert_eq!(echo.request(0)[..2], [8, 0]);
            assert_eq!(checksum(echo.request(1)), 0);
            assert_eq!(echo.request(1)[4..8], [0, 7, 0, 10]);
        }
        assert_eq!(Echo::new(ip("::1"), 7, 9, usize::MAX, RAW).len(), usize::from(u16::MAX));
    }

    #[test]
    fn replies() {
        let mut echo = Echo::new(ip("127.0.0.1"), 7, u16::MAX, 3, RAW);
        let good = reply(echo.request(1), 0);
        let check =
            |packet: &[u8], want: Option<(u16, Option<u8>)>| assert_eq!(echo.answers(packet), want, "{packet:?}");
        check(&with_ip4(&good, 61), Some((1, Some(61))));
        for at in 0..good.len() {
            let mut other = good.clone();
            other[at] ^= 1;
            check(&with_ip4(&other, 61), None);
            check(&with_ip4(&good[..at], 61), None);
        }
        check(&with_ip4(&[good.as_slice(), &[0]].concat(), 61), None);
        let other_type = Echo::new(ip("127.0.0.1"), 7, u16::MAX, 3, RAW).request(1).to_vec();
        check(&with_ip4(&other_type, 61), None);
        for garbage in [&b""[..], b"\x4f", &[0xff; 70], &[0; 8]] {
            check(garbage, None);
        }
    }

    #[test]
    fn what_the_kernel_takes_over() {
        let mut echo = Echo::new(ip("127.0.0.1"), 7, 0, 3, DATAGRAM);
        let mut good = reply(echo.request(2), 0);
        (good[2], good[4], good[5]) = (0xaa, 0xbb, 0xcc);
        assert_eq!(echo.answers(&good), Some((2, None)));
        let mut echo = Echo::new(ip("::1"), 7, 0, 3, RAW_IP6);
        let mut good = echo.request(2).to_vec();
        (good[0], good[2]) = (129, 0xaa);
        assert_eq!(echo.answers(&good), Some((2, None)));
        good[4] = 1;
        assert_eq!(echo.answers(&good), None);
    }
}
