//! A server that talks by a test's script: over TCP or a unix socket, over TLS from the start or from the middle.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use rustix::net::sockopt::set_socket_linger;
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::wait::DEADLINE;

/// One thing that a [`Talker`] does on each connection.
#[derive(Clone, Debug)]
pub enum Does {
    /// Says it.
    Says(Vec<u8>),
    /// Reads a line.
    Hears,
    /// Waits a moment, so that what it says next travels alone.
    Waits,
    /// Turns to TLS.
    Secures(Arc<ServerConfig>),
    /// Reads until the other side closes; without it the connection is closed at once.
    Listens,
    /// Resets the connection.
    Resets,
}

/// It says `text`.
pub fn says(text: impl AsRef<[u8]>) -> Does {
    Does::Says(text.as_ref().to_vec())
}

/// A running server; its thread ends with the test's process.
#[derive(Debug)]
pub struct Talker {
    address: Option<SocketAddr>,
    heard: Mutex<Receiver<Heard>>,
}

/// What one connection heard.
#[derive(Debug)]
pub struct Heard {
    /// The other side; `None` for a unix socket.
    pub from: Option<SocketAddr>,
    /// All bytes, of all steps.
    pub bytes: Vec<u8>,
}

trait Stream: Read + Write + Send {}

impl<S: Read + Write + Send> Stream for S {}

impl Talker {
    /// On a free port of 127.0.0.1.
    #[track_caller]
    pub fn start(script: impl Into<Vec<Does>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("127.0.0.1 has a free port");
        let address = listener.local_addr().expect("a listener knows its address");
        let (tell, heard) = channel();
        let script = script.into();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (script, tell) = (script.clone(), tell.clone());
                thread::spawn(move || {
                    let from = stream.peer_addr().ok();
                    let limited = stream.set_read_timeout(Some(DEADLINE)).and_then(|()| stream.try_clone());
                    if let Ok(again) = limited {
                        talk(Box::new(stream), Some(&again), &script, from, &tell);
                    }
                });
            }
        });
        Self { address: Some(address), heard: Mutex::new(heard) }
    }

    /// On a unix socket; a path that begins with NUL is a name of the abstract namespace.
    #[track_caller]
    pub fn start_unix(path: &Path, script: impl Into<Vec<Does>>) -> Self {
        Self::serve_unix(UnixListener::bind(path).expect("a socket can be made there"), script.into())
    }

    /// On a listener of the caller.
    pub fn serve_unix(listener: UnixListener, script: Vec<Does>) -> Self {
        let (tell, heard) = channel();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (script, tell) = (script.clone(), tell.clone());
                thread::spawn(move || {
                    if UnixStream::set_read_timeout(&stream, Some(DEADLINE)).is_ok() {
                        talk(Box::new(stream), None, &script, None, &tell);
                    }
                });
            }
        });
        Self { address: None, heard: Mutex::new(heard) }
    }

    /// Its address as a target.
    #[track_caller]
    pub fn target(&self) -> String {
        self.address.expect("a TCP server").to_string()
    }

    /// Its port.
    #[track_caller]
    pub fn port(&self) -> u16 {
        self.address.expect("a TCP server").port()
    }

    /// What the next connection that is over heard; waits for it.
    #[track_caller]
    pub fn heard(&self) -> Heard {
        let heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        heard.recv_timeout(DEADLINE).expect("a connection came to its end")
    }
}

fn talk(
    mut stream: Box<dyn Stream>,
    socket: Option<&TcpStream>,
    script: &[Does],
    from: Option<SocketAddr>,
    tell: &Sender<Heard>,
) {
    let mut bytes = Vec::new();
    for step in script {
        let done = match step {
            Does::Says(text) => stream.write_all(text).and_then(|()| stream.flush()),
            Does::Hears => hear(&mut stream, &mut bytes),
            Does::Waits => {
                // Not to wait for anything: what is said before and after are to be two segments.
                thread::sleep(Duration::from_millis(300));
                Ok(())
            }
            Does::Secures(config) => match ServerConnection::new(Arc::clone(config)) {
                Ok(connection) => {
                    stream = Box::new(StreamOwned::new(connection, stream));
                    Ok(())
                }
                Err(e) => Err(io::Error::other(e)),
            },
            Does::Listens => stream.read_to_end(&mut bytes).map(drop),
            Does::Resets => match socket {
                Some(socket) => set_socket_linger(socket, Some(Duration::ZERO)).map_err(io::Error::from),
                None => Ok(()),
            },
        };
        // A client that goes away in the middle is what many tests are about.
        if done.is_err() {
            break;
        }
    }
    // The test may be over.
    drop(tell.send(Heard { from, bytes }));
}

fn hear(stream: &mut Box<dyn Stream>, bytes: &mut Vec<u8>) -> io::Result<()> {
    let mut one = [0];
    loop {
        stream.read_exact(&mut one)?;
        bytes.extend(one);
        if one == *b"\n" {
            return Ok(());
        }
    }
}
