//! What a mounted btrfs tells about its devices, by ioctl(2).
//!
//! Layout: kernel include/uapi/linux/btrfs.h.

use std::io;

use common::fuzzing::{Parser, eat};
use rustix::fd::{AsFd, BorrowedFd};
use rustix::io::Errno;
use rustix::ioctl::{Getter, Opcode, Updater, ioctl, opcode};

const MAGIC: u8 = 0x94;

/// The structures are arrays of 64-bit words to us: their fields are such words, or bytes at a multiple of eight.
type FsInfo = [u64; 1024 / 8];
type DevInfo = [u64; 4096 / 8];
type DevStats = [u64; 1032 / 8];

const FS_INFO: Opcode = opcode::read::<FsInfo>(MAGIC, 31);
const DEV_INFO: Opcode = opcode::read_write::<DevInfo>(MAGIC, 30);
const GET_DEV_STATS: Opcode = opcode::read_write::<DevStats>(MAGIC, 52);

/// No file system has more devices than this, and their numbers grow with each that is added.
const MOST_IDS: u64 = 65_536;

/// Identifies a file system or a device.
pub(crate) type Uuid = [u8; 16];

/// A device of a file system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Device {
    /// Its identity.
    pub(crate) uuid: Uuid,
    /// Last part of the path it was opened by.
    pub(crate) name: Vec<u8>,
    /// Its size.
    pub(crate) bytes: u64,
    /// How much of it is given to block groups.
    pub(crate) used_bytes: u64,
    /// Errors in writing, reading and flushing, corrupt blocks and blocks of the wrong generation; a kernel may keep this
    /// to itself.
    pub(crate) errors: Option<[u64; 5]>,
}

/// The identity of the file system that `dir` is on.
pub(crate) fn identity(dir: impl AsFd) -> io::Result<Uuid> {
    Ok(fs_info(&get(dir.as_fd())?).id)
}

/// The devices of the file system that `dir` is on.
pub(crate) fn devices(dir: impl AsFd) -> io::Result<Vec<Device>> {
    let dir = dir.as_fd();
    let info = fs_info(&get(dir)?);
    let mut devices = Vec::new();
    // The numbers have gaps where devices were removed.
    for id in 0..=info.highest_id.min(MOST_IDS) {
        if devices.len() as u64 >= info.n_devices {
            break;
        }
        let mut raw: DevInfo = [0; 512];
        set(&mut raw, id);
        match dev_info(dir, &mut raw) {
            Ok(()) => {}
            Err(Errno::NODEV) => continue,
            Err(e) => return Err(e.into()),
        }
        let mut stats: DevStats = [0; 129];
        set(&mut stats, id);
        if let Some(n) = stats.get_mut(1) {
            *n = 5;
        }
        let errors = dev_stats(dir, &mut stats).ok().and_then(|()| errors(&stats));
        devices.extend(device(&raw).map(|device| Device { errors, ..device }));
    }
    Ok(devices)
}

/// The number of the device is the first word of what is asked.
fn set(raw: &mut [u64], id: u64) {
    if let Some(first) = raw.first_mut() {
        *first = id;
    }
}

#[expect(unsafe_code, reason = "no library wraps the requests of btrfs")]
fn get(dir: BorrowedFd<'_>) -> io::Result<FsInfo> {
    // SAFETY: the request writes as many bytes as its number says, which is computed from the type of the value, and any
    // bytes are valid in it.
    Ok(unsafe { ioctl(dir, Getter::<FS_INFO, FsInfo>::new()) }?)
}

#[expect(unsafe_code, reason = "no library wraps the requests of btrfs")]
fn dev_info(dir: BorrowedFd<'_>, raw: &mut DevInfo) -> Result<(), Errno> {
    // SAFETY: as above; the request reads and writes the value alone.
    unsafe { ioctl(dir, Updater::<DEV_INFO, DevInfo>::new(raw)) }
}

#[expect(unsafe_code, reason = "no library wraps the requests of btrfs")]
fn dev_stats(dir: BorrowedFd<'_>, raw: &mut DevStats) -> Result<(), Errno> {
    // SAFETY: as above; the request reads and writes the value alone.
    unsafe { ioctl(dir, Updater::<GET_DEV_STATS, DevStats>::new(raw)) }
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Info {
    highest_id: u64,
    n_devices: u64,
    id: Uuid,
}

fn fs_info(raw: &[u64]) -> Info {
    match raw {
        [highest_id, n_devices, a, b, ..] => {
            Info { highest_id: *highest_id, n_devices: *n_devices, id: bytes([*a, *b]) }
        }
        _ => Info::default(),
    }
}

/// Where the path is in the answer, in words.
const PATH: usize = 3072 / 8;

fn device(raw: &[u64]) -> Option<Device> {
    let [_id, a, b, used_bytes, bytes_in_all, ..] = raw else { return None };
    let path: Vec<u8> = raw.get(PATH..)?.iter().flat_map(|word| word.to_ne_bytes()).take_while(|&b| b != 0).collect();
    let name = path.rsplit(|&b| b == b'/').next().unwrap_or_default().to_vec();
    Some(Device { uuid: bytes([*a, *b]), name, bytes: *bytes_in_all, used_bytes: *used_bytes, errors: None })
}

fn errors(raw: &[u64]) -> Option<[u64; 5]> {
    let [_id, n, _flags, write, read, flush, corruption, generation, ..] = raw else { return None };
    (*n >= 5).then_some([*write, *read, *flush, *corruption, *generation])
}

fn bytes(words: [u64; 2]) -> Uuid {
    let mut uuid = Uuid::default();
    for (byte, from) in uuid.iter_mut().zip(words.iter().flat_map(|word| word.to_ne_bytes())) {
        *byte = from;
    }
    uuid
}

/// A UUID as people write it.
pub(crate) fn uuid_text(uuid: &Uuid) -> String {
    let mut text = String::with_capacity(36);
    for (at, byte) in uuid.iter().enumerate() {
        if matches!(at, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        for digit in [byte >> 4, byte & 15] {
            text.push(char::from_digit(u32::from(digit), 16).unwrap_or('0'));
        }
    }
    text
}

/// For the fuzzer.
pub(crate) const PARSER: Parser = Parser::new(
    "btrfs answers",
    |all| {
        let words = |chunk: &[u8]| chunk.iter().fold(0, |word, &b| word << 8 | u64::from(b));
        let raw: Vec<u64> = all.chunks(8).map(words).collect();
        eat((fs_info(&raw), device(&raw).map(|device| uuid_text(&device.uuid)), errors(&raw)));
    },
    &[7; 3100],
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_have_the_numbers_of_the_kernel() {
        // As printed by `strace`; other architectures arrange the bits differently.
        #[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
        assert_eq!((FS_INFO, DEV_INFO, GET_DEV_STATS), (0x8400_941f, 0xd000_941e, 0xc408_9434));
    }

    #[test]
    fn good() {
        let mut raw = [0_u64; 512];
        raw[1] = u64::from_ne_bytes([0, 1, 2, 3, 4, 5, 6, 7]);
        raw[2] = u64::from_ne_bytes([8, 9, 10, 11, 12, 13, 14, 255]);
        (raw[3], raw[4]) = (4096, u64::MAX);
        raw[PATH] = u64::from_ne_bytes(*b"/dev/map");
        raw[PATH + 1] = u64::from_ne_bytes(*b"per/a b\0");
        let found = device(&raw).unwrap();
        assert_eq!(uuid_text(&found.uuid), "00010203-0405-0607-0809-0a0b0c0d0eff");
        assert_eq!((found.name.as_slice(), found.bytes, found.used_bytes), (&b"a b"[..], u64::MAX, 4096));
        let info = fs_info(&[3, 2, raw[1], raw[2]]);
        assert_eq!((info.highest_id, info.n_devices, info.id), (3, 2, found.uuid));
        assert_eq!(errors(&[1, 5, 0, 1, 2, 3, 4, 5]), Some([1, 2, 3, 4, 5]));
    }

    #[test]
    fn cut_short() {
        assert_eq!(fs_info(&[1, 2, 3]), Info::default());
        assert_eq!(device(&[0; 20]), None);
        assert_eq!(errors(&[1, 4, 0, 1, 2, 3, 4, 5]), None);
    }

    #[test]
    fn another_file_system_does_not_answer() {
        let dir = tempfile::tempdir_in("/dev/shm").unwrap();
        assert!(devices(std::fs::File::open(dir.path()).unwrap()).is_err());
    }
}
