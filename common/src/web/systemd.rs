//! Sockets passed by systemd (`--web.systemd-socket`): file descriptors from 3 up.
//!
//! * Source: sd_listen_fds(3): `LISTEN_PID` is our process id, `LISTEN_FDS` the number of descriptors.
//! * Accepted: listening TCP, Unix and vsock stream sockets.
//! * Differs from the Go exporters: nothing.

use std::env;
use std::process;

use socket2::{Socket, Type};

use super::listen::{Bound, ListenError, from_socket};

/// What messages call the place these sockets come from.
const PLACE: &str = "systemd";

/// SD_LISTEN_FDS_START of sd_listen_fds(3).
const FIRST_FD: i32 = 3;

/// More than any unit file passes; a number read from outside is bounded before it is used.
const MOST_FDS: i32 = 1024;

/// Takes all passed sockets. Call it once, early: the descriptors belong to us afterwards.
///
/// # Errors
/// No sockets were passed to this process, or one of them is not a listening stream socket.
pub fn sockets() -> Result<Vec<Bound>, ListenError> {
    let pid = env::var("LISTEN_PID").ok();
    let fds = env::var("LISTEN_FDS").ok();
    let count = parse(pid.as_deref(), fds.as_deref(), process::id())?;
    let mut bound = Vec::new();
    for fd in FIRST_FD..FIRST_FD + count {
        let address = format!("{PLACE} fd {fd}");
        let socket = adopt(fd).map_err(|e| ListenError::new(&address, format!("cannot be used: {e}")))?;
        let listens = socket.r#type().is_ok_and(|kind| kind == Type::STREAM)
            && rustix::net::sockopt::socket_acceptconn(&socket).unwrap_or(false);
        if !listens {
            return Err(ListenError::new(&address, "expected a listening stream socket (ListenStream= in the unit)"));
        }
        bound.push(from_socket(&address, socket)?);
    }
    Ok(bound)
}

fn parse(pid: Option<&str>, fds: Option<&str>, own_pid: u32) -> Result<i32, ListenError> {
    let (Some(pid), Some(fds)) = (pid, fds) else {
        return Err(ListenError::new(PLACE, "no sockets were passed (LISTEN_PID and LISTEN_FDS are not set)"));
    };
    if pid.parse() != Ok(own_pid) {
        let what = format!("sockets were passed to another process (LISTEN_PID is {pid:?}, this is {own_pid})");
        return Err(ListenError::new(PLACE, what));
    }
    match fds.parse() {
        Ok(0) => Err(ListenError::new(PLACE, "no sockets were passed (LISTEN_FDS is 0)")),
        Ok(count) if (1..=MOST_FDS).contains(&count) => Ok(count),
        _ => Err(ListenError::new(
            PLACE,
            format!("expected a number of sockets up to {MOST_FDS}, found LISTEN_FDS={fds:?}"),
        )),
    }
}

#[expect(unsafe_code, reason = "a descriptor number from the environment can only become a socket this way")]
fn adopt(fd: i32) -> std::io::Result<Socket> {
    use std::os::fd::{BorrowedFd, FromRawFd};
    // SAFETY: the borrow ends with the call; a number that is not open makes fcntl fail with EBADF, nothing else.
    let borrowed = unsafe { BorrowedFd::borrow_raw(fd) };
    rustix::io::fcntl_setfd(borrowed, rustix::io::FdFlags::CLOEXEC)?;
    // SAFETY: the descriptor is open (checked above) and ours by the contract of sd_listen_fds(3): LISTEN_PID named
    // this process, and `sockets` is called once, before anything else could have taken the numbers.
    Ok(unsafe { Socket::from_raw_fd(fd) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(pid: Option<&str>, fds: Option<&str>, want: &str) {
        let got = parse(pid, fds, 42).map_or_else(|e| e.to_string(), |n| n.to_string());
        assert_eq!(got, want);
    }

    #[test]
    fn passed() {
        check(Some("42"), Some("2"), "2");
    }

    #[test]
    fn nothing_passed() {
        let unset = r#"listen address "systemd": no sockets were passed (LISTEN_PID and LISTEN_FDS are not set)"#;
        check(None, None, unset);
        check(Some("42"), None, unset);
        check(Some("42"), Some("0"), r#"listen address "systemd": no sockets were passed (LISTEN_FDS is 0)"#);
    }

    #[test]
    fn garbage() {
        check(
            Some("41"),
            Some("1"),
            r#"listen address "systemd": sockets were passed to another process (LISTEN_PID is "41", this is 42)"#,
        );
        check(
            Some("42"),
            Some("-1"),
            r#"listen address "systemd": expected a number of sockets up to 1024, found LISTEN_FDS="-1""#,
        );
    }
}
