//! A DNS message as bytes: header and where its records are (RFC 1035, 4).
//!
//! A message is well-formed when each record that is there is; sections may announce more records than there are when the
//! message ends before the next one begins, and bytes after the last one do no harm. Nothing is kept but positions: the
//! counts of a section are numbers of records that were seen.

use std::ops::Range;

use super::rdata;
use super::{Malformed, name};

/// SOA.
pub(super) const SOA: u16 = 6;
const OPT: u16 = 41;
const TSIG: u16 = 250;

const HEADER: usize = 12;
/// Bit of a message that was cut.
const TRUNCATED: u16 = 1 << 9;
const RECURSION_DESIRED: u16 = 1 << 8;

/// The records of one section.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Section {
    at: usize,
    /// How many there are.
    pub(super) records: u16,
}

/// A well-formed message.
#[derive(Debug)]
pub(super) struct Message<'m> {
    bytes: &'m [u8],
    /// Whether it was cut.
    pub(super) truncated: bool,
    /// The response code, with the upper bits of EDNS.
    pub(super) rcode: u16,
    /// Answer, authority, additional.
    pub(super) sections: [Section; 3],
}

/// A record: positions in its message.
#[derive(Clone, Debug)]
pub(super) struct Record {
    /// Where its name is.
    pub(super) name: usize,
    /// Its type.
    pub(super) kind: u16,
    /// Its class.
    pub(super) class: u16,
    /// Seconds it may be kept.
    pub(super) ttl: u32,
    /// Its data.
    pub(super) rdata: Range<usize>,
}

/// The number of a message, which may be anything after it.
pub(super) fn id(bytes: &[u8]) -> Option<u16> {
    bytes.first_chunk::<HEADER>().map(|[high, low, ..]| u16::from_be_bytes([*high, *low]))
}

fn number16(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().copied().map(u16::from_be_bytes)
}

impl<'m> Message<'m> {
    /// Reads a message.
    ///
    /// # Errors
    /// It is not one.
    pub(super) fn parse(bytes: &'m [u8]) -> Result<Self, Malformed> {
        let number = |at| number16(bytes, at).ok_or(Malformed);
        let flags = number(2)?;
        let (questions, counts) = (number(4)?, [number(6)?, number(8)?, number(10)?]);
        let mut message =
            Self { bytes, truncated: flags & TRUNCATED != 0, rcode: flags & 0xf, sections: Default::default() };
        let mut at = HEADER;
        for _ in 0..questions {
            if at == bytes.len() {
                break;
            }
            at = name::walk(bytes, at, |_| ())?;
            // Type and class, of which a message that was cut may have the first or none.
            at += match bytes.len() - at {
                rest @ (0 | 2) => rest,
                4.. => 4,
                _ => return Err(Malformed),
            };
        }
        let mut scratch = Vec::new();
        for (section, count) in message.sections.iter_mut().zip(counts) {
            section.at = at;
            while section.records < count && at < bytes.len() {
                let record = Record::at(bytes, at)?;
                scratch.clear();
                rdata::write(bytes, &record, &mut scratch)?;
                at = record.rdata.end;
                section.records += 1;
            }
        }
        let [_, _, additional] = message.sections;
        let (mut edns, mut last) = (None, None);
        for record in message.records(additional) {
            last = Some(record.kind);
            edns = Some(record).filter(|record| record.kind == OPT).or(edns);
        }
        if last == Some(TSIG) {
            // Signed, with a key that nobody gave us: not an answer to a question that was not signed (RFC 8945, 5.4).
            return Err(Malformed);
        }
        if let Some(edns) = edns {
            message.rcode |= u16::try_from(edns.ttl >> 24).map_or(0, |high| high << 4);
        }
        Ok(message)
    }

    /// The records of a section.
    pub(super) fn records(&self, section: Section) -> impl Iterator<Item = Record> {
        let mut at = section.at;
        (0..section.records).map_while(move |_| {
            let record = Record::at(self.bytes, at).ok()?;
            at = record.rdata.end;
            Some(record)
        })
    }

    /// Writes a record as a line of text.
    pub(super) fn write(&self, record: &Record, out: &mut Vec<u8>) {
        // It was written once already, when the message was read.
        let _ = rdata::write(self.bytes, record, out);
    }

    /// The serial of an SOA record.
    pub(super) fn serial(&self, record: &Record) -> u32 {
        let rdata = self.bytes.get(..record.rdata.end).unwrap_or_default();
        let serial = || {
            let at = name::walk(rdata, record.rdata.start, |_| ()).ok()?;
            let at = name::walk(rdata, at, |_| ()).ok()?;
            rdata.get(at..)?.first_chunk().copied().map(u32::from_be_bytes)
        };
        serial().unwrap_or(0)
    }
}

impl Record {
    fn at(bytes: &[u8], at: usize) -> Result<Self, Malformed> {
        let after = name::walk(bytes, at, |_| ())?;
        let fixed: [u8; 10] = *bytes.get(after..).and_then(<[u8]>::first_chunk).ok_or(Malformed)?;
        let [k1, k2, c1, c2, t1, t2, t3, t4, l1, l2] = fixed;
        let start = after + fixed.len();
        let end = start + usize::from(u16::from_be_bytes([l1, l2]));
        if end > bytes.len() {
            return Err(Malformed);
        }
        Ok(Self {
            name: at,
            kind: u16::from_be_bytes([k1, k2]),
            class: u16::from_be_bytes([c1, c2]),
            ttl: u32::from_be_bytes([t1, t2, t3, t4]),
            rdata: start..end,
        })
    }
}

/// A question.
pub(super) struct Query<'n> {
    /// The name on the wire.
    pub(super) name: &'n [u8],
    /// Type.
    pub(super) kind: u16,
    /// Class.
    pub(super) class: u16,
    /// The RD bit.
    pub(super) recursion: bool,
    /// Size of datagrams that EDNS announces (RFC 6891); 0 is no EDNS.
    pub(super) edns_udp_size: u16,
}

impl Query<'_> {
    /// The message that asks it.
    pub(super) fn message(&self, id: u16) -> Vec<u8> {
        let flags = if self.recursion { RECURSION_DESIRED } else { 0 };
        let additional = u16::from(self.edns_udp_size > 0);
        let mut message = Vec::with_capacity(HEADER + self.name.len() + 4 + 11);
        for number in [id, flags, 1, 0, 0, additional] {
            message.extend(number.to_be_bytes());
        }
        message.extend(self.name);
        message.extend(self.kind.to_be_bytes());
        message.extend(self.class.to_be_bytes());
        if additional > 0 {
            message.push(0);
            message.extend(OPT.to_be_bytes());
            message.extend(self.edns_udp_size.to_be_bytes());
            message.extend([0; 6]);
        }
        message
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Header with these counts, after it the rest.
    fn message(flags: u16, counts: [u16; 4], rest: &[&[u8]]) -> Vec<u8> {
        let mut bytes = vec![0x12, 0x34];
        bytes.extend(flags.to_be_bytes());
        bytes.extend(counts.iter().flat_map(|count| count.to_be_bytes()));
        bytes.extend(rest.concat());
        bytes
    }

    const QUESTION: &[u8] = b"\x01x\x04test\0\0\x01\0\x01";
    const A: &[u8] = b"\xc0\x0c\0\x01\0\x01\0\0\x01\x2c\0\x04\x7f\0\0\x01";
    const SOA_7: &[u8] = b"\xc0\x0c\0\x06\0\x01\0\0\0\0\0\x16\0\0\0\0\0\x07\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";
    const EDNS_1: &[u8] = b"\0\0\x29\x02\0\x01\0\0\0\0\0";
    const SIGNED: &[u8] = b"\0\0\xfa\0\xff\0\0\0\0\0\0";

    #[test]
    fn messages() {
        let check = |bytes: &[u8], want: Option<(u16, [u16; 3])>| {
            let got = Message::parse(bytes).ok().map(|m| (m.rcode, m.sections.map(|section| section.records)));
            assert_eq!(got, want, "{bytes:02x?}");
        };
        check(&message(0x8183, [1, 0, 0, 0], &[QUESTION]), Some((3, [0, 0, 0])));
        check(&message(0x8180, [1, 2, 1, 0], &[QUESTION, A, A, SOA_7]), Some((0, [2, 1, 0])));
        check(&message(0x8180, [1, 1, 0, 1], &[QUESTION, A, EDNS_1]), Some((16, [1, 0, 1])));
        // More announced than there is, and less.
        check(&message(0x8180, [1, 5, 5, 5], &[QUESTION, A]), Some((0, [1, 0, 0])));
        check(&message(0x8180, [0xffff; 4], &[]), Some((0, [0, 0, 0])));
        check(&message(0x8180, [1, 1, 0, 0], &[QUESTION, A, b"more"]), Some((0, [1, 0, 0])));
        check(&message(0x8180, [1, 1, 0, 0], &[b"\x01x\0\0\x01"]), Some((0, [0, 0, 0])));
        // Cut in a record, in a question, in the header; signed.
        check(&message(0x8180, [1, 2, 0, 0], &[QUESTION, A, &A[..15]]), None);
        check(&message(0x8180, [1, 2, 0, 0], &[QUESTION, A, &A[..5]]), None);
        check(&message(0x8180, [1, 0, 0, 0], &[b"\x01x\0\0"]), None);
        check(&message(0x8180, [0; 4], &[])[..11], None);
        check(&message(0x8180, [1, 0, 0, 1], &[QUESTION, SIGNED]), None);
        check(&message(0x8180, [1, 0, 0, 2], &[QUESTION, SIGNED, A]), Some((0, [0, 0, 2])));
    }

    #[test]
    fn the_serial_of_a_zone() {
        let bytes = message(0x8180, [1, 1, 0, 0], &[QUESTION, SOA_7]);
        let message = Message::parse(&bytes).unwrap();
        let serials: Vec<u32> = message.records(message.sections[0]).map(|record| message.serial(&record)).collect();
        assert_eq!(serials, [7]);
    }

    #[test]
    fn a_question() {
        let mut query = Query { name: b"\x01x\0", kind: 1, class: 1, recursion: true, edns_udp_size: 0 };
        assert_eq!(query.message(7), b"\0\x07\x01\0\0\x01\0\0\0\0\0\0\x01x\0\0\x01\0\x01");
        (query.recursion, query.edns_udp_size) = (false, 1232);
        assert_eq!(query.message(7), b"\0\x07\0\0\0\x01\0\0\0\0\0\x01\x01x\0\0\x01\0\x01\0\0\x29\x04\xd0\0\0\0\0\0\0");
    }
}
