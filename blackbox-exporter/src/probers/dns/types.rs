//! What the data of each type is made of (the IANA registry of DNS parameters and the RFC of each type).

use super::cursor::Cursor;
use super::{Malformed, edns, odd};

/// One part of a record's data.
#[derive(Clone, Copy)]
pub(super) enum Field {
    U8,
    U16,
    U32,
    /// Seconds since 1970 as `YYYYMMDDHHMMSS`: 4 bytes.
    Time,
    /// The same: 6 bytes.
    LongTime,
    Name,
    /// A string with its length before it, in quotes.
    Quoted,
    /// The same without quotes.
    Bare,
    /// Such strings in quotes, up to the end.
    QuotedList,
    /// All that is left, in quotes.
    QuotedRest,
    Base64Rest,
    HexRest,
    UpperHexRest,
    /// Hex with its length, a byte, before it, which is not shown; `-` when empty.
    Salt,
    /// Base 32 with its length, a byte, before it, which is not shown.
    Hash,
    /// Length in two bytes, and hex.
    Sized,
    SizedUpper,
    Ip4,
    Ip6,
    /// Eight bytes as four groups of hex.
    Groups,
    UpperGroups,
    /// So many bytes of hex with dashes between.
    Dashes(usize),
    TypeName,
    CertificateType,
    Algorithm,
    /// The types that a bitmap has.
    Types,
}

/// What a type's data is made of.
#[derive(Clone, Copy)]
pub(super) enum Data {
    /// A row of fields.
    Fields(&'static [Field]),
    /// Nothing may be there.
    Nothing,
    /// Something of its own.
    Own(fn(&mut Cursor<'_>, &mut Vec<u8>) -> Result<(), Malformed>),
    /// Bytes as they are.
    Raw,
    /// The type is a name alone.
    Unknown,
}

use Field::*;

const NAME: Data = Data::Fields(&[Name]);
const TWO_NAMES: Data = Data::Fields(&[Name, Name]);
const PREFERENCE: Data = Data::Fields(&[U16, Name]);
const STRINGS: Data = Data::Fields(&[QuotedList]);
const KEY: Data = Data::Fields(&[U16, U8, U8, Base64Rest]);
const DIGEST: Data = Data::Fields(&[U16, U8, U8, UpperHexRest]);
const SIGNATURE: Data = Data::Fields(&[TypeName, U8, U8, U32, Time, Time, U16, Name, Base64Rest]);
const ASSOCIATION: Data = Data::Fields(&[U8, U8, U8, HexRest]);
const NEXT: Data = Data::Fields(&[Name, Types]);

/// Types by number.
pub(super) static TYPES: &[(u16, &str, Data)] = &[
    (0, "None", Data::Unknown),
    (1, "A", Data::Fields(&[Ip4])),
    (2, "NS", NAME),
    (3, "MD", NAME),
    (4, "MF", NAME),
    (5, "CNAME", NAME),
    (6, "SOA", Data::Fields(&[Name, Name, U32, U32, U32, U32, U32])),
    (7, "MB", NAME),
    (8, "MG", NAME),
    (9, "MR", NAME),
    (10, "NULL", Data::Raw),
    (12, "PTR", NAME),
    (13, "HINFO", Data::Fields(&[Quoted, Quoted])),
    (14, "MINFO", TWO_NAMES),
    (15, "MX", PREFERENCE),
    (16, "TXT", STRINGS),
    (17, "RP", TWO_NAMES),
    (18, "AFSDB", PREFERENCE),
    (19, "X25", Data::Fields(&[Bare])),
    (20, "ISDN", Data::Fields(&[Quoted, Quoted])),
    (21, "RT", PREFERENCE),
    (23, "NSAP-PTR", NAME),
    (24, "SIG", SIGNATURE),
    (25, "KEY", KEY),
    (26, "PX", Data::Fields(&[U16, Name, Name])),
    (27, "GPOS", Data::Fields(&[Bare, Bare, Bare])),
    (28, "AAAA", Data::Fields(&[Ip6])),
    (29, "LOC", Data::Own(odd::location)),
    (30, "NXT", NEXT),
    (31, "EID", Data::Fields(&[UpperHexRest])),
    (32, "NIMLOC", Data::Fields(&[UpperHexRest])),
    (33, "SRV", Data::Fields(&[U16, U16, U16, Name])),
    (34, "ATMA", Data::Unknown),
    (35, "NAPTR", Data::Fields(&[U16, U16, Quoted, Quoted, Quoted, Name])),
    (36, "KX", PREFERENCE),
    (37, "CERT", Data::Fields(&[CertificateType, U16, Algorithm, Base64Rest])),
    (39, "DNAME", NAME),
    (41, "OPT", Data::Own(edns::options)),
    (42, "APL", Data::Own(odd::prefixes)),
    (43, "DS", DIGEST),
    (44, "SSHFP", Data::Fields(&[U8, U8, UpperHexRest])),
    (45, "IPSECKEY", Data::Own(odd::ipsec_key)),
    (46, "RRSIG", SIGNATURE),
    (47, "NSEC", NEXT),
    (48, "DNSKEY", KEY),
    (49, "DHCID", Data::Fields(&[Base64Rest])),
    (50, "NSEC3", Data::Fields(&[U8, U8, U16, Salt, Hash, Types])),
    (51, "NSEC3PARAM", Data::Fields(&[U8, U8, U16, Salt])),
    (52, "TLSA", ASSOCIATION),
    (53, "SMIMEA", ASSOCIATION),
    (55, "HIP", Data::Own(odd::host_identity)),
    (56, "NINFO", STRINGS),
    (57, "RKEY", KEY),
    (58, "TALINK", TWO_NAMES),
    (59, "CDS", DIGEST),
    (60, "CDNSKEY", KEY),
    (61, "OPENPGPKEY", Data::Fields(&[Base64Rest])),
    (62, "CSYNC", Data::Fields(&[U32, U16, Types])),
    (63, "ZONEMD", Data::Fields(&[U32, U8, U8, HexRest])),
    (64, "SVCB", Data::Own(odd::service)),
    (65, "HTTPS", Data::Own(odd::service)),
    (99, "SPF", STRINGS),
    (100, "UINFO", Data::Fields(&[Quoted])),
    (101, "UID", Data::Fields(&[U32])),
    (102, "GID", Data::Fields(&[U32])),
    (103, "UNSPEC", Data::Unknown),
    (104, "NID", Data::Fields(&[U16, Groups])),
    (105, "L32", Data::Own(odd::locator)),
    (106, "L64", Data::Fields(&[U16, UpperGroups])),
    (107, "LP", PREFERENCE),
    (108, "EUI48", Data::Fields(&[Dashes(6)])),
    (109, "EUI64", Data::Fields(&[Dashes(8)])),
    (128, "NXNAME", Data::Nothing),
    (249, "TKEY", Data::Fields(&[Name, Time, Time, U16, U16, Sized, Sized])),
    (250, "TSIG", Data::Fields(&[Name, LongTime, U16, SizedUpper, U16, U16, Sized])),
    (251, "IXFR", Data::Unknown),
    (252, "AXFR", Data::Unknown),
    (253, "MAILB", Data::Unknown),
    (254, "MAILA", Data::Unknown),
    (255, "ANY", Data::Nothing),
    (256, "URI", Data::Fields(&[U16, U16, QuotedRest])),
    (257, "CAA", Data::Fields(&[U8, Bare, QuotedRest])),
    (258, "AVC", STRINGS),
    (260, "AMTRELAY", Data::Own(odd::relay)),
    (261, "RESINFO", STRINGS),
    (32768, "TA", DIGEST),
    (32769, "DLV", DIGEST),
    (65535, "Reserved", Data::Unknown),
];

/// The row of a type.
pub(super) fn row(kind: u16) -> Option<&'static (u16, &'static str, Data)> {
    let at = TYPES.binary_search_by_key(&kind, |row| row.0).ok()?;
    TYPES.get(at)
}
