//! Output of commands, to a terminal or to a file.

use std::io::{Write, stderr, stdout};

use anstream::{AutoStream, ColorChoice};
use anstyle::{AnsiColor, Style};
use terminal_size::{Height, Width, terminal_size_of};

use crate::diagnostics::logfmt;

/// Style of successes.
pub(super) const SUCCESS: Style = AnsiColor::Green.on_default().bold();

/// Style of failures and errors.
pub(super) const ERROR: Style = AnsiColor::Red.on_default().bold();

/// Style of warnings.
pub(super) const WARNING: Style = AnsiColor::Yellow.on_default().bold();

/// Style of names and headings.
pub(super) const BOLD: Style = Style::new().bold();

/// Style of labels and less important text.
pub(super) const DIM: Style = Style::new().dimmed();

/// The output of a command.
///
/// Printed texts contain ANSI styles, which are removed if colours are disabled.
pub(super) struct Output {
    out: Box<dyn Write>,
    size: fn() -> Option<(Width, Height)>,
}

/// Minimum width of a terminal in columns. Narrower ones are treated as this wide.
const MIN_WIDTH: usize = 30;

impl Output {
    /// The standard output.
    pub(super) fn new(choice: ColorChoice) -> Self {
        let out = Box::new(AutoStream::new(stdout(), choice));
        Self { out, size: || terminal_size_of(stdout()) }
    }

    /// The standard error, for messages that are not results.
    pub(super) fn of_errors(choice: ColorChoice) -> Self {
        let out = Box::new(AutoStream::new(stderr(), choice));
        Self { out, size: || terminal_size_of(stderr()) }
    }

    /// Current width of the terminal in columns; none if the output is not a terminal.
    pub(super) fn width(&self) -> Option<usize> {
        (self.size)().map(|(Width(columns), _)| usize::from(columns).max(MIN_WIDTH))
    }

    /// Returns true if the output is a terminal.
    pub(super) fn is_terminal(&self) -> bool {
        self.width().is_some()
    }

    /// Prints `text`. Errors are ignored: the reader may have closed the pipe, as `head` does.
    pub(super) fn print(&mut self, text: &str) {
        self.out.write_all(text.as_bytes()).and_then(|()| self.out.flush()).ok();
    }
}

/// Escapes control characters of an untrusted text, so that it cannot control the terminal.
pub(super) fn escaped(text: &str) -> String {
    logfmt::visible(text)
}

/// A space at which [`wrapped`] does not break lines.
pub(super) const FIXED_SPACE: char = '\u{a0}';

/// Wraps `text` to lines of `width`. The first line starts with `first`, the others with `rest`. A
/// word that is too long for a line is broken; other words and numbers with their units are not.
pub(super) fn wrapped(text: &str, width: Option<usize>, first: &str, rest: &str) -> String {
    let Some(width) = width else {
        return format!("{first}{text}\n").replace(FIXED_SPACE, " ");
    };
    let options = textwrap::Options::new(width)
        .initial_indent(first)
        .subsequent_indent(rest)
        // Names of hosts and of headers contain hyphens.
        .word_splitter(textwrap::WordSplitter::NoHyphenation)
        .break_words(true);
    let text = with_fixed_units(text);
    let lines = textwrap::wrap(&text, options);
    let lines = lines.iter().map(|line| line.trim_end().replace(FIXED_SPACE, " ") + "\n");
    lines.collect()
}

/// Units that stay in the line of their number.
const UNITS: [&str; 9] = ["ns", "µs", "ms", "s", "%", "B", "KiB", "MiB", "bytes"];

/// Replaces the spaces between numbers and units by fixed ones.
fn with_fixed_units(text: &str) -> String {
    let mut result = String::with_capacity(text.len());
    for word in text.split_inclusive(' ') {
        let unit = word.trim_end_matches(|c: char| !c.is_alphanumeric() && c != '%');
        let is_after_number = result
            .strip_suffix(' ')
            .is_some_and(|before| before.ends_with(|c: char| c.is_ascii_digit()));
        if is_after_number && UNITS.contains(&unit) {
            result.pop();
            result.push(FIXED_SPACE);
        }
        result.push_str(word);
    }
    result
}

#[cfg(test)]
pub(super) mod tests {
    use std::{cell::RefCell, io, rc::Rc};

    use super::*;

    /// Collects the output.
    #[derive(Default)]
    struct Paper(Rc<RefCell<Vec<u8>>>);

    impl Write for Paper {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.borrow_mut().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// A terminal of 30, 40 or 100 columns, and the bytes printed on it.
    pub(in crate::cli) fn paper(columns: u16) -> (Output, Rc<RefCell<Vec<u8>>>) {
        let paper = Paper::default();
        let written = Rc::clone(&paper.0);
        let size: fn() -> Option<(Width, Height)> = match columns {
            30 => || Some((Width(30), Height(20))),
            40 => || Some((Width(40), Height(20))),
            _ => || Some((Width(100), Height(20))),
        };
        (Output { out: Box::new(paper), size }, written)
    }

    /// The rows that a terminal shows: a carriage return goes back to the start of the row.
    pub(in crate::cli) fn rows(written: &RefCell<Vec<u8>>, columns: u16) -> Vec<String> {
        let text = String::from_utf8(written.borrow().clone()).unwrap();
        let text = anstream::adapter::strip_str(&text).to_string();
        let row = |line: &str| {
            let mut cells: Vec<char> = Vec::new();
            for piece in line.split('\r') {
                let piece: Vec<char> = piece.chars().collect();
                assert!(piece.len() <= usize::from(columns), "too long for its row: {line:?}");
                let kept = cells.split_off(piece.len().min(cells.len()));
                cells = [piece, kept].concat();
            }
            cells.into_iter().collect::<String>().trim_end().to_owned()
        };
        text.lines().map(row).filter(|row| !row.is_empty()).collect()
    }

    #[test]
    fn nothing_is_cut_where_words_are_wrapped() {
        let text = format!("some words and one of {} letters", "x".repeat(50));
        let lines = wrapped(&text, Some(30), "- ", "  ");
        assert!(lines.lines().all(|line| line.len() <= 30), "{lines}");
        let letters =
            |text: &str| text.chars().filter(|c| !" -\n".contains(*c)).collect::<String>();
        assert_eq!(letters(&lines), letters(&text));
        assert_eq!(wrapped(&text, None, "- ", "  "), format!("- {text}\n"));
    }

    #[test]
    fn names_and_numbers_with_units_stay_together() {
        for (text, expected) in [
            ("it waited at most 992 ms, then 2 s.", "it waited at most\n992 ms, then 2 s.\n"),
            ("Missing is Strict-Transport-X", "Missing is\nStrict-Transport-X\n"),
            ("It is 20 or 30 s 40 smiles", "It is 20 or 30 s 40\nsmiles\n"),
            ("of which a part of 5\u{a0}%", "of which a part of\n5 %\n"),
        ] {
            assert_eq!(wrapped(text, Some(20), "", ""), expected);
        }
    }

    #[test]
    fn what_strangers_say_does_not_steer_the_terminal() {
        assert_eq!(escaped("a\u{1b}[2Jb\nc\u{202e}"), "a\\x1b[2Jb\\nc\\u202e");
    }
}
