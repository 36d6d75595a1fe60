//! The server before our own client, politely and rudely.

use std::io::ErrorKind;
use std::os::unix::net::UnixStream;

use super::*;
use crate::client::{Request, Response, connect};
use crate::fixture::Fixture;

fn ask(upstream: &Upstream, path: &str) -> io::Result<Response> {
    Request::get(path).send(upstream.address())
}

#[track_caller]
fn check(answer: Answer, want: Result<(u16, &str), ErrorKind>) {
    let got = ask(&Upstream::start(answer), "/");
    let got = got.map(|answer| (answer.status, answer.text())).map_err(|e| e.kind());
    assert_eq!(got, want.map(|(status, text)| (status, text.to_owned())));
}

#[test]
fn polite_answers() {
    check(Answer::text("hello"), Ok((200, "hello")));
    check(Answer::text("hello").chunked(2), Ok((200, "hello")));
    check(Answer::status(503, "later").closing(), Ok((503, "later")));
    check(Answer::redirect("/there"), Ok((302, "")));
}

#[test]
fn rude_answers() {
    check(Answer::text("hello").cut_short(3), Err(ErrorKind::UnexpectedEof));
    check(Answer::text("hello").chunks_end_early(2, 4), Err(ErrorKind::UnexpectedEof));
    check(Answer::hang_up(), Err(ErrorKind::UnexpectedEof));
    check(Answer::raw("SSH-2.0-x\r\n"), Err(ErrorKind::InvalidData));
}

#[test]
fn endless_answers_end_with_the_client() {
    for endless in [Answer::text("more\n").dripping(), Answer::text("more\n").flooding(), Answer::silence()] {
        let upstream = Upstream::start(endless);
        let mut socket = connect(upstream.address()).unwrap();
        socket.write_all(Request::get("/").text().as_bytes()).unwrap();
        upstream.wait_for_requests("/", 1);
        assert_eq!(upstream.open(), 1);
        drop(socket);
        upstream.wait_until_open_at_most(0);
    }
}

#[test]
fn a_silent_answer_ends_with_the_server() {
    let upstream = Upstream::start(Answer::text("hello").silent_after(2));
    let mut socket = connect(upstream.address()).unwrap();
    socket.write_all(Request::get("/").text().as_bytes()).unwrap();
    upstream.wait_for_requests("/", 1);
    drop(upstream);
    let mut said = String::new();
    socket.read_to_string(&mut said).unwrap();
    assert!(said.is_empty() || said.ends_with("\r\n\r\nhe"), "{said}");
}

#[test]
fn a_gated_answer_waits() {
    let latch = Latch::new();
    let upstream = Upstream::start(Answer::text("late").gated(&latch));
    thread::scope(|scope| {
        let waiting = scope.spawn(|| ask(&upstream, "/").unwrap().text());
        upstream.wait_for_requests("/", 1);
        upstream.set(Answer::text("at once"));
        assert_eq!(ask(&upstream, "/").unwrap().text(), "at once");
        assert!(!waiting.is_finished());
        latch.open();
        assert_eq!(waiting.join().unwrap(), "late");
    });
}

#[test]
fn counts_and_remembers() {
    let upstream = Upstream::start(Answer::text("hello"));
    upstream.set_path("/a", Answer::status(404, ""));
    let mut socket = BufReader::new(connect(upstream.address()).unwrap());
    for path in ["/a?b", "/c", "/a"] {
        let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nX-Number: {path}\r\n\r\n");
        socket.get_mut().write_all(request.as_bytes()).unwrap();
        let status = Response::read(&mut socket, false).unwrap().status;
        assert_eq!(status, if path == "/c" { 200 } else { 404 });
    }
    assert_eq!((upstream.requests(), upstream.requests_for("/a"), upstream.requests_for("/d")), (3, 2, 0));
    assert_eq!((upstream.connections(), upstream.open()), (1, 1));
    assert_eq!(upstream.last("/a").header("x-number"), Some("/a"));
    upstream.forget_requests();
    assert_eq!(upstream.requests(), 0);
}

#[test]
fn demands_credentials() {
    let upstream = Upstream::start(Answer::text("hello"));
    upstream.demand("me", "öpen");
    let refused = ask(&upstream, "/").unwrap();
    assert_eq!((refused.status, refused.body.len()), (401, 0));
    let request = Request::get("/").header("Authorization", &basic_auth("me", "öpen"));
    assert_eq!(request.send(upstream.address()).unwrap().status, 200);
}

#[test]
fn a_port_comes_back() {
    let upstream = Upstream::start(Answer::text("one"));
    let address = upstream.address();
    drop(upstream);
    assert_eq!(Request::get("/").send(address).map(|_| ()).unwrap_err().kind(), ErrorKind::ConnectionRefused);
    let upstream = Upstream::start_on(address, Answer::text("two"));
    assert_eq!(ask(&upstream, "/").unwrap().text(), "two");
}

#[test]
fn a_dead_port_refuses() {
    let dead = DeadPort::new();
    assert_eq!(Request::get("/").send(dead.address()).map(|_| ()).unwrap_err().kind(), ErrorKind::ConnectionRefused);
}

#[test]
fn on_a_unix_socket() {
    let folder = Fixture::new();
    let socket = folder.path("up.sock");
    let upstream = Upstream::start_unix(&socket, Answer::text("hello"));
    let mut client = UnixStream::connect(&socket).unwrap();
    client.write_all(Request::get("/x").text().as_bytes()).unwrap();
    assert_eq!(Response::read(&mut BufReader::new(client), false).unwrap().text(), "hello");
    assert_eq!(upstream.requests_for("/x"), 1);
}

#[test]
fn over_tls() {
    let folder = Fixture::new();
    let upstream = Upstream::start_tls(folder.root(), Answer::text("hello"));
    let curl = |more: &[&str]| {
        let mut curl = std::process::Command::new(crate::tools::tool("curl"));
        curl.args(["--silent", "--http1.1"]).args(more).arg(upstream.url("/"));
        let output = curl.output().unwrap();
        (output.status.success(), String::from_utf8(output.stdout).unwrap())
    };
    let certificate = folder.path("cert.pem");
    assert_eq!(curl(&["--cacert", certificate.to_str().unwrap()]), (true, "hello".to_owned()));
    assert_eq!(curl(&[]), (false, String::new()));
}
