//! What several collectors share about the kernel: its interfaces beyond plain files, and their formats.

pub mod ethtool;
pub mod links;
pub mod mountinfo;
pub mod netlink;
pub mod rtnl;
