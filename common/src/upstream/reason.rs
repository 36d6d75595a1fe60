//! Why an upstream gave nothing, as a closed set for labels, and how often.

use super::Kind;

/// Why asking failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// No connection: the name is unknown, the connection was refused or broke.
    Connect,
    /// An HTTP status other than the one that was wanted.
    HttpStatus,
    /// An answer that is another kind of document.
    NotStatusPage,
    /// An answer of which something could not be read.
    Parse,
    /// No answer in time.
    Timeout,
    /// A connection without an agreement on TLS, or a certificate that is not trusted.
    Tls,
}

impl Reason {
    /// All of them, by label value.
    pub const ALL: [Self; 6] =
        [Self::Connect, Self::HttpStatus, Self::NotStatusPage, Self::Parse, Self::Timeout, Self::Tls];

    /// The label value.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::HttpStatus => "http_status",
            Self::NotStatusPage => "not_status_page",
            Self::Parse => "parse",
            Self::Timeout => "timeout",
            Self::Tls => "tls",
        }
    }
}

impl From<Kind> for Reason {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Resolve | Kind::Connect | Kind::CutShort => Self::Connect,
            Kind::Tls => Self::Tls,
            Kind::Timeout => Self::Timeout,
            Kind::Protocol => Self::Parse,
            Kind::TooLarge => Self::NotStatusPage,
        }
    }
}

/// Failures since the start of the program.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    counts: [u64; Reason::ALL.len()],
}

impl Tally {
    /// Counts one failure.
    pub fn count(&mut self, reason: Reason) {
        for (count, _) in self.counts.iter_mut().zip(Reason::ALL).filter(|(_, other)| *other == reason) {
            *count += 1;
        }
    }

    /// All reasons with their counts, by label value.
    pub fn iter(&self) -> impl Iterator<Item = (Reason, u64)> {
        Reason::ALL.into_iter().zip(self.counts)
    }

    /// Failures for whatever reason.
    pub fn total(&self) -> u64 {
        self.counts.iter().sum()
    }
}
