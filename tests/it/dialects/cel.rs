//! CEL expressions over a JSON body: rejected expressions and results.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    net::TcpListener,
    path::Path,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use probe_exporter::settings::cel::CelProgram;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::parity::upstream as exporter;

/// The result of an expression for a document.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Outcome {
    Refused,
    True,
    False,
    /// The evaluation fails, or the result is not a boolean.
    Error,
}

/// An expression, a document, the result of `blackbox_exporter`, and the reason why ours differs,
/// if it does.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Line(
    String,
    String,
    #[serde(default)] Option<Outcome>,
    #[serde(default, skip_serializing_if = "Option::is_none")] Option<String>,
);

const TABLE: &str = "cel.jsonl";

fn ours(expression: &str, document: &str) -> Outcome {
    let Ok(program) = CelProgram::new(expression) else { return Outcome::Refused };
    match program.evaluate(document.as_bytes(), Instant::now() + Duration::from_mins(1)) {
        Ok(true) => Outcome::True,
        Ok(false) => Outcome::False,
        Err(_) => Outcome::Error,
    }
}

#[test]
fn expressions_have_the_results_recorded_from_blackbox_exporter() {
    let lines: Vec<Line> = super::table(TABLE);
    assert!(lines.len() >= 80, "{} expressions", lines.len());
    let mut wrong = Vec::new();
    for Line(expression, document, expected, differs) in lines {
        let (ours, expected) = (ours(&expression, &document), expected.expect("recorded"));
        if (ours == expected) == differs.is_some() {
            wrong.push(format!("{expression:?} of {document:?}: {ours:?}, and not {expected:?}"));
        }
    }
    assert!(wrong.is_empty(), "not as blackbox_exporter, or not as listed:\n{}", wrong.join("\n"));
}

#[test]
fn the_recorded_expressions_match_blackbox_exporter() {
    let Some((binary, record)) = super::upstream() else { return };
    let folder = tempfile::tempdir().unwrap();
    let mut lines: Vec<Line> = super::table(TABLE);
    let now = ask_all(Path::new(&binary), &lines, folder.path());
    for (line, now) in lines.iter_mut().zip(now) {
        assert!(record || line.2 == Some(now), "{line:?}: now {now:?}");
        line.2 = Some(now);
    }
    if record {
        super::write_table(TABLE, &lines);
    }
}

/// Probes each document twice: once the expression must be true, once false.
fn ask_all(binary: &Path, lines: &[Line], folder: &Path) -> Vec<Outcome> {
    let module = |expression: &str, key: &str| json!({"prober": "http", "timeout": "5s", "http": {key: expression}});
    let keys = [("y", "fail_if_body_json_not_matches_cel"), ("n", "fail_if_body_json_matches_cel")];
    let check = |line: &Line| {
        let module = module(&line.0, keys[0].1);
        super::loads(
            binary,
            &super::configuration(std::iter::once(("m".to_owned(), module))),
            folder,
        )
    };
    let valid: Vec<bool> = lines.iter().map(check).collect();
    let all = lines.iter().enumerate().filter(|(index, _)| valid[*index]);
    let all = all.flat_map(|(index, line)| {
        keys.map(|(name, key)| (format!("{name}{index}"), module(&line.0, key)))
    });
    let upstream = exporter::start(binary, &super::configuration(all), folder);
    let server = serve(lines.iter().map(|line| line.1.clone()).collect());
    let succeeds = |name: &str, index: usize| {
        let target = format!("http://{server}/{index}");
        let answer = super::ask(upstream.address(), &format!("{name}{index}"), &target);
        assert!(answer.contains("\nprobe_http_status_code 200\n"), "{answer}");
        answer.contains("\nprobe_success 1\n")
    };
    let outcome = |(index, valid): (usize, bool)| {
        if !valid {
            return Outcome::Refused;
        }
        match (succeeds("y", index), succeeds("n", index)) {
            (true, false) => Outcome::True,
            (false, true) => Outcome::False,
            (false, false) => Outcome::Error,
            (true, true) => panic!("{} is true and false", lines[index].0),
        }
    };
    valid.into_iter().enumerate().map(outcome).collect()
}

/// A server whose paths are the numbers of documents.
fn serve(documents: Vec<String>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let documents = Arc::new(documents);
    thread::spawn(move || {
        while let Ok((stream, _)) = listener.accept() {
            let mut head = Vec::new();
            let mut reader = BufReader::new(&stream);
            while !head.ends_with(b"\r\n\r\n") {
                reader.read_until(b'\n', &mut head).unwrap();
            }
            let head = String::from_utf8(head).unwrap();
            let path = head.split(' ').nth(1).unwrap();
            let document = &documents[path[1..].parse::<usize>().unwrap()];
            let length = document.len();
            write!(&stream, "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{document}")
                .unwrap();
        }
    });
    address
}
