//! Sockets for clients that take much, read little and leave without a word.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpStream};
use std::time::Duration;

use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, connect, socket_with, sockopt};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::wait::DEADLINE;

/// A connection from an address of its own: each has its own ports, of which 10,000 connections take a third.
///
/// # Errors
///
/// When there are no descriptors or ports left, or nobody listens.
pub fn connect_from(source: Ipv4Addr, to: SocketAddr) -> io::Result<TcpStream> {
    let socket = socket_with(AddressFamily::INET, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    bind(&socket, &SocketAddrV4::new(source, 0))?;
    connected(socket.into(), to)
}

/// A connection that holds next to nothing of what it is sent until it is read.
///
/// # Errors
///
/// When nobody listens.
pub fn connect_narrow(to: SocketAddr) -> io::Result<TcpStream> {
    let socket = socket_with(AddressFamily::INET, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    // The kernel's least. Only before the connection does it count for the window.
    sockopt::set_socket_recv_buffer_size(&socket, 1)?;
    connected(socket.into(), to)
}

fn connected(socket: TcpStream, to: SocketAddr) -> io::Result<TcpStream> {
    connect(&socket, &to)?;
    socket.set_read_timeout(Some(DEADLINE))?;
    socket.set_write_timeout(Some(DEADLINE))?;
    Ok(socket)
}

/// Ends the connection with a reset, whatever is under way.
///
/// # Errors
///
/// When the kernel refuses the option.
pub fn reset(socket: TcpStream) -> io::Result<()> {
    Ok(sockopt::set_socket_linger(&socket, Some(Duration::ZERO))?)
}

/// Lets this test have as many descriptors as the system allows it; how many that are.
pub fn raise_descriptor_limit() -> u64 {
    let limit = getrlimit(Resource::Nofile);
    let most = Rlimit { current: limit.maximum, maximum: limit.maximum };
    let reached = if setrlimit(Resource::Nofile, most).is_ok() { limit.maximum } else { limit.current };
    reached.unwrap_or(u64::MAX)
}
