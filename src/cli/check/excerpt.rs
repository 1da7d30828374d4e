//! Renders diagnostics with an excerpt of their source line.

use std::ops::Range;

use textwrap::core::display_width;

use crate::{
    cli::output::{BOLD, DIM, ERROR, WARNING, escaped, wrapped},
    config::{Diagnostic, Location, Position, Step},
    settings::rule::{KeyPath, Segment},
};

/// The lines of a file as YAML counts them.
pub(super) struct Lines<'f> {
    file: &'f str,
    lines: Vec<String>,
}

/// The severity of a diagnostic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Severity {
    /// The file cannot be used.
    Error,
    /// The file can be used.
    Warning,
}

/// Replacement of the parts of a line that are not shown.
const HIDDEN: &str = "…";

impl<'f> Lines<'f> {
    /// The lines of `bytes`, which need not be valid UTF-8; `file` is the name to show.
    pub(super) fn of(file: &'f str, bytes: &[u8]) -> Self {
        let text = String::from_utf8_lossy(bytes);
        let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
        let text = text.replace("\r\n", "\n");
        Self { file, lines: text.split(['\n', '\r']).map(str::to_owned).collect() }
    }

    /// Renders a diagnostic in the format of compilers; `width` is that of the terminal, if there
    /// is one.
    pub(super) fn show(
        &self,
        severity: Severity,
        diagnostic: &Diagnostic,
        width: Option<usize>,
    ) -> String {
        let Diagnostic { location, message } = diagnostic;
        let Position { line, column, .. } = location.position;
        let (style, name) = match severity {
            Severity::Error => (ERROR, "error"),
            Severity::Warning => (WARNING, "warning"),
        };
        let first = format!("{style}{name}{style:#}: ");
        let message = escaped(&message.replace('\n', " "));
        let title = wrapped(&message, width, &first, &" ".repeat(name.len() + 2));
        let text = self.lines.get(line.saturating_sub(1)).map_or("", String::as_str);
        let (excerpt, caret) = excerpt(text, location);
        let before = excerpt.get(..caret.start).map_or(0, display_width);
        let carets = "^".repeat(excerpt.get(caret).map_or(0, display_width).max(1));
        let file = escaped(self.file);
        let gutter = " ".repeat(line.to_string().len());
        let path = match location.key_path().to_string() {
            path if path.is_empty() => String::new(),
            path => {
                let first = format!("{gutter} {DIM}={DIM:#} {BOLD}key{BOLD:#}: ");
                let rest = " ".repeat(gutter.len() + 8);
                format!("{gutter} {DIM}|{DIM:#}\n{}", wrapped(&path, width, &first, &rest))
            }
        };
        let excerpt = excerpt.trim_end();
        let space = if excerpt.is_empty() { "" } else { " " };
        let indent = " ".repeat(before);
        format!(
            "{title}{gutter}{DIM}-->{DIM:#} {file}:{line}:{column}\n\
             {gutter} {DIM}|{DIM:#}\n\
             {DIM}{line} |{DIM:#}{space}{excerpt}\n\
             {gutter} {DIM}|{DIM:#} {indent}{style}{carets}{style:#}\n{path}\n"
        )
    }
}

/// Returns an excerpt of a line, and the bytes of it to mark.
///
/// It shows the indentation, the keys of the path, and [`HIDDEN`] in place of everything else: any
/// value, comment or other key may be a secret, and the path is printed anyway.
fn excerpt(line: &str, location: &Location) -> (String, Range<usize>) {
    let Position { column, .. } = location.position;
    let keys: Vec<_> = keys_on_line(location).collect();
    let start = keys.first().map_or(column, |(_, start)| *start);
    let before = line.chars().take(start.saturating_sub(1));
    let is_indentation = |c: &char| matches!(c, ' ' | '\t' | '-');
    let indentation: String = before.clone().take_while(is_indentation).collect();
    let hides_start = indentation.chars().count() < before.count();
    let mut excerpt = indentation.replace('\t', "    ");
    if keys.is_empty() {
        let start = excerpt.len();
        let hides_rest = line.chars().skip(column.saturating_sub(1)).any(|c| !c.is_whitespace());
        if hides_start || hides_rest {
            excerpt.push_str(HIDDEN);
        }
        return (excerpt.clone(), start..excerpt.len());
    }
    if hides_start {
        excerpt.extend([HIDDEN, " "]);
    }
    let mut caret = None;
    for (index, (key, start)) in keys.iter().enumerate() {
        if index > 0 {
            excerpt.extend([" ", HIDDEN, " "]);
        }
        let begin = excerpt.len();
        excerpt.push_str(key);
        if *start == column {
            caret = Some(begin..excerpt.len());
        }
        excerpt.push(':');
    }
    if !line.trim_end().ends_with(':') {
        excerpt.extend([" ", HIDDEN]);
    }
    let value = excerpt.len().saturating_sub(HIDDEN.len())..excerpt.len();
    (excerpt, caret.unwrap_or(value))
}

/// The keys of the path that are on the line of the location, with their columns.
fn keys_on_line(location: &Location) -> impl Iterator<Item = (String, usize)> {
    let Position { file, line, column } = location.position;
    location.path.iter().filter_map(move |Step { segment, position }| {
        let Segment::Key(key) = segment else { return None };
        let is_here = position.file == file && position.line == line && position.column <= column;
        is_here.then(|| (KeyPath::from(key).to_string(), position.column))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, FileId};

    fn shown(bytes: &[u8], position: (usize, usize), width: Option<usize>) -> String {
        let (line, column) = position;
        let position = Position { line, column, ..Position::start_of(FileId::default()) };
        let diagnostic =
            Diagnostic { location: position.into(), message: "this is wrong".to_owned() };
        let text = Lines::of("a.yml", bytes).show(Severity::Error, &diagnostic, width);
        anstream::adapter::strip_str(&text).to_string()
    }

    /// The excerpt of the first error of a configuration, and what the caret is under.
    fn excerpt_of(yaml: &str) -> (String, String) {
        let errors = Config::parse(yaml, "a.yml").unwrap_err();
        let location = &errors.diagnostics[0].location;
        let line = yaml.lines().nth(location.position.line - 1).unwrap_or_default();
        let (excerpt, caret) = excerpt(line, location);
        (excerpt.clone(), excerpt.get(caret).unwrap().to_owned())
    }

    #[test]
    fn the_excerpt_stands_below_its_position() {
        assert_eq!(
            shown(b"modules:\n  web: {}\n", (2, 3), None),
            "error: this is wrong\n \
             --> a.yml:2:3\n  \
               |\n\
             2 |   \u{2026}\n  \
               |   ^\n\n"
        );
        let text = shown(format!("{}b: c", "a ".repeat(5000)).as_bytes(), (1, 10_004), Some(40));
        assert!(text.contains("a.yml:1:10004") && text.len() < 200, "{text}");
        let text = shown("日本: \u{1b}[2J".as_bytes(), (1, 5), None);
        assert!(text.contains("1 | …\n  | ^\n"), "{text}");
        for text in ["", "a: b\n", "a: b"] {
            let end = shown(text.as_bytes(), (1, 5), None);
            assert!(end.contains("a.yml:1:5\n") && end.contains('^'), "{end}");
        }
    }

    #[test]
    fn long_paths_stay_within_the_terminal() {
        let module = "a_module_".repeat(12);
        let yaml = format!("modules:\n  {module}:\n    prober: htp\n");
        let errors = Config::parse(&yaml, "a.yml").unwrap_err();
        for width in [60, 100, 160] {
            let lines = Lines::of("a.yml", yaml.as_bytes());
            let text = lines.show(Severity::Error, &errors.diagnostics[0], Some(width));
            let text = anstream::adapter::strip_str(&text).to_string();
            assert!(text.lines().all(|line| line.chars().count() <= width), "{text}");
            let path: String = text.split("key: ").nth(1).unwrap().split_whitespace().collect();
            assert_eq!(path, format!("modules.{module}.prober"));
        }
    }

    #[test]
    fn only_keys_of_the_path_are_shown() {
        let module = "modules:\n  m:\n    prober: http\n    http:\n      ";
        for (keys, expected) in [
            ("timout: s3cret # s3cret", ("      timout: …", "timout")),
            ("method: a s3cret", ("      method: …", "…")),
            ("body: &s3cret {s3cret: a}", ("      body: …", "body")),
            ("headers:\n        s3cret: [s3cret]", ("        s3cret: …", "s3cret")),
            ("body:\n        - s3cret", ("      body:", "body")),
            ("valid_status_codes: [200, s3cret]", ("      valid_status_codes: …", "…")),
            ("fail_if_body_matches_regexp:\n      - a\n      - '(s3cret'", ("      - …", "…")),
            ("basic_auth: {password: s3cret, usr: b}", ("      basic_auth: … usr: …", "usr")),
            ("\"tls config\": {key: s3cret}", ("      \"tls config\": …", "\"tls config\"")),
            ("? s3cret\n      : a", ("      … s3cret: …", "s3cret")),
            ("body: \"s3cret", ("      …", "…")),
            ("body: s3cret: b", ("      …", "…")),
        ] {
            let (excerpt, caret) = excerpt_of(&format!("{module}{keys}\n"));
            assert_eq!((excerpt.as_str(), caret.as_str()), expected, "{keys}");
        }
        let (excerpt, caret) = excerpt_of("modules: {s3cret: {prober: tcp}, m: {prober: no}}");
        assert_eq!((excerpt.as_str(), caret.as_str()), ("modules: … m: … prober: …", "…"));
    }
}
