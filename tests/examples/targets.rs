//! Targets for measuring the blackbox exporter: HTTP (and TCP) and DNS on two ports of 127.0.0.1, until it is stopped.
//!
//! `cargo run --release -p exporter-tests --example targets -- --http 8081 --dns 5353 --delay 2`

use std::env;
use std::process::ExitCode;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, UdpSocket};

const ANSWER: &[u8] =
    b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello";

fn flag(name: &str, default: u16) -> Result<u16, String> {
    let mut args = env::args().skip_while(|arg| arg != name).skip(1);
    args.next().map_or(Ok(default), |value| value.parse().map_err(|_| format!("{name}: expected a number")))
}

/// Answers every connection once it has said something, `delay` later.
async fn http(listener: TcpListener, delay: Duration) -> std::io::Result<()> {
    loop {
        let (mut stream, _) = listener.accept().await?;
        tokio::spawn(async move {
            let mut asked = [0; 4096];
            if stream.read(&mut asked).await.is_ok_and(|n| n > 0) {
                tokio::time::sleep(delay).await;
                // Whoever asked may be gone.
                let _ = stream.write_all(ANSWER).await;
            }
        });
    }
}

/// Answers every question with one address.
async fn dns(socket: UdpSocket) -> std::io::Result<()> {
    let mut message = [0; 512];
    loop {
        let (n, from) = socket.recv_from(&mut message).await?;
        let Some((id, question)) =
            message[..n].split_first_chunk::<2>().zip(message.get(12..n)).map(|((id, _), q)| (id, q))
        else {
            continue;
        };
        let counts = b"\x81\x80\0\x01\0\x01\0\0\0\0";
        let record = b"\xc0\x0c\0\x01\0\x01\0\0\0\x3c\0\x04\x7f\0\0\x01";
        socket.send_to(&[&id[..], counts, question, record].concat(), from).await?;
    }
}

fn main() -> ExitCode {
    let flags = flag("--http", 8081).and_then(|http| Ok((http, flag("--dns", 5353)?, flag("--delay", 0)?)));
    let done = flags.and_then(|(http_port, dns_port, delay)| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|e| e.to_string())?;
        runtime.block_on(async {
            let listener = TcpListener::bind(("127.0.0.1", http_port)).await.map_err(|e| e.to_string())?;
            let socket = UdpSocket::bind(("127.0.0.1", dns_port)).await.map_err(|e| e.to_string())?;
            let delay = Duration::from_secs(delay.into());
            tokio::try_join!(http(listener, delay), dns(socket)).map(drop).map_err(|e| e.to_string())
        })
    });
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(what) => {
            let mut stderr = std::io::stderr().lock();
            // Nobody may be listening.
            let _ = std::io::Write::write_fmt(&mut stderr, format_args!("targets: {what}\n"));
            ExitCode::FAILURE
        }
    }
}
