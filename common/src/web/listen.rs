//! `--web.listen-address` values: text to a bound, listening socket.
//!
//! * Forms: `host:port`, `:port` (all interfaces, IPv4 and IPv6 on one socket), `[ip]:port`, `[v6%zone]:port`,
//!   port 0 for a free one, `vsock://:port`, `vsock://cid:port`.
//! * Host names: `localhost` and the names in `/etc/hosts` only. The programs are linked statically, and a static
//!   glibc cannot load the NSS modules behind getaddrinfo; asking DNS where to listen is a mistake waiting to happen.
//! * Differs from the Go exporters: a service name (`:http`) instead of a port number is refused.

use std::fmt;
use std::fs;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6, TcpListener};
use std::os::unix::net::UnixListener;

use socket2::{Domain, Protocol, SockAddr, Socket, Type};

use crate::hosts;
use crate::sandbox::Need;

/// Connections the kernel completes and keeps for us while we are busy; it caps the number at net.core.somaxconn.
const BACKLOG: i32 = 1024;

/// One address of the command line, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// `:port`: every interface, both families.
    AnyHost {
        /// 0 asks the kernel for a free port.
        port: u16,
    },
    /// `host:port`, the host still a text.
    Host {
        /// An IP literal without brackets (IPv6 perhaps with `%zone`), or a name.
        host: String,
        /// 0 asks the kernel for a free port.
        port: u16,
    },
    /// `vsock://cid:port`: a virtual machine's socket to its host.
    Vsock {
        /// Context id; `None` is any.
        cid: Option<u32>,
        /// Port, 32 bits wide in this family.
        port: u32,
    },
}

/// A listening socket and its names.
#[derive(Debug)]
pub struct Bound {
    /// The address as configured, for example `:9100` or `localhost:0`.
    pub address: String,
    /// The address really bound, for example `127.0.0.1:34567`, `[::]:9100` or `vsock://4294967295:9100`.
    pub local: String,
    /// The socket, listening and non-blocking.
    pub listener: Listener,
}

/// A listening socket of any family we serve.
#[derive(Debug)]
pub enum Listener {
    /// IPv4 and IPv6.
    Tcp(TcpListener),
    /// A Unix socket; only systemd passes one.
    Unix(UnixListener),
    /// A vsock stream socket.
    Vsock(Socket),
}

/// Why there is no socket: the address as configured, then what was wrong with it.
#[derive(Debug)]
pub struct ListenError {
    address: String,
    what: String,
    source: Option<io::Error>,
}

impl ListenError {
    pub(super) fn new(address: &str, what: impl Into<String>) -> Self {
        Self { address: address.into(), what: what.into(), source: None }
    }

    fn io(address: &str, source: io::Error) -> Self {
        let what = match source.raw_os_error() {
            Some(libc::EADDRINUSE) => "address already in use".into(),
            Some(libc::EADDRNOTAVAIL) => "no interface of this machine has this address".into(),
            Some(libc::EACCES) => "permission denied (ports below 1024 need CAP_NET_BIND_SERVICE)".into(),
            Some(libc::EAFNOSUPPORT) => "this kernel does not support the address family".into(),
            _ => source.to_string(),
        };
        Self { address: address.into(), what, source: Some(source) }
    }

    /// The address the message is about, as configured; `systemd` for passed sockets.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }
}

impl fmt::Display for ListenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "listen address {:?}: {}", self.address, self.what)
    }
}

// The source is already part of the message; naming it again would print it twice.
impl std::error::Error for ListenError {}

impl ListenError {
    /// The system's refusal, when there was one.
    #[must_use]
    pub fn io_error(&self) -> Option<&io::Error> {
        self.source.as_ref()
    }
}

/// Takes an address apart; touches nothing.
///
/// # Errors
/// A text that is none of the forms in the module description.
pub fn parse(text: &str) -> Result<Address, ListenError> {
    let bad = |what: String| ListenError::new(text, what);
    if let Some(rest) = text.strip_prefix("vsock://") {
        let (cid, port) = rest
            .rsplit_once(':')
            .ok_or_else(|| bad(format!("expected vsock://:port or vsock://cid:port, found {rest:?} after vsock://")))?;
        let cid = match cid {
            "" => None,
            digits => Some(digits.parse().map_err(|_| bad(format!("expected a vsock context id, found {digits:?}")))?),
        };
        let port = port.parse().map_err(|_| bad(format!("expected a vsock port number, found {port:?}")))?;
        return Ok(Address::Vsock { cid, port });
    }
    if let Some((scheme, _)) = text.split_once("://") {
        return Err(bad(format!("expected host:port or vsock://:port, found the scheme {scheme:?}")));
    }
    let (host, port) =
        text.rsplit_once(':').ok_or_else(|| bad(format!("expected host:port, found {text:?} without a port")))?;
    let port = port
        .bytes()
        .all(|b| b.is_ascii_digit())
        .then(|| port.parse().ok())
        .flatten()
        .ok_or_else(|| bad(format!("expected a port from 0 to 65535 after the last colon, found {port:?}")))?;
    if host.is_empty() {
        return Ok(Address::AnyHost { port });
    }
    if let Some(inner) = host.strip_prefix('[') {
        let inner = inner.strip_suffix(']').ok_or_else(|| bad("expected ] before the port".into()))?;
        let ip = inner.split_once('%').map_or(inner, |(ip, _zone)| ip);
        // Charts write [$(HOST_IP)]:9100 so that one text serves both families: brackets around IPv4 say nothing.
        let is_ip = ip.parse::<Ipv6Addr>().is_ok() || inner.parse::<Ipv4Addr>().is_ok();
        if !is_ip {
            return Err(bad(format!("expected an IP address in brackets, found {inner:?}")));
        }
        return Ok(Address::Host { host: inner.into(), port });
    }
    if host.contains(':') {
        return Err(bad(format!("expected brackets around an IPv6 address: [{host}]:{port}")));
    }
    let is_name = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_');
    if !host.bytes().all(is_name) {
        return Err(bad(format!("expected an IP address or a host name before the port, found {host:?}")));
    }
    Ok(Address::Host { host: host.into(), port })
}

/// What binding an address needs; a malformed one needs nothing.
pub(crate) fn need(text: &str) -> Option<Need> {
    match parse(text).ok()? {
        Address::AnyHost { port } | Address::Host { port, .. } => Some(Need::Bind(port)),
        Address::Vsock { .. } => None,
    }
}

/// Binds every address, in order.
///
/// # Errors
/// The first address that is malformed, unknown here or refused by the kernel. Sockets bound before it are closed.
pub fn bind(addresses: &[String]) -> Result<Vec<Bound>, ListenError> {
    addresses.iter().map(|text| bind_one(text)).collect()
}

/// Binds one address.
///
/// # Errors
/// The address is malformed, its name is unknown here, or the kernel refuses it.
pub fn bind_one(text: &str) -> Result<Bound, ListenError> {
    let failed = |e| ListenError::io(text, e);
    match parse(text)? {
        Address::AnyHost { port } => {
            let both = listen_tcp(SocketAddr::from((Ipv6Addr::UNSPECIFIED, port)));
            match both {
                // Booted with ipv6.disable=1 there is no such family, with disable_ipv6 no such address.
                Err(e) if matches!(e.raw_os_error(), Some(libc::EAFNOSUPPORT | libc::EADDRNOTAVAIL)) => {
                    listen_tcp(SocketAddr::from((Ipv4Addr::UNSPECIFIED, port)))
                }
                other => other,
            }
            .map_err(failed)
            .and_then(|socket| from_tcp(text, socket))
        }
        Address::Host { host, port } => {
            let address = resolve(text, &host, port)?;
            listen_tcp(address).map_err(failed).and_then(|socket| from_tcp(text, socket))
        }
        Address::Vsock { cid, port } => listen_vsock(cid, port).map_err(failed).and_then(|s| from_vsock(text, s)),
    }
}

fn listen_tcp(address: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        socket.set_only_v6(false)?;
    }
    // A restart must not wait for the connections of its predecessor to time out.
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

#[cfg(target_os = "linux")]
fn listen_vsock(cid: Option<u32>, port: u32) -> io::Result<Socket> {
    let socket = Socket::new(Domain::VSOCK, Type::STREAM, None)?;
    socket.bind(&SockAddr::vsock(cid.unwrap_or(libc::VMADDR_CID_ANY), port))?;
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

#[cfg(not(target_os = "linux"))]
fn listen_vsock(_cid: Option<u32>, _port: u32) -> io::Result<Socket> {
    Err(io::Error::from_raw_os_error(libc::EAFNOSUPPORT))
}

/// Gives a socket that already listens its names.
pub(super) fn from_socket(address: &str, socket: Socket) -> Result<Bound, ListenError> {
    let failed = |e| ListenError::io(address, e);
    socket.set_nonblocking(true).map_err(failed)?;
    let domain = socket.local_addr().map_err(failed)?;
    if is_vsock(&domain) {
        return from_vsock(address, socket);
    }
    match domain.domain() {
        Domain::IPV4 | Domain::IPV6 => from_tcp(address, socket),
        Domain::UNIX => {
            let path = domain.as_pathname().map(|path| path.display().to_string());
            let local = format!("unix:{}", path.unwrap_or_else(|| "(no path)".into()));
            Ok(Bound { address: address.into(), local, listener: Listener::Unix(socket.into()) })
        }
        other => Err(ListenError::new(
            address,
            format!("expected a TCP, Unix or vsock stream socket, found address family {}", i32::from(other)),
        )),
    }
}

fn from_tcp(address: &str, socket: Socket) -> Result<Bound, ListenError> {
    let listener = TcpListener::from(socket);
    let local = listener.local_addr().map_err(|e| ListenError::io(address, e))?;
    Ok(Bound { address: address.into(), local: local.to_string(), listener: Listener::Tcp(listener) })
}

fn from_vsock(address: &str, socket: Socket) -> Result<Bound, ListenError> {
    let local = socket.local_addr().map_err(|e| ListenError::io(address, e))?;
    Ok(Bound { address: address.into(), local: vsock_name(&local), listener: Listener::Vsock(socket) })
}

#[cfg(target_os = "linux")]
fn is_vsock(address: &SockAddr) -> bool {
    address.domain() == Domain::VSOCK
}

#[cfg(not(target_os = "linux"))]
fn is_vsock(_address: &SockAddr) -> bool {
    false
}

#[cfg(target_os = "linux")]
fn vsock_name(address: &SockAddr) -> String {
    address.as_vsock_address().map_or_else(|| "vsock://".into(), |(cid, port)| format!("vsock://{cid}:{port}"))
}

#[cfg(not(target_os = "linux"))]
fn vsock_name(_address: &SockAddr) -> String {
    "vsock://".into()
}

fn resolve(text: &str, host: &str, port: u16) -> Result<SocketAddr, ListenError> {
    if let Some((ip, zone)) = host.split_once('%') {
        let ip: Ipv6Addr = ip.parse().map_err(|_| ListenError::new(text, "expected an IPv6 address before %"))?;
        let scope = scope_id(zone)
            .ok_or_else(|| ListenError::new(text, format!("expected a network interface after %, found {zone:?}")))?;
        return Ok(SocketAddrV6::new(ip, port, 0, scope).into());
    }
    if let Ok(ip) = host.parse::<IpAddr>() {
        return Ok((ip, port).into());
    }
    // The first IPv4 address of a name, else its first IPv6 address: what the Go exporters bind.
    let known = hosts::addresses(host);
    if let Some(ip) = known.iter().find(|ip| ip.is_ipv4()).or(known.first()) {
        return Ok((*ip, port).into());
    }
    if host.eq_ignore_ascii_case("localhost") {
        return Ok((Ipv4Addr::LOCALHOST, port).into());
    }
    Err(ListenError::new(
        text,
        format!("expected an IP address, localhost or a name in {}, found {host:?} (DNS is not asked)", hosts::FILE),
    ))
}

/// A zone is the number of an interface, or its name, which sysfs turns into the number.
fn scope_id(zone: &str) -> Option<u32> {
    if let Ok(number) = zone.parse() {
        return Some(number);
    }
    if zone.is_empty() || zone.contains('/') || zone.starts_with('.') {
        return None;
    }
    fs::read_to_string(format!("/sys/class/net/{zone}/ifindex")).ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, want: &str) {
        let got = match parse(text) {
            Ok(address) => format!("{address:?}"),
            Err(e) => e.to_string(),
        };
        assert_eq!(got, want);
    }

    #[test]
    fn forms() {
        check(":9100", "AnyHost { port: 9100 }");
        check(":0", "AnyHost { port: 0 }");
        check("127.0.0.1:80", r#"Host { host: "127.0.0.1", port: 80 }"#);
        check("localhost:0", r#"Host { host: "localhost", port: 0 }"#);
        check("[::1]:9100", r#"Host { host: "::1", port: 9100 }"#);
        check("[fe80::1%eth0]:9100", r#"Host { host: "fe80::1%eth0", port: 9100 }"#);
        check("[0.0.0.0]:9100", r#"Host { host: "0.0.0.0", port: 9100 }"#);
        check("vsock://:9100", "Vsock { cid: None, port: 9100 }");
        check("vsock://3:70000", "Vsock { cid: Some(3), port: 70000 }");
    }

    #[test]
    fn cut_short() {
        check("", r#"listen address "": expected host:port, found "" without a port"#);
        check("9100", r#"listen address "9100": expected host:port, found "9100" without a port"#);
        check("host:", r#"listen address "host:": expected a port from 0 to 65535 after the last colon, found """#);
        check("[::1:80", r#"listen address "[::1:80": expected ] before the port"#);
        check(
            "vsock://",
            r#"listen address "vsock://": expected vsock://:port or vsock://cid:port, found "" after vsock://"#,
        );
    }

    #[test]
    fn garbage() {
        check(
            ":65536",
            r#"listen address ":65536": expected a port from 0 to 65535 after the last colon, found "65536""#,
        );
        check(":+80", r#"listen address ":+80": expected a port from 0 to 65535 after the last colon, found "+80""#);
        check("::1:80", r#"listen address "::1:80": expected brackets around an IPv6 address: [::1]:80"#);
        check("[x]:1", r#"listen address "[x]:1": expected an IP address in brackets, found "x""#);
        check(
            "[1.2.3.4%x]:1",
            r#"listen address "[1.2.3.4%x]:1": expected an IP address in brackets, found "1.2.3.4%x""#,
        );
        check(
            "http://x:1",
            r#"listen address "http://x:1": expected host:port or vsock://:port, found the scheme "http""#,
        );
        check("a b:1", r#"listen address "a b:1": expected an IP address or a host name before the port, found "a b""#);
        check("vsock://x:1", r#"listen address "vsock://x:1": expected a vsock context id, found "x""#);
        check("vsock://:x", r#"listen address "vsock://:x": expected a vsock port number, found "x""#);
    }

    #[test]
    fn binds_and_names_both_ends() {
        let bound = bind_one("127.0.0.1:0").unwrap();
        assert_eq!(bound.address, "127.0.0.1:0");
        assert!(bound.local.starts_with("127.0.0.1:") && !bound.local.ends_with(":0"), "{}", bound.local);
        let again = bind_one(&bound.local).unwrap_err();
        assert_eq!(again.to_string(), format!("listen address {:?}: address already in use", bound.local));
    }

    #[test]
    fn unknown_name() {
        let e = bind_one("no-such-host.invalid:0").unwrap_err().to_string();
        assert!(e.contains("found \"no-such-host.invalid\" (DNS is not asked)"), "{e}");
    }
}
