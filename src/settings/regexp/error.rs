//! Why a pattern does not compile, in Go's words.

/// Why a pattern does not compile.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("error parsing regexp: {reason}: `{part}`")]
pub struct RegexpError {
    reason: &'static str,
    part: String,
}

impl RegexpError {
    pub(super) fn too_large(pattern: &str) -> Self {
        Self { reason: "expression too large", part: pattern.to_owned() }
    }
}
