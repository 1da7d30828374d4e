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
const MAX_TEXT_BYTES: usize = 1_000;

/// A text that a stranger may have chosen, as one line: it cannot run into its neighbours, nor look
/// like something else.
pub(super) fn untrusted(text: &str) -> Markup {
    html! { bdi { (escaped(text, MAX_TEXT_BYTES)) } }
}

/// The same where there is room for little.
pub(super) fn untrusted_up_to(text: &str, max_bytes: usize) -> Markup {
    html! { bdi { (escaped(text, max_bytes)) } }
}

/// The same for where no element can stand, such as a title: at most `max_bytes` bytes of it.
pub(super) fn escaped(text: &str, max_bytes: usize) -> String {
    let shown = text.get(..text.floor_char_boundary(max_bytes)).unwrap_or_default();
    let mut out = String::with_capacity(shown.len());
    shown.chars().for_each(|character| logfmt::push_visible(&mut out, character));
    if shown.len() < text.len() {
        // Writing to a String cannot fail.
        let _ = write!(out, "… ({} bytes)", text.len());
    }
    out
}

/// A text of many lines, whole; they stay lines.
pub(super) fn escaped_lines(text: &str) -> String {
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
pub(super) fn log_fields(entry: &LogEntry) -> String {
    let mut out = String::new();
    for (key, value) in &entry.fields {
        logfmt::push_pair(&mut out, key, value);
    }
    out
}

/// A round time, without the digits that a reading has.
pub(super) fn rounded_duration(duration: Duration) -> String {
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
pub(super) fn timestamp(then: SystemTime) -> String {
    DateTime::<Utc>::from(then).to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// How long ago a moment was, with the moment itself at hand.
pub(super) fn age_element(then: SystemTime, now: SystemTime) -> Markup {
    let timestamp = timestamp(then);
    html! { time datetime=(timestamp) title=(timestamp) { (age(then, now)) } }
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
        assert_eq!(
            escaped("a\u{202e}b\u{1b}[31m\n\u{200b}\"é", 99),
            r#"a\u202eb\x1b[31m\n\u200b"é"#
        );
        assert_eq!(escaped("ééé", 3), "é… (6 bytes)");
        assert_eq!(escaped_lines("a\r\n\u{0}b"), "a\\r\n\\x00b");
        let markup = untrusted("<i>&\"").into_string();
        assert_eq!(markup, "<bdi>&lt;i&gt;&amp;&quot;</bdi>");
    }
}
