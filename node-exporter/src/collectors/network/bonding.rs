//! Members of bonded interfaces from `/sys/class/net/<bond>`.
//!
//! * Source: kernel Documentation/networking/bonding.rst, "Configuring Bonding Manually via Sysfs".
//! * Units: interfaces.
//! * Absent when: the bonding module is not loaded: no data.
//! * Differs from the Go exporter: a member or bond that leaves during the scrape costs itself, where it blanks all
//!   bonds there.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use common::collector::{Collector, Row, Scrape};
use common::error::{CollectError, is_absent};
use common::exposition::{Desc, Page};
use common::fields::Words;

use crate::fs::{KeptAttr, KeptFile, sys_path};

/// The row in the table.
pub(in crate::collectors) const ROW: Row =
    Row::on("bonding", "members of bonded interfaces, /sys/class/net/*/bonding", &[], |args| {
        let class = sys_path(args, "class/net");
        Ok(Box::new(Bonding { masters: KeptFile::new(class.join("bonding_masters")), class, bonds: Vec::new() }))
    });

const SLAVES: Desc = Desc::gauge("node_bonding_slaves", "Interfaces that are members of the bond.", &["master"]);
const ACTIVE: Desc = Desc::gauge("node_bonding_active", "Members of the bond whose link is up.", &["master"]);

struct Bonding {
    class: PathBuf,
    masters: KeptFile,
    bonds: Vec<Bond>,
}

struct Bond {
    name: Vec<u8>,
    path: PathBuf,
    slaves: KeptFile,
    members: Vec<Member>,
}

struct Member {
    name: Vec<u8>,
    /// Below `lower_<name>`, or `slave_<name>` before Linux 3.19.
    mii_status: [KeptAttr; 2],
}

impl Collector for Bonding {
    fn update(&mut self, cx: &mut Scrape, page: &mut Page) -> Result<(), CollectError> {
        let names = self.masters.read().map_err(|e| e.absent_is_no_data("bonding is not loaded"))?;
        follow(&mut self.bonds, names, |bond| &bond.name, |name| Bond::new(&self.class, name));
        for bond in &mut self.bonds {
            match bond.slaves.read() {
                Ok(names) => follow(&mut bond.members, names, |it| &it.name, |name| Member::new(&bond.path, name)),
                Err(e) => {
                    cx.fault(e.absent_is_no_data("a bond left during the scrape"));
                    continue;
                }
            }
            page.sample(&SLAVES, &[&bond.name], bond.members.len() as f64);
            let mut active = 0;
            let mut complete = true;
            for member in &mut bond.members {
                match member.is_up() {
                    Ok(up) => active += u32::from(up),
                    Err(e) => {
                        complete = false;
                        cx.fault(e);
                    }
                }
            }
            // A count that lacks a member would look like a link that is down.
            if complete {
                page.sample(&ACTIVE, &[&bond.name], f64::from(active));
            }
        }
        Ok(())
    }
}

impl Bond {
    fn new(class: &Path, name: &[u8]) -> Self {
        let path = class.join(OsStr::from_bytes(name));
        let slaves = KeptFile::new(path.join("bonding/slaves"));
        Self { name: name.to_vec(), path, slaves, members: Vec::new() }
    }
}

impl Member {
    fn new(bond: &Path, name: &[u8]) -> Self {
        let mii_status = ["lower_", "slave_"].map(|prefix| {
            let link = [prefix.as_bytes(), name].concat();
            KeptAttr::new(bond.join(OsStr::from_bytes(&link)).join("bonding_slave/mii_status"))
        });
        Self { name: name.to_vec(), mii_status }
    }

    fn is_up(&mut self) -> Result<bool, CollectError> {
        for file in &mut self.mii_status {
            match file.read() {
                Ok(text) => return Ok(text.text() == b"up"),
                Err(e) if is_absent(&e) => {}
                Err(e) => return Err(CollectError::io(file.path(), e)),
            }
        }
        Err(CollectError::no_data("a member left its bond during the scrape"))
    }
}

/// Makes `known` the list of the white-space separated `names`, sorted; what is known already is kept.
fn follow<T>(known: &mut Vec<T>, names: &[u8], name_of: impl Fn(&T) -> &Vec<u8>, make: impl Fn(&[u8]) -> T) {
    known.retain(|it| Words::of(names).any(|name| name == name_of(it).as_slice()));
    for name in Words::of(names) {
        if let Err(at) = known.binary_search_by(|it| name_of(it).as_slice().cmp(name)) {
            known.insert(at, make(name));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rig::Rig;
    use crate::samples::samples_of;

    const TREE: &[(&str, &str)] = &[
        ("sys/class/net/bonding_masters", "bond1 bond0\n"),
        ("sys/class/net/bond0/bonding/slaves", "eth1 eth0\n"),
        ("sys/class/net/bond0/lower_eth0/bonding_slave/mii_status", "up\n"),
        ("sys/class/net/bond0/slave_eth1/bonding_slave/mii_status", "going down\n"),
        ("sys/class/net/bond1/bonding/slaves", "\n"),
    ];

    const WANT: &str = "node_bonding_active{master=\"bond0\"} 1\nnode_bonding_active{master=\"bond1\"} 0\n\
        node_bonding_slaves{master=\"bond0\"} 2\nnode_bonding_slaves{master=\"bond1\"} 0\n";

    #[test]
    fn good() {
        assert_eq!(samples_of(&ROW, TREE, &[]), (WANT.to_owned(), vec![]));
        assert_eq!(samples_of(&ROW, &[], &[]), (String::new(), vec!["no data: bonding is not loaded".to_owned()]));
        assert_eq!(samples_of(&ROW, &[("sys/class/net/bonding_masters", "\n")], &[]), (String::new(), vec![]));
    }

    #[test]
    fn what_left_costs_itself() {
        let (page, errors) = samples_of(&ROW, TREE.get(..3).unwrap(), &[]);
        assert_eq!(page, "node_bonding_slaves{master=\"bond0\"} 2\n");
        let want = ["a member left its bond during the scrape", "a bond left during the scrape"];
        assert_eq!(errors, want);
    }

    #[test]
    fn lists_are_followed() {
        let mut rig = Rig::new(&ROW, TREE, &[]);
        assert_eq!(rig.samples(), WANT);
        rig.plant(&[("sys/class/net/bond0/bonding/slaves", "eth0\n"), ("sys/class/net/bonding_masters", "bond0\n")]);
        let want = "node_bonding_active{master=\"bond0\"} 1\nnode_bonding_slaves{master=\"bond0\"} 1\n";
        assert_eq!(rig.samples(), want);
    }

    #[test]
    fn garbage_is_not_up() {
        let tree = [
            ("sys/class/net/bonding_masters", "b"),
            ("sys/class/net/b/bonding/slaves", "x"),
            ("sys/class/net/b/lower_x/bonding_slave/mii_status", "\u{1}\u{2}"),
        ];
        let want = "node_bonding_active{master=\"b\"} 0\nnode_bonding_slaves{master=\"b\"} 1\n";
        assert_eq!(samples_of(&ROW, &tree, &[]), (want.to_owned(), vec![]));
    }
}
