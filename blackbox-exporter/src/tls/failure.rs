//! What a broken TLS connection means.

use std::error::Error;
use std::io;

use rustls::AlertDescription as Alert;

use super::facts::Facts;
use crate::reason::{Failure, Phase, Reason};

/// Why reading or writing failed. With TLS 1.3 a server that does not take our certificate, or that there is none, says so
/// only after the handshake, in place of an answer.
///
/// `e` may be the error of a library that has the one of the stream as its source.
pub fn read_failure(e: &(dyn Error + 'static), phase: Phase) -> Failure {
    if let Some(rustls::Error::AlertReceived(alert)) = find::<rustls::Error>(e) {
        return match is_about_client(*alert) {
            true => alert_failure(*alert, phase),
            false => Failure::new(phase, Reason::Closed, format!("the server ended TLS with {alert:?}")),
        };
    }
    let reason = match innermost(e).map(io::Error::kind) {
        Some(io::ErrorKind::InvalidData) => Reason::Protocol,
        _ => Reason::Closed,
    };
    Failure::new(phase, reason, sentence(e))
}

/// Why a connection failed that the server ended with an alert of the handshake.
pub fn alert_failure(alert: Alert, phase: Phase) -> Failure {
    let what = match alert {
        alert if is_about_client(alert) => {
            return Failure::new(phase, Reason::ClientCertificate, about_client(alert));
        }
        Alert::ProtocolVersion => "the server speaks none of the TLS versions that the module allows".to_owned(),
        Alert::UnrecognisedName => "the server does not know the name that it was asked for".to_owned(),
        Alert::NoApplicationProtocol => "the server speaks none of the protocols that it was offered".to_owned(),
        alert => format!("the server ended the handshake with {alert:?}"),
    };
    Failure::new(phase, Reason::TlsHandshake, what)
}

/// Why a handshake failed.
pub(super) fn handshake_failure(e: &io::Error, facts: &Facts) -> Failure {
    if let Some(failure) = facts.failure() {
        return failure;
    }
    let found = find::<rustls::Error>(e);
    let handshake = |what: String| Failure::new(Phase::Tls, Reason::TlsHandshake, what);
    match found {
        Some(rustls::Error::AlertReceived(alert)) if facts.was_asked_for_client() && may_be_about_client(*alert) => {
            Failure::new(Phase::Tls, Reason::ClientCertificate, about_client(*alert))
        }
        Some(rustls::Error::AlertReceived(alert)) => alert_failure(*alert, Phase::Tls),
        Some(rustls::Error::InvalidMessage(_)) => handshake("expected TLS, found something else".to_owned()),
        Some(e) => handshake(format!("no agreement with the server: {e}")),
        // The alert is easily lost to a reset: the client still sends when the server closes.
        None if facts.was_asked_for_client() => Failure::new(
            Phase::Tls,
            Reason::ClientCertificate,
            "the server asked for a client certificate and closed the connection",
        ),
        None => {
            let what = match e.kind() {
                io::ErrorKind::UnexpectedEof => "the server closed the connection in the handshake".to_owned(),
                _ => format!("in the handshake: {e}"),
            };
            Failure::new(Phase::Tls, Reason::Closed, what)
        }
    }
}

/// Alerts that speak of our certificate, as a server has no other to speak of.
fn is_about_client(alert: Alert) -> bool {
    matches!(
        alert,
        Alert::NoCertificate
            | Alert::BadCertificate
            | Alert::UnsupportedCertificate
            | Alert::CertificateRevoked
            | Alert::CertificateExpired
            | Alert::CertificateUnknown
            | Alert::UnknownCA
            | Alert::CertificateRequired
            | Alert::AccessDenied
    )
}

/// The same and what servers of TLS 1.2 say when there is none.
fn may_be_about_client(alert: Alert) -> bool {
    is_about_client(alert) || matches!(alert, Alert::HandshakeFailure | Alert::DecryptError)
}

fn about_client(alert: Alert) -> String {
    match alert {
        Alert::NoCertificate | Alert::CertificateRequired => "the server wants a client certificate".to_owned(),
        alert => format!("the server wants another client certificate, or one at all: {alert:?}"),
    }
}

/// The first error of a type, from the outside inwards.
fn find<'e, E: Error + 'static>(e: &'e (dyn Error + 'static)) -> Option<&'e E> {
    layers(e).find_map(|e| e.downcast_ref())
}

/// The error of the connection itself, which others may wrap.
fn innermost<'e>(e: &'e (dyn Error + 'static)) -> Option<&'e io::Error> {
    layers(e).filter_map(|e| e.downcast_ref()).last()
}

fn layers<'e>(e: &'e (dyn Error + 'static)) -> impl Iterator<Item = &'e (dyn Error + 'static)> {
    let mut next = Some(e);
    std::iter::from_fn(move || {
        let e = next?;
        // An I/O error names the source of what it wraps as its own, and leaves out what it wraps.
        next = match e.downcast_ref::<io::Error>() {
            Some(e) => e.get_ref().map(|wrapped| wrapped as _),
            None => e.source(),
        };
        Some(e)
    })
}

fn sentence(e: &(dyn Error + 'static)) -> String {
    match innermost(e) {
        Some(e) if e.kind() == io::ErrorKind::UnexpectedEof => "the server closed the connection".to_owned(),
        Some(e) => format!("the connection broke: {e}"),
        None => format!("the connection broke: {e}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn io(alert: Alert) -> io::Error {
        io::Error::new(io::ErrorKind::InvalidData, rustls::Error::AlertReceived(alert))
    }

    #[track_caller]
    fn check(e: io::Error, reason: Reason, phase: Phase) {
        let direct = read_failure(&e, Phase::Request);
        assert_eq!((direct.reason, direct.phase), (reason, Phase::Request), "{direct}");
        let wrapped = read_failure(&io::Error::other(e), phase);
        assert_eq!((wrapped.reason, wrapped.phase), (reason, phase), "{wrapped}");
    }

    #[test]
    fn after_the_handshake() {
        check(io(Alert::CertificateRequired), Reason::ClientCertificate, Phase::Transfer);
        check(io(Alert::UnknownCA), Reason::ClientCertificate, Phase::Transfer);
        check(io(Alert::InternalError), Reason::Closed, Phase::Transfer);
        check(io::ErrorKind::UnexpectedEof.into(), Reason::Closed, Phase::Transfer);
        check(io::ErrorKind::ConnectionReset.into(), Reason::Closed, Phase::Transfer);
    }

    #[test]
    fn in_the_handshake() {
        let facts = Facts::default();
        for (e, want) in [
            (io(Alert::ProtocolVersion), Reason::TlsHandshake),
            (io(Alert::HandshakeFailure), Reason::TlsHandshake),
            (io::ErrorKind::UnexpectedEof.into(), Reason::Closed),
        ] {
            let failure = handshake_failure(&e, &facts);
            assert_eq!((failure.phase, failure.reason), (Phase::Tls, want), "{failure}");
        }
        facts.asked_for_client();
        for e in [io(Alert::HandshakeFailure), io::ErrorKind::ConnectionReset.into()] {
            assert_eq!(handshake_failure(&e, &facts).reason, Reason::ClientCertificate);
        }
    }
}
