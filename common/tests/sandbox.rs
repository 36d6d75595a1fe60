//! The sandbox holds: from inside it, everything is tried that a program should not be able to do.
//!
//! It cannot be left again, so each test goes into it in a process of its own: the test runs itself once more.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

use std::fs::{self, File, FileTimes};
use std::io::{self, ErrorKind, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::fs::{PermissionsExt as _, chown, symlink};
use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};
use std::path::Path;
use std::process::Command;
use std::time::SystemTime;
use std::{env, thread};

use common::sandbox::{self, InForce, Need};
use rustix::process::{getppid, test_kill_process};
use tempfile::TempDir;

/// What the inner run is told: a directory, a TCP port where the outer one listens.
const INSIDE: &str = "COMMON_TESTS_INSIDE_SANDBOX";
const FOLDER: &str = "COMMON_TESTS_FOLDER";
const PORT: &str = "COMMON_TESTS_PORT";

/// A directory with something to read inside and outside of what is allowed.
struct Ground {
    folder: TempDir,
    listener: TcpListener,
    named: UnixListener,
}

/// Runs `test` once more, which finds itself inside; true there.
fn entered(test: &str) -> bool {
    if env::var_os(INSIDE).is_some() {
        return true;
    }
    let ground = Ground::new();
    let inner = Command::new(env::current_exe().unwrap())
        .args([test, "--exact", "--nocapture", "--test-threads=1"])
        .env(INSIDE, "1")
        .env(FOLDER, ground.folder.path())
        .env(PORT, ground.listener.local_addr().unwrap().port().to_string())
        .output()
        .unwrap();
    let said = format!("{}{}", String::from_utf8_lossy(&inner.stdout), String::from_utf8_lossy(&inner.stderr));
    assert!(inner.status.success() && said.contains("1 passed"), "inside:\n{said}");
    if let Some(line) = said.lines().find(|line| line.contains("... skipped: ")) {
        say(&format!("test {test} {line}"));
    }
    drop(ground.named);
    false
}

impl Ground {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        for place in ["in", "out"] {
            fs::create_dir(folder.path().join(place)).unwrap();
            fs::write(folder.path().join(place).join("file"), "text").unwrap();
        }
        let name = abstract_name(folder.path());
        Self {
            named: UnixListener::bind_addr(&name).unwrap(),
            listener: TcpListener::bind("127.0.0.1:0").unwrap(),
            folder,
        }
    }
}

fn abstract_name(folder: &Path) -> SocketAddr {
    SocketAddr::from_abstract_name(folder.as_os_str().as_encoded_bytes()).unwrap()
}

fn folder() -> std::path::PathBuf {
    env::var_os(FOLDER).unwrap().into()
}

fn port() -> u16 {
    env::var(PORT).unwrap().parse().unwrap()
}

/// The state as it is logged; Landlock and the filter are either in force or the kernel has none.
fn enter(needs: &[Need]) -> InForce {
    sandbox::enter(needs)
}

#[track_caller]
fn refused<T: std::fmt::Debug>(result: io::Result<T>) {
    assert_eq!(result.unwrap_err().kind(), ErrorKind::PermissionDenied);
}

/// Cuts off a file without opening it for writing.
fn cut_off(path: &Path) -> io::Result<rustix::fd::OwnedFd> {
    use rustix::fs::{Mode, OFlags, open};
    Ok(open(path, OFlags::RDONLY | OFlags::TRUNC, Mode::empty())?)
}

fn tree(path: &str) -> Need {
    Need::Tree(folder().join(path))
}

/// Past libtest's capture, so that a skipped test is seen in an ordinary run.
fn say(text: &str) {
    // A closed stderr is no reason to fail.
    let _ = writeln!(io::stderr(), "{text}");
}

/// Tests that need a kernel with this ABI say so when there is none.
fn has(state: &InForce, abi: u32) -> bool {
    let enough = state.landlock_abi().is_some_and(|found| found >= abi);
    if !enough {
        say(&format!("... skipped: no Landlock ABI {abi} here: {state:?}"));
    }
    enough
}

#[test]
fn files_are_read_below_the_trees_and_nothing_is_written() {
    if !entered("files_are_read_below_the_trees_and_nothing_is_written") {
        return;
    }
    let (inside, outside) = (folder().join("in"), folder().join("out"));
    symlink(outside.join("file"), inside.join("link")).unwrap();
    if !has(&enter(&[tree("in"), Need::File(outside.join("absent"))]), 3) {
        return;
    }
    assert_eq!(fs::read_to_string(inside.join("file")).unwrap(), "text");
    assert_eq!(fs::read_dir(&inside).unwrap().count(), 2);
    refused(fs::read(outside.join("file")));
    refused(fs::read(inside.join("link")));
    refused(fs::read_dir(&outside));
    refused(fs::read("/proc/self/status"));

    refused(File::options().write(true).open(inside.join("file")));
    refused(File::options().append(true).open(inside.join("file")));
    refused(File::create(inside.join("new")));
    refused(cut_off(&inside.join("file")));
    refused(fs::create_dir(inside.join("new")));
    refused(symlink("file", inside.join("new")));
    refused(fs::hard_link(inside.join("file"), inside.join("new")));
    refused(fs::rename(inside.join("file"), inside.join("new")));
    refused(fs::remove_file(inside.join("file")));
    refused(UnixListener::bind(inside.join("new")));
}

#[test]
fn one_file_is_read_without_its_neighbours() {
    if !entered("one_file_is_read_without_its_neighbours") {
        return;
    }
    fs::write(folder().join("in/other"), "").unwrap();
    if !has(&enter(&[Need::File(folder().join("in/file"))]), 1) {
        return;
    }
    assert_eq!(fs::read_to_string(folder().join("in/file")).unwrap(), "text");
    refused(fs::read(folder().join("in/other")));
    refused(fs::read_dir(folder().join("in")));
}

#[test]
fn what_is_to_come_can_be_read_when_it_has_come() {
    if !entered("what_is_to_come_can_be_read_when_it_has_come") {
        return;
    }
    // Another thread, outside of the sandbox, does what somebody else would do later.
    let (go, come) = std::sync::mpsc::channel();
    let later = folder().join("in/later");
    let other = thread::spawn(move || {
        come.recv().unwrap();
        fs::create_dir(&later).unwrap();
        fs::write(later.join("file"), "late").unwrap();
    });
    enter(&[Need::TreeToCome(folder().join("in/later"))]);
    go.send(()).unwrap();
    other.join().unwrap();
    assert_eq!(fs::read_to_string(folder().join("in/later/file")).unwrap(), "late");
}

#[test]
fn no_port_but_those_that_are_needed() {
    if !entered("no_port_but_those_that_are_needed") {
        return;
    }
    // Nobody else binds at this address of the loopback interface.
    let free = TcpListener::bind("127.77.0.7:0").unwrap().local_addr().unwrap().port();
    if !has(&enter(&[Need::Connect(port()), Need::Bind(free)]), 4) {
        return;
    }
    TcpStream::connect(("127.0.0.1", port())).unwrap();
    let own = TcpListener::bind(("127.77.0.7", free)).unwrap();
    refused(TcpStream::connect(own.local_addr().unwrap()));
    refused(TcpListener::bind("127.77.0.7:0"));
}

#[test]
fn a_port_that_the_kernel_chooses() {
    if !entered("a_port_that_the_kernel_chooses") {
        return;
    }
    enter(&[Need::Bind(0)]);
    TcpListener::bind("127.0.0.1:0").unwrap();
}

#[test]
fn other_processes_are_out_of_reach() {
    if !entered("other_processes_are_out_of_reach") {
        return;
    }
    let parent = getppid().unwrap();
    let ends = format!("/proc/{}/ns/net", parent.as_raw_nonzero());
    test_kill_process(parent).unwrap();
    fs::read_link(&ends).unwrap();
    let name = abstract_name(&folder());
    UnixStream::connect_addr(&name).unwrap();
    let state = enter(&[Need::Tree("/proc".into())]);
    if !has(&state, 1) {
        return;
    }
    refused(fs::read_link(&ends));
    if has(&state, 6) {
        refused(test_kill_process(parent).map_err(io::Error::from));
        refused(UnixStream::connect_addr(&name));
    }
}

#[test]
fn abstract_sockets_on_request() {
    if !entered("abstract_sockets_on_request") {
        return;
    }
    enter(&[Need::AbstractSockets]);
    UnixStream::connect_addr(&abstract_name(&folder())).unwrap();
}

#[test]
fn no_program_is_started_and_no_attribute_changed() {
    if !entered("no_program_is_started_and_no_attribute_changed") {
        return;
    }
    let file = File::open(folder().join("in/file")).unwrap();
    let (mode, owner) = (fs::Permissions::from_mode(0o777), rustix::process::getuid().as_raw());
    let state = enter(&[Need::Tree("/".into())]);
    assert!(state.has_filter(), "both architectures of the images have filters: {state:?}");
    // As a new process, in the place of this one, and by all other ways that std has.
    refused(Command::new("/bin/true").status());
    refused::<()>(Err(std::os::unix::process::CommandExt::exec(&mut Command::new("/bin/true"))));
    refused(fs::set_permissions(folder().join("in/file"), mode.clone()));
    refused(file.set_permissions(mode));
    refused(chown(folder().join("in/file"), Some(owner), None));
    refused(file.set_times(FileTimes::new().set_modified(SystemTime::UNIX_EPOCH)));
    // What it is there for goes on.
    assert_eq!(thread::spawn(|| 7).join().unwrap(), 7);
    assert_eq!(fs::read_to_string(folder().join("in/file")).unwrap(), "text");
    let status = fs::read_to_string("/proc/thread-self/status").unwrap();
    assert!(status.contains("NoNewPrivs:\t1\n") && status.contains("Seccomp:\t2\n"), "{status}");
}

/// Where everything may be read, reading is no matter of Landlock; writing still is.
#[test]
fn where_all_is_readable_nothing_is_written() {
    if !entered("where_all_is_readable_nothing_is_written") {
        return;
    }
    let file = folder().join("out").join("file");
    if !has(&enter(&[tree("in"), Need::Tree("/".into())]), 3) {
        return;
    }
    assert_eq!(fs::read_to_string(&file).unwrap(), "text");
    assert!(fs::read_dir("/").is_ok());
    refused(File::options().write(true).open(&file));
    refused(cut_off(&file));
    refused(fs::write(folder().join("new"), ""));
    refused(fs::remove_file(&file));
    assert_eq!(fs::read_to_string(&file).unwrap(), "text");
}
