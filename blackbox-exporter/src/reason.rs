//! Why a probe failed: closed sets for labels, so that an alert can name the cause.
//!
//! Every failed probe has one `probe_failure_info{phase,reason} 1` on its page: where the probe was, and what stopped it.
//! A probe that succeeds has none.

use std::fmt;
use std::sync::atomic::{AtomicU8, Ordering};

use common::exposition::{Desc, Page};

/// Present when a probe failed.
pub const FAILURE: Desc<'static> =
    Desc::gauge("probe_failure_info", "Why the probe failed: where it was, and what stopped it.", &["phase", "reason"]);

/// Declares an enum whose variants are label values.
macro_rules! words {
    ($(#[$about:meta])* $name:ident { $($(#[$doc:meta])* $variant:ident = $word:literal,)+ }) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u8)]
        pub enum $name { $($(#[$doc])* $variant,)+ }

        impl $name {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// The label value.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }
        }
    };
}

words! {
    /// Where a probe is.
    Phase {
        /// Target, module and the files it names are looked at.
        Setup = "setup",
        /// The name of the target, or of a place it sends to, is looked up.
        Resolve = "resolve",
        /// A connection is opened.
        Connect = "connect",
        /// A proxy is asked for a way through.
        Proxy = "proxy",
        /// TLS is agreed on.
        Tls = "tls",
        /// An OAuth2 token is fetched.
        Token = "token",
        /// The request is sent, and the answer has not begun.
        Request = "request",
        /// The answer is read.
        Transfer = "transfer",
        /// Both sides talk by the module's script.
        Dialogue = "dialogue",
        /// The answer is there and is judged.
        Check = "check",
    }
}

words! {
    /// What stopped a probe.
    Reason {
        /// The target is not in a form that this prober knows.
        Target = "target",
        /// The module cannot be used as it is: a file is missing, a header cannot be sent.
        Module = "module",
        /// The name has no address, or none of the family.
        Resolve = "resolve",
        /// The lists of networks and ports do not allow the address.
        Forbidden = "forbidden",
        /// This process may not do it.
        Permission = "permission",
        /// Nobody listens.
        ConnectRefused = "connect_refused",
        /// No answer to the attempt to connect within the deadline.
        ConnectTimeout = "connect_timeout",
        /// There is no way to the address, or another trouble of the network.
        Unreachable = "unreachable",
        /// The proxy did not let it through.
        Proxy = "proxy",
        /// No agreement on TLS.
        TlsHandshake = "tls_handshake",
        /// The server picked TLS 1.0 or 1.1, over which no more than the handshake can be probed.
        TlsVersion = "tls_version",
        /// The server wants another client certificate, or one at all.
        ClientCertificate = "client_certificate",
        /// The time of a certificate is over.
        CertificateExpired = "certificate_expired",
        /// The time of a certificate has not come.
        CertificateNotYetValid = "certificate_not_yet_valid",
        /// The certificate is for other names.
        CertificateName = "certificate_name",
        /// No trusted authority stands behind the certificate.
        CertificateUntrusted = "certificate_untrusted",
        /// The certificate is broken, or not for servers.
        CertificateInvalid = "certificate_invalid",
        /// No OAuth2 token.
        Token = "token",
        /// The other side closed or reset the connection.
        Closed = "closed",
        /// What came is not the protocol.
        Protocol = "protocol",
        /// The redirect leads nowhere.
        Redirect = "redirect",
        /// The status is not one of the valid ones.
        Status = "status",
        /// The HTTP version is not one of the valid ones.
        Version = "version",
        /// There is TLS where none may be, or none where it must be.
        Ssl = "ssl",
        /// A rule about headers.
        HeaderRule = "header_rule",
        /// A rule about the body.
        BodyRule = "body_rule",
        /// A CEL rule about the body.
        CelRule = "cel_rule",
        /// The body is larger than allowed.
        BodySize = "body_size",
        /// The body ended before its length.
        CutShort = "cut_short",
        /// The body cannot be unpacked.
        Compression = "compression",
        /// The dialogue went another way: a line or a message did not match.
        Expect = "expect",
        /// The dialogue went another way: other bytes.
        ExpectBytes = "expect_bytes",
        /// The DNS response code is not one of the valid ones.
        Rcode = "rcode",
        /// A rule about DNS records.
        RecordRule = "record_rule",
        /// gRPC ended with a status other than OK.
        GrpcStatus = "grpc_status",
        /// The service says that it does not serve.
        NotServing = "not_serving",
        /// Too many packets were lost.
        PacketLoss = "packet_loss",
        /// The time was over.
        Deadline = "deadline",
        /// The client that asked for the probe went away.
        Cancelled = "cancelled",
        /// A fault of this program.
        Internal = "internal",
    }
}

/// Why a probe failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Where it was.
    pub phase: Phase,
    /// What stopped it.
    pub reason: Reason,
    /// One sentence for people; shows no secret.
    pub what: String,
}

impl Failure {
    /// A failure.
    pub fn new(phase: Phase, reason: Reason, what: impl fmt::Display) -> Self {
        Self { phase, reason, what: what.to_string() }
    }

    /// The module cannot be used as it is.
    pub fn module(what: impl fmt::Display) -> Self {
        Self::new(Phase::Setup, Reason::Module, what)
    }

    /// The target is not in a form that the prober knows.
    pub fn target(what: impl fmt::Display) -> Self {
        Self::new(Phase::Setup, Reason::Target, what)
    }

    /// Puts it on the page.
    pub fn write(&self, page: &mut Page) {
        page.sample(&FAILURE, &[self.phase.as_str(), self.reason.as_str()], 1.0);
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

/// Where a probe is, told to whoever stops it.
#[derive(Debug, Default)]
pub struct Progress(AtomicU8);

impl Progress {
    /// The probe is here now.
    pub fn enter(&self, phase: Phase) {
        self.0.store(phase as u8, Ordering::Relaxed);
    }

    /// Where it is.
    pub fn phase(&self) -> Phase {
        let at = usize::from(self.0.load(Ordering::Relaxed));
        Phase::ALL.get(at).copied().unwrap_or(Phase::Setup)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_label_values_and_no_two_are_the_same() {
        let words: Vec<_> = Reason::ALL.iter().map(|reason| reason.as_str()).collect();
        for (at, word) in words.iter().enumerate() {
            assert!(word.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'), "{word}");
            assert!(!words[..at].contains(word), "{word}");
        }
    }

    #[test]
    fn progress_is_where_it_was_put() {
        let progress = Progress::default();
        assert_eq!(progress.phase(), Phase::Setup);
        for phase in Phase::ALL {
            progress.enter(*phase);
            assert_eq!(progress.phase(), *phase);
        }
    }
}
