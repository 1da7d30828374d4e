//! Basic authentication: users and their passwords.

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use boring::hash::hmac_sha256;
use tokio::{sync::Semaphore, task::spawn_blocking};

use crate::settings::secret::Secret;

/// The users of the web config file. Without users, every request is allowed.
#[derive(Debug)]
pub(super) struct Users {
    hashes: BTreeMap<String, Secret>,
    /// The hash that passwords of unknown users are compared with, so that the response takes as
    /// long as for a known user. It is the hash with the highest cost.
    decoy: Secret,
}

impl Users {
    /// Creates the users. The hashes must be well-formed.
    pub(super) fn new(hashes: BTreeMap<String, Secret>) -> Self {
        let cost = |hash: &&Secret| {
            hash.expose().parse::<bcrypt::HashParts>().map_or(0, |parts| parts.get_cost())
        };
        let decoy = hashes.values().max_by_key(cost).cloned().unwrap_or_default();
        Self { hashes, decoy }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.hashes.is_empty()
    }
}

/// Result of an authentication.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AuthResult {
    Granted,
    Denied,
    /// Too many passwords are waiting to be checked.
    Busy,
}

/// Checks passwords one at a time, because bcrypt is slow, and caches the correct ones.
pub(super) struct Authenticator {
    /// Key of the tags, so that the cache reveals nothing about the passwords.
    key: [u8; 32],
    /// The last correct password of each user, as a keyed hash of password and bcrypt hash.
    cache: Mutex<HashMap<String, [u8; 32]>>,
    /// Allows one comparison at a time.
    semaphore: Arc<Semaphore>,
    waiting: AtomicUsize,
}

/// Maximum number of passwords that wait for their check: some seconds at bcrypt's default cost.
const MAX_WAITING: usize = 100;

impl Default for Authenticator {
    fn default() -> Self {
        Self {
            key: rand::random(),
            cache: Mutex::default(),
            semaphore: Arc::new(Semaphore::new(1)),
            waiting: AtomicUsize::new(0),
        }
    }
}

/// Hides key and cache: with both, passwords could be guessed much faster than with bcrypt.
impl fmt::Debug for Authenticator {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Authenticator").finish_non_exhaustive()
    }
}

impl Authenticator {
    /// Checks the value of an `Authorization` header.
    pub(super) async fn check(&self, users: &Users, authorization: Option<&str>) -> AuthResult {
        let Some((user, password)) = authorization.and_then(credentials) else {
            return AuthResult::Denied;
        };
        let hash = users.hashes.get(&user);
        let tag = hash.and_then(|hash| self.tag(&user, hash, &password));
        if tag.is_some() && self.cache().get(&user).copied() == tag {
            return AuthResult::Granted;
        }
        let Some(_waiting) = Waiting::begin(&self.waiting) else { return AuthResult::Busy };
        let matches = self.compare(hash.unwrap_or(&users.decoy), password).await;
        let (true, Some(tag)) = (matches, tag) else { return AuthResult::Denied };
        self.cache().insert(user, tag);
        AuthResult::Granted
    }

    /// Removes users that do not exist any more from the cache.
    pub(super) fn retain(&self, users: &Users) {
        self.cache().retain(|user, _| users.hashes.contains_key(user));
    }

    /// Compares a password with a bcrypt hash.
    async fn compare(&self, hash: &Secret, password: Vec<u8>) -> bool {
        let Ok(permit) = Arc::clone(&self.semaphore).acquire_owned().await else { return false };
        let hash = hash.clone();
        // The permit is held until the end of the comparison, also if the client disconnects.
        let compare = move || {
            let matches = bcrypt::verify(password, hash.expose()).unwrap_or(false);
            drop(permit);
            matches
        };
        spawn_blocking(compare).await.unwrap_or(false)
    }

    /// The keyed hash of a password, for the cache.
    fn tag(&self, user: &str, hash: &Secret, password: &[u8]) -> Option<[u8; 32]> {
        // The parts need no separators: tags are only compared for the same user, and the bcrypt
        // hash has a fixed length.
        let text = [user.as_bytes(), hash.expose().as_bytes(), password].concat();
        hmac_sha256(&self.key, &text).ok()
    }

    fn cache(&self) -> std::sync::MutexGuard<'_, HashMap<String, [u8; 32]>> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A place in the queue of passwords to be checked.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn begin(count: &'a AtomicUsize) -> Option<Self> {
        let waiting = Self(count);
        (count.fetch_add(1, Ordering::Relaxed) < MAX_WAITING).then_some(waiting)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Decodes user and password of a header such as `Basic dXNlcjpwYXNz`.
fn credentials(authorization: &str) -> Option<(String, Vec<u8>)> {
    let (scheme, encoded) = authorization.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("Basic") {
        return None;
    }
    let text = STANDARD.decode(encoded).ok()?;
    let colon = text.iter().position(|byte| *byte == b':')?;
    let user = String::from_utf8(text.get(..colon)?.to_vec()).ok()?;
    Some((user, text.get(colon + 1..)?.to_vec()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Users with the password `secret`, hashed with the lowest cost.
    fn users(names: &[&str]) -> Users {
        let hash = || Secret::new(bcrypt::hash("secret", 4).unwrap());
        Users::new(names.iter().map(|name| ((*name).to_owned(), hash())).collect())
    }

    fn basic(text: &str) -> String {
        format!("Basic {}", STANDARD.encode(text))
    }

    #[tokio::test]
    async fn only_the_correct_password_of_a_known_user_is_granted() {
        let (users, authenticator) = (users(&["alice", "bob"]), Authenticator::default());
        let granted = [basic("alice:secret"), basic("bob:secret").replace("Basic", "bASIC")];
        for header in granted.iter().chain(&granted) {
            assert_eq!(
                authenticator.check(&users, Some(header)).await,
                AuthResult::Granted,
                "{header}"
            );
        }
        for text in ["alice:", "alice:secret ", "alice", "eve:secret", ":secret", "", "alice:x"] {
            assert_eq!(
                authenticator.check(&users, Some(&basic(text))).await,
                AuthResult::Denied,
                "{text}"
            );
        }
        for header in ["", "Basic", "Basic %", "Bearer YWxpY2U6c2VjcmV0"] {
            assert_eq!(
                authenticator.check(&users, Some(header)).await,
                AuthResult::Denied,
                "{header}"
            );
        }
        assert_eq!(authenticator.check(&users, None).await, AuthResult::Denied);
        assert_eq!(authenticator.cache().len(), 2, "only correct passwords are cached");
    }

    #[tokio::test]
    async fn debug_output_contains_no_hashes() {
        let (users, authenticator) = (users(&["alice"]), Authenticator::default());
        assert_eq!(
            authenticator.check(&users, Some(&basic("alice:secret"))).await,
            AuthResult::Granted
        );
        assert_eq!(format!("{authenticator:?}"), "Authenticator { .. }");
        assert!(!format!("{users:?}").contains("$2"), "{users:?}");
    }

    #[tokio::test]
    async fn a_cached_password_is_valid_only_with_its_hash() {
        let (before, authenticator) = (users(&["alice"]), Authenticator::default());
        let header = basic("alice:secret");
        assert_eq!(authenticator.check(&before, Some(&header)).await, AuthResult::Granted);
        let other = Secret::new(bcrypt::hash("other", 4).unwrap());
        let after = Users::new([("alice".to_owned(), other)].into());
        assert_eq!(authenticator.check(&after, Some(&header)).await, AuthResult::Denied);
        authenticator.retain(&users(&["bob"]));
        assert!(authenticator.cache().is_empty());
    }

    #[tokio::test]
    async fn a_cached_password_does_not_wait_and_too_many_waiting_are_rejected() {
        let (users, authenticator) = (users(&["alice"]), Authenticator::default());
        let right = basic("alice:secret");
        assert_eq!(authenticator.check(&users, Some(&right)).await, AuthResult::Granted);
        let places: Vec<_> =
            (0..MAX_WAITING).map(|_| Waiting::begin(&authenticator.waiting).unwrap()).collect();
        assert_eq!(
            authenticator.check(&users, Some(&basic("alice:wrong"))).await,
            AuthResult::Busy
        );
        assert_eq!(authenticator.check(&users, Some(&right)).await, AuthResult::Granted);
        drop(places);
        assert_eq!(
            authenticator.check(&users, Some(&basic("alice:wrong"))).await,
            AuthResult::Denied
        );
    }
}
