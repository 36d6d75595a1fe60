//! No secret of a module or a target is shown to anybody, whatever peers make of it: they say again all that they are told.

use std::collections::BTreeSet;
use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixListener;
use std::thread;

use exporter_tests::blackbox::{Blackbox, probe_path};
use exporter_tests::client::{Request, basic_auth, percent_encoded};
use exporter_tests::grpc::{Health, Says};
use exporter_tests::pki::{Pki, Server, Shows};
use exporter_tests::running::run_to_end;
use exporter_tests::upstream::DeadPort;

/// `@name@` is a secret, in every place that may hold one; `$PEER` an address, `$FOLDER` a folder with files.
const MODULES: &str = r#"modules:
  basic:
    prober: http
    timeout: 1s
    http:
      fail_if_body_not_matches_regexp: ["never"]
      fail_if_header_not_matches: [{header: X-None, regexp: never}]
      basic_auth: {username: user, password: '@basic@'}
  basic_file:
    prober: http
    timeout: 1s
    http: {basic_auth: {username: user, password_file: '$FOLDER/basicfile'}}
  bearer:
    prober: http
    timeout: 1s
    http: {bearer_token: '@bearer@'}
  bearer_file:
    prober: http
    timeout: 1s
    http: {bearer_token_file: '$FOLDER/bearerfile'}
  credentials:
    prober: http
    timeout: 1s
    http: {authorization: {type: Token, credentials: '@credentials@'}}
  credentials_file:
    prober: http
    timeout: 1s
    http: {authorization: {type: Token, credentials_file: '$FOLDER/credentialsfile'}}
  headers:
    prober: http
    timeout: 1s
    http:
      method: POST
      fail_if_body_json_not_matches_cel: "body.a == 1"
      headers: {Authorization: 'Bearer @authorization@', Cookie: 'sid=@cookie@', X-Api-Key: '@apikey@'}
      http_headers: {X-Tenant: {secrets: ['@header@'], files: ['$FOLDER/headerfile']}, X-Token: {values: ['@tokenvalue@']}}
      body: '@body@'
  token_refused:
    prober: http
    timeout: 1s
    http:
      oauth2: {client_id: i, client_secret: '@clientsecret@', token_url: 'http://u:@tokenurl@@$PEER/refuse?api_key=@tokenquery@', endpoint_params: {api_key: '@param@'}}
  token_given:
    prober: http
    timeout: 1s
    http: {oauth2: {client_id: i, client_secret_file: '$FOLDER/clientsecretfile', token_url: 'http://$PEER/token'}}
  token_through_proxy:
    prober: http
    timeout: 1s
    http: {oauth2: {client_id: i, client_secret: '@proxiedsecret@', token_url: 'https://$PEER/token', proxy_url: 'http://u:@tokenproxy@@$PEER', proxy_connect_header: {X-P: ['@tokenconnect@']}}}
  jwt:
    prober: http
    timeout: 1s
    http: {oauth2: {client_id: i, grant_type: 'urn:ietf:params:oauth:grant-type:jwt-bearer', client_certificate_key: '@jwtkey@', token_url: 'http://$PEER/token', claims: {password: '@claim@', more: {secret: '@innerclaim@'}}}}
  proxy:
    prober: http
    timeout: 1s
    http: {proxy_url: 'http://user:@proxy@@$PEER', proxy_connect_header: {Proxy-Authorization: ['Basic @connect@'], X-P: ['@connecttwo@']}}
  socks:
    prober: http
    timeout: 1s
    http: {proxy_url: 'socks5://user:@socks@@$PEER'}
  proxy_token:
    prober: http
    timeout: 1s
    http: {proxy_url: 'http://@proxyuser@@$PEER'}
  tls_key:
    prober: http
    timeout: 1s
    http: {tls_config: {cert: '@tlscert@', key: '@tlskey@'}}
  tcp:
    prober: tcp
    timeout: 1s
    tcp:
      query_response:
      - send: 'PASS @send@'
      - {expect: '^echo PASS', send: 'AUTH @sendtwo@'}
      - send: '@sendalone@'
      - expect: never
  tcp_tls:
    prober: tcp
    timeout: 1s
    tcp: {tls: true, tls_config: {cert_file: '$FOLDER/none', key: '@tcpkey@'}}
  unix:
    prober: unix
    timeout: 1s
    unix:
      tls_config: {cert: x, key: '@unixkey@'}
      query_response: [{send: 'PASS @unixsend@'}, {expect: 'never'}]
  dns:
    prober: dns
    timeout: 1s
    dns: {query_name: a.example, transport_protocol: tcp, dns_over_tls: true, tls_config: {cert: x, key: '@dnskey@'}}
  icmp:
    prober: icmp
    timeout: 1s
  grpc:
    prober: grpc
    timeout: 1s
    grpc:
      service: a
      metadata: {authorization: ['Bearer @grpc@'], tenant: ['@grpctwo@', '@grpcthree@']}
  websocket:
    prober: websocket
    timeout: 1s
    websocket:
      http_config: {basic_auth: {username: user, password: '@wsbasic@'}}
      headers: {X-Token: {secrets: ['@wssecret@'], values: ['@wsvalue@'], files: ['$FOLDER/wsfile']}}
      query_response: [{send: '@wssend@'}, {expect: never}]
"#;

/// Files with secrets of their own.
const FILES: [&str; 6] = ["basicfile", "bearerfile", "credentialsfile", "headerfile", "clientsecretfile", "wsfile"];
/// What the peer gives, and what the targets have.
const OTHERS: [&str; 2] = ["token", "target"];

/// What stands for a name: nothing that is anywhere else.
fn secret(name: &str) -> String {
    format!("Kx7{name}Qz93")
}

/// The names of all secrets.
fn names() -> BTreeSet<&'static str> {
    let marked = MODULES.split('@').filter(|part| part.bytes().all(|b| b.is_ascii_lowercase()) && !part.is_empty());
    marked.chain(FILES).chain(OTHERS).collect()
}

fn config(peer: SocketAddr, folder: &str) -> String {
    let mut text = MODULES.replace("$PEER", &peer.to_string()).replace("$FOLDER", folder);
    for name in names() {
        text = text.replace(&format!("@{name}@"), &secret(name));
    }
    text
}

/// A request with its body, or a line of something else.
fn hear(stream: &mut (impl Read + ?Sized), heard: &mut Vec<u8>) -> bool {
    heard.clear();
    let mut piece = [0; 4096];
    loop {
        let n = stream.read(&mut piece).unwrap_or(0);
        heard.extend(&piece[..n]);
        let text = String::from_utf8_lossy(heard);
        let length = text.split("Content-Length: ").nth(1).and_then(|rest| rest.split("\r\n").next()?.parse().ok());
        let whole = match text.split_once("\r\n\r\n") {
            Some((_, body)) => body.len() >= length.unwrap_or(0),
            None => text.ends_with('\n') && !text.contains(" HTTP/1.1\r\n"),
        };
        // Neither SOCKS nor TLS begins with a letter.
        if n == 0 || whole || heard[0] < b' ' {
            return n > 0;
        }
    }
}

fn answer(heard: &str) -> String {
    let echo: String = heard.replace("\r\n", "|");
    let path = heard.split(' ').nth(1).unwrap_or_default();
    let path = path.split('?').next().unwrap_or_default().rsplit('/').next().unwrap_or_default();
    let with = |head: &str, body: &str| format!("HTTP/1.1 {head}\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    match path {
        _ if heard.starts_with("CONNECT") => with(&format!("407 {echo}\r\nX-Echo: {echo}"), &echo),
        "echo" => with(&format!("200 OK\r\nX-Echo: {echo}\r\nSet-Cookie: a={echo}"), &echo),
        "refuse" => with(&format!("401 {echo}\r\nWWW-Authenticate: Basic realm=\"{echo}\""), &echo),
        "redirect" => {
            let escaped = percent_encoded(&echo);
            with(&format!("307 Go\r\nLocation: /{escaped}/{echo}/echo?{escaped}"), &echo)
        }
        "astray" => with(&format!("302 Go\r\nLocation: http://{echo}:{echo}/%zz"), ""),
        "elsewhere" => with(&format!("302 Go\r\nLocation: http://u:{}@127.0.0.1:1/x", secret("target")), ""),
        "cut" => format!("HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n{echo}"),
        "chunks" => format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{echo}\r\n"),
        "header" => format!("HTTP/1.1 200 OK\r\n{echo}\x01: \x01\r\n\r\n"),
        "token" => {
            let token = format!("{{\"access_token\":\"{}\"}}", secret("token"));
            with("200 OK\r\nContent-Type: application/json", &token)
        }
        "garbage" => echo,
        _ => with("500 Echo", &echo),
    }
}

fn talk(stream: &mut (impl Read + Write)) {
    let mut heard = Vec::new();
    // As many lines as a script of ours has.
    for _ in 0..3 {
        if !hear(stream, &mut heard) {
            return;
        }
        let text = String::from_utf8_lossy(&heard).into_owned();
        let is_http = text.contains(" HTTP/1.1\r\n");
        let said = if is_http { answer(&text) } else { format!("echo {text}") };
        // A client that goes away in the middle is what many probes are about.
        if stream.write_all(said.as_bytes()).is_err() || is_http {
            return;
        }
    }
}

/// Says again what it is told.
fn peer() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            thread::spawn(move || {
                let mut stream: TcpStream = stream;
                talk(&mut stream);
            });
        }
    });
    address
}

/// Panics when one of the secrets is in `text`, as it is or as Basic makes it.
#[track_caller]
fn check(text: &str, place: &str) {
    for name in names() {
        let secret = secret(name);
        let mut packed = vec![basic_auth(&secret, "")];
        packed.extend(["user", "u", "i"].map(|user| basic_auth(user, &secret)));
        let packed = packed.iter().map(|value| value.trim_start_matches("Basic "));
        for shown in packed.chain([secret.as_str()]) {
            assert!(!text.contains(shown), "{place} shows {name}:\n{text}");
        }
    }
}

#[test]
fn nobody_sees_a_secret() {
    let (peer, dead, pki, grpc) = (peer(), DeadPort::new(), Pki::new(), Health::start(Says::Echo));
    let tls = Server::start_http(pki.server_config(&Shows::default()));
    let folder = tempfile::tempdir().unwrap();
    for name in FILES {
        fs::write(folder.path().join(name), secret(name) + "\n").unwrap();
    }
    let socket = folder.path().join("socket");
    let listener = UnixListener::bind(&socket).unwrap();
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            talk(&mut stream);
        }
    });
    let exporter = Blackbox::start_with(&config(peer, folder.path().to_str().unwrap()), &["--log.prober=debug"], &[]);

    let probe = |module: &str, target: &str| {
        for more in [&[][..], &[("debug", "true")]] {
            let answer = exporter.ask(&Request::get(&probe_path(module, target, more)));
            assert_eq!(answer.status, 200, "{module} {target}");
            check(&answer.text(), &format!("{module} {target} {more:?}"));
        }
        let query = format!("/logs?module={module}&target={}", percent_encoded(target));
        let logs = exporter.ask(&Request::get(&query));
        assert_eq!(logs.status, 200, "{query}");
        check(&logs.text(), &format!("the log of {module} {target}"));
        check(&exporter.program().get("/").text(), "the landing page");
    };
    let user = format!("user:{}@", secret("target"));
    let http = |module: &str| {
        let paths = ["echo", "refuse", "redirect", "astray", "elsewhere", "cut", "chunks", "header", "garbage"];
        paths.iter().for_each(|path| probe(module, &format!("http://{peer}/{path}")));
        probe(module, &format!("http://{user}{peer}/redirect"));
        probe(module, &format!("{user}{peer}/garbage"));
        probe(module, &format!("http://{user}{}/", dead.address()));
        probe(module, &format!("https://{user}{}/", tls.address()));
        probe(module, &format!("https://{user}localhost:x/"));
        probe(module, &format!("http://user:a/{}@localhost/", secret("target")));
        probe(module, &format!("http://user:{}%zz@localhost/", secret("target")));
    };
    let others = |module: &str| {
        for scheme in ["http://", "ws://", "wss://", ""] {
            probe(module, &format!("{scheme}{user}{peer}/"));
        }
        let more = match module {
            "unix" => vec![socket.to_str().unwrap().to_owned()],
            "grpc" => vec![grpc.target(), peer.to_string()],
            "websocket" => ["ws://P/refuse", "ws://P/garbage", "ws://P/header", "wss://T/"]
                .map(|url| url.replace('P', &peer.to_string()).replace('T', &tls.address().to_string()))
                .into(),
            _ => vec![peer.to_string()],
        };
        more.iter().for_each(|target| probe(module, target));
    };
    // Some wait until their time is over: all at once.
    thread::scope(|scope| {
        for module in MODULES.lines().filter_map(|line| line.strip_prefix("  ")?.strip_suffix(':')) {
            let is_http = MODULES.contains(&format!("  {module}:\n    prober: http\n"));
            match (is_http, module.starts_with(' ')) {
                (_, true) => {}
                (true, _) => drop(scope.spawn(|| http(module))),
                (false, _) => drop(scope.spawn(|| others(module))),
            }
        }
    });
    for path in ["/", "/config", "/metrics"] {
        check(&exporter.program().get(path).text(), path);
    }
    check(&exporter.program().log(), "standard error");
    // Some of it has to have been there to be hidden.
    exporter.program().logs("<secret>");
    assert!(exporter.program().get("/config").text().contains("<secret>"));
}

#[test]
fn a_configuration_with_mistakes_is_not_shown() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("blackbox.yml");
    let good = config(SocketAddr::from(([127, 0, 0, 1], 1)), "/nowhere");
    let mut refused = 0;
    for name in names() {
        let secret = secret(name);
        if !good.contains(&secret) {
            continue;
        }
        // The text in quotes that it stands in, and what people make of such.
        let at = good.find(&secret).unwrap();
        let start = good[..at].rfind('\'').unwrap();
        let end = at + good[at..].find('\'').unwrap() + 1;
        let text = &good[start + 1..end - 1];
        for wrong in [
            format!("['{text}', ['{text}']]"),
            format!("{{a: '{text}'}}"),
            format!("'{text}"),
            format!("\"{text}\\q\""),
            format!("!!int '{text}'"),
            format!("!!binary '{text}'"),
            format!("*{text}"),
            format!("'{text}' '{text}'"),
            format!("@{text}"),
            format!("'{text}': '{text}'"),
        ] {
            fs::write(&file, format!("{}{wrong}{}", &good[..start], &good[end..])).unwrap();
            let ended = run_to_end(
                "blackbox-exporter",
                &["--config.check".to_owned(), format!("--config.file={}", file.display())],
            );
            refused += usize::from(!ended.status.success());
            check(&(ended.stdout + &ended.stderr), &format!("the message about {wrong}"));
        }
    }
    assert!(refused > 100, "{refused} of them are no configuration");
}
