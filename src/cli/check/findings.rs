//! Errors and warnings with the line of the file that they are about.

use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};

use super::mask::Mask;
use crate::config::Fault;

/// The lines of a file as YAML counts them.
pub(super) struct Lines<'f> {
    file: &'f str,
    texts: Vec<String>,
    mask: Mask,
}

/// Whether a finding keeps the file from being used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Weight {
    /// It does.
    Error,
    /// It does not.
    Warning,
}

/// Columns for a line of a file where there is no terminal; what does not fit is left out around
/// the place, since a file may be a single line.
const DEFAULT_WIDTH: usize = 160;

impl<'f> Lines<'f> {
    /// Those of `bytes`, which need not be a text; `file` is the name to show.
    pub(super) fn of(file: &'f str, bytes: &[u8]) -> Self {
        let text = String::from_utf8_lossy(bytes);
        let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
        let text = text.replace("\r\n", "\n");
        let texts: Vec<_> = text.split(['\n', '\r']).map(str::to_owned).collect();
        Self { file, mask: Mask::of(&texts), texts }
    }

    /// The finding as compilers show them; `width` is that of the terminal, if there is one.
    pub(super) fn show(&self, weight: Weight, fault: &Fault, width: Option<usize>) -> String {
        let line = fault.mark.line;
        let text = self.texts.get(line.saturating_sub(1)).map_or("", String::as_str);
        let (text, start) = self.mask.apply(text, fault);
        let end = start + extent(text.get(start..).unwrap_or_default());
        let level = match weight {
            Weight::Error => Level::ERROR,
            Weight::Warning => Level::WARNING,
        };
        let snippet = Snippet::source(text.as_str())
            .path(self.file)
            .line_start(line)
            .annotation(AnnotationKind::Primary.span(start..end));
        let name = match weight {
            Weight::Error => "error: ",
            Weight::Warning => "warning: ",
        };
        let room = width.map(|width| width.saturating_sub(name.len()).max(1));
        let message = room.map(|room| textwrap::fill(&fault.message, room));
        let group =
            level.primary_title(message.as_deref().unwrap_or(&fault.message)).element(snippet);
        let group = match fault.path.as_str() {
            "" => group,
            path => {
                let path = annotate_snippets::normalize_untrusted_str(path);
                group.element(Level::NOTE.with_name("key").message(path))
            }
        };
        Renderer::styled().term_width(width.unwrap_or(DEFAULT_WIDTH)).render(&[group]) + "\n\n"
    }
}

/// Bytes of the word that `text` begins with: a text in quotes, or what ends before a space or
/// before what separates the parts of a list or a section.
fn extent(text: &str) -> usize {
    let Some(first) = text.chars().next() else { return 0 };
    let least = first.len_utf8();
    if matches!(first, '"' | '\'') {
        let rest = text.get(least..).unwrap_or_default();
        return rest.find(first).map_or(text.trim_end().len(), |end| least + end + 1);
    }
    let word = text.split([' ', '\t', ',', ']', '}']).next().unwrap_or_default();
    let word = word.strip_suffix(':').unwrap_or(word);
    if matches!(first, '[' | '{') { least } else { word.len().max(least) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Mark;

    fn shown(bytes: &[u8], mark: (usize, usize), path: &str, width: Option<usize>) -> String {
        let (line, column) = mark;
        let message = "this is wrong".to_owned();
        let fault = Fault { mark: Mark { line, column }, path: path.to_owned(), message };
        let text = Lines::of("a.yml", bytes).show(Weight::Error, &fault, width);
        anstream::adapter::strip_str(&text).to_string()
    }

    /// The line with the caret, and that above it.
    fn caret(bytes: &[u8], mark: (usize, usize)) -> (String, String) {
        let text = shown(bytes, mark, "", None);
        let lines: Vec<_> = text.lines().collect();
        let at = lines.iter().position(|line| line.contains('^')).unwrap();
        (lines[at - 1].to_owned(), lines[at].to_owned())
    }

    #[test]
    fn the_place_stands_below_its_line() {
        assert_eq!(
            shown(b"modules:\n  web: {}\n", (2, 3), "modules.web", None),
            "error: this is wrong\n \
             --> a.yml:2:3\n  \
               |\n\
             2 |   web: {}\n  \
               |   ^^^\n  \
               |\n  \
               = key: modules.web\n\n"
        );
    }

    #[test]
    fn every_kind_of_line_has_its_caret_in_place() {
        for (text, mark, expected) in [
            ("a: 1\r\nb: x\r\n", (2, 4), ("2 | b: x", "  |    ^")),
            ("a: 1\rb: x\r", (2, 4), ("2 | b: x", "  |    ^")),
            ("\u{feff}a: x\n", (1, 4), ("1 | a: x", "  |    ^")),
            ("a:\tx\n", (1, 4), ("1 | a:    x", "  |       ^")),
            ("日本: wörd\n", (1, 5), ("1 | 日本: wörd", "  |       ^^^^")),
            ("a: 'b c' # d\n", (1, 4), ("1 | a: 'b c' # d", "  |    ^^^^^")),
            ("a: [b, c]\n", (1, 4), ("1 | a: [b, c]", "  |    ^")),
            ("a: [b, c]\n", (1, 8), ("1 | a: [b, c]", "  |        ^")),
            ("a: b\n", (1, 5), ("1 | a: b", "  |     ^")),
            ("a: b\n", (2, 1), ("2 |", "  | ^")),
            ("", (1, 1), ("1 |", "  | ^")),
        ] {
            let (above, below) = caret(text.as_bytes(), mark);
            assert_eq!((above.trim_end(), below.as_str()), expected, "{text:?}");
        }
        let (above, below) = caret(b"a: \xff\n", (1, 4));
        assert_eq!((above.as_str(), below.as_str()), ("1 | a: \u{fffd}", "  |    ^"));
    }

    #[test]
    fn of_a_very_long_line_the_part_around_the_place_is_shown() {
        let text = format!("{}HERE, {}", "a, ".repeat(1000), "b, ".repeat(1000));
        for width in [40, 80, 200] {
            let text = shown(text.as_bytes(), (1, 3001), "", Some(width));
            assert!(text.contains("a.yml:1:3001"), "{text}");
            let lines: Vec<_> = text.lines().collect();
            let at = lines.iter().position(|line| line.contains('^')).unwrap();
            let place = lines[at - 1].find("HERE").unwrap_or_else(|| panic!("{text}"));
            assert_eq!(lines[at].find("^^^^"), Some(place), "{text}");
            assert!(lines.iter().all(|line| line.chars().count() <= width), "{width}\n{text}");
        }
    }
}
