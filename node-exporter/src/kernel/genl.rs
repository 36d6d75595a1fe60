//! Generic netlink: families of messages whose numbers are found by name.
//!
//! Layout: kernel include/uapi/linux/genetlink.h.

use std::io;

use super::netlink::{Netlink, attributes, push_attribute, u16_at};

/// Command, version and two reserved bytes, in front of the attributes.
pub(crate) const GENL_HEADER: usize = 4;

const GENL_ID_CTRL: u16 = 0x10;
const CTRL_CMD_GETFAMILY: u8 = 3;
const CTRL_ATTR_FAMILY_ID: u16 = 1;
const CTRL_ATTR_FAMILY_NAME: u16 = 2;

/// The number of the family with that name, which ends in a NUL; ENOENT when the kernel has none.
pub(crate) fn find_family(netlink: &mut Netlink, name: &[u8]) -> io::Result<u16> {
    let mut request = vec![CTRL_CMD_GETFAMILY, 1, 0, 0];
    push_attribute(&mut request, CTRL_ATTR_FAMILY_NAME, name);
    let mut family = None;
    netlink.ask(GENL_ID_CTRL, &request, |message| family = family.or_else(|| family_id(message.body)))?;
    family.ok_or_else(|| io::Error::from_raw_os_error(libc::ENOENT))
}

fn family_id(body: &[u8]) -> Option<u16> {
    let mut all = attributes(body.get(GENL_HEADER..)?);
    all.find(|(kind, _)| *kind == CTRL_ATTR_FAMILY_ID).and_then(|(_, id)| u16_at(id, 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer() {
        let mut body = vec![1, 2, 0, 0];
        push_attribute(&mut body, CTRL_ATTR_FAMILY_NAME, b"nl80211\0");
        push_attribute(&mut body, CTRL_ATTR_FAMILY_ID, &28_u16.to_ne_bytes());
        assert_eq!(family_id(&body), Some(28));
        for end in 0..body.len() - 4 {
            assert_eq!(family_id(&body[..end]), None, "{end}");
        }
        assert_eq!(family_id(&[0xff; 40]), None);
    }

    #[test]
    fn families_of_this_machine() {
        let mut netlink = Netlink::generic();
        assert_eq!(find_family(&mut netlink, b"nlctrl\0").unwrap(), GENL_ID_CTRL);
        assert_eq!(find_family(&mut netlink, b"no such one\0").unwrap_err().raw_os_error(), Some(libc::ENOENT));
        assert_eq!(find_family(&mut netlink, b"nlctrl\0").unwrap(), GENL_ID_CTRL, "asked again after a refusal");
    }
}
