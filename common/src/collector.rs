//! What a collector is: a row in a table, a constructor, and an update that fills a page.

use std::time::Instant;

use crate::error::{CollectError, ConfigError};
use crate::exposition::Page;
use crate::flags::{Args, Flag};
use crate::sandbox::Need;

/// A source of samples that is read at each scrape. It keeps its state (open files, previous counters) in itself.
pub trait Collector: Send {
    /// Reads the source and writes its samples. Samples written before an error are kept.
    ///
    /// What concerns one device or one file goes to [`Scrape::fault`] or is left out; an error says that the
    /// collector as a whole has nothing (more) to give.
    fn update(&mut self, cx: &mut Scrape, page: &mut Page) -> Result<(), CollectError>;
}

/// A row of a program's table of collectors, the only list there is: switches, help, defaults and tests come from it.
pub struct Row {
    /// Name in `--collector.<name>` and in the `collector` label.
    pub name: &'static str,
    /// Whether it runs without being asked for.
    pub on: bool,
    /// Half a sentence for `--help`: what is read, and from where.
    pub about: &'static str,
    /// Flags beside the switch.
    pub flags: &'static [Flag],
    /// Makes the collector; fails when its flags make no sense.
    pub new: fn(&Args) -> Result<Box<dyn Collector>, ConfigError>,
    /// Its families yield to those of other collectors when both describe a name differently.
    pub yields: bool,
    /// What it needs beyond what its program needs anyhow.
    pub needs: fn(&Args) -> Vec<Need>,
}

/// For collectors that read the trees of the host and ask the kernel.
pub const NO_NEEDS: fn(&Args) -> Vec<Need> = |_| Vec::new();

impl Row {
    /// A collector that runs by default.
    pub const fn on(
        name: &'static str,
        about: &'static str,
        flags: &'static [Flag],
        new: fn(&Args) -> Result<Box<dyn Collector>, ConfigError>,
    ) -> Self {
        Self { name, on: true, about, flags, new, yields: false, needs: NO_NEEDS }
    }

    /// A collector that has to be switched on.
    pub const fn off(
        name: &'static str,
        about: &'static str,
        flags: &'static [Flag],
        new: fn(&Args) -> Result<Box<dyn Collector>, ConfigError>,
    ) -> Self {
        Self { name, on: false, about, flags, new, yields: false, needs: NO_NEEDS }
    }
}

/// One collector's view of the scrape it works for.
pub struct Scrape {
    /// When the answer has to be on its way; work that may block takes less.
    pub deadline: Instant,
    faults: Vec<CollectError>,
}

impl Scrape {
    /// A scrape that has to end by `deadline`.
    pub fn new(deadline: Instant) -> Self {
        Self { deadline, faults: Vec::new() }
    }

    /// Notes that one device or one file failed; the rest goes on. The collector counts as failed, as it does in the
    /// Go exporter, but keeps everything else it has.
    pub fn fault(&mut self, error: CollectError) {
        self.faults.push(error);
    }

    /// As [`fault`](Self::fault) for the error of a result; gives its value.
    pub fn ok<T>(&mut self, result: Result<T, CollectError>) -> Option<T> {
        result.map_err(|e| self.fault(e)).ok()
    }

    /// What failed so far.
    pub fn faults(&self) -> &[CollectError] {
        &self.faults
    }

    /// What failed, at the end of the scrape.
    pub fn into_faults(self) -> Vec<CollectError> {
        self.faults
    }
}
