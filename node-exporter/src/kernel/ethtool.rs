//! Speed and duplex of all links in one generic netlink dump; Linux 5.6.
//!
//! Layout: kernel Documentation/networking/ethtool-netlink.rst, LINKMODES_GET.

use common::error::CollectError;
use common::fuzzing::{Parser, eat};

use super::genl::{GENL_HEADER, find_family};
use super::netlink::{Netlink, attributes, push_attribute, u32_at};

const ETHTOOL_MSG_LINKMODES_GET: u8 = 4;
const ETHTOOL_A_LINKMODES_HEADER: u16 = 1;
const ETHTOOL_A_LINKMODES_SPEED: u16 = 5;
const ETHTOOL_A_LINKMODES_DUPLEX: u16 = 6;
const ETHTOOL_A_HEADER_DEV_INDEX: u16 = 1;
const ETHTOOL_A_HEADER_FLAGS: u16 = 3;
const ETHTOOL_FLAG_COMPACT_BITSETS: u32 = 1;

/// What an interface negotiated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LinkMode {
    /// Number of the interface.
    pub(crate) index: u32,
    /// Megabits per second; all ones when not known.
    pub(crate) speed: Option<u32>,
    /// 0 half, 1 full, anything else unknown.
    pub(crate) duplex: Option<u8>,
}

/// Asks for the link modes of all interfaces.
pub(crate) struct Ethtool {
    netlink: Netlink,
    family: Option<u16>,
}

impl Default for Ethtool {
    fn default() -> Self {
        Self { netlink: Netlink::generic(), family: None }
    }
}

impl Ethtool {
    /// The link modes of all interfaces that have some, by interface number; `None` when the kernel knows no such
    /// question.
    pub(crate) fn link_modes(&mut self, modes: &mut Vec<LinkMode>) -> Result<Option<()>, CollectError> {
        modes.clear();
        let family = match self.family {
            Some(family) => family,
            None => {
                let Some(family) = find_family(&mut self.netlink, b"ethtool\0").ok() else { return Ok(None) };
                *self.family.insert(family)
            }
        };
        let mut request = vec![ETHTOOL_MSG_LINKMODES_GET, 1, 0, 0];
        let mut header = Vec::new();
        push_attribute(&mut header, ETHTOOL_A_HEADER_FLAGS, &ETHTOOL_FLAG_COMPACT_BITSETS.to_ne_bytes());
        push_attribute(&mut request, ETHTOOL_A_LINKMODES_HEADER | NLA_F_NESTED, &header);
        match self.netlink.dump(family, &request, |message| modes.extend(parse(message.body))) {
            Ok(_) => {
                modes.sort_unstable_by_key(|mode| mode.index);
                Ok(Some(()))
            }
            Err(e) => {
                self.family = None;
                Err(e)
            }
        }
    }
}

const NLA_F_NESTED: u16 = 0x8000;

/// Reads one answer.
fn parse(body: &[u8]) -> Option<LinkMode> {
    let mut mode = LinkMode { index: 0, speed: None, duplex: None };
    for (kind, payload) in attributes(body.get(GENL_HEADER..)?) {
        match kind {
            ETHTOOL_A_LINKMODES_HEADER => {
                let index = attributes(payload).find(|(kind, _)| *kind == ETHTOOL_A_HEADER_DEV_INDEX);
                mode.index = index.and_then(|(_, index)| u32_at(index, 0))?;
            }
            ETHTOOL_A_LINKMODES_SPEED => mode.speed = u32_at(payload, 0),
            ETHTOOL_A_LINKMODES_DUPLEX => mode.duplex = payload.first().copied(),
            _ => {}
        }
    }
    (mode.index != 0).then_some(mode)
}

/// For the fuzzer.
pub(crate) const PARSER: Parser = Parser::new(
    "ethtool",
    |bytes| eat(parse(bytes)),
    b"\x04\x01\0\0\x0c\0\x01\x80\x08\0\x01\0\x07\0\0\0\x08\0\x05\0\x10\x27\0\0\x05\0\x06\0\x01\0\0\0",
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers() {
        let mut body = vec![4, 1, 0, 0];
        let mut header = Vec::new();
        push_attribute(&mut header, ETHTOOL_A_HEADER_DEV_INDEX, &7_u32.to_ne_bytes());
        push_attribute(&mut body, ETHTOOL_A_LINKMODES_HEADER | NLA_F_NESTED, &header);
        assert_eq!(parse(&body), Some(LinkMode { index: 7, speed: None, duplex: None }));
        push_attribute(&mut body, ETHTOOL_A_LINKMODES_SPEED, &10_000_u32.to_ne_bytes());
        push_attribute(&mut body, ETHTOOL_A_LINKMODES_DUPLEX, &[1]);
        assert_eq!(parse(&body), Some(LinkMode { index: 7, speed: Some(10_000), duplex: Some(1) }));
        for end in 0..16 {
            assert_eq!(parse(&body[..end]), None, "{end}");
        }
        assert_eq!(parse(&[0xff; 40]), None);
    }

    #[test]
    fn asking_this_machine_gives_an_answer_or_none() {
        let (mut ethtool, mut modes) = (Ethtool::default(), Vec::new());
        assert!(ethtool.link_modes(&mut modes).is_ok());
        assert!(modes.iter().all(|mode| mode.index > 1), "{modes:?}");
    }
}
