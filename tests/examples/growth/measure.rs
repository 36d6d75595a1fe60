//! One program on one host: what its scrapes cost.

use std::fs;
use std::io::{self, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;

use exporter_tests::child::Logged;
use exporter_tests::client::{Response, connect};
use exporter_tests::wait::until;

/// Scrapes before anything is measured: files are found, buffers grow, Go's collector finds its pace.
const WARM_UP: usize = 10;
/// Scrapes go on until the program has used as much CPU, so that the kernel's clock of 10 ms is fine enough.
const ENOUGH_SECONDS: f64 = 1.0;
const FEWEST: u32 = 10;
/// Ticks of `/proc/<pid>/stat` in a second, on every architecture.
const TICKS: f64 = 100.0;

/// What scrapes cost.
pub(crate) struct Cost {
    pub(crate) cpu_seconds: f64,
    pub(crate) peak_bytes: f64,
    pub(crate) anonymous_bytes: f64,
    pub(crate) page_bytes: usize,
}

/// A running program and a connection to it that stays open.
pub(crate) struct Program {
    child: Logged,
    socket: BufReader<TcpStream>,
}

impl Program {
    pub(crate) fn start(program: &Path, flags: &[String]) -> io::Result<Self> {
        // Another process could take the port in between; then there is no answer, and that is seen.
        let address = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0)))?.local_addr()?;
        let name = program.to_string_lossy().into_owned();
        let mut command = Command::new(program);
        command.args(flags).arg(format!("--web.listen-address={address}"));
        let child = Logged::spawn(&name, &mut command);
        let socket = until("the program listens", || connect(address).map_err(|e| format!("{e}\n{}", child.log())));
        Ok(Self { child, socket: BufReader::new(socket) })
    }

    pub(crate) fn cost(mut self) -> io::Result<Cost> {
        for _ in 1..WARM_UP {
            self.scrape("gzip")?;
        }
        let (before, mut times) = (self.cpu_seconds()?, 0);
        let cpu_seconds = loop {
            self.scrape("gzip")?;
            times += 1;
            let used = self.cpu_seconds()? - before;
            if times >= FEWEST && used >= ENOUGH_SECONDS {
                break used / f64::from(times);
            }
        };
        let (peak_bytes, anonymous_bytes) = (self.memory("VmHWM:")?, self.memory("RssAnon:")?);
        let page_bytes = self.scrape("identity")?;
        Ok(Cost { cpu_seconds, peak_bytes, anonymous_bytes, page_bytes })
    }

    /// Fetches the page; gives the bytes of its body.
    fn scrape(&mut self, coding: &str) -> io::Result<usize> {
        let request = format!(
            "GET /metrics HTTP/1.1\r\nHost: exporter\r\nAccept: text/plain;version=0.0.4\r\nAccept-Encoding: {coding}\r\n\
             X-Prometheus-Scrape-Timeout-Seconds: 60\r\n\r\n"
        );
        self.socket.get_mut().write_all(request.as_bytes())?;
        let answer = Response::read(&mut self.socket, false)?;
        match answer.status {
            200 => Ok(answer.body.len()),
            status => Err(io::Error::other(format!("status {status}: {}", self.child.log()))),
        }
    }

    /// User and system time of all threads that were or are.
    fn cpu_seconds(&self) -> io::Result<f64> {
        let text = fs::read_to_string(format!("/proc/{}/stat", self.child.pid()))?;
        // The name before the last parenthesis may hold blanks; user and system time are the 12th and 13th after it.
        let words = text.rsplit(')').next().unwrap_or_default().split_ascii_whitespace();
        let ticks: Option<Vec<f64>> = words.skip(11).take(2).map(|word| word.parse().ok()).collect();
        ticks.map(|ticks| ticks.iter().sum::<f64>() / TICKS).ok_or_else(|| io::Error::other(text))
    }

    fn memory(&self, row: &str) -> io::Result<f64> {
        let text = fs::read_to_string(format!("/proc/{}/status", self.child.pid()))?;
        let kilobytes = text.lines().find_map(|line| line.strip_prefix(row)?.trim().strip_suffix(" kB")?.parse().ok());
        kilobytes.map(|kilobytes: f64| kilobytes * 1024.0).ok_or_else(|| io::Error::other(format!("no {row}")))
    }
}
