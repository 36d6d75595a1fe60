//! A TLS server on a free port: it does the handshake, then says what a test tells it to.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rustls::server::Acceptor;
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::wait::DEADLINE;

/// What a client said first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hello {
    /// The name it asked for.
    pub server_name: Option<String>,
    /// The protocols it offered.
    pub alpn: Vec<String>,
}

/// A connection after the handshake.
#[derive(Debug)]
pub struct Session(BufReader<StreamOwned<ServerConnection, TcpStream>>);

impl Session {
    /// The next line without its end; empty at the end of the connection.
    ///
    /// # Errors
    /// As reading does.
    pub fn line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        self.0.read_line(&mut line)?;
        Ok(line.trim_end().to_owned())
    }

    /// Says it.
    ///
    /// # Errors
    /// As writing does.
    pub fn say(&mut self, bytes: &[u8]) -> io::Result<()> {
        let stream = self.0.get_mut();
        stream.write_all(bytes)?;
        stream.flush()
    }

    /// Answers one HTTP/1.1 request, whatever it is, with status 200 and `body`.
    ///
    /// # Errors
    /// As reading and writing do.
    pub fn answer(&mut self, body: &str) -> io::Result<()> {
        while !self.line()?.is_empty() {}
        self.say(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len()).as_bytes())
    }

    /// How many certificates the client showed.
    pub fn n_client_certificates(&self) -> usize {
        self.0.get_ref().conn.peer_certificates().map_or(0, <[_]>::len)
    }

    /// Says that nothing more comes, and waits for the client to go.
    fn goodbye(&mut self) {
        let stream = self.0.get_mut();
        stream.conn.send_close_notify();
        // The client may be gone already.
        drop(stream.flush());
        hang_up(&mut stream.sock);
    }
}

impl Read for Session {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.0.read(buf)
    }
}

/// A running server; it takes no new connection once it is dropped.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    hellos: Mutex<Receiver<Hello>>,
    stopped: Arc<AtomicBool>,
    accepting: Option<JoinHandle<()>>,
}

impl Server {
    /// On a free port of 127.0.0.1; `talk` is what it does on each connection, which has a thread of its own.
    #[track_caller]
    pub fn start(
        config: Arc<ServerConfig>,
        talk: impl Fn(&mut Session) -> io::Result<()> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("127.0.0.1 has a free port");
        let address = listener.local_addr().expect("a listener knows its address");
        let (told, hellos) = channel();
        let stopped = Arc::new(AtomicBool::new(false));
        let talk = Arc::new(talk);
        let accepting = thread::spawn({
            let stopped = Arc::clone(&stopped);
            move || {
                for stream in listener.incoming() {
                    if stopped.load(Ordering::SeqCst) {
                        return;
                    }
                    let Ok(stream) = stream else { continue };
                    let (config, talk, told) = (Arc::clone(&config), Arc::clone(&talk), told.clone());
                    thread::spawn(move || {
                        // A client that goes away in the middle is what many tests are about.
                        if let Ok(mut session) = handshake(stream, config, &told)
                            && talk(&mut session).is_ok()
                        {
                            session.goodbye();
                        }
                    });
                }
            }
        });
        Self { address, hellos: Mutex::new(hellos), stopped, accepting: Some(accepting) }
    }

    /// As [`Server::start`], answering one HTTP request per connection with `hello`.
    #[track_caller]
    pub fn start_http(config: Arc<ServerConfig>) -> Self {
        Self::start(config, |session| session.answer("hello"))
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// What the next client said, in the order they came; waits for it.
    #[track_caller]
    pub fn hello(&self) -> Hello {
        let hellos = self.hellos.lock().unwrap_or_else(PoisonError::into_inner);
        hellos.recv_timeout(DEADLINE).expect("a client shook hands")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::SeqCst);
        // Wakes the thread that accepts.
        drop(TcpStream::connect_timeout(&self.address, Duration::from_secs(1)));
        if let Some(accepting) = self.accepting.take() {
            drop(accepting.join());
        }
    }
}

fn handshake(mut stream: TcpStream, config: Arc<ServerConfig>, told: &Sender<Hello>) -> io::Result<Session> {
    stream.set_read_timeout(Some(DEADLINE))?;
    let mut acceptor = Acceptor::default();
    let accepted = loop {
        if acceptor.read_tls(&mut stream)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        match acceptor.accept() {
            Ok(Some(accepted)) => break accepted,
            Ok(None) => {}
            Err((e, mut alert)) => {
                alert.write_all(&mut stream)?;
                return Err(io::Error::other(e));
            }
        }
    };
    let hello = accepted.client_hello();
    let alpn = hello.alpn().into_iter().flatten().map(|name| String::from_utf8_lossy(name).into_owned()).collect();
    // Nobody may be interested any more.
    drop(told.send(Hello { server_name: hello.server_name().map(str::to_owned), alpn }));
    let mut conn = match accepted.into_connection(config) {
        Ok(conn) => conn,
        Err((e, mut alert)) => {
            alert.write_all(&mut stream)?;
            return Err(io::Error::other(e));
        }
    };
    while conn.is_handshaking() {
        if let Err(e) = conn.complete_io(&mut stream) {
            // The client is to see why.
            while conn.wants_write() && conn.write_tls(&mut stream).is_ok() {}
            hang_up(&mut stream);
            return Err(e);
        }
    }
    Ok(Session(BufReader::new(StreamOwned::new(conn, stream))))
}

/// Says that nothing more comes and reads what the client still says: closed with something unread, TCP resets the
/// connection, and what was said last and is not sent yet is lost.
fn hang_up(stream: &mut TcpStream) {
    // The client may be gone already.
    drop(stream.shutdown(Shutdown::Write).and_then(|()| io::copy(stream, &mut io::sink())));
}
