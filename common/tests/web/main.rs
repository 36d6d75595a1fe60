//! The web face over real sockets: what a client sees, and what no client can do.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on should stop; clippy's own exception does not reach helpers outside #[test]"
)]

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::routing::{any, get};
use common::web::{Limits, WebConfigFile, bind, serve};
use http_body_util::{BodyExt, Empty};
use hyper::body::Bytes;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tempfile::TempDir;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{Notify, oneshot};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tracing_subscriber::layer::SubscriberExt;

mod tls;

/// Far more than anything here takes on a busy machine; a test that hangs fails here instead.
const PATIENCE: Duration = Duration::from_secs(60);

/// Of `alice`, password `secret`, at the lowest cost.
fn users(password: &str) -> String {
    format!("basic_auth_users:\n  alice: {}\n", bcrypt::hash(password, 4).unwrap())
}

const ALICE_SECRET: &str = "Authorization: Basic YWxpY2U6c2VjcmV0\r\n";
const ALICE_WRONG: &str = "Authorization: Basic YWxpY2U6d3Jvbmc=\r\n";
const BOB_SECRET: &str = "Authorization: Basic Ym9iOnNlY3JldA==\r\n";

/// A server with its configuration file and its switch.
struct Server {
    folder: TempDir,
    local: String,
    web: Option<Arc<WebConfigFile>>,
    stop: Option<oneshot::Sender<()>>,
    done: JoinHandle<std::io::Result<()>>,
    /// `/slow` waits for it.
    release: Arc<Notify>,
    /// Requests that reached `/slow`.
    slow: Arc<AtomicU32>,
}

impl Server {
    fn start(config: Option<&str>, limits: Limits) -> Self {
        Self::start_in(tempfile::tempdir().unwrap(), config, limits)
    }

    fn start_in(folder: TempDir, config: Option<&str>, limits: Limits) -> Self {
        let web = config.map(|text| {
            let file = folder.path().join("web.yml");
            fs::write(&file, text).unwrap();
            Arc::new(WebConfigFile::open(&file).unwrap_or_else(|e| panic!("{e}")))
        });
        let (release, slow) = (Arc::new(Notify::new()), Arc::new(AtomicU32::new(0)));
        let (stop, stopped) = oneshot::channel::<()>();
        let listeners = bind(&["127.0.0.1:0".to_owned()]).unwrap();
        let local = listeners[0].local.clone();
        let router = router(Arc::clone(&release), Arc::clone(&slow));
        let stopped = async {
            let _either = stopped.await;
        };
        let done = tokio::spawn(serve(listeners, router, web.clone(), limits, stopped));
        Self { folder, local, web, stop: Some(stop), done, release, slow }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(&self.local).await.unwrap()
    }

    /// One request on a connection of its own.
    async fn get(&self, path: &str, headers: &str) -> Answer {
        ask(&mut self.connect().await, path, headers).await
    }

    fn rewrite(&self, text: &str) {
        fs::write(self.folder.path().join("web.yml"), text).unwrap();
    }

    fn comparisons(&self) -> u64 {
        self.web.as_ref().unwrap().checker().comparisons()
    }

    async fn slow_requests(&self, n: u32) {
        within(async {
            while self.slow.load(Ordering::SeqCst) < n {
                tokio::task::yield_now().await;
            }
        })
        .await;
    }

    fn stop(&mut self) {
        self.stop.take().unwrap().send(()).unwrap();
    }
}

fn router(release: Arc<Notify>, slow: Arc<AtomicU32>) -> Router {
    let wait = move || async move {
        slow.fetch_add(1, Ordering::SeqCst);
        release.notified().await;
        "slow\n"
    };
    #[expect(unreachable_code, reason = "the handler's type comes from the value after the panic")]
    let bang = || async {
        panic!("as asked");
        ""
    };
    Router::new()
        .route("/", any(|| async { "hello\n" }))
        .route("/slow", get(wait))
        .route("/panic", get(bang))
        .route("/big", get(|| async { vec![b'x'; 32 << 20] }))
        .route("/echo", any(|body: Bytes| async move { body }))
        .route("/framed", get(|| async { ([("X-Frame-Options", "own")], "framed\n") }))
}

async fn within<F: Future>(future: F) -> F::Output {
    timeout(PATIENCE, future).await.expect("took too long")
}

#[derive(Debug)]
struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Answer {
    fn header(&self, name: &str) -> Option<&str> {
        self.head
            .lines()
            .filter_map(|line| line.split_once(": "))
            .find(|(n, _)| n.eq_ignore_ascii_case(name))
            .map(|(_, v)| v)
    }
}

async fn ask<S: AsyncRead + AsyncWrite + Unpin>(stream: &mut S, path: &str, headers: &str) -> Answer {
    try_ask(stream, path, headers).await.unwrap()
}

async fn try_ask<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut S,
    path: &str,
    headers: &str,
) -> std::io::Result<Answer> {
    stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: x\r\n{headers}\r\n").as_bytes()).await?;
    within(read_answer(stream)).await
}

async fn read_answer<S: AsyncRead + Unpin>(stream: &mut S) -> std::io::Result<Answer> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await?);
    }
    let head = String::from_utf8(head).unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    let mut answer = Answer { status, head, body: String::new() };
    let mut body = vec![0; answer.header("content-length").unwrap_or("0").parse().unwrap()];
    stream.read_exact(&mut body).await?;
    answer.body = String::from_utf8(body).unwrap();
    Ok(answer)
}

/// Resolves when the server closed the connection; what came before is thrown away.
async fn closed(stream: &mut (impl AsyncRead + Unpin)) {
    let mut rest = Vec::new();
    // A reset is as closed as an end.
    let _either = within(stream.read_to_end(&mut rest)).await;
}

// ---- plain HTTP ----

#[tokio::test]
async fn plain_http_with_keep_alive() {
    let server = Server::start(None, Limits::default());
    let mut stream = server.connect().await;
    for _ in 0..3 {
        let answer = ask(&mut stream, "/", "").await;
        assert_eq!((answer.status, answer.body.as_str()), (200, "hello\n"));
    }
    assert_eq!(ask(&mut stream, "/nothing", "").await.status, 404);
    stream.write_all(b"HEAD / HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    let mut head = [0; 12];
    stream.read_exact(&mut head).await.unwrap();
    assert_eq!(&head, b"HTTP/1.1 200");
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order() {
    let server = Server::start(None, Limits::default());
    let mut stream = server.connect().await;
    let request = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";
    // The last one is cut in the middle and completed after the first answers.
    stream.write_all(format!("{request}{request}GET /not").as_bytes()).await.unwrap();
    for _ in 0..2 {
        assert_eq!(within(read_answer(&mut stream)).await.unwrap().body, "hello\n");
    }
    stream.write_all(b"hing HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    assert_eq!(within(read_answer(&mut stream)).await.unwrap().status, 404);
}

#[tokio::test]
async fn connection_close_and_http_1_0_are_honoured() {
    let server = Server::start(None, Limits::default());
    let mut stream = server.connect().await;
    assert_eq!(ask(&mut stream, "/", "Connection: close\r\n").await.status, 200);
    closed(&mut stream).await;
    let mut stream = server.connect().await;
    stream.write_all(b"GET / HTTP/1.0\r\n\r\n").await.unwrap();
    assert_eq!(within(read_answer(&mut stream)).await.unwrap().body, "hello\n");
    closed(&mut stream).await;
}

#[tokio::test]
async fn a_panic_costs_one_request() {
    let server = Server::start(None, Limits::default());
    let mut stream = server.connect().await;
    assert_eq!(ask(&mut stream, "/panic", "").await.status, 500);
    assert_eq!(ask(&mut stream, "/", "").await.status, 200);
}

#[tokio::test]
async fn requests_too_large_are_refused() {
    let server = Server::start(None, Limits { body_bytes: 10, ..Limits::default() });
    let long = format!("X-Long: {}\r\n", "x".repeat(70_000));
    assert_eq!(server.get("/", &long).await.status, 431);
    let many = "X-Many: 1\r\n".repeat(120);
    assert_eq!(server.get("/", &many).await.status, 431);
    let fits = format!("X-Long: {}\r\n", "x".repeat(60_000));
    assert_eq!(server.get("/", &fits).await.status, 200);
    assert_eq!(server.get("/echo", "Content-Length: 11\r\n").await.status, 413);
    let mut stream = server.connect().await;
    assert_eq!(ask(&mut stream, "/echo", "Content-Length: 3\r\n\r\nabc").await.body, "abc");
}

#[tokio::test]
async fn garbage_is_answered_and_closed() {
    let server = Server::start(None, Limits::default());
    let mut stream = server.connect().await;
    stream.write_all(b"\x16\x03\x01\x00garbage\r\n\r\n").await.unwrap();
    assert_eq!(within(read_answer(&mut stream)).await.unwrap().status, 400);
    closed(&mut stream).await;
    // HTTP/2 without TLS is not spoken.
    let mut stream = server.connect().await;
    stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await.unwrap();
    closed(&mut stream).await;
    assert_eq!(server.get("/", "").await.status, 200);
}

/// Keeps the message and fields of every event as one line.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<String>>>);

impl<S: tracing::Subscriber> tracing_subscriber::Layer<S> for Lines {
    fn on_event(&self, event: &tracing::Event<'_>, _: tracing_subscriber::layer::Context<'_, S>) {
        struct Fields(String);
        impl tracing::field::Visit for Fields {
            fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn std::fmt::Debug) {
                self.0.push_str(&format!(" {}={value:?}", field.name()));
            }
        }
        let mut fields = Fields(event.metadata().level().to_string());
        event.record(&mut fields);
        self.0.lock().unwrap().push(fields.0);
    }
}

#[tokio::test]
async fn listening_is_logged_with_both_names() {
    let lines = Lines::default();
    let subscriber = tracing_subscriber::registry().with(lines.clone());
    // The runtime of this test is this thread, so this holds for the server too.
    let _until_the_end = tracing::subscriber::set_default(subscriber);
    let mut server = Server::start(None, Limits::default());
    assert_eq!(server.get("/", "").await.status, 200);
    server.stop();
    within(server.done).await.unwrap().unwrap();
    let got = lines.0.lock().unwrap().join("\n");
    let want = format!(
        "INFO message=Listening on address=\"127.0.0.1:0\" local=\"{}\"\nINFO message=TLS is disabled. http2=false address=\"127.0.0.1:0\"",
        server.local
    );
    assert!(got.starts_with(&want), "{got}");
}

/// Runs in a process of its own, started by the test below.
#[test]
#[ignore = "needs a socket as descriptor 3"]
fn child_of_systemd_sockets() {
    let bound = common::web::systemd::sockets().unwrap();
    println!("took {}={}", bound[0].address, bound[0].local);
}

#[test]
fn systemd_sockets() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let local = listener.local_addr().unwrap();
    let script = "LISTEN_FDS=1 LISTEN_PID=$$ exec \"$0\" --ignored --exact --nocapture child_of_systemd_sockets 3<&0";
    let child = std::process::Command::new("sh")
        .args(["-c", script])
        .arg(std::env::current_exe().unwrap())
        .stdin(std::os::fd::OwnedFd::from(listener))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&child.stdout);
    assert!(said.contains(&format!("took systemd fd 3={local}\n")), "{said}");
}

// ---- time ----

#[tokio::test]
async fn a_half_sent_request_is_closed() {
    let limits = Limits { header_read: Duration::from_millis(500), ..Limits::default() };
    let server = Server::start(None, limits);
    let mut silent = server.connect().await;
    let mut half = server.connect().await;
    half.write_all(b"GET / HTTP/1.1\r\nHost").await.unwrap();
    let mut second_half = server.connect().await;
    assert_eq!(ask(&mut second_half, "/", "").await.status, 200);
    second_half.write_all(b"GET / HT").await.unwrap();
    for stream in [&mut silent, &mut half, &mut second_half] {
        closed(stream).await;
    }
}

#[tokio::test]
async fn idle_time_is_its_own_limit() {
    let limits = Limits { header_read: Duration::from_millis(500), ..Limits::default() };
    let server = Server::start(None, limits.clone());
    let (mut patient, mut impatient) = (server.connect().await, server.connect().await);
    assert_eq!(ask(&mut patient, "/", "").await.status, 200);
    closed(&mut impatient).await;
    // The header time is over, the keep-alive connection is still there.
    assert_eq!(ask(&mut patient, "/", "").await.status, 200);

    let server = Server::start(None, Limits { idle: Duration::from_millis(50), ..Limits::default() });
    let mut idle = server.connect().await;
    assert_eq!(ask(&mut idle, "/", "").await.status, 200);
    closed(&mut idle).await;
}

#[tokio::test]
async fn a_client_that_takes_nothing_is_closed() {
    let limits = Limits { write_stall: Duration::from_millis(100), ..Limits::default() };
    let mut server = Server::start(None, limits);
    let mut stream = server.connect().await;
    stream.write_all(b"GET /big HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    // Stopping waits for running requests: it ends when the stalled one is given up.
    let mut first = [0; 12];
    stream.read_exact(&mut first).await.unwrap();
    server.stop();
    within(server.done).await.unwrap().unwrap();
    let mut rest = Vec::new();
    let _either = within(stream.read_to_end(&mut rest)).await;
    assert!(rest.len() < 32 << 20, "the answer was cut");
}

// ---- connections ----

#[tokio::test]
async fn idle_connections_make_room() {
    let server = Server::start(None, Limits { connections: 4, ..Limits::default() });
    let mut busy = server.connect().await;
    busy.write_all(b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    server.slow_requests(1).await;
    let mut idle = Vec::new();
    for _ in 0..3 {
        let mut stream = server.connect().await;
        assert_eq!(ask(&mut stream, "/", "").await.status, 200);
        idle.push(stream);
    }
    // Many more that never say a word, and Prometheus in between.
    for _ in 0..50 {
        idle.push(server.connect().await);
    }
    assert_eq!(server.get("/", "").await.status, 200);
    closed(&mut idle[0]).await;
    server.release.notify_one();
    assert_eq!(within(read_answer(&mut busy)).await.unwrap().body, "slow\n");
}

#[tokio::test]
async fn a_full_house_of_running_requests_makes_newcomers_wait() {
    let server = Server::start(None, Limits { connections: 2, ..Limits::default() });
    let mut busy = Vec::new();
    for _ in 0..2 {
        let mut stream = server.connect().await;
        stream.write_all(b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
        busy.push(stream);
    }
    server.slow_requests(2).await;
    let mut newcomer = server.connect().await;
    newcomer.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    server.release.notify_one();
    assert_eq!(within(read_answer(&mut newcomer)).await.unwrap().body, "hello\n");
}

#[tokio::test]
async fn stopping_finishes_what_runs() {
    let mut server = Server::start(None, Limits::default());
    let mut idle = server.connect().await;
    assert_eq!(ask(&mut idle, "/", "").await.status, 200);
    let mut busy = server.connect().await;
    busy.write_all(b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    server.slow_requests(1).await;
    server.stop();
    closed(&mut idle).await;
    assert!(TcpStream::connect(&server.local).await.is_err(), "the listener is closed first");
    assert!(!server.done.is_finished());
    server.release.notify_one();
    assert_eq!(within(read_answer(&mut busy)).await.unwrap().body, "slow\n");
    within(server.done).await.unwrap().unwrap();
}

#[tokio::test]
async fn stopping_does_not_wait_for_ever() {
    let mut server = Server::start(None, Limits { drain: Duration::from_millis(50), ..Limits::default() });
    let mut busy = server.connect().await;
    busy.write_all(b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    server.slow_requests(1).await;
    server.stop();
    within(server.done).await.unwrap().unwrap();
    closed(&mut busy).await;
}

// ---- the configuration file ----

#[tokio::test]
async fn basic_auth() {
    let server = Server::start(Some(&users("secret")), Limits::default());
    let answer = server.get("/", "").await;
    assert_eq!((answer.status, answer.body.as_str()), (401, "Unauthorized\n"));
    assert_eq!(answer.header("www-authenticate"), Some("Basic"));
    assert_eq!(server.comparisons(), 0);
    for _ in 0..3 {
        assert_eq!(server.get("/", ALICE_SECRET).await.status, 200);
        assert_eq!(server.get("/", ALICE_WRONG).await.status, 401);
        assert_eq!(server.get("/nothing", BOB_SECRET).await.status, 401);
    }
    assert_eq!(server.comparisons(), 3, "each question is compared once");
}

#[tokio::test]
async fn users_and_mistakes_take_effect_without_a_restart() {
    let server = Server::start(Some(&users("other")), Limits::default());
    let mut stream = server.connect().await;
    assert_eq!(ask(&mut stream, "/", ALICE_SECRET).await.status, 401);
    server.rewrite(&users("secret"));
    assert_eq!(ask(&mut stream, "/", ALICE_SECRET).await.status, 200);
    server.rewrite("basic_auth_users:\n  alice: hunter2\n");
    let answer = ask(&mut stream, "/", ALICE_SECRET).await;
    assert_eq!((answer.status, answer.body.as_str()), (500, "Internal Server Error\n"));
    fs::remove_file(server.folder.path().join("web.yml")).unwrap();
    assert_eq!(ask(&mut stream, "/", ALICE_SECRET).await.status, 500);
    server.rewrite("");
    assert_eq!(ask(&mut stream, "/", "").await.status, 200);
}

#[tokio::test]
async fn headers_are_on_answers_and_refusals() {
    let headers =
        "http_server_config:\n  headers:\n    X-Frame-Options: deny\n    Content-Security-Policy: default-src 'self'\n";
    let server = Server::start(Some(&format!("{headers}{}", users("secret"))), Limits::default());
    let answer = server.get("/", ALICE_SECRET).await;
    assert_eq!(answer.header("x-frame-options"), Some("deny"));
    assert_eq!(answer.header("content-security-policy"), Some("default-src 'self'"));
    assert_eq!(server.get("/", "").await.header("x-frame-options"), Some("deny"));
    assert_eq!(server.get("/framed", ALICE_SECRET).await.header("x-frame-options"), Some("own"));
}

#[tokio::test]
async fn the_rate_limit_comes_before_the_password() {
    let config = format!("rate_limit:\n  interval: 1h\n  burst: 2\n{}", users("secret"));
    let server = Server::start(Some(&config), Limits::default());
    assert_eq!(server.get("/", "").await.status, 401);
    assert_eq!(server.get("/", ALICE_SECRET).await.status, 200);
    let answer = server.get("/", ALICE_SECRET).await;
    assert_eq!((answer.status, answer.body.as_str()), (429, "Too Many Requests\n"));
}
