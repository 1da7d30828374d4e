//! Lines of a file as they may be shown: without the secrets in them.
//!
//! An error may stand on the line of a password, and its report in the log of a build.

use crate::{
    config::Fault,
    settings::{
        redact,
        secret::{HIDDEN, is_secret_name},
    },
};

/// Sections whose values are all secret: one of a web config file, and one of modules.
const SECRET_SECTIONS: [&str; 2] = ["basic_auth_users", "proxy_connect_header"];

/// Keys of a dialogue that a secret step keeps to itself.
const STEP: [&str; 3] = ["expect", "expect_bytes", "send"];

/// Whether a line makes a step of a dialogue secret.
pub(super) fn tells_of_secret_step(line: &str) -> bool {
    let rests = line.split("secret:").skip(1).map(str::trim_start);
    let mut rests = rests.map(str::to_ascii_lowercase);
    rests.any(|rest| ["true", "yes", "on", "y"].iter().any(|word| rest.starts_with(word)))
}

/// `line` without its secrets, and the byte at which the place of `fault` is then.
///
/// What stands before the column keeps its length, so that the column stays right. What dialogues
/// say is a secret where the file `has_secret_steps`: which step the line is of, it does not tell.
pub(super) fn masked(line: &str, fault: &Fault, has_secret_steps: bool) -> (String, usize) {
    let column = fault.mark.column.saturating_sub(1);
    let place = line.char_indices().nth(column).map_or(line.len(), |(place, _)| place);
    let (mut shown, mut start, mut from) = (String::new(), None, 0);
    for (begin, end) in secrets(line, place, fault, has_secret_steps) {
        shown.push_str(line.get(from..begin).unwrap_or_default());
        if begin < place {
            let letters = line.get(begin..end).unwrap_or_default().chars().count();
            shown.extend(std::iter::repeat_n('*', letters));
        } else {
            shown.push_str(HIDDEN);
        }
        if end > place && begin <= place {
            start = Some(begin);
        }
        from = end;
    }
    shown.push_str(line.get(from..).unwrap_or_default());
    let start = start.unwrap_or_else(|| {
        shown.char_indices().nth(column).map_or(shown.len(), |(place, _)| place)
    });
    (shown, start)
}

/// Where secrets begin and end, in order.
fn secrets(line: &str, place: usize, fault: &Fault, has_secret_steps: bool) -> Vec<(usize, usize)> {
    let mut found = Vec::new();
    let keys = line.match_indices(':').filter(|(at, _)| {
        line.get(at + 1..).is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '\t']))
    });
    for (at, _) in keys {
        let key = line.get(..at).unwrap_or_default().trim_end_matches(['"', '\'']);
        let key = key.rsplit([' ', '\t', '{', ',', '"', '\'']).next().unwrap_or_default();
        let is_secret = is_secret_name(key) && !is_module(key, fault);
        if is_secret || SECRET_SECTIONS.contains(&key) {
            found.extend(section_after(line, at + 1).or_else(|| value_after(line, at + 1)));
        } else if has_secret_steps && STEP.contains(&key) {
            found.extend(value_after(line, at + 1));
        } else if key.ends_with("url") {
            found.extend(secrets_of_url(line, at + 1));
        }
    }
    let here = line.get(place..).unwrap_or_default();
    if is_secret_value(&fault.path, here) {
        found.extend(value_after(line, place));
    }
    // Such as what an unknown key was probably meant to be.
    let mut names = fault.message.split('\'').skip(1).step_by(2);
    if let (true, Some(colon)) = (names.any(is_secret_name), here.find(':')) {
        found.extend(value_after(line, place + colon + 1));
    }
    for (at, _) in line.match_indices("$2") {
        found.extend(word_at(line, at));
    }
    found.extend(passwords_of_urls(line));
    found.sort_unstable();
    // One that begins inside of another is a part of it.
    let mut last = 0;
    found.retain(|(begin, end)| {
        let is_new = *begin >= last;
        last = last.max(*end);
        is_new
    });
    found
}

/// Whether what stands at the end of `path` is a secret, and `text` its value rather than its key.
fn is_secret_value(path: &str, text: &str) -> bool {
    let path = path.trim_end_matches(|c: char| c.is_ascii_digit() || "[]".contains(c));
    let (before, key) = path.rsplit_once('.').unwrap_or(("", path));
    let section = before.rsplit('.').next().unwrap_or_default();
    (is_secret_name(key) || SECRET_SECTIONS.contains(&section))
        && !text.trim_start_matches(['"', '\'']).starts_with(key)
}

/// Whether `key` is the name of a module, which may be any.
fn is_module(key: &str, fault: &Fault) -> bool {
    let mut path = fault.path.split('.');
    path.next() == Some("modules") && path.next() == Some(key)
}

/// The section in braces that begins behind `from`.
fn section_after(line: &str, from: usize) -> Option<(usize, usize)> {
    let rest = line.get(from..)?;
    let begin = from + rest.len() - rest.trim_start_matches([' ', '\t']).len();
    let mut open = 0_usize;
    for (at, letter) in line.get(begin..)?.char_indices() {
        match letter {
            '{' => open += 1,
            '}' if open > 0 => open -= 1,
            _ => {}
        }
        if open == 0 {
            let is_empty = line.get(begin + 1..begin + at)?.trim().is_empty();
            return (at > 0 && !is_empty).then_some((begin, begin + at + 1));
        }
    }
    (open > 0).then_some((begin, line.len()))
}

/// The secrets of the URL behind `from`, which may have no scheme.
fn secrets_of_url(line: &str, from: usize) -> impl Iterator<Item = (usize, usize)> {
    let value = value_after(line, from);
    let text = value.and_then(|(begin, end)| line.get(begin..end)).unwrap_or_default();
    let places = redact::secrets(text.trim_end_matches(['"', '\'']));
    let begin = value.map_or(0, |(begin, _)| begin);
    places.into_iter().map(move |place| (begin + place.start, begin + place.end))
}

/// The value that begins behind `from`; a section has none, its keys speak for themselves.
fn value_after(line: &str, from: usize) -> Option<(usize, usize)> {
    let rest = line.get(from..)?;
    let begin = from + rest.len() - rest.trim_start_matches([' ', '\t']).len();
    let value = line.get(begin..)?;
    let end = match value.chars().next()? {
        '{' | '|' | '>' | '#' | ']' | '}' => return None,
        '[' => value.find(']').map_or(value.len(), |end| end + 1),
        quote @ ('"' | '\'') => {
            value.get(1..).and_then(|inside| inside.find(quote)).map_or(value.len(), |end| end + 2)
        }
        // In braces a value ends at a comma; elsewhere it may hold one.
        _ if line.get(..begin)?.contains('{') => value.find([',', '}']).unwrap_or(value.len()),
        _ => value.find(" #").unwrap_or(value.len()),
    };
    let key_follows = value.get(..end).is_some_and(|value| value.ends_with(':'));
    (!key_follows).then_some((begin, begin + value.get(..end)?.trim_end().len()))
}

/// The word that begins at `at`.
fn word_at(line: &str, at: usize) -> Option<(usize, usize)> {
    let rest = line.get(at..)?;
    let length = rest.find([' ', '\t', '"', '\'', ',', '}']).unwrap_or(rest.len());
    Some((at, at + length))
}

/// What stands for a password in `scheme://user:password@host`.
fn passwords_of_urls(line: &str) -> impl Iterator<Item = (usize, usize)> {
    line.match_indices("://").filter_map(|(at, mark)| {
        let begin = at + mark.len();
        let authority = line.get(begin..)?.split(['/', ' ', '"', '\'']).next()?;
        let user = authority.rsplit_once('@')?.0;
        let (name, password) = user.split_once(':')?;
        let begin = begin + name.len() + 1;
        (!password.is_empty()).then_some((begin, begin + password.len()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Mark;

    fn masked_at(line: &str, column: usize, path: &str) -> (String, usize) {
        let mark = Mark { line: 1, column: column + 1 };
        masked(line, &Fault { mark, path: path.to_owned(), message: String::new() }, false)
    }

    #[test]
    fn secrets_are_not_shown() {
        for (line, expected) in [
            ("password: hunter2", "password: <secret>"),
            ("  passwrd: 'hun ter2' # mine", "  passwrd: <secret> # mine"),
            ("a: {password: hunter2, b: c}", "a: {password: <secret>, b: c}"),
            ("\"bearer_token\": \"hunter2\"", "\"bearer_token\": <secret>"),
            ("secrets: [hunter2, hunter3]", "secrets: <secret>"),
            ("Authorization: Bearer hunter2", "Authorization: <secret>"),
            ("key: hunter2", "key: <secret>"),
            ("client_certificate_key:\thunter2", "client_certificate_key:\t<secret>"),
            ("alice: $2y$10$hunter2", "alice: <secret>"),
            ("proxy_url: http://u:hunter2@h/p", "proxy_url: http://u:<secret>@h/p"),
            ("proxy_url: 'u:hunter2@h:1'", "proxy_url: 'u:<secret>@h:1'"),
            ("token_url: https://h/t?key=hunter2&a=b", "token_url: https://h/t?key=<secret>&a=b"),
            ("password: {a: hunter2}, b: c", "password: <secret>, b: c"),
            ("X-Api-Key: {values: [hunter2", "X-Api-Key: <secret>"),
            ("proxy_connect_header: {X-Odd: [hunter2]}", "proxy_connect_header: <secret>"),
            ("send: hunter2", "send: hunter2"),
            ("password_file: /run/password", "password_file: /run/password"),
            ("token_url: https://h/token", "token_url: https://h/token"),
            ("basic_auth: {username: u}", "basic_auth: {username: u}"),
            ("password:", "password:"),
            ("key: |", "key: |"),
        ] {
            let (shown, place) = masked_at(line, 0, "");
            assert_eq!((shown.as_str(), place), (expected, 0), "{line}");
        }
    }

    #[test]
    fn the_path_tells_of_secrets_that_the_line_does_not() {
        assert_eq!(masked_at("- hunter2", 2, "h.secrets[0]"), ("- <secret>".to_owned(), 2));
        assert_eq!(masked_at("  bob: hunter2", 7, "basic_auth_users.bob").0, "  bob: <secret>");
        assert_eq!(masked_at("  bob: hunter2", 2, "basic_auth.bob").0, "  bob: hunter2");
        assert_eq!(masked_at("  password: {}", 2, "a.password").0, "  password: {}");
        assert_eq!(masked_at("  tokens: {a: b}", 2, "modules.tokens").0, "  tokens: {a: b}");
    }

    #[test]
    fn steps_are_not_shown_where_one_is_secret() {
        for line in ["secret: true", "- {send: a, secret:  yes}", "      secret: On"] {
            assert!(tells_of_secret_step(line), "{line}");
        }
        assert!(!tells_of_secret_step("client_secret: abc") && !tells_of_secret_step("secret: no"));
        let mark = Mark { line: 1, column: 1 };
        let fault = Fault { mark, path: String::new(), message: String::new() };
        let (shown, _) = masked("{send: hunter2, expect: [hunter2]}", &fault, true);
        assert_eq!(shown, "{send: <secret>, expect: <secret>}");
    }

    #[test]
    fn the_place_stays_where_it_was() {
        let line = "a: {password: hünter2, bäd: c}";
        let (shown, place) = masked_at(line, 23, "a.bäd");
        assert_eq!(shown, "a: {password: *******, bäd: c}");
        assert_eq!(shown.find("bäd"), Some(place));
        assert_eq!(masked_at("password: 5", 10, "password"), ("password: <secret>".to_owned(), 10));
        assert_eq!(masked_at("a", 7, ""), ("a".to_owned(), 1));
    }

    #[test]
    fn what_a_key_was_meant_to_be_tells_of_secrets() {
        let message = "unknown key 'tokn'; did you mean 'bearer_token'?".to_owned();
        let fault = Fault { mark: Mark { line: 1, column: 4 }, path: String::new(), message };
        assert_eq!(masked("a: tokn: hunter2", &fault, false).0, "a: tokn: <secret>");
    }
}
