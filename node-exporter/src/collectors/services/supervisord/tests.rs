//! A scripted supervisord: one answer per connection, whatever a test wants it to be.

use std::net::TcpListener;
use std::os::unix::net::UnixListener;
use std::sync::mpsc::{Receiver, channel};
use std::thread;

use super::*;
use crate::rig::Rig;

/// What comes back, piece by piece, before the connection is closed; an empty piece is a long wait.
type Script = Vec<Vec<u8>>;

/// Reads a question whole and gives an answer.
fn serve(mut stream: impl std::io::Read + std::io::Write, script: &[Vec<u8>]) -> String {
    let (mut question, mut piece) = (Vec::new(), [0; 1024]);
    while !question.ends_with(b"</methodCall>") {
        match stream.read(&mut piece) {
            Ok(n @ 1..) => question.extend_from_slice(&piece[..n]),
            _ => break,
        }
    }
    for piece in script {
        match piece.is_empty() {
            true => thread::sleep(Duration::from_secs(6)),
            // Who is asked to stop has stopped listening.
            false => drop(stream.write_all(piece).and_then(|()| stream.flush())),
        }
    }
    String::from_utf8_lossy(&question).into_owned()
}

/// A server on a free port that goes through the scripts; gives its port and what it was asked.
fn server(scripts: Vec<Script>) -> (u16, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (tell, asked) = channel();
    thread::spawn(move || {
        for script in scripts {
            let (stream, _) = listener.accept().unwrap();
            let _nobody_may_listen = tell.send(serve(stream, &script));
        }
    });
    (port, asked)
}

fn answer(body: &[u8]) -> Vec<u8> {
    let head = format!("HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nContent-Length: {}\r\n\r\n", body.len());
    [head.as_bytes(), body].concat()
}

const SAMPLES: &str =
    "node_supervisord_state{group=\"\",name=\"a&A\"} 20\nnode_supervisord_up{group=\"\",name=\"a&A\"} 1\n";

#[track_caller]
fn check(script: Script, want: &str) {
    let (port, _asked) = server(vec![script]);
    let url = format!("http://127.0.0.1:{port}/RPC2");
    let mut rig = Rig::new(&ROW, &[], &[(URL, &url)]);
    let got = rig.samples();
    let got = got.strip_prefix(&format!("! {url}: ")).unwrap_or(&got);
    assert!(got.starts_with(want), "expected {want}, found {got}");
}

#[test]
fn good_and_chunked() {
    check(vec![answer(PARSER.good)], SAMPLES);
    let (first, second) = PARSER.good.split_at(100);
    let head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
    let chunk = |piece: &[u8]| [format!("{:x}\r\n", piece.len()).as_bytes(), piece, b"\r\n"].concat();
    check(vec![head, chunk(first), chunk(second), chunk(b"")], SAMPLES);
    // Until the end, as HTTP/1.0 has it.
    check(vec![b"HTTP/1.0 200 OK\r\n\r\n".to_vec(), PARSER.good.to_vec()], SAMPLES);
}

#[test]
fn all_that_is_told() {
    let member = |name: &str, value: &str| format!("<member><name>{name}</name><value>{value}</value></member>");
    let process = |name: &str, state: &str| {
        let state = if state.is_empty() { String::new() } else { member("state", &format!("<int>{state}</int>")) };
        let rest = member("exitstatus", "<int>3</int>") + &member("start", "<int>1700000000</int>");
        format!("<value><struct>{}{}{state}{rest}</struct></value>", member("name", name), member("group", "g"))
    };
    let all = [process("up", "10"), process("down", "100"), process("odd", "")].concat();
    let body = format!(
        "<methodResponse><params><param><value><array><data>{all}</data></array></value></param></params></methodResponse>"
    );
    let (port, asked) = server(vec![vec![answer(body.as_bytes())]]);
    let url = format!("http://us%65r:p%3Aw@localhost:{port}");
    let mut rig = Rig::new(&ROW, &[], &[(URL, &url)]);
    let want = format!(
        "node_supervisord_exit_status{{group=\"g\",name=\"down\"}} 3\nnode_supervisord_exit_status{{group=\"g\",name=\"up\"}} 3\n\
         node_supervisord_start_time_seconds{{group=\"g\",name=\"up\"}} 1.7e+09\n\
         node_supervisord_state{{group=\"g\",name=\"down\"}} 100\nnode_supervisord_state{{group=\"g\",name=\"up\"}} 10\n\
         node_supervisord_up{{group=\"g\",name=\"down\"}} 0\nnode_supervisord_up{{group=\"g\",name=\"up\"}} 1\n\
         ! http://localhost:{port}: g:odd: expected name and state\n"
    );
    assert_eq!(rig.samples(), want);
    let question = asked.recv().unwrap().to_ascii_lowercase();
    assert!(question.starts_with("post /rpc2 http/1.1\r\n"), "{question}");
    // user:p:w
    assert!(question.contains("authorization: basic dxnlcjpwonc=\r\n"), "{question}");
    assert!(question.contains("content-type: text/xml\r\n"), "{question}");
    assert!(question.contains(&format!("content-length: {}\r\n", QUESTION.len())), "{question}");
}

#[test]
fn bad_answers() {
    let fault =
        b"<methodResponse><fault><value><struct><member><name>faultString</name><value><string>BUSY</string></value>\
                  </member></struct></value></fault></methodResponse>";
    check(vec![answer(fault)], "supervisord refuses: \"BUSY\"");
    check(vec![answer(b"<html/>")], "expected the answer to an XML-RPC call");
    check(vec![answer(b"<methodResponse><params>")], "byte 24 of the answer: the end, before all elements are closed");
    check(vec![b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n".to_vec()], "HTTP status 401");
    check(vec![b"SSH-2.0-x\r\n".to_vec()], "expected HTTP");
    check(vec![], "the connection was closed instead of an answer");
    check(vec![b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n<".to_vec()], "the answer ended after 1 bytes");
    check(vec![b"HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n<".to_vec()], "the answer has more than");
}

#[test]
fn a_stuck_server_is_not_waited_for() {
    let started = Instant::now();
    check(vec![vec![]], "no answer within 2.0 s: stopped while waiting for the answer");
    check(
        vec![answer(PARSER.good)[..100].to_vec(), vec![]],
        "no answer within 2.0 s: stopped in the middle of the body",
    );
    assert!(started.elapsed() < Duration::from_secs(6));
}

#[test]
fn it_comes_back_on_its_socket() {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("s.sock");
    let url = format!("unix://{}", socket.display());
    let mut rig = Rig::new(&ROW, &[], &[(URL, &url)]);
    for _ in 0..2 {
        assert!(rig.samples().contains("No such file"));
        let listener = UnixListener::bind(&socket).unwrap();
        let served = thread::spawn(move || serve(listener.accept().unwrap().0, &[answer(PARSER.good)]));
        assert_eq!(rig.samples(), SAMPLES);
        assert!(served.join().unwrap().starts_with("POST /RPC2 HTTP/1.1\r\n"));
        std::fs::remove_file(&socket).unwrap();
    }
}

#[test]
fn flags_are_checked() {
    for (url, want) in [("localhost:9001", "expected a URL that begins with"), ("http://", "expected a host")] {
        let mut args = common::flags::Args::defaults(FLAGS);
        args.set(URL, vec![url.to_owned()], true);
        let mistake = (ROW.new)(&args).err().unwrap().to_string();
        assert!(mistake.starts_with(&format!("--{URL}: {want}")), "{mistake}");
    }
}
