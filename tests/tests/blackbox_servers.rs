//! HTTP probes of real servers, which agree about everything that is asked of them here: nginx and Apache httpd.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

use exporter_tests::blackbox::{Blackbox, Probed};
use exporter_tests::httpd::{Httpd, Mpm, Options};
use exporter_tests::nginx::Nginx;
use exporter_tests::pki::{Leaf, Pki};

const USER: (&str, &str) = ("prober", "open-sesame");
/// Of the page: 21 October 2015, 07:28:00 GMT.
const MODIFIED: u64 = 1_445_412_480;

/// The exporter with modules for HTTP over IPv4.
fn exporter(pki: &Pki) -> Blackbox {
    let (user, password) = USER;
    let auth = format!("basic_auth: {{username: {user}, password: {password}}}");
    let wrong = format!("basic_auth: {{username: {user}, password: x}}");
    let mut yaml = "modules:\n".to_owned();
    for (name, section) in [
        ("plain", ""),
        ("old", "enable_http2: false"),
        ("head", "method: HEAD"),
        ("missing", "valid_status_codes: [404]"),
        ("asks", "headers: {Accept-Encoding: gzip}"),
        ("gzip", "headers: {Accept-Encoding: gzip}, compression: gzip"),
        ("silent_gzip", "compression: gzip"),
        ("stays", "follow_redirects: false, valid_status_codes: [301]"),
        ("user", &auth),
        ("stranger", &wrong),
        ("words", "fail_if_body_not_matches_regexp: ['^<p>Hello[.]</p>$']"),
        ("two", "valid_http_versions: [HTTP/2.0]"),
        ("two_by_another_name", "valid_http_versions: [HTTP/2]"),
    ] {
        let comma = if section.is_empty() { "" } else { ", " };
        let tls = format!("tls_config: {{ca_file: {}}}", pki.path("root.pem"));
        yaml += &format!(
            "  {name}: {{prober: http, timeout: 20s, http: {{preferred_ip_protocol: ip4, {tls}{comma}{section}}}}}\n"
        );
    }
    let careless = "preferred_ip_protocol: ip4, tls_config: {insecure_skip_verify: true}";
    Blackbox::start(&format!("{yaml}  careless: {{prober: http, timeout: 20s, http: {{{careless}}}}}\n"))
}

/// A server as the probes see it.
struct Site<'a> {
    pki: &'a Pki,
    blackbox: &'a Blackbox,
    plain: SocketAddr,
    secure: SocketAddr,
    /// A page that wants credentials.
    locked: &'a str,
}

/// Dates the page.
fn date(folder: &Path) {
    let page = fs::File::options().write(true).open(folder.join("pages/index.html")).unwrap();
    page.set_modified(UNIX_EPOCH + Duration::from_secs(MODIFIED)).unwrap();
}

/// What is sent as certificate: file and key of a leaf and the intermediate, or of the leaf alone.
fn shown(pki: &Pki, leaf: Leaf, alone: bool) -> (String, String) {
    let (mut file, key) = (pki.path(&format!("{}.pem", leaf.name())), pki.path(&format!("{}.key", leaf.name())));
    if alone {
        const END: &str = "-----END CERTIFICATE-----\n";
        let chain = fs::read_to_string(&file).unwrap().replace("\r\n", "\n");
        file = pki.path("alone.pem");
        fs::write(&file, &chain[..chain.find(END).unwrap() + END.len()]).unwrap();
    }
    (file, key)
}

/// Certificates to show, and what is wrong with them.
const WRONG: [(Leaf, bool, &str); 4] = [
    (Leaf::Expired, false, "certificate_expired"),
    (Leaf::OtherName, false, "certificate_name"),
    (Leaf::SelfSigned, false, "certificate_untrusted"),
    (Leaf::Good, true, "certificate_untrusted"),
];

impl Site<'_> {
    fn plain(&self, module: &str, path: &str) -> Probed {
        self.blackbox.probe(module, &format!("http://localhost:{}{path}", self.plain.port()))
    }

    fn secure(&self, module: &str, path: &str) -> Probed {
        self.blackbox.probe(module, &format!("https://localhost:{}{path}", self.secure.port()))
    }

    /// The same of all servers.
    fn check(&self) {
        self.in_the_clear();
        self.gzipped();
        self.over_tls();
    }

    fn in_the_clear(&self) {
        self.plain("plain", "/index.html").holds(&[
            "probe_success 1",
            "probe_http_status_code 200",
            "probe_http_version 1.1",
            "probe_http_content_length 14",
            "probe_http_uncompressed_body_length 14",
            "probe_http_redirects 0",
            "probe_http_ssl 0",
            "probe_ip_protocol 4",
            "probe_failed_due_to_regex 0",
            &format!("probe_http_last_modified_timestamp_seconds {MODIFIED}"),
            "!probe_ssl_earliest_cert_expiry",
            "!probe_tls_version_info",
        ]);
        self.plain("words", "/index.html").failed("check", "body_rule").holds(&["probe_failed_due_to_regex 1"]);
        self.plain("head", "/index.html").holds(&[
            "probe_success 1",
            "probe_http_status_code 200",
            "probe_http_content_length 14",
            "probe_http_uncompressed_body_length 0",
        ]);
        self.plain("plain", "/none").failed("check", "status").holds(&["probe_http_status_code 404"]);
        self.plain("missing", "/none").holds(&["probe_success 1", "probe_http_status_code 404"]);
        for (module, status) in [("plain", 401), ("stranger", 401), ("user", 200)] {
            let probed = self.plain(module, self.locked);
            probed.holds(&[&format!("probe_http_status_code {status}")]);
            assert_eq!(probed.succeeded(), status == 200, "{module}");
        }
        self.plain("two", "/index.html").failed("check", "version");
        self.plain("stays", "/secure").holds(&[
            "probe_success 1",
            "probe_http_status_code 301",
            "probe_http_redirects 1",
            "probe_http_ssl 0",
        ]);
    }

    fn gzipped(&self) {
        let large = "/gzip/large.txt";
        self.plain("plain", large).holds(&["probe_success 1", "probe_http_uncompressed_body_length 1000"]);
        let probed = self.plain("asks", large);
        probed.holds(&["probe_success 1", "probe_http_uncompressed_body_length > 0"]);
        assert!(!probed.text.contains("probe_http_uncompressed_body_length 1000\n"), "{}", probed.samples());
        self.plain("gzip", large).holds(&["probe_success 1", "probe_http_uncompressed_body_length 1000"]);
        // Nobody says that the answer may be gzipped unless the module has the header.
        self.plain("silent_gzip", large).failed("transfer", "compression").holds(&["probe_http_content_length 1000"]);
        self.secure("gzip", large).holds(&["probe_success 1", "probe_http_uncompressed_body_length 1000"]);
    }

    fn over_tls(&self) {
        let until = self.pki.intermediate_not_after();
        let tls = [
            "probe_success 1",
            "probe_http_status_code 200",
            "probe_http_ssl 1",
            &format!("probe_ssl_earliest_cert_expiry {until}"),
            &format!("probe_ssl_last_chain_expiry_timestamp_seconds {until}"),
            "probe_ssl_last_chain_info{serialnumber=\"ab0cdef012\"} 1",
            "probe_tls_version_info{version=\"TLS 1.3\"} 1",
            "probe_tls_cipher_info{cipher=\"TLS_AES_128_GCM_SHA256\"} 1",
            "probe_http_duration_seconds{phase=\"tls\"} > 0",
        ];
        let page = ["probe_http_content_length 14", "probe_http_uncompressed_body_length 14"];
        self.secure("plain", "/index.html").holds(&tls).holds(&page).holds(&["probe_http_version 2"]);
        self.secure("old", "/index.html").holds(&tls).holds(&page).holds(&["probe_http_version 1.1"]);
        self.secure("head", "/index.html").holds(&tls).holds(&[
            "probe_http_version 2",
            "probe_http_content_length 14",
            "probe_http_uncompressed_body_length 0",
        ]);
        self.plain("plain", "/secure").holds(&tls).holds(&page).holds(&[
            "probe_http_version 2",
            "probe_http_redirects 1",
            "probe_http_duration_seconds{phase=\"processing\"} > 0",
        ]);
        self.secure("two", "/index.html").holds(&tls);
        let probed = self.secure("two_by_another_name", "/index.html");
        probed.failed("check", "version").holds(&["probe_http_version 2"]);
        self.secure("missing", "/none").holds(&[
            "probe_success 1",
            "probe_http_status_code 404",
            "probe_http_version 2",
        ]);
        self.secure("user", self.locked).holds(&["probe_success 1", "probe_http_version 2"]);
        self.secure("stranger", self.locked).failed("check", "status").holds(&["probe_http_status_code 401"]);
    }

    /// A port whose certificate cannot be trusted.
    fn untrusted(&self, reason: &str) {
        self.secure("plain", "/index.html").failed("tls", reason).holds(&[
            "probe_http_status_code 0",
            "probe_http_ssl 0",
            "probe_http_duration_seconds{phase=\"tls\"} 0",
            "probe_ssl_last_chain_info",
            "!probe_tls_version_info",
        ]);
        self.secure("careless", "/index.html").holds(&[
            "probe_success 1",
            "probe_http_version 2",
            "probe_http_ssl 1",
            "probe_ssl_earliest_cert_expiry",
            "!probe_ssl_last_chain_expiry_timestamp_seconds",
        ]);
    }
}

#[test]
fn nginx() {
    let pki = Pki::new();
    let blackbox = exporter(&pki);
    let good = shown(&pki, Leaf::Good, false);
    let wrong = WRONG.map(|(leaf, alone, _)| shown(&pki, leaf, alone));
    let certificates: Vec<(String, String)> = [good].into_iter().chain(wrong).collect();
    let nginx = Nginx::start(USER, &certificates);
    date(nginx.folder().root());
    let site =
        |secure| Site { pki: &pki, blackbox: &blackbox, plain: nginx.plain(), secure, locked: "/locked/index.html" };
    let [good, wrong @ ..] = nginx.secure() else { panic!("a port for each certificate") };
    site(*good).check();
    for (secure, (.., reason)) in wrong.iter().zip(WRONG) {
        site(*secure).untrusted(reason);
    }
}

#[test]
fn apache_httpd() {
    let pki = Pki::new();
    let blackbox = exporter(&pki);
    let start = |leaf, alone| {
        let (certificate, key) = shown(&pki, leaf, alone);
        let httpd = Httpd::start(
            Mpm::Event,
            &Options::default().site(&certificate, &key).basic_auth(USER.0, USER.1).without_extended_status(),
        );
        date(httpd.folder().root());
        httpd
    };
    let site = |httpd: &Httpd, check: &dyn Fn(&Site<'_>)| {
        let (plain, secure) = (httpd.address(), httpd.secure_address());
        check(&Site { pki: &pki, blackbox: &blackbox, plain, secure, locked: "/server-status" });
    };
    site(&start(Leaf::Good, false), &|site| site.check());
    for (leaf, alone, reason) in WRONG {
        site(&start(leaf, alone), &|site| site.untrusted(reason));
    }
}
