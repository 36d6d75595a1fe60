//! Bytes of a handshake with TLS 1.0 or 1.1: the client's hello, and what a server says up to ServerHelloDone.
//!
//! * Source: RFC 2246 and RFC 4346, sections 6.2 and 7; RFC 6066 (server name), RFC 8422 (curves), RFC 5746.
//! * Handshake messages may be spread over records in any way, and records over reads.

use std::fmt;

use rustls::pki_types::CertificateDer;
use rustls::{AlertDescription, CipherSuite, ProtocolVersion};

/// Of everything the server says; a chain of certificates is some KiB.
const MOST_BYTES: usize = 256 << 10;

/// RFC 4346, section 6.2.1.
const MOST_FRAGMENT_BYTES: usize = 1 << 14;

/// What servers of that time speak: AES with CBC, then 3DES; the best key exchange first.
const SUITES: [u16; 13] =
    [0xc00a, 0xc009, 0xc014, 0xc013, 0x0039, 0x0033, 0x0035, 0x002f, 0xc008, 0xc012, 0x0016, 0x000a, 0x00ff];

/// Everything a server says first.
#[derive(Debug, PartialEq, Eq)]
pub(in super::super) struct Hello {
    pub(in super::super) version: ProtocolVersion,
    pub(in super::super) cipher: CipherSuite,
    /// As they were sent, the server's own first.
    pub(in super::super) chain: Vec<CertificateDer<'static>>,
}

/// Why what the server says is of no use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Error {
    /// It ended the handshake.
    Alert(AlertDescription),
    /// It is not TLS.
    NotTls,
    /// A message is not as it should be.
    Message(&'static str),
    /// There is no end to it.
    TooLong,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Alert(AlertDescription::ProtocolVersion) => {
                f.write_str("the server speaks none of the TLS versions that the module allows")
            }
            Self::Alert(alert) => write!(f, "the server ended the handshake with {alert:?}"),
            Self::NotTls => f.write_str("expected TLS, found something else"),
            Self::Message(name) => write!(f, "the server's {name} is not as it should be"),
            Self::TooLong => write!(f, "expected at most {MOST_BYTES} bytes of a handshake, found more"),
        }
    }
}

/// The hello of a client, in one record.
pub(super) fn client_hello(version: u16, random: [u8; 32], name: Option<&str>) -> Vec<u8> {
    let mut extensions = Vec::new();
    if let Some(name) = name {
        let entry = [&[0][..], &sized(2, name.as_bytes())].concat();
        extensions.extend(extension(0x0000, &sized(2, &entry)));
    }
    // X25519, P-256, P-384, P-521; points as they are.
    extensions.extend(extension(0x000a, &sized(2, &[0, 0x1d, 0, 0x17, 0, 0x18, 0, 0x19])));
    extensions.extend(extension(0x000b, &sized(1, &[0])));
    let suites: Vec<u8> = SUITES.iter().flat_map(|suite| suite.to_be_bytes()).collect();
    let body = [
        &version.to_be_bytes()[..],
        &random,
        &sized(1, &[]),
        &sized(2, &suites),
        &sized(1, &[0]),
        &sized(2, &extensions),
    ];
    let message = [&[CLIENT_HELLO][..], &sized(3, &body.concat())].concat();
    record(HANDSHAKE, 0x0301, &message)
}

/// The alert that the handshake is not wanted any more.
pub(super) fn cancelled(version: u16) -> Vec<u8> {
    const WARNING: u8 = 1;
    const USER_CANCELED: u8 = 90;
    record(ALERT, version, &[WARNING, USER_CANCELED])
}

const ALERT: u8 = 21;
const HANDSHAKE: u8 = 22;
const CLIENT_HELLO: u8 = 1;
const SERVER_HELLO: u8 = 2;
const CERTIFICATE: u8 = 11;
const SERVER_HELLO_DONE: u8 = 14;

fn record(kind: u8, version: u16, fragment: &[u8]) -> Vec<u8> {
    [&[kind][..], &version.to_be_bytes(), &sized(2, fragment)].concat()
}

fn extension(kind: u16, data: &[u8]) -> Vec<u8> {
    [&kind.to_be_bytes()[..], &sized(2, data)].concat()
}

/// The bytes behind their length, which has `width` bytes.
fn sized(width: usize, bytes: &[u8]) -> Vec<u8> {
    let length = (bytes.len() as u64).to_be_bytes();
    [length.get(8 - width..).unwrap_or_default(), bytes].concat()
}

/// Puts together what a server says.
#[derive(Debug, Default)]
pub(super) struct Reader {
    n_bytes: usize,
    /// A record that is not complete.
    record: Vec<u8>,
    /// A message that is not complete.
    message: Vec<u8>,
    agreed: Option<(ProtocolVersion, CipherSuite)>,
    chain: Vec<CertificateDer<'static>>,
}

impl Reader {
    /// Takes the next bytes; `None` wants more.
    pub(crate) fn feed(&mut self, bytes: &[u8]) -> Result<Option<Hello>, Error> {
        self.n_bytes = self.n_bytes.saturating_add(bytes.len());
        if self.n_bytes > MOST_BYTES {
            return Err(Error::TooLong);
        }
        self.record.extend_from_slice(bytes);
        let held = std::mem::take(&mut self.record);
        let mut rest = held.as_slice();
        while let Some((kind, fragment, next)) = split_record(rest)? {
            rest = next;
            match (kind, fragment) {
                (HANDSHAKE, fragment) => self.message.extend_from_slice(fragment),
                (ALERT, [_, description]) => return Err(Error::Alert(AlertDescription::from(*description))),
                _ => return Err(Error::NotTls),
            }
            if let Some(hello) = self.messages()? {
                return Ok(Some(hello));
            }
        }
        self.record = rest.to_vec();
        Ok(None)
    }

    fn messages(&mut self) -> Result<Option<Hello>, Error> {
        let held = std::mem::take(&mut self.message);
        let mut rest = held.as_slice();
        while let Some((kind, after)) = rest.split_first()
            && let Some((body, next)) = split_sized(3, after)
        {
            rest = next;
            match (kind, self.agreed) {
                (&SERVER_HELLO, None) => self.agreed = Some(server_hello(body).ok_or(Error::Message("hello"))?),
                (_, None) => return Err(Error::Message("first message")),
                (&CERTIFICATE, _) => self.chain = certificates(body).ok_or(Error::Message("list of certificates"))?,
                (&SERVER_HELLO_DONE, Some((version, cipher))) => {
                    return Ok(Some(Hello { version, cipher, chain: std::mem::take(&mut self.chain) }));
                }
                // Its part of the key exchange and the like.
                _ => {}
            }
        }
        self.message = rest.to_vec();
        Ok(None)
    }
}

type Record<'b> = (u8, &'b [u8], &'b [u8]);

/// The first record's type and content, and what follows; `None` when it is not complete.
fn split_record(bytes: &[u8]) -> Result<Option<Record<'_>>, Error> {
    match bytes {
        [kind, rest @ ..] if !matches!(*kind, ALERT | HANDSHAKE) || !matches!(rest, [] | [3, ..]) => Err(Error::NotTls),
        [kind, _, _, rest @ ..] => match split_sized(2, rest) {
            Some(([], _)) => Err(Error::NotTls),
            Some((fragment, next)) => Ok(Some((*kind, fragment, next))),
            None if number(2, rest).is_some_and(|length| length > MOST_FRAGMENT_BYTES) => Err(Error::NotTls),
            None => Ok(None),
        },
        _ => Ok(None),
    }
}

fn number(width: usize, bytes: &[u8]) -> Option<usize> {
    Some(bytes.get(..width)?.iter().fold(0, |number, byte| number << 8 | usize::from(*byte)))
}

/// The bytes behind their length, and what follows them.
fn split_sized(width: usize, bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    bytes.get(width..)?.split_at_checked(number(width, bytes)?)
}

/// RFC 4346, section 7.4.1.3.
fn server_hello(body: &[u8]) -> Option<(ProtocolVersion, CipherSuite)> {
    let version = u16::try_from(number(2, body)?).ok()?;
    let (_session, rest) = split_sized(1, body.get(2 + 32..)?)?;
    let cipher = u16::try_from(number(2, rest)?).ok()?;
    // The method of compression; extensions may follow.
    rest.get(2)?;
    Some((version.into(), cipher.into()))
}

/// RFC 4346, section 7.4.2.
fn certificates(body: &[u8]) -> Option<Vec<CertificateDer<'static>>> {
    let (mut list, rest) = split_sized(3, body)?;
    let mut chain = Vec::new();
    while !list.is_empty() {
        let (certificate, next) = split_sized(3, list)?;
        chain.push(CertificateDer::from(certificate.to_vec()));
        list = next;
    }
    rest.is_empty().then_some(chain)
}

/// For the fuzzer.
pub(crate) fn feed(bytes: &[u8]) {
    let mut reader = Reader::default();
    for piece in bytes.chunks(7) {
        if !matches!(reader.feed(piece), Ok(None)) {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(kind: u8, body: &[u8]) -> Vec<u8> {
        [&[kind][..], &sized(3, body)].concat()
    }

    /// What a server with two certificates says, in records of at most `most` bytes.
    fn said(most: usize) -> Vec<u8> {
        let hello = [&[3, 2][..], &[7; 32], &sized(1, &[9; 32]), &[0xc0, 0x14, 0]].concat();
        let chain = [sized(3, b"leaf"), sized(3, b"authority")].concat();
        let messages = [
            message(SERVER_HELLO, &hello),
            message(CERTIFICATE, &sized(3, &chain)),
            message(12, &[1; 300]),
            message(SERVER_HELLO_DONE, &[]),
        ];
        messages.concat().chunks(most).flat_map(|fragment| record(HANDSHAKE, 0x0302, fragment)).collect()
    }

    fn read(bytes: &[u8], step: usize) -> Result<Option<Hello>, Error> {
        let mut reader = Reader::default();
        for piece in bytes.chunks(step) {
            if let Some(hello) = reader.feed(piece)? {
                return Ok(Some(hello));
            }
        }
        Ok(None)
    }

    #[test]
    fn whole_and_in_pieces() {
        let chain = [&b"leaf"[..], b"authority"].map(|der| CertificateDer::from(der.to_vec())).to_vec();
        let want =
            Hello { version: ProtocolVersion::TLSv1_1, cipher: CipherSuite::TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA, chain };
        for (most, step) in [(16384, 100_000), (16384, 1), (1, 1), (5, 7), (100, 3)] {
            assert_eq!(read(&said(most), step).unwrap().as_ref(), Some(&want), "{most} {step}");
        }
    }

    #[test]
    fn cut_short() {
        let bytes = said(100);
        for end in 0..bytes.len() {
            assert_eq!(read(&bytes[..end], 50), Ok(None), "{end}");
        }
    }

    #[test]
    fn not_as_it_should_be() {
        let handshake = |messages: &[u8]| record(HANDSHAKE, 0x0302, messages);
        let hello = message(SERVER_HELLO, &[&[3, 2][..], &[7; 32], &[0, 0xc0, 0x14, 0]].concat());
        for (bytes, want) in [
            (b"HTTP/1.1 400 Bad Request\r\n".to_vec(), Error::NotTls),
            (b"220 mail.test\r\n".to_vec(), Error::NotTls),
            (record(ALERT, 0x0301, &[2, 70]), Error::Alert(AlertDescription::ProtocolVersion)),
            (record(23, 0x0302, &[0]), Error::NotTls),
            (record(HANDSHAKE, 0x0302, &[]), Error::NotTls),
            (vec![HANDSHAKE, 3, 2, 0xff, 0xff], Error::NotTls),
            (handshake(&message(CERTIFICATE, &[])), Error::Message("first message")),
            (handshake(&message(SERVER_HELLO, &[3, 2])), Error::Message("hello")),
            (
                handshake(&[&hello[..], &message(CERTIFICATE, &[0, 0, 9, 1])].concat()),
                Error::Message("list of certificates"),
            ),
        ] {
            assert_eq!(read(&bytes, 1000), Err(want));
        }
        let endless =
            [handshake(&hello), record(HANDSHAKE, 0x0302, &[[12, 0xff, 0xff, 0xff].as_slice(), &[0; 9000]].concat())];
        let endless = [endless.concat(), record(HANDSHAKE, 0x0302, &[0; 16000]).repeat(20)].concat();
        assert_eq!(read(&endless, 1000), Err(Error::TooLong));
    }

    #[test]
    fn garbage() {
        let bytes = said(60);
        for at in 0..bytes.len() {
            for flip in [1, 0x80, 0xff] {
                let mut bytes = bytes.clone();
                bytes[at] ^= flip;
                // Anything but a panic.
                let _ = read(&bytes, 33);
            }
        }
    }

    #[test]
    fn hello_of_a_client() {
        let hello = client_hello(0x0302, [5; 32], Some("a.test"));
        let (kind, fragment, rest) = split_record(&hello).unwrap().unwrap();
        assert_eq!((kind, rest), (HANDSHAKE, &[][..]));
        let (body, rest) = split_sized(3, &fragment[1..]).unwrap();
        assert_eq!((fragment[0], rest, &body[..34]), (CLIENT_HELLO, &[][..], &[&[3, 2][..], &[5; 32]].concat()[..]));
        assert!(body.windows(11).any(|found| found == [&[0, 9, 0, 0, 6][..], b"a.test"].concat()));
        assert!(client_hello(0x0301, [5; 32], None).len() < hello.len());
    }
}
