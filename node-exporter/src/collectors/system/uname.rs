//! What the kernel calls itself: uname(2).
//!
//! * Source: uname(2); the name spaces (UTS) of the exporter's own process count.
//! * Units: none, an info metric.
//! * Absent when: never.
//! * Differs from the Go exporter: nothing.

use common::collector::{Collector, Row, Scrape};
use common::error::CollectError;
use common::exposition::{Desc, Page};

/// The row in the table.
pub(in crate::collectors) const ROW: Row =
    Row::on("uname", "names and release of the kernel, uname(2)", &[], |_| Ok(Box::new(Uname)));

const INFO: Desc = Desc::gauge(
    "node_uname_info",
    "Names, release and machine of the running kernel, as labels.",
    &["domainname", "machine", "nodename", "release", "sysname", "version"],
);

struct Uname;

impl Collector for Uname {
    fn update(&mut self, _cx: &mut Scrape, page: &mut Page) -> Result<(), CollectError> {
        let name = rustix::system::uname();
        let values =
            [name.domainname(), name.machine(), name.nodename(), name.release(), name.sysname(), name.version()];
        page.sample(&INFO, &values.map(|value| value.to_bytes()), 1.0);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::samples_of;

    #[test]
    fn one_series_with_all_labels() {
        let (page, errors) = samples_of(&ROW, &[], &[]);
        assert!(page.starts_with("node_uname_info{domainname=\""), "{page}");
        assert!(page.contains(",sysname=\"Linux\",version=\"") && page.ends_with("\"} 1\n"), "{page}");
        assert!(errors.is_empty(), "{errors:?}");
    }
}
