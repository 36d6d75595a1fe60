//! One dump of the network links per scrape, for all collectors that want it.
//!
//! The first collector of a scrape asks the kernel; the others of the same scrape, which share its deadline, get the
//! same set. Nobody holds a lock while using it.

use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Instant;

use common::error::CollectError;

use super::netlink::Netlink;
use super::rtnl::{Link, SKIP_FAMILY_STATS, links_request};

/// A dump that was disturbed by links coming and going is repeated this often; then what there is has to do.
const ATTEMPTS: usize = 3;

/// The links of the network namespace at one moment.
#[derive(Default)]
pub(crate) struct Links {
    /// In the order of the dump; slots are used again.
    links: Vec<Link>,
    /// Positions in `links`, by name.
    order: Vec<usize>,
    epoch: u64,
}

impl Links {
    /// The links, sorted by name.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Link> {
        self.order.iter().filter_map(|&at| self.links.get(at))
    }

    /// Changes whenever a link comes, goes or gets another name.
    pub(crate) fn epoch(&self) -> u64 {
        self.epoch
    }

    fn sort(&mut self) {
        self.order.clear();
        self.order.extend(0..self.links.len());
        let name = |&at: &usize| self.links.get(at).map(|link| (link.name.as_slice(), link.index));
        self.order.sort_by(|a, b| name(a).cmp(&name(b)));
        // A dump that was disturbed may give a link twice.
        self.order.dedup_by(|a, b| name(a).map(|(name, _)| name) == name(b).map(|(name, _)| name));
    }
}

/// Where the links of the current scrape are kept.
pub(crate) struct Source {
    netlink: Netlink,
    current: Arc<Links>,
    /// The scrape that `current` is of.
    scrape: Option<Instant>,
    /// The scrape in which the kernel did not answer, and what came of it.
    failed: Option<(Instant, CollectError)>,
    /// Epochs given out.
    epochs: u64,
    /// Filter of the request; `None` once a kernel left out the counters because of it.
    filter: Option<u32>,
}

impl Source {
    /// The one that all collectors of the process share as long as one of them holds it.
    pub(crate) fn shared() -> Arc<Mutex<Self>> {
        static SHARED: Mutex<Weak<Mutex<Source>>> = Mutex::new(Weak::new());
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        shared.upgrade().unwrap_or_else(|| {
            let source = Arc::new(Mutex::new(Self {
                netlink: Netlink::route(),
                current: Arc::default(),
                scrape: None,
                failed: None,
                epochs: 0,
                filter: Some(SKIP_FAMILY_STATS),
            }));
            *shared = Arc::downgrade(&source);
            source
        })
    }

    /// The links as of the scrape with this deadline.
    pub(crate) fn of_scrape(source: &Mutex<Self>, deadline: Instant) -> Result<Arc<Links>, CollectError> {
        let mut source = source.lock().unwrap_or_else(PoisonError::into_inner);
        if source.scrape == Some(deadline) {
            return Ok(Arc::clone(&source.current));
        }
        match &source.failed {
            Some((scrape, what)) if *scrape == deadline => Err(what.clone()),
            _ => source.renew(deadline),
        }
    }

    /// The links as they are now, for one who found that those of the scrape are old already.
    pub(crate) fn of_now(source: &Mutex<Self>, deadline: Instant) -> Result<Arc<Links>, CollectError> {
        source.lock().unwrap_or_else(PoisonError::into_inner).renew(deadline)
    }

    fn renew(&mut self, deadline: Instant) -> Result<Arc<Links>, CollectError> {
        self.scrape = None;
        match self.dump() {
            Ok(()) => {
                self.scrape = Some(deadline);
                Ok(Arc::clone(&self.current))
            }
            Err(e) => {
                self.failed = Some((deadline, e.clone()));
                Err(e)
            }
        }
    }

    fn dump(&mut self) -> Result<(), CollectError> {
        if Arc::get_mut(&mut self.current).is_none() {
            // Somebody still works with the links of an earlier scrape.
            self.current = Arc::default();
        }
        let Some(current) = Arc::get_mut(&mut self.current) else { return Ok(()) };
        for attempt in 1.. {
            let (mut n, mut changed) = (0, current.epoch == 0);
            let mut counters = false;
            let interrupted = self.netlink.dump(libc::RTM_GETLINK, &links_request(self.filter), |message| {
                if message.kind != libc::RTM_NEWLINK {
                    return;
                }
                if n == current.links.len() {
                    current.links.push(Link::default());
                    changed = true;
                }
                let parsed = current.links.get_mut(n).and_then(|slot| slot.parse(message.body).map(|new| (slot, new)));
                if let Some((link, new)) = parsed {
                    changed |= new;
                    counters |= link.stats.is_some();
                    n += 1;
                }
            });
            changed |= n != current.links.len() || interrupted.is_err();
            current.links.truncate(n);
            if changed {
                self.epochs += 1;
                current.epoch = self.epochs;
                current.sort();
            }
            let interrupted = interrupted?;
            if !counters && n > 0 && self.filter.take().is_some() {
                continue;
            }
            if !interrupted || attempt >= ATTEMPTS {
                break;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn the_links_of_this_machine() {
        let source = Source::shared();
        assert!(Arc::ptr_eq(&source, &Source::shared()));
        let deadline = Instant::now() + Duration::from_secs(5);
        let links = Source::of_scrape(&source, deadline).unwrap();
        let lo = links.iter().find(|link| link.name == b"lo").unwrap();
        assert_eq!((lo.index, lo.hardware), (1, 772));
        assert!(lo.stats.is_some() && lo.mtu.is_some());
        assert!(links.iter().is_sorted_by(|a, b| a.name < b.name));
        let again = Source::of_scrape(&source, deadline).unwrap();
        assert!(Arc::ptr_eq(&links, &again), "one dump per scrape");
        drop((links, again));
        let later = Source::of_scrape(&source, deadline + Duration::from_secs(1)).unwrap();
        assert!(later.iter().any(|link| link.name == b"lo"));
    }
}
