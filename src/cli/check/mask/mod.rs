//! Lines of a file as they may be shown: without the secrets in them.
//!
//! An error may stand on the line of a password, and its report in the log of a build. The file need
//! not be YAML, so where a secret ends is at times a guess: then more is hidden than needs to be.

mod cover;
mod keys;
mod urls;

use self::{
    cover::{Cover, covers},
    keys::{first_key, keys, value},
    urls::{end_of_url, secrets_of_url},
};
use crate::{
    config::Fault,
    settings::secret::{HIDDEN, is_secret_name},
};

/// Sections whose values are all secret: one of a web config file, and one of modules.
const SECRET_SECTIONS: [&str; 2] = ["basic_auth_users", "proxy_connect_header"];

/// Keys of a dialogue that a secret step keeps to itself.
const STEP: [&str; 3] = ["expect", "expect_bytes", "send"];

/// Values of `secret` that do not make a step secret.
const NO: [&str; 4] = ["false", "no", "off", "n"];

/// What is secret in the lines of a file.
#[derive(Debug)]
pub(super) struct Mask {
    covers: Vec<Cover>,
    /// Whether what dialogues say is secret: a line does not tell which step it is of.
    has_secret_steps: bool,
}

impl Mask {
    /// That for these lines.
    pub(super) fn of(lines: &[String]) -> Self {
        let has_secret_steps = lines.iter().any(|line| tells_of_secret_step(line));
        Self { covers: covers(lines, has_secret_steps), has_secret_steps }
    }

    /// `line`, on which `fault` is, without its secrets, and the byte at which the place of `fault`
    /// is then.
    ///
    /// What stands in place of a secret does not tell how long it is, so the place may have moved.
    pub(super) fn apply(&self, line: &str, fault: &Fault) -> (String, usize) {
        let column = fault.mark.column.saturating_sub(1);
        let place = line.char_indices().nth(column).map_or(line.len(), |(place, _)| place);
        let (mut shown, mut start, mut from) = (String::new(), None, 0);
        for (begin, end) in self.secrets(line, place, fault) {
            if (from..begin).contains(&place) {
                start = Some(shown.len() + place - from);
            } else if (begin..end).contains(&place) {
                start = Some(shown.len() + begin - from);
            }
            shown.push_str(line.get(from..begin).unwrap_or_default());
            shown.push_str(HIDDEN);
            from = end;
        }
        let start = start.unwrap_or(shown.len() + place.saturating_sub(from));
        shown.push_str(line.get(from..).unwrap_or_default());
        (shown, start)
    }

    /// Where secrets begin and end, in order; none is empty, and they do not overlap.
    fn secrets(&self, line: &str, place: usize, fault: &Fault) -> Vec<(usize, usize)> {
        let number = fault.mark.line.saturating_sub(1);
        let cover = self.covers.get(number).copied().unwrap_or(Cover::None);
        let mut found = Vec::new();
        match cover {
            Cover::None | Cover::Module => {}
            Cover::Value => found.extend(first_key(line).map(|key| value_after(line, key.end))),
            Cover::Whole => found.push((line.len() - line.trim_start().len(), line.len())),
        }
        for key in keys(line).skip(usize::from(cover == Cover::Module)) {
            if is_secret_key(key.name, self.has_secret_steps) {
                let value = value(line, key.end, key.in_flow);
                found.push((value.begin, value.end));
            } else if key.name.ends_with("url") {
                let value = value(line, key.end, key.in_flow);
                secrets_of_url(line, value.begin, value.end, &mut found);
            }
        }
        found.extend(secret_at(line, place, fault));
        for (at, mark) in line.match_indices("://") {
            secrets_of_url(line, at, end_of_url(line, at, at + mark.len()), &mut found);
        }
        // Passwords of users, also where the section is not to be seen.
        for (at, _) in line.match_indices("$2") {
            found.push((at, at + word(line, at).len()));
        }
        without_overlaps(found)
    }
}

/// Whether the value of a key of that name is to be hidden.
fn is_secret_key(name: &str, has_secret_steps: bool) -> bool {
    is_secret_name(name)
        || SECRET_SECTIONS.contains(&name)
        || has_secret_steps && STEP.contains(&name)
}

/// Whether the value of a key of that name is harmless even in a secret section: it says of which kind
/// a secret is, or where it is.
fn is_harmless_key(name: &str) -> bool {
    name == "type" || ["_file", "_ref"].iter().any(|end| name.ends_with(end))
}

/// Whether a line makes a step of a dialogue secret.
fn tells_of_secret_step(line: &str) -> bool {
    let mut secrets = keys(line).filter(|key| key.name == "secret");
    secrets.any(|key| {
        let value = value(line, key.end, key.in_flow);
        let text = line.get(value.begin..value.end).unwrap_or_default().to_ascii_lowercase();
        !NO.contains(&text.as_str())
    })
}

/// The secret at the place of `fault`, or behind the key there, of which the line does not tell.
fn secret_at(line: &str, place: usize, fault: &Fault) -> Option<(usize, usize)> {
    let here = line.get(place..)?;
    let mut path = fault.path.split('.').peekable();
    // The name of a module may be any.
    if path.next_if_eq(&"modules").is_some() {
        path.next();
    }
    let key = fault.path.rsplit('.').next().unwrap_or_default();
    let rest = here.trim_start_matches(['"', '\'']).strip_prefix(key);
    let rest = rest.map(|rest| rest.trim_start_matches(['"', '\'', ' ', '\t']));
    let is_key = rest.is_some_and(|rest| rest.starts_with(':'));
    let is_secret = path.any(|key| is_secret_key(key.split('[').next().unwrap_or_default(), false));
    if is_secret && !is_key && !is_harmless_key(key) {
        return Some(value_after(line, place));
    }
    // Such as what an unknown key was probably meant to be.
    let mut names = fault.message.split('\'').skip(1).step_by(2);
    let colon = names.any(is_secret_name).then(|| here.find(':')).flatten()?;
    Some(value_after(line, place + colon + 1))
}

/// The value behind the byte `from`.
fn value_after(line: &str, from: usize) -> (usize, usize) {
    let in_flow =
        keys(line).take_while(|key| key.end <= from).last().is_some_and(|key| key.in_flow);
    let value = value(line, from, in_flow);
    (value.begin, value.end)
}

/// The word that begins at `at`.
fn word(line: &str, at: usize) -> &str {
    let rest = line.get(at..).unwrap_or_default();
    rest.split([' ', '\t', '"', '\'', ',', '}']).next().unwrap_or_default()
}

/// `found` in order; what overlaps or touches is one.
fn without_overlaps(mut found: Vec<(usize, usize)>) -> Vec<(usize, usize)> {
    found.sort_unstable();
    let mut places: Vec<(usize, usize)> = Vec::with_capacity(found.len());
    for (begin, end) in found.into_iter().filter(|(begin, end)| begin < end) {
        match places.last_mut() {
            Some((_, last)) if begin <= *last => *last = end.max(*last),
            _ => places.push((begin, end)),
        }
    }
    places
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Mark;

    fn fault(line: usize, column: usize, path: &str) -> Fault {
        let mark = Mark { line, column: column + 1 };
        Fault { mark, path: path.to_owned(), message: String::new() }
    }

    fn masked(line: &str, fault: &Fault) -> (String, usize) {
        Mask::of(&[line.to_owned()]).apply(line, fault)
    }

    #[test]
    fn secrets_are_not_shown() {
        for (line, expected) in [
            ("password: hunter2", "password: <secret>"),
            ("password : hunter2b", "password : <secret>"),
            ("password:hunter2", "password:<secret>"),
            ("  passwrd: 'hun ter2' # mine", "  passwrd: <secret>"),
            ("a: 'hun''ter2i', password: 'hun''ter2i'", "a: 'hun''ter2i', password: <secret>"),
            ("password: \"hun\\\"ter2\"", "password: <secret>"),
            ("password: !!str hunter2", "password: <secret>"),
            ("a: {password: hunter2, b: c}", "a: {password: <secret>, b: c}"),
            ("\"bearer_token\": \"hunter2\"", "\"bearer_token\": <secret>"),
            ("{\"password\":\"hunter2\"}", "{\"password\":<secret>"),
            ("secrets: [hunter2, hunter3]", "secrets: <secret>"),
            ("credentials: {a: hunter2h}", "credentials: <secret>"),
            ("Authorization: Bearer hunter2", "Authorization: <secret>"),
            ("- \"Authorization: Bearer hunter2\"", "- \"Authorization: <secret>"),
            ("key: hunter2", "key: <secret>"),
            ("key: |hunter2", "key: <secret>"),
            ("client_certificate_key:\thunter2", "client_certificate_key:\t<secret>"),
            ("alice: $2y$10$hunter2", "alice: <secret>"),
            ("proxy_url: http://u:hunter2@h/p", "proxy_url: http://<secret>@h/p"),
            ("proxy_url: 'u:hunter2@h:1'", "proxy_url: 'u:<secret>@h:1'"),
            ("a: [http://u:hunter2@h/p, b@c]", "a: [http://<secret>@h/p, b@c]"),
            ("- \"http://u:hun/ter2@h:80\", b@c", "- \"http://<secret>@h:80\", b@c"),
            ("- 'http://u:hun''t er@2@h'", "- 'http://<secret>@h'"),
            ("proxy_url: http://u:hun ter2@h", "proxy_url: http://<secret>@h"),
            ("token_url: https://h/t?key=hunter2&a=b", "token_url: https://h/t?key=<secret>&a=b"),
            ("password: {a: hunter2}, b: c", "password: <secret>"),
            ("X-Api-Key: {values: [hunter2", "X-Api-Key: <secret>"),
            ("proxy_connect_header: {X-Odd: [hunter2]}", "proxy_connect_header: <secret>"),
            ("send: hunter2", "send: hunter2"),
            ("password_file: /run/password", "password_file: /run/password"),
            ("token_url: https://h/token", "token_url: https://h/token"),
            ("basic_auth: {username: u}", "basic_auth: {username: u}"),
            ("password:", "password:"),
            ("{password:}", "{password:}"),
            ("key: |", "key: |"),
        ] {
            let (shown, place) = masked(line, &fault(1, 0, ""));
            assert_eq!((shown.as_str(), place), (expected, 0), "{line}");
        }
    }

    #[test]
    fn the_path_tells_of_secrets_that_the_line_does_not() {
        let masked = |line, column, path| masked(line, &fault(1, column, path));
        assert_eq!(masked("- hunter2", 2, "h.secrets[0]"), ("- <secret>".to_owned(), 2));
        assert_eq!(masked("a: hunter2", 3, "m.X-Api-Key.a").0, "a: <secret>");
        assert_eq!(masked("type: a", 6, "a.authorization.type").0, "type: a");
        assert_eq!(masked("a: hunter2", 3, "modules.X-Api-Key.a").0, "a: hunter2");
        assert_eq!(masked("  bob: hunter2", 7, "basic_auth_users.bob").0, "  bob: <secret>");
        assert_eq!(masked("  bob: hunter2", 2, "basic_auth.bob").0, "  bob: hunter2");
    }

    #[test]
    fn secrets_of_several_lines_are_hidden_whole() {
        let text = "modules:\n  tokens: {a: b}\n  c:\n    key: |\n      hunter2: a\n    \
                    Authorization:\n      values: [hunter2]\n    password: \"hun\n ter2\"";
        let lines: Vec<_> = text.lines().map(str::to_owned).collect();
        let mask = Mask::of(&lines);
        let masked = |line: usize, column| mask.apply(&lines[line - 1], &fault(line, column, ""));
        assert_eq!(masked(2, 2), ("  tokens: {a: b}".to_owned(), 2));
        assert_eq!(masked(5, 15), ("      <secret>".to_owned(), 6));
        assert_eq!(masked(7, 6), ("      values: <secret>".to_owned(), 6));
        assert_eq!(masked(9, 3), (" <secret>".to_owned(), 1));
    }

    #[test]
    fn steps_are_not_shown_where_one_is_secret() {
        for line in
            ["secret: true", "- {send: a, secret :  yes}", "      \"secret\": On", "secret:"]
        {
            assert!(tells_of_secret_step(line), "{line}");
        }
        assert!(!tells_of_secret_step("client_secret: abc") && !tells_of_secret_step("secret: no"));
        let lines = ["- {send: hunter2, expect: [hunter2]}", "- secret: true"].map(str::to_owned);
        let (shown, _) = Mask::of(&lines).apply(&lines[0], &fault(1, 0, ""));
        assert_eq!(shown, "- {send: <secret>, expect: <secret>");
    }

    #[test]
    fn the_place_moves_with_what_it_stands_on() {
        let line = "a: {password: hünter2, bäd: c}";
        let (shown, place) = masked(line, &fault(1, 23, "a.bäd"));
        assert_eq!(shown, "a: {password: <secret>, bäd: c}");
        assert_eq!(shown.find("bäd"), Some(place));
        for (line, column, expected) in [
            ("password: 5", 10, ("password: <secret>", 10)),
            ("password: hunter2", 14, ("password: <secret>", 10)),
            ("password: hunter2", 17, ("password: <secret>", 18)),
            ("a", 7, ("a", 1)),
        ] {
            let (shown, place) = masked(line, &fault(1, column, ""));
            assert_eq!((shown.as_str(), place), expected);
        }
    }

    #[test]
    fn what_a_key_was_meant_to_be_tells_of_secrets() {
        let message = "unknown key 'tokn'; did you mean 'bearer_token'?".to_owned();
        let fault = Fault { message, ..fault(1, 3, "") };
        assert_eq!(masked("a: tokn: hunter2", &fault).0, "a: tokn: <secret>");
    }
}
