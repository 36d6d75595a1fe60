//! Which workload a pod may belong to, guessed from its name: what controllers put behind the name of theirs (apiserver
//! `names/generate.go`, `util/rand`, and the controllers of Deployments, DaemonSets, StatefulSets and CronJobs).
//!
//! | pod | made by | workload |
//! |---|---|---|
//! | `web-6d4f8c7b9-x2x4z` | a Deployment's ReplicaSet | `web` |
//! | `agent-x2x4z` | a DaemonSet, ReplicaSet or Job | `agent` |
//! | `backup-29387520-x2x4z` | a CronJob's Job | `backup` |
//! | `db-0` | a StatefulSet | `db` |
//! | anything else | nobody, or the kubelet | itself |

/// Characters at the end of a name that was generated.
const GENERATED: usize = 5;

/// The workload that a pod of this name may belong to, a part of the name and never empty. A name that only looks
/// generated is cut as well, and one that was shortened to fit keeps what is left: the owners that kube-state-metrics
/// tells are exact.
pub fn workload(pod: &str) -> &str {
    let Some((owner, last)) = cut(pod) else { return pod };
    if is_ordinal(last) {
        return owner;
    }
    if last.len() != GENERATED || !is_encoded(last) {
        return pod;
    }
    match cut(owner) {
        Some((name, between)) if is_hash(between) || is_minute(between) => name,
        _ => owner,
    }
}

/// A name and what stands behind its last hyphen.
fn cut(name: &str) -> Option<(&str, &str)> {
    name.rsplit_once('-').filter(|(owner, _)| !owner.is_empty())
}

/// Whether all of it are characters that Kubernetes generates names of: no vowels, so that there are no words.
fn is_encoded(text: &str) -> bool {
    text.bytes().all(|byte| b"bcdfghjklmnpqrstvwxz2456789".contains(&byte))
}

/// The hash of a pod template: a number of 32 bits, its decimal digits encoded.
fn is_hash(text: &str) -> bool {
    (6..=10).contains(&text.len()) && is_encoded(text)
}

/// Minutes since 1970, for which a CronJob made the Job.
fn is_minute(text: &str) -> bool {
    text.len() == 8 && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_ordinal(text: &str) -> bool {
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
    is_number && matches!(text.len(), 1..=4) && (text == "0" || !text.starts_with('0'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_controllers_give() {
        for (pod, want) in [
            ("web-6d4f8c7b9-x2x4z", "web"),
            ("shop-web-5c689d88bb-qwz5k", "shop-web"),
            ("agent-x2x4z", "agent"),
            ("node-agent-x2x4z", "node-agent"),
            ("backup-29387520-x2x4z", "backup"),
            ("db-0", "db"),
            ("db-12", "db"),
            ("redis-cluster-1000", "redis-cluster"),
        ] {
            assert_eq!(workload(pod), want, "{pod}");
        }
    }

    #[test]
    fn names_that_nobody_generated() {
        for pod in [
            "",
            "-",
            "-0",
            "web",
            "web-",
            "web-api",
            "web-tests",
            "web-01",
            "web-x2x4",
            "web-x2x4z1",
            "etcd-node1.example.org",
            "kube-apiserver-node-a",
            "web-X2X4Z",
            "x2x4z",
            "web-12345",
        ] {
            assert_eq!(workload(pod), pod, "{pod}");
        }
        assert_eq!(workload("web-29387521-api-x2x4z"), "web-29387521-api");
        assert_eq!(workload("-6d4f8c7b9-x2x4z"), "-6d4f8c7b9");
    }
}
