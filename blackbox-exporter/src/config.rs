//! `blackbox.yml`: which modules there are and what each asks for.
//!
//! * The grammar is that of the Go exporter, version 0.28, with the websocket prober that follows it.
//! * [`parse`] is pure: files that a module names are opened when it probes, so that a missing one fails its probes and
//!   not the start.
//! * Every mistake of a file is reported, each with line, key and what was expected; no message shows a value that may
//!   be secret.
//! * `show` prints what is in force, secrets hidden.

mod client;
mod dialogue;
mod dns;
mod file;
mod http;
mod oauth2;
mod packets;
mod reading;
mod scalar;
mod show;
mod tls;
mod url;

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use crate::cel::Program;
use crate::regexp::Regexp;

pub(crate) use file::feed;
pub use file::parse;
pub(crate) use show::is_credential;
pub use show::{Indent, show_module, show_settings};

/// A whole file.
#[derive(Debug, Default)]
pub struct Settings {
    /// Modules by name.
    pub modules: BTreeMap<String, Module>,
    /// Worth a line in the log each time the file is read: old keys, and what has no effect.
    pub warnings: Vec<String>,
}

/// How to probe.
#[derive(Clone, Debug, Default)]
pub struct Module {
    /// Which prober, as it was written; one that nobody knows is refused when it is asked for, as the Go exporter does.
    pub prober: String,
    /// Upper limit of the whole probe in seconds; 0 or less is none.
    pub timeout: f64,
    /// For `prober: http`.
    pub http: Http,
    /// For `prober: tcp`.
    pub tcp: Tcp,
    /// For `prober: unix`.
    pub unix: Unix,
    /// For `prober: dns`.
    pub dns: Dns,
    /// For `prober: icmp`.
    pub icmp: Icmp,
    /// For `prober: grpc`.
    pub grpc: Grpc,
    /// For `prober: websocket`.
    pub websocket: WebSocket,
}

/// Text that nobody may see.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secret(pub String);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<secret>")
    }
}

/// Where a text comes from. `Debug` shows no inline text: it may be secret.
#[derive(Clone, PartialEq, Eq)]
pub enum Given {
    /// It stands in the file.
    Inline(Secret),
    /// It is in another file, read when a probe runs.
    File(PathBuf),
    /// It is in a store of secrets, of which there is none: using it fails the probe.
    Ref(String),
}

impl fmt::Debug for Given {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Inline(_) => f.write_str("<secret>"),
            Self::File(path) => path.fmt(f),
            Self::Ref(name) => write!(f, "ref {name:?}"),
        }
    }
}

/// Which address family is probed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IpSelection {
    /// `preferred_ip_protocol` as written; empty or `ip6` is IPv6, anything else IPv4.
    pub preferred: String,
    /// Whether the other family will do.
    pub fallback: bool,
}

impl Default for IpSelection {
    fn default() -> Self {
        Self { preferred: String::new(), fallback: true }
    }
}

impl IpSelection {
    /// Whether IPv4 is preferred.
    pub fn prefers_ip4(&self) -> bool {
        !matches!(self.preferred.as_str(), "" | "ip6")
    }
}

/// A TLS version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TlsVersion {
    /// TLS 1.0.
    Tls10,
    /// TLS 1.1.
    Tls11,
    /// TLS 1.2.
    Tls12,
    /// TLS 1.3.
    Tls13,
}

/// `tls_config`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tls {
    /// The only authorities to trust; `None` is the system's list.
    pub ca: Option<Given>,
    /// Own certificate chain; there is always a key with it.
    pub cert: Option<Given>,
    /// Its private key.
    pub key: Option<Given>,
    /// Name for SNI and for the check; empty is up to the prober.
    pub server_name: String,
    /// Whether any certificate will do.
    pub insecure_skip_verify: bool,
    /// Oldest version; `None` is 1.2.
    pub min_version: Option<TlsVersion>,
    /// Newest version; `None` is 1.3.
    pub max_version: Option<TlsVersion>,
}

/// `basic_auth`.
#[derive(Clone, Debug, Default)]
pub struct BasicAuth {
    /// User; `None` is an empty one.
    pub username: Option<Given>,
    /// Password; `None` is an empty one.
    pub password: Option<Given>,
}

/// `authorization`; `bearer_token` and `bearer_token_file` become one as well.
#[derive(Clone, Debug)]
pub struct Authorization {
    /// First word of the header, `Bearer` unless said otherwise.
    pub kind: String,
    /// The rest of the header; `None` is nothing.
    pub credentials: Option<Given>,
}

/// Where requests go through.
#[derive(Clone, Debug, Default)]
pub struct Proxy {
    /// `proxy_url` as written, which may hold a password; `Some` also when it is empty.
    pub url: Option<Secret>,
    /// `no_proxy` as written.
    pub no_proxy: String,
    /// Whether `HTTP_PROXY` and the like decide.
    pub from_environment: bool,
    /// Headers of CONNECT alone.
    pub connect_headers: Vec<(String, Vec<Secret>)>,
}

/// `oauth2`.
#[derive(Clone, Debug, Default)]
pub struct OAuth2 {
    /// `client_id`.
    pub client_id: String,
    /// `client_secret`.
    pub client_secret: Option<Given>,
    /// `client_certificate_key`, for JWT alone.
    pub client_certificate_key: Option<Given>,
    /// `client_certificate_key_id`, the JWT's `kid`.
    pub client_certificate_key_id: String,
    /// `signature_algorithm`; empty is RS256.
    pub signature_algorithm: String,
    /// `iss`; empty is the client's id.
    pub iss: String,
    /// `audience`; empty is the token's URL.
    pub audience: String,
    /// Further claims as JSON values.
    pub claims: Vec<(String, serde_json::Value)>,
    /// `scopes`.
    pub scopes: Vec<String>,
    /// `token_url`, as written.
    pub token_url: String,
    /// `grant_type`; empty is `client_credentials`.
    pub grant_type: String,
    /// Further fields of the form.
    pub endpoint_params: Vec<(String, String)>,
    /// For the token's request.
    pub tls: Tls,
    /// For the token's request.
    pub proxy: Proxy,
}

/// Values of one header.
#[derive(Clone, Debug, Default)]
pub struct HeaderValues {
    /// Shown.
    pub values: Vec<String>,
    /// Hidden.
    pub secrets: Vec<Secret>,
    /// Read when a probe runs, white space around it left out.
    pub files: Vec<PathBuf>,
}

/// What `http` has inline and `websocket` under `http_config`.
#[derive(Clone, Debug)]
pub struct HttpClient {
    /// At most one of the three is there.
    pub basic_auth: Option<BasicAuth>,
    /// See [`Self::basic_auth`].
    pub authorization: Option<Authorization>,
    /// See [`Self::basic_auth`].
    pub oauth2: Option<Box<OAuth2>>,
    /// `tls_config`.
    pub tls: Tls,
    /// Whether redirects are followed.
    pub follow_redirects: bool,
    /// Whether HTTP/2 is offered over TLS.
    pub enable_http2: bool,
    /// Proxy.
    pub proxy: Proxy,
    /// `http_headers`, in canonical order of their names.
    pub http_headers: Vec<(String, HeaderValues)>,
}

impl Default for HttpClient {
    fn default() -> Self {
        Self {
            basic_auth: None,
            authorization: None,
            oauth2: None,
            tls: Tls::default(),
            follow_redirects: true,
            enable_http2: true,
            proxy: Proxy::default(),
            http_headers: Vec::new(),
        }
    }
}

/// A rule about a header of the response.
#[derive(Clone, Debug)]
pub struct HeaderRule {
    /// Name of the header, any case.
    pub header: String,
    /// What its values are matched with.
    pub regexp: Regexp,
    /// Whether the rule does not count when the header is not there.
    pub allow_missing: bool,
}

/// `http`.
#[derive(Clone, Debug, Default)]
pub struct Http {
    /// Statuses that are fine; empty is 200 to 299.
    pub valid_status_codes: Vec<i64>,
    /// Versions that are fine, as `HTTP/1.1`; empty is any.
    pub valid_http_versions: Vec<String>,
    /// Address family.
    pub ip: IpSelection,
    /// Whether the proxy resolves the name.
    pub skip_resolve_phase_with_proxy: bool,
    /// Fails over TLS.
    pub fail_if_ssl: bool,
    /// Fails without TLS.
    pub fail_if_not_ssl: bool,
    /// Method, as it is sent; empty is GET.
    pub method: String,
    /// Headers of the request, in the order of the file.
    pub headers: Vec<(String, String)>,
    /// Fails when one of them matches the body.
    pub fail_if_body_matches: Vec<Regexp>,
    /// Fails when one of them does not.
    pub fail_if_body_not_matches: Vec<Regexp>,
    /// Fails when it is true.
    pub fail_if_body_json_matches_cel: Option<Program>,
    /// Fails when it is not true.
    pub fail_if_body_json_not_matches_cel: Option<Program>,
    /// Fails when a value matches.
    pub fail_if_header_matches: Vec<HeaderRule>,
    /// Fails when no value matches.
    pub fail_if_header_not_matches: Vec<HeaderRule>,
    /// Body of the request.
    pub body: String,
    /// File with the body of the request.
    pub body_file: Option<PathBuf>,
    /// How the response is compressed; empty is not at all.
    pub compression: String,
    /// Most bytes of the body once it is not compressed; 0 is any number.
    pub body_size_limit: u64,
    /// Whether it is HTTP/3 over QUIC.
    pub enable_http3: bool,
    /// Credentials, TLS, proxy, redirects.
    pub client: HttpClient,
}

/// One step of a dialogue.
#[derive(Clone, Debug, Default)]
pub struct QueryResponse {
    /// A line that has to come.
    pub expect: Option<Regexp>,
    /// Bytes that have to come.
    pub expect_bytes: Vec<u8>,
    /// Labels made of what `expect` captured, name and template; `None` when the key is not there.
    pub labels: Option<Vec<(String, String)>>,
    /// What is sent, a template when there is an `expect`.
    pub send: Vec<u8>,
    /// Whether the connection turns to TLS here.
    pub starttls: bool,
}

/// `tcp`.
#[derive(Clone, Debug, Default)]
pub struct Tcp {
    /// Address family.
    pub ip: IpSelection,
    /// Own address, as written; empty is any.
    pub source_ip_address: String,
    /// The dialogue.
    pub query_response: Vec<QueryResponse>,
    /// Whether TLS comes first.
    pub tls: bool,
    /// For `tls` and `starttls`.
    pub tls_config: Tls,
}

/// `unix`.
#[derive(Clone, Debug, Default)]
pub struct Unix {
    /// The dialogue.
    pub query_response: Vec<QueryResponse>,
    /// Whether TLS comes first.
    pub tls: bool,
    /// For `tls` and `starttls`.
    pub tls_config: Tls,
}

/// Rules about the records of one section of a DNS answer. The patterns are compiled when they are used: a broken one
/// fails the probe, and only when there is a record to match.
#[derive(Clone, Debug, Default)]
pub struct RecordRules {
    /// `fail_if_matches_regexp`.
    pub matches: Vec<String>,
    /// `fail_if_all_match_regexp`.
    pub all_match: Vec<String>,
    /// `fail_if_not_matches_regexp`.
    pub not_matches: Vec<String>,
    /// `fail_if_none_matches_regexp`.
    pub none_matches: Vec<String>,
}

/// `dns`.
#[derive(Clone, Debug)]
pub struct Dns {
    /// Address family of the server.
    pub ip: IpSelection,
    /// Own address, as written; empty is any.
    pub source_ip_address: String,
    /// `udp`, `tcp`, or what else was written; empty is `udp`.
    pub transport_protocol: String,
    /// Whether DNS goes over TLS.
    pub dns_over_tls: bool,
    /// For DNS over TLS.
    pub tls_config: Tls,
    /// Name that is asked for.
    pub query_name: String,
    /// Type that is asked for: as written, empty for ANY, and its number.
    pub query_type: (String, u16),
    /// Class that is asked for: as written, empty for IN, and its number.
    pub query_class: (String, u16),
    /// The RD bit.
    pub recursion_desired: bool,
    /// Response codes that are fine, as written; `None` is NOERROR, an empty list is none at all.
    pub valid_rcodes: Option<Vec<String>>,
    /// Answer section.
    pub validate_answer: RecordRules,
    /// Authority section.
    pub validate_authority: RecordRules,
    /// Additional section.
    pub validate_additional: RecordRules,
    /// Largest datagram that is taken and announced by EDNS, from 512 on; 0 is 512 without EDNS. Not of the Go exporter.
    pub edns_udp_size: u16,
    /// Whether a truncated answer is asked for again over TCP. Not of the Go exporter.
    pub retry_truncated_over_tcp: bool,
}

impl Default for Dns {
    fn default() -> Self {
        Self {
            ip: IpSelection::default(),
            source_ip_address: String::new(),
            transport_protocol: String::new(),
            dns_over_tls: false,
            tls_config: Tls::default(),
            query_name: String::new(),
            query_type: (String::new(), 255),
            query_class: (String::new(), 1),
            recursion_desired: true,
            valid_rcodes: None,
            validate_answer: RecordRules::default(),
            validate_authority: RecordRules::default(),
            validate_additional: RecordRules::default(),
            edns_udp_size: 0,
            retry_truncated_over_tcp: false,
        }
    }
}

/// `icmp`.
#[derive(Clone, Debug)]
pub struct Icmp {
    /// Address family.
    pub ip: IpSelection,
    /// Own address, as written; empty is any.
    pub source_ip_address: String,
    /// Bytes of payload; 0 is the usual text. A negative one fails the probe.
    pub payload_size: i64,
    /// The DF bit, for IPv4.
    pub dont_fragment: bool,
    /// TTL or hop limit; 0 is what the system takes.
    pub ttl: u8,
    /// Packets in one probe; 1 unless said otherwise. Not of the Go exporter.
    pub packets: u16,
    /// Seconds from one packet to the next. Not of the Go exporter.
    pub packet_interval: f64,
    /// Most packets that may be lost, as a share from 0 to 1; more fails the probe. Not of the Go exporter.
    pub max_loss_ratio: f64,
}

impl Default for Icmp {
    fn default() -> Self {
        Self {
            ip: IpSelection::default(),
            source_ip_address: String::new(),
            payload_size: 0,
            dont_fragment: false,
            ttl: 64,
            packets: 1,
            packet_interval: 1.0,
            max_loss_ratio: 0.0,
        }
    }
}

/// `grpc`.
#[derive(Clone, Debug)]
pub struct Grpc {
    /// Service that is asked about.
    pub service: String,
    /// Address family. Without a section there is no fallback: IPv6 alone, as with the Go exporter.
    pub ip: IpSelection,
    /// Metadata, name and values.
    pub metadata: Vec<(String, Vec<String>)>,
    /// Whether it is TLS.
    pub tls: bool,
    /// For TLS.
    pub tls_config: Tls,
}

impl Default for Grpc {
    fn default() -> Self {
        let ip = IpSelection { preferred: String::new(), fallback: false };
        Self { service: String::new(), ip, metadata: Vec::new(), tls: false, tls_config: Tls::default() }
    }
}

/// `websocket`.
#[derive(Clone, Debug, Default)]
pub struct WebSocket {
    /// Credentials and TLS; the rest has no effect.
    pub client: HttpClient,
    /// Headers of the upgrade.
    pub headers: Vec<(String, HeaderValues)>,
    /// The dialogue; `expect` and `send` alone have an effect.
    pub query_response: Vec<QueryResponse>,
    /// Address family.
    pub ip: IpSelection,
}

#[cfg(test)]
mod tests;
