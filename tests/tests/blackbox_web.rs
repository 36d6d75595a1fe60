//! The blackbox exporter behind a web configuration: TLS, passwords, a limit of requests.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::process::Command;

use exporter_tests::blackbox::{Blackbox, probe_path};
use exporter_tests::client::{Request, connect};
use exporter_tests::fixture::Fixture;
use exporter_tests::tls;
use exporter_tests::tools::tool;

const MODULES: &str = "modules: {tcp: {prober: tcp}}\n";

#[test]
fn who_probes_has_a_password_and_speaks_tls() {
    let folder = Fixture::new();
    let flag = format!("--web.config.file={}", tls::web_config(folder.root()).display());
    let blackbox = Blackbox::start_with(MODULES, &[&flag], &[]);
    let address = blackbox.program().address();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let probe = probe_path("tcp", &listener.local_addr().unwrap().to_string(), &[]);
    let curl = |method: &str, path: &str, password: Option<&str>| {
        let mut curl = Command::new(tool("curl"));
        curl.args(["--silent", "--request", method, "--write-out", "%{stderr}%{http_code}"]);
        curl.arg("--cacert").arg(folder.path("cert.pem"));
        if let Some(password) = password {
            curl.arg("--user").arg(format!("{}:{password}", tls::USER.0));
        }
        let output = curl.arg(format!("https://{address}{path}")).output().unwrap();
        (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap())
    };
    for (method, path) in [("GET", probe.as_str()), ("GET", "/config"), ("GET", "/logs?id=0"), ("POST", "/-/reload")] {
        for password in [None, Some("wrong")] {
            assert_eq!(curl(method, path, password), ("Unauthorized\n".to_owned(), "401".to_owned()), "{path}");
        }
        let (said, status) = curl(method, path, Some(tls::USER.1));
        assert_eq!(status, "200", "{path}: {said}");
        assert!(path != probe || said.contains("\nprobe_success 1\n"), "{said}");
    }
    let mut plain = connect(address).unwrap();
    plain.write_all(Request::get(&probe).text().as_bytes()).unwrap();
    // What comes behind it may be lost: the request was not read.
    let mut status = [0; 13];
    plain.read_exact(&mut status).unwrap();
    assert_eq!(status, *b"HTTP/1.0 400 ", "{}", String::from_utf8_lossy(&status));
}

#[test]
fn no_more_requests_than_are_allowed() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("web.yml");
    // No third one becomes free while this test runs.
    fs::write(&file, "rate_limit: {interval: 1h, burst: 2}\n").unwrap();
    let blackbox = Blackbox::start_with(MODULES, &[&format!("--web.config.file={}", file.display())], &[]);
    let statuses = [(); 4].map(|()| blackbox.ask(&Request::get("/-/healthy")).status);
    assert_eq!(statuses, [200, 200, 429, 429]);
}
