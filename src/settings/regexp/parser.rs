//! Reads a pattern.

use regex_syntax::hir::Hir;

use super::error::RegexpError;

/// Reads `pattern` as Go would.
pub(super) fn parse(pattern: &str) -> Result<Hir, RegexpError> {
    regex_syntax::ParserBuilder::new()
        .build()
        .parse(pattern)
        .map_err(|_| RegexpError::too_large(pattern))
}
