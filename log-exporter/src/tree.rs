//! Names below the directory of the pods' logs: `<namespace>_<pod>_<uid>/<container>/<restart>.log`, and what the kubelet makes of
//! the last one when it rotates: `<restart>.log.<YYYYMMDD-HHMMSS>`, later with `.gz`, on the way there `.tmp`.

use std::sync::Arc;

/// Namespace, pod and container: whose series it is. Cheap to copy.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Id(Arc<(Box<str>, Box<str>, Box<str>)>);

impl Id {
    /// The container `container` of the pod `pod`.
    pub fn new(namespace: &str, pod: &str, container: &str) -> Self {
        Self(Arc::new((namespace.into(), pod.into(), container.into())))
    }

    /// Value of the label `namespace`.
    pub fn namespace(&self) -> &str {
        &self.0.0
    }

    /// Value of the label `pod`.
    pub fn pod(&self) -> &str {
        &self.0.1
    }

    /// Value of the label `container`.
    pub fn container(&self) -> &str {
        &self.0.2
    }
}

/// The name of a pod's directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PodName<'n> {
    /// Its namespace.
    pub namespace: &'n str,
    /// Its name.
    pub pod: &'n str,
    /// What tells it from one of the same name before; of static pods a hash.
    pub uid: &'n str,
}

/// Reads the name of a pod's directory; none of the three can contain an underscore.
pub fn pod_name(name: &str) -> Option<PodName<'_>> {
    let (namespace, rest) = name.split_once('_')?;
    let (pod, uid) = rest.rsplit_once('_')?;
    [namespace, pod, uid].iter().all(|part| is_name(part)).then_some(PodName { namespace, pod, uid })
}

/// Whether a text can be the name of an object or container: what DNS allows in names, in any case.
pub fn is_name(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 253
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.'))
        && !matches!(text, "." | "..")
}

/// A log file that can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LogName<'n> {
    /// How often the container was restarted before.
    pub restart: u32,
    /// The time in the name of a file that was moved away, which comes before the one that is written; `None` for that one.
    pub rotated: Rotated<'n>,
}

/// Older files come first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rotated<'n> {
    /// Moved away at this time.
    At(&'n str),
    /// Still has the name that the runtime writes to.
    No,
}

/// Reads the name of a log file; `None` for those that are packed, half made, or something else.
pub fn log_name(name: &str) -> Option<LogName<'_>> {
    let (restart, rest) = name.split_once(".log")?;
    if restart.len() > 1 && restart.starts_with('0') || !restart.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let restart = restart.parse().ok()?;
    if rest.is_empty() {
        return Some(LogName { restart, rotated: Rotated::No });
    }
    let time = rest.strip_prefix('.')?;
    let is_time = time.len() == 15
        && time.bytes().enumerate().all(|(at, byte)| if at == 8 { byte == b'-' } else { byte.is_ascii_digit() });
    is_time.then_some(LogName { restart, rotated: Rotated::At(time) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pods() {
        let good = pod_name("kube-system_etcd-n1.example_0f2a").unwrap();
        assert_eq!((good.namespace, good.pod, good.uid), ("kube-system", "etcd-n1.example", "0f2a"));
        for bad in ["", "a", "a_b", "_b_c", "a__c", "a_b_", "a_b\n_c", "a_\"_c", "a_b_c_d", "a_.._c", "a_b_\u{fc}"] {
            assert_eq!(pod_name(bad), None, "{bad}");
        }
        assert_eq!(pod_name(&format!("a_{}_c", "b".repeat(300))), None);
    }

    #[test]
    fn files() {
        assert_eq!(log_name("0.log"), Some(LogName { restart: 0, rotated: Rotated::No }));
        let old = log_name("12.log.20261122-100000").unwrap();
        assert_eq!(old, LogName { restart: 12, rotated: Rotated::At("20261122-100000") });
        let mut order = [log_name("1.log"), log_name("0.log"), log_name("0.log.20261122-100000")];
        order.sort();
        assert_eq!(order, [log_name("0.log.20261122-100000"), log_name("0.log"), log_name("1.log")]);
        for bad in [
            "",
            ".log",
            "x.log",
            "00.log",
            "-1.log",
            "99999999999.log",
            "0.log.20261122-100000.gz",
            "0.log.20261122-100000.tmp",
            "0.log.20261122",
            "0.log.",
            "0.logs",
            "0.txt",
        ] {
            assert_eq!(log_name(bad), None, "{bad}");
        }
    }
}
