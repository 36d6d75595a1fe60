//! Basic auth (RFC 7617) against bcrypt hashes.
//!
//! * A stranger learns nothing from timing: an unknown user costs the same comparison as a wrong password.
//! * A stranger cannot eat the machine: comparisons run on blocking threads, at most two at a time and never on every
//!   core.
//! * A scrape every few seconds is cheap: the outcome is remembered under a keyed digest of user, hash and password,
//!   so no password stays in memory and a changed hash forgets its outcomes by itself.
//! * Differs from the Go exporters: refused passwords are forgotten before accepted ones, so that guessing does not
//!   push Prometheus' own entry out.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper::header::HeaderValue;
use ring::hmac;
use ring::rand::SystemRandom;
use subtle::ConstantTimeEq;
use tokio::sync::Semaphore;

use super::config::PasswordHash;

/// Outcomes remembered, as many as the Go exporters keep.
const CACHE_ENTRIES: usize = 100;

/// Comparisons at one time, at most; fewer where that would be every core.
const COMPARISONS: usize = 2;

/// Longer credentials are refused unread; bcrypt looks at 72 bytes of password.
const MAX_CREDENTIALS: usize = 4096;

/// Checks credentials and remembers the outcomes.
pub struct Checker {
    key: hmac::Key,
    outcomes: Mutex<Outcomes>,
    permits: Arc<Semaphore>,
    comparisons: AtomicU64,
}

impl fmt::Debug for Checker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Checker(..)")
    }
}

impl Checker {
    /// A checker with an empty memory and a fresh random key.
    ///
    /// # Errors
    /// The system gave no random bytes.
    pub fn new() -> Result<Self, ring::error::Unspecified> {
        // Counts what a cgroup quota leaves us.
        let cores = thread::available_parallelism().map_or(1, usize::from);
        Ok(Self {
            key: hmac::Key::generate(hmac::HMAC_SHA256, &SystemRandom::new())?,
            outcomes: Mutex::default(),
            permits: Arc::new(Semaphore::new((cores - 1).clamp(1, COMPARISONS))),
            comparisons: AtomicU64::new(0),
        })
    }

    /// Whether the `Authorization` header names a user of the list with its password. Nobody listed: everyone may.
    pub async fn allows(&self, users: &BTreeMap<String, PasswordHash>, header: Option<&HeaderValue>) -> bool {
        if users.is_empty() {
            return true;
        }
        let Some((user, password)) = header.and_then(|value| credentials(value.as_bytes())) else {
            return false;
        };
        let known = users.get(user.as_str());
        let hash = known.map_or_else(|| dummy_hash(users), |hash| hash.text().to_owned());
        let digest = self.digest(&[user.as_bytes(), hash.as_bytes(), &password]);
        if let Some(outcome) = self.outcomes().find(&digest) {
            return outcome;
        }
        // The permit goes along into the thread: a client that hangs up does not free it early.
        let Ok(permit) = Arc::clone(&self.permits).acquire_owned().await else {
            return false;
        };
        // The same question may have been answered while this one waited.
        if let Some(outcome) = self.outcomes().find(&digest) {
            return outcome;
        }
        self.comparisons.fetch_add(1, Ordering::Relaxed);
        let compared = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            bcrypt::verify(password, &hash).unwrap_or(false)
        });
        let outcome = compared.await.unwrap_or(false) && known.is_some();
        self.outcomes().remember(digest, outcome);
        outcome
    }

    /// How many bcrypt comparisons were started since the start of the process.
    #[must_use]
    pub fn comparisons(&self) -> u64 {
        self.comparisons.load(Ordering::Relaxed)
    }

    fn outcomes(&self) -> std::sync::MutexGuard<'_, Outcomes> {
        self.outcomes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Each part with its length in front, so that no two questions share a digest.
    fn digest(&self, parts: &[&[u8]]) -> Digest {
        let mut context = hmac::Context::with_key(&self.key);
        for part in parts {
            context.update(&(part.len() as u64).to_be_bytes());
            context.update(part);
        }
        let mut digest = Digest::default();
        digest.iter_mut().zip(context.sign().as_ref()).for_each(|(to, from)| *to = *from);
        digest
    }
}

type Digest = [u8; 32];

/// Oldest first, the two kinds apart.
#[derive(Default)]
struct Outcomes {
    accepted: VecDeque<Digest>,
    refused: VecDeque<Digest>,
}

impl Outcomes {
    fn find(&self, digest: &Digest) -> Option<bool> {
        let has = |list: &VecDeque<Digest>| list.iter().any(|known| known.ct_eq(digest).into());
        if has(&self.accepted) {
            return Some(true);
        }
        has(&self.refused).then_some(false)
    }

    fn remember(&mut self, digest: Digest, outcome: bool) {
        if self.find(&digest).is_some() {
            return;
        }
        if self.accepted.len() + self.refused.len() >= CACHE_ENTRIES {
            // A full list of accepted ones can only be the result of many real users.
            let _oldest = self.refused.pop_front().or_else(|| self.accepted.pop_front());
        }
        if outcome { self.accepted.push_back(digest) } else { self.refused.push_back(digest) }
    }
}

/// A well-formed hash of nothing at the highest cost in use: a user who does not exist costs as much as one who does.
fn dummy_hash(users: &BTreeMap<String, PasswordHash>) -> String {
    let cost = users.values().map(PasswordHash::cost).max().unwrap_or(bcrypt::DEFAULT_COST);
    format!("$2b${cost:02}${}", ".".repeat(53))
}

/// User and password of a `Basic` header; the password may hold any bytes.
pub(crate) fn credentials(header: &[u8]) -> Option<(String, Vec<u8>)> {
    let (scheme, rest) = header.split_at_checked(6)?;
    if !scheme.eq_ignore_ascii_case(b"basic ") || rest.len() > MAX_CREDENTIALS {
        return None;
    }
    let decoded = STANDARD.decode(rest).ok()?;
    let colon = decoded.iter().position(|byte| *byte == b':')?;
    let (user, password) = decoded.split_at(colon);
    Some((String::from_utf8(user.to_vec()).ok()?, password.get(1..)?.to_vec()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The lowest cost bcrypt knows: about a millisecond.
    fn users(list: &[(&str, &str)]) -> BTreeMap<String, PasswordHash> {
        let hash = |password: &str| bcrypt::hash(password, 4).unwrap().parse().unwrap();
        list.iter().map(|(user, password)| ((*user).to_owned(), hash(password))).collect()
    }

    fn header(text: &str) -> HeaderValue {
        HeaderValue::from_str(text).unwrap()
    }

    const ALICE_SECRET: &str = "Basic YWxpY2U6c2VjcmV0";
    const ALICE_WRONG: &str = "Basic YWxpY2U6d3Jvbmc=";
    const BOB_SECRET: &str = "Basic Ym9iOnNlY3JldA==";

    #[test]
    fn headers() {
        assert_eq!(credentials(b"basic YTpiOmM="), Some(("a".into(), b"b:c".to_vec())));
        for bad in
            ["", "Basic", "Basic ", "Bearer YTpi", "Basic YQ==", "Basic !!!!", "Basic YTpiOmM", "Basic YTpi YTpi"]
        {
            assert_eq!(credentials(bad.as_bytes()), None, "{bad}");
        }
        assert_eq!(credentials(format!("Basic {}", "YTpi".repeat(2000)).as_bytes()), None);
    }

    #[test]
    fn refused_ones_are_forgotten_first() {
        let mut outcomes = Outcomes::default();
        outcomes.remember([0xff; 32], true);
        for guess in 0..=200_u8 {
            outcomes.remember([guess; 32], false);
        }
        assert_eq!(outcomes.accepted.len() + outcomes.refused.len(), CACHE_ENTRIES);
        assert_eq!(outcomes.find(&[0xff; 32]), Some(true));
        assert_eq!((outcomes.find(&[0; 32]), outcomes.find(&[200; 32])), (None, Some(false)));
    }

    #[tokio::test]
    async fn outcomes_are_remembered() {
        let (checker, users) = (Checker::new().unwrap(), users(&[("alice", "secret")]));
        for _ in 0..3 {
            assert!(checker.allows(&users, Some(&header(ALICE_SECRET))).await);
        }
        assert_eq!(checker.comparisons(), 1);
        for _ in 0..3 {
            assert!(!checker.allows(&users, Some(&header(ALICE_WRONG))).await);
            assert!(!checker.allows(&users, Some(&header(BOB_SECRET))).await);
        }
        assert_eq!(checker.comparisons(), 3, "a wrong password and an unknown user cost one comparison each");
        assert!(!checker.allows(&users, None).await);
        assert!(!checker.allows(&users, Some(&header("Basic nonsense"))).await);
        assert_eq!(checker.comparisons(), 3);
    }

    #[tokio::test]
    async fn a_changed_hash_is_asked_again() {
        let checker = Checker::new().unwrap();
        assert!(checker.allows(&users(&[("alice", "secret")]), Some(&header(ALICE_SECRET))).await);
        assert!(!checker.allows(&users(&[("alice", "other")]), Some(&header(ALICE_SECRET))).await);
        assert!(checker.allows(&BTreeMap::new(), None).await, "no users: no lock");
    }

    #[tokio::test]
    async fn the_dummy_hash_fits_no_password() {
        let users = users(&[("alice", "secret")]);
        let dummy = dummy_hash(&users);
        assert!(dummy.parse::<PasswordHash>().is_ok_and(|hash| hash.cost() == 4));
        assert!(!bcrypt::verify("", &dummy).unwrap());
    }
}
