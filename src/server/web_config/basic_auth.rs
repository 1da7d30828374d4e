//! Basic authentication: users and their passwords.

use std::{
    collections::{BTreeMap, HashMap, hash_map::Entry},
    fmt, mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use boring::hash::hmac_sha256;
use tokio::time::sleep;

use crate::{
    blocking,
    server::{
        connections::ClientNetwork,
        web_config::login_queue::{Line, Login, LoginQueue},
    },
    settings::secret::Secret,
};

/// The users of the web config file. Without users, every request is allowed.
#[derive(Debug)]
pub(super) struct Users {
    hashes: BTreeMap<String, Secret>,
    /// The hash that passwords of unknown users are compared with, so that the response takes as
    /// long as for a known user. It has the highest cost of all hashes, and matches no password.
    decoy: Secret,
}

impl Users {
    /// Creates the users. The hashes must be well-formed.
    pub(super) fn new(hashes: BTreeMap<String, Secret>) -> Self {
        let cost = |hash: &&Secret| {
            hash.expose().parse::<bcrypt::HashParts>().map_or(0, |parts| parts.get_cost())
        };
        let slowest = hashes.values().max_by_key(cost).map(Secret::expose).unwrap_or_default();
        let salt = slowest.get(..SALT_END).unwrap_or_default();
        let decoy = Secret::new(format!("{salt}{:.<DIGEST_LENGTH$}", ""));
        Self { hashes, decoy }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.hashes.is_empty()
    }
}

/// End of the salt in a bcrypt hash.
const SALT_END: usize = 29;

/// Length of the digest in a bcrypt hash, which follows the salt.
const DIGEST_LENGTH: usize = 31;

/// Result of an authentication.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AuthResult {
    Granted,
    Denied,
    /// Too many passwords of this user and client are waiting to be checked.
    Busy,
}

/// Checks passwords one at a time, because bcrypt is slow, and caches the correct ones.
#[derive(Clone)]
pub(super) struct Authenticator(Arc<Checks>);

/// The state of an [`Authenticator`], shared with the task that checks passwords.
struct Checks {
    /// Key of the tags, so that the cache reveals nothing about the passwords.
    key: [u8; 32],
    /// The last correct password of each user, as a keyed hash of password and bcrypt hash.
    cache: Mutex<HashMap<String, [u8; 32]>>,
    queue: Mutex<Queue>,
}

/// The waiting requests.
struct Queue {
    passwords: LoginQueue,
    is_checking: bool,
    /// Duration of a check: a moving average.
    check_time: Duration,
    /// Number of requests with unknown users that only wait, by line.
    unknown: HashMap<Line, u32>,
}

/// Duration of a check until the first one has ended: that of bcrypt's default cost.
const DEFAULT_CHECK_TIME: Duration = Duration::from_millis(50);

/// Number of bytes of a password that bcrypt reads.
const MAX_PASSWORD_BYTES: usize = 72;

impl Default for Authenticator {
    fn default() -> Self {
        let queue = Queue {
            passwords: LoginQueue::default(),
            is_checking: false,
            check_time: DEFAULT_CHECK_TIME,
            unknown: HashMap::new(),
        };
        let (key, queue) = (rand::random(), Mutex::new(queue));
        Self(Arc::new(Checks { key, cache: Mutex::default(), queue }))
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
    pub(super) async fn check(
        &self,
        users: &Users,
        client: ClientNetwork,
        authorization: Option<&str>,
    ) -> AuthResult {
        let Some((user, password)) = authorization.and_then(credentials) else {
            return AuthResult::Denied;
        };
        let checks = &self.0;
        let Some(hash) = users.hashes.get(&user) else {
            return self.refuse_unknown(users, (user, client), password).await;
        };
        let Some(tag) = checks.tag(&user, hash, &password) else { return AuthResult::Denied };
        if checks.cache().get(&user) == Some(&tag) {
            return AuthResult::Granted;
        }
        self.check_in_turn((user, client), Login::new(tag, password, hash.clone())).await
    }

    /// Removes users that do not exist any more from the cache.
    pub(super) fn retain(&self, users: &Users) {
        self.0.cache().retain(|user, _| users.hashes.contains_key(user));
    }

    async fn check_in_turn(&self, line: Line, login: Login) -> AuthResult {
        let result = {
            let mut queue = self.0.queue();
            let Some(result) = queue.passwords.enter(&line, login) else { return AuthResult::Busy };
            if !mem::replace(&mut queue.is_checking, true) {
                let task = Checking { checks: Arc::clone(&self.0), is_finished: false };
                tokio::spawn(task.check_all());
            }
            result
        };
        match result.await {
            Ok(true) => AuthResult::Granted,
            Ok(false) => AuthResult::Denied,
            // No thread could be started, or the exporter stops.
            Err(_) => AuthResult::Busy,
        }
    }

    /// Refuses an unknown user after the time that a check would take, so that clients do not learn
    /// which users exist. The CPU time of a check is spent only if no other password is checked.
    async fn refuse_unknown(&self, users: &Users, line: Line, password: Vec<u8>) -> AuthResult {
        let Some((_waiting, time)) = self.0.time_of_unknown(&line) else {
            let login = Login::new(rand::random(), password, users.decoy.clone());
            return self.check_in_turn(line, login).await;
        };
        sleep(time).await;
        AuthResult::Denied
    }
}

impl Checks {
    /// Compares a password with its bcrypt hash. Returns `None` if there is no thread for it.
    async fn compare(&self, login: &Login) -> Option<bool> {
        let (password, hash) = (login.password.clone(), login.hash.clone());
        let start = Instant::now();
        let compare = move || bcrypt::verify(password, hash.expose()).unwrap_or(false);
        let matches = blocking::run(compare).await.ok()?;
        let mut queue = self.queue();
        queue.check_time = (queue.check_time * 3 + start.elapsed()) / 4;
        Some(matches)
    }

    /// Returns the time after which a password in a line of an existing user would be checked, while
    /// other passwords are being checked.
    fn time_of_unknown(&self, line: &Line) -> Option<(UnknownUser<'_>, Duration)> {
        let mut queue = self.queue();
        if !queue.is_checking {
            return None;
        }
        let position = queue.unknown.entry(line.clone()).or_default();
        *position += 1;
        let rounds = *position;
        let lines = u32::try_from(queue.passwords.lines()).unwrap_or(u32::MAX);
        // On average, half of the current check remains.
        let time = queue.check_time.saturating_mul(rounds.saturating_mul(lines.saturating_add(1)))
            + queue.check_time / 2;
        Some((UnknownUser { checks: self, line: line.clone() }, time))
    }

    /// The keyed hash of a password, for the cache.
    fn tag(&self, user: &str, hash: &Secret, password: &[u8]) -> Option<[u8; 32]> {
        // The parts need no separators: tags are only compared for the same user, and the bcrypt
        // hash has a fixed length.
        let text = [user.as_bytes(), hash.expose().as_bytes(), password].concat();
        hmac_sha256(&self.key, &text).ok()
    }

    fn cache(&self) -> MutexGuard<'_, HashMap<String, [u8; 32]>> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The task that checks passwords. If its thread ends, the next password starts another one.
struct Checking {
    checks: Arc<Checks>,
    is_finished: bool,
}

impl Checking {
    /// Checks all waiting passwords, one after the other.
    async fn check_all(mut self) {
        while let Some(((user, _), login)) = self.next() {
            let is_known = self.checks.cache().get(&user) == Some(&login.tag);
            if is_known {
                login.finish(true);
                continue;
            }
            let Some(matches) = self.checks.compare(&login).await else { continue };
            if matches {
                self.checks.cache().insert(user, login.tag);
            }
            login.finish(matches);
        }
    }

    /// Takes the next password. The task ends with the last one.
    fn next(&mut self) -> Option<(Line, Login)> {
        let mut queue = self.checks.queue();
        let next = queue.passwords.next();
        queue.is_checking = next.is_some();
        self.is_finished = next.is_none();
        next
    }
}

impl Drop for Checking {
    fn drop(&mut self) {
        if !self.is_finished {
            self.checks.queue().is_checking = false;
        }
    }
}

/// A waiting request with an unknown user.
struct UnknownUser<'a> {
    checks: &'a Checks,
    line: Line,
}

impl Drop for UnknownUser<'_> {
    fn drop(&mut self) {
        let mut queue = self.checks.queue();
        if let Entry::Occupied(mut entry) = queue.unknown.entry(self.line.clone()) {
            *entry.get_mut() -= 1;
            if *entry.get() == 0 {
                entry.remove();
            }
        }
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
    let password = text.get(colon + 1..)?;
    Some((user, password.get(..MAX_PASSWORD_BYTES).unwrap_or(password).to_vec()))
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use futures_util::{
        FutureExt as _,
        future::{Either, join_all, select},
    };

    use super::*;

    fn client_at(last: u8) -> ClientNetwork {
        ClientNetwork::of(Some(([192, 0, 2, last], 1).into()))
    }

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
                authenticator.check(&users, client_at(1), Some(header)).await,
                AuthResult::Granted,
                "{header}"
            );
        }
        for text in ["alice:", "alice:secret ", "alice", "eve:secret", ":secret", "", "alice:x"] {
            assert_eq!(
                authenticator.check(&users, client_at(1), Some(&basic(text))).await,
                AuthResult::Denied,
                "{text}"
            );
        }
        for header in ["", "Basic", "Basic %", "Bearer YWxpY2U6c2VjcmV0"] {
            assert_eq!(
                authenticator.check(&users, client_at(1), Some(header)).await,
                AuthResult::Denied,
                "{header}"
            );
        }
        assert_eq!(authenticator.check(&users, client_at(1), None).await, AuthResult::Denied);
        assert_eq!(authenticator.0.cache().len(), 2, "only correct passwords are cached");
    }

    #[tokio::test]
    async fn debug_output_contains_no_hashes() {
        let (users, authenticator) = (users(&["alice"]), Authenticator::default());
        assert_eq!(
            authenticator.check(&users, client_at(1), Some(&basic("alice:secret"))).await,
            AuthResult::Granted
        );
        assert_eq!(format!("{authenticator:?}"), "Authenticator { .. }");
        assert!(!format!("{users:?}").contains("$2"), "{users:?}");
    }

    #[tokio::test]
    async fn a_cached_password_is_valid_only_with_its_hash() {
        let (before, authenticator) = (users(&["alice"]), Authenticator::default());
        let header = basic("alice:secret");
        assert_eq!(
            authenticator.check(&before, client_at(1), Some(&header)).await,
            AuthResult::Granted
        );
        let other = Secret::new(bcrypt::hash("other", 4).unwrap());
        let after = Users::new([("alice".to_owned(), other)].into());
        assert_eq!(
            authenticator.check(&after, client_at(1), Some(&header)).await,
            AuthResult::Denied
        );
        authenticator.retain(&users(&["bob"]));
        assert!(authenticator.0.cache().is_empty());
    }

    #[tokio::test]
    async fn a_right_password_is_found_among_wrong_ones() {
        let (users, authenticator) = (users(&["alice", "bob"]), Authenticator::default());
        let guess = |client: u8, text: String| {
            let (users, authenticator) = (&users, &authenticator);
            async move { authenticator.check(users, client_at(client), Some(&basic(&text))).await }
        };
        let guesses = (0..700).map(|number| guess(2, format!("alice:{number}")));
        let guesses = guesses.chain((0..300).map(|number| guess(1, format!("eve{number}:x"))));
        let guesses: Vec<_> = guesses.collect();
        let mut guesses = join_all(guesses);
        // The guesses begin to wait.
        assert!((&mut guesses).now_or_never().is_none());
        assert_eq!(authenticator.0.queue().passwords.lines(), 1);
        let right = guess(1, "alice:secret".to_owned());
        match select(pin!(right), guesses).await {
            Either::Left((result, _)) => assert_eq!(result, AuthResult::Granted),
            Either::Right((results, _)) => panic!("the guesses came first: {results:?}"),
        }
        assert!(authenticator.0.queue().passwords.lines() > 0, "the guesses still wait");
        assert_eq!(guess(2, "alice:secret".to_owned()).await, AuthResult::Granted);
    }

    #[tokio::test]
    async fn unknown_users_wait_without_checks_while_passwords_are_checked() {
        let (users, authenticator) = (users(&["alice"]), Authenticator::default());
        authenticator.0.queue().is_checking = true;
        let line = ("eve".to_owned(), client_at(1));
        let (first, once) = authenticator.0.time_of_unknown(&line).unwrap();
        let (second, twice) = authenticator.0.time_of_unknown(&line).unwrap();
        assert_eq!((once, twice), (DEFAULT_CHECK_TIME * 3 / 2, DEFAULT_CHECK_TIME * 5 / 2));
        drop((first, second));
        assert!(authenticator.0.queue().unknown.is_empty());
        authenticator.0.queue().is_checking = false;
        let header = basic("eve:secret");
        let result = authenticator.check(&users, client_at(1), Some(&header)).await;
        assert_eq!(result, AuthResult::Denied);
        assert!(authenticator.0.cache().is_empty());
    }

    #[tokio::test]
    async fn the_end_of_the_checking_thread_is_survived() {
        let (users, authenticator) = (users(&["alice"]), Authenticator::default());
        let (header, wrong) = (basic("alice:secret"), basic("alice:wrong"));
        let check = |header| authenticator.check(&users, client_at(1), Some(header));
        {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            let _entered = runtime.enter();
            assert!(check(&wrong).now_or_never().is_none());
            std::thread::spawn(move || drop(runtime)).join().unwrap();
        }
        assert_eq!(check(&header).await, AuthResult::Granted);
    }

    #[test]
    fn bcrypt_reads_the_decoy_and_no_more_of_a_password_than_its_start() {
        let users = users(&["alice"]);
        assert!(!bcrypt::verify("secret", users.decoy.expose()).unwrap());
        let (_, password) = credentials(&basic(&format!("a:{}", "x".repeat(100_000)))).unwrap();
        assert_eq!(password.len(), MAX_PASSWORD_BYTES);
    }
}
