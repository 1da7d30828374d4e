//! Order in which passwords are checked.
//!
//! Passwords wait in one line per user and client, and the lines take turns. A client that guesses
//! passwords delays its own line, and another line by one check at a time.

use std::collections::{HashMap, VecDeque, hash_map::Entry};

use tokio::sync::oneshot;

use crate::{server::connections::ClientNetwork, settings::secret::Secret};

/// Passwords that wait for their check.
#[derive(Default)]
pub(super) struct LoginQueue {
    lines: HashMap<Line, VecDeque<Login>>,
    /// The lines with waiting passwords, in the order of their turns.
    turns: VecDeque<Line>,
}

/// User and client that a password comes from.
pub(super) type Line = (String, ClientNetwork);

/// A password that waits for its check.
pub(super) struct Login {
    /// Identifies the password.
    pub(super) tag: [u8; 32],
    pub(super) password: Vec<u8>,
    /// The bcrypt hash that the password is compared with.
    pub(super) hash: Secret,
    /// The requests that wait for the result.
    waiting: Vec<oneshot::Sender<bool>>,
}

/// Maximum number of different passwords that wait in one line.
const MAX_PER_LINE: usize = 512;

/// Number of lines above which lines without waiting requests are removed.
const MAX_ABANDONED_LINES: usize = 64;

impl LoginQueue {
    /// Adds a password, and returns the receiver of the result. Equal passwords of one line are
    /// checked once. Returns `None` if too many others wait in the line.
    pub(super) fn enter(&mut self, line: &Line, login: Login) -> Option<oneshot::Receiver<bool>> {
        self.remove_abandoned_lines();
        let (sender, result) = oneshot::channel();
        let logins = match self.lines.entry(line.clone()) {
            Entry::Occupied(entry) => entry.into_mut(),
            Entry::Vacant(entry) => {
                self.turns.push_back(line.clone());
                entry.insert(VecDeque::new())
            }
        };
        if let Some(known) = logins.iter_mut().find(|known| known.tag == login.tag) {
            known.waiting.retain(|waiting| !waiting.is_closed());
            known.waiting.push(sender);
            return Some(result);
        }
        if logins.len() >= MAX_PER_LINE {
            // A password stays when its client has gone, so that the next attempt finds its place.
            let abandoned = logins.iter().position(Login::is_abandoned)?;
            logins.remove(abandoned);
        }
        logins.push_back(Login { waiting: vec![sender], ..login });
        Some(result)
    }

    /// Takes the next password.
    pub(super) fn next(&mut self) -> Option<(Line, Login)> {
        let line = self.turns.pop_front()?;
        let logins = self.lines.get_mut(&line)?;
        let login = logins.pop_front()?;
        if logins.is_empty() {
            self.lines.remove(&line);
        } else {
            self.turns.push_back(line.clone());
        }
        Some((line, login))
    }

    /// Number of passwords that are checked before the first one of a new line.
    pub(super) fn lines(&self) -> usize {
        self.turns.len()
    }

    fn remove_abandoned_lines(&mut self) {
        if self.turns.len() <= MAX_ABANDONED_LINES {
            return;
        }
        self.lines.retain(|_, logins| !logins.iter().all(Login::is_abandoned));
        self.turns.retain(|line| self.lines.contains_key(line));
    }
}

impl Login {
    pub(super) fn new(tag: [u8; 32], password: Vec<u8>, hash: Secret) -> Self {
        Self { tag, password, hash, waiting: Vec::new() }
    }

    /// Passes the result to the waiting requests.
    pub(super) fn finish(self, matches: bool) {
        for waiting in self.waiting {
            waiting.send(matches).ok();
        }
    }

    fn is_abandoned(&self) -> bool {
        self.waiting.iter().all(oneshot::Sender::is_closed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(user: &str, last: u8) -> Line {
        let address = ([192, 0, 2, last], 1).into();
        (user.to_owned(), ClientNetwork::of(Some(address)))
    }

    fn login(password: usize) -> Login {
        let text = password.to_string();
        let mut tag = [0; 32];
        tag[..text.len()].copy_from_slice(text.as_bytes());
        Login::new(tag, text.into_bytes(), Secret::default())
    }

    fn next(queue: &mut LoginQueue) -> String {
        let ((user, _), login) = queue.next().unwrap();
        format!("{user} {}", String::from_utf8(login.password).unwrap())
    }

    #[test]
    fn lines_of_users_and_clients_take_turns() {
        let mut queue = LoginQueue::default();
        let mut waiting: Vec<_> =
            (0..5).map(|number| queue.enter(&line("alice", 1), login(number))).collect();
        waiting.push(queue.enter(&line("alice", 2), login(10)));
        waiting.push(queue.enter(&line("bob", 1), login(20)));
        assert_eq!(queue.lines(), 3);
        let order: Vec<_> = (0..7).map(|_| next(&mut queue)).collect();
        let expected =
            ["alice 0", "alice 10", "bob 20", "alice 1", "alice 2", "alice 3", "alice 4"];
        assert_eq!(order, expected);
        assert!(queue.next().is_none() && queue.lines() == 0);
    }

    #[test]
    fn equal_passwords_are_checked_once() {
        let mut queue = LoginQueue::default();
        let mut results =
            [1, 2, 1].map(|number| queue.enter(&line("alice", 1), login(number)).unwrap());
        queue.next().unwrap().1.finish(true);
        assert_eq!(results[0].try_recv(), Ok(true));
        assert_eq!(results[2].try_recv(), Ok(true));
        assert_eq!(next(&mut queue), "alice 2");
        assert!(queue.next().is_none());
    }

    #[test]
    fn only_a_full_line_rejects_passwords() {
        let mut queue = LoginQueue::default();
        let mut waiting: Vec<_> = (0..MAX_PER_LINE)
            .map(|number| queue.enter(&line("alice", 1), login(number)).unwrap())
            .collect();
        assert!(queue.enter(&line("alice", 1), login(1000)).is_none());
        assert!(queue.enter(&line("alice", 1), login(7)).is_some(), "it waits already");
        let _other = queue.enter(&line("alice", 2), login(1001)).unwrap();
        waiting.remove(3);
        let _last = queue.enter(&line("alice", 1), login(1000)).unwrap();
        assert_eq!(queue.lines[&line("alice", 1)].len(), MAX_PER_LINE);
    }

    #[test]
    fn a_password_keeps_its_place_when_its_client_has_gone() {
        let mut queue = LoginQueue::default();
        drop(queue.enter(&line("alice", 1), login(0)));
        let _second = queue.enter(&line("alice", 1), login(1));
        let mut first = queue.enter(&line("alice", 1), login(0)).unwrap();
        queue.next().unwrap().1.finish(true);
        assert_eq!(first.try_recv(), Ok(true));
    }

    #[test]
    fn lines_without_waiting_requests_are_limited() {
        let mut queue = LoginQueue::default();
        let _kept = queue.enter(&line("alice", 1), login(0));
        for last in 2..=200 {
            drop(queue.enter(&line("alice", last), login(0)));
        }
        assert!(queue.lines() <= MAX_ABANDONED_LINES + 1, "{}", queue.lines());
        assert!(queue.lines.contains_key(&line("alice", 1)));
    }
}
