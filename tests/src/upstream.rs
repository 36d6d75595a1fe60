//! A scripted HTTP server for the rude cases: it says exactly what a test tells it to, and counts who asked.
//!
//! One thread accepts and each connection has its own, on a free port or a unix socket, with or without TLS. Answers
//! can be changed while it runs; dropping it closes the port and every connection.

use std::collections::BTreeMap;
use std::io::{self, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use rustix::net::{AddressFamily, Shutdown, SocketFlags, SocketType};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::client::basic_auth;
use crate::tls;
use crate::wait::{DEADLINE, until};

mod answer;
mod latch;
mod request;

pub use answer::Answer;
use answer::Next;
pub use latch::Latch;
pub use request::Received;

/// A running server; stopped when dropped.
#[derive(Debug)]
pub struct Upstream {
    address: Option<SocketAddr>,
    scheme: &'static str,
    listening: OwnedFd,
    accepting: Option<JoinHandle<()>>,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
    connections: AtomicU64,
}

#[derive(Debug)]
struct State {
    everywhere: Answer,
    answers: BTreeMap<String, Answer>,
    credentials: Option<String>,
    asked: BTreeMap<String, Asked>,
    // By the number of the connection; kept to close them.
    open: BTreeMap<u64, OwnedFd>,
    stopped: bool,
}

#[derive(Debug, Default)]
struct Asked {
    times: u64,
    last: Option<Received>,
}

/// Either end of what a test may listen on.
enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener),
}

trait Connection: Read + Write + Send {}
impl<T: Read + Write + Send> Connection for T {}

impl Upstream {
    /// Answers every path, on a free port of 127.0.0.1.
    #[track_caller]
    pub fn start(answer: Answer) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("127.0.0.1 has a free port");
        Self::tcp(listener, answer, None)
    }

    /// As [`Upstream::start`], where one was before; waits for the place to be free.
    #[track_caller]
    pub fn start_on(address: SocketAddr, answer: Answer) -> Self {
        let bind = || TcpListener::bind(address).map_err(|e| e.to_string());
        Self::tcp(until(&format!("{address} is free"), bind), answer, None)
    }

    /// As [`Upstream::start`] over TLS, with a certificate of its own that it puts into `folder`.
    #[track_caller]
    pub fn start_tls(folder: &Path, answer: Answer) -> Self {
        tls::certificate(folder);
        let listener = TcpListener::bind("127.0.0.1:0").expect("127.0.0.1 has a free port");
        Self::tcp(listener, answer, Some(tls::server_config(folder)))
    }

    /// On a unix socket that does not exist yet.
    #[track_caller]
    pub fn start_unix(socket: &Path, answer: Answer) -> Self {
        let listener = UnixListener::bind(socket).unwrap_or_else(|e| panic!("{}: {e}", socket.display()));
        let listening = listener.as_fd().try_clone_to_owned().expect("a descriptor is free");
        Self::run(Listener::Unix(listener), listening, None, answer, None)
    }

    #[track_caller]
    fn tcp(listener: TcpListener, answer: Answer, tls: Option<Arc<ServerConfig>>) -> Self {
        let address = listener.local_addr().expect("a listener knows its address");
        let listening = listener.as_fd().try_clone_to_owned().expect("a descriptor is free");
        Self::run(Listener::Tcp(listener), listening, Some(address), answer, tls)
    }

    fn run(
        listener: Listener,
        listening: OwnedFd,
        address: Option<SocketAddr>,
        everywhere: Answer,
        tls: Option<Arc<ServerConfig>>,
    ) -> Self {
        let state = State {
            everywhere,
            answers: BTreeMap::new(),
            credentials: None,
            asked: BTreeMap::new(),
            open: BTreeMap::new(),
            stopped: false,
        };
        let shared =
            Arc::new(Shared { state: Mutex::new(state), changed: Condvar::new(), connections: AtomicU64::new(0) });
        let scheme = if tls.is_some() { "https" } else { "http" };
        let accepting = thread::spawn({
            let shared = Arc::clone(&shared);
            move || shared.accept(&listener, tls.as_ref())
        });
        Self { address, scheme, listening, accepting: Some(accepting), shared }
    }

    /// Where it listens; panics for a unix socket.
    #[track_caller]
    pub fn address(&self) -> SocketAddr {
        self.address.expect("a unix socket has no address")
    }

    /// The URL of a path; panics for a unix socket.
    #[track_caller]
    pub fn url(&self, path: &str) -> String {
        format!("{}://{}{path}", self.scheme, self.address())
    }

    /// From now on every path answers this.
    pub fn set(&self, answer: Answer) {
        self.set_all(answer, []);
    }

    /// From now on these paths (without a query) answer this, and every other one `elsewhere`; all at one moment.
    pub fn set_all<'a>(&self, elsewhere: Answer, paths: impl IntoIterator<Item = (&'a str, Answer)>) {
        let answers = paths.into_iter().map(|(path, answer)| (path.to_owned(), answer)).collect();
        let mut state = self.shared.lock();
        state.everywhere = elsewhere;
        state.answers = answers;
    }

    /// From now on this path (without a query) answers this.
    pub fn set_path(&self, path: &str, answer: Answer) {
        self.shared.lock().answers.insert(path.to_owned(), answer);
    }

    /// From now on a request without these credentials gets 401 and no body.
    pub fn demand(&self, user: &str, password: &str) {
        self.shared.lock().credentials = Some(basic_auth(user, password));
    }

    /// Connections accepted so far.
    pub fn connections(&self) -> u64 {
        self.shared.connections.load(Ordering::SeqCst)
    }

    /// Connections that are open now.
    pub fn open(&self) -> usize {
        self.shared.lock().open.len()
    }

    /// Requests so far, on all paths.
    pub fn requests(&self) -> u64 {
        self.shared.lock().asked.values().map(|asked| asked.times).sum()
    }

    /// Requests for a path so far, with any query.
    pub fn requests_for(&self, path: &str) -> u64 {
        self.shared.lock().asked.get(path).map_or(0, |asked| asked.times)
    }

    /// The last request for a path; panics when there was none.
    #[track_caller]
    pub fn last(&self, path: &str) -> Received {
        let state = self.shared.lock();
        let last = state.asked.get(path).and_then(|asked| asked.last.clone());
        last.unwrap_or_else(|| panic!("nobody asked for {path}, only for {:?}", state.asked.keys()))
    }

    /// Forgets all requests, not the connections.
    pub fn forget_requests(&self) {
        self.shared.lock().asked.clear();
    }

    /// Blocks until there were as many requests for a path.
    #[track_caller]
    pub fn wait_for_requests(&self, path: &str, times: u64) {
        let enough = |state: &State| state.asked.get(path).is_some_and(|asked| asked.times >= times);
        self.wait(&format!("{times} requests for {path}"), enough);
    }

    /// Blocks until as many connections are open, or fewer.
    #[track_caller]
    pub fn wait_until_open_at_most(&self, connections: usize) {
        self.wait(&format!("at most {connections} connections"), |state| state.open.len() <= connections);
    }

    #[track_caller]
    fn wait(&self, what: &str, satisfied: impl Fn(&State) -> bool) {
        let deadline = Instant::now() + DEADLINE;
        let mut state = self.shared.lock();
        while !satisfied(&state) {
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "waited {DEADLINE:?} for {what}; now: {:?}, {}", state.asked, state.open.len());
            state = self.shared.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        let open = {
            let mut state = self.shared.lock();
            state.stopped = true;
            std::mem::take(&mut state.open)
        };
        // Wakes the accepting thread, which closes the port by ending. The threads of connections end by themselves:
        // a shut socket can neither be read nor written. One that is gone already cannot be shut, which is as well.
        let _ = rustix::net::shutdown(&self.listening, Shutdown::Both);
        for socket in open.values() {
            let _ = rustix::net::shutdown(socket, Shutdown::Both);
        }
        let _ = self.accepting.take().map(JoinHandle::join);
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // A poisoned lock means that a test already failed.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn accept(self: Arc<Self>, listener: &Listener, tls: Option<&Arc<ServerConfig>>) {
        while let Ok((connection, socket)) = listener.accept(tls) {
            let number = self.connections.fetch_add(1, Ordering::SeqCst);
            {
                let mut state = self.lock();
                if state.stopped {
                    return;
                }
                state.open.insert(number, socket);
            }
            let shared = Arc::clone(&self);
            thread::spawn(move || {
                // A client that breaks off or speaks another language is what some tests are about.
                let _ = shared.serve(connection);
                shared.lock().open.remove(&number);
                shared.changed.notify_all();
            });
        }
    }

    fn serve(&self, connection: Box<dyn Connection>) -> io::Result<()> {
        let mut reader = BufReader::new(connection);
        while let Some(received) = Received::read(&mut reader)? {
            let bodiless = received.method == "HEAD";
            let answer = self.answer(received);
            if let Some(gate) = &answer.gate {
                gate.wait();
            }
            match answer.write(reader.get_mut(), bodiless)? {
                Next::Keep => {}
                Next::Close | Next::Break => break,
                Next::Silence => drop(io::copy(&mut reader, &mut io::sink())?),
            }
        }
        Ok(())
    }

    fn answer(&self, received: Received) -> Answer {
        let mut state = self.lock();
        let path = received.path().to_owned();
        let unknown = state.credentials.as_deref().is_some_and(|want| received.header("authorization") != Some(want));
        let asked = state.asked.entry(path.clone()).or_default();
        asked.times += 1;
        asked.last = Some(received);
        self.changed.notify_all();
        if unknown {
            return Answer::status(401, "").header("WWW-Authenticate", "Basic realm=\"logstash-api\"");
        }
        state.answers.get(&path).unwrap_or(&state.everywhere).clone()
    }
}

impl Listener {
    fn accept(&self, tls: Option<&Arc<ServerConfig>>) -> io::Result<(Box<dyn Connection>, OwnedFd)> {
        match self {
            Self::Tcp(listener) => {
                let (socket, _) = listener.accept()?;
                // Head and body are written one after the other, and nobody gains by waiting for the second.
                socket.set_nodelay(true)?;
                let handle = socket.as_fd().try_clone_to_owned()?;
                let connection: Box<dyn Connection> = match tls {
                    Some(config) => {
                        let tls = ServerConnection::new(Arc::clone(config)).map_err(io::Error::other)?;
                        Box::new(StreamOwned::new(tls, socket))
                    }
                    None => Box::new(socket),
                };
                Ok((connection, handle))
            }
            Self::Unix(listener) => {
                let (socket, _) = listener.accept()?;
                let handle = socket.as_fd().try_clone_to_owned()?;
                Ok((Box::new(socket), handle))
            }
        }
    }
}

/// A port that nobody can listen on and that refuses every connection, as long as this lives.
#[derive(Debug)]
pub struct DeadPort {
    address: SocketAddr,
    // Bound and never listening: held, so that no other test is given the same port.
    _socket: OwnedFd,
}

impl Default for DeadPort {
    fn default() -> Self {
        Self::new()
    }
}

impl DeadPort {
    /// A free port of 127.0.0.1.
    #[track_caller]
    pub fn new() -> Self {
        // A program started meanwhile would inherit it, and the port with it.
        let flags = SocketFlags::CLOEXEC;
        let socket = rustix::net::socket_with(AddressFamily::INET, SocketType::STREAM, flags, None);
        let socket = socket.expect("a descriptor is free");
        rustix::net::bind(&socket, &SocketAddr::from(([127, 0, 0, 1], 0))).expect("127.0.0.1 has a free port");
        let bound = rustix::net::getsockname(&socket).expect("a bound socket has a name");
        let address = SocketAddr::try_from(bound).expect("it is an internet socket");
        Self { address, _socket: socket }
    }

    /// Where nobody listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

#[cfg(test)]
mod tests;
