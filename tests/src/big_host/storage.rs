//! Disks with their queues, what udev knows of them and the XFS on each, and the table of mounts.

use std::fmt::Write;
use std::io;

use super::{Counts, Numbers, Tree};

/// What a queue tells besides whether the disk turns, in the order of the names.
const QUEUE: &[(&str, i64)] = &[
    ("add_random", 0),
    ("chunk_sectors", 0),
    ("dax", 0),
    ("discard_granularity", 4096),
    ("discard_max_bytes", 2_147_450_880),
    ("discard_max_hw_bytes", 2_147_450_880),
    ("discard_zeroes_data", 0),
    ("fua", 0),
    ("hw_sector_size", 512),
    ("io_poll", 0),
    ("io_poll_delay", -1),
    ("io_timeout", 30_000),
    ("iostats", 1),
    ("logical_block_size", 512),
    ("max_discard_segments", 1),
    ("max_hw_sectors_kb", 32_767),
    ("max_integrity_segments", 0),
    ("max_sectors_kb", 1_280),
    ("max_segments", 168),
    ("max_segment_size", 65_536),
    ("minimum_io_size", 4_096),
    ("nomerges", 0),
    ("nr_requests", 64),
    ("nr_zones", 0),
    ("optimal_io_size", 0),
    ("physical_block_size", 4_096),
    ("read_ahead_kb", 128),
    ("rq_affinity", 1),
    ("wbt_lat_usec", 75_000),
    ("write_same_max_bytes", 0),
    ("write_zeroes_max_bytes", 0),
];

pub(super) fn write_disks(tree: &Tree, disks: usize) -> io::Result<()> {
    let mut table = String::new();
    for at in 0..disks {
        let (mut numbers, name, (major, minor)) = (Numbers::new(at), name(at), device_number(at));
        let counters = numbers.row(17, 9_000_000_000);
        put(&mut table, format_args!("{major:4} {minor:7} {name} {counters}\n"));
        let port = at + 1;
        let device =
            format!("devices/pci0000:00/0000:00:17.0/ata{port}/host{at}/target{at}:0:0/{at}:0:0:0/block/{name}");
        tree.link(&format!("sys/block/{name}"), &format!("../{device}"))?;
        let queue = format!("sys/{device}/queue");
        tree.attributes(&queue, &[("rotational", &1), ("scheduler", &"[mq-deadline] none")])?;
        tree.attributes(&queue, &[("write_cache", &"write back"), ("zoned", &"none")])?;
        QUEUE.iter().try_for_each(|(attribute, value)| tree.attributes(&queue, &[(attribute, value)]))?;
        tree.file(&format!("udev/b{major}:{minor}"), udev(at, port))?;
        tree.file(&format!("sys/fs/xfs/{name}/stats/stats"), xfs(&mut numbers))?;
    }
    tree.file("proc/diskstats", table)
}

/// sda to sdz, sdaa and so on.
fn name(at: usize) -> String {
    let letter = |n: usize| char::from(b'a' + u8::try_from(n % 26).expect("26 letters"));
    let mut letters = String::new();
    let mut rest = at + 1;
    while rest > 0 {
        letters.insert(0, letter(rest - 1));
        rest = (rest - 1) / 26;
    }
    format!("sd{letters}")
}

/// 16 disks per major number of SCSI disks, and those after 256 among the extended numbers.
fn device_number(at: usize) -> (usize, usize) {
    match at / 16 {
        0 => (8, at * 16),
        row @ 1..=7 => (64 + row, at % 16 * 16),
        row @ 8..=15 => (120 + row, at % 16 * 16),
        _ => (259, at - 256),
    }
}

fn udev(at: usize, port: usize) -> String {
    format!(
        "S:disk/by-id/ata-EXAMPLE_DISK_18T_E{at:07}\nS:disk/by-path/pci-0000:00:17.0-ata-{port}\nI:2812345\nE:ID_ATA=1\n\
         E:ID_TYPE=disk\nE:ID_BUS=ata\nE:ID_MODEL=EXAMPLE_DISK_18T\nE:ID_REVISION=EX02\n\
         E:ID_SERIAL=EXAMPLE_DISK_18T_E{at:07}\nE:ID_SERIAL_SHORT=E{at:07}\nE:ID_ATA_WRITE_CACHE=1\n\
         E:ID_ATA_WRITE_CACHE_ENABLED=1\nE:ID_ATA_ROTATION_RATE_RPM=7200\nE:ID_ATA_SATA=1\n\
         E:ID_WWN=0x5000c500{at:08x}\nE:ID_PATH=pci-0000:00:17.0-ata-{port}\nE:ID_FS_TYPE=xfs\n\
         E:ID_FS_USAGE=filesystem\nE:ID_FS_UUID=6f1d2c3b-4a59-4e78-8f90-{at:012x}\nE:ID_FS_VERSION=\nG:systemd\n"
    )
}

fn xfs(numbers: &mut Numbers) -> String {
    // The lines that are shown, with as many numbers as the kernel has.
    let lines = [
        ("extent_alloc", 4),
        ("abt", 4),
        ("blk_map", 7),
        ("bmbt", 4),
        ("dir", 4),
        ("trans", 3),
        ("ig", 7),
        ("log", 5),
        ("push_ail", 10),
        ("xstrat", 2),
        ("rw", 2),
        ("attr", 4),
        ("icluster", 3),
        ("vnodes", 8),
        ("buf", 9),
        ("abtb2", 15),
        ("abtc2", 15),
        ("bmbt2", 15),
        ("ibt2", 15),
        ("fibt2", 15),
        ("rmapbt", 15),
        ("refcntbt", 15),
        ("qm", 8),
        ("xpc", 3),
        ("debug", 1),
    ];
    lines.iter().map(|(name, n)| format!("{name} {}\n", numbers.row(*n, 900_000_000))).collect()
}

/// What a pod has mounted.
const VOLUMES: [&str; 5] = ["kube-api-access-x7k2p", "config", "certificates", "credentials", "service-account"];

/// The root, one mount per disk as far as they go, then five volumes for each pod; beside them what every host has mounted
/// and what containers stand on, which is left out by default.
pub(super) fn write_mounts(tree: &Tree, counts: &Counts) -> io::Result<()> {
    let mut table = "22 28 0:20 / /proc rw,nosuid,nodev,noexec,relatime shared:5 - proc proc rw\n\
                     23 28 0:21 / /sys rw,nosuid,nodev,noexec,relatime shared:2 - sysfs sysfs rw\n\
                     24 28 0:6 / /dev rw,nosuid shared:9 - devtmpfs devtmpfs rw,size=131072k,mode=755\n\
                     25 23 0:24 / /sys/fs/cgroup rw,nosuid,nodev,noexec,relatime shared:4 - cgroup2 cgroup2 rw\n"
        .to_owned();
    for at in 0..counts.mounts {
        let (id, device) = (100 + at, at.wrapping_sub(1));
        let point = match at {
            0 => "/".to_owned(),
            _ if device < counts.disks => format!("/srv/disk{device}"),
            _ => format!("/var/lib/kubelet/pods/{}/volumes/kubernetes.io~projected/{}", pod(at / 5), VOLUMES[at % 5]),
        };
        tree.folder(&format!("root{point}"))?;
        let line = match at {
            0 => "253:0 / / rw,relatime shared:1 - ext4 /dev/mapper/vg0-root rw".to_owned(),
            _ if device < counts.disks => {
                let (major, minor) = device_number(device);
                let disk = name(device);
                format!("{major}:{minor} / {point} rw,noatime shared:{id} - xfs /dev/{disk} rw,attr2,inode64,noquota")
            }
            _ => format!("0:{id} / {point} rw,relatime shared:{id} - tmpfs tmpfs rw,size=16384k,inode64"),
        };
        put(&mut table, format_args!("{id} 28 {line}\n"));
        if at % 4 == 3 {
            let point = format!("/run/containerd/io.containerd.runtime.v2.task/k8s.io/{at:064x}/rootfs");
            let layers = format!(
                "lowerdir=/var/lib/containerd/l/{at}:/var/lib/containerd/l/1,upperdir=/var/lib/containerd/u/{at}"
            );
            let id = 100 + counts.mounts + at;
            put(
                &mut table,
                format_args!("{id} 28 0:{id} / {point} rw,relatime shared:{id} - overlay overlay rw,{layers}\n"),
            );
        }
    }
    tree.file("proc/1/mountinfo", table)
}

/// The identifier of a pod, spread as random ones are.
fn pod(at: usize) -> String {
    let mut numbers = Numbers::new(at);
    format!("{:08x}-{:04x}-4d1c-9b1a-{at:012x}", numbers.below(1 << 32), numbers.below(1 << 16))
}

fn put(text: &mut String, what: std::fmt::Arguments<'_>) {
    text.write_fmt(what).expect("a string takes everything");
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn disks_have_names_and_numbers_of_their_own() {
        for (at, want) in [(0, "sda"), (25, "sdz"), (26, "sdaa"), (701, "sdzz"), (702, "sdaaa")] {
            assert_eq!(name(at), want);
        }
        assert_eq!([0, 15, 16, 127, 128, 255, 256].map(device_number).last(), Some(&(259, 0)));
        assert_eq!((0..2_000).map(device_number).collect::<HashSet<_>>().len(), 2_000);
    }
}
