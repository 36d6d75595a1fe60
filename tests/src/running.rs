//! One of our programs, running on a free port.

use std::ffi::OsStr;
use std::fs;
use std::io::Read;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Instant;

use crate::child::Logged;
use crate::client::{Request, Response};
use crate::footprint::Footprint;
use crate::log_line;
use crate::page::Page;
use crate::prometheus::check_metrics;
use crate::tools::tool;
use crate::wait::{DEADLINE, until};

/// A directory with other builds of the programs to test, for example the release ones.
const PROGRAMS: &str = "EXPORTER_TESTS_PROGRAMS";

/// A started exporter; killed when dropped.
#[derive(Debug)]
pub struct Running {
    child: Logged,
    address: SocketAddr,
}

/// How a program ended, and what it wrote.
#[derive(Debug)]
pub struct Ended {
    /// The exit status.
    pub status: ExitStatus,
    /// All of stdout.
    pub stdout: String,
    /// All of stderr.
    pub stderr: String,
}

impl Running {
    /// Starts the built program on a free port of 127.0.0.1 (unless `args` say where) and waits until it listens.
    #[track_caller]
    pub fn start<S: AsRef<OsStr>>(name: &str, args: &[S]) -> Self {
        Self::start_with(name, args, &[])
    }

    /// As [`Running::start`], with environment variables set.
    #[track_caller]
    pub fn start_with<S: AsRef<OsStr>>(name: &str, args: &[S], environment: &[(&str, &OsStr)]) -> Self {
        Self::spawn(name, command(&program(name), args).envs(environment.iter().copied()))
    }

    /// As [`Running::start`], with the [release build](release_program) of the program.
    #[track_caller]
    pub fn start_release<S: AsRef<OsStr>>(name: &str, args: &[S]) -> Self {
        Self::spawn(name, &mut command(&release_program(name), args))
    }

    /// As [`Running::start`], by way of another program that becomes it: `wrapper` and its arguments come first.
    #[track_caller]
    pub fn start_under<S: AsRef<OsStr>>(wrapper: &[&str], name: &str, args: &[S]) -> Self {
        Self::spawn(name, &mut wrapped(wrapper, &command(&program(name), args)))
    }

    /// As [`Running::start_under`], with the [release build](release_program) of the program.
    #[track_caller]
    pub fn start_release_under<S: AsRef<OsStr>>(wrapper: &[&str], name: &str, args: &[S]) -> Self {
        Self::spawn(name, &mut wrapped(wrapper, &command(&release_program(name), args)))
    }

    #[track_caller]
    fn spawn(name: &str, command: &mut Command) -> Self {
        let child = Logged::spawn(name, command);
        let address = child.wait_for_line("`Listening on`", |line| {
            let listening = log_line::field(line, "msg")? == "Listening on";
            listening.then(|| log_line::field(line, "local")?.parse().ok()).flatten()
        });
        Self { child, address }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The process id.
    pub fn pid(&self) -> u32 {
        self.child.pid()
    }

    /// Everything logged so far.
    pub fn log(&self) -> String {
        self.child.log()
    }

    /// Answers a plain GET.
    #[track_caller]
    pub fn get(&self, path: &str) -> Response {
        self.ask(&Request::get(path))
    }

    /// Answers any request; panics with the program's log when there is no proper answer.
    #[track_caller]
    pub fn ask(&self, request: &Request) -> Response {
        let answer = request.send(self.address);
        answer.unwrap_or_else(|e| panic!("{request:?}: {e}\n{}", self.log()))
    }

    /// One scrape in the text format, checked by the strict parser.
    #[track_caller]
    pub fn scrape(&self) -> Page {
        self.scrape_path("/metrics")
    }

    /// As [`Running::scrape`], with another path or query.
    #[track_caller]
    pub fn scrape_path(&self, path: &str) -> Page {
        let answer = self.get(path);
        assert_eq!(answer.status, 200, "{path}: {}\n{}", answer.text(), self.log());
        Page::checked(&answer.text())
    }

    /// One scrape by a Prometheus that waits as many seconds for the page, and that was answered in time. What is late by
    /// less than it waits is put down to a busy machine.
    #[track_caller]
    pub fn scrape_in_time(&self, path: &str, seconds: f64) -> Page {
        let started = Instant::now();
        let answer = self.ask(&Request::scrape_within(path, seconds));
        let took = started.elapsed().as_secs_f64();
        assert_eq!(answer.status, 200, "{path}: {}\n{}", answer.text(), self.log());
        assert!(took < 2.0 * seconds, "{path} took {took} s of {seconds}\n{}", self.log());
        Page::checked(&answer.text())
    }

    /// The page that answers a request, checked by the strict parser and by promtool.
    #[track_caller]
    pub fn page(&self, request: &Request) -> Page {
        let answer = self.ask(request);
        let text = answer.text();
        assert_eq!(answer.status, 200, "{request:?}: {text}\n{}", self.log());
        check_metrics(&text);
        Page::checked(&text)
    }

    /// Threads of the process now.
    pub fn threads(&self) -> usize {
        self.count("task")
    }

    /// Open file descriptors of the process now.
    pub fn descriptors(&self) -> usize {
        self.count("fd")
    }

    /// Waits until the process has no more threads and descriptors than that: what leaks stays, a connection just closed
    /// is still counted for a moment.
    #[track_caller]
    pub fn wait_until_at_most(&self, threads: usize, descriptors: usize) {
        until("no thread and no descriptor to be left over", || {
            let now = (self.threads(), self.descriptors());
            let back = now.0 <= threads && now.1 <= descriptors;
            if back { Ok(()) } else { Err(format!("{now:?} threads and descriptors, wanted {threads}, {descriptors}")) }
        });
    }

    /// The most memory the process has had, in bytes.
    pub fn peak_memory(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid())).expect("the program runs");
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.strip_suffix("kB")?.trim().parse().ok());
        peak.map_or_else(|| panic!("no peak of memory in {status}"), |kib: u64| kib * 1024)
    }

    /// What the process takes now.
    pub fn footprint(&self) -> Footprint {
        Footprint { threads: self.threads(), descriptors: self.descriptors(), ..Footprint::of(self.pid()) }
    }

    fn count(&self, what: &str) -> usize {
        let listed = fs::read_dir(format!("/proc/{}/{what}", self.pid()));
        listed.unwrap_or_else(|e| panic!("{what} of the running program: {e}\n{}", self.log())).count()
    }

    /// Sends SIGTERM and returns at once.
    pub fn ask_to_stop(&self) {
        self.child.ask_to_stop();
    }

    /// Sends SIGQUIT and returns at once.
    pub fn quit(&self) {
        self.child.quit();
    }

    /// Sends SIGHUP and returns at once.
    pub fn hang_up(&self) {
        self.child.hang_up();
    }

    /// Blocks until a log line satisfies `look`; panics with the whole log when none does.
    #[track_caller]
    pub fn wait_for_line<T>(&self, what: &str, look: impl FnMut(&str) -> Option<T>) -> T {
        self.child.wait_for_line(what, look)
    }

    /// Blocks until a line of the log has a text: what is on a page may be told there a moment later.
    #[track_caller]
    pub fn logs(&self, text: &str) {
        self.wait_for_line(text, |line| line.contains(text).then_some(()));
    }

    /// Waits until new connections are refused.
    #[track_caller]
    pub fn wait_until_deaf(&self) {
        until("new connections are refused", || match std::net::TcpStream::connect(self.address) {
            Ok(_) => Err("connected".to_owned()),
            Err(_) => Ok(()),
        });
    }

    /// Waits for the end; the exit status and the whole log.
    #[track_caller]
    pub fn wait(mut self) -> (ExitStatus, String) {
        let status = self.child.wait();
        (status, self.child.log())
    }

    /// Sends SIGTERM and waits for the end.
    #[track_caller]
    pub fn terminate(self) -> (ExitStatus, String) {
        self.ask_to_stop();
        self.wait()
    }
}

/// Runs a program that is expected to end by itself, and collects what it wrote.
#[track_caller]
pub fn run_to_end<S: AsRef<OsStr>>(name: &str, args: &[S]) -> Ended {
    let mut command = command(&program(name), args);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap_or_else(|e| panic!("cannot start {command:?}: {e}"));
    let stdout = collect(child.stdout.take().expect("stdout is piped"));
    let stderr = collect(child.stderr.take().expect("stderr is piped"));
    let Ok(stdout) = stdout.recv_timeout(DEADLINE) else {
        // It may be gone by now; either way the test has failed.
        let _ = child.kill();
        let _ = child.wait();
        panic!("{command:?} was expected to end but kept running:\n{}", stderr.recv().unwrap_or_default());
    };
    let stderr = stderr.recv_timeout(DEADLINE).expect("stderr ends with stdout");
    Ended { status: child.wait().expect("a child can be waited for"), stdout, stderr }
}

fn collect(mut from: impl Read + Send + 'static) -> mpsc::Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let mut bytes = Vec::new();
        // What was read before an error is shown; nobody may be waiting any more.
        let _ = from.read_to_end(&mut bytes);
        let _ = sender.send(String::from_utf8_lossy(&bytes).into_owned());
    });
    receiver
}

#[track_caller]
fn wrapped(wrapper: &[&str], inner: &Command) -> Command {
    let (first, rest) = wrapper.split_first().expect("a program to start it with");
    let mut command = Command::new(tool(first));
    command.args(rest).arg(inner.get_program()).args(inner.get_args());
    command
}

fn command<S: AsRef<OsStr>>(program: &Path, args: &[S]) -> Command {
    let mut command = Command::new(program);
    let says_where = |arg: &S| arg.as_ref().to_string_lossy().starts_with("--web.listen-address");
    if !args.iter().any(says_where) {
        command.arg("--web.listen-address=127.0.0.1:0");
    }
    command.args(args);
    command
}

/// The program built beside this test: test executables live in `deps/`, programs one level up.
#[track_caller]
pub fn program(name: &str) -> PathBuf {
    let folder = std::env::var_os(PROGRAMS).map(PathBuf::from).unwrap_or_else(|| above_test(2));
    built(folder.join(name), "cargo build --workspace")
}

/// The release build of a program with its symbols, for what takes too long with any other or is about the program
/// people run.
#[track_caller]
pub fn release_program(name: &str) -> PathBuf {
    let folder = std::env::var_os(PROGRAMS).map(PathBuf::from).unwrap_or_else(|| above_test(3).join("measure"));
    built(folder.join(name), &format!("cargo build --profile measure --package {name}"))
}

fn above_test(levels: usize) -> PathBuf {
    let test = std::env::current_exe().expect("a test knows its own path");
    test.ancestors().nth(levels).expect("a test lives in target/<triple>/<profile>/deps").to_owned()
}

#[track_caller]
fn built(program: PathBuf, how: &str) -> PathBuf {
    assert!(program.is_file(), "{} is not built: run `make test`, or `{how}` first", program.display());
    program
}
