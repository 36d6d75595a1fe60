//! The kernel's pool of random bits from `/proc/sys/kernel/random`.
//!
//! * Source: kernel Documentation/admin-guide/sysctl/kernel.rst, "random".
//! * Units: bits.
//! * Absent when: never on Linux.
//! * Differs from the Go exporter: each of the two files fails alone, and files that nothing is exported from are not
//!   read.

use common::collector::{Collector, Row, Scrape};
use common::error::CollectError;
use common::exposition::{Desc, Page};
use common::fields::parse_u64;

use crate::fs::{KeptAttr, proc_path};

/// The row in the table.
pub(in crate::collectors) const ROW: Row =
    Row::on("entropy", "random bits at hand, /proc/sys/kernel/random", &[], |args| {
        let attr = |name| KeptAttr::new(proc_path(args, "sys/kernel/random").join(name));
        Ok(Box::new(Entropy { available: attr("entropy_avail"), pool_size: attr("poolsize") }))
    });

const AVAILABLE: Desc = Desc::gauge("node_entropy_available_bits", "Random bits at hand.", &[]);
const POOL_SIZE: Desc = Desc::gauge("node_entropy_pool_size_bits", "Random bits the pool can hold.", &[]);

struct Entropy {
    available: KeptAttr,
    pool_size: KeptAttr,
}

impl Collector for Entropy {
    fn update(&mut self, cx: &mut Scrape, page: &mut Page) -> Result<(), CollectError> {
        for (desc, attr) in [(&AVAILABLE, &mut self.available), (&POOL_SIZE, &mut self.pool_size)] {
            if let Some(bits) = cx.ok(attr.number("bits", parse_u64)) {
                page.sample::<&str>(desc, &[], bits as f64);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::check;

    #[test]
    fn good() {
        check(
            &ROW,
            &[("proc/sys/kernel/random/entropy_avail", "1337\n"), ("proc/sys/kernel/random/poolsize", "4096\n")],
            &["node_entropy_available_bits 1337", "node_entropy_pool_size_bits 4096"],
            &[],
        );
    }

    #[test]
    fn cut_short() {
        check(
            &ROW,
            &[("proc/sys/kernel/random/poolsize", "256")],
            &["node_entropy_pool_size_bits 256"],
            &["proc/sys/kernel/random/entropy_avail: No such file or directory (os error 2)"],
        );
    }

    #[test]
    fn garbage() {
        check(
            &ROW,
            &[("proc/sys/kernel/random/entropy_avail", "2 5\n"), ("proc/sys/kernel/random/poolsize", "\n")],
            &[],
            &[
                "proc/sys/kernel/random/entropy_avail:1: bits: expected a whole number, found \"2 5\"",
                "proc/sys/kernel/random/poolsize:1: bits: expected a whole number, found \"\"",
            ],
        );
    }
}
