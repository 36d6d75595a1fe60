//! The answer to `GET /_node/plugins`: the plugins that are installed, 100 to 200.
//!
//! * Absent when: never.

use std::borrow::Cow;

use super::reader::{Notes, document, items, record};
use super::record::shape;
use super::{BadDocument, Parsed};

shape! {
    /// The answer to `GET /_node/plugins`.
    InstalledShape;
    numbers InstalledNumber {
        Total: Number "total",
    }
    flows InstalledFlow {}
    texts InstalledText {}
    raw InstalledRaw {
        Plugins "plugins",
    }
}

shape! {
    /// A plugin.
    PackageShape;
    numbers PackageNumber {}
    flows PackageFlow {}
    texts PackageText {
        Name: Text "name",
        Version: Text "version",
    }
}

/// The plugins that are installed.
#[derive(Clone, Debug)]
pub struct Installed<'a> {
    /// How many there are.
    pub total: Option<f64>,
    /// By name and version, in their order.
    pub packages: Vec<Package<'a>>,
}

/// A plugin as it is published.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Package<'a> {
    /// `logstash-filter-grok`
    pub name: Cow<'a, str>,
    /// `4.4.3`
    pub version: Cow<'a, str>,
}

pub(super) fn parse(body: &[u8]) -> Result<Parsed<Installed<'_>>, BadDocument> {
    let mut notes = Notes::default();
    let slots = document::<InstalledShape>(body, &mut notes)?;
    let mut packages = Vec::new();
    for raw in items(slots.raw(InstalledRaw::Plugins), &mut notes) {
        if let Some(mut slots) = record::<PackageShape>(raw, &mut notes) {
            let (name, version) = (slots.text(PackageText::Name), slots.text(PackageText::Version));
            packages.push(Package { name, version });
        }
    }
    packages.retain(|package| !package.name.is_empty());
    packages.sort();
    notes.drop_doubles(&mut packages, |a, b| a == b);
    let total = slots.number(InstalledNumber::Total);
    Ok(notes.parsed(Installed { total, packages }))
}
