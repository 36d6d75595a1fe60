//! The words of `node_filesystem_device_error` for an error of statfs(2).

use std::borrow::Cow;

use rustix::io::Errno;

/// What the Go exporter calls an error; others follow the C library, which differs in the first letter.
pub(super) fn errno_text(errno: Errno) -> Cow<'static, str> {
    let text = match errno {
        Errno::PERM => "operation not permitted",
        Errno::NOENT => "no such file or directory",
        Errno::INTR => "interrupted system call",
        Errno::IO => "input/output error",
        Errno::NXIO => "no such device or address",
        Errno::AGAIN => "resource temporarily unavailable",
        Errno::NOMEM => "cannot allocate memory",
        Errno::ACCESS => "permission denied",
        Errno::FAULT => "bad address",
        Errno::BUSY => "device or resource busy",
        Errno::NODEV => "no such device",
        Errno::NOTDIR => "not a directory",
        Errno::INVAL => "invalid argument",
        Errno::NFILE => "too many open files in system",
        Errno::NAMETOOLONG => "file name too long",
        Errno::NOSYS => "function not implemented",
        Errno::LOOP => "too many levels of symbolic links",
        Errno::NOLINK => "link has been severed",
        Errno::PROTO => "protocol error",
        Errno::OVERFLOW => "value too large for defined data type",
        Errno::OPNOTSUPP => "operation not supported",
        Errno::NETDOWN => "network is down",
        Errno::NETUNREACH => "network is unreachable",
        Errno::CONNABORTED => "software caused connection abort",
        Errno::CONNRESET => "connection reset by peer",
        Errno::NOTCONN => "transport endpoint is not connected",
        Errno::SHUTDOWN => "cannot send after transport endpoint shutdown",
        Errno::TIMEDOUT => "connection timed out",
        Errno::CONNREFUSED => "connection refused",
        Errno::HOSTDOWN => "host is down",
        Errno::HOSTUNREACH => "no route to host",
        Errno::STALE => "stale file handle",
        Errno::UCLEAN => "structure needs cleaning",
        Errno::REMOTEIO => "remote I/O error",
        Errno::NOKEY => "required key not available",
        Errno::KEYEXPIRED => "key has expired",
        Errno::KEYREVOKED => "key has been revoked",
        Errno::KEYREJECTED => "key was rejected by service",
        other => {
            let text = std::io::Error::from(other).to_string();
            let text = text.split(" (os error").next().unwrap_or_default();
            let mut letters = text.chars();
            let first = letters.next().map(|letter| letter.to_ascii_lowercase());
            return Cow::Owned(first.into_iter().chain(letters).collect());
        }
    };
    Cow::Borrowed(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_go_exporter() {
        for (errno, want) in [
            (libc::ESTALE, "stale file handle"),
            (libc::ENOTCONN, "transport endpoint is not connected"),
            (libc::EDQUOT, "disk quota exceeded"),
            (libc::ENOMEDIUM, "no medium found"),
        ] {
            assert_eq!(errno_text(Errno::from_raw_os_error(errno)), want);
        }
    }
}
