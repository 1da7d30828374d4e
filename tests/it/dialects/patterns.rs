//! Patterns: rejected patterns, and the matches of patterns and groups.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    net::TcpListener,
    path::Path,
    thread,
};

use probe_exporter::settings::regexp::Regexp;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::parity::upstream as exporter;

/// The result of a pattern for a text.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Outcome {
    Refused,
    NotFound,
    /// The match and its groups; a group without a match is empty.
    Found(Vec<String>),
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Line(String, String, #[serde(default)] Option<Outcome>);

const TABLE: &str = "patterns.jsonl";

/// Groups that are compared, the whole match included; no pattern of the table has more.
const GROUPS: usize = 5;

fn ours(pattern: &str, text: &str) -> Outcome {
    let Ok(regexp) = Regexp::new(pattern) else { return Outcome::Refused };
    let Some(captures) = regexp.captures(text.as_bytes()) else { return Outcome::NotFound };
    let group = |index| captures.group(index).unwrap_or_default();
    let group = |index| String::from_utf8_lossy(group(index)).into_owned();
    Outcome::Found((0..GROUPS).map(group).collect())
}

#[test]
fn patterns_have_the_results_recorded_from_blackbox_exporter() {
    let lines: Vec<Line> = super::table(TABLE);
    assert!(lines.len() >= 150, "{} patterns", lines.len());
    let mut wrong = Vec::new();
    for Line(pattern, text, expected) in lines {
        let (ours, expected) = (ours(&pattern, &text), expected.expect("recorded"));
        if ours != expected {
            wrong.push(format!("{pattern:?} in {text:?}: {ours:?}, and not {expected:?}"));
        }
    }
    assert!(wrong.is_empty(), "not as blackbox_exporter:\n{}", wrong.join("\n"));
}

#[test]
fn the_recorded_patterns_match_blackbox_exporter() {
    let Some((binary, record)) = super::upstream() else { return };
    let folder = tempfile::tempdir().unwrap();
    let mut lines: Vec<Line> = super::table(TABLE);
    let now = ask_all(Path::new(&binary), &lines, folder.path());
    for (line, now) in lines.iter_mut().zip(now) {
        assert!(record || line.2.as_ref() == Some(&now), "{line:?}: now {now:?}");
        line.2 = Some(now);
    }
    if record {
        super::write_table(TABLE, &lines);
    }
}

/// Probes an echo server with each text and its pattern.
fn ask_all(binary: &Path, lines: &[Line], folder: &Path) -> Vec<Outcome> {
    let module = |Line(pattern, text, _): &Line| {
        let labels: Vec<_> = (0..GROUPS)
            .map(|group| json!({"name": format!("g{group}"), "value": format!("<${{{group}}}>")}))
            .collect();
        json!({"prober": "tcp", "timeout": "5s", "tcp": {"query_response": [
            {"send": format!(">{text}")}, {"expect": pattern, "labels": labels}]}})
    };
    let named = |(index, line)| (format!("m{index}"), module(line));
    let alone = |line| super::configuration(std::iter::once(("m".to_owned(), module(line))));
    let valid: Vec<bool> =
        lines.iter().map(|line| super::loads(binary, &alone(line), folder)).collect();
    let all = lines.iter().enumerate().filter(|(index, _)| valid[*index]).map(named);
    let upstream = exporter::start(binary, &super::configuration(all), folder);
    let echo = echo();
    let ask = |index: usize| {
        let answer = super::ask(upstream.address(), &format!("m{index}"), &echo);
        let found = answer.lines().find_map(|line| line.strip_prefix("probe_expect_info{"));
        if let Some(labels) = found {
            return Outcome::Found((0..GROUPS).map(|group| label(labels, group)).collect());
        }
        assert!(answer.contains("\nprobe_failed_due_to_regex 1\n"), "{index}: {answer}");
        Outcome::NotFound
    };
    let outcome = |(index, valid)| if valid { ask(index) } else { Outcome::Refused };
    valid.into_iter().enumerate().map(outcome).collect()
}

/// Returns the value of a group's label, without the delimiters `<` and `>`.
fn label(labels: &str, group: usize) -> String {
    let (_, rest) = labels.split_once(&format!("g{group}=\"<")).unwrap();
    // The value may contain `>` too, but not followed by an unescaped quote.
    let (value, _) = rest.split_once(">\"").unwrap();
    // The text format escapes nothing else; a line contains no line feed.
    value.replace("\\\"", "\"").replace("\\\\", "\\")
}

/// A server that returns one line without its first byte, and closes. An empty text would not be
/// sent at all.
fn echo() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    thread::spawn(move || {
        while let Ok((stream, _)) = listener.accept() {
            let mut line = Vec::new();
            BufReader::new(&stream).read_until(b'\n', &mut line).unwrap();
            (&stream).write_all(&line[1..]).unwrap();
        }
    });
    address
}
