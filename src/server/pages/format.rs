//! Formatting on pages: durations, ages, and untrusted texts.

use std::{
    fmt::Write as _,
    time::{Duration, SystemTime},
};

use chrono::{DateTime, SecondsFormat, Utc};
use maud::{Markup, html};

pub(super) use crate::diagnostics::humanize::{count, duration, long};
use crate::{
    diagnostics::{LogEntry, logfmt},
    probe::refused::ShortText,
};

/// Maximum length of a text on a page in bytes. The JSON contains the whole text.
const MAX_TEXT_BYTES: usize = 1_000;

/// Renders an untrusted text on one line. It is isolated from the direction of surrounding text, and
/// its invisible characters are escaped.
pub(super) fn untrusted(text: &str) -> Markup {
    html! { bdi { (escaped(text, MAX_TEXT_BYTES)) } }
}

/// Renders at most `max_bytes` of an untrusted text.
pub(super) fn untrusted_up_to(text: &str, max_bytes: usize) -> Markup {
    html! { bdi { (escaped(text, max_bytes)) } }
}

/// Renders at most `max_bytes` of an untrusted text whose end may be missing.
pub(super) fn untrusted_start(text: &ShortText, max_bytes: usize) -> Markup {
    html! { bdi { (escaped_start(&text.start, text.length, max_bytes)) } }
}

/// Escapes at most `max_bytes` of an untrusted text, for places without elements such as a title.
pub(super) fn escaped(text: &str, max_bytes: usize) -> String {
    escaped_start(text, text.len(), max_bytes)
}

/// Escapes at most `max_bytes` of an untrusted text, which is the start of one with `length` bytes.
fn escaped_start(text: &str, length: usize, max_bytes: usize) -> String {
    let shown = text.get(..text.floor_char_boundary(max_bytes)).unwrap_or_default();
    let mut out = String::with_capacity(shown.len());
    shown.chars().for_each(|character| logfmt::push_visible(&mut out, character));
    if shown.len() < length {
        // Writing to a String cannot fail.
        let _ = write!(out, "… ({length} bytes)");
    }
    out
}

/// Escapes an untrusted text and keeps its line breaks.
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

/// Formats the fields of a log entry. Logfmt escapes them.
pub(super) fn log_fields(entry: &LogEntry) -> String {
    let mut out = String::new();
    for (key, value) in &entry.fields {
        logfmt::push_pair(&mut out, key, value);
    }
    out
}

/// Formats a duration with at most two decimal places.
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

/// Rounds to two decimal places.
pub(super) fn two_digits(number: f64) -> f64 {
    (number * 100.0).round() / 100.0
}

/// Formats the age of a time in one unit. A time in the future counts as now.
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

/// Formats a time as RFC 3339 in UTC.
pub(super) fn timestamp(then: SystemTime) -> String {
    DateTime::<Utc>::from(then).to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// Renders the age of a time, with the time itself as a tooltip.
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
    fn untrusted_texts_are_escaped() {
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
