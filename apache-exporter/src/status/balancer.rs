//! Load balancers of mod_proxy and their workers, from lines such as `ProxyBalancer[0]Worker[1]Elected: 12`.
//!
//! * Source: mod_proxy_balancer, with `ProxyStatus On`; httpd 2.4.13 and later, `Busy` since 2.4.35.
//! * Units: `Sent` and `Rcvd` in KiB, seen from httpd: sent to the backend, received from it.
//! * Absent when: a worker without a name has no series, since nothing tells which one it is.
//! * Differs from the Go exporter: `5.4M` is a size; a name that is missing does not put its figures on the worker before.

use std::collections::BTreeMap;

use common::error::BadField;

use super::number::{Read, Row, Size, fill, parse_size};
use super::text::decode;

/// A balancer, in the place its index gives it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Balancer {
    /// `balancer://...`; two balancers can share it.
    pub name: Option<String>,
    /// Its workers by index.
    pub workers: BTreeMap<u64, Worker>,
}

/// A backend of a balancer.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Worker {
    /// Its URL; can stand twice in one balancer.
    pub name: Option<String>,
    /// The words for its state, `Init Ok` for example.
    pub status: Option<String>,
    /// How often it was chosen since the last restart, graceful ones included.
    pub elected: Option<f64>,
    /// Requests it works on.
    pub busy: Option<f64>,
    /// Sent to the backend.
    pub sent: Option<Size>,
    /// Received from the backend.
    pub received: Option<Size>,
}

impl Worker {
    /// Whether httpd would send it a request; `None` when its state is not known.
    pub fn is_usable(&self) -> Option<bool> {
        self.has_word("Ok")
    }

    /// Whether its state holds `word`; `None` when its state is not known.
    pub fn has_word(&self, word: &str) -> Option<bool> {
        self.status.as_ref().map(|status| status.split_ascii_whitespace().any(|held| held == word))
    }
}

/// A word of a worker's status and the label value for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flag {
    /// As mod_proxy abbreviates it.
    pub word: &'static str,
    /// As the label has it.
    pub name: &'static str,
}

impl Flag {
    /// Every flag of httpd 2.4, by name.
    pub const ALL: [Self; 12] = [
        Self::new("Dis", "disabled"),
        Self::new("Drn", "draining"),
        Self::new("Err", "error"),
        Self::new("Free", "free"),
        Self::new("Gen", "generic"),
        Self::new("HcFl", "health_check_failed"),
        Self::new("Spar", "hot_spare"),
        Self::new("Stby", "hot_standby"),
        Self::new("Ign", "ignore_errors"),
        Self::new("Init", "init"),
        Self::new("Shut", "shutdown"),
        Self::new("Stop", "stopped"),
    ];

    const fn new(word: &'static str, name: &'static str) -> Self {
        Self { word, name }
    }
}

pub(super) const PREFIX: &[u8] = b"ProxyBalancer[";

/// The longest name of a balancer, bytes; httpd's own limit is far below. Each series of each of its workers repeats
/// the name, so that without a limit a short answer could ask for a page of any size.
const LONGEST_NAME: usize = 256;

const COUNTS: &[Row<Worker>] = &[
    Row { key: "Elected", read: Read::Count, slot: |worker| &mut worker.elected },
    Row { key: "Busy", read: Read::Count, slot: |worker| &mut worker.busy },
];

/// Takes one line whose key begins with [`PREFIX`]; `false` when it is none of a balancer's.
pub(super) fn take(
    balancers: &mut BTreeMap<u64, Balancer>,
    line: u32,
    key: &[u8],
    value: &[u8],
) -> Result<bool, BadField> {
    let Some((at, rest)) = key.strip_prefix(PREFIX).and_then(index) else { return Ok(false) };
    if rest == b"Name" {
        if value.len() > LONGEST_NAME {
            return Err(BadField::new(line, "ProxyBalancer Name", "at most 256 bytes", value));
        }
        balancers.entry(at).or_default().name = decode(value);
        return Ok(true);
    }
    let Some((worker_at, rest)) = rest.strip_prefix(b"Worker[").and_then(index) else { return Ok(false) };
    if !matches!(rest, b"Name" | b"Status" | b"Elected" | b"Busy" | b"Sent" | b"Rcvd") {
        return Ok(false);
    }
    let worker = balancers.entry(at).or_default().workers.entry(worker_at).or_default();
    match rest {
        b"Name" => worker.name = decode(value),
        b"Status" => worker.status = decode(value),
        b"Sent" => worker.sent = Some(size(line, "Sent", value)?),
        b"Rcvd" => worker.received = Some(size(line, "Rcvd", value)?),
        count => return fill(COUNTS, worker, line, count, value),
    }
    Ok(true)
}

fn size(line: u32, field: &'static str, value: &[u8]) -> Result<Size, BadField> {
    parse_size(value).ok_or_else(|| BadField::new(line, field, "a size", value))
}

/// The number at the start of `7]Name` and what stands behind the bracket.
pub(super) fn index(text: &[u8]) -> Option<(u64, &[u8])> {
    let end = text.iter().position(|b| *b == b']')?;
    let (digits, rest) = text.split_at(end);
    Some((common::fields::parse_u64(digits)?, rest.get(1..)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(lines: &[(&str, &str)]) -> (BTreeMap<u64, Balancer>, Vec<String>) {
        let (mut balancers, mut said) = (BTreeMap::new(), Vec::new());
        for ((key, value), line) in lines.iter().zip(1..) {
            match take(&mut balancers, line, key.as_bytes(), value.as_bytes()) {
                Ok(true) => {}
                Ok(false) => said.push(format!("{line}: unknown")),
                Err(bad) => said.push(bad.to_string()),
            }
        }
        (balancers, said)
    }

    #[test]
    fn a_worker() {
        let (balancers, said) = read(&[
            ("ProxyBalancer[3]Name", "balancer://shop"),
            ("ProxyBalancer[3]Worker[17]Name", "http://10.0.0.1:8080"),
            ("ProxyBalancer[3]Worker[17]Status", "Init Ign Ok "),
            ("ProxyBalancer[3]Worker[17]Elected", "12"),
            ("ProxyBalancer[3]Worker[17]Busy", "1"),
            ("ProxyBalancer[3]Worker[17]Sent", "7K"),
            ("ProxyBalancer[3]Worker[17]Rcvd", "5.0M"),
        ]);
        assert_eq!(said, [""; 0]);
        assert_eq!(balancers[&3].name.as_deref(), Some("balancer://shop"));
        let worker = &balancers[&3].workers[&17];
        let want = Worker {
            name: Some("http://10.0.0.1:8080".to_owned()),
            status: Some("Init Ign Ok".to_owned()),
            elected: Some(12.0),
            busy: Some(1.0),
            sent: Some(Size { kib: 7.0, rounded: false }),
            received: Some(Size { kib: 5120.0, rounded: true }),
        };
        assert_eq!(*worker, want);
        assert_eq!((worker.is_usable(), worker.has_word("Ign")), (Some(true), Some(true)));
        assert_eq!((worker.has_word("Err"), Worker::default().is_usable()), (Some(false), None));
    }

    #[test]
    fn a_name_has_a_longest() {
        let (just, more) = ("b".repeat(LONGEST_NAME), "b".repeat(LONGEST_NAME + 1));
        let (balancers, said) = read(&[("ProxyBalancer[0]Name", &just), ("ProxyBalancer[1]Name", &more)]);
        assert_eq!(balancers.into_values().filter_map(|balancer| balancer.name).collect::<Vec<_>>(), [just]);
        assert!(said[0].starts_with("2: ProxyBalancer Name: expected at most 256 bytes, found \"bbb"), "{said:?}");
    }

    #[test]
    fn garbage() {
        let (balancers, said) = read(&[
            ("ProxyBalancer[0", ""),
            ("ProxyBalancer[x]Name", "a"),
            ("ProxyBalancer[99999999999999999999]Name", "a"),
            ("ProxyBalancer[0]Worker[", "a"),
            ("ProxyBalancer[0]Worker[1]Factor", "a"),
            ("ProxyBalancer[18446744073709551615]Worker[1]Elected", "n/a"),
            ("ProxyBalancer[0]Worker[1]Sent", "  - "),
        ]);
        assert_eq!(said.len(), 7, "{said:?}");
        assert_eq!(said[5], "6: Elected: expected a number from 0, found \"n/a\"");
        assert_eq!(said[6], "7: Sent: expected a size, found \"  - \"");
        assert!(balancers.values().all(|balancer| balancer.name.is_none()));
    }
}
