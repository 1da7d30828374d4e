//! What commands print on: a terminal with its width and its colours, or anything else.

use std::io::{Write, stderr, stdout};

use anstream::{AutoStream, ColorChoice};
use anstyle::{AnsiColor, Style};
use terminal_size::{Height, Width, terminal_size_of};

use crate::diagnostics::logfmt;

/// What stands out as good.
pub(super) const SUCCESS: Style = AnsiColor::Green.on_default().bold();

/// What stands out as bad.
pub(super) const ERROR: Style = AnsiColor::Red.on_default().bold();

/// What stands out as surprising.
pub(super) const WARNING: Style = AnsiColor::Yellow.on_default().bold();

/// What names something.
pub(super) const BOLD: Style = Style::new().bold();

/// What matters less.
pub(super) const DIM: Style = Style::new().dimmed();

/// Where a command prints.
///
/// Text comes with colours in it, and loses them where they are not wanted.
pub(super) struct Output {
    out: Box<dyn Write>,
    size: fn() -> Option<(Width, Height)>,
}

/// Narrower terminals are taken for so wide: below it every word would stand alone.
const MIN_WIDTH: usize = 30;

impl Output {
    /// The standard output.
    pub(super) fn new(choice: ColorChoice) -> Self {
        let out = Box::new(AutoStream::new(stdout(), choice));
        Self { out, size: || terminal_size_of(stdout()) }
    }

    /// The standard error, for what is no result.
    pub(super) fn of_errors(choice: ColorChoice) -> Self {
        let out = Box::new(AutoStream::new(stderr(), choice));
        Self { out, size: || terminal_size_of(stderr()) }
    }

    /// Columns of the terminal now; none where lines are as long as they are.
    pub(super) fn width(&self) -> Option<usize> {
        (self.size)().map(|(Width(columns), _)| usize::from(columns).max(MIN_WIDTH))
    }

    /// Whether somebody looks at it.
    pub(super) fn is_terminal(&self) -> bool {
        self.width().is_some()
    }

    /// Prints `text` as it is. Whoever reads may have gone, such as `head`; then nobody is left to
    /// tell.
    pub(super) fn print(&mut self, text: &str) {
        self.out.write_all(text.as_bytes()).and_then(|()| self.out.flush()).ok();
    }
}

/// `text` as one line that cannot steer a terminal: a stranger may have chosen it.
pub(super) fn harmless(text: &str) -> String {
    logfmt::visible(text)
}

/// `text` in lines that fit `width`, the first after `first` and the others after `rest`. Nothing
/// is left out: a word that is too long for a line is broken.
pub(super) fn wrapped(text: &str, width: Option<usize>, first: &str, rest: &str) -> String {
    let Some(width) = width else {
        return format!("{first}{text}\n");
    };
    let options = textwrap::Options::new(width)
        .initial_indent(first)
        .subsequent_indent(rest)
        .break_words(true);
    textwrap::fill(text, options) + "\n"
}

#[cfg(test)]
pub(super) mod tests {
    use std::{cell::RefCell, io, rc::Rc};

    use super::*;

    /// Keeps what is printed.
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

    /// A terminal of 30, 40 or 100 columns, and what is printed on it.
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

    /// What a terminal shows of it: a carriage return goes back to the start of the row.
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
    fn what_strangers_say_does_not_steer_the_terminal() {
        assert_eq!(harmless("a\u{1b}[2Jb\nc\u{202e}"), "a\\x1b[2Jb\\nc\\u202e");
    }
}
