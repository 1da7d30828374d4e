//! How pages say things: times, ages, and texts from strangers.

use std::{
    fmt::Write as _,
    time::{Duration, SystemTime},
};

use chrono::{DateTime, SecondsFormat, Utc};
use maud::{Markup, html};

pub(super) use crate::diagnostics::humanize::{count, duration};
use crate::diagnostics::{LogEntry, logfmt};

/// Bytes of one text that a page shows; the JSON has the whole.
const LONGEST: usize = 1_000;

/// A text that a stranger may have chosen, as one line: it cannot run into its neighbours, nor look
/// like something else.
pub(super) fn told(text: &str) -> Markup {
    html! { bdi { (plain(text, LONGEST)) } }
}

/// The same where there is room for little.
pub(super) fn told_briefly(text: &str, longest: usize) -> Markup {
    html! { bdi { (plain(text, longest)) } }
}

/// The same for where no element can stand, such as a title: at most `longest` bytes of it.
pub(super) fn plain(text: &str, longest: usize) -> String {
    let shown = text.get(..text.floor_char_boundary(longest)).unwrap_or_default();
    let mut out = String::with_capacity(shown.len());
    shown.chars().for_each(|character| logfmt::push_visible(&mut out, character));
    if shown.len() < text.len() {
        // Writing to a String cannot fail.
        let _ = write!(out, "… ({} bytes)", text.len());
    }
    out
}

/// A text of many lines, whole; they stay lines.
pub(super) fn lines(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\n' => out.push('\n'),
            other => logfmt::push_visible(&mut out, other),
        }
    }
    out
}

/// The particulars of a log entry; harmless as they are.
pub(super) fn particulars(entry: &LogEntry) -> String {
    let mut out = String::new();
    for (key, value) in &entry.fields {
        logfmt::push_pair(&mut out, key, value);
    }
    out
}

/// A round time, without the digits that a reading has.
pub(super) fn rounded(duration: Duration) -> String {
    let seconds = duration.as_secs_f64();
    if seconds < 0.001 {
        format!("{} µs", two_digits(seconds * 1e6))
    } else if seconds < 1.0 {
        format!("{} ms", two_digits(seconds * 1e3))
    } else {
        format!("{} s", two_digits(seconds))
    }
}

/// Two digits after the point at most.
pub(super) fn two_digits(number: f64) -> f64 {
    (number * 100.0).round() / 100.0
}

/// How long ago it was, in one unit; the clock may have been set back since.
pub(super) fn age(then: SystemTime, now: SystemTime) -> String {
    let seconds = now.duration_since(then).unwrap_or_default().as_secs();
    match seconds {
        0 => "now".to_owned(),
        1..60 => format!("{seconds} s ago"),
        60..3_600 => format!("{} min ago", seconds / 60),
        3_600..86_400 => format!("{} h ago", seconds / 3_600),
        _ => format!("{} d ago", seconds / 86_400),
    }
}

/// The moment itself.
pub(super) fn exact(then: SystemTime) -> String {
    DateTime::<Utc>::from(then).to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// How long ago a moment was, with the moment itself at hand.
pub(super) fn moment(then: SystemTime, now: SystemTime) -> Markup {
    let exact = exact(then);
    html! { time datetime=(exact) title=(exact) { (age(then, now)) } }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_have_one_unit() {
        let now = SystemTime::now();
        let cases = [
            (0, "now"),
            (59, "59 s ago"),
            (60, "1 min ago"),
            (7_300, "2 h ago"),
            (90_000, "1 d ago"),
        ];
        for (seconds, text) in cases {
            assert_eq!(age(now - Duration::from_secs(seconds), now), text);
        }
        assert_eq!(age(now + Duration::from_secs(9), now), "now");
    }

    #[test]
    fn texts_from_strangers_show_what_they_hide() {
        assert_eq!(plain("a\u{202e}b\u{1b}[31m\n\u{200b}\"é", 99), r#"a\u202eb\x1b[31m\n\u200b"é"#);
        assert_eq!(plain("ééé", 3), "é… (6 bytes)");
        assert_eq!(lines("a\r\n\u{0}b"), "a\\r\n\\x00b");
        let markup = told("<i>&\"").into_string();
        assert_eq!(markup, "<bdi>&lt;i&gt;&amp;&quot;</bdi>");
    }
}
