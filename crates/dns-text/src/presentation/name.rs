//! Text of names.

use super::escape;
use crate::{ParseError, Reader};

impl Reader<'_> {
    /// Reads a name as text: absolute, in its original case.
    pub(crate) fn name(&mut self) -> Result<String, ParseError> {
        let mut text = String::new();
        self.labels(|label| {
            escape::label(&mut text, label);
            text.push('.');
        })?;
        if text.is_empty() {
            text.push('.');
        }
        Ok(text)
    }
}
