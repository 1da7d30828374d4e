//! The results that a verification can have.

use serde::{Deserialize, Serialize};

/// The result of a verification; see [`meaning`](Self::meaning).
#[expect(missing_docs, reason = "`meaning` documents the variants")]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum VerifyResult {
    Ok,
    Expired,
    NotYetValid,
    WrongHost,
    UnknownAuthority,
    Revoked,
    WeakSignature,
    Invalid,
}

impl VerifyResult {
    /// All values in the order of the documentation.
    pub const ALL: &'static [Self] = &[
        Self::Ok,
        Self::Expired,
        Self::NotYetValid,
        Self::WrongHost,
        Self::UnknownAuthority,
        Self::Revoked,
        Self::WeakSignature,
        Self::Invalid,
    ];

    /// Returns the meaning in one sentence.
    #[must_use]
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Ok => {
                "A chain leads to a trusted CA, its certificates are valid now, and the leaf \
                 matches the host name."
            }
            Self::Expired => "A certificate has expired.",
            Self::NotYetValid => "A certificate is not valid yet.",
            Self::WrongHost => "The certificate is not valid for the host name.",
            Self::UnknownAuthority => "No chain leads to a trusted CA.",
            Self::Revoked => "The certificate is revoked according to the stapled OCSP response.",
            Self::WeakSignature => "A signature of the chain uses SHA-1 or MD5.",
            Self::Invalid => {
                "The certificate violates another rule, for example a name \
                 constraint."
            }
        }
    }

    /// Returns the value of the label `result`.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Expired => "expired",
            Self::NotYetValid => "not_yet_valid",
            Self::WrongHost => "wrong_host",
            Self::UnknownAuthority => "unknown_authority",
            Self::Revoked => "revoked",
            Self::WeakSignature => "weak_signature",
            Self::Invalid => "invalid",
        }
    }
}
