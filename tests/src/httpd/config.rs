//! What an httpd of a test is told: options to a configuration file.

use std::fmt::Write;
use std::net::SocketAddr;
use std::path::Path;

use rustix::process::geteuid;

/// Where Debian keeps the modules.
const MODULES: &str = "/usr/lib/apache2/modules";

/// The multi-processing module.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mpm {
    /// A process per connection.
    Prefork,
    /// A thread per connection.
    Worker,
    /// Threads that idle connections do not occupy.
    Event,
}

impl Mpm {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Prefork, Self::Worker, Self::Event];

    /// Its name on the status page.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Prefork => "prefork",
            Self::Worker => "worker",
            Self::Event => "event",
        }
    }
}

/// What differs from a plain httpd with an extended status page.
#[derive(Debug, Clone, Default)]
pub struct Options {
    pub(super) no_extended_status: bool,
    pub(super) backends: usize,
    pub(super) tls: bool,
    pub(super) old_certificate: bool,
    pub(super) server_tokens: Option<String>,
    pub(super) credentials: Option<(String, String)>,
    pub(super) force_type: Option<String>,
    pub(super) site: Option<(String, String)>,
}

impl Options {
    /// `ExtendedStatus Off`.
    #[must_use]
    pub fn without_extended_status(mut self) -> Self {
        self.no_extended_status = true;
        self
    }

    /// `ProxyStatus On` and a balancer named `app` under `/app/`, with as many backends; the last of them is dead.
    #[must_use]
    pub fn balancer(mut self, backends: usize) -> Self {
        self.backends = backends;
        self
    }

    /// A second port with TLS and a session cache.
    #[must_use]
    pub fn tls(mut self) -> Self {
        self.tls = true;
        self
    }

    /// As [`Options::tls`], with a certificate of X.509 version 1.
    #[must_use]
    pub fn tls_with_old_certificate(mut self) -> Self {
        self.old_certificate = true;
        self.tls()
    }

    /// `ServerTokens`.
    #[must_use]
    pub fn server_tokens(mut self, tokens: &str) -> Self {
        self.server_tokens = Some(tokens.to_owned());
        self
    }

    /// Basic auth on the status page.
    #[must_use]
    pub fn basic_auth(mut self, user: &str, password: &str) -> Self {
        self.credentials = Some((user.to_owned(), password.to_owned()));
        self
    }

    /// `ForceType` on the status page.
    #[must_use]
    pub fn force_type(mut self, content_type: &str) -> Self {
        self.force_type = Some(content_type.to_owned());
        self
    }
}

impl Options {
    /// A site to be probed: a port with TLS, this certificate and this key, and HTTP/2; what is under `/gzip/` is sent gzipped
    /// to who takes that, `/secure` leads to the port with TLS.
    #[must_use]
    pub fn site(mut self, certificate: &str, key: &str) -> Self {
        self.site = Some((certificate.to_owned(), key.to_owned()));
        self.tls()
    }
}

/// Where one httpd lives.
pub(super) struct Place<'a> {
    /// Everything it reads and writes.
    pub(super) folder: &'a Path,
    /// The plain port.
    pub(super) plain: SocketAddr,
    /// The port with TLS, when there is one.
    pub(super) secure: Option<SocketAddr>,
    /// The members of the balancer.
    pub(super) backends: &'a [SocketAddr],
}

/// The configuration file.
///
/// Few servers and threads, so that it starts fast and a load keeps all of them busy.
pub(super) fn text(mpm: Mpm, options: &Options, place: &Place<'_>) -> String {
    let folder = place.folder.display();
    let mut text = format!(
        "ServerRoot \"{folder}\"\nServerName localhost\nPidFile \"{folder}/httpd.pid\"\n\
         DefaultRuntimeDir \"{folder}\"\nErrorLog \"{folder}/error.log\"\nListen {plain}\n\
         StartServers 2\nMaxConnectionsPerChild 0\nGracefulShutdownTimeout 5\nKeepAliveTimeout 30\n",
        plain = place.plain
    );
    text += match mpm {
        Mpm::Prefork => "MinSpareServers 2\nMaxSpareServers 8\nServerLimit 8\nMaxRequestWorkers 8\n",
        Mpm::Worker | Mpm::Event => "ServerLimit 4\nThreadsPerChild 8\nMaxRequestWorkers 32\nMinSpareThreads 8\n",
    };
    if geteuid().is_root() {
        // Its children refuse to serve as root.
        text += "User nobody\nGroup nogroup\n";
    }
    load(&mut text, &format!("mpm_{}", mpm.as_str()));
    let auth = options.credentials.as_ref().map_or(&[][..], |_| &["auth_basic", "authn_core", "authn_file"]);
    let balancer: &[&str] = match options.backends {
        0 => &[],
        _ => &["slotmem_shm", "proxy", "proxy_http", "proxy_balancer", "lbmethod_byrequests"],
    };
    let tls: &[&str] = if options.tls { &["socache_shmcb", "ssl"] } else { &[] };
    let site: &[&str] = if options.site.is_some() { &["alias", "filter", "deflate", "http2"] } else { &[] };
    for module in ["authz_core", "authz_user", "status"].iter().chain(auth).chain(balancer).chain(tls).chain(site) {
        load(&mut text, module);
    }
    let extended = if options.no_extended_status { "Off" } else { "On" };
    text += &format!("ExtendedStatus {extended}\nDocumentRoot \"{folder}/pages\"\n");
    if let Some(tokens) = &options.server_tokens {
        text += &format!("ServerTokens {tokens}\n");
    }
    text += "<Location /server-status>\n  SetHandler server-status\n";
    if let Some(content_type) = &options.force_type {
        text += &format!("  ForceType {content_type}\n");
    }
    if options.credentials.is_some() {
        text += &format!(
            "  AuthType Basic\n  AuthName status\n  AuthBasicProvider file\n  AuthUserFile \"{folder}/passwords\"\n  \
             Require valid-user\n"
        );
    }
    text += "</Location>\n";
    if !place.backends.is_empty() {
        text += "ProxyStatus On\n<Proxy balancer://app>\n";
        for backend in place.backends {
            // Without failing over for good: a dead one is tried again only after a minute, and so stays `Err`.
            text += &format!("  BalancerMember http://{backend} retry=60\n");
        }
        text += "</Proxy>\nProxyPass /app/ balancer://app/\n";
    }
    let own = || (format!("{folder}/cert.pem"), format!("{folder}/key.pem"));
    if let Some(secure) = place.secure {
        let (certificate, key) = options.site.clone().unwrap_or_else(own);
        if options.site.is_some() {
            text += &format!(
                "Protocols h2 http/1.1\nRedirect 301 /secure https://localhost:{}/index.html\n<Location /gzip/>\n  \
                 SetOutputFilter DEFLATE\n</Location>\n",
                secure.port()
            );
        }
        text += &format!(
            "Listen {secure}\nSSLSessionCache \"shmcb:{folder}/tls_cache(65536)\"\n<VirtualHost {secure}>\n  \
             SSLEngine on\n  SSLCertificateFile \"{certificate}\"\n  SSLCertificateKeyFile \"{key}\"\n\
             </VirtualHost>\n"
        );
    }
    text
}

#[track_caller]
fn load(text: &mut String, module: &str) {
    let file = Path::new(MODULES).join(format!("mod_{module}.so"));
    assert!(file.is_file(), "{}: this httpd has no such module; Debian's `apache2-bin` brings it", file.display());
    writeln!(text, "LoadModule {module}_module {}", file.display()).expect("a string can be written to");
}
