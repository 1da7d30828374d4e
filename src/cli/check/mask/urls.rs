//! Where the URLs of a line end, and where their secrets are.

use super::keys::Open;
use crate::settings::redact;

/// The byte behind the URL whose `://` is between `at` and `from`: that which the quote before it
/// ends, or else the word.
pub(super) fn end_of_url(line: &str, at: usize, from: usize) -> usize {
    let scheme = |c: char| c.is_ascii_alphanumeric() || "+-.".contains(c);
    let before = line.get(..at).unwrap_or_default().trim_end_matches(scheme);
    let rest = line.get(from..).unwrap_or_default();
    let end = match before.chars().next_back() {
        Some(quote @ ('"' | '\'')) => {
            let (mut text, begin) = (Open::default(), before.len() - quote.len_utf8());
            text.take_line(line.get(begin..).unwrap_or_default()).map(|length| begin + length)
        }
        _ => rest.find([' ', '\t']).map(|length| from + length),
    };
    end.unwrap_or(line.len())
}

/// The secrets of the URL between two bytes, which may have no scheme. What is before its last `@`
/// may be a password as a whole, whatever it has in it.
pub(super) fn secrets_of_url(
    line: &str,
    begin: usize,
    end: usize,
    found: &mut Vec<(usize, usize)>,
) {
    let text = line.get(begin..end).unwrap_or_default().trim_end_matches(['"', '\'']);
    let user = match (text.find("://"), text.find(':')) {
        (Some(at), _) => Some(at + "://".len()),
        (None, colon) => colon.map(|colon| colon + 1),
    };
    if let (Some(user), Some(host)) = (user, text.rfind('@')) {
        found.push((begin + user, begin + host));
    }
    let places = redact::secrets(text).into_iter();
    found.extend(places.map(|place| (begin + place.start, begin + place.end)));
}
