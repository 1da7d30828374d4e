//! What commands print on: a terminal with its width and its colours, or anything else.

use std::io::{self, Write as _, stdout};

use anstream::{AutoStream, ColorChoice};
use anstyle::{AnsiColor, Style};

/// What stands out as good.
pub(super) const GOOD: Style = AnsiColor::Green.on_default().bold();

/// What stands out as bad.
pub(super) const BAD: Style = AnsiColor::Red.on_default().bold();

/// What stands out as surprising.
pub(super) const ODD: Style = AnsiColor::Yellow.on_default().bold();

/// What names something.
pub(super) const NAME: Style = Style::new().bold();

/// What matters less.
pub(super) const FAINT: Style = Style::new().dimmed();

/// Where a command prints.
///
/// Text comes with colours in it, and loses them where they are not wanted.
#[derive(Debug)]
pub(super) struct Screen {
    out: AutoStream<io::Stdout>,
    /// Columns of the terminal; none where lines are as long as they are.
    pub(super) width: Option<usize>,
}

/// Narrower terminals are taken for so wide: below it every word would stand alone.
const NARROWEST: usize = 30;

impl Screen {
    /// The standard output.
    pub(super) fn new(choice: ColorChoice) -> Self {
        let width = terminal_size::terminal_size_of(stdout())
            .map(|(width, _)| usize::from(width.0).max(NARROWEST));
        Self { out: AutoStream::new(stdout(), choice), width }
    }

    /// Prints `text` as it is. Whoever reads may have gone, such as `head`; then nobody is left to
    /// tell.
    pub(super) fn print(&mut self, text: &str) {
        self.out.write_all(text.as_bytes()).and_then(|()| self.out.flush()).ok();
    }
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
