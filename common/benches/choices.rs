//! Ways not taken, each beside the one that was: BENCHMARKS.md has the figures, `ARCHITECTURE.md` the decisions.
//!
//! * `files`: reading the files of a scrape from /proc: kept open, opened each time, opened below a kept directory, or
//!   handed to io_uring all at once.
//! * `links`: one dump of the network interfaces with all that the kernel has, without the statistics of the address
//!   families, and of the counters alone.
//! * `gzip`: implementations and levels over a page of 60 KB and one of 2 MB, and pages given in small pieces.
//! * `numbers`: whole numbers by way of a float, and as they are.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a bench stops when it cannot go on, and prints")]

use std::ffi::CStr;
use std::hint::black_box;

use common::exposition::push_number;
use common::gzip::Gzip;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use flate2::{Compress, Compression, FlushCompress, Status};
use rustix::fd::{AsRawFd, OwnedFd};
use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketType, recv, sendto, socket};

/// Below /proc; those that the running kernel lacks are left out.
const FILES: [&CStr; 16] = [
    c"stat",
    c"meminfo",
    c"vmstat",
    c"loadavg",
    c"diskstats",
    c"sys/fs/file-nr",
    c"net/netstat",
    c"net/snmp",
    c"net/snmp6",
    c"net/sockstat",
    c"net/sockstat6",
    c"net/softnet_stat",
    c"net/udp",
    c"pressure/cpu",
    c"pressure/io",
    c"pressure/memory",
];

const FILE_BYTES: usize = 16 << 10;

fn read_twice(file: &OwnedFd, buffer: &mut [u8]) -> usize {
    let n = rustix::io::pread(file, &mut *buffer, 0).unwrap();
    n + rustix::io::pread(file, &mut *buffer, n as u64).unwrap()
}

fn files(c: &mut Criterion) {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    let proc = openat(CWD, c"/proc", flags | OFlags::DIRECTORY, Mode::empty()).unwrap();
    let open = |name: &CStr| openat(&proc, name, flags, Mode::empty());
    let names: Vec<&CStr> = FILES.into_iter().filter(|name| open(name).is_ok()).collect();
    let kept: Vec<OwnedFd> = names.iter().map(|name| open(name).unwrap()).collect();
    let paths: Vec<String> = names.iter().map(|name| format!("/proc/{}", name.to_str().unwrap())).collect();
    println!("{} files", names.len());
    let mut buffer = vec![0; FILE_BYTES];
    let mut group = c.benchmark_group("files");
    group.bench_function("kept open, read to the end", |b| {
        b.iter(|| kept.iter().map(|file| read_twice(file, &mut buffer)).sum::<usize>());
    });
    group.bench_function("kept open, one read each", |b| {
        b.iter(|| kept.iter().map(|file| rustix::io::pread(file, &mut buffer[..], 0).unwrap()).sum::<usize>());
    });
    group.bench_function("opened by path", |b| {
        b.iter(|| {
            let open = |path: &String| rustix::fs::open(path.as_str(), flags, Mode::empty()).unwrap();
            paths.iter().map(|path| read_twice(&open(path), &mut buffer)).sum::<usize>()
        });
    });
    group.bench_function("opened below a kept directory", |b| {
        b.iter(|| names.iter().map(|name| read_twice(&open(name).unwrap(), &mut buffer)).sum::<usize>());
    });
    if let Ok(mut ring) = io_uring::IoUring::new(32) {
        let mut buffers = vec![vec![0_u8; FILE_BYTES]; kept.len()];
        group.bench_function("kept open, io_uring", |b| b.iter(|| read_by_ring(&mut ring, &kept, &mut buffers)));
    } else {
        println!("no io_uring here");
    }
    group.finish();
}

#[expect(unsafe_code, reason = "the ring writes into buffers by address; a bench's alone")]
fn read_by_ring(ring: &mut io_uring::IoUring, files: &[OwnedFd], buffers: &mut [Vec<u8>]) -> usize {
    for (file, buffer) in files.iter().zip(buffers.iter_mut()) {
        let fd = io_uring::types::Fd(file.as_raw_fd());
        let room = u32::try_from(buffer.len()).unwrap();
        let read = io_uring::opcode::Read::new(fd, buffer.as_mut_ptr(), room).offset(0).build();
        // SAFETY: files and buffers outlive the wait below, in which every read ends.
        unsafe { ring.submission().push(&read) }.unwrap();
    }
    ring.submit_and_wait(files.len()).unwrap();
    ring.completion().map(|done| usize::try_from(done.result()).unwrap()).sum()
}

/// Of linux/rtnetlink.h, linux/if_link.h.
const RTM_GETLINK: u16 = 18;
const RTM_GETSTATS: u16 = 94;
const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
const DUMP: u16 = 0x301;
const IFLA_EXT_MASK: u16 = 29;
const SKIP_FAMILY_STATS: u32 = 1 << 3;

fn request(kind: u16, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(16 + body.len()).unwrap();
    let header = [&length.to_ne_bytes()[..], &kind.to_ne_bytes(), &DUMP.to_ne_bytes(), &[0; 8]].concat();
    [&header, body].concat()
}

fn dump(netlink: &OwnedFd, request: &[u8], buffer: &mut [u8]) -> usize {
    sendto(netlink, request, SendFlags::empty(), &SocketAddrNetlink::new(0, 0)).unwrap();
    let mut total = 0;
    loop {
        let n = recv(netlink, &mut *buffer, RecvFlags::empty()).unwrap().0;
        total += n;
        if n == 0 || is_last(buffer.get(..n).unwrap_or_default()) {
            return total;
        }
    }
}

/// Whether a datagram has the message that ends a dump, or the one that refuses it.
fn is_last(mut datagram: &[u8]) -> bool {
    while let Some((length, kind)) = datagram.first_chunk::<4>().zip(datagram.get(4..6)) {
        if [NLMSG_ERROR, NLMSG_DONE].iter().any(|last| kind == last.to_ne_bytes()) {
            return true;
        }
        let length = usize::try_from(u32::from_ne_bytes(*length)).unwrap().next_multiple_of(4);
        datagram = datagram.get(length.max(16)..).unwrap_or_default();
    }
    false
}

fn links(c: &mut Criterion) {
    let netlink = socket(AddressFamily::NETLINK, SocketType::RAW, None).unwrap();
    let mut buffer = vec![0; 64 << 10];
    // struct ifinfomsg, and one attribute.
    let mut filtered = vec![0; 16];
    filtered
        .extend([&8_u16.to_ne_bytes()[..], &IFLA_EXT_MASK.to_ne_bytes(), &SKIP_FAMILY_STATS.to_ne_bytes()].concat());
    // struct if_stats_msg: IFLA_STATS_LINK_64 alone.
    let counters = [&[0; 8][..], &1_u32.to_ne_bytes()].concat();
    let mut group = c.benchmark_group("links");
    for (name, request) in [
        ("all", request(RTM_GETLINK, &[0; 16])),
        ("without the families' statistics", request(RTM_GETLINK, &filtered)),
        ("counters alone", request(RTM_GETSTATS, &counters)),
    ] {
        println!("links, {name}: {} bytes", dump(&netlink, &request, &mut buffer));
        group.bench_function(name, |b| b.iter(|| dump(&netlink, &request, &mut buffer)));
    }
    group.finish();
}

/// A page as node-exporter writes it, of about this many bytes.
fn page(bytes: usize) -> String {
    let golden = include_str!("../../node-exporter/tests/golden/node.prom");
    let mut page = String::new();
    for round in 0.. {
        for line in golden.lines() {
            if page.len() >= bytes {
                return page;
            }
            page.push_str(&line.replace("=\"", &format!("=\"{round}")));
            page.push('\n');
        }
    }
    page
}

fn by_flate2(stream: &mut Compress, page: &[u8], out: &mut Vec<u8>) -> usize {
    out.clear();
    stream.reset();
    assert!(matches!(stream.compress_vec(page, out, FlushCompress::Finish), Ok(Status::StreamEnd)));
    out.len()
}

fn gzip(c: &mut Criterion) {
    for (name, bytes) in [("60 KB", 60_000), ("2 MB", 2_000_000)] {
        let page = page(bytes);
        let page = page.as_bytes();
        let mut out = Vec::with_capacity(page.len() + 4096);
        let mut group = c.benchmark_group(format!("gzip {name}"));
        group.throughput(Throughput::Bytes(page.len() as u64));
        for level in [1, 2, 6] {
            let mut stream = Compress::new_gzip(Compression::new(level), 15);
            println!("gzip {name}: zlib-rs, level {level}: {} bytes", by_flate2(&mut stream, page, &mut out));
            group.bench_function(format!("zlib-rs, level {level}"), |b| {
                b.iter(|| by_flate2(&mut stream, page, &mut out))
            });
        }
        for level in [1, 2, 6] {
            let mut libdeflate = libdeflater::Compressor::new(libdeflater::CompressionLvl::new(level).unwrap());
            let mut room = vec![0; libdeflate.gzip_compress_bound(page.len())];
            let n = libdeflate.gzip_compress(page, &mut room).unwrap();
            println!("gzip {name}: libdeflate, level {level}: {n} bytes");
            group.bench_function(format!("libdeflate, level {level}"), |b| {
                b.iter(|| libdeflate.gzip_compress(page, &mut room).unwrap());
            });
        }
        println!("gzip {name}: miniz_oxide, level 1: {} bytes", miniz_oxide::deflate::compress_to_vec(page, 1).len());
        group.bench_function("miniz_oxide, level 1", |b| {
            b.iter(|| miniz_oxide::deflate::compress_to_vec(page, 1).len())
        });
        // As the pages give it: family by family, a few lines each.
        let mut ours = Gzip::default();
        group.bench_function("ours, in pieces", |b| {
            b.iter(|| {
                out.clear();
                for piece in page.chunks(300) {
                    ours.push(piece, &mut out);
                }
                ours.finish(&mut out);
                out.len()
            });
        });
        let mut stream = Compress::new_gzip(Compression::new(1), 15);
        group.bench_function("zlib-rs, level 1, in pieces", |b| {
            b.iter(|| {
                out.clear();
                stream.reset();
                for piece in page.chunks(300) {
                    stream.compress_vec(piece, &mut out, FlushCompress::None).unwrap();
                }
                stream.compress_vec(&[], &mut out, FlushCompress::Finish).unwrap();
                out.len()
            });
        });
        group.finish();
    }
}

fn numbers(c: &mut Criterion) {
    let numbers: Vec<u64> = (0..1000).map(|n| n * n * 1_234_567 % 9_007_199_254_740_993).collect();
    let mut out = Vec::with_capacity(64 << 10);
    let mut group = c.benchmark_group("1000 whole numbers");
    group.throughput(Throughput::Elements(1000));
    group.bench_function("by way of a float", |b| {
        b.iter(|| {
            out.clear();
            for &number in &numbers {
                push_number(&mut out, black_box(number) as f64);
            }
            out.len()
        });
    });
    group.bench_function("as they are", |b| {
        b.iter(|| {
            out.clear();
            let mut digits = itoa::Buffer::new();
            for &number in &numbers {
                out.extend_from_slice(digits.format(black_box(number)).as_bytes());
            }
            out.len()
        });
    });
    group.finish();
}

criterion_group!(benches, files, links, gzip, numbers);
criterion_main!(benches);
