//! Interfaces, protocols and sockets.

pub(super) mod arp;
pub(super) mod bonding;
pub(super) mod conntrack;
pub(super) mod ethtool;
pub(super) mod infiniband;
pub(super) mod ipvs;
pub(super) mod lnstat;
pub(super) mod netclass;
pub(super) mod netdev;
pub(super) mod netstat;
pub(super) mod network_route;
pub(super) mod qdisc;
pub(super) mod sockstat;
pub(super) mod softnet;
pub(super) mod tcpstat;
pub(super) mod udp_queues;
pub(super) mod wifi;
pub(super) mod xfrm;
