//! What a driver tells of an interface: the SIOCETHTOOL ioctl, read only.
//!
//! Layouts: kernel include/uapi/linux/ethtool.h. Statistics of drivers have no other way out of the kernel.

use std::io;

use rustix::fd::{AsRawFd, OwnedFd};
use rustix::net::{AddressFamily, SocketFlags, SocketType};

use super::netlink::{text, u32_at, u64_at};

const ETHTOOL_GSET: u32 = 0x1;
const ETHTOOL_GDRVINFO: u32 = 0x3;
const ETHTOOL_GSTRINGS: u32 = 0x1b;
const ETHTOOL_GSTATS: u32 = 0x1d;
const ETHTOOL_GSSET_INFO: u32 = 0x37;
const ETH_SS_STATS: u32 = 1;

/// Length of the name of a statistic, NULs included.
pub(crate) const NAME_BYTES: usize = 32;
/// Drivers have some thousands, with hundreds of queues.
const MOST_STATISTICS: usize = 1 << 15;
/// The kernel writes as many as the driver has at that moment, whatever was asked for: room for a driver that has
/// doubled them since it told how many they are.
const ROOM: usize = 2 * MOST_STATISTICS;

/// A socket to ask with; which one does not matter.
pub(crate) struct Ethtool {
    socket: OwnedFd,
    /// Room for an answer; the part that was never written takes no memory.
    buffer: Vec<u8>,
}

/// Link modes as bits, the first 32 of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Settings {
    /// What the interface can do.
    pub(crate) supported: u32,
    /// What it tells its peer.
    pub(crate) advertised: u32,
    /// Whether it negotiates.
    pub(crate) autonegotiation: u8,
}

/// Driver and device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Driver<'b> {
    /// Its name.
    pub(crate) name: &'b [u8],
    /// Its version; mostly that of the kernel.
    pub(crate) version: &'b [u8],
    /// Version of the firmware.
    pub(crate) firmware: &'b [u8],
    /// Where the device is.
    pub(crate) bus: &'b [u8],
    /// Version of the expansion ROM.
    pub(crate) rom: &'b [u8],
}

impl Ethtool {
    /// Opens the socket.
    pub(crate) fn new() -> io::Result<Self> {
        let flags = SocketFlags::CLOEXEC;
        let socket = rustix::net::socket_with(AddressFamily::INET, SocketType::DGRAM, flags, None)?;
        Ok(Self { socket, buffer: vec![0; 12 + ROOM * NAME_BYTES] })
    }

    /// The link modes of an interface.
    pub(crate) fn settings(&mut self, interface: &[u8]) -> io::Result<Settings> {
        self.ask(interface, &[ETHTOOL_GSET])?;
        read_settings(&self.buffer).ok_or_else(bad)
    }

    /// The driver of an interface.
    pub(crate) fn driver(&mut self, interface: &[u8]) -> io::Result<Driver<'_>> {
        self.ask(interface, &[ETHTOOL_GDRVINFO])?;
        read_driver(&self.buffer).ok_or_else(bad)
    }

    /// The statistics of an interface: names of [`NAME_BYTES`] each, and numbers in the same order.
    pub(crate) fn statistics(
        &mut self,
        interface: &[u8],
        names: &mut Vec<u8>,
        numbers: &mut Vec<u64>,
    ) -> io::Result<()> {
        names.clear();
        numbers.clear();
        let mask = 1_u64 << ETH_SS_STATS;
        let halves = [mask as u32, (mask >> 32) as u32];
        let [first, second] = if cfg!(target_endian = "little") { halves } else { [halves[1], halves[0]] };
        self.ask(interface, &[ETHTOOL_GSSET_INFO, 0, first, second, 0])?;
        // The kernel takes the bit away when there is no such set.
        let there = u64_at(&self.buffer, 8).is_some_and(|mask| mask != 0);
        let n = u32_at(&self.buffer, 16).filter(|_| there).map_or(0, |n| n as usize);
        if n == 0 {
            return Ok(());
        }
        if n > MOST_STATISTICS {
            return Err(io::Error::other(format!("{n} statistics")));
        }
        let count = u32::try_from(n).unwrap_or(0);
        self.ask(interface, &[ETHTOOL_GSTRINGS, ETH_SS_STATS, count])?;
        let of_names = u32_at(&self.buffer, 8);
        names.extend_from_slice(self.buffer.get(12..12 + n * NAME_BYTES).unwrap_or_default());
        self.ask(interface, &[ETHTOOL_GSTATS, count])?;
        if (of_names, u32_at(&self.buffer, 4)) != (Some(count), Some(count)) {
            names.clear();
            return Err(io::Error::other("the statistics changed while they were read"));
        }
        numbers.extend((0..n).filter_map(|at| u64_at(&self.buffer, 8 + at * 8)));
        Ok(())
    }

    /// Sends a question that begins with `words`; the answer is in the buffer.
    #[expect(unsafe_code, reason = "this ioctl has no safe wrapper")]
    fn ask(&mut self, interface: &[u8], words: &[u32]) -> io::Result<()> {
        // Nothing of an earlier answer is taken for a part of this one.
        const HEAD_BYTES: usize = 256;
        let head = self.buffer.get_mut(..HEAD_BYTES).ok_or_else(bad)?;
        head.fill(0);
        for (to, from) in head.chunks_exact_mut(4).zip(words) {
            to.copy_from_slice(&from.to_ne_bytes());
        }
        // SAFETY: all fields are numbers or a pointer that nobody follows while it is null.
        let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
        if interface.len() >= request.ifr_name.len() {
            return Err(io::Error::from_raw_os_error(libc::ENODEV));
        }
        for (to, from) in request.ifr_name.iter_mut().zip(interface) {
            *to = from.cast_signed() as libc::c_char;
        }
        request.ifr_ifru.ifru_data = self.buffer.as_mut_ptr().cast();
        // SAFETY: `request` lives through the call. The commands above read and write through its pointer a structure of
        // less than 256 bytes, or 12 bytes and then 32 per statistic, or 8 and 8: the buffer has room for `ROOM` of
        // them, twice as many as are asked for.
        match unsafe { libc::ioctl(self.socket.as_raw_fd(), libc::SIOCETHTOOL as _, &mut request) } {
            0.. => Ok(()),
            _ => Err(io::Error::last_os_error()),
        }
    }
}

fn bad() -> io::Error {
    io::ErrorKind::InvalidData.into()
}

/// `struct ethtool_cmd`.
fn read_settings(answer: &[u8]) -> Option<Settings> {
    Some(Settings { supported: u32_at(answer, 4)?, advertised: u32_at(answer, 8)?, autonegotiation: *answer.get(18)? })
}

/// `struct ethtool_drvinfo`.
fn read_driver(answer: &[u8]) -> Option<Driver<'_>> {
    let part = |at: usize| answer.get(at..at + 32).map(text);
    Some(Driver { name: part(4)?, version: part(36)?, firmware: part(68)?, bus: part(100)?, rom: part(132)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers() {
        let mut answer = vec![0; 200];
        answer[4..8].copy_from_slice(&0x20c0_u32.to_ne_bytes());
        answer[18] = 1;
        let want = Settings { supported: 0x20c0, advertised: 0, autonegotiation: 1 };
        assert_eq!(read_settings(&answer), Some(want));
        answer[4..10].copy_from_slice(b"e1000e");
        answer[100..132].fill(b'x');
        let driver = read_driver(&answer).unwrap();
        assert_eq!((driver.name, driver.version, driver.bus), (&b"e1000e"[..], &b""[..], &[b'x'; 32][..]));
        for end in 0..19 {
            assert_eq!(read_settings(&answer[..end]), None);
        }
        for end in 0..164 {
            assert_eq!(read_driver(&answer[..end]), None);
        }
    }

    #[test]
    fn the_loopback_interface_has_no_settings() {
        let (mut names, mut numbers) = (vec![1], vec![1]);
        let mut ethtool = Ethtool::new().unwrap();
        assert!(ethtool.settings(b"lo").is_err());
        assert!(ethtool.driver(b"an interface whose name is too long").is_err());
        let _ = ethtool.statistics(b"lo", &mut names, &mut numbers);
        assert_eq!(names.len(), numbers.len() * NAME_BYTES);
    }
}
